"""A/B tests, bandits and shadows as the control plane tells them: figures that were recorded once, for drawing."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from rung.stats import Arm, SequentialTest, stratified_sample_ratio

STARTED = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
RAMP = ((0.10, 6.0), (0.25, 12.0), (0.50, None))
"""Shares, and for how many hours."""
_PER_LOOK = 60
_MINUTES = 12

DESIGN: dict[str, Any] = {
    "metrics": [
        {
            "name": "converted",
            "kind": "proportion",
            "goal": "maximize",
            "role": "decision",
            "minimum_effect": 0.02,
            "source": "the shop",
            "proximity": "it is what the shop lives of",
        }
    ],
    "share": 0.5,
    "ramp": [{"share": 0.1, "hold": "PT6H"}, {"share": 0.25, "hold": "PT12H"}],
}


def ab_test(*, looks: int, effect: float = 0.015, ended: bool = False, seed: int = 3) -> dict[str, Any]:
    """Give a test with a ramp, after so many looks or at its decision."""
    drawn, test = random.Random(seed), SequentialTest(minimum_effect=0.02, kind="proportion", goal="maximize")
    cells = [[0, 0, 0, 0] for _ in RAMP]
    course: list[dict[str, Any]] = []
    for number in range(looks):
        now = STARTED + timedelta(minutes=_MINUTES * (number + 1))
        step = _step(now)
        _draw(drawn, cells[step], share=RAMP[step][0], effect=effect)
        course.append(_look(test, cells[: step + 1], now))
        if "outcome" in course[-1]:
            break
    now = datetime.fromisoformat(course[-1]["time"])
    splits = _splits(now)
    return {
        "id": "housing.v1.m2-7",
        "incumbent": "housing.v1.m1",
        "challenger": "housing.v1.m2",
        "bandit": False,
        "started": STARTED.isoformat(),
        "deadline": (STARTED + timedelta(days=14)).isoformat(),
        "ended": now.isoformat() if ended else None,
        "shares": splits[-1]["shares"],
        "paused": False,
        "splits": splits,
        "design": DESIGN,
        "look": course[-1],
        "course": course,
    }


def bandit(*, looks: int = 12) -> dict[str, Any]:
    """Give a bandit of two challengers, one of which is ahead."""
    names = ("housing.v1.m3", "housing.v1.m2", "housing.v1.m1")
    course = []
    for number in range(1, looks + 1):
        lead = min(0.9, 0.34 + 0.05 * number)
        shares = dict(zip(names, (lead, (1 - lead) / 2, (1 - lead) / 2), strict=True))
        arms = {
            name: {"units": 40 * number, "mean": 0.1 + 0.02 * rank, "best": shares[name], "share": shares[name]}
            for rank, name in enumerate(reversed(names))
        }
        told = f"m3 is the best with {lead:.0%}"
        time = (STARTED + timedelta(minutes=number)).isoformat()
        course.append(
            {
                "time": time,
                "metric": "converted",
                "progress": told,
                "arms": arms,
                "value_remaining": 0.01,
                "expected_regret": 0.004,
            }
        )
    since = course[-1]["time"]
    split = {"since": since, "kind": "bandit", "shares": shares, "because": told, "actor": "rung"}
    start = {**split, "since": STARTED.isoformat(), "kind": "start", "because": "as declared"}
    return {
        **ab_test(looks=1),
        "bandit": True,
        "shares": shares,
        "splits": [start, split],
        "design": {**DESIGN, "ramp": [], "bandit": {"interval": "PT1M"}},
        "look": course[-1],
        "course": course,
    }


def shadow() -> dict[str, Any]:
    """Give the comparison of a shadow that agrees in three of four predictions."""
    fields = {
        "band": {"compared": 2000, "equal": 1980, "close": 1980, "numbers": 0, "difference": None},
        "price": {"compared": 2000, "equal": 1400, "close": 1520, "numbers": 2000, "difference": 812.4},
    }
    flip = {
        "id": "a",
        "instance": {"year_built": 1901, "stories": "two"},
        "one": {"price": 90000.0, "band": "low"},
        "other": {"price": 190000.0, "band": "low"},
        "distance": 0.526,
    }
    return {
        "revision": "housing.v1.m3",
        "share": 0.2,
        "since": STARTED.isoformat(),
        "until": (STARTED + timedelta(hours=4)).isoformat(),
        "ended": None,
        "mirrored": 4100,
        "paired": 4098,
        "answered": 4090,
        "shadow_failed": 6,
        "production_failed": 2,
        "shadow": {"p50_ms": 4.1, "p99_ms": 22.3},
        "production": {"p50_ms": 3.2, "p99_ms": 14.9},
        "agreement": {"instances": 2000, "same": 1520, "share": 0.76, "fields": fields, "differing": [flip]},
        "shifts": {
            "band": {
                "distance": 0.021,
                "bins": ["low", "high"],
                "one": [1500, 500],
                "other": [1480, 520],
                "is_numeric": False,
            },
            "price": {
                "distance": 0.04,
                "bins": ["90000", "120000"],
                "one": [900, 1100],
                "other": [700, 1300],
                "is_numeric": True,
            },
        },
        "truth": {
            "metric": "absolute_error",
            "pairs": 812,
            "effect": 120.5,
            "standard_error": 31.2,
            "interval": [22.1, 219.0],
            "because": "the shadow is better by 120.5 over 812 pairs",
        },
    }


def _step(now: datetime) -> int:
    hours = (now - STARTED).total_seconds() / 3_600
    return 0 if hours <= 6 else 1 if hours <= 18 else 2


def _draw(drawn: random.Random, cells: list[int], *, share: float, effect: float) -> None:
    for _ in range(_PER_LOOK):
        arm, rate = (0, 0.10 + effect) if drawn.random() < share else (2, 0.10)
        cells[arm] += 1
        cells[arm + 1] += drawn.random() < rate


def _look(test: SequentialTest, cells: list[list[int]], now: datetime) -> dict[str, Any]:
    strata = [(Arm(units=a, y=b, yy=b), Arm(units=c, y=d, yy=d)) for a, b, c, d in cells]
    look = test.look(strata)
    counts = [
        ({"challenger": cell[0], "incumbent": cell[2]}, {"challenger": share, "incumbent": 1 - share})
        for cell, (share, _) in zip(cells, RAMP, strict=False)
    ]
    ratio = stratified_sample_ratio(counts)
    exposed = {arm: sum(count[arm] for count, _ in counts) for arm in ("challenger", "incumbent")}
    found = {
        "time": now.isoformat(),
        "metric": "converted",
        "minimum_effect": 0.02,
        "share": RAMP[len(cells) - 1][0],
        "exposed": exposed,
        "outcomes": {arm: count * 9 // 10 for arm, count in exposed.items()},
        "look": look.to_json(),
        "sample_ratio": {"e_value": ratio.e_value, "because": ratio.because},
        "guardrails": {"refunds": {"decision": "holds", "because": "the challenger does not lose more than allowed"}},
        "health": {"errors": {"decision": "continue", "because": "as many errors as the incumbent"}},
        "fallback": {"challenger": {"requests": 1_000, "away": 4}, "incumbent": {"requests": 9_000, "away": 0}},
        "progress": f"converted: {look.because}",
    }
    return found if look.decision == "continue" else {**found, "outcome": look.decision}


def _splits(now: datetime) -> list[dict[str, Any]]:
    splits, since = [], STARTED
    for number, (share, hours) in enumerate(RAMP):
        if since <= now:
            shares = {"housing.v1.m2": share, "housing.v1.m1": 1 - share}
            told = "as declared" if number == 0 else "nothing spoke against its smaller share"
            kind = "ramp" if number else "start"
            splits.append(
                {"since": since.isoformat(), "kind": kind, "shares": shares, "because": told, "actor": "rung"}
            )
        since += timedelta(hours=hours or 0)
    return splits
