"""Notebooks by schedule: what the control plane does at each look, with a real registry and a real kernel."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from notebook_cells import notebook

from rung.compute.jobs import Job
from rung.control.notebooks import Notebooks, Scheduled
from rung.control.place import Place as ControlPlace
from rung.errors import CallError, NotFoundError
from rung.registry import open_registry
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rung.registry import Registry

CELLS = ("# parameters\nn = 1", "import rung\nrung.record('n', n)")
SLOW = ("import time\ntime.sleep(600)",)
DAILY = "0 6 * * *"


def wanted(cron: str = "* * * * *", *, since: timedelta = timedelta(0), **parameters: int) -> Scheduled:
    began = datetime.now(UTC) - since
    return Scheduled(cron=cron, zone="UTC", parameters=parameters, time_limit_s=30.0, actor="ada", since=began)


@pytest.fixture
def root(tmp_path: Path, new_registry: Path) -> Path:
    for folder in ("experiments/tiny/schema", "experiments/tiny/notebooks", ".rung"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "rung.toml").touch()
    shutil.copy(new_registry, tmp_path / ".rung")
    for name, cells in (("good", CELLS), ("slow", SLOW)):
        (tmp_path / "experiments/tiny/notebooks" / f"{name}.ipynb").write_bytes(notebook(*cells))
    return tmp_path


@pytest.fixture
def registry(root: Path) -> Iterator[Registry]:
    with open_registry(root / ".rung") as opened:
        yield opened


@pytest.fixture
def restarted(root: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Notebooks]:
    """Give what a control plane has that was just started."""
    monkeypatch.setattr("rung.control.notebooks._LOOK_EVERY_S", 0.0)
    return lambda: Notebooks(ControlPlace(workspace=find(root)), registry)


def look(notebooks: Notebooks, *, until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        for one in notebooks.looks():
            one()
        time.sleep(0.05)


def test_missed_runs_are_run_once_and_kept(restarted: Callable[[], Notebooks], registry: Registry):
    notebooks = restarted()
    notebooks.declare("tiny/good", wanted(DAILY, since=timedelta(days=3), n=7), because="")
    look(restarted(), until=lambda: registry.runs("tiny"))
    (run,) = registry.runs("tiny", kind="notebook")
    assert (run["status"], run["metrics"], run["user"]) == ("succeeded", {"n": 7.0}, "ada")
    (scheduled,) = notebooks.scheduled().values()
    assert scheduled.run == run["id"]
    assert scheduled.next > datetime.now(UTC)
    look(notebooks, until=iter((False, False, True)).__next__)
    assert len(registry.runs("tiny")) == 1
    told = [event.because for event in registry.events() if event.kind == "notebooks"]
    assert told[0] == f"tiny/good is run at '{DAILY}' (UTC)"
    assert told[1].startswith(f"tiny/good is run as {run['id']}: it was due at ")


def test_run_whose_process_is_killed_has_failed(root: Path, restarted: Callable[[], Notebooks], registry: Registry):
    notebooks = restarted()
    notebooks.declare("tiny/slow", wanted(since=timedelta(minutes=2)), because="")
    job = Job(root / ".rung" / "notebooks" / "tiny.slow")
    look(notebooks, until=lambda: list((root / ".rung" / "runs").glob("*/run.json")))
    job.stop(grace_s=0.0)
    look(restarted(), until=lambda: registry.runs("tiny"))
    (run,) = registry.runs("tiny")
    assert run["status"] == "failed"
    assert run["error"].startswith("its process ended")
    assert registry.latest("notebook_failed")["tiny"].because.startswith("tiny/slow failed as tiny-")


def test_removed_schedule_runs_no_more(restarted: Callable[[], Notebooks], registry: Registry):
    notebooks = restarted()
    notebooks.declare("tiny/good", wanted(since=timedelta(hours=1)), because="")
    notebooks.remove("tiny/good", because="", actor="bob")
    look(notebooks, until=iter((False, True)).__next__)
    assert notebooks.scheduled() == {}
    assert registry.runs() == []
    with pytest.raises(NotFoundError, match="tiny/good has no schedule"):
        notebooks.remove("tiny/good", because="", actor="bob")


@pytest.mark.parametrize(
    ("reference", "order", "because"),
    [
        ("tiny/none", wanted(DAILY), "there is no notebook tiny/none"),
        ("none/good", wanted(DAILY), "there is no service 'none'"),
        ("tiny/good", wanted("0 25 * * *"), "has '25' as hour"),
        ("tiny/good", wanted(DAILY, m=1), "no parameter 'm'"),
    ],
)
def test_what_cannot_run_is_not_scheduled(
    restarted: Callable[[], Notebooks], reference: str, order: Scheduled, because: str
):
    with pytest.raises(CallError, match=because):
        restarted().declare(reference, order, because="")
    assert restarted().scheduled() == {}
