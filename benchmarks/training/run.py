"""Time Rung's training beside other tools, plain Python and MLflow's logging. `make bench-training` runs this.

Every program has its own environment and does the same work. Rounds are interleaved (A B C A B C ...), a first round
warms up and is not counted, and every round has a seed of its own, so that nothing but the rerun finds a cache.
Results go to build/bench/training.json and build/bench/training.md. The exit status is 0 when all programs ran, whether
or not the goals were met, and 1 when one could not be installed or run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import environments
import report
from catalogue import PROGRAMS
from measure import Command, ProgramError, Timing, time_command
from program import Place, Program, Workload, command_for, lay_down

BUILD = environments.ROOT / "build" / "bench"
DEPLOYMENT = BUILD / "deployment.json"
SHORT = Workload(name=report.SHORT, tasks=10)
LONG = Workload(name=report.LONG, tasks=100)
REAL = Workload(name=report.REAL, tasks=0)
SEED_STEP = 1_000  # more than the longest chain: no value of one round's chain appears in another's
HELP_REPEATS = 20
BASE = ("plain", "rung")


@dataclass(slots=True, kw_only=True)
class Contestant:
    """A program in its environment, and what it has shown so far."""

    program: Program
    versions: dict[str, str] = field(default_factory=dict)  # distribution -> version
    places: dict[str, Place] = field(default_factory=dict)  # by workload
    runs: dict[str, list[Timing]] = field(default_factory=dict)  # by workload, one for each counted round
    error: str | None = None  # once set, the program is not run any more

    def seconds(self, clock: str) -> dict[str, list[float]]:
        """Give the seconds of one clock, `wall` or `cpu`, by workload."""
        return {workload: [getattr(timing, clock) for timing in timings] for workload, timings in self.runs.items()}


def main() -> int:
    """Measure, report, and say by the exit status whether all programs ran."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-training-") as scratch:
        contestants = [enter(program, Path(scratch)) for program in _chosen(options)]
        for number in range(options.rounds + 1):
            run_round(contestants, number)
        rung = next((one for one in contestants if one.program.name == "rung" and one.error is None), None)
        help_ratio = help_cpu_ratio(rung) if rung else None
    promises = report.goals(
        report.summarise(rung.seconds("wall"), _plain(contestants, "wall")) if rung else report.Figures(),
        help_ratio=help_ratio,
        deployment=deployment_seconds(),
    )
    text = report.markdown(_rows(contestants), promises, _failures(contestants))
    text += "\n" + report.quietness(_load(contestants), os.cpu_count() or 1)
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "training.md").write_text(text, encoding="utf-8")
    (BUILD / "training.json").write_text(json.dumps(_record(contestants, promises, options), indent=1) + "\n", "utf-8")
    print(text)
    return 1 if _failures(contestants) else 0


def enter(program: Program, scratch: Path) -> Contestant:
    """Make a program's environment and its folders; what fails is kept as the contestant's error."""
    contestant = Contestant(program=program)
    print(f"preparing {program.title}", flush=True)
    try:
        python = environments.make_environment(program.name, BUILD / "environments" / program.name)
        contestant.versions = environments.versions(python)
        for workload in (SHORT, LONG, REAL):
            folder = scratch / program.name / workload.name.replace(" ", "-")
            contestant.places[workload.name] = lay_down(program, workload, python=python, folder=folder)
    except (environments.InstallError, subprocess.SubprocessError) as error:
        _give_up(contestant, "could not be prepared", error)
    return contestant


def run_round(contestants: list[Contestant], number: int) -> None:
    """Run all workloads of all programs once; round 0 warms up and is not counted."""
    print(f"round {number}" if number else "warming up", flush=True)
    for workload in (SHORT, LONG, REAL):
        for contestant in contestants:
            _take_turn(contestant, workload, number, name=workload.name)
    for contestant in contestants:
        if contestant.program.cached:
            _take_turn(contestant, REAL, number, name=report.AGAIN)


