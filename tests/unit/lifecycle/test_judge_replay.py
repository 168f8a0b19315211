"""Answers to recorded requests, judged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rung.lifecycle import Gate, ReplayLimits, VerdictKind, judge_replay, skip_replay

LIMITS = ReplayLimits(error_rate=0.01, latency_p99_ms=250.0, agreement=0.0)
MEASURED: dict[str, Any] = {
    "major": "housing.v1",
    "recorded": 200,
    "asked": 200,
    "refused": 0,
    "failed": 0,
    "problem": "",
    "latency": {"p50_ms": 4.0, "p99_ms": 12.0},
    "recorded_latency": {"p50_ms": 3.0, "p99_ms": 9.0},
    "agreement": {"instances": 300, "share": 0.25},
}

CASES: dict[str, tuple[dict[str, Any], float, str | None]] = {
    "all answered": ({}, 0.0, None),
    "failures within the level": ({"failed": 2, "problem": "500"}, 0.0, None),
    "one refused": (
        {"refused": 1, "problem": "predict answered 422"},
        0.0,
        "1 were refused, and its schema took them all (predict answered 422)",
    ),
    "too many failures": ({"failed": 3, "problem": "500"}, 0.0, "3 failed, and 1.00% may (500)"),
    "nothing in time": (
        {"asked": 0, "latency": {"p50_ms": None, "p99_ms": None}, "agreement": {"instances": 0, "share": 1.0}},
        0.0,
        "none was answered in time",
    ),
    "less agreement than declared": ({}, 0.3, "25.0% of the answers agree with those recorded, and 30.0% must"),
    "as much agreement as declared": ({}, 0.25, None),
}


@pytest.mark.parametrize(("changes", "agreement", "told"), CASES.values(), ids=CASES.keys())
def test_replay_is_judged(changes: dict[str, Any], agreement: float, told: str | None):
    limits = ReplayLimits(error_rate=0.01, latency_p99_ms=250.0, agreement=agreement)
    verdict = judge_replay({**MEASURED, **changes}, limits)
    assert (verdict.gate, verdict.kind) == (Gate.REPLAY, VerdictKind.FAIL if told else VerdictKind.PASS)
    assert (told or "none was refused") in verdict.because
    assert json.loads(json.dumps(verdict.evidence, allow_nan=False)) == verdict.evidence


def test_replay_is_told_in_figures():
    assert judge_replay(MEASURED, LIMITS).because == (
        "of 200 recorded requests of housing.v1, none was refused; 0 failed, 99th percentile 12 ms (limit 250 ms, 9 ms"
        " when recorded), 25.0% of 300 answers agree with those recorded"
    )


def test_nothing_to_replay_passes():
    verdict = skip_replay("there are no recorded requests yet")
    assert (verdict.gate, verdict.kind) == (Gate.REPLAY, VerdictKind.PASS)
