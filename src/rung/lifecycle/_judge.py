"""From figures to verdicts: each gate's evidence judged by the statistics, with the sentence that explains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung.lifecycle._judge_contracts import tell_contracts
from rung.lifecycle._test_changes import TestChanges
from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

_LATE_MS = 10.0  # of sending, at the 99th percentile, on a machine with something else to do

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.lifecycle._judge_contracts import ContractFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionFacts:
    """What the regression gate judges by, beside the results."""

    candidate: str
    reference: str = ""
    """The revision whose tests it must have, too."""
    changes: TestChanges = field(default_factory=TestChanges)
    contracts: Sequence[ContractFinding] = ()
    """As `judge_contracts` found them."""


def judge_regression(results: Sequence[Mapping[str, Any]], facts: RegressionFacts) -> Verdict:
    """Judge the regression tests on the live endpoint, and the contracts of consumers: all must pass, and hold.

    No test of the reference may be gone without a reason.

    Args:
        results: For each test its `name`, whether it `passed`, and `because`.
        facts: Everything else.
    """
    contracts, changes = facts.contracts, facts.changes
    failed = [result for result in results if not result["passed"]]
    gone = changes.unexplained("regression test", candidate=facts.candidate, reference=facts.reference)
    evidence: dict[str, Any] = {"tests": list(results)}
    if changes.removed or changes.changed:
        evidence |= {"removed": dict(changes.removed), "changed": sorted(changes.changed)}
    if contracts:
        evidence["contracts"] = [finding.to_json() for finding in contracts]
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
    else:
        because = f"all {len(results)} regression tests passed on the live endpoint"
    is_broken = bool(failed or gone) or any(finding.broken for finding in contracts)
    kind = VerdictKind.FAIL if is_broken else VerdictKind.PASS
    other = [f"changed since {facts.reference}: {', '.join(sorted(changes.changed))}"] if changes.changed else []
    told = "; ".join(filter(None, [because, *gone, *changes.remarks, *other, tell_contracts(contracts)]))
    return Verdict(gate=Gate.REGRESSION, kind=kind, because=told, evidence=evidence)


def judge_load(
    measured: Mapping[str, Any], limits: Mapping[str, float], memory: Mapping[str, Any] | None = None
) -> Verdict:
    """Judge a load test by the service levels, and by the memory that was declared.

    Args:
        measured: `requests`, `failures`, `latency_p99_ms`, `throughput_rps` of the closed loop (users in turn), and
            `open`: the same at the promised rate, whatever the answers take, so that a queue cannot hide.
        limits: `latency_p99_ms`, `throughput_rps`, `error_rate`.
        memory: Of the server after it: whether it `is_above` what was declared, and the figures as `told`; None: not
            known.
    """
    broken = [*_beyond(measured, limits, "with users in turn"), *_beyond(measured["open"], limits, "at a fixed rate")]
    # Users that wait between requests ask for less than the promise: the fixed rate shows whether it is kept.
    steady = measured["open"]
    if not steady["throughput_rps"] >= 0.95 * limits["throughput_rps"]:  # no number is not enough either
        broken.append(
            f"{steady['throughput_rps']:.1f} of the promised {limits['throughput_rps']:g} requests/s were answered"
        )
    if memory is not None and memory["is_above"]:
        broken.append(f"its server takes more memory than was declared: {memory['told']}")
    known = {} if memory is None else {"memory": dict(memory)}
    evidence = {"measured": dict(measured), "limits": dict(limits), **known}
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
