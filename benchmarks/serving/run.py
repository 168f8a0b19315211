"""Time Rung's serving beside plain FastAPI, BentoML, LitServe and MLServer. `make bench-serving` runs this.

All serve the same models on one core, load comes from another core. Rounds are interleaved: in each, every server is
started, asked whether its answers are the native model's, warmed up and loaded. Results go to build/bench/serving.json,
serving.md (the tables) and serving.svg (the picture). The exit status is 0 when all servers ran, whether or not
the goals were met, and 1 when one could not be installed or run.
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
from typing import TYPE_CHECKING, Any

import environments
import gateway
import picture
import report
import rung_service
from catalogue import BASELINES, CONTENDERS, PEERS
from contender import Contender, Lab, Place, lay_down
from load import Cell, Load, missing_tools, send
from process import LOAD_CORE, SERVER_CORE, ServerError, await_answer, free_port, running

from rung.errors import RungError

if TYPE_CHECKING:
    from subprocess import Popen

BUILD = environments.BUILD
OWN = ("Rung", "FastAPI")  # run with --skip-peers
PEER = "rung-forest_array"  # held against the peers
SIZES = (1, 32)
WARM_UP_S = 1
FAILURES = (environments.InstallError, ServerError, RungError, OSError, subprocess.SubprocessError)


@dataclass(slots=True, kw_only=True)
class Entry:
    """A server, and what it has shown so far."""

    contender: Contender
    version: str = ""
    place: Place | None = None
    rounds: list[list[Cell]] = field(default_factory=list)
    error: str | None = None  # once set, the server is not run any more

    def give_up(self, what: str, error: Exception) -> None:
        """Keep the error and say it."""
        details = getattr(error, "stderr", None) or b""
        self.error = f"{what}: {error}{details.decode(errors='replace') if isinstance(details, bytes) else details}"
        print(f"  {self.contender.title} {self.error}", file=sys.stderr, flush=True)


@dataclass(slots=True, kw_only=True)
class Results:
    """All that was measured."""

    entries: list[Entry]
    versions: dict[str, dict[str, str]]  # environment -> distribution -> version
    gateway: list[dict[str, float]] = field(default_factory=list)  # median latency in ms by way, for each round
    gateway_error: str | None = None

    def by_key(self, figure: str) -> dict[report.Key, list[float]]:
        """Give one figure of every cell, one value for each round."""
        found: dict[report.Key, list[float]] = {}
        for entry in self.entries:
            for cell in (cell for cells in entry.rounds for cell in cells):
                key = (entry.contender.name, cell.instances, cell.connections)
                found.setdefault(key, []).append(getattr(cell, figure))
        return found

    def failures(self) -> list[str]:
        """Name what could not be installed or run."""
        failed = [f"{entry.contender.title} {entry.error}" for entry in self.entries if entry.error is not None]
        return failed + ([f"the gateway: {self.gateway_error}"] if self.gateway_error else [])


def main() -> int:
    """Measure, report, and say by the exit status whether all servers ran."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as scratch:
        lab = Lab(folder=Path(scratch) / "lab")
        results = enter(_chosen(options), lab, Path(scratch))
        try:
            for number in range(1, options.rounds + 1):
                print(f"round {number} of {options.rounds}", flush=True)
                for entry in results.entries:
                    run_server(entry, options.seconds, Path(scratch))
                run_gateway(results, options.seconds, Path(scratch))
        finally:
            rung_service.forget_sockets(lab)
    write(results, options)
    return 1 if results.failures() else 0


def enter(contenders: list[Contender], lab: Lab, scratch: Path) -> Results:
    """Make the environments, fit the models, lay the servers down; what fails is kept as the server's error."""
    print("preparing Rung's environment and the models", flush=True)
    python = environments.make_environment("rung")
    lab.fit(python)
    results = Results(entries=[Entry(contender=contender) for contender in contenders], versions={})
    for entry in results.entries:
        contender = entry.contender
        print(f"preparing {contender.title}", flush=True)
        try:
            _prepare(entry, results, lab, scratch / contender.name)
        except FAILURES as error:
            entry.give_up("could not be prepared", error)
    return results


