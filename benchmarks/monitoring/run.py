"""Measure what watching does and costs. `make bench-monitoring` runs this.

    python benchmarks/monitoring/run.py [--skip-peers]

Results go to build/bench/monitoring.json. The exit status is 1 when a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

import drift_report
import foretold
import overhead
import quiet
import tick
import watch

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench" / "monitoring.json"


def main() -> int:
    """Measure, write, and say whether all bars were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skip-peers", action="store_true", help="do not install and time evidently")
    options = parser.parse_args()
    figures = {
        "quiet": quiet.measure(),
        "watch": watch.measure(),
        "foretold": foretold.measure(),
        "drift_report": drift_report.measure(peers=not options.skip_peers),
        "overhead": overhead.measure(),
        "tick": tick.measure(),
    }
    reached = [
        *quiet.goals(figures["quiet"]),
        *watch.goals(figures["watch"]),
        *foretold.goals(figures["foretold"]),
        *drift_report.goals(figures["drift_report"]),
        *overhead.goals(figures["overhead"]),
        *tick.goals(figures["tick"]),
    ]
    for goal in reached:
        mark = "reached" if goal["ok"] else "MISSED "
        print(f"{mark}  {goal['measured']!s:>8}  {goal['bar']:>8}  {goal['goal']}  {goal.get('beside', '')}".rstrip())
    machine = {"processors": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({"goals": reached, "figures": figures, "machine": machine}, indent=1) + "\n")
    return 0 if all(goal["ok"] for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
