"""Measure the error rates and the cost of the A/B test on simulated traffic, against the goals that we set ourselves.

    python benchmarks/ab/simulate.py [--repeats 20000] [--seed N] [--only WORD] [--output build/bench/ab.json]

The test looks 400 times per fixed-horizon size and ends where it decides. Without --seed every run draws fresh numbers.
The exit status is 1 when a figure misses its bar by more than its sampling error. A short version runs in
tests/property/stats.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import goals
import numpy as np
import traffic
from goals import Goal
from numpy.typing import NDArray
from traffic import Floats, Random, Scenario

from rung.stats import (
    DrawnScore,
    GroupedScore,
    bootstrap_draws,
    bootstrap_gate,
    groups,
    paired_gate,
    sample_ratio,
    worse_errors,
)
from rung.stats.effects import FIELDS, combine
from rung.stats.guardrail import decide as decide_guardrail
from rung.stats.sequential import DECISIONS

Judge = Callable[[Floats, Floats, Floats], NDArray[np.int64]]
"""(estimates, information, sums) -> codes; 0 goes on."""

PLAIN = ("proportion", "mean", "ratio")
"""The scenarios whose cost the goals are about: even shares, no heavy tail."""

BESIDE = "beside"
"""What is not the sequential test: guardrails, lost units, gates, health."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the repeats of one scenario at one effect."""

    scenario: str
    effect: float  # multiples of the minimum effect
    better: float  # share of the repeats
    not_better: float  # share of the repeats, without the harmful ones
    harmful: float  # share of the repeats
    undecided: float  # share of the repeats, at the longest
    mean: float  # units at the decision, ratio to the fixed horizon
    median: float  # the same
    repeats: int
    mean_interval: tuple[float, float]  # 95 %
    median_interval: tuple[float, float]  # 95 %


def run(scenario: Scenario, effect: float, repeats: int, random: Random) -> Outcome:
    """Run a scenario's test `repeats` times, each until it decides."""
    codes, units = decisions(scenario, effect, repeats, random)
    shares = [float((codes == code).mean()) for code in range(len(DECISIONS))]
    sizes = units / scenario.fixed_units
    return Outcome(
        scenario=scenario.name,
        effect=effect,
        better=shares[DECISIONS.index("better")],
        not_better=shares[DECISIONS.index("not_better")],
        harmful=shares[DECISIONS.index("harmful")],
        undecided=shares[DECISIONS.index("continue")],
        mean=float(sizes.mean()),
        median=float(np.median(sizes)),
        repeats=codes.size,
        mean_interval=goals.of_mean(sizes),
        median_interval=goals.of_median(sizes),
    )


def decisions(
    scenario: Scenario, effect: float, repeats: int, random: Random, *, judge: Judge | None = None
) -> tuple[NDArray[np.int64], Floats]:
    """Return the code and the units at the end of each repeat; `judge` stands in for the test's own decision."""
    chunk = 2_000 // scenario.strata  # what fits the cache of a processor is faster
    sizes = [min(chunk, repeats - start) for start in range(0, repeats, chunk)]
    chunks = [_chunk(scenario, effect, size, random, judge=judge or _decision(scenario)) for size in sizes]
    codes, units = zip(*chunks, strict=True)
    return np.concatenate(codes), np.concatenate(units)


def _decision(scenario: Scenario) -> Judge:
    test = scenario.test

    def judge(estimate: Floats, information: Floats, sums: Floats) -> NDArray[np.int64]:
        return test.decide(estimate, information, tilt=test.tilt(information, sums))

    return judge


