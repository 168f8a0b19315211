"""Every write of every main command can fail, and the process can die there: what is left is whole, and works again.

`make test-long` takes a random sample of the steps of each command, `pytest tests/fault --hypothesis-profile=long` all
of them. A failure names the command, the number of its step, and what that step was.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import lifecycle_invariants as invariants
import pytest
import simulated_platform as simulated
import simulated_use_cases as use_cases
import tiny_service
from hypothesis import settings
from lifecycle_invariants import Held
from nth_write import Commands, Ended, How, Order
from simulated_clock import SimulatedClock

from rung.artifacts import LocalStore
from rung.control.deployment.trainings import Trainings
from rung.lifecycle import State
from rung.registry import open_registry
from rung.schema import RevisionName
from rung.serving import read_bundle
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

pytestmark = [pytest.mark.fault, pytest.mark.long]

IS_LONG = settings.get_current_profile_name() == "long"
FAILURES: tuple[How, How] = ("full", "broken")
SAMPLE = 2  # steps of each command, when not all of them are taken
MEMORY = Path("/dev/shm")  # noqa: S108  a disk that forgets: what is synced is not the question here
REFUSED = 2  # a command that has had its effect may refuse to have it again
OLD_S = time.time() - 3 * 86_400
GIT = ("git", "-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A command, and the workspace in which it is given."""

    begin: Callable[[Path], None]
    argv: tuple[str, ...]
    is_idempotent: bool = True
    """It does not refuse to be done again after it succeeded."""


def use(verb: str, name: str = "") -> tuple[str, ...]:
    return ("simulated_use_cases:use", verb, name)


# --- workspaces ---


def nothing(folder: Path) -> None:
    folder.mkdir()


def workspace(folder: Path) -> None:
    folder.mkdir()
    (folder / "experiments").mkdir()
    (folder / "experiments" / "__init__.py").touch()
    (folder / "rung.toml").touch()
    (folder / ".gitignore").write_text(".rung/\n__pycache__/\n")
    subprocess.run([*GIT, "init", "--quiet", "--initial-branch=main"], cwd=folder, check=True)


def service(folder: Path) -> None:
    workspace(folder)
    tiny_service.write(folder)
    subprocess.run([*GIT, "add", "--all"], cwd=folder, check=True)
    subprocess.run([*GIT, "commit", "--quiet", "--message=begin"], cwd=folder, check=True)


def registry(folder: Path) -> None:
    service(folder)
    open_registry(folder / ".rung").close()


def candidates(folder: Path) -> None:
    """Serve the benchmark m0, and m1 and m2."""
    registry(folder)
    control = use_cases.adopt(folder)
    for _ in range(3):
        simulated.deploy(control, "plain")
    use_cases.look(control)
    control.end()


def incumbent(folder: Path) -> None:
    candidates(folder)
    control = use_cases.adopt(folder)
    use_cases.promote_to_the_end(control, RevisionName.parse("tiny.v1.m1"))
    control.end()


def under_test(folder: Path) -> None:
    incumbent(folder)
    control = use_cases.adopt(folder)
    use_cases.promote_to_the_end(control, RevisionName.parse("tiny.v1.m2"))
    assert control.registry.revision(RevisionName.parse("tiny.v1.m2")).state is State.EXPERIMENTING
    control.end()


def paused(folder: Path) -> None:
    under_test(folder)
    control = use_cases.adopt(folder)
    control.platform.pause(simulated.SERVICE, simulated.MAJOR, because="", actor=simulated.OPERATOR)
    control.end()


def superseded(folder: Path) -> None:
    under_test(folder)
    control = use_cases.adopt(folder)
    (promotion,) = control.registry.promotions(active_only=True)
    control.registry.add_verdict(promotion, simulated.passing("experiment"))
    use_cases.look(control)
    control.end()


def torn_down(folder: Path) -> None:
    incumbent(folder)
    control = use_cases.adopt(folder)
    control.platform.tear_down(RevisionName.parse("tiny.v1.m2"), because="", actor=simulated.OPERATOR)
    control.end()


