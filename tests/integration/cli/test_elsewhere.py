"""`--control`: a command asks the control plane that it names, or is refused. None looks elsewhere without a word."""

from __future__ import annotations

import contextlib
import inspect
import json
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner
from platform_api import OWNER, grant, platform_api
from verbs import commands, group

from rung.cli import rung
from rung.cli._remote import ASKING
from rung.errors import CallError, NotAllowedError, NotFoundError
from rung.training import RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result
    from platform_api import Api

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # a command's connections end with its process
LEAVES = [path for path in commands(rung) if not isinstance(group(path), click.Group)]
WAYS = ("Control(", "_remote", "_opinion", "_practice", "_contracts", "_why")
"""How the module of a command asks a control plane, by itself or through what commands share."""


def asks(path: tuple[str, ...]) -> bool:
    return not ASKING.isdisjoint({path[0], " ".join(path)})


def record(identity: str, service: str, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    made = {"status": "succeeded", "started": now, "user": "ada", "python": "3.11", "rung": "1", "pid": 1, **more}
    return asdict(RunRecord(id=identity, service=service, **made))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with platform_api(tmp_path_factory.mktemp("platform") / "shop") as found:
        found.platform.registry.record_run(record("housing-1", "housing", metrics={"error": 0.5}))
        found.platform.registry.record_run(record("housing-2", "housing", metrics={"error": 0.25}))
        found.platform.registry.record_run(record("reviews-1", "reviews", kind="notebook"))
        yield found


@pytest.fixture
def call(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Calls a command in a workspace of its own, which has no runs."""
    (tmp_path / "rung.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNG_TOKEN", OWNER)

    def call(*words: str) -> str:
        ended = typed("--control", api.url, *words)
        if ended.exception is not None:
            raise ended.exception
        return ended.output

    return call


def typed(*words: str) -> Result:
    return CliRunner().invoke(rung, list(words), standalone_mode=False, catch_exceptions=True)


def test_runs_are_those_of_the_control_plane_that_is_named(call: Callable[..., str]):
    assert {run["id"] for run in json.loads(call("runs", "list", "--json"))} == {"housing-1", "housing-2", "reviews-1"}
    assert [run["id"] for run in json.loads(call("runs", "list", "--kind", "notebook", "--json"))] == ["reviews-1"]
    assert len(json.loads(call("runs", "list", "housing", "--limit", "1", "--json"))) == 1
    assert "housing-2" in call("runs", "list", "housing")
    assert "where the platform is" in call("runs", "show", "housing-1")
    (differs,) = json.loads(call("runs", "compare", "housing-1", "housing-2", "--json"))
    assert (differs["run"], differs["other"]) == (0.5, 0.25)
    with pytest.raises(NotFoundError, match="there is no run 'housing-3'"):
        call("runs", "show", "housing-3")


def test_runs_are_shown_to_whom_may_see_their_service(
    api: Api, call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RUNG_TOKEN", api.token("ada", grant("viewer", "housing")))

    assert len(json.loads(call("runs", "list", "housing", "--json"))) == 2
    assert json.loads(call("runs", "show", "housing-1", "--json"))["id"] == "housing-1"
    for words in (("list",), ("list", "reviews"), ("show", "reviews-1"), ("compare", "housing-1", "reviews-1")):
        with pytest.raises(NotAllowedError):
            call("runs", *words)


@pytest.mark.parametrize("path", [path for path in LEAVES if not asks(path)], ids=" ".join)
def test_whoever_does_not_ask_it_is_refused(path: tuple[str, ...]):
    ended = typed("--control", "https://rung.example.org:4700", *path)

    assert isinstance(ended.exception, CallError)
    assert ended.exception.message == f"`rung {path[0]}` works in a workspace, and asks no control plane elsewhere"
    assert typed("--control", "https://rung.example.org:4700", *path, "--help").exit_code == 0


@pytest.mark.parametrize("path", [path for path in LEAVES if asks(path)], ids=" ".join)
def test_whoever_asks_it_has_a_way_to_do_so(path: tuple[str, ...]):
    callback = group(path).callback
    source = inspect.getsource(inspect.getmodule(inspect.unwrap(callback or commands)) or contextlib)
    assert any(way in source for way in WAYS)


def test_every_name_of_those_who_ask_is_a_command():
    known = {path[0] for path in LEAVES} | {" ".join(path) for path in LEAVES}
    assert known >= ASKING


def test_of_the_variable_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "rung.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNG_CONTROL", "https://rung.example.org:4700")

    ended = typed("knowledge", "list")

    assert (ended.exit_code, ended.exception) == (0, None)
    assert ended.stderr == "`rung knowledge` works in this workspace: RUNG_CONTROL does not count for it\n"


def test_a_platform_elsewhere_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # no workspace
    monkeypatch.setenv("RUNG_TOKEN", OWNER)
    ended: list[Result] = []

    with platform_api(tmp_path / "shop") as api:
        thread = threading.Thread(target=lambda: ended.append(typed("--control", api.url, "down")))
        thread.start()
        assert api.stopped.wait(60)
    thread.join(30)

    assert [one.output for one in ended] == ["down\n"]
