"""Trainings that are killed, interrupted, or run out of disk: what was finished is kept, nothing is half-written."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from rung import artifacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Place

pytestmark = pytest.mark.fault

MAIN = """
import time
from pathlib import Path

from rung.training import Experiment, TestResults


def first() -> str:
    return "done"


def second(first: str) -> str:
    Path("reached").touch()
    while not Path("go_on").exists():
        time.sleep(0.01)
    return first


def evaluate(second: str) -> TestResults:
    return TestResults(rows=1, data=(), regression=(), example={})


experiment = Experiment(first, second, evaluate)

if __name__ == "__main__":
    experiment.run()
    experiment.save()
"""


BY_HAND = ("-m", "experiments.toy.train.main")


def stopped_in_second(
    place: Place, stop: Callable[[subprocess.Popen[bytes]], None], started: tuple[str, ...] = BY_HAND, **variables: str
) -> int:
    """Start a training, stop it in its second task, and give its exit status."""
    command, environment = [sys.executable, *started], {**os.environ, **variables}
    with subprocess.Popen(command, cwd=place.root, stderr=subprocess.DEVNULL, env=environment) as process:
        deadline = time.monotonic() + 60
        while not (place.root / "reached").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        stop(process)
        return process.wait(timeout=60)


@pytest.mark.parametrize(
    ("stop", "status", "exit_code"),
    [
        pytest.param(lambda process: process.kill(), "running", None, id="killed"),
        pytest.param(lambda process: process.send_signal(signal.SIGINT), "failed", 130, id="interrupted"),
    ],
)
def test_stopped_training_goes_on_where_it_was(
    place: Place, stop: Callable[[subprocess.Popen[bytes]], None], status: str, exit_code: int | None
):
    place.service("toy", MAIN)
    assert stopped_in_second(place, stop) != 0
    assert (place.last().status, place.last().exit_code) == (status, exit_code)
    place.write("go_on", "")
    record = place.train("toy")
    assert {task.name: task.state for task in record.tasks} == {"first": "cached", "second": "ran", "evaluate": "ran"}


def test_run_that_does_without_the_cache_goes_on_from_its_own_tasks(place: Place):
    """As a retraining, whose data may have changed since others ran, and which is begun again under its own name."""
    place.service("toy", MAIN)
    run = {"RUNG_RUN": "toy-20261122-120000-0000000"}
    without_cache = ("-c", "from experiments.toy.train.main import experiment; experiment.run(use_cache=False)")
    assert stopped_in_second(place, lambda process: process.kill(), without_cache, **run) != 0
    place.write("go_on", "")
    record = place.train("toy", environment=run, use_cache=False)
    assert {task.name: task.state for task in record.tasks} == {"first": "cached", "second": "ran", "evaluate": "ran"}
    assert {task.state for task in place.train("toy", use_cache=False).tasks} == {"ran"}


def test_artifact_too_large_for_the_disk_leaves_nothing(place: Place):
    place.service("toy", MAIN)
    place.edit("experiments/toy/train/main.py", "    return first\n", "    return 'x' * 3_000_000\n")
    place.write("go_on", "")

    def little_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writes fail with EFBIG, as a full disk's do with ENOSPC
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    command = [sys.executable, "-m", "experiments.toy.train.main"]
    ended = subprocess.run(
        command,
        cwd=place.root,
        preexec_fn=little_disk,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert "cannot write 3,000" in ended.stderr
    assert {task.name: task.state for task in place.last().tasks} == {"first": "ran", "second": "failed"}
    whole_or_not_at_all(place)
    assert {task.state for task in place.train("toy").tasks} == {"cached", "ran"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a file system")
def test_full_disk_leaves_nothing_half_written(place: Place):
    place.service("toy", MAIN)
    place.edit("experiments/toy/train/main.py", "    return first\n", "    return 'x' * 3_000_000\n")
    place.write("go_on", "")
    state = place.root / "small"
    state.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(state)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    try:
        ended = place.python("-m", "experiments.toy.train.main", environment={"RUNG_STATE": str(state)})
        assert ended.returncode == 3
        assert "cannot write 3,000" in ended.stderr
        assert list(state.rglob("*.tmp")) == list(state.rglob("*.unfinished")) == []
    finally:
        subprocess.run(["umount", str(state)], check=True)


def test_two_trainings_at_once_do_not_disturb_each_other(place: Place):
    place.service("toy", MAIN)
    place.write("go_on", "")
    command = [sys.executable, "-m", "experiments.toy.train.main"]
    both = [subprocess.Popen(command, cwd=place.root, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    one, other = place.runs()
    assert one.artifacts == other.artifacts
    whole_or_not_at_all(place)


def whole_or_not_at_all(place: Place) -> None:
    """Everything that lies in the store is what its name says, and nothing unfinished lies there."""
    state = place.root / ".rung"
    store = artifacts.LocalStore(state / "artifacts")
    assert all(store.get(digest) for digest in store.digests())
    assert list(state.rglob("*.tmp")) == list(state.rglob("*.unfinished")) == []
