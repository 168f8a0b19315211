"""Artifacts: what tasks return, as self-describing files in a store that finds them by digest.

`encode` and `decode` turn values into bytes and back; a store keeps the bytes. A digest is what allows a file to run
code when it is read: Rung never unpickles what it did not write.

>>> digest_of(encode([1, 2])) == digest_of(encode([1, 2]))
True
"""

from rung.artifacts._artifact import Description, decode, describe, encode
from rung.artifacts._digests import digest_of, verify
from rung.artifacts._store import LocalStore, PrunableStore, Store

__all__ = [
    "Description",
    "LocalStore",
    "PrunableStore",
    "Store",
    "decode",
    "describe",
    "digest_of",
    "encode",
    "verify",
]
