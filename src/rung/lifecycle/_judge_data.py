"""The data gate: scores of candidate and reference on the same rows, judged test by test.

Called by `control` with what the gate's job found. The sentence names every test, and what the gate could not see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.lifecycle._high_water import Step, high_water, steps_of
from rung.lifecycle._judge_groups import GroupFinding, judge_groups
from rung.lifecycle._test_changes import TestChanges
from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ENOUGH_DRAWS = 0.9
"""Share of a bootstrap's draws on which a test must have a number, on both revisions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What the data gate judges by, beside the scores."""

    candidate: str
    reference: str
    """The revision that is compared with."""
    rows: int
    """Held-out rows that are compared on."""
    changes: TestChanges = field(default_factory=TestChanges)
    training_rows: Mapping[str, Any] | None = None
    """Counts of held-out rows that the candidate was trained on; None: not known."""
    seen_by_reference: Mapping[str, Any] | None = None
    """The same for the reference, and whether such rows were `left_out`."""
    history: Sequence[tuple[str, Mapping[str, Any]]] = ()
    """The revisions promoted before, with the evidence of their data gates, in order."""
    groups: Sequence[Mapping[str, Any]] = ()
    """Figures of declared sensitive attributes: see `judge_groups`."""


def judge_data(results: Sequence[Mapping[str, Any]], facts: DataFacts) -> Verdict:
    """Judge the data tests, paired on the same rows.

    None may be significantly worse than the reference, or below the best promoted revision by more than the budget; no
    row may be among those that were trained on; no test may be gone without a reason; no groups may surely be further
    apart than was declared.

    Args:
        results: For each test its `name`, `goal`, `budget` (in its unit, or None), and for `candidate` and `reference`
            either scores (`{"full": x, "without_group": [...]}`, `drawn` in place of groups where it is not smooth) or
            the reason as text why there are none. `reference` is None for a test that is not compared: the reference
            never had it, or it computed something else. It is recorded, this once.
        facts: Everything else.
    """
    tests = [_with_mark(_judge_test(result, facts), result, facts) for result in results]
    groups = judge_groups(facts.groups)
    evidence = {
        "reference": facts.reference,
        "rows": facts.rows,
        "tests": tests,
        "removed": dict(facts.changes.removed),
        "training_rows": facts.training_rows or "not checked: the training gave no X_train",
        "seen_by_reference": facts.seen_by_reference or f"not checked: {facts.reference} kept no training rows",
        "groups": [finding.to_json() for finding in groups],
    }
    gone = facts.changes.unexplained("data test", candidate=facts.candidate, reference=facts.reference)
    broken = [*_leaks(facts), *gone, *_worse(tests, facts), *_apart(groups)]
    if not tests:
        broken.append("there is no data test")
    if broken:
        return Verdict(gate=Gate.DATA, kind=VerdictKind.FAIL, because="; ".join(broken), evidence=evidence)
    told = ", ".join(f"{test['name']} {test['told']}{_seen(test)}" for test in tests)
    because = f"no data test is significantly worse than {facts.reference}'s on the same {facts.rows:,} rows: {told}"
    return Verdict(
        gate=Gate.DATA,
        kind=VerdictKind.PASS,
        because="; ".join([because, *_remarks(facts), *_held(groups)]),
        evidence=evidence,
    )


def _leaks(facts: DataFacts) -> list[str]:
    found = facts.training_rows
    if found is None or found["leaked"] <= found["max_leaked"] * found["held_out"]:
        return []
    return [f"{_share(found)} held-out rows are also training rows ({found['leaked'] / found['held_out']:.2%})"]


def _worse(tests: Sequence[Mapping[str, Any]], facts: DataFacts) -> list[str]:
    """Say in a sentence which tests did not pass; the evidence has each one's own."""
    failed = [test for test in tests if not test["passed"]]
    compared = [f"{test['name']} {test['told']} (p {test['p_value']:.1g})" for test in failed if _is_compared(test)]
    told = [f"{test['name']}: {test['because']}" for test in failed if not _is_compared(test)]
    if compared:
        told.insert(
            0, f"significantly worse than {facts.reference}'s on the same {facts.rows:,} rows: {', '.join(compared)}"
        )
    return told + [
        f"{test['name']} is {mark['below']:.2g} below {mark['best']}, the best promoted revision, by the differences"
        f" that have added up since; the budget is {mark['budget']:.2g}"
        for test in tests
        if test["passed"] and (mark := test.get("high_water")) is not None and not mark["holds"]
    ]


def _is_compared(test: Mapping[str, Any]) -> bool:
    return test.get("p_value") is not None


def _seen(test: Mapping[str, Any]) -> str:
    """Tell what the comparison could not have missed."""
    caught = test.get("smallest_caught")
    return "" if caught is None else f" (a loss beyond {caught:.2g} is caught)"


