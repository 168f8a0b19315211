"""DSSE: a payload, its type, and signatures over both.

What is signed is the pre-authentication encoding of DSSE v1 (`PAE`): lengths stand before type and payload, so that no
bytes can be moved from one into the other.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Annotated

from cryptography.exceptions import InvalidSignature
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from rung.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["Unsigned", "seal", "unseal"]

_TYPE = "application/vnd.in-toto+json"
_MOST_BYTES = 16 * 1024 * 1024  # of an envelope: names and digests, hundreds of thousands of them


class Unsigned(IntegrityError):  # noqa: N818  it is no defect of the bytes: nobody we trust has signed them
    """There is no signature of a key that is trusted here; the bytes may be as they were."""

    code = "unsigned"


class _Signature(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keyid: str
    sig: Base64Bytes


class _Envelope(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    payload_type: Annotated[str, Field(alias="payloadType")]
    payload: Base64Bytes
    signatures: Annotated[list[_Signature], Field(max_length=100)]


def seal(payload: bytes, key: Ed25519PrivateKey, *, name: str) -> bytes:
    """Sign a payload.

    Args:
        payload: An in-toto statement.
        key: Signs it.
        name: Id of the key.
    """
    envelope = {
        "payloadType": _TYPE,
        "payload": b64encode(payload).decode(),
        "signatures": [{"keyid": name, "sig": b64encode(key.sign(_encoded(payload))).decode()}],
    }
    return json.dumps(envelope, indent=1).encode()


def unseal(envelope: bytes, trusted: Mapping[str, Ed25519PublicKey]) -> tuple[bytes, str]:
    """Check an envelope; give its payload, and the id of the trusted key that signed it.

    Args:
        envelope: As `seal` made it, or another tool.
        trusted: Public keys by their ids.

    Raises:
        Unsigned: No trusted key is named in it.
        IntegrityError: It is no envelope, or a signature of a trusted key does not fit the payload.
    """
    found = _read(envelope)
    signed = [signature for signature in found.signatures if signature.keyid in trusted]
    if not signed:
        by = ", ".join(signature.keyid[:16] for signature in found.signatures) or "nobody"
        raise Unsigned(f"it is signed by {by}, which is not trusted here", hint="see .rung/keys/trusted")
    for signature in signed:
        try:
            trusted[signature.keyid].verify(signature.sig, _encoded(found.payload))
        except InvalidSignature:
            raise IntegrityError(
                f"the signature of the key {signature.keyid[:16]} does not fit what it signs",
                hint="bring provenance.json back from a backup, or train anew",
            ) from None
    return found.payload, signed[0].keyid


def _read(envelope: bytes) -> _Envelope:
    hint = "bring provenance.json back from a backup, or train anew"
    if len(envelope) > _MOST_BYTES:
        raise IntegrityError(f"the envelope has more than {_MOST_BYTES:,} bytes", hint=hint)
    try:
        found = _Envelope.model_validate_json(envelope)
    except ValidationError as error:
        raise IntegrityError(f"it is no DSSE envelope ({error.error_count()} errors)", hint=hint) from None
    if found.payload_type != _TYPE:
        raise IntegrityError(f"the envelope holds {found.payload_type[:100]!r}, and {_TYPE!r} is wanted", hint=hint)
    return found


def _encoded(payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(_TYPE), _TYPE.encode(), len(payload), payload)
