"""An A/B test at one look: is it valid, does it do harm, who is better? Judged by the statistics, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.schema import ABTest

_FEWEST = 100  # requests of the challenger before the share that the incumbent answered says something


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What is known of the units that were first seen while the traffic split was the same."""

    share: float
    """The challenger's, of the units."""
    exposed: Mapping[str, int]
    """Units that were assigned, for `challenger` and `incumbent`."""
    arms: Mapping[str, stats.Stratum]
    """By metric: the sums of challenger and incumbent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a look found."""

    verdict: Verdict | None
    """None: go on."""
    because: str
    """One sentence on how far it is."""
    figures: dict[str, Any]
    """As JSON data."""


def judge_experiment(test: ABTest, stretches: Sequence[Stretch], *, fallback: tuple[int, int] = (0, 0)) -> Finding:
    """Judge an A/B test at this look: its validity first, then guardrails, then the deciding metric.

    Stretches in which the challenger got nobody (a pause) compare nothing and are left out.

    Args:
        test: The declared test.
        stretches: One for each change of the traffic split, in their order.
        fallback: Requests of the challenger's units, and those of them that the incumbent answered in its place.
    """
    metric = test.decision
    assert metric is not None  # noqa: S101  an A/B test without a deciding metric is refused before it starts
    seen = [stretch for stretch in stretches if 0 < stretch.share < 1]
    ratio = stats.stratified_sample_ratio(
        [(stretch.exposed, {"challenger": stretch.share, "incumbent": 1 - stretch.share}) for stretch in seen]
    )
    strata = [stretch.arms[metric.name] for stretch in seen]
    look = stats.SequentialTest(
        minimum_effect=metric.minimum_effect, kind=metric.kind, goal=metric.goal, alpha=test.alpha, power=test.power
    ).look(strata)
    figures: dict[str, Any] = {
        "metric": metric.name,
        "minimum_effect": metric.minimum_effect,
        "share": stretches[-1].share,
        "exposed": _added(stretch.exposed for stretch in stretches),
        "outcomes": _added({"challenger": ours.units, "incumbent": theirs.units} for ours, theirs in strata),
        "look": look.to_json(),
        "sample_ratio": {"e_value": ratio.e_value, "because": ratio.because},
        "fallback": {"requests": fallback[0], "answered_by_incumbent": fallback[1]},
    }
    broken = _broken_validity(test, ratio, fallback)
    if broken:
        return _ended(VerdictKind.INCONCLUSIVE, "invalid", f"invalid: {broken}", figures)
    rails = {
        rail.name: stats.guardrail(
            [stretch.arms[rail.name] for stretch in seen], margin=rail.minimum_effect, kind=rail.kind, goal=rail.goal
        )
        for rail in test.guardrails
    }
    figures["guardrails"] = {name: {"decision": rail.decision, "because": rail.because} for name, rail in rails.items()}
    for name, rail in rails.items():
        if rail.decision == "broken":
            return _ended(VerdictKind.FAIL, "harmful", f"the guardrail {name} is broken: {rail.because}", figures)
    told = f"{metric.name}: {look.because}"
    if look.decision == "continue":
        return Finding(verdict=None, because=told, figures=figures)
    if look.decision == "better":
        undecided = [name for name, rail in rails.items() if rail.decision != "holds"]
        if undecided:
            told = f"{told}; the guardrail {undecided[0]} is not yet shown to hold"
            return Finding(verdict=None, because=told, figures=figures)
        return _ended(VerdictKind.PASS, "better", told, figures)
    return _ended(VerdictKind.FAIL, look.decision, told, figures)


def _broken_validity(test: ABTest, ratio: stats.SampleRatio, fallback: tuple[int, int]) -> str:
    if ratio.invalid:
        return ratio.because
    requests, away = fallback
    if requests >= _FEWEST and away / requests > test.limits.fallback_rate:
        return (
            f"the incumbent answered {away:,} of {requests:,} requests of the challenger's units "
            f"({away / requests:.1%}, and {test.limits.fallback_rate:.1%} may): the challenger was not there"
        )
    return ""


def _ended(kind: VerdictKind, outcome: str, because: str, figures: dict[str, Any]) -> Finding:
    figures = {**figures, "outcome": outcome}
    verdict = Verdict(gate=Gate.EXPERIMENT, kind=kind, because=because, evidence=figures)
    return Finding(verdict=verdict, because=because, figures=figures)


def _added(counts: Any) -> dict[str, int]:
    total = {"challenger": 0, "incumbent": 0}
    for count in counts:
        total = {arm: total[arm] + count[arm] for arm in total}
    return total
