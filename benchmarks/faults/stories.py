"""The faults: what is done to a promotion under load, and how it must end all the same."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import psutil
import pytest
import tiny_platform
import tiny_service
from live_platform import kill, live_platform
from postgresql import postgres_server
from scene import DEADLINE, PROMOTED, REJECTED, Row, Scene, begin, end, now
from upgrade import upgraded

from rung.compute.jobs import Job
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from live_platform import LivePlatform

STEPS = ("regression", "data", "replay", "load", "experiment")
_DISK_MIB = 1_500
_LIVE_X = 777
"""A number that no test asks for: what goes wrong with it goes wrong in production alone."""
_ALONE = "len(request.instances) == 1"
"""Of what tests of data never ask: a training ends well, and a gate finds it."""
_NO_CHILD = """
import os, sys
if "rung.control" in sys.orig_argv:
    del os.environ["LD_PRELOAD"]
"""
"""What a control plane with another clock does first: the gateway and the servers keep theirs."""


class SkippedError(Exception):
    """This machine cannot show the fault."""


# --- what is killed ---


def kill_control_plane(scene: Scene) -> None:
    """Kill -9 of the control plane; two seconds of production without one; a new one adopts everything."""
    before = {name: process.pid for name, process in scene.platform.recorded().items()}
    kill(scene.platform.address.pid)
    time.sleep(2)
    scene.platform.rung("up", "--detach")
    after = {name: process.pid for name, process in scene.platform.recorded().items()}
    if any(after.get(name) != pid for name, pid in before.items()):
        scene.notes.append("not all processes were adopted")


def kill_command(scene: Scene) -> None:
    """Kill -9 of `rung promote`."""
    kill(scene.watcher.pid)


def kill_worker(scene: Scene) -> None:
    """Kill -9 of one worker of the incumbent's server."""
    known = set(scene.workers(scene.incumbent))
    began = time.monotonic()
    kill(min(known))
    scene.platform.wait(lambda: bool(_that_serve(scene) - known))
    scene.recovered_s = time.monotonic() - began


def _that_serve(scene: Scene) -> set[int]:
    """Give the pids of the incumbent's workers that have said that they serve."""
    lines = [json.loads(line) for line in scene.platform.server_log(scene.incumbent).splitlines() if line[:1] == "{"]
    return {line["pid"] for line in lines if line["event"] == "Application startup complete."}


def kill_server(scene: Scene) -> None:
    """Kill -9 of the incumbent's whole server: its warm predecessor answers meanwhile, or else the challenger."""
    _kill_all(scene.pid(scene.incumbent))
    scene.recovered_s = scene.next_answer(time.monotonic(), scene.incumbent)


def kill_challenger(scene: Scene) -> None:
    """Kill -9 of the challenger's whole server: its units are answered by the incumbent meanwhile."""
    _kill_all(scene.pid(scene.challenger))
    began = time.monotonic()
    scene.platform.wait(lambda: scene.platform.revision(scene.challenger)["ready"])
    scene.recovered_s = time.monotonic() - began


def kill_gateway(scene: Scene) -> None:
    """Kill -9 of the gateway."""
    kill(scene.pid("gateway"))
    scene.recovered_s = scene.next_answer(time.monotonic())


def kill_collector(scene: Scene) -> None:
    """Kill -9 of the collector of outcomes, while they are reported."""
    scene.consumers.report_share = 1.0
    time.sleep(0.5)
    kill(scene.pid("collector"))


def kill_job(scene: Scene) -> None:
    """Kill -9 of a gate's job."""
    for process in scene.platform.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "rung.testing" in " ".join(process.cmdline()) and scene.challenger in " ".join(process.cmdline()):
                process.kill()


def kill_everything(scene: Scene) -> None:
    """Kill -9 of control plane, gateway, collector and servers at once; one command brings all of it back."""
    pids = [process.pid for process in scene.platform.recorded().values()]
    kill(scene.platform.address.pid)
    for pid in pids:
        _kill_all(pid)
    began = time.monotonic()
    scene.platform.rung("up", "--detach")
    scene.recovered_s = scene.next_answer(began)