def trained(folder: Path) -> None:
    candidates(folder)
    control = use_cases.adopt(folder)
    name = control.registry.create_revision(simulated.SERVICE, 1, actor="anna", commit="abc", dirty=False)
    control.world.write_revision(name, "plain")
    control.registry.move(name, State.TRAINED, because="its training succeeded", actor="rung")
    control.end()


def deploying(folder: Path) -> None:
    trained(folder)
    control = use_cases.adopt(folder)
    control.platform.deploy_serving(RevisionName.parse("tiny.v1.m3"), actor=simulated.OPERATOR)
    control.end()


def a_run(folder: Path) -> None:
    incumbent(folder)
    rung(folder, "train", "tiny")


def a_backup(folder: Path) -> None:
    a_run(folder)
    rung(folder, "backup", "kept")
    shutil.rmtree(folder / ".rung")


def older(folder: Path) -> None:
    incumbent(folder)
    with open_registry(folder / ".rung") as opened:
        opened.downgrade("0002")


def rung(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "rung.cli", *words], cwd=folder, check=True, capture_output=True)


CASES = {
    "init": Case(begin=nothing, argv=("init",)),
    "new": Case(begin=workspace, argv=("new", "shop"), is_idempotent=False),
    "train": Case(begin=service, argv=("train", "tiny")),
    "train with a registry": Case(begin=registry, argv=("train", "tiny")),
    "runs list": Case(begin=registry, argv=("runs", "list")),
    "gc": Case(begin=incumbent, argv=("gc",)),
    "backup": Case(begin=a_run, argv=("backup", "kept")),
    "restore": Case(begin=a_backup, argv=("restore", "kept"), is_idempotent=False),
    "db upgrade": Case(begin=older, argv=("db", "upgrade")),
    "deploy training": Case(begin=registry, argv=use("deploy training")),
    "deploy serving": Case(begin=trained, argv=use("deploy serving", "tiny.v1.m3"), is_idempotent=False),
    "promote": Case(begin=candidates, argv=use("promote", "tiny.v1.m1"), is_idempotent=False),
    "promote to the end": Case(begin=candidates, argv=use("promote to the end", "tiny.v1.m1")),
    "promote to a test": Case(begin=incumbent, argv=use("promote to the end", "tiny.v1.m2")),
    "begin to serve": Case(begin=deploying, argv=use("look")),
    "rollback": Case(begin=superseded, argv=use("rollback")),
    "teardown": Case(begin=incumbent, argv=use("teardown", "tiny.v1.m2"), is_idempotent=False),
    "revive": Case(begin=torn_down, argv=use("revive", "tiny.v1.m2"), is_idempotent=False),
    "pause": Case(begin=under_test, argv=use("pause"), is_idempotent=False),
    "resume": Case(begin=paused, argv=use("resume"), is_idempotent=False),
    "abort": Case(begin=under_test, argv=use("abort"), is_idempotent=False),
    "shadow": Case(begin=incumbent, argv=use("shadow", "tiny.v1.m2")),
}


# --- running ---


@dataclass(slots=True, kw_only=True)
class Bench:
    """A fast disk, and what runs commands on it."""

    disk: Path
    commands: Commands
    made: set[Path] = field(default_factory=set)

    def copy(self, begin: Callable[[Path], None], name: str) -> Path:
        """Copy a workspace that commands begin with; each kind is made once."""
        template, folder = self.disk / begin.__name__, self.disk / name
        if template not in self.made:
            begin(template)
            self.made.add(template)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder, symlinks=True)
        return folder

    def run(self, case: Case, folder: Path, *, how: How = "full", n: int = 0) -> Ended:
        return self.commands.run(Order(folder=str(folder), argv=case.argv, n=n, how=how))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("XDG_RUNTIME_DIR", folder)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        with Commands() as commands:
            yield Bench(disk=Path(folder), commands=commands)


