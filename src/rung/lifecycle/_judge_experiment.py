"""An A/B test at one look: is it valid, does it do harm, who is better? Judged by the statistics, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.schema import ABTest

_FEWEST = 500  # requests of the challenger's units, of which it can be said that it is hardly ever there
_HARDLY_EVER = 0.5  # of them, answered by the incumbent in its place


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
    told = f"{metric.name}: {look.because}"
    if look.decision == "continue":
        return Finding(verdict=None, because=told, figures=figures)
    away = _too_often_away(test, fallback)
    if away:
        return Finding(verdict=None, because=f"{told}; undecided, since {away}", figures=figures)
    if look.decision == "better":
        undecided = [name for name, rail in rails.items() if rail.decision != "holds"]
        if undecided:
            told = f"{told}; the guardrail {undecided[0]} is not yet shown to hold"
            return Finding(verdict=None, because=told, figures=figures)
        return _ended(VerdictKind.PASS, "better", told, figures)
    return _ended(VerdictKind.FAIL, look.decision, told, figures)


def _never_there(fallback: tuple[int, int]) -> str:
    """Say that the challenger cannot be judged at all; nothing when it can."""
    requests, away = fallback
    if requests < _FEWEST or away <= _HARDLY_EVER * requests:
        return ""
    return f"{_told(fallback)}: the challenger was hardly ever there"


def _too_often_away(test: ABTest, fallback: tuple[int, int]) -> str:
    """Say why the evidence does not count yet: of a short absence, less and less is left as the test goes on."""
    requests, away = fallback
    if away <= test.limits.fallback_rate * requests:
        return ""
    return f"{_told(fallback)}, and {test.limits.fallback_rate:.1%} may"


def _told(fallback: tuple[int, int]) -> str:
    requests, away = fallback
    return f"the incumbent answered {away:,} of {requests:,} requests of the challenger's units ({away / requests:.1%})"


def _ended(kind: VerdictKind, outcome: str, because: str, figures: dict[str, Any]) -> Finding:
    figures = {**figures, "outcome": outcome}
    verdict = Verdict(gate=Gate.EXPERIMENT, kind=kind, because=because, evidence=figures)
    return Finding(verdict=verdict, because=because, figures=figures)


def _added(counts: Any) -> dict[str, int]:
    total = {"challenger": 0, "incumbent": 0}
    for count in counts:
        total = {arm: total[arm] + count[arm] for arm in total}
    return total