def _chunk(
    scenario: Scenario, effect: float, repeats: int, random: Random, *, judge: Judge
) -> tuple[NDArray[np.int64], Floats]:
    codes, units = np.zeros(repeats, dtype=np.int64), np.zeros(repeats)
    running = np.arange(repeats)
    total = np.zeros((len(FIELDS), 2, scenario.strata, repeats, 1))
    for start in range(0, scenario.longest * scenario.looks, scenario.block):
        looks = np.arange(start, start + scenario.block)
        sums = total + np.cumsum(scenario.draw(random, scenario, traffic.Size(running.size, looks), effect), axis=-1)
        estimate, information = combine(sums, kind=scenario.kind)
        found = np.where(
            scenario.test.is_ready(information, sums), judge(scenario.sign * estimate, information, sums), 0
        )
        done = (found > 0).any(axis=-1)
        at = np.arange(running.size), np.where(done, (found > 0).argmax(axis=-1), -1)
        codes[running] = found[at]
        units[running] = sums[0].sum(axis=(0, 1))[at]
        running, total = running[~done], sums[..., ~done, -1:]
        if not running.size:
            break
    return codes, units


def broken_guardrail(scenario: Scenario, repeats: int, random: Random) -> float:
    """Return how often a guardrail that is broken by its margin holds at any look: more than any promotion needs."""

    def judge(estimate: Floats, information: Floats, sums: Floats) -> NDArray[np.int64]:
        del sums
        return decide_guardrail(estimate, information, margin=scenario.minimum_effect, alpha=0.05)

    codes, _ = decisions(scenario, -1.0, repeats, random, judge=judge)
    return float((codes == 1).mean())


def flagged(lost: float, repeats: int, random: Random) -> float:
    """Return how often a loss of challenger units is flagged before the test of a proportion decides.

    The fixed horizon has about 20,000 units; both are looked at 40 times in it.
    """
    scenario = traffic.of_rates("lost units", 0.10, 0.011, looks=40, facts={"share": (1 - lost) / (2 - lost)})
    test, looks = scenario.test, np.arange(scenario.longest * scenario.looks)
    caught = 0
    for size in [min(500, repeats - start) for start in range(0, repeats, 500)]:
        sums = np.cumsum(scenario.draw(random, scenario, traffic.Size(size, looks), 0.0), axis=-1)
        estimate, information = combine(sums, kind=scenario.kind)
        ended = test.is_ready(information, sums) & (_decision(scenario)(estimate, information, sums) > 0)
        last = np.where(ended.any(axis=-1), ended.argmax(axis=-1), looks.size - 1)
        counts = sums[0][:, 0].astype(int)
        caught += sum(_is_flagged(counts[:, repeat, : last[repeat] + 1]) for repeat in range(size))
    return caught / repeats


def _is_flagged(counts: NDArray[np.int64]) -> bool:
    shares = {"challenger": 0.5, "incumbent": 0.5}
    return any(
        sample_ratio({"challenger": int(ours), "incumbent": int(theirs)}, shares).invalid for ours, theirs in counts.T
    )


def rejected(rows: int, repeats: int, random: Random, *, lost: float, gained: float) -> float:
    """Return how often the gate rejects when the candidate loses and gains these shares of the rows' right answers."""
    group = groups(rows)
    sizes = np.bincount(group)
    reference = np.concatenate([[0.95], 0.95 + np.zeros(sizes.size)])  # the difference is all that the gate reads
    total = 0
    for _ in range(repeats):
        change = np.searchsorted([lost, lost + gained], random.random(rows), side="right")
        score = np.where(change == 0, -1.0, np.where(change == 1, 1.0, 0.0))
        by_group = np.bincount(group, weights=score)
        scores = 0.95 + np.concatenate([[score.mean()], (by_group.sum() - by_group) / (rows - sizes)])
        verdict = paired_gate(candidate=_grouped(scores), reference=_grouped(reference), goal="maximize")
        total += not verdict.passed
    return total / repeats


def rejected_median(rows: int, repeats: int, random: Random, *, worse: float) -> float:
    """Return how often the bootstrap gate rejects when the candidate's median error is higher by this share."""
    total = 0
    for repeat in range(repeats):
        errors = random.exponential(size=rows)
        ours = (1 + worse) * np.abs(errors + 0.3 * random.standard_normal(rows))
        theirs = np.abs(errors + 0.3 * random.standard_normal(rows))
        picks = np.stack(list(bootstrap_draws(rows, 200, seed=repeat)))
        candidate, reference = (
            DrawnScore(full=float(np.median(y)), drawn=tuple(np.median(y[picks], axis=1).tolist()))
            for y in (ours, theirs)
        )
        total += not bootstrap_gate(candidate=candidate, reference=reference, goal="minimize").passed
    return total / repeats


