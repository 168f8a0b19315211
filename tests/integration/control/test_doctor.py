"""What `rung doctor` finds, on workspaces that are ill in one way each."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rung.artifacts import LocalStore
from rung.cli.doctor import command
from rung.compute import local
from rung.control import doctor
from rung.control.place import Address, Place
from rung.lifecycle import State
from rung.registry import _rows as rows
from rung.registry import open_registry
from rung.serving import Bundle
from rung.serving._bundle import write_bundle
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.control.doctor import Finding
    from rung.registry import Registry


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    (tmp_path / "rung.toml").touch()
    with tempfile.TemporaryDirectory(prefix="rung-") as sockets:  # whose path is short enough for sockets
        monkeypatch.setenv("XDG_RUNTIME_DIR", sockets)
        made = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
        made.make()
        yield made


@pytest.fixture
def registry(place: Place) -> Iterator[Registry]:
    with open_registry(place.workspace.state) as opened:
        yield opened


def wrong(place: Place) -> list[Finding]:
    found = list(doctor.examine(place, lambda: open_registry(place.workspace.state)))
    return [finding for finding in found if not finding.is_well]


def serve(place: Place, registry: Registry) -> tuple[str, Path]:
    """Put a served revision on record; give its name and its one artifact."""
    name = registry.create_revision("housing", 1, actor="anna", commit=None, dirty=False)
    for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE):
        registry.move(name, state, because="a test", actor="anna")
    digest = LocalStore(place.workspace.artifacts).put(b"weights")
    artifact = place.workspace.runs / str(name) / "build_model.artifact"
    LocalStore(place.workspace.artifacts).link(digest, artifact)
    bundle = Bundle(
        revision=str(name),
        run=str(name),
        artifacts={"build_model": digest},
        contract={},
        infrastructure={},
        example={},
    )
    write_bundle(place.workspace.state, bundle)
    return str(name), artifact


def test_new_workspace_is_well(place: Place):
    assert wrong(place) == []


def test_bad_setting_is_found(place: Place):
    (place.workspace.root / "rung.toml").write_text("port = 1\n")
    [finding] = wrong(place)
    assert (finding.subject, "sets 'port'" in finding.told) == ("settings", True)


def test_readable_token_is_found(place: Place):
    Address(url="http://127.0.0.1:1", token=secrets.token_hex(), pid=1, gateway="http://127.0.0.1:2").write(place)
    place.address_file.chmod(0o644)
    [finding] = wrong(place)
    assert finding.mend.startswith(f"chmod 600 {place.address_file}")


def test_damaged_registry_is_found(place: Place):
    (place.workspace.state / "registry.db").write_bytes(b"no database" * 1_000)
    [finding] = wrong(place)
    assert (finding.subject, "backup" in finding.mend) == ("registry", True)


def test_clock_that_was_set_back_is_found(place: Place, registry: Registry, monkeypatch: pytest.MonkeyPatch):
    ahead = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(rows, "now", lambda: rows.spell(ahead))
    registry.record_event("note", "housing", because="a test", actor="anna")
    [finding] = wrong(place)
    assert (finding.subject, "set back" in finding.told) == ("clock", True)


def test_changed_artifact_is_found(place: Place, registry: Registry):
    name, artifact = serve(place, registry)
    artifact.chmod(0o600)
    artifact.write_bytes(b"weightz")
    [finding] = wrong(place)
    assert (finding.subject, "build_model.artifact is not what was written" in finding.told) == (name, True)


def test_lost_source_is_found(place: Place, registry: Registry):
    name, _ = serve(place, registry)
    [finding] = wrong(place)
    assert (finding.subject, "source snapshot" in finding.told) == (name, True)


@contextmanager
def stranger(place: Place) -> Iterator[subprocess.Popen[str]]:
    code = "import sys; print('ready', flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", code, str(place.socket("housing.v1.m1"))]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        yield one


def test_process_on_no_record_is_found(place: Place):
    with stranger(place) as process:
        [finding] = wrong(place)
        assert finding.mend == f"kill {process.pid}"
        process.communicate()


def test_servers_without_a_control_plane_are_found(place: Place, registry: Registry):
    command = local.Command(argv=("sleep", "600"), folder=place.workspace.root, environment=dict(os.environ))
    process = local.start(command, record=lambda one: registry.keep_process("collector", one.to_json()))
    try:
        [finding] = wrong(place)
        assert finding.told == "it does not run, but collector do"
        assert finding.mend == "rung up --detach"
    finally:
        local.stop(process, grace_s=1)


def test_command_tells_all_and_ends_accordingly(place: Place, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place.workspace.root)
    well = CliRunner().invoke(command, [])
    assert (well.exit_code, well.output.splitlines()[-1]) == (0, "nothing is wrong")
    (place.workspace.root / "rung.toml").write_text("port = 1\n")
    ill = CliRunner().invoke(command, ["--json"])
    assert ill.exit_code == 4
    assert [one["subject"] for one in json.loads(ill.output) if not one["is_well"]] == ["settings"]
