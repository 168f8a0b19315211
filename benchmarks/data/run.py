"""`make bench-data`: every program about data, one after the other, and all of their goals in one table.

    python benchmarks/data/run.py [--only ingest,join]

Each program runs in a process of its own and may be run by itself. Writes build/bench/data.json and data.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAMS = ("join", "online", "ingest", "profile", "digest", "log")
TARGET = Path("build/bench")


def main() -> int:
    """Run the programs; a missed goal is reported and fails nothing, a program that breaks does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PROGRAMS), help="these programs, with commas between them")
    wanted = parser.parse_args().only.split(",")
    found: dict[str, Any] = {}
    broken = [name for name in wanted if not _ran(name, found)]
    goals = [goal for figures in found.values() for goal in figures["goals"]]
    TARGET.mkdir(parents=True, exist_ok=True)
    told = {"goals": goals, "load": os.getloadavg(), "broken": broken, **found}
    (TARGET / "data.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    (TARGET / "data.md").write_text(table(goals), encoding="utf-8")
    print(f"\n{table(goals)}")
    for name in broken:
        print(f"{name} broke")
    return bool(broken)


def table(goals: list[dict[str, Any]]) -> str:
    """Write goals as a table in Markdown."""
    rows = [
        f"| {one['goal']} | {_told(one['measured'])} | {_told(one['bar'])} | {'kept' if one['ok'] else 'missed'} |"
        for one in goals
    ]
    return "\n".join(["| goal | measured | bar | |", "|---|---:|---:|---|", *rows, ""])


def _ran(name: str, found: dict[str, Any]) -> bool:
    print(f"--- {name}", flush=True)
    figures = TARGET / f"{name}.json"
    figures.unlink(missing_ok=True)
    ended = subprocess.run([sys.executable, Path(__file__).with_name(f"{name}.py")], check=False)
    if ended.returncode != 0 or not figures.is_file():
        return False
    found[name] = json.loads(figures.read_text(encoding="utf-8"))
    return True


def _told(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
