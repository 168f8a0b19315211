"""The key that signs, and the keys that are trusted.

The private key is a file that `RUNG_SIGNING_KEY` names, or `.rung/keys/signing.pem`, made when it is first needed and
readable by its owner only. Whose signature counts is told by the public keys in `.rung/keys/trusted/`; our own is put
there. A key's id is the SHA-256 of its public part (DER), so that a name cannot be given to another key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from rung.errors import WorkspaceError
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Keys", "key_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of one workspace."""

    folder: Path  # ".rung/keys"
    given: Path | None = None  # file of the private key, when it is not ours to make

    @property
    def private(self) -> Path:
        """The file of the key that signs."""
        return self.given or self.folder / "signing.pem"

    @property
    def trusted_folder(self) -> Path:
        """One PEM file for each public key whose signature counts."""
        return self.folder / "trusted"

    @property
    def trust_nothing_yet(self) -> bool:
        """Whether no key was ever trusted here."""
        return not self.trusted_folder.is_dir()

    def make(self) -> None:
        """Make the private key, unless there is one or one was given."""
        if self.given is None and not self.private.exists():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_new_key(self.private)

    def trust_own(self) -> None:
        """Let our own signature count.

        Raises:
            WorkspaceError: The private key cannot be used.
        """
        public = self.signer()[0].public_key()
        path = self.trusted_folder / f"{key_id(public)[:16]}.pem"
        if not path.exists():
            self.trusted_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(path, _pem(public), durable=True)

    def signer(self) -> tuple[Ed25519PrivateKey, str]:
        """Read the key that signs; give it and its id.

        Raises:
            WorkspaceError: It is not there, is not an Ed25519 key in PEM, or others may read it.
        """
        path, hint = self.private, "openssl genpkey -algorithm ed25519 -out FILE; chmod 600 FILE"
        try:
            if path.stat().st_mode & 0o077:
                raise WorkspaceError(f"others may read the key {path}", hint=f"chmod 600 {path}")
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise WorkspaceError(f"the key {path} cannot be read ({error.strerror})", hint=hint) from error
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise WorkspaceError(f"{path} is not an Ed25519 key in PEM without a password", hint=hint)
        return key, key_id(key.public_key())

    def trusted(self) -> dict[str, Ed25519PublicKey]:
        """Read the keys whose signatures count, by their ids.

        Raises:
            WorkspaceError: A file there is not a public Ed25519 key in PEM.
        """
        found: dict[str, Ed25519PublicKey] = {}
        for path in sorted(self.trusted_folder.glob("*.pem")):
            try:
                key = load_pem_public_key(path.read_bytes())
            except (OSError, ValueError):
                key = None
            if not isinstance(key, Ed25519PublicKey):
                raise WorkspaceError(f"{path} is not a public Ed25519 key in PEM", hint="mend it, or take it away")
            found[key_id(key)] = key
        return found


def key_id(key: Ed25519PublicKey) -> str:
    """Return the id of a public key: 64 hexadecimal digits."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _write_new_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_atomically(path, pem, durable=True, private=True)
