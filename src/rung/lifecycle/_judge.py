"""From figures to verdicts: each gate's evidence judged by the statistics, with the sentence that explains it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

_LATE_MS = 10.0  # of sending, at the 99th percentile, on a machine with something else to do

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.schema import ABTest


def judge_regression(results: Sequence[Mapping[str, Any]]) -> Verdict:
    """Judge the regression tests on the live endpoint: all must pass.

    Args:
        results: For each test its `name`, whether it `passed`, and `because`.
    """
    failed = [result for result in results if not result["passed"]]
    evidence = {"tests": list(results)}
    if not results:
        return Verdict(
            gate=Gate.REGRESSION,
            kind=VerdictKind.FAIL,
            because="there is no regression test",
            evidence=evidence,
        )
    if failed:
        told = "; ".join(f"{result['name']}: {result['because']}" for result in failed)
        because = f"{len(failed)} of {len(results)} regression tests did not pass: {told}"
        return Verdict(gate=Gate.REGRESSION, kind=VerdictKind.FAIL, because=because, evidence=evidence)
    because = f"all {len(results)} regression tests passed on the live endpoint"
    return Verdict(gate=Gate.REGRESSION, kind=VerdictKind.PASS, because=because, evidence=evidence)


def judge_data(results: Sequence[Mapping[str, Any]], *, reference: str, rows: int) -> Verdict:
    """Judge the data tests, paired on the same rows: none may be significantly worse than the reference.

    Args:
        results: For each test its `name`, `goal`, and for `candidate` and `reference` either scores
            (`{"full": x, "without_group": [...]}`) or the reason as text why there are none; `reference` is None for a
            test that the reference never had: it is recorded, not compared, this once.
        reference: The revision that was compared with.
        rows: Held-out rows.
    """
    tests = [_judge_test(result, reference) for result in results]
    evidence = {"reference": reference, "rows": rows, "tests": tests}
    failed = [test for test in tests if not test["passed"]]
    if failed or not tests:
        because = _worse(failed, reference, rows) or "there is no data test"
        return Verdict(gate=Gate.DATA, kind=VerdictKind.FAIL, because=because, evidence=evidence)
    told = ", ".join(f"{test['name']} {test['told']}" for test in tests)
    because = f"no data test is significantly worse than {reference}'s on the same {rows:,} rows: {told}"
    return Verdict(gate=Gate.DATA, kind=VerdictKind.PASS, because=because, evidence=evidence)


def _worse(failed: Sequence[Mapping[str, Any]], reference: str, rows: int) -> str:
    """Say in one sentence which tests did not pass; the evidence has each one's own."""
    compared = [
        f"{test['name']} {test['told']} (p {test['p_value']:.1g})" for test in failed if test.get("p_value") is not None
    ]
    alone = [f"{test['name']}: {test['because']}" for test in failed if test.get("p_value") is None]
    if compared:
        alone.insert(0, f"significantly worse than {reference}'s on the same {rows:,} rows: {', '.join(compared)}")
    return "; ".join(alone)


def _judge_test(result: Mapping[str, Any], reference_name: str) -> dict[str, Any]:
    candidate, reference = result["candidate"], result["reference"]
    told: dict[str, Any] = {"name": result["name"], "goal": result["goal"]}
    if isinstance(candidate, str):
        return {**told, "passed": False, "because": candidate, "told": ""}
    told["candidate"] = _finite(candidate["full"])
    if told["candidate"] is None:
        return {**told, "passed": False, "because": f"its score is {candidate['full']}, which is no number", "told": ""}
    if reference is None:
        because = f"{reference_name} never had this test: recorded, not compared, this once"
        return {**told, "passed": True, "because": because, "told": f"{candidate['full']:.4g} (new)"}
    if isinstance(reference, str):
        because = f"{reference_name} gives no number ({reference}): recorded, not compared"
        return {**told, "passed": True, "because": because, "told": f"{candidate['full']:.4g} (alone)"}
    gate = stats.paired_gate(
        candidate=stats.GroupedScore(full=candidate["full"], without_group=tuple(candidate["without_group"])),
        reference=stats.GroupedScore(full=reference["full"], without_group=tuple(reference["without_group"])),
        goal=result["goal"],
    )
    return {
        **told,
        "reference": _finite(reference["full"]),
        "passed": gate.passed,
        "because": gate.because,
        "told": f"{candidate['full']:.4g} against {reference['full']:.4g}",
        "difference": _finite(gate.difference),
        "standard_error": _finite(gate.standard_error),
        "p_value": _finite(gate.p_value),
        "smallest_caught": _finite(gate.smallest_caught),
    }


def _finite(figure: float) -> float | None:
    """Give a figure as JSON can hold it."""
    return figure if math.isfinite(figure) else None


