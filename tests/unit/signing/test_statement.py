from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import rung.signing
from rung.errors import IntegrityError
from rung.signing import Dependency, Provenance, Subject, Unsigned, key_id, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Callable

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KEY = Ed25519PrivateKey.generate()
NAME = key_id(KEY.public_key())
TRUSTED = {NAME: KEY.public_key()}
STATED = Provenance(
    revision="housing.v1.m2",
    subjects=(Subject(name="bundle.json", digest=f"sha256:{1:064x}"),),
    dependencies=(Dependency(name="source", digest=f"gitCommit:{2:040x}"),),
    run="housing.v1.m2",
    actor="ada",
    rung="0.1.0",
    started="2026-11-21T09:00:00+00:00",
    ended="2026-11-21T09:01:00+00:00",
)


def sealed(payload: bytes = b"{}", key: Ed25519PrivateKey = KEY) -> dict[str, Any]:
    return json.loads(seal(payload, key, name=key_id(key.public_key())))


def test_a_statement_is_read_as_it_was_written():
    assert Provenance.from_json(STATED.to_json()) == STATED
    assert STATED.digest_of("bundle.json") == f"sha256:{1:064x}"
    assert STATED.digest_of("artifacts/fit") is None


def test_a_statement_has_the_form_of_in_toto():
    written = json.loads(STATED.to_json())
    assert written["_type"] == "https://in-toto.io/Statement/v1"
    assert written["predicateType"] == "https://slsa.dev/provenance/v1"
    assert written["subject"] == [{"name": "bundle.json", "digest": {"sha256": f"{1:064x}"}}]
    assert written["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": f"{2:040x}"}


def test_what_was_signed_is_given_back():
    assert unseal(seal(STATED.to_json(), KEY, name=NAME), TRUSTED) == (STATED.to_json(), NAME)


def test_signature_is_over_the_encoding_of_dsse():
    envelope = sealed(b"hello")
    encoded = b"DSSEv1 28 application/vnd.in-toto+json 5 hello"
    KEY.public_key().verify(b64decode(envelope["signatures"][0]["sig"]), encoded)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"


def test_a_stranger_is_not_believed():
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(Unsigned, match="which is not trusted here"):
        unseal(json.dumps(sealed(key=stranger)).encode(), TRUSTED)
    with pytest.raises(Unsigned, match="signed by nobody"):
        unseal(json.dumps({**sealed(), "signatures": []}).encode(), TRUSTED)


def test_a_strangers_signature_under_our_name_is_refused():
    envelope = sealed(key=Ed25519PrivateKey.generate())
    envelope["signatures"][0]["keyid"] = NAME
    with pytest.raises(IntegrityError, match="does not fit what it signs"):
        unseal(json.dumps(envelope).encode(), TRUSTED)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another payload": lambda envelope: envelope.update(payload=b64encode(b"[]").decode()),
    "another type": lambda envelope: envelope.update(payloadType="text/plain"),
    "no payload": lambda envelope: envelope.pop("payload"),
    "no base64": lambda envelope: envelope.update(payload="%%%"),
    "an empty signature": lambda envelope: envelope["signatures"][0].update(sig=""),
    "a short signature": lambda envelope: envelope["signatures"][0].update(sig="AAAA"),
    "something more": lambda envelope: envelope.update(more=1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_envelope_is_refused(change: Callable[[dict[str, Any]], object]):
    envelope = sealed()
    change(envelope)
    with pytest.raises(IntegrityError):
        unseal(json.dumps(envelope).encode(), TRUSTED)


def test_a_huge_envelope_is_not_read():
    with pytest.raises(IntegrityError, match="has more than"):
        unseal(b" " * (17 << 20), TRUSTED)


@given(data=st.binary() | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_break_the_readers(data: bytes):
    for read in (lambda: unseal(data, TRUSTED), lambda: Provenance.from_json(data)):
        with pytest.raises(IntegrityError):
            read()


@given(at=st.integers(min_value=0), to=st.integers(min_value=0, max_value=255))
def test_no_changed_byte_says_something_else(at: int, to: int):
    envelope = bytearray(seal(STATED.to_json(), KEY, name=NAME))
    envelope[at % len(envelope)] = to
    try:
        payload, name = unseal(bytes(envelope), TRUSTED)
    except IntegrityError:
        return
    assert (payload, name) == (STATED.to_json(), NAME)


def test_another_revision_makes_another_statement():
    assert replace(STATED, revision="housing.v1.m3").to_json() != STATED.to_json()


def test_exports_are_sorted():
    assert rung.signing.__all__ == sorted(rung.signing.__all__)
