"""An A/B test at one look: is it valid, does it do harm, who is better? Judged by the statistics, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.schema import ABTest

_FEWEST = 500  # requests of an arm's units, before it can be said that it is hardly ever there
_HARDLY_EVER = 0.5  # of them, answered by another in its place


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


def judge_experiment(
    test: ABTest, stretches: Sequence[Stretch], *, fallback: Mapping[str, tuple[int, int]] = MappingProxyType({})
) -> Finding:
    """Judge an A/B test at this look: its validity first, then guardrails, then the deciding metric.

    Stretches in which the challenger got nobody (a pause) compare nothing and are left out.

    Args:
        test: The declared test.
        stretches: One for each change of the traffic split, in their order.
        fallback: Requests of an arm's units, and those of them that another answered in its place, by arm.
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
        "fallback": {arm: {"requests": requests, "away": away} for arm, (requests, away) in fallback.items()},
    }
    broken = ratio.because if ratio.invalid else _never_there(fallback)
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
    undecided = [name for name, rail in rails.items() if rail.decision != "holds"]
    return _decided(test, look, figures=figures, undecided=undecided, fallback=fallback)


def _decided(
    test: ABTest,
    look: stats.Look,
    *,
    figures: dict[str, Any],
    undecided: Sequence[str],
    fallback: Mapping[str, tuple[int, int]],
) -> Finding:
    """Say what the deciding metric says, when all else lets it decide."""
    metric = test.decision
    told = f"{metric.name if metric else ''}: {look.because}"
    away = _too_often_away(test, fallback)
    if look.decision == "continue":
        return Finding(verdict=None, because=told, figures=figures)
    if away:
        return Finding(verdict=None, because=f"{told}; undecided, since {away}", figures=figures)
    if look.decision != "better":
        return _ended(VerdictKind.FAIL, look.decision, told, figures)
    if undecided:
        told = f"{told}; the guardrail {undecided[0]} is not yet shown to hold"
        return Finding(verdict=None, because=told, figures=figures)
    return _ended(VerdictKind.PASS, "better", told, figures)


def _never_there(fallback: Mapping[str, tuple[int, int]]) -> str:
    """Say which arm cannot be judged at all; nothing when both can."""
    for arm, (requests, away) in fallback.items():
        if requests >= _FEWEST and away > _HARDLY_EVER * requests:
            return f"{_told(arm, requests, away)}: it was hardly ever there"
    return ""


def _too_often_away(test: ABTest, fallback: Mapping[str, tuple[int, int]]) -> str:
    """Say why the evidence does not count yet: of a short absence, less and less is left as the test goes on."""
    for arm, (requests, away) in fallback.items():
        if away > test.limits.fallback_rate * requests:
            return f"{_told(arm, requests, away)}, and {test.limits.fallback_rate:.1%} may"
    return ""


def _told(arm: str, requests: int, away: int) -> str:
    other = {"challenger": "the incumbent", "incumbent": "another revision"}[arm]
    return f"{other} answered {away:,} of {requests:,} requests of the {arm}'s units ({away / requests:.1%})"


def _ended(kind: VerdictKind, outcome: str, because: str, figures: dict[str, Any]) -> Finding:
    figures = {**figures, "outcome": outcome}
    verdict = Verdict(gate=Gate.EXPERIMENT, kind=kind, because=because, evidence=figures)
    return Finding(verdict=verdict, because=because, figures=figures)


def _added(counts: Any) -> dict[str, int]:
    total = {"challenger": 0, "incumbent": 0}
    for count in counts:
        total = {arm: total[arm] + count[arm] for arm in total}
    return total