@pytest.mark.parametrize("how", ["fails", "dies"])
@pytest.mark.parametrize("name", CASES)
def test_every_write_can_fail(name: str, how: str, bench: Bench) -> None:
    case = CASES[name]
    whole = bench.run(case, bench.copy(case.begin, "whole"))
    assert whole.exit_code == 0, whole.output
    for n in numbers(whole.steps):
        folder = bench.copy(case.begin, "work")
        ended = bench.run(case, folder, how="dies" if how == "dies" else FAILURES[n % 2], n=n)
        try:
            hold(folder, ended, has_died=how == "dies")
            again = bench.run(case, folder)
            assert again.exit_code == 0 or (again.exit_code == REFUSED and not case.is_idempotent), again.output
            hold_after_cleaning(bench, folder)
        except BaseException as error:
            error.add_note(f"{name}: step {n} of {whole.steps} {how}: {ended.hit}\n{ended.output}")
            raise


def test_deployment_that_died_fails_with_its_reason(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated.AlwaysTrained, "advance", Trainings.advance)
    case, hit, n = CASES["deploy training"], "", 0
    while "/revisions/" not in hit:
        n += 1
        folder = bench.copy(case.begin, "work")
        hit = bench.run(case, folder, how="dies", n=n).hit
    control, clock = use_cases.adopt(folder), SimulatedClock(datetime.now(UTC))
    with clock.installed():
        clock.pass_time(timedelta(minutes=2))
        control.tick()
        revision = control.registry.revision(RevisionName.parse("tiny.v1.m0"))
        control.end()
    assert revision.state is State.FAILED
    assert "the deployment was interrupted" in revision.reason


def numbers(steps: int) -> Iterable[int]:
    """Choose the steps that fail: all, or every k-th with a random beginning."""
    if IS_LONG or steps <= SAMPLE:
        return range(1, steps + 1)
    every = steps / SAMPLE
    first = random.random() * every
    return sorted({1 + int(first + number * every) % steps for number in range(SAMPLE)})


# --- what must be so ---


def hold(folder: Path, ended: Ended, *, has_died: bool) -> None:
    """After the fault: all that is there is whole; one that lived on said what went wrong, and left nothing."""
    if has_died:
        assert ended.exit_code == 137 or not ended.hit
    else:
        assert "Traceback (most recent call last)" not in ended.output
        assert not leftovers(folder)
    hold_state(folder)


def hold_after_cleaning(bench: Bench, folder: Path) -> None:
    """After the same command again: all is whole, and `rung gc` takes what the dead had left."""
    hold_state(folder)
    for path in leftovers(folder):
        os.utime(path, (OLD_S, OLD_S))
    if (folder / "rung.toml").exists():
        for argv in (("gc",), ("backup", "kept")) if (folder / "kept").exists() else (("gc",),):  # each sweeps its own
            cleaned = bench.commands.run(Order(folder=str(folder), argv=argv))
            assert cleaned.exit_code == 0, cleaned.output
    assert not leftovers(folder)


def leftovers(folder: Path) -> list[Path]:
    """Name what writers have begun and not ended."""
    ends = (".tmp", ".partial", ".unfinished")
    return [path for path in folder.rglob("*") if path.name.endswith(ends) and ".git" not in path.parts]


def hold_state(folder: Path) -> None:
    state = folder / ".rung"
    store = LocalStore(state / "artifacts")
    for digest in store.digests():
        store.get(digest)
    assert not [name for name in Workspace(root=folder, state=state).services() if name.startswith(".")]
    for path in state.rglob("*.json"):
        if ".source.partial" not in path.parts:
            json.loads(path.read_bytes())
    for path in state.glob("runs/*/run.json"):
        hold_run(store, json.loads(path.read_bytes()))
    if (state / "registry.db").exists():
        with open_registry(state) as opened:
            assert not opened.check().problems
            invariants.check(Held.by(opened))
            for record in opened.runs():
                hold_run(store, record)
            for revision in opened.revisions():
                hold_revision(state, str(revision.name), revision.state)


def hold_run(store: LocalStore, record: dict[str, object]) -> None:
    """Every artifact that a record names is there and whole."""
    tasks = record.get("tasks", [])
    assert isinstance(tasks, list)
    for task in tasks:
        if record["status"] == "succeeded":
            store.get(task["digest"])


def hold_revision(state: Path, name: str, now: State) -> None:
    if now not in (State.TRAINING, State.FAILED):
        read_bundle(state, name)