def aborted(rates: tuple[float, float], repeats: int, random: Random) -> tuple[float, float]:
    """Return how often a challenger with these error rates (its own, the incumbent's) is aborted, and when.

    When is the median number of its requests. Looks follow every request at first, then ever rarer, up to 20,000.
    """
    looks = np.unique(np.round(np.geomspace(1, 20_000, 120)).astype(int))
    fired = []
    for _ in range(repeats):
        counts = [np.cumsum(random.binomial(np.diff(looks, prepend=0), rate)) for rate in rates]
        for look, ours, theirs in zip(looks.tolist(), *(count.tolist() for count in counts), strict=True):
            if worse_errors(look, ours, look, theirs, tolerated=0.01).decision == "abort":
                fired.append(look)
                break
    return len(fired) / repeats, float(np.median(fired)) if fired else np.inf


def _grouped(scores: Floats) -> GroupedScore:
    return GroupedScore(full=float(scores[0]), without_group=tuple(scores[1:].tolist()))


def ab_goals(outcomes: list[Outcome]) -> list[Goal]:
    """Hold the outcomes against the bars."""
    null = [outcome for outcome in outcomes if outcome.effect == 0]
    alternative = [outcome for outcome in outcomes if outcome.effect == 1]
    found = []
    if null:
        worst = max(null, key=_better)
        name = "false-positive rate, worst null scenario"
        found.append(goals.rate(name, worst.better, worst.repeats, at_most=0.05, where=worst.scenario))
    if alternative:
        worst = min(alternative, key=_better)
        name = "power at the minimum effect, worst scenario"
        found.append(goals.rate(name, worst.better, worst.repeats, at_least=0.80, where=worst.scenario))
    for name, group, bars in (
        ("at the minimum effect", alternative, (0.67, 0.55)),
        ("under the null", null, (0.48, 0.34)),
    ):
        if plain := [outcome for outcome in group if outcome.scenario in PLAIN]:
            found.append(_cost(f"mean sample {name}, ratio to fixed horizon", plain, "mean", bars[0]))
            found.append(_cost(f"median sample {name}, ratio to fixed horizon", plain, "median", bars[1]))
    if cuped := [outcome for outcome in alternative if outcome.scenario == "mean with CUPED"]:
        found.append(_cost("mean sample with CUPED, correlation .7", cuped, "mean", 0.35))
    return found


