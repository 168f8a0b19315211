"""Calls that cannot work: each says what is wrong and what to do, ends with its exit code, and changes nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typed import typed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NEEDS_CONTROL_PLANE = [
    ("history", "housing"),
    ("why", "housing.v1"),
    ("logs", "housing.v1.m1"),
    ("deploy", "training", "housing"),
    ("deploy", "serving", "housing.v1.m1"),
    ("promote", "housing.v1.m1"),
    ("ab", "watch", "housing.v1"),
    ("ab", "plot", "housing.v1"),
    ("ab", "abort", "housing.v1"),
    ("shadow", "housing.v1.m1"),
    ("simulate-ab", "housing.v1"),
    ("metrics", "housing.v1"),
    ("metrics", "requests"),
    ("offpolicy", "housing.v1"),
    ("rollback", "housing.v1"),
    ("teardown", "housing.v1.m1"),
    ("revive", "housing.v1.m1"),
]
_HAS_JSON = [words for words in _NEEDS_CONTROL_PLANE if words[0] != "logs"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without a control plane."""
    folder = tmp_path_factory.mktemp("workspace")
    typed(folder, "init", ".")
    return folder


def started(
    folder: Path, *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Type a command as `typed` does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "rung.cli", *words],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("words", _NEEDS_CONTROL_PLANE, ids=" ".join)
def test_stopped_control_plane_is_named(workspace: Path, words: tuple[str, ...]):
    ended = typed(workspace, *words)
    assert ended.returncode == 3
    assert f"no control plane runs for {workspace}" in ended.stderr
    assert "start it with `rung up --detach`" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("words", _HAS_JSON, ids=" ".join)
def test_errors_are_json_when_asked(workspace: Path, words: tuple[str, ...]):
    ended = typed(workspace, *words, "--json")
    assert ended.returncode == 3
    assert json.loads(ended.stdout) == {
        "error": {
            "code": "control_plane",
            "message": f"no control plane runs for {workspace}",
            "hint": "start it with `rung up --detach`",
        }
    }
    assert ended.stderr == ""


def test_process_of_its_own_ends_likewise(workspace: Path):
    for words in (("status",), ("history", "housing"), ("history", "housing", "--json")):
        ended, own = typed(workspace, *words), started(workspace, *words)
        assert (own.returncode, own.stdout, own.stderr) == (ended.returncode, ended.stdout, ended.stderr)


def test_status_needs_no_control_plane(workspace: Path):
    ended = typed(workspace, "status")
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "there is no service yet; next: rung new housing --template housing",
        "the platform does not run: `rung up --detach` starts it",
    ]
    unknown = typed(workspace, "status", "housing", "--json")
    assert unknown.returncode == 2
    assert json.loads(unknown.stdout)["error"]["hint"] == "`rung new housing` makes one"


def test_down_of_nothing_is_well(workspace: Path):
    ended = typed(workspace, "down")
    assert (ended.returncode, ended.stdout) == (0, "down\n")


@pytest.mark.parametrize("words", [("status",), ("up", "--detach"), ("new", "housing"), ("down",)], ids=" ".join)
def test_outside_of_a_workspace_is_refused(tmp_path: Path, words: tuple[str, ...]):
    ended = typed(tmp_path, *words)
    assert ended.returncode == 2
    assert f"{tmp_path} is not in a workspace" in ended.stderr
    assert "`rung init` makes one here" in ended.stderr


@pytest.mark.parametrize("name", ["Housing", "1st", "two words", "class", "a-b", "../up", "", "x" * 64, "größe"])
def test_name_that_is_no_identifier(workspace: Path, name: str):
    ended = typed(workspace, "new", "--", name)
    assert ended.returncode == 2
    assert f"{name!r} cannot name a service" in ended.stderr
    assert "use lower-case letters, digits and _" in ended.stderr
    assert sorted(path.name for path in (workspace / "experiments").iterdir()) == ["__init__.py"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("statsu",), "there is no verb 'statsu': did you mean 'status'?", id="nearly a verb"),
        pytest.param(("frobnicate",), "there is no verb 'frobnicate': `rung --help` lists the verbs", id="no verb"),
        pytest.param(("status", "--frob"), "No such option", id="no option"),
        pytest.param(("runs", "frob"), "No such command 'frob'", id="no subverb"),
        pytest.param(("new", "a", "--template", "castle"), "'castle' is not", id="no template"),
        pytest.param(("promote",), "Missing argument 'REVISION'", id="no argument"),
        pytest.param(("why", "housing.m1"), "", id="no revision's name"),
        pytest.param(("train", "housing"), "there is no service 'housing'", id="no service"),
        pytest.param(("check", "housing"), "there is no service 'housing'", id="no service to check"),
        pytest.param(("runs", "show", "lost"), "there is no run 'lost'", id="no run"),
        pytest.param(("reproduce", "housing.v1.m1"), "there is no run 'housing.v1.m1'", id="no run of a revision"),
    ],
)
def test_wrong_call_is_explained(workspace: Path, words: tuple[str, ...], told: str):
    ended = typed(workspace, *words)
    assert ended.returncode in {2, 3}
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("gateway_prot = 1", "sets 'gateway_prot'"),
        ("gateway_port = 70000", "less than or equal to 65535"),
        ("gateway_port = ", "is not TOML"),
    ],
)
def test_setting_that_cannot_be_meant(tmp_path: Path, setting: str, told: str):
    typed(tmp_path, "init", ".")
    (tmp_path / "rung.toml").write_text(setting)
    ended = started(tmp_path, "up", "--detach", environment={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert ended.returncode != 0
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("setting", "detach"),
    [("gateway_port", ("--detach",)), ("control_port", ())],
    ids=["gateway, in the background", "control plane, in the foreground"],
)
def test_port_in_use_is_named(tmp_path: Path, setting: str, detach: tuple[str, ...]):
    typed(tmp_path, "init", ".")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"gateway_port": 0, "control_port": 0, setting: port}
        (tmp_path / "rung.toml").write_text("".join(f"{name} = {value}\n" for name, value in ports.items()))
        ended = started(tmp_path, "up", *detach, environment={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert ended.returncode != 0
    assert f"port {port} on 127.0.0.1 is in use" in ended.stderr
    assert f"set {setting} in rung.toml to another, or to 0 for any free one" in ended.stderr
    assert not (tmp_path / ".rung" / "control.json").exists()
