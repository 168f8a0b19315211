"""A deployed training that is cut off together with what keeps its exit code, as by a machine that goes down."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest
import tiny_service
from live_platform import LivePlatform, kill

from rung.compute.jobs import Job
from rung.schema import RevisionName
from rung.training import read_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.compute.local import Process

pytestmark = [pytest.mark.fault, pytest.mark.long]

LOADED = """
    return list(range(1, 201))
"""
LOADED_ONCE = """
    from pathlib import Path
    with Path({folder!r}, "loaded").open("a") as file:
        file.write("once")
    return list(range(1, 201))
"""
BUILT = """
    return {"slope": hyperparameters.slope}
"""
BUILT_LATER = """
    import time
    from pathlib import Path
    Path({folder!r}, "reached").touch()
    while not Path({folder!r}, "go_on").exists():
        time.sleep(0.05)
    return {{"slope": hyperparameters.slope}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training that has ended its first task, and waits in the second until it may go on."""

    platform: LivePlatform
    name: str
    folder: Path

    @property
    def job(self) -> Job:
        return Job(self.platform.place.revision(RevisionName.parse(self.name)) / "jobs" / "training")

    @property
    def process(self) -> Process:
        found = self.job.process()
        assert found is not None
        return found

    def await_second_task(self) -> None:
        reached = self.folder / "reached"
        self.platform.wait(reached.exists)
        reached.unlink()

    def go_on(self) -> None:
        (self.folder / "go_on").touch()

    def cut_off(self) -> None:
        """Kill all of it: its keeper first, so that no exit code is kept."""
        process = self.process
        assert process.keeper is not None
        for pid in (process.keeper.pid, process.pid):
            with suppress(psutil.NoSuchProcess):
                kill(pid)

    def told(self, kind: str) -> list[str]:
        events = self.platform.api(f"/revisions/{self.name}/why").json()["events"]
        return [event["because"] for event in events if event["kind"] == kind]

    def ended(self, state: str) -> None:
        self.platform.wait(lambda: self.platform.revision(self.name)["state"] != "training")
        assert self.platform.revision(self.name)["state"] == state, self.told(state)

    def tasks(self) -> dict[str, str]:
        run = read_run(self.platform.place.workspace.runs / self.platform.revision(self.name)["run"])
        return {task.name: task.state for task in run.tasks}


@pytest.fixture
def training(platform: LivePlatform, tmp_path: Path) -> Iterator[Training]:
    changed = ((LOADED, LOADED_ONCE), (BUILT, BUILT_LATER))
    for before, after in changed:
        tiny_service.change(platform.root, before, after.format(folder=str(tmp_path)))
    platform.commit()
    known = platform.states()
    watcher = platform.begin_command("deploy", "training", "tiny")
    platform.wait(lambda: len(platform.states()) > len(known))
    (name,) = platform.states().keys() - known.keys()
    under_way = Training(platform=platform, name=name, folder=tmp_path)
    under_way.await_second_task()
    yield under_way
    under_way.go_on()
    platform.wait(lambda: platform.revision(name)["state"] != "training")
    watcher.wait(60)  # it looks once a second, and would wait for the control plane to come back from `rung down`
    for before, after in changed:
        tiny_service.change(platform.root, after.format(folder=str(tmp_path)), before)


def test_a_training_that_was_cut_off_goes_on_from_what_it_kept(training: Training):
    training.cut_off()
    training.await_second_task()
    [told] = training.told("training_resumed")
    assert "is begun again from the tasks that had ended (time 1 of 3 at most)" in told
    assert training.platform.revision(training.name)["troubles"] == [told]
    assert f"{training.name}: {told}" in training.platform.rung("status").stdout
    training.go_on()
    training.ended("trained")
    assert (training.folder / "loaded").read_text() == "once"
    assert training.tasks() == {"load_data": "cached", "build_model": "ran", "evaluate": "ran"}
    assert training.platform.revision(training.name)["troubles"] == []


def test_it_is_begun_again_a_few_times_whoever_counts(training: Training):
    training.cut_off()
    training.await_second_task()
    kill(training.platform.address.pid)
    training.cut_off()
    training.platform.rung("up", "--detach")
    for _ in range(2):
        training.await_second_task()
        training.cut_off()
    training.ended("failed")
    assert len(training.told("training_resumed")) == 3
    [because] = training.told("failed")
    assert because.startswith("its training was cut off, after it was begun again 3 times: ")


def test_a_training_that_ended_with_an_exit_code_has_failed(training: Training):
    kill(training.process.pid)
    training.ended("failed")
    assert training.told("training_resumed") == []
    assert training.told("failed")[0].startswith("its training ended with exit code 137: ")


def test_a_machine_that_went_down_in_order_cut_it_off(training: Training):
    """It asks all processes to end, and their exit codes are kept; the machine is another boot then."""
    platform = training.platform
    kill(platform.address.pid)
    record = training.job.folder / "job.json"
    os.kill(training.process.pid, signal.SIGTERM)
    platform.wait(training.job.exit_file.exists)
    assert training.job.exit_file.read_text().strip() == "143"
    known = json.loads(record.read_text())
    record.write_text(json.dumps({**known, "process": {**known["process"], "boot": "an earlier one"}}))
    platform.rung("up", "--detach")
    training.await_second_task()
    assert len(training.told("training_resumed")) == 1
    training.go_on()
    training.ended("trained")
