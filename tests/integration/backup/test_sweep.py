"""What earlier backups alone needed goes; never what the last one needs, and never while one is being made."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rung.backup import _sweep, _turns, back_up, check, sweep, unneeded
from rung.cli.gc import command
from rung.errors import ConflictError, NotFoundError
from rung.objects import Objects, open_objects

from .conftest import Shop, fill

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    target = tmp_path / "backups" if request.param == "folder" else f"{request.getfixturevalue('storage')}/backups"
    return open_objects(target)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unneeded is old enough."""
    monkeypatch.setattr(_sweep, "_YOUNG_S", -3_600.0)


def save(shop: Shop, place: Objects) -> None:
    with shop.registry() as registry:
        back_up(shop.workspace, registry, place)


@pytest.mark.usefixtures("at_once")
def test_what_the_last_backup_needs_stays(shop: Shop, place: Objects):
    save(shop, place)
    assert unneeded(place) == []
    fill(shop)
    save(shop, place)
    gone = sweep(place)
    assert gone  # the registry's dump of the first one, for example
    assert all(place.size(entry.key) is None for entry in gone)
    check(place)
    assert unneeded(place) == []


def test_young_files_stay(shop: Shop, place: Objects):
    save(shop, place)
    place.create("blobs/ab/of-a-backup-that-goes-on", b"")
    assert unneeded(place) == sweep(place) == []


def test_without_a_whole_backup_nothing_goes(place: Objects):
    place.create("blobs/ab/half", b"")
    with pytest.raises(NotFoundError):
        sweep(place)
    assert place.size("blobs/ab/half") == 0


@pytest.mark.usefixtures("at_once")
def test_backup_and_sweep_take_turns(shop: Shop, place: Objects):
    save(shop, place)
    with _turns.making(place), pytest.raises(ConflictError, match="a backup is being made"):
        sweep(place)
    with _turns.sweeping(place), pytest.raises(ConflictError, match="is at work there"):
        save(shop, place)
    with _turns.sweeping(place), pytest.raises(ConflictError, match="another `rung gc`"):
        sweep(place)
    save(shop, place)
    sweep(place)
    assert list(place.entries("under-way")) == []


def test_what_a_killed_one_left_ends(shop: Shop, place: Objects, monkeypatch: pytest.MonkeyPatch):
    place.create("under-way/sweeping/killed", b"")
    place.create("under-way/making/killed", b"")
    later = time.time() + 86_401
    monkeypatch.setattr(time, "time", lambda: later)
    save(shop, place)
    sweep(place)


@pytest.mark.usefixtures("at_once")
def test_command_counts_bytes(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = open_objects(tmp_path / "backups")
    save(shop, place)
    place.create("blobs/ab/old", b"12345")
    monkeypatch.chdir(shop.workspace.root)
    target = str(tmp_path / "backups")
    dry = json.loads(CliRunner().invoke(command, ["--dry-run", "--json", "--backup", target]).output)
    assert (dry["bytes"], [one["kind"] for one in dry["leftovers"]]) == (5, ["blob"])
    assert place.size("blobs/ab/old") == 5
    assert json.loads(CliRunner().invoke(command, ["--json", "--backup", target]).output)["bytes"] == 5
    assert place.size("blobs/ab/old") is None