def judge_load(measured: Mapping[str, Any], limits: Mapping[str, float]) -> Verdict:
    """Judge a load test by the service levels.

    Args:
        measured: `requests`, `failures`, `latency_p99_ms`, `throughput_rps` of the closed loop (users in turn), and
            `open`: the same at the promised rate, whatever the answers take, so that a queue cannot hide.
        limits: `latency_p99_ms`, `throughput_rps`, `error_rate`.
    """
    broken = [*_beyond(measured, limits, "with users in turn"), *_beyond(measured["open"], limits, "at a fixed rate")]
    # Users that wait between requests ask for less than the promise: the fixed rate shows whether it is kept.
    steady = measured["open"]
    if not steady["throughput_rps"] >= 0.95 * limits["throughput_rps"]:  # no number is not enough either
        broken.append(
            f"{steady['throughput_rps']:.1f} of the promised {limits['throughput_rps']:g} requests/s were answered"
        )
    evidence = {"measured": dict(measured), "limits": dict(limits)}
    if broken:
        return Verdict(gate=Gate.LOAD, kind=VerdictKind.FAIL, because="; ".join(broken), evidence=evidence)
    because = (
        f"{measured['requests'] + steady['requests']:,} requests with {measured['failures'] + steady['failures']} "
        f"failures; 99th percentile {measured['latency_p99_ms']:.0f} ms with users in turn and "
        f"{steady['latency_p99_ms']:.0f} ms at {steady['throughput_rps']:.0f} requests/s "
        f"(limit {limits['latency_p99_ms']:g} ms)"
    )
    return Verdict(gate=Gate.LOAD, kind=VerdictKind.PASS, because=because, evidence=evidence)


def was_disturbed(measured: Mapping[str, Any]) -> bool:
    """Tell whether a load test says more of the machine than of the service: the sender itself was late.

    On an idle machine 99 of 100 requests are sent within about a millisecond of their instant.
    """
    late = measured["open"].get("sent_late_p99_ms")
    return late is not None and late > _LATE_MS


def _beyond(measured: Mapping[str, Any], limits: Mapping[str, float], how: str) -> list[str]:
    if measured["requests"] == 0:
        return [f"no request was answered {how}"]
    broken = []
    rate = measured["failures"] / measured["requests"]
    if rate > limits["error_rate"]:
        broken.append(f"{rate:.2%} of requests failed {how}, and {limits['error_rate']:.2%} may")
    if not measured["latency_p99_ms"] <= limits["latency_p99_ms"]:
        broken.append(
            f"the 99th percentile is {measured['latency_p99_ms']:.0f} ms {how}, and the limit is "
            f"{limits['latency_p99_ms']:g} ms"
        )
    return broken


def judge_experiment(
    *,
    test: ABTest,
    challenger: stats.Arm,
    incumbent: stats.Arm,
    exposed: Mapping[str, int],
    guardrails: Mapping[str, tuple[stats.Arm, stats.Arm]],
) -> tuple[Verdict | None, str, dict[str, Any]]:
    """Judge an A/B test at this look: sample ratio first, then guardrails, then the deciding metric.

    Args:
        test: The declared test.
        challenger: Sums of the deciding metric over the challenger's units.
        incumbent: The same for the incumbent.
        exposed: Units that were assigned, for `challenger` and `incumbent`.
        guardrails: For each guardrail the sums of challenger and incumbent.

    Returns:
        The verdict or None to go on, a sentence on how far it is, and the figures as JSON data.
    """
    metric = test.decision
    assert metric is not None  # noqa: S101  an A/B test without a deciding metric is refused before it starts
    ratio = stats.sample_ratio(exposed, {"challenger": test.share, "incumbent": 1 - test.share})
    look = stats.SequentialTest(
        minimum_effect=metric.minimum_effect, kind=metric.kind, goal=metric.goal, alpha=test.alpha, power=test.power
    ).look([(challenger, incumbent)])
    figures: dict[str, Any] = {
        "metric": metric.name,
        "exposed": dict(exposed),
        "outcomes": {"challenger": challenger.units, "incumbent": incumbent.units},
        "look": look.to_json(),
        "sample_ratio": {"e_value": ratio.e_value, "because": ratio.because},
    }
    if ratio.invalid:
        return _experiment(VerdictKind.INCONCLUSIVE, f"invalid: {ratio.because}", figures), ratio.because, figures
    held = {
        rail.name: stats.guardrail([guardrails[rail.name]], margin=rail.minimum_effect, kind=rail.kind, goal=rail.goal)
        for rail in test.guardrails
    }
    figures["guardrails"] = {name: {"decision": rail.decision, "because": rail.because} for name, rail in held.items()}
    for name, rail in held.items():
        if rail.decision == "broken":
            broken = f"the guardrail {name} is broken: {rail.because}"
            return _experiment(VerdictKind.FAIL, broken, figures), broken, figures
    told = f"{metric.name}: {look.because}"
    if look.decision == "continue":
        return None, told, figures
    if look.decision == "better":
        undecided = [name for name, rail in held.items() if rail.decision != "holds"]
        if undecided:
            return None, f"{told}; the guardrail {undecided[0]} is not yet shown to hold", figures
        return _experiment(VerdictKind.PASS, told, figures), told, figures
    return _experiment(VerdictKind.FAIL, told, figures), told, figures


def _experiment(kind: VerdictKind, because: str, figures: dict[str, Any]) -> Verdict:
    return Verdict(gate=Gate.EXPERIMENT, kind=kind, because=because, evidence=figures)