def _kill_all(pid: int) -> None:
    master = psutil.Process(pid)
    for process in (master, *master.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


# --- what hangs ---


def freeze_control_plane(scene: Scene) -> None:
    """SIGSTOP of the control plane for five seconds."""
    _freeze([scene.platform.address.pid], for_s=5)


def freeze_challenger(scene: Scene) -> None:
    """SIGSTOP of the challenger's server for eight seconds."""
    pid = scene.pid(scene.challenger)
    _freeze([pid, *scene.workers(scene.challenger)], for_s=8)


def freeze_one_worker(scene: Scene) -> None:
    """SIGSTOP of one of the incumbent's two workers for three seconds."""
    _freeze(scene.workers(scene.incumbent)[:1], for_s=3)


def _freeze(pids: list[int], *, for_s: float) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(for_s)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


# --- what happens to the stores ---


def lock_registry(scene: Scene) -> None:
    """Another program holds the registry's database for 15 seconds: longer than a writer waits."""
    database = sqlite3.connect(scene.platform.place.workspace.state / "registry.db", isolation_level=None)
    with contextlib.closing(database):
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(15)
        database.execute("ROLLBACK")


def corrupt_artifact(scene: Scene) -> None:
    """The challenger's model is changed on the disk, and its server is killed: it must not come back with it."""
    run = scene.platform.revision(scene.challenger)["run"]
    artifact = scene.platform.place.workspace.runs / run / "build_model.artifact"
    artifact.chmod(0o600)
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 1
    artifact.write_bytes(data)
    _kill_all(scene.pid(scene.challenger))


def halve_log_line(scene: Scene) -> None:
    """A line of the prediction log is half-written by a worker that is killed: the rest is read, it is put aside."""
    known = set(scene.workers(scene.incumbent))
    kill(min(known))
    folder = scene.platform.place.predictions
    dead = list(folder.glob(f"predictions-{min(known)}-*.jsonl"))
    for path in dead:
        with path.open("ab") as file:
            file.write(b'{"id":"half-written')
    scene.notes.append(f"{len(dead)} logs were torn")


def resend_outcomes(scene: Scene) -> None:
    """Every outcome is sent three times, and all of them ten seconds late."""
    time.sleep(10)
    consumers, drawn = scene.consumers, random.Random(7)
    rows = [
        {"service": "tiny", "metric": "right", "value": value, "unit": unit, "id": unit}
        for unit, revisions in list(consumers.arms.items())
        for value in [float(drawn.random() < consumers.right[next(iter(revisions))])]
    ]
    with httpx2.Client(base_url=scene.platform.gateway, timeout=10, verify=False) as http:
        for _ in range(3):
            for first in range(0, len(rows), 100):
                http.post("/outcomes", json=rows[first : first + 100]).raise_for_status()
    scene.notes.append(f"{len(rows):,} outcomes, three times each")


# --- whole stories ---


def through(
    platform: LivePlatform,
    name: str,
    do: Callable[[Scene], None],
    *,
    at: str = "experiment",
    expected: str = PROMOTED,
    may_fail: bool = False,
    deadline: str = DEADLINE,
) -> Row:
    """Put one fault into a promotion at a step, and see it to its end."""
    scene = begin(platform, deadline=deadline)
    try:
        scene.await_step(at)
        if at == "experiment":
            platform.wait(lambda: scene.consumers.by_revision[scene.challenger] >= 20)
        do(scene)
        return end(scene, name, expected=expected, may_fail=may_fail)
    finally:
        scene.consumers.stop()


def bad_candidate(platform: LivePlatform, name: str, before: str, after: str, *, x: int = 3) -> Row:
    """Promote a candidate whose handler does wrong; with another x than 3, for what production alone asks.

    It is torn down. What fails in production alone fails for those of the challenger's units that ask meanwhile.
    """
    is_live = x == _LIVE_X
    with contextlib.ExitStack() as last:
        last.callback(tiny_service.change, platform.root, after, before, file="serve/app.py")
        scene = begin(platform, design="replay=0," if is_live else "", handler=(before, after))
        last.callback(scene.consumers.stop)
        scene.consumers.x = x
        return end(scene, name, expected=REJECTED, may_fail=is_live)


def two_operators(platform: LivePlatform, name: str) -> Row:
    """Two people promote the same revision at the same moment: one wins, the other is told."""

    def rival(scene: Scene) -> None:
        told = scene.platform.rung("promote", scene.challenger, "--ignore-plan", expect=None, timeout_s=5)
        scene.notes.append(f"the second was told: {told.stderr.strip().splitlines()[:1]}")

    def guarded(scene: Scene) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):  # it watches the same attempt
            rival(scene)

    return through(platform, name, guarded, at="regression")


