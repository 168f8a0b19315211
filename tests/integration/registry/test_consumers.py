"""Keys of consumers in a real registry."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from rung.errors import NotFoundError

if TYPE_CHECKING:
    from rung.registry import Registry


def test_a_key_is_kept_as_its_digest(registry: Registry):
    kept, key = registry.create_key("shop", "housing", actor="ada", because="they asked")
    assert registry.consumer_keys() == [kept]
    assert (kept.name, kept.service, kept.actor, kept.revoked) == ("shop", "housing", "ada", None)
    assert kept.digest == hashlib.sha256(key.encode()).hexdigest()
    assert len(key) <= 55  # bytes that the gateway reads
    told = str([*registry.events(), *registry.audit(limit=9), kept, kept.to_json()])
    assert "they asked" in told
    assert key not in told
    assert kept.digest not in told


def test_a_consumer_may_have_two_keys(registry: Registry):
    old, _ = registry.create_key("shop", None, actor="ada", because="one")
    new, _ = registry.create_key("shop", None, actor="ada", because="another")
    assert old.digest != new.digest
    registry.revoke_keys(old.id, actor="ada", because="changed")
    assert [key.id for key in registry.consumer_keys(valid_only=True)] == [new.id]


def test_all_keys_of_a_consumer_are_revoked(registry: Registry):
    for name in ("shop", "shop", "press"):
        registry.create_key(name, None, actor="ada", because="asked")
    revoked = registry.revoke_keys("shop", actor="eve", because="they are gone")
    assert [key.name for key in revoked if key.revoked] == ["shop", "shop"]
    assert [key.name for key in registry.consumer_keys(valid_only=True)] == ["press"]
    assert [event.kind for event in registry.events()][-2:] == ["consumer_revoked"] * 2
    with pytest.raises(NotFoundError, match="no valid key"):
        registry.revoke_keys("shop", actor="eve", because="again")
