"""Access: who asks, and what they may do.

The pure part (`_roles`, `_actor`) is a table of actions and roles. The rest are the two ways by which somebody beyond
this machine is known: tokens that Rung made, and logins at an OpenID Connect provider. The control plane asks it at
each request, the registry keeps its values, the commands log in with it. Names are imported when they are first used:
a platform on loopback needs neither argon2 nor a parser of JWTs.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.access._actor import Actor, Kind, identities
    from rung.access._device import DeviceCode, Provider, Session, begin_login, end_login, find_provider, renewed
    from rung.access._oidc import Logins
    from rung.access._roles import EVERYWHERE, LEAST, Action, Grant, Role, allowed, from_role, role_in
    from rung.access._sessions import forget_session, keep_session, read_session
    from rung.access._throttle import Throttle
    from rung.access._tokens import NewToken, Token, Tokens, new_token

__all__ = [
    "EVERYWHERE",
    "LEAST",
    "Action",
    "Actor",
    "DeviceCode",
    "Grant",
    "Kind",
    "Logins",
    "NewToken",
    "Provider",
    "Role",
    "Session",
    "Throttle",
    "Token",
    "Tokens",
    "allowed",
    "begin_login",
    "end_login",
    "find_provider",
    "forget_session",
    "from_role",
    "identities",
    "keep_session",
    "new_token",
    "read_session",
    "renewed",
    "role_in",
]

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(("Actor", "Kind", "identities"), "_actor"),
        **dict.fromkeys(
            ("DeviceCode", "Provider", "Session", "begin_login", "end_login", "find_provider", "renewed"), "_device"
        ),
        "Logins": "_oidc",
        **dict.fromkeys(
            ("EVERYWHERE", "LEAST", "Action", "Grant", "Role", "allowed", "from_role", "role_in"), "_roles"
        ),
        **dict.fromkeys(("forget_session", "keep_session", "read_session"), "_sessions"),
        "Throttle": "_throttle",
        **dict.fromkeys(("NewToken", "Token", "Tokens", "new_token"), "_tokens"),
    },
)