def _prepare(entry: Entry, results: Results, lab: Lab, folder: Path) -> None:
    contender = entry.contender
    name = contender.environment
    if name not in results.versions:
        results.versions[name] = environments.versions(environments.make_environment(name))
    entry.version = results.versions[name].get(contender.distribution, "")
    python = environments.python_of(name)
    entry.place = Place(folder=folder, python=python, lab=lab, port=free_port())
    lay_down(contender, entry.place)


def run_server(entry: Entry, seconds: int, scratch: Path) -> None:
    """Start one server, check it, load it with every number of instances and connections, end it."""
    if entry.error is not None or entry.place is None:
        return
    contender, place = entry.contender, entry.place
    log = scratch / f"{contender.name}.log"
    cells = []
    try:
        with running(contender.start_command(place), log) as process:
            for size in contender.sizes:
                cells += _load(contender, place, size, seconds=seconds, process=process, log=log)
    except FAILURES as error:
        entry.give_up("failed", error)
        return
    entry.rounds.append(cells)
    for cell in cells:
        shown = f"{cell.requests_per_s:9,.0f} requests/s, p50 {cell.p50_ms:7.2f} ms, p99 {cell.p99_ms:7.2f} ms"
        print(f"  {contender.title:32} {cell.instances:2} x c={cell.connections:<2} {shown}", flush=True)


def _load(
    contender: Contender, place: Place, size: int, *, seconds: int, process: Popen[bytes], log: Path
) -> list[Cell]:
    """Load a server that runs with requests of one size. Before each load it must answer one request rightly.

    It then has also worked off what the load before left behind: wrk goes away without waiting for answers.
    """
    url, body = contender.url(place), place.lab.body(contender.payload, size)
    expected = place.lab.answers(contender.model, size)

    def sent(connections: int, lasting: int) -> Cell:
        await_answer(url, body.read_bytes(), lambda answer: contender.check(answer, expected), process=process, log=log)
        return send(Load(url=url, body=body, connections=connections, seconds=lasting), instances=size)

    sent(report.CONNECTIONS[-1], WARM_UP_S)
    return [sent(connections, seconds) for connections in report.CONNECTIONS]


def run_gateway(results: Results, seconds: int, scratch: Path) -> None:
    """Measure every way through the gateway once."""
    entry = next((entry for entry in results.entries if entry.contender.name == gateway.SERVED), None)
    if entry is None or entry.error is not None or entry.place is None or results.gateway_error:
        return
    try:
        latencies = gateway.measure(entry.contender, entry.place, seconds=seconds, scratch=scratch)
    except FAILURES as error:
        results.gateway_error = str(error)
        print(f"  the gateway: {error}", file=sys.stderr, flush=True)
        return
    results.gateway.append(latencies)
    for way, milliseconds in latencies.items():
        print(f"  {way:66} p50 {milliseconds:.3f} ms", flush=True)


