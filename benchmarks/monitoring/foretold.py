"""Do estimates of quality hold, before any truth has come? Simulated: traffic shifts, the answers' quality with it.

    python benchmarks/monitoring/foretold.py [--repeats 200] [--seed N]

Called by `run.py`. Each repeat trains an estimator on held-out rows, shifts the traffic, and compares what was foretold
of it with what its outcomes say.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from typing import Any

import numpy as np

from rung.stats import Estimate, Estimator, confidence_estimator, score_estimator

HELD_OUT, WINDOW = 2_000, 1_000


def classified(random: np.random.Generator, rows: int, hard: float) -> tuple[dict[str, Any], Any]:
    """Draw confidence that is too high, and whether answers were right."""
    sure = np.where(random.random(rows) < hard, random.beta(6, 4, rows), random.beta(12, 1, rows))
    return {"confidence": np.clip(sure + 0.05, 0, 1)}, (random.random(rows) < sure).astype(float)


def valued(random: np.random.Generator, rows: int, hard: float) -> tuple[dict[str, Any], Any]:
    """Draw columns, and absolute errors that depend on two of them in a way that is not additive."""
    is_old, area = random.random(rows) < hard, random.lognormal(7, 0.4, rows)
    scale = np.where(is_old, 3.0, 1.0) * (area / 1_100) ** 0.7
    rows_ = {"area": area, "kind": np.where(is_old, "old", "new"), "other": random.normal(size=rows)}
    return rows_, np.abs(random.normal(scale=scale))


def repeat(draw: Any, make: Any, random: np.random.Generator) -> tuple[Estimator, Estimate, float]:
    """Make an estimator, shift the traffic, and measure."""
    estimator = make(*draw(random, HELD_OUT, 0.3))
    rows, scores = draw(random, WINDOW, random.uniform(0.1, 0.9))
    return estimator, estimator.estimate(rows), float(scores.mean())


def measure(repeats: int = 200, seed: int | None = None) -> dict[str, Any]:
    """Simulate."""
    seed = secrets.randbits(32) if seed is None else seed
    random = np.random.default_rng(seed)
    found: dict[str, Any] = {"seed": seed, "repeats": repeats}
    cases = {
        "accuracy": (classified, lambda rows, scores: confidence_estimator(rows["confidence"], scores)),
        "error": (valued, score_estimator),
    }
    for name, (draw, make) in cases.items():
        every = [repeat(draw, make, random) for _ in range(repeats)]
        held = [one for one in every if one[1].holds]
        inside = [one.interval[0] <= truth <= one.interval[1] for _, one, truth in held]
        nearer = [abs(one.value - truth) < abs(estimator.mean - truth) for estimator, one, truth in held]
        found[name] = {
            "holds": len(held) / repeats,
            "coverage": float(np.mean(inside)) if inside else 0.0,
            "nearer": float(np.mean(nearer)) if nearer else 0.0,  # than the mean of the held-out rows
        }
    return found


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the bars."""
    return [
        {
            "goal": f"{name}: 95 % intervals hold what is measured later",
            "measured": found[name]["coverage"],
            "bar": ">= 0.90",
            "ok": found[name]["coverage"] >= 0.9,
            "beside": (
                f"the check passes in {found[name]['holds']:.0%}; nearer than the held-out mean in"
                f" {found[name]['nearer']:.0%}"
            ),
        }
        for name in ("accuracy", "error")
    ]


def main() -> int:
    """Simulate, and say whether the bars were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    reached = goals(measure(options.repeats, options.seed))
    print(json.dumps(reached, indent=1))
    return 0 if all(goal["ok"] for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
