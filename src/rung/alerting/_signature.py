"""Signatures of webhooks, as Standard Webhooks has them: https://www.standardwebhooks.com (version 1, HMAC-SHA256)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["signature", "verify"]

_PREFIX: Final = "whsec_"
_FEWEST: Final = 24
"""Bytes of a secret."""
_TOLERATED_S: Final = 300.0


def signature(body: bytes, *, identity: str, moment: datetime, secret: str) -> dict[str, str]:
    """Sign the body of a webhook.

    Args:
        body: As it is sent.
        identity: Of the notification; the same at each try, so that a receiver can leave out what it has.
        moment: Of this try.
        secret: `whsec_` and 24 bytes or more in base64, or as many characters.

    Returns:
        The headers to send with it.

    Raises:
        CallError: The secret is too short.
    """
    stamp = str(int(moment.timestamp()))
    digest = hmac.digest(_key(secret), f"{identity}.{stamp}.".encode() + body, hashlib.sha256)
    signed = base64.b64encode(digest).decode()
    return {"webhook-id": identity, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signed}"}


def verify(body: bytes, headers: Mapping[str, str], *, secret: str, now: datetime) -> bool:
    """Tell whether a webhook is from who knows the secret, and not older than five minutes.

    For receivers: `headers` with their names in lower case.

    >>> from datetime import UTC, datetime
    >>> now, secret = datetime(2026, 11, 22, tzinfo=UTC), "whsec_" + "c2VjcmV0" * 4
    >>> headers = signature(b"{}", identity="msg_1", moment=now, secret=secret)
    >>> verify(b"{}", headers, secret=secret, now=now), verify(b"[]", headers, secret=secret, now=now)
    (True, False)
    """
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(now.timestamp() - int(stamp)) > _TOLERATED_S:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    wanted = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
    found = [one.partition(",") for one in headers.get("webhook-signature", "").split(" ")]
    return any(kind == "v1" and hmac.compare_digest(wanted, given.encode()) for kind, _, given in found)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX)) if secret.startswith(_PREFIX) else secret.encode()
    except binascii.Error:
        key = b""
    if len(key) < _FEWEST:
        raise CallError(
            f"the secret of a webhook has fewer than {_FEWEST} bytes",
            hint="make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return key
