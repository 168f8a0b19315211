"""The key that signs, and the keys that are trusted, as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from rung.errors import WorkspaceError
from rung.signing import Keys

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(folder=tmp_path / "keys")


def pem(password: bytes = b"") -> bytes:
    locked = BestAvailableEncryption(password) if password else NoEncryption()
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def test_a_key_is_made_once(keys: Keys):
    assert keys.trust_nothing_yet
    keys.make()
    made = keys.signer()[1]
    keys.make()
    assert keys.signer()[1] == made
    assert keys.trust_nothing_yet


def test_only_the_owner_reads_the_key(keys: Keys):
    keys.make()
    assert keys.private.stat().st_mode & 0o777 == 0o600
    assert keys.folder.stat().st_mode & 0o777 == 0o700
    keys.private.chmod(0o640)
    with pytest.raises(WorkspaceError, match="others may read the key"):
        keys.signer()


def test_our_own_key_is_trusted(keys: Keys):
    keys.make()
    keys.trust_own()
    keys.trust_own()
    assert list(keys.trusted()) == [keys.signer()[1]]
    assert not keys.trust_nothing_yet


def test_a_given_key_is_used_and_not_copied(tmp_path: Path):
    given = tmp_path / "given.pem"
    given.touch(mode=0o600)
    given.write_bytes(pem())
    keys = Keys(folder=tmp_path / "keys", given=given)
    keys.make()
    keys.trust_own()
    assert list(keys.trusted()) == [keys.signer()[1]]
    assert not (keys.folder / "signing.pem").exists()


BAD = {
    "no PEM": b"secret",
    "a key with a password": pem(b"secret"),
    "another kind of key": ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ),
    "nothing": b"",
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_bad_keys_are_refused(tmp_path: Path, content: bytes):
    given = tmp_path / "given.pem"
    given.touch(mode=0o600)
    given.write_bytes(content)
    with pytest.raises(WorkspaceError, match="not an Ed25519 key") as caught:
        Keys(folder=tmp_path, given=given).signer()
    assert "secret" not in str(caught.value)


def test_an_absent_key_is_told(keys: Keys):
    with pytest.raises(WorkspaceError, match="cannot be read"):
        keys.signer()


def test_a_bad_trusted_file_is_told(keys: Keys):
    keys.trusted_folder.mkdir(parents=True)
    (keys.trusted_folder / "x.pem").write_bytes(b"no key")
    with pytest.raises(WorkspaceError, match="not a public Ed25519 key"):
        keys.trusted()