def killed_trainer(platform: LivePlatform, name: str, *, with_keeper: bool = False) -> Row:
    """A training is killed in the middle: the promotion beside it does not notice.

    The revision has failed. With what keeps the exit code, as when a machine goes down, it is begun again, and trained.
    """

    def train_and_kill(scene: Scene) -> None:
        slow = ("    return list(range(1, 201))", "    import time; time.sleep(20)\n    return list(range(1, 200))")
        tiny_service.change(platform.root, *slow)
        platform.commit()
        known = platform.states()
        watcher = platform.begin_command("deploy", "training", "tiny")
        platform.wait(lambda: len(platform.states()) > len(known))
        (trained,) = platform.states().keys() - known.keys()
        job = Job(platform.place.revision(RevisionName.parse(trained)) / "jobs" / "training")
        record = platform.place.workspace.runs / platform.revision(trained)["run"] / "run.json"
        platform.wait(record.is_file)
        process = job.process()
        if process is not None and with_keeper and process.keeper is not None:
            kill(process.keeper.pid)
        if process is not None:
            _kill_all(process.pid)
        watcher.wait(120)
        tiny_service.change(platform.root, *reversed(slow))
        scene.notes.append(f"{trained} has {platform.revision(trained)['state']}")

    return through(platform, name, train_and_kill)


def full_disk(_: LivePlatform, name: str) -> Row:
    """The disk of a platform's state is full for five seconds: answers are refused rather than unlogged."""
    with live_platform() as platform, _small_disk(platform.root / ".rung"):
        try:
            tiny_platform.begin(platform)
            return through(platform, name, _fill, may_fail=True)
        finally:
            platform.rung("down", expect=None)


def read_only_store(_: LivePlatform, name: str) -> Row:
    """The store of artifacts is read-only for a while: a training fails and says so, and works again afterwards."""
    with live_platform() as platform:
        store = platform.root / ".rung" / "artifacts"
        store.parent.mkdir()
        with _small_disk(store):
            try:
                tiny_platform.begin(platform)
                return through(platform, name, partial(_train_in_vain, store=store))
            finally:
                platform.rung("down", expect=None)


def _train_in_vain(scene: Scene, *, store: Path) -> None:
    platform = scene.platform
    change = ("    return list(range(1, 201))", "    return list(range(1, 200))")
    tiny_service.change(platform.root, *change)
    platform.commit()
    subprocess.run(["mount", "-o", "remount,ro", str(store)], check=True)
    try:
        told = platform.rung("deploy", "training", "tiny", expect=None)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(store)], check=True)
    lines = told.stderr.strip().splitlines() or [""]
    scene.notes.append(f"read-only: exit code {told.returncode}, {lines[-1]}")
    again = platform.rung("deploy", "training", "tiny", expect=None)
    tiny_service.change(platform.root, *reversed(change))
    scene.notes.append(f"afterwards: exit code {again.returncode}")


