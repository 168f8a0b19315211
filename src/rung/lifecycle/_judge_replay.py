"""The replay gate: what a candidate answered to recorded production requests, judged. `control` calls it.

A request that a major's schema once accepted must be accepted for as long as the major lives. That other answers come
back is what a new model is for: it is shown, and fails only where the major declares a bound.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayLimits:
    """What a replay is judged by."""

    error_rate: float
    """Largest share of requests that may fail."""
    latency_p99_ms: float
    """Shown beside what was measured: the load gate judges it."""
    agreement: float
    """Smallest share of equal answers; 0: none is asked for."""


def skip_replay(because: str) -> Verdict:
    """Pass a replay that has nothing to send; the reason is the evidence."""
    return Verdict(gate=Gate.REPLAY, kind=VerdictKind.PASS, because=because)


def judge_replay(measured: Mapping[str, Any], limits: ReplayLimits) -> Verdict:
    """Judge the answers to recorded requests.

    Args:
        measured: `major` (whose requests they are), `recorded`, `asked`, `refused` (4xx, or not to be mapped), `failed`
            (5xx, or no answer), `problem` (the first of either, as text), `latency` and `recorded_latency` (`p50_ms`,
            `p99_ms`, None without answers), and `agreement` (`instances`, `share`).
        limits: By which it is judged.
    """
    broken = _broken(measured, limits)
    evidence = {**measured, "limits": asdict(limits)}
    kind = VerdictKind.FAIL if broken else VerdictKind.PASS
    because = "; ".join(broken) or "none was refused"
    told = f"of {measured['asked']:,} recorded requests of {measured['major']}, {because}; {_told(measured, limits)}"
    return Verdict(gate=Gate.REPLAY, kind=kind, because=told, evidence=evidence)


def _broken(measured: Mapping[str, Any], limits: ReplayLimits) -> list[str]:
    asked, refused, failed = measured["asked"], measured["refused"], measured["failed"]
    if asked == 0:
        return ["none was answered in time"]
    broken = []
    if refused:
        broken.append(f"{refused:,} were refused, and its schema took them all ({measured['problem']})")
    if failed > limits.error_rate * asked:
        broken.append(f"{failed:,} failed, and {limits.error_rate:.2%} may ({measured['problem']})")
    share = measured["agreement"]["share"]
    if share < limits.agreement:
        broken.append(f"{share:.1%} of the answers agree with those recorded, and {limits.agreement:.1%} must")
    return broken


def _told(measured: Mapping[str, Any], limits: ReplayLimits) -> str:
    agreement, now, then = measured["agreement"], measured["latency"], measured["recorded_latency"]
    told = [f"{measured['failed']:,} failed"]
    if now["p99_ms"] is not None:
        recorded = "" if then["p99_ms"] is None else f", {then['p99_ms']:.0f} ms when recorded"
        told.append(f"99th percentile {now['p99_ms']:.0f} ms (limit {limits.latency_p99_ms:g} ms{recorded})")
    if agreement["instances"]:
        told.append(f"{agreement['share']:.1%} of {agreement['instances']:,} answers agree with those recorded")
    return ", ".join(told)
