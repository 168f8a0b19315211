"""Logins: ID tokens of an OpenID Connect provider, verified as OpenID Connect Core 1.0 (3.1.3.7) and RFC 8725 say."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung.access._actor import Actor, Kind
from rung.access._device import discover
from rung.access._roles import Grant, Role
from rung.errors import NotAuthenticatedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import jwt

    from rung.settings import Login

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a private key alone: with HMAC whoever can verify can also forge, and `none` signs nothing."""
_REQUIRED = ("exp", "iat", "iss", "aud", "sub")
_LEEWAY_S = 30.0  # that clocks may differ
_KEYS_S = 300.0  # how long the provider's keys are believed: a key that it took away opens nothing after that
_ASK_AGAIN_S = 10.0  # an unknown key asks the provider at most so often, whoever sends it
_TIMEOUT_S = 5.0
_LONGEST_NAME = 150
_HINT = "`rung login`"


@dataclass(slots=True)
class Logins:
    """Tells who logged in, by the tokens of one provider."""

    login: Login
    clock: Callable[[], float] = time.monotonic
    _client: jwt.PyJWKClient | None = None
    _asked: float = float("-inf")
    """When the provider was last asked for keys that were not known, or in vain; seconds of the clock."""
    _trouble: str = ""
    """Why its keys could not be read; empty when they could."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def actor(self, presented: str) -> Actor:
        """Tell who presents an ID token; the groups that it names give the roles.

        Raises:
            NotAuthenticatedError: It is expired, not signed by the provider, or made for somebody else.
            UnavailableError: The provider's keys cannot be read.
        """
        import jwt  # noqa: PLC0415  only where there are logins

        try:
            key = self._key(jwt.get_unverified_header(presented).get("kid"))
            claims: dict[str, Any] = jwt.decode(
                presented,
                key,
                algorithms=list(ALGORITHMS),
                audience=self.login.audience,
                issuer=self.login.issuer,
                leeway=_LEEWAY_S,
                options={"require": list(_REQUIRED)},
            )
        except (jwt.PyJWTError, RecursionError) as error:  # a header may be nested deeply
            raise NotAuthenticatedError(f"the login is not valid ({error})", hint=_HINT) from None
        if claims.get("azp", self.login.audience) != self.login.audience:
            raise NotAuthenticatedError("the login is not valid (it was made for another client)", hint=_HINT)
        return Actor(name=name_of(claims), kind=Kind.LOGIN, grants=self._grants(claims))

    def _grants(self, claims: Mapping[str, Any]) -> tuple[Grant, ...]:
        groups = claims.get(self.login.roles_claim, ())
        named = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else ()
        found = (self.login.roles.get(group) for group in named if isinstance(group, str))
        return tuple(Grant(role=Role(role)) for role in found if role is not None)

    def _key(self, wanted: object) -> jwt.PyJWK:
        """Give the key of an id; one that is not known may be new, so the provider is asked again."""
        import jwt  # noqa: PLC0415  only where there are logins

        if not isinstance(wanted, str):
            raise jwt.InvalidTokenError("it does not name its key")
        with self._lock:
            for is_fresh in (False, True):
                if is_fresh and self.clock() - self._asked < _ASK_AGAIN_S:
                    break
                for key in self._keys(is_fresh=is_fresh):
                    if key.key_id == wanted:
                        return key
        raise jwt.InvalidTokenError("the provider has no such key")

    def _keys(self, *, is_fresh: bool) -> list[jwt.PyJWK]:
        import jwt  # noqa: PLC0415  only where there are logins

        if self._trouble and self.clock() - self._asked < _ASK_AGAIN_S:
            raise UnavailableError(self._trouble, hint="is the provider up?")
        if is_fresh:
            self._asked = self.clock()
        try:
            if self._client is None:
                found = discover(self.login.issuer)
                self._client = jwt.PyJWKClient(found["jwks_uri"], lifespan=_KEYS_S, timeout=_TIMEOUT_S)
            keys = self._client.get_signing_keys(refresh=is_fresh)
        except (jwt.PyJWKClientError, jwt.PyJWKSetError, UnavailableError) as error:
            self._asked, self._trouble = self.clock(), f"the keys of {self.login.issuer} cannot be read ({error})"
            raise UnavailableError(self._trouble, hint="is the provider up?") from error
        self._trouble = ""
        return keys


def name_of(claims: Mapping[str, Any]) -> str:
    """Name somebody by an e-mail address that the provider has verified, else by the provider's own id for them.

    Names that people choose for themselves, as `preferred_username`, may be somebody else's tomorrow.
    """
    email = claims.get("email")
    if claims.get("email_verified") is True and isinstance(email, str) and _is_name(email):
        return email
    subject = str(claims["sub"])
    if not _is_name(subject):
        raise NotAuthenticatedError("the login is not valid (its subject is no name)", hint=_HINT)
    return subject


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable() and not any(map(str.isspace, text))