def _fill(scene: Scene) -> None:
    hog = scene.platform.place.workspace.state / "hog"
    with hog.open("wb") as file, contextlib.suppress(OSError):
        for _ in range(_DISK_MIB):
            file.write(bytes(1 << 20))
            file.flush()
    time.sleep(5)
    hog.unlink()
    scene.recovered_s = scene.next_answer(time.monotonic())


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Put a small disk where a folder is, for as long as the block lasts.

    Raises:
        SkippedError: The system does not let us mount one.
    """
    folder.mkdir()
    options = f"size={_DISK_MIB}m"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        raise SkippedError("only a system that lets us mount a small disk shows this")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def restarted_database(_: LivePlatform, name: str) -> Row:
    """A registry on PostgreSQL is gone for five seconds and comes back; the control plane waits for it."""
    try:
        with postgres_server() as postgres:
            variables = {"RUNG_REGISTRY": postgres.database(migrated=False)}
            with live_platform(variables=variables) as platform:
                tiny_platform.begin(platform)

                def away(scene: Scene) -> None:
                    postgres.server.stop()
                    time.sleep(5)
                    postgres.server.start()
                    scene.platform.wait(lambda: scene.platform.rung("status", expect=None).returncode == 0)

                return through(platform, name, away)
    except pytest.skip.Exception as skipped:
        raise SkippedError(str(skipped)) from None


def jumping_clock(_: LivePlatform, name: str) -> Row:
    """The control plane's clock is an hour ahead of all others in an A/B test, and five seconds later right again."""
    if sys.platform != "linux":
        raise SkippedError("only Linux lets us tell a process another time")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        clock = folder / "clock"
        clock.write_text("+0")
        (folder / "sitecustomize.py").write_text(_NO_CHILD)
        variables = {
            "PYTHONPATH": text,
            "LD_PRELOAD": str(files("libfaketime") / "vendor/libfaketime/src/libfaketime.so.1"),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

        def jump(scene: Scene) -> None:
            clock.write_text("+3600")
            time.sleep(5)
            scene.notes.append(f"the control plane was {_ahead_s(scene):,.0f} s ahead")
            clock.write_text("+0")
            time.sleep(5)
            scene.notes.append(f"then {_ahead_s(scene):,.0f} s")

        with live_platform(variables=variables) as platform:
            tiny_platform.begin(platform)
            return through(platform, name, jump, deadline="days=3")


def _ahead_s(scene: Scene) -> float:
    """Give how far the control plane's clock is ahead of ours, by the date of an answer."""
    told = parsedate_to_datetime(scene.platform.api("/revisions").headers["date"])
    return (told - now()).total_seconds()


def leaking(platform: LivePlatform, name: str) -> Row:
    """Promote a candidate that keeps a little of every production request: it is torn down before it takes all."""
    return bad_candidate(
        platform,
        name,
        "offset = request.parameters.offset",
        "offset = request.parameters.offset; math.__dict__.setdefault('kept', []).append(bytearray(4_000_000))",
    )


def _bad(after: str, *, x: int = 3) -> Callable[[LivePlatform, str], Row]:
    return lambda platform, name: bad_candidate(platform, name, "offset = request.parameters.offset", after, x=x)


VICTIMS: dict[str, Callable[[Scene], None]] = {
    "the control plane": kill_control_plane,
    "`rung promote`": kill_command,
    "a worker": kill_worker,
    "the incumbent's server": kill_server,
    "the gateway": kill_gateway,
}
"""What a promotion needs, or production beside it: each is killed at every step."""
IN_FLIGHT = ("a worker", "the gateway")
"""Whose requests under way may fail."""

STORIES: dict[str, Callable[[LivePlatform, str], Row]] = {
    **{
        f"kill -9 of {victim} at {step}": partial(through, do=do, at=step, may_fail=victim in IN_FLIGHT)
        for victim, do in VICTIMS.items()
        for step in STEPS
    },
    "kill -9 of a gate's job": partial(through, do=kill_job, at="load"),
    "kill -9 of a training": killed_trainer,
    "kill -9 of a training and its keeper": partial(killed_trainer, with_keeper=True),
    "kill -9 of the challenger's server": partial(through, do=kill_challenger),
    "kill -9 of the collector": partial(through, do=kill_collector),
    "kill -9 of everything": partial(through, do=kill_everything, may_fail=True),
    "SIGSTOP of the control plane, 5 s": partial(through, do=freeze_control_plane),
    "SIGSTOP of the challenger's server, 8 s": partial(through, do=freeze_challenger, may_fail=True),
    "SIGSTOP of one worker, 3 s": partial(through, do=freeze_one_worker),
    "registry locked, 15 s": partial(through, do=lock_registry),
    "PostgreSQL gone, 5 s": restarted_database,
    "disk full, 5 s": full_disk,
    "store of artifacts read-only": read_only_store,
    "challenger's artifact corrupted": partial(through, do=corrupt_artifact, expected=REJECTED),
    "half-written line in the log": partial(through, do=halve_log_line, may_fail=True),
    "control plane's clock an hour ahead, then back": jumping_clock,
    "outcomes three times and late": partial(through, do=resend_outcomes),
    "two operators promote at once": two_operators,
    "candidate raises": _bad("offset = 1 / 0"),
    "candidate answers NaN": _bad("offset = math.nan"),
    "candidate answers too few": _bad(f"offset = 0; {_ALONE} and request.instances.pop()"),
    "candidate answers a million for one": _bad(f"offset = 0; request.instances *= 1_000_000 if {_ALONE} else 1"),
    "candidate leaks memory": leaking,
    "candidate fails in production alone": _bad(f"offset = 0 / (request.instances[0].x != {_LIVE_X})", x=_LIVE_X),
    "candidate hangs in production alone": _bad(
        f"offset = 0.0 if request.instances[0].x != {_LIVE_X} else __import__('time').sleep(3600)", x=_LIVE_X
    ),
    "upgrade in the middle of an A/B test": upgraded,
}
