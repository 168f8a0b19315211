"""Artifacts: what tasks return, as self-describing files in a store that finds them by digest.

`encode` and `decode` turn values into bytes and back; a store keeps the bytes. A digest is what allows a file to run
code when it is read: Rung never unpickles what it did not write.

>>> digest_of(encode([1, 2])) == digest_of(encode([1, 2]))
True
"""

from typing import TYPE_CHECKING

from rung._lazy import exports
from rung.artifacts._artifact import Description, decode, describe, encode
from rung.artifacts._digests import digest_of, file_digest, verify
from rung.artifacts._store import LocalStore, PrunableStore, Store

if TYPE_CHECKING:
    from rung.artifacts._write_through import WriteThroughStore, stored_digests

__all__ = [
    "Description",
    "LocalStore",
    "PrunableStore",
    "Store",
    "WriteThroughStore",
    "decode",
    "describe",
    "digest_of",
    "encode",
    "file_digest",
    "stored_digests",
    "verify",
]

__getattr__ = exports(__name__, {"WriteThroughStore": "_write_through", "stored_digests": "_write_through"})