def _remarks(facts: DataFacts) -> list[str]:
    """Say what else a reader must know of a comparison that passed."""
    remarks = facts.changes.remarks
    trained, seen = facts.training_rows, facts.seen_by_reference
    if trained is not None and trained["leaked"]:
        remarks.append(f"{_share(trained)} held-out rows are also training rows, as declared")
    if trained is not None and trained["repeated"]:
        remarks.append(f"{trained['repeated']:,} held-out rows are training rows but for their truth")
    if seen is not None and seen["leaked"]:
        then = "they were left out" if seen["left_out"] else "it looks better than it is"
        remarks.append(f"{facts.reference} was trained on {_share(seen)} held-out rows: {then}")
    return remarks


def _apart(groups: Sequence[GroupFinding]) -> list[str]:
    return [f"{one.measure} by {one.attribute}: {one.because}" for one in groups if not one.passed]


def _held(groups: Sequence[GroupFinding]) -> list[str]:
    """Say of bounded differences what was found; the evidence has the others."""
    return [
        f"{one.measure} by {one.attribute}: {one.because}" for one in groups if one.passed and one.limit is not None
    ]


def _share(found: Mapping[str, Any]) -> str:
    return f"{found['leaked']:,} of {found['held_out']:,}"


def _with_mark(test: dict[str, Any], result: Mapping[str, Any], facts: DataFacts) -> dict[str, Any]:
    """Add where a test stands against the best promoted revision."""
    candidate = Step(
        revision=facts.candidate,
        reference=facts.reference,
        difference=test.get("difference"),
        smallest_caught=test.get("smallest_caught"),
    )
    mark = high_water(steps_of(test["name"], facts.history), candidate, budget=result.get("budget"))
    return test if mark is None else {**test, "high_water": {**mark.to_json(), "holds": mark.holds}}


def _judge_test(result: Mapping[str, Any], facts: DataFacts) -> dict[str, Any]:
    candidate, reference = result["candidate"], result["reference"]
    told: dict[str, Any] = {"name": result["name"], "goal": result["goal"]}
    if isinstance(candidate, str):
        return {**told, "passed": False, "because": candidate, "told": ""}
    told["candidate"] = _finite(candidate["full"])
    if told["candidate"] is None:
        because = f"its score is {candidate['full']}, which is no number"
        return {**told, "passed": False, "because": because, "told": ""}
    if reference is None:
        return {**told, "passed": True, **_not_compared(result["name"], candidate["full"], facts)}
    if isinstance(reference, str):
        because = f"recorded, not compared: {facts.reference}'s has no number, {reference}"
        alone = f"{candidate['full']:.4g} (alone: {facts.reference}'s has no number, {reference})"
        return {**told, "passed": True, "because": because, "told": alone}
    return {**told, "reference": _finite(reference["full"]), **_compare(result, candidate, reference)}


def _not_compared(name: str, score: float, facts: DataFacts) -> dict[str, Any]:
    if name in facts.changes.changed:
        because = f"recorded, not compared: what it computes has changed since {facts.reference}"
        return {"because": because, "told": f"{score:.4g} (changed, so not compared)"}
    return {"because": f"recorded, not compared: {facts.reference} never had it", "told": f"{score:.4g} (new)"}


def _compare(result: Mapping[str, Any], candidate: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    gate = (
        _bootstrapped(result, candidate, reference) if "drawn" in candidate else _grouped(result, candidate, reference)
    )
    if isinstance(gate, str):
        return {"passed": False, "because": gate, "told": ""}
    return {
        "passed": gate.passed,
        "because": gate.because,
        "told": f"{candidate['full']:.4g} against {reference['full']:.4g}",
        "difference": _finite(gate.difference),
        "standard_error": _finite(gate.standard_error),
        "p_value": _finite(gate.p_value),
        "smallest_caught": _finite(gate.smallest_caught),
    }


def _grouped(result: Mapping[str, Any], candidate: Mapping[str, Any], reference: Mapping[str, Any]) -> stats.Gate:
    return stats.paired_gate(
        candidate=stats.GroupedScore(full=candidate["full"], without_group=tuple(candidate["without_group"])),
        reference=stats.GroupedScore(full=reference["full"], without_group=tuple(reference["without_group"])),
        goal=result["goal"],
    )


def _bootstrapped(
    result: Mapping[str, Any], candidate: Mapping[str, Any], reference: Mapping[str, Any]
) -> stats.Gate | str:
    """Compare on the draws on which both have a number; the reason when these are too few."""
    drawn = list(zip(candidate["drawn"], reference["drawn"], strict=True))
    both = [(ours, theirs) for ours, theirs in drawn if ours is not None and theirs is not None]
    if len(both) < _ENOUGH_DRAWS * len(drawn):
        return f"it has a number on {len(both):,} of {len(drawn):,} draws of the rows only"
    return stats.bootstrap_gate(
        candidate=stats.DrawnScore(full=candidate["full"], drawn=tuple(ours for ours, _ in both)),
        reference=stats.DrawnScore(full=reference["full"], drawn=tuple(theirs for _, theirs in both)),
        goal=result["goal"],
    )


def _finite(figure: float) -> float | None:
    """Give a figure as JSON can hold it."""
    return figure if math.isfinite(figure) else None
