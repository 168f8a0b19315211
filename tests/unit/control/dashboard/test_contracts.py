from __future__ import annotations

from datetime import UTC, datetime

from rung.control.dashboard.pages.contracts import last_held, without
from rung.lifecycle import ContractFinding, Gate, Verdict, VerdictKind
from rung.registry import Promotion
from rung.schema import RevisionName


def attempt(name: str, *findings: ContractFinding) -> Promotion:
    told = [one.to_json() for one in findings]
    verdict = Verdict(
        gate=Gate.REGRESSION, kind=VerdictKind.PASS, because="", evidence={"contracts": told} if told else {}
    )
    revision, now = RevisionName.parse(name), datetime(2026, 1, 1, tzinfo=UTC)
    unknown = dict.fromkeys(("ended", "outcome", "because", "gate", "gate_since"))
    return Promotion(id=revision.minor, revision=revision, actor="ada", started=now, verdicts=(verdict,), **unknown)


def found(consumer: str, *broken: str) -> ContractFinding:
    return ContractFinding(consumer=consumer, version=2, broken=broken)


def test_newest_promotion_of_the_major_tells():
    attempts = [
        attempt("housing.v1.m1", found("webshop")),
        attempt("housing.v1.m2", found("desk"), found("webshop", "/price is gone")),
        attempt("housing.v2.m1", found("webshop")),
        attempt("housing.v1.m3"),
    ]
    last = last_held(attempts, "housing.v1", "webshop")
    assert last is not None
    assert (last["revision"], last["passed"]) == ("housing.v1.m2", False)
    assert last["because"] == "the contract of webshop (version 2) is broken: /price is gone"


def test_nothing_is_told_where_nobody_looked():
    assert last_held([attempt("housing.v1.m1", found("desk"))], "housing.v1", "webshop") is None


def test_consumers_are_known_however_they_are_spelled():
    assert without(["Listing form", "valuation_desk", "report"], ["listing-form", "valuation-desk"]) == ["report"]
