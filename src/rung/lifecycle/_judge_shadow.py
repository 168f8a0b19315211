"""The shadow gate: what a candidate answered to mirrored production requests, judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from rung.schema import Shadowing


def judge_shadow(
    declared: Shadowing, report: Mapping[str, Any], *, elapsed: timedelta, error_rate: float, latency_p99_ms: float
) -> Verdict | None:
    """Judge a shadow; None while it has not been compared for long enough.

    Args:
        declared: How long, how many requests, and how much agreement there must be.
        report: `paired` and `answered` requests, `shadow_failed` among them, latencies and `agreement`, as JSON data.
        elapsed: Since the mirroring began.
        error_rate: Share of requests that may fail, of the service level.
        latency_p99_ms: Of the service level.
    """
    paired, failed = report["paired"], report["shadow_failed"]
    if paired < declared.requests:
        return None
    if failed / paired > error_rate:
        because = f"{failed:,} of {paired:,} mirrored requests failed, which production answered"
        return Verdict(gate=Gate.SHADOW, kind=VerdictKind.FAIL, because=because, evidence=dict(report))
    if elapsed < declared.hold:
        return None
    share, p99 = report["agreement"]["share"], report["shadow"]["p99_ms"]
    told = (
        f"{share:.1%} of {report['agreement']['instances']:,} answers to mirrored requests are those of production, "
        f"99th percentile {p99:.0f} ms"
    )
    if share < declared.agreement:
        because = f"{told}, and {declared.agreement:.1%} of the answers must agree"
        return Verdict(gate=Gate.SHADOW, kind=VerdictKind.FAIL, because=because, evidence=dict(report))
    if p99 > latency_p99_ms:
        because = f"{told}, and the limit is {latency_p99_ms:g} ms"
        return Verdict(gate=Gate.SHADOW, kind=VerdictKind.FAIL, because=because, evidence=dict(report))
    return Verdict(gate=Gate.SHADOW, kind=VerdictKind.PASS, because=told, evidence=dict(report))
