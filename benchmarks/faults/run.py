"""`make faults`: every fault under load, one after the other; what was lost, what failed, what was decided.

Prints a table, and writes `build/bench/faults.json` and `faults.md`. `--only TEXT` runs the faults whose names hold it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests" / "support")]

import planned  # noqa: E402
import scene  # noqa: E402
import tiny_platform  # noqa: E402  lies beside the tests
from live_platform import live_platform  # noqa: E402
from stories import STORIES, SkippedError  # noqa: E402

from rung.control import leftovers  # noqa: E402
from rung.registry import open_registry  # noqa: E402

if TYPE_CHECKING:
    from live_platform import LivePlatform
    from scene import Row

RESULT = ROOT / "build" / "bench" / "faults.json"
_WORKER_S, _SERVER_S = 1.0, 3.0


def main() -> int:
    """Run the faults; exit status 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose names hold one of these, with commas between them")
    parser.add_argument("--changes", type=int, help="planned changes in a row, under load: 100; 0 with --only")
    options = parser.parse_args()
    number = (0 if options.only else 100) if options.changes is None else options.changes
    rows, failed = [], []
    began = time.monotonic()
    with live_platform() as platform:
        tiny_platform.begin(platform)
        for name, story in STORIES.items():
            if not any(part in name for part in options.only.split(",")):
                continue
            try:
                row = story(platform, name)
            except SkippedError as skipped:
                print(f"{name}: skipped, {skipped}", flush=True)
                continue
            except Exception:  # noqa: BLE001  a fault that breaks its own story is told, and the others go on
                failed.append({"fault": name, "because": traceback.format_exc(limit=3)})
                print(f"{name}: the story broke\n{failed[-1]['because']}", flush=True)
                continue
            rows.append(row)
            print(_line(row), flush=True)
        changes = planned.changes(platform, number) if number else None
        left = _leftovers(platform)
    goals = [*_goals(rows, changes, left), _goal("stories that broke", len(failed), 0)]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "goals": goals,
        "seconds": time.monotonic() - began,
        "faults": [asdict(row) for row in rows],
        "planned": changes and asdict(changes),
        "broken": failed,
        "left": left,
    }
    RESULT.write_text(json.dumps(result, indent=1))
    RESULT.with_suffix(".md").write_text(_markdown(rows, changes))
    missed = [goal["goal"] for goal in goals if not goal["ok"]]
    print("every goal is kept" if not missed else f"missed: {'; '.join(missed)}")
    return bool(missed)


def _leftovers(platform: LivePlatform) -> list[str]:
    """Stop the platform; tell what it left: processes, sockets, half-written files."""
    platform.rung("down")
    left = [" ".join(process.cmdline()) for process in platform.left(within_s=5)]
    with open_registry(platform.place.workspace.state) as registry:
        found = leftovers.find(platform.place, registry, scene.now())
        left += [f"{one.kind} {one.path.name}" for one in found if one.kind in ("socket", "temporary", "unfinished")]
        left += [f"process on record: {name}" for name in registry.processes()]
    return left


def _goal(goal: str, measured: float, bar: float) -> dict[str, Any]:
    return {"goal": goal, "measured": measured, "bar": bar, "ok": measured <= bar}


def _goals(rows: list[Row], changes: planned.Changes | None, left: list[str]) -> list[dict[str, Any]]:
    found = [
        _goal("acknowledged predictions lost", sum(row.predictions_lost for row in rows), 0),
        _goal("acknowledged outcomes lost", sum(row.outcomes_lost for row in rows), 0),
        _goal("decisions changed", sum(row.decision != row.expected for row in rows), 0),
        _goal("invariants broken", sum(len(row.broken) for row in rows), 0),
        _goal("requests failed, where none may", sum(row.failed for row in rows if not row.may_fail), 0),
        _goal("left behind", len(left), 0),
    ]
    for row in rows:
        if row.recovered_s is not None and row.fault != "kill -9 of everything":
            bar = _WORKER_S if "a worker" in row.fault else _SERVER_S
            found.append(_goal(f"{row.fault}: seconds until it serves again", round(row.recovered_s, 2), bar))
    if changes is not None:
        found.append(_goal(f"requests failed in {changes.number} planned changes", changes.failed, 0))
    return found


def _line(row: Row) -> str:
    recovered = "" if row.recovered_s is None else f", serving again after {row.recovered_s:.2f} s"
    ill = "; ".join(row.broken + ([] if row.decision == row.expected else [f"expected: {row.expected}"]))
    return (
        f"{row.fault}: {row.sent:,} requests, {row.failed} failed; {row.predictions_lost} predictions lost, "
        f"{row.outcomes_lost} of {row.outcomes_sent:,} outcomes lost; {row.decision}{recovered}"
        f"{' -- ' + ill if ill else ''}{' (' + '; '.join(row.notes) + ')' if row.notes else ''}"
        f"{' ' + str(row.failures) if row.failures else ''}"
    )


def _markdown(rows: list[Row], changes: planned.Changes | None) -> str:
    lines = [
        "| fault | requests | failed | predictions lost | outcomes lost | serving again, s | decision |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        recovered = "" if row.recovered_s is None else f"{row.recovered_s:.2f}"
        lines.append(
            f"| {row.fault} | {row.sent:,} | {row.failed} | {row.predictions_lost} | "
            f"{row.outcomes_lost} of {row.outcomes_sent:,} | {recovered} | {row.decision} |"
        )
    if changes is not None:
        lines.append(
            f"| {changes.number} planned changes ({changes.told}) | {changes.sent:,} | {changes.failed} | | | | |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
