"""Does the number of replicas follow the load, and does it keep still when the load does? Simulated.

    python benchmarks/scale/autoscaling.py [--seeds 20] [--pictures docs/images]

Called by `run.py`. A replica of four workers
does 16 requests at once in 0.1 s each, starts in 4 s, and should have 8 in flight.
"""

from __future__ import annotations

import argparse
import json
import sys
import timeit
from pathlib import Path
from typing import Any

from rung.charts.svg import to_svg
from rung.cli._scaling import Tried, figure_of
from rung.infrastructure import Autoscaling
from rung.scaling import TRAFFICS, Load, Memory, Replica, Sample, Simulated, Traffic, decide, simulate

SPEC = Autoscaling(minimum=1, maximum=8, target_concurrency=8)
REPLICA = Replica(service_time_s=0.1, at_once=16, start_s=4, max_waiting=4 * 256, timeout_s=5)
FULL = 8 / 0.1
"""Requests per second that keep one replica as busy as aimed at."""
QUIET_S, STEP_S = 60, 20
SETTLED_S, STEADY_S = 300, 2_100
DAY_S, DAY_RATE = 7_200, 400
REVISIONS = 1_000

PICTURES = {
    "autoscaling-step": ("step", 300.0, 600),
    "autoscaling-diurnal": ("diurnal", 400.0, DAY_S),
    "autoscaling-spike": ("spike", 400.0, 1_800),
    "autoscaling-leak": ("leak", 120.0, 3_600),
}


def step_s(seed: int) -> tuple[float, int]:
    """Give how long after a step 4 replicas are ready, seconds, and how many requests were refused."""
    traffic = Traffic(name="step", rates=(0.7 * FULL,) * QUIET_S + (3.6 * FULL,) * STEP_S)
    found = simulate(SPEC, traffic, REPLICA, seed=seed)
    ready = (one.at - QUIET_S for one in found.points if one.at > QUIET_S and one.ready >= 4)
    return next(ready, float("inf")), found.refused


def swings(seed: int) -> int:
    """Give how often the number changed while load was constant, after it had time to settle."""
    rate = FULL * (0.5 + 3 * (seed % 10) / 10)  # half a replica to more than three
    found = simulate(SPEC, TRAFFICS["steady"](rate, STEADY_S), REPLICA, seed=seed)
    return sum(change.at > SETTLED_S for change in found.changes)


def decide_us() -> float:
    """Give what one decision takes with a full window, microseconds."""
    samples = (Sample(at=at / 2, in_flight=20, arrived=9, ready=3, cpu=1.5) for at in range(60))
    seen, memory = Load(samples=tuple(samples)), Memory(replicas=3)
    spec = SPEC.model_copy(update={"target_cpu": 0.7})
    return min(timeit.repeat(lambda: decide(spec, seen, memory, 29.5), number=1_000, repeat=3)) * 1_000


def measure(seeds: int = 20) -> dict[str, Any]:
    """Simulate."""
    steps = [step_s(seed) for seed in range(seeds)]
    day = simulate(SPEC, TRAFFICS["diurnal"](DAY_RATE, DAY_S), REPLICA)
    zero = Autoscaling(minimum=0, maximum=8, target_concurrency=8, cold_start_s=10)
    woken = simulate(zero, TRAFFICS["burst"](20, 3_600), REPLICA)
    return {
        "seeds": seeds,
        "step_s": max(seconds for seconds, _ in steps),
        "step_refused": sum(refused for _, refused in steps),
        "swings": [swings(seed) for seed in range(seeds)],
        "day_share": _share(day),
        "day_refused": day.refused,
        "day_p99_s": day.waited_p99_s,
        "woken_share": _share(woken),
        "woken_refused": woken.refused,
        "woken_most_s": woken.waited_most_s,
        "decide_us": decide_us(),
    }


def _share(found: Simulated) -> float:
    return found.replica_seconds / (found.seconds * SPEC.maximum)


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the bars."""
    ticks_ms = found["decide_us"] * REVISIONS / 1_000
    refused = found["step_refused"] + found["day_refused"] + found["woken_refused"]
    return [
        _goal("1 -> 4 replicas ready after a step in load, seconds, worst seed", found["step_s"], 10),
        _goal("requests refused in steps, a day, and bursts that wake it", refused, 0),
        _goal("changes in 30 minutes of constant noisy load, worst seed", max(found["swings"]), 1),
        _goal("replica-hours of a day, share of the maximum all the time", round(found["day_share"], 3), 0.6),
        _goal("requests of a day waited, p99, seconds", round(found["day_p99_s"], 3), 0.05),
        _goal("who wakes it waited, most, seconds; 4 of them start-up", round(found["woken_most_s"], 2), 5),
        _goal(f"decisions for {REVISIONS:,} revisions, ms", round(ticks_ms, 1), 200),
    ]


def _goal(name: str, measured: float, bar: float) -> dict[str, Any]:
    return {"goal": name, "measured": measured, "bar": f"<= {bar:g}", "ok": measured <= bar}


def draw(folder: Path) -> None:
    """Draw the pictures of docs/autoscaling.md."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (traffic, rate, seconds) in PICTURES.items():
        found = simulate(SPEC, TRAFFICS[traffic](rate, seconds), REPLICA)
        tried = Tried(service="a service", spec=SPEC, replica=REPLICA, found=found)
        (folder / f"{name}.svg").write_text(to_svg(figure_of(tried)), encoding="utf-8")


def main() -> int:
    """Simulate, and say whether the bars were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--pictures", type=Path, help="draw the pictures of the documentation into this folder")
    options = parser.parse_args()
    if options.pictures is not None:
        draw(options.pictures)
        return 0
    reached = goals(measure(options.seeds))
    print(json.dumps(reached, indent=1))
    return 0 if all(goal["ok"] for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
