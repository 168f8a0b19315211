"""Serve at a constant rate for long, and watch memory, errors and latency. `make bench-soak` runs this.

A revision server of Rung, started as the control plane starts it (two workers, batching, prediction log), is loaded
until it gives no more, then asked for a share of that at a constant rate. Results go to build/bench/soak.json and
soak.md. The exit status is 0 when the server ran, whether or not the goals were met.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import environments
import psutil
import rung_service
import soak_report
from catalogue import CONTENDERS
from contender import Lab, Place, lay_down
from load import Load, missing_tools, send
from process import LOAD_CORE, SERVER_CORE, Command, ServerError, await_answer, free_port, running

from rung.lake.log import PREDICTIONS
from rung.serving import read_bundle, write_bundle

if TYPE_CHECKING:
    from subprocess import Popen

BUILD = environments.BUILD
MODEL = "linear_frame"
SERVED = "rung-linear_frame"
WORKERS = 2
CONNECTIONS = 64
CAPACITY_RUNS, CAPACITY_S = 3, 4
SAMPLE_S = 1.0
COUNT_S = 60.0  # between two looks at the log, which then lets go of its full files
SETTLE_S = 2.0  # for what the capacity runs left under way


@dataclass(slots=True, kw_only=True)
class Log:
    """The prediction log: counts its lines, and removes files that are full, as shipping does."""

    folder: Path
    lines: int = 0  # in the files that were removed

    def count(self) -> int:
        """Count all lines that were ever written."""
        files: dict[str, list[Path]] = {}
        for path in sorted(self.folder.glob(f"{PREDICTIONS}-*.jsonl"), key=lambda path: path.stat().st_mtime_ns):
            files.setdefault(path.name.split("-")[1], []).append(path)
        for full in (path for of_worker in files.values() for path in of_worker[:-1]):
            self.lines += _lines(full)
            full.unlink()
        return self.lines + sum(_lines(of_worker[-1]) for of_worker in files.values())


@dataclass(slots=True, kw_only=True)
class Soak:
    """What was seen."""

    capacity: float  # requests/s
    rate: float  # requests/s that were sent
    samples: dict[int, list[soak_report.Sample]] = field(default_factory=dict)  # by the worker's pid
    answered: int = 0
    errors: int = 0
    first_error: str = ""
    logged: int = 0  # lines that the log got during the load
    latencies: dict[str, float] = field(default_factory=dict)  # ms
    late: dict[str, float] = field(default_factory=dict)  # ms that the load itself was late

    def workers(self) -> dict[int, soak_report.Growth | None]:
        """Describe the memory of each worker."""
        each = self.rate / WORKERS
        return {pid: soak_report.growth(found, requests_per_s=each) for pid, found in self.samples.items()}


def main() -> int:
    """Measure and report."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as scratch:
        folder = Path(scratch)
        place = _prepare(folder)
        try:
            soak = _measure(place, folder, seconds=options.minutes * 60, share=options.share)
        finally:
            rung_service.forget_sockets(place.lab)
    goals = soak_report.goals(errors=soak.errors, unlogged=max(0, soak.answered - soak.logged), workers=soak.workers())
    text = soak_report.markdown(goals, soak.workers(), soak.latencies) + "\n" + _story(soak, options)
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "soak.md").write_text(text, encoding="utf-8")
    record = {"goals": [asdict(goal) for goal in goals], **_record(soak, options)}
    (BUILD / "soak.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text)
    return 0


def _prepare(folder: Path) -> Place:
    """Lay the revision down; its deployment has two workers."""
    print("preparing Rung's environment and the model", flush=True)
    lab = Lab(folder=folder / "lab")
    python = environments.make_environment("rung")
    lab.fit(python)
    place = Place(folder=folder / "server", python=python, lab=lab, port=free_port())
    lay_down(next(one for one in CONTENDERS if one.name == SERVED), place)
    bundle = read_bundle(lab.state, str(rung_service.revision(MODEL)))
    serving = bundle.infrastructure["serving"] | {"gunicorn_workers": WORKERS}
    write_bundle(lab.state, bundle.model_copy(update={"infrastructure": {**bundle.infrastructure, "serving": serving}}))
    return place


def _measure(place: Place, folder: Path, *, seconds: float, share: float) -> Soak:
    contender = next(one for one in CONTENDERS if one.name == SERVED)
    url, body, text = contender.url(place), place.lab.body(contender.payload, 1), folder / "server.log"
    expected = place.lab.answers(contender.model, 1)
    with running(contender.start_command(place), text) as process:

        def is_right() -> None:
            asked = body.read_bytes()
            await_answer(url, asked, lambda answer: contender.check(answer, expected), process=process, log=text)

        is_right()
        capacity = _capacity(url, body)
        is_right()
        time.sleep(SETTLE_S)
        soak = Soak(capacity=capacity, rate=share * capacity)
        print(f"capacity {capacity:,.0f} requests/s; sending {soak.rate:,.0f} for {seconds:,.0f} s", flush=True)
        log = Log(folder=rung_service.platform(place.lab).predictions)
        before = log.count()
        words = (url, str(body), str(soak.rate), str(seconds))
        with running(_sender(words, folder), folder / "load.log") as sender:
            _watch(soak, sender, master=process.pid, log=log)
        _read(soak, folder)
        soak.logged = log.count() - before
        is_right()
    return soak


def _capacity(url: str, body: Path) -> float:
    """Give the requests per second that the server answers at the most: the median of short runs, after one."""
    load = Load(url=url, body=body, connections=CONNECTIONS, seconds=CAPACITY_S)
    return median([send(load, instances=1).requests_per_s for _ in range(CAPACITY_RUNS + 1)][1:])


def _sender(words: tuple[str, ...], folder: Path) -> Command:
    """Say how to send the load: a process on a core of its own."""
    program = str(Path(__file__).with_name("open_load.py"))
    arguments = (sys.executable, program, *words, str(folder / "result.json"))
    return Command(arguments=arguments, folder=folder, variables=dict(os.environ), core=LOAD_CORE)


def _watch(soak: Soak, sender: Popen[bytes], *, master: int, log: Log) -> None:
    """Look at the workers until the load has been sent."""
    begun = counted = time.monotonic()
    while sender.poll() is None:
        now = time.monotonic()
        for worker in psutil.Process(master).children():
            sample = soak_report.Sample(seconds=now - begun, rss_bytes=worker.memory_info().rss)
            soak.samples.setdefault(worker.pid, []).append(sample)
        if now - counted > COUNT_S:
            log.count()
            counted = now
        time.sleep(SAMPLE_S)
    if sender.returncode != 0:
        raise ServerError(f"the sender of the load ended with {sender.returncode}")


def _read(soak: Soak, folder: Path) -> None:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    soak.answered, soak.errors = len(found["latencies_ms"]), found["errors"]
    soak.first_error = found["first_error"]
    soak.latencies = soak_report.percentiles(found["latencies_ms"])
    soak.late = soak_report.percentiles(found["late_ms"])


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _story(soak: Soak, options: argparse.Namespace) -> str:
    words = f"python benchmarks/serving/soak.py --minutes {options.minutes:g} --share {options.share:g}"
    error = f" The first error: {soak.first_error}" if soak.first_error else ""
    return (
        f"{soak.answered:,} requests answered at {soak.rate:,.0f} a second, {options.share:.0%} of a capacity of "
        f"{soak.capacity:,.0f}; {WORKERS} workers on one core; the load itself was {soak.late['p99']:.1f} ms late "
        f"at p99; `{words}`.{error}\n"
    )


def _record(soak: Soak, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "minutes": options.minutes,
        "share": options.share,
        "capacity_requests_per_s": soak.capacity,
        "rate_requests_per_s": soak.rate,
        "answered": soak.answered,
        "errors": soak.errors,
        "first_error": soak.first_error,
        "logged": soak.logged,
        "latency_ms": soak.latencies,
        "late_ms": soak.late,
        "memory": {pid: one and asdict(one) for pid, one in soak.workers().items()},
        "samples": {pid: [asdict(sample) for sample in found] for pid, found in soak.samples.items()},
        "machine": {"processors": os.cpu_count(), "server_core": SERVER_CORE, "load_core": LOAD_CORE},
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="of constant load (default: 10)")
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity that is asked for (default: 0.8)")
    options = parser.parse_args()
    if options.minutes <= 0 or not 0 < options.share <= 1:
        parser.error("--minutes must be above 0, and --share above 0 and at most 1")
    if missing := missing_tools():
        parser.error(f"this needs {' and '.join(missing)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
