"""What `rung doctor` finds where data lie: in the lake, in datasets, in signatures."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from click.testing import CliRunner

from rung.artifacts import LocalStore
from rung.cli.doctor import command
from rung.control import _data_doctor, doctor
from rung.control._data_doctor import examine_datasets, examine_lake
from rung.control.deployment.trust import Trust
from rung.control.place import Place
from rung.data import Append, open_catalogue
from rung.data.profile import profile
from rung.lake import AppendLog, Lake, open_lake, prediction_line
from rung.lifecycle import State
from rung.registry import open_registry
from rung.serving import Bundle
from rung.serving._bundle import write_bundle
from rung.workspace import Workspace

if TYPE_CHECKING:
    from rung.control._finding import Finding

NOW = datetime.now(UTC)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "rung.toml").touch()
    made = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
    made.make()
    return made


def predict(lake: Lake, *, ago: timedelta = timedelta(0)) -> None:
    log = AppendLog(lake.logs)
    log.append(
        prediction_line(
            id=f"p{time.time_ns()}",
            revision="housing.v1.m1",
            time=int((NOW - ago).timestamp() * 1e6),
            status=200,
            duration_ms=1,
            kind="production",
            instances=b"[]",
        )
    )
    log.close()


def lake_wrong(place: Place, *, is_up: bool = True) -> list[Finding]:
    return [one for one in examine_lake(place, NOW, is_up=is_up) if not one.is_well]


def test_log_that_is_not_shipped_is_told(place: Place):
    lake = open_lake(place.workspace)
    predict(lake, ago=timedelta(minutes=5))
    predict(lake)
    [finding] = lake_wrong(place)
    assert "bytes of the log are not in its tables, the oldest since" in finding.told
    assert "shipping_failed" in finding.mend
    assert lake_wrong(place, is_up=False) == []  # nobody ships where no control plane runs
    lake.ship()
    assert lake_wrong(place) == []


def test_line_of_this_moment_may_wait(place: Place):
    predict(open_lake(place.workspace))
    assert lake_wrong(place) == []


def test_line_that_cannot_be_read_waits_since_its_file_was_written(place: Place):
    lake = open_lake(place.workspace)
    lake.logs.mkdir(exist_ok=True)
    (lake.logs / "predictions-1-1-a.jsonl").write_bytes(b'{"time":"never"}\n')
    condition = lake.condition()
    assert condition.waiting == 17
    assert condition.waiting_since is not None
    assert abs(condition.waiting_since - datetime.now(UTC)) < timedelta(minutes=5)


def test_upkeep_that_falls_behind_is_told(place: Place, monkeypatch: pytest.MonkeyPatch):
    lake = open_lake(place.workspace)
    for _ in range(4):
        predict(lake)
        lake.ship()
    assert lake_wrong(place) == []
    monkeypatch.setattr(_data_doctor, "_MANY_FILES", 3)
    monkeypatch.setattr(_data_doctor, "_MANY_COMMITS", 3)
    files, commits = lake_wrong(place, is_up=False)
    assert "4 small files that nobody joined" in files.told
    assert "5 commits since its last checkpoint" in commits.told
    assert files.mend == "rung up --detach"


def datasets_wrong(place: Place, now: datetime = NOW, *, deep: bool = False) -> list[Finding]:
    return [one for one in examine_datasets(place, now, deep=deep) if not one.is_well]


def ingest(place: Place, *numbers: int | None) -> Path:
    """Write a version of houses; give its newest file."""
    catalogue = open_catalogue(place.workspace)
    rows = pl.DataFrame({"number": numbers}, schema={"number": pl.Int64})
    version = catalogue.write("houses", rows, how=Append())
    assert version is not None
    catalogue.keep("houses", version.number, "profile", profile(catalogue.scan(version)).to_json())
    known = {file.path for before in catalogue.versions("houses")[:-1] for file in before.files}
    (new,) = (file.path for file in version.files if file.path not in known)
    return Path(catalogue.root, "houses", new)


def test_whole_datasets_are_well(place: Place):
    assert list(examine_datasets(place, NOW, deep=True)) == []
    ingest(place, 1)
    [finding] = examine_datasets(place, NOW, deep=True)
    assert finding.told == "all files of 1 datasets are there, as they were written"


def test_file_that_is_gone_is_told_once(place: Place):
    file = ingest(place, 1)
    ingest(place, 2)
    file.unlink()
    [finding] = datasets_wrong(place)
    assert (finding.subject, finding.told) == (
        "dataset houses",
        f"{file.name} is gone; houses@1 to @2 cannot be read whole",
    )


def test_shorter_file_is_told(place: Place):
    ingest(place, 1)
    file = ingest(place, 2)
    file.write_bytes(file.read_bytes()[:-1])
    [finding] = datasets_wrong(place)
    assert "not " in finding.told
    assert finding.told.endswith("houses@2 cannot be read whole")


def test_changed_file_is_found_by_reading_it(place: Place):
    file = ingest(place, 1)
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)
    assert datasets_wrong(place) == []
    [finding] = datasets_wrong(place, deep=True)
    assert "is not what was written" in finding.told


def test_broken_promises_are_told(place: Place):
    ingest(place, 1, None, None, None)
    catalogue = open_catalogue(place.workspace)
    catalogue.annotate("houses", owner="ann", freshness_s=3_600, completeness=0.5)
    [incomplete] = datasets_wrong(place)
    assert incomplete.told == "25.00% of the values of houses@1 are there, and 50.00% were promised"
    assert incomplete.mend.startswith("ask ann")
    stale, _ = datasets_wrong(place, NOW + timedelta(hours=2))
    assert "old, and one was promised every 1:00:00" in stale.told


def serve(place: Place) -> str:
    """Put a served revision on record, with all that is looked at."""
    with open_registry(place.workspace.state) as registry:
        name = registry.create_revision("housing", 1, actor="anna", commit=None, dirty=False)
        for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE):
            registry.move(name, state, because="a test", actor="anna")
    store = LocalStore(place.workspace.artifacts)
    from rung import artifacts  # noqa: PLC0415  here alone

    digest = store.put(artifacts.encode({"slope": 1.0}))
    store.link(digest, place.workspace.runs / str(name) / "build_model.artifact")
    bundle = Bundle(
        revision=str(name),
        run=str(name),
        artifacts={"build_model": digest},
        contract={},
        infrastructure={},
        example={},
    )
    write_bundle(place.workspace.state, bundle)
    place.source(name).mkdir(parents=True)
    return str(name)


def test_unsigned_revision_is_told(place: Place):
    name = serve(place)
    opened = list(doctor.examine(place, lambda: open_registry(place.workspace.state)))
    assert not any("not signed" in one.told for one in opened)  # the first control plane adopts it
    Trust.of(place).keys.make()
    Trust.of(place).keys.trust_own()
    found = doctor.examine(place, lambda: open_registry(place.workspace.state))
    [finding] = [one for one in found if "not signed" in one.told]
    assert (finding.subject, finding.is_well) == (name, False)
    assert ".rung/keys/trusted" in finding.mend


def test_command_reads_deep(place: Place, monkeypatch: pytest.MonkeyPatch):
    file = ingest(place, 1)
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)
    monkeypatch.chdir(place.workspace.root)
    assert CliRunner().invoke(command, []).exit_code == 0
    ill = CliRunner().invoke(command, ["--deep", "--json"])
    assert ill.exit_code == 4
    assert [one["subject"] for one in json.loads(ill.output) if not one["is_well"]] == ["dataset houses"]
