"""`rung login`: the device flow (RFC 8628) with a public client, and discovery of the provider's endpoints.

Two POSTs with httpx2, which commands have anyway; a browser on any machine does the rest.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from rung._http import verify
from rung.errors import NotAuthenticatedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TIMEOUT_S = 10.0
_SCOPE = "openid profile email groups offline_access"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER_S = 5.0  # RFC 8628, 3.5
_LIFE_S = 300  # of a token that does not say
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where one logs in, and as which client."""

    issuer: str
    client: str
    token: str
    """URL of its token endpoint."""
    device: str
    """URL of its device authorization endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """What somebody is shown who logs in."""

    code: str
    """To be typed at `url`."""
    url: str
    whole_url: str
    """The code is in it already; as `url` where the provider gives none."""
    secret: str
    """What the provider knows this attempt by."""
    interval_s: float
    expires_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login, as the command keeps it."""

    token: str
    """The ID token: what the control plane is shown."""
    expires: float
    """Seconds since 1970."""
    renewal: str | None
    """The refresh token, if the provider gave one."""
    issuer: str
    client: str


def discover(issuer: str) -> dict[str, Any]:
    """Read what a provider says of itself (OpenID Connect Discovery 1.0).

    Raises:
        UnavailableError: It does not answer, is another than it was asked for, or is not asked over TLS.
    """
    hint = "is login.issuer right, and the provider up?"
    if not _is_safe(issuer):
        raise UnavailableError(f"the login provider {issuer} is not asked without TLS", hint="its URL is https://...")
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = httpx2.get(url, timeout=_TIMEOUT_S, verify=verify(url)).raise_for_status()
        found: dict[str, Any] = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise UnavailableError(f"the login provider does not answer at {url} ({error})", hint=hint) from error
    if found.get("issuer") != issuer or not _is_safe(str(found.get("jwks_uri"))):
        raise UnavailableError(f"{url} is that of {found.get('issuer')!r}, not of {issuer!r}", hint=hint)
    return found


def find_provider(issuer: str, client: str) -> Provider:
    """Find where to log in.

    Raises:
        UnavailableError: The provider does not answer, or has no device flow.
    """
    found = discover(issuer)
    token, device = (str(found.get(f"{name}_endpoint")) for name in ("token", "device_authorization"))
    if not _is_safe(token) or not _is_safe(device):
        raise UnavailableError(
            f"{issuer} has no device flow", hint="let the provider allow it for this client, or use a token"
        )
    return Provider(issuer=issuer, client=client, token=token, device=device)


def begin_login(provider: Provider) -> DeviceCode:
    """Ask for a code that somebody confirms in a browser.

    Raises:
        UnavailableError: The provider does not answer.
        NotAuthenticatedError: It knows no such client.
    """
    found = _post(provider.device, {"client_id": provider.client, "scope": _SCOPE})
    if "device_code" not in found:
        raise NotAuthenticatedError(
            f"{provider.issuer} refused the login ({_told(found)})", hint="is the client known?"
        )
    return DeviceCode(
        code=found["user_code"],
        url=found["verification_uri"],
        whole_url=found.get("verification_uri_complete", found["verification_uri"]),
        secret=found["device_code"],
        interval_s=float(found.get("interval", 5)),
        expires_s=float(found["expires_in"]),
    )


def end_login(provider: Provider, code: DeviceCode, *, sleep: Callable[[float], None] = time.sleep) -> Session:
    """Wait until the code was confirmed.

    Raises:
        UnavailableError: The provider does not answer.
        NotAuthenticatedError: It was refused, or nobody confirmed it in time.
    """
    waited_s, interval_s = 0.0, code.interval_s
    body = {"grant_type": _GRANT, "device_code": code.secret, "client_id": provider.client}
    while waited_s < code.expires_s:
        sleep(interval_s)
        waited_s += interval_s
        found = _post(provider.token, body)
        match found.get("error"):
            case None:
                return _session(provider.issuer, provider.client, found)
            case "authorization_pending":
                pass
            case "slow_down":
                interval_s += _SLOWER_S
            case _:
                raise NotAuthenticatedError(
                    f"{provider.issuer} refused the login ({_told(found)})", hint="`rung login`"
                )
    raise NotAuthenticatedError("nobody confirmed the login in time", hint="`rung login`")


def renewed(session: Session) -> Session | None:
    """Give a newer token of a login; None when only a new login gives one.

    Raises:
        UnavailableError: The provider does not answer.
    """
    if session.renewal is None:
        return None
    body = {"grant_type": "refresh_token", "refresh_token": session.renewal, "client_id": session.client}
    found = _post(str(discover(session.issuer)["token_endpoint"]), body)
    if "id_token" not in found:
        return None
    return _session(session.issuer, session.client, {"refresh_token": session.renewal, **found})


def _post(url: str, body: Mapping[str, str]) -> dict[str, Any]:
    try:
        answer = httpx2.post(url, data=dict(body), timeout=_TIMEOUT_S, verify=verify(url))
        found: dict[str, Any] = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise UnavailableError(f"the login provider does not answer at {url} ({error})", hint="try again") from error
    return found if answer.status_code == _OK else {"error": f"status {answer.status_code}", **found}


def _session(issuer: str, client: str, found: Mapping[str, Any]) -> Session:
    if "id_token" not in found:
        raise NotAuthenticatedError(f"{issuer} gave no ID token", hint="allow the scope openid for this client")
    expires = time.time() + float(found.get("expires_in", _LIFE_S))
    return Session(
        token=found["id_token"], expires=expires, renewal=found.get("refresh_token"), issuer=issuer, client=client
    )


def _told(found: Mapping[str, Any]) -> str:
    return str(found.get("error_description") or found.get("error"))


def _is_safe(url: str) -> bool:
    """Tell whether a URL is asked over TLS, or on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return True
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
