"""Turns the raw latencies of a load test into the figures that it is judged by. Pure: `_run.py` calls it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PERCENTILES = (50, 90, 99)
_ENDS = 20  # one part in so many is left out at each end of a slope


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Give the smallest value that at least `share` percent of the values do not exceed; None without values.

    The nearest-rank definition: always a value that was measured, never one between two.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50)
    2.0
    """
    if not ordered:
        return None
    return ordered[max(math.ceil(share * len(ordered) / 100), 1) - 1]


def answer_rate(answered_s: Sequence[float], rate_rps: float) -> float:
    """Give the requests per second that were answered when so many were asked for.

    It is the slope of the answers over time without the first and the last twentieth, which requests under way at
    both ends would bend. Below the rate that was asked for: a queue grew. Never above it: a queue that is caught up
    with is no capacity.
    """
    ordered = sorted(answered_s)
    left_out = len(ordered) // _ENDS
    inner = ordered[left_out : len(ordered) - left_out]
    span = inner[-1] - inner[0] if inner else 0.0
    return min((len(inner) - 1) / span, rate_rps) if span > 0 else rate_rps


def summarize(closed: Mapping[str, Any], steady: Mapping[str, Any], *, users: int, rate_rps: float) -> dict[str, Any]:
    """Give the result of a load test.

    Args:
        closed: Of the users in turn: `latencies_ms` of all requests, failed ones too; `failures`; `errors` as
            `{"error", "count"}`; `seconds` until the last answer.
        steady: Of the fixed rate: the same without `seconds`, and `answered_s` (when each answer came, from the
            beginning) and `late_ms` (how long after its instant each request was sent).
        users: Of the largest stage.
        rate_rps: Requests per second that were due.

    Returns:
        The figures of the users in turn, and under `open` those of the fixed rate. Latencies are None when nothing
        was sent. Throughput counts answers with status 200.
    """
    lasted, rate = closed["seconds"], answer_rate(steady["answered_s"], rate_rps)
    return {
        **_describe(closed, (len(closed["latencies_ms"]) - closed["failures"]) / lasted),
        "users": users,
        "seconds": lasted,
        "open": {
            **_describe(steady, rate * (1 - steady["failures"] / len(steady["latencies_ms"]))),
            "rate_rps": rate_rps,
            "sent_late_p99_ms": percentile(sorted(steady["late_ms"]), 99),
        },
    }


def _describe(sample: Mapping[str, Any], throughput_rps: float) -> dict[str, Any]:
    ordered = sorted(sample["latencies_ms"])
    return {
        "requests": len(ordered),
        "failures": sample["failures"],
        **{f"latency_p{share}_ms": percentile(ordered, share) for share in _PERCENTILES},
        "throughput_rps": round(throughput_rps, 3),
        "errors": sorted(sample["errors"], key=lambda error: (-error["count"], error["error"])),
    }
