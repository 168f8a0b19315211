from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rung.access import identities
from rung.practice import Owner, Review, Signature, judge_review, judge_signatures

NOW, EARLIER = "sha256:aaaabbbbcccc", "sha256:ddddeeeeffff"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def signed(owner: str, actor: str, digest: str = NOW) -> Signature:
    return Signature(owner=Owner(owner), actor=actor, digest=digest, time=NOON)


def reviewed(actor: str, digest: str = NOW) -> Review:
    return Review(actor=actor, digest=digest, time=NOON, because="they are what we sell by")


SIGNED = {
    "by nobody": ([], False, "not signed for product; not signed for engineering", "--as product"),
    "for the product": (
        [signed("product", "token:ada")],
        False,
        "signed for product by token:ada; not signed for engineering",
        "--as engineering",
    ),
    "by two": ([signed("product", "token:ada"), signed("engineering", "token:bob")], True, "by token:bob", ""),
    "by one for both": (
        [signed("product", "token:ada"), signed("engineering", "login:Ada@example.org")],
        False,
        "one person signed for both, and it takes two",
        "--as product",
    ),
    "both at the machine itself": ([signed("product", "ada"), signed("engineering", "bob")], False, "one person", ""),
    "before it changed": (
        [signed("product", "token:ada", EARLIER), signed("engineering", "token:bob")],
        False,
        "the signature for product by token:ada is stale, since these changed: latency_p99_ms, # Pitfalls",
        "--as product",
    ),
    "again after it changed": (
        [signed("product", "token:ada", EARLIER), signed("engineering", "token:bob"), signed("product", "token:ada")],
        True,
        "signed for product by token:ada",
        "",
    ),
}


@pytest.mark.parametrize(("given", "is_complete", "told", "command"), SIGNED.values(), ids=SIGNED.keys())
def test_signatures_are_judged(given: list[Signature], is_complete: bool, told: str, command: str):
    found = judge_signatures(
        "housing", NOW, given, identities=identities, changed=lambda _: ("latency_p99_ms", "# Pitfalls")
    )
    assert found.is_complete is is_complete
    assert told in found.because
    assert found.next.startswith("rung spec sign housing") is not is_complete
    assert found.next.endswith(command)


def test_stale_signature_says_what_changed():
    found = judge_signatures(
        "housing", NOW, [signed("product", "token:ada", EARLIER)], identities=identities, changed=lambda _: ("title",)
    )
    assert [(one["actor"], one["changed"]) for one in found.to_json()["stale"]] == [("token:ada", ["title"])]


REVIEWED = {
    "by nobody": ([], "token:bob", False, "nobody has reviewed the business metrics"),
    "by another": ([reviewed("token:ada")], "token:bob", True, "reviewed by token:ada: they are what we sell by"),
    "by who deployed them": ([reviewed("token:bob")], "login:bob@example.org", False, "token:bob alone"),
    "before they changed": ([reviewed("token:ada", EARLIER)], "token:bob", False, "have changed since token:ada"),
    "by both": ([reviewed("token:ada"), reviewed("token:bob")], "token:bob", True, "reviewed by token:ada"),
}


@pytest.mark.parametrize(("given", "author", "is_complete", "told"), REVIEWED.values(), ids=REVIEWED.keys())
def test_reviews_are_judged(given: list[Review], author: str, is_complete: bool, told: str):
    found = judge_review("housing.v1", NOW, given, author=author, identities=identities)
    assert (found.is_complete, told in found.because) == (is_complete, True)
    assert bool(found.next) is not is_complete
