"""Measure what grows, and estimate how far. `make bench-scale` runs this.

    python benchmarks/scale/run.py [--only ticks,routes] [--pictures docs/images]

Results go to build/bench/scale.json. The exit status is 1 when a bar was missed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench" / "scale.json"
PARTS = ("costs", "runs", "ticks", "routes", "autoscaling", "nodes", "live")
"""Programs beside this one, each with `measure` and `goals`; some draw what they found."""
ESTIMATED_FROM = frozenset({"costs", "ticks", "routes"})


def main() -> int:
    """Measure, estimate, write, and say whether all bars were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"of {','.join(PARTS)}; what was measured before is kept")
    parser.add_argument("--pictures", type=Path, help="folder to draw into")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else PARTS
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}: the parts are {', '.join(PARTS)}")
    before = json.loads(OUTPUT.read_text()) if options.only and OUTPUT.exists() else {}
    figures: dict[str, Any] = before.get("figures", {})
    reached: dict[str, list[dict[str, Any]]] = before.get("parts", {})
    for name in chosen:
        print(f"{name} ...", flush=True)
        part = importlib.import_module(name)
        figures[name] = part.measure()
        reached[name] = part.goals(figures[name])
        _tell(reached[name])
        if options.pictures is not None and name == "ticks":
            part.draw(figures[name], options.pictures)
    if figures.keys() >= ESTIMATED_FROM:
        import estimate  # noqa: PLC0415  once there is something to estimate from

        figures["estimate"] = estimate.measure(figures)
    goals = [goal for name in PARTS for goal in reached.get(name, ())]
    machine = {"processors": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    told = {"goals": goals, "parts": reached, "figures": figures, "machine": machine}
    OUTPUT.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if all(goal["ok"] for goal in goals) else 1


def _tell(goals: list[dict[str, Any]]) -> None:
    for goal in goals:
        mark = "reached" if goal["ok"] else "MISSED "
        beside = goal.get("beside", "")
        print(f"{mark}  {goal['measured']!s:>10}  {goal['bar']!s:>10}  {goal['goal']}  {beside}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