def other_goals(repeats: int, random: Random) -> list[Goal]:
    """Measure what is not the sequential test: guardrails, lost units, gates, health."""
    rare = traffic.of_rates("error rate", 0.01, 0.004, goal="minimize")
    slow = traffic.of_units("latency", traffic.latency, 0.10, goal="minimize")
    worst = max(broken_guardrail(scenario, repeats, random) for scenario in (rare, slow))
    few = max(repeats // 10, 100)
    return [
        goals.rate("a promotion that harms a guardrail", worst, repeats, at_most=0.05),
        goals.rate(
            "a loss of 25 % of one arm's units flagged before the decision",
            flagged(0.25, few, random),
            few,
            at_least=0.95,
        ),
        goals.rate("a right split flagged", flagged(0.0, few, random), few, at_most=0.001),
        goals.rate(
            "gate: equal revisions rejected, 1,000 rows",
            rejected(1_000, few, random, lost=0.05, gained=0.05),
            few,
            at_most=0.06,
        ),
        goals.rate(
            "gate: 98.2 % to 97.2 % rejected, 10,000 rows",
            rejected(10_000, few, random, lost=0.015, gained=0.005),
            few,
            at_least=0.95,
        ),
        goals.rate(
            "gate: a loss of one point rejected, 1,000 rows, 1 in 10 answers differ",
            rejected(1_000, few, random, lost=0.055, gained=0.045),
            few,
        ),
        *bootstrap_goals(few // 4, random),
        *health_goals(few // 8, random),
    ]


def bootstrap_goals(repeats: int, random: Random) -> list[Goal]:
    """Measure the bootstrap gate on medians of absolute errors, 500 rows, 200 draws."""
    found = []
    for name, worse, bars in (
        ("equal medians rejected", 0.0, {"at_most": 0.06}),
        ("a median error 10 % higher rejected", 0.10, {}),
    ):
        share = rejected_median(500, repeats, random, worse=worse)
        found.append(goals.rate(f"bootstrap gate: {name}, 500 rows", share, repeats, **bars))
    return found


def health_goals(repeats: int, random: Random) -> list[Goal]:
    """Measure the test that ends an A/B test at once: 1 point more errors is tolerated."""
    found = []
    for name, rates, bars in (
        ("equal error rates aborted, 20,000 requests", (0.01, 0.01), {"at_most": 0.01}),
        ("error rates at what is tolerated aborted", (0.02, 0.01), {"at_most": 0.01}),
        ("an error rate of 5 % beside 1 % aborted", (0.05, 0.01), {"at_least": 0.95}),
        ("a challenger that only fails aborted", (1.0, 0.01), {"at_least": 0.95}),
    ):
        share, requests = aborted(rates, repeats, random)
        where = f"after {requests:,.0f} requests" if share > 0.5 else ""
        found.append(goals.rate(f"health: {name}", share, repeats, where=where, **bars))
    return found


def _better(outcome: Outcome) -> float:
    return outcome.better


def _cost(goal: str, outcomes: list[Outcome], figure: str, bar: float) -> Goal:
    worst = max(outcomes, key=lambda outcome: getattr(outcome, figure))
    interval = getattr(worst, f"{figure}_interval")
    return goals.cost(goal, getattr(worst, figure), interval, at_most=bar, where=worst.scenario)


def measure(repeats: int, random: Random, only: str = "") -> list[Outcome]:
    """Run every scenario under the null and at the minimum effect, the first at other effects too, and print."""
    outcomes = []
    print(
        f"{'scenario':32}{'effect':>7}{'better':>8}{'95 %':>16}{'not better':>12}{'harmful':>9}{'mean':>7}{'median':>8}"
    )
    for scenario in traffic.scenarios():
        if only not in scenario.name:
            continue
        more = (0.5, 3.0, -1.0, -3.0) if scenario.name == "proportion" else ()
        for effect in (0.0, 1.0, *more):
            outcome = run(scenario, effect, repeats // scenario.thrift, random)
            low, high = goals.interval_of(outcome.better, outcome.repeats)
            print(
                f"{outcome.scenario:32}{effect:7.1f}{outcome.better:8.4f}{f'{low:.4f}-{high:.4f}':>16}"
                f"{outcome.not_better:12.3f}{outcome.harmful:9.3f}{outcome.mean:7.3f}{outcome.median:8.3f}",
                flush=True,
            )
            outcomes.append(outcome)
    return outcomes


def main() -> int:
    """Measure, print the table, write the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20_000, help="of each scenario")
    parser.add_argument("--seed", type=int, default=None, help="fresh unless given")
    parser.add_argument("--only", default="", help=f"scenarios whose name has this word; {BESIDE!r}: all but scenarios")
    parser.add_argument("--output", type=Path, default=goals.OUTPUT)
    options = parser.parse_args()
    seed = secrets.randbits(64) if options.seed is None else options.seed
    random = np.random.default_rng(seed)
    print(f"seed {seed}, {options.repeats} repeats")
    outcomes = measure(options.repeats, random, options.only)
    if options.only not in {"", BESIDE}:
        return 0
    found = ab_goals(outcomes) + other_goals(options.repeats, random)
    facts = {"seed": seed, "repeats": options.repeats, "outcomes": [asdict(outcome) for outcome in outcomes]}
    return goals.report(found, facts, output=options.output, part="tests")


if __name__ == "__main__":
    sys.exit(main())