def write(results: Results, options: argparse.Namespace) -> None:
    """Write figures, tables and picture, and print the tables."""
    rates, p99 = results.by_key("requests_per_s"), results.by_key("p99_ms")
    rows = [
        report.Row(
            name=entry.contender.name,
            title=entry.contender.title,
            version=entry.version,
            sizes=entry.contender.sizes,
        )
        for entry in results.entries
    ]
    ways = gateway_rows(results.gateway)
    goals = [
        *report.ratio_goals(rates, BASELINES),
        *report.peer_goals(rates, PEER, PEERS, SIZES),
        report.gateway_goal(ways),
    ]
    tables = [report.servers_markdown(rows, rates, p99, size) for size in SIZES]
    tables += [report.gateway_markdown(ways), report.goals_markdown(goals)]
    failures = results.failures()
    tables += ["Could not be installed or run:\n\n" + "".join(f"- {line}\n" for line in failures)] if failures else []
    text = "\n".join([*tables, _command(options)])
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "serving.md").write_text(text, encoding="utf-8")
    (BUILD / "serving.svg").write_text(draw(rates), encoding="utf-8")
    record = _record(results, goals, options)
    (BUILD / "serving.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text)


def gateway_rows(rounds: list[dict[str, float]]) -> list[report.GatewayRow]:
    """Give every way through the gateway, Rung's own first, and last the server itself."""
    titles = [*(way.title for way in gateway.WAYS), gateway.DIRECT]
    return [
        report.GatewayRow(
            title=title,
            p50_ms=[found[title] for found in rounds],
            added_ms=[found[title] - found[gateway.DIRECT] for found in rounds],
        )
        for title in titles
    ]


def draw(rates: dict[report.Key, list[float]]) -> str:
    """Draw the forest with one instance: each tool's best configuration beside Rung."""
    plain = "fastapi-forest_array"
    panels = []
    for c in report.CONNECTIONS:
        best = {"Rung": PEER, "Rung, ONNX": "rung-forest_onnx"}
        best |= {tool: name for tool, names in PEERS.items() if (name := report.best_of(rates, names, 1, c))}
        bars = [
            picture.Bar(
                label=label,
                value=median(rates[name, 1, c]),
                text=f"{median(rates[name, 1, c]):,.0f}/s{_times(report.ratio(rates, (name, 1, c), (plain, 1, c)))}",
                own=label.startswith("Rung"),
            )
            for label, name in best.items()
            if rates.get((name, 1, c))
        ]
        panels.append(picture.Panel(title=f"{c} connection{'s' if c > 1 else ''}, requests/s", bars=bars))
    return picture.draw("A forest of 50 trees on one core, 1 instance in a request, each tool's best", panels)


def _times(value: float | None) -> str:
    return "" if value is None else f", {value:.1f} x FastAPI"


def _command(options: argparse.Namespace) -> str:
    words = f"python benchmarks/serving/run.py --rounds {options.rounds} --seconds {options.seconds}"
    return f"Medians of {options.rounds} rounds; {os.cpu_count()} processors; `{words}`.\n"


def _record(results: Results, goals: list[report.Goal], options: argparse.Namespace) -> dict[str, Any]:
    return {
        "goals": [asdict(goal) for goal in goals],
        "failures": results.failures(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "machine": {
            "processors": os.cpu_count(),
            "kind": platform.machine(),
            "system": platform.system(),
            "server_core": SERVER_CORE,
            "load_core": LOAD_CORE,
        },
        "cells": {
            entry.contender.name: [[asdict(cell) for cell in cells] for cells in entry.rounds]
            for entry in results.entries
        },
        "gateway": results.gateway,
        "versions": results.versions,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--seconds", type=int, default=4, help="of load for each cell (default: 4)")
    parser.add_argument("--only", help="names of the servers to run, as rung-constant,fastapi-constant")
    parser.add_argument("--skip-peers", action="store_true", help="run Rung and plain FastAPI alone")
    options = parser.parse_args()
    names = [contender.name for contender in CONTENDERS]
    unknown = sorted(set(options.only.split(",")) - set(names)) if options.only else []
    if unknown:
        parser.error(f"there is no server {unknown[0]!r}; the servers are: {', '.join(names)}")
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds must be 1 at least")
    if missing := missing_tools():
        parser.error(f"this needs {' and '.join(missing)}")
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        parser.error(f"the server gets core {SERVER_CORE} and the load core {LOAD_CORE}: both must be usable")
    return options


def _chosen(options: argparse.Namespace) -> list[Contender]:
    wanted = options.only.split(",") if options.only else [contender.name for contender in CONTENDERS]
    chosen = [contender for contender in CONTENDERS if contender.name in wanted]
    return [contender for contender in chosen if contender.tool in OWN] if options.skip_peers else chosen


if __name__ == "__main__":
    sys.exit(main())