def _take_turn(contestant: Contestant, workload: Workload, number: int, *, name: str) -> None:
    if contestant.error is not None:
        return
    program, place, seed = contestant.program, contestant.places[workload.name], SEED_STEP * (number + 1)
    program.before(place, seed)
    try:
        timing = time_command(command_for(program, place, seed))
    except ProgramError as error:
        _give_up(contestant, f"failed at the {name}", error)
        return
    print(f"  {name:20} {program.name:10} {timing.wall:7.2f} s, CPU {timing.cpu:7.2f} s", flush=True)
    if number:
        contestant.runs.setdefault(name, []).append(timing)


def help_cpu_ratio(rung: Contestant) -> float | None:
    """Give the CPU time of `rung --help` as a multiple of that of `python -c pass`, medians of interleaved runs."""
    place = rung.places[REAL.name]
    helped, passed = [], []
    try:
        for _ in range(HELP_REPEATS):
            helped.append(_cpu(place, place.script("rung"), "--help"))
            passed.append(_cpu(place, str(place.python), "-c", "pass"))
    except ProgramError as error:
        _give_up(rung, "failed at its help", error)
        return None
    return median(helped) / median(passed)


def _cpu(place: Place, *arguments: str) -> float:
    return time_command(Command(arguments=arguments, folder=place.folder, variables=place.variables)).cpu


def deployment_seconds(path: Path = DEPLOYMENT) -> float | None:
    """Give the seconds that a deployment with a known lock took to its first answer, or None where none was timed.

    A deployment needs the whole control plane, so the demonstration times it, and writes `{"seconds": 3.2}` to `path`.
    """
    if not path.exists():
        return None
    return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds (default: 3)")
    parser.add_argument("--only", help="names of the programs to run, as rung,plain,dvc")
    parser.add_argument("--skip-peers", action="store_true", help="run Rung and plain Python alone")
    options = parser.parse_args()
    names = {program.name for program in PROGRAMS}
    unknown = sorted(set(options.only.split(",")) - names) if options.only else []
    if unknown:
        parser.error(f"there is no program {unknown[0]!r}; the programs are: {', '.join(sorted(names))}")
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least one round must be counted")
    return options


def _chosen(options: argparse.Namespace) -> list[Program]:
    wanted = options.only.split(",") if options.only else [program.name for program in PROGRAMS]
    if options.skip_peers:
        wanted = [name for name in wanted if name in BASE]
    return [program for program in PROGRAMS if program.name in wanted]


def _give_up(contestant: Contestant, what: str, error: Exception) -> None:
    contestant.error = "\n".join([f"{what}: {error}", *getattr(error, "__notes__", [])])
    print(f"  {contestant.program.title} {contestant.error}", file=sys.stderr, flush=True)


def _plain(contestants: list[Contestant], clock: str) -> dict[str, list[float]]:
    return next((one.seconds(clock) for one in contestants if one.program.name == "plain"), {})


def _rows(contestants: list[Contestant]) -> list[report.Row]:
    return [
        report.Row(
            title=one.program.title,
            version=one.versions.get(one.program.distribution, ""),
            cached=one.program.cached,
            wall=report.summarise(one.seconds("wall"), _plain(contestants, "wall")),
            cpu=report.summarise(one.seconds("cpu"), _plain(contestants, "cpu")),
        )
        for one in contestants
    ]


def _load(contestants: list[Contestant]) -> float | None:
    """Give the median of the load averages at the starts of all counted runs."""
    loads = [timing.load for one in contestants for timings in one.runs.values() for timing in timings]
    return median(loads) if loads else None


def _failures(contestants: list[Contestant]) -> list[str]:
    return [f"{one.program.title} {one.error}" for one in contestants if one.error is not None]


def _record(contestants: list[Contestant], promises: list[report.Goal], options: argparse.Namespace) -> dict[str, Any]:
    return {
        "goals": [asdict(goal) for goal in promises],
        "failures": _failures(contestants),
        "rounds": options.rounds,
        "machine": {
            "processors": os.cpu_count(),
            "kind": platform.machine(),
            "system": platform.system(),
            "load": _load(contestants),
        },
        "summary": [asdict(row) for row in _rows(contestants)],
        "runs": {
            one.program.name: {name: [asdict(timing) for timing in timings] for name, timings in one.runs.items()}
            for one in contestants
        },
        "versions": {one.program.name: one.versions for one in contestants},
    }


if __name__ == "__main__":
    sys.exit(main())
