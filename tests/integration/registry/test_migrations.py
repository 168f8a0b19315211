"""The schema: up, down, from every version that was released, and what the database refuses by itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import IntegrityError as Refused

from rung.errors import IntegrityError, NotFoundError, UnavailableError, WorkspaceError
from rung.lifecycle import Gate, State, Verdict, VerdictKind
from rung.registry import Registry, _tables, open_registry, read_dump
from rung.registry._migrate import configuration, versions
from rung.registry._runs import HEAD

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASED = Path(__file__).parent / "released"
"""The registry as each schema holds it: made by the Rung of that time, or by a downgrade to it.

A new migration adds its own: `rung db load` the newest one, use what the migration brings, `rung db dump`.
"""

EMPTY = pytest.mark.parametrize("url", ["sqlite", "postgresql, nothing"], indirect=True)
FILE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def run(state: Path, statement: str) -> None:
    with closing(sqlite3.connect(state / "registry.db")) as connection, connection:
        connection.execute(statement)


def execute(registry: Registry, statement: str) -> None:
    """Run a statement that no operation of the registry would."""
    with registry._engine.begin() as connection:  # noqa: SLF001
        connection.exec_driver_sql(statement)


def tables_of(registry: Registry) -> set[str]:
    with registry._engine.connect() as connection:  # noqa: SLF001
        return set(inspect(connection).get_table_names())


def test_head_is_the_newest_migration():
    with create_engine("sqlite://").connect() as connection:
        assert ScriptDirectory.from_config(configuration(connection)).get_heads() == [HEAD]


def test_migrations_make_what_the_models_say(registry: Registry):
    found = registry.check()
    assert found.problems == ()
    assert (found.version, found.head) == (HEAD, HEAD)
    assert found.rows.keys() == _tables.metadata.tables.keys()


def test_missing_index_is_found(registry: Registry):
    execute(registry, "DROP INDEX one_incumbent")
    execute(registry, "ALTER TABLE shadows ADD COLUMN colour VARCHAR(3)")
    told = " ".join(registry.check().problems)
    assert "add_index" in told
    assert "colour" in told


@FILE
def test_damaged_file_is_found(tmp_path: Path, registry: Registry, candidate: Callable):
    for _ in range(20):
        candidate()
    registry.close()
    path = tmp_path / "registry.db"
    content = bytearray(path.read_bytes())
    page = content.index(b"housing", 20_000) // 4_096 * 4_096
    content[page + 8 : page + 40] = b"\xff" * 32
    path.write_bytes(content)
    with open_registry(tmp_path, upgrades=False) as again:
        assert any("the file is damaged" in told for told in again.check().problems)


@FILE
def test_one_of_each_is_kept_by_partial_indexes(tmp_path: Path, registry: Registry):
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
    assert found["one_incumbent"].endswith("WHERE state = 'incumbent'")
    assert found["one_promotion"].endswith("WHERE ended IS NULL AND NOT joint")
    assert found["one_attempt"].endswith("WHERE ended IS NULL")
    assert found["one_shadow"].endswith("WHERE ended IS NULL")


@EMPTY
def test_every_migration_goes_down_and_up_again(tmp_path: Path, url: str | None):
    with open_registry(tmp_path, url, upgrades=False) as registry:
        assert registry.check().problems == ("there is no schema yet: `rung db upgrade`",)
        assert registry.upgrade().after == HEAD
        before = tables_of(registry)
        assert before == {*_tables.metadata.tables, "alembic_version"}
        for version in reversed(["base", *versions()[:-1]]):
            done = registry.downgrade()
            assert (done.after, done.backup) == (version, None)
        assert tables_of(registry) == {"alembic_version"}
        assert registry.upgrade().after == HEAD
        assert tables_of(registry) == before
        assert registry.check().problems == ()


@pytest.mark.parametrize("version", versions())
def test_every_released_schema_is_upgraded(tmp_path: Path, registry: Registry, version: str):
    """What was kept by an older Rung is read by this one, and goes back as it was."""
    released = RELEASED / f"{version}.jsonl"
    told = registry.load(released)
    assert told == read_dump(released)
    assert registry.check().problems == ()
    states = [one.state for one in registry.revisions("housing")]
    assert states[:4] == [State.CANDIDATE, State.RETIRED, State.INCUMBENT, State.TORN_DOWN]
    experiment = registry.experiments()[0]
    assert experiment.shares == {"housing.v1.m2": 0.25, "housing.v1.m1": 0.75}
    assert experiment.attempts == (experiment.promotion,)
    assert registry.events()[-1].because == "a note without a major"
    assert registry.run("housing.v1.m1")["note"] == "größe 🏠"

    if version != HEAD:
        done = registry.downgrade(version)
        assert read_dump(done.backup).schema == HEAD
    again = tmp_path / "again.jsonl"
    assert registry.dump(again).rows == told.rows
    assert again.read_bytes().splitlines()[1:-1] == released.read_bytes().splitlines()[1:-1]


@FILE
def test_older_registry_is_kept_before_it_is_upgraded(
    tmp_path: Path, registry: Registry, caplog: pytest.LogCaptureFixture
):
    registry.load(RELEASED / "0001.jsonl")
    registry.downgrade("0001")
    with open_registry(tmp_path) as again:
        (backup,) = (tmp_path / "backups").glob("registry-0001-*.jsonl")
        assert str(backup) in caplog.text
        assert read_dump(backup).rows == read_dump(RELEASED / "0001.jsonl").rows
        assert backup.stat().st_mode & 0o077 == 0
        assert again.version() == HEAD


def test_downgrade_names_a_lower_schema(registry: Registry):
    for wanted in (HEAD, "9999", "-99", "one"):
        with pytest.raises(NotFoundError, match="is not below the schema"):
            registry.downgrade(wanted)
    assert registry.version() == HEAD


@FILE
def test_no_backup_no_migration(tmp_path: Path, registry: Registry, candidate: Callable):
    candidate()
    (tmp_path / "backups").write_text("in the way")
    with pytest.raises(OSError, match="File exists"):
        registry.downgrade()
    assert registry.version() == HEAD


def test_opening_again_changes_nothing(tmp_path: Path, url: str | None, registry: Registry):
    registry.record_event("note", "housing", because="it was noted", actor="ada")
    with open_registry(tmp_path, url) as again:
        assert again.events() == registry.events()


def test_newer_registry_is_refused(tmp_path: Path, url: str | None, registry: Registry):
    execute(registry, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WorkspaceError, match="the registry has the schema 9999 of a newer Rung: upgrade Rung"):
        open_registry(tmp_path, url)
    with pytest.raises(WorkspaceError, match="of a newer Rung"):
        registry.downgrade()
    assert registry.check().problems == ("the schema 9999 is of a newer Rung: upgrade Rung",)


def test_other_file_is_refused(tmp_path: Path):
    (tmp_path / "registry.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(IntegrityError, match=r"cannot be read .*bring registry\.db back from a backup"):
        open_registry(tmp_path)


def test_folder_in_its_place_is_refused(tmp_path: Path):
    (tmp_path / "registry.db").mkdir()
    with pytest.raises(UnavailableError, match="cannot be opened"):
        open_registry(tmp_path)


@pytest.mark.parametrize("name", ["a b", "a?b", "a#b", "a%20b", "größe"])
def test_folder_may_have_any_name(tmp_path: Path, name: str):
    with open_registry(tmp_path / name) as registry:
        registry.record_event("note", "housing", because="it was noted", actor="ada")
    assert (tmp_path / name / "registry.db").is_file()


CHANGES = {
    "update an event": "UPDATE events SET because = 'other'",
    "delete an event": "DELETE FROM events",
    "update a verdict": "UPDATE verdicts SET kind = 'pass'",
    "delete a verdict": "DELETE FROM verdicts",
    "delete all verdicts": "DELETE FROM verdicts WHERE true",
}
REPLACEMENTS = {
    "replace an event": "INSERT OR REPLACE INTO events SELECT * FROM events",
    "replace a verdict": "INSERT OR REPLACE INTO verdicts SELECT * FROM verdicts",
    "replace the verdict of a gate": (
        "INSERT OR REPLACE INTO verdicts (promotion, gate, kind, because, evidence, time)"
        " SELECT promotion, gate, 'pass', because, evidence, time FROM verdicts"
    ),
}


@pytest.fixture
def judged(registry: Registry, candidate: Callable, attempt: Callable) -> Registry:
    """A registry with a verdict."""
    promotion = attempt(candidate())
    registry.add_verdict(promotion, Verdict(gate=Gate.DATA, kind=VerdictKind.FAIL, because="it is worse"))
    return registry


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES.keys())
def test_evidence_cannot_be_changed(judged: Registry, statement: str):
    before = judged.events(), judged.promotions()
    with pytest.raises(Refused, match="are append-only"):
        execute(judged, statement)
    assert (judged.events(), judged.promotions()) == before


@FILE
@pytest.mark.parametrize("statement", REPLACEMENTS.values(), ids=REPLACEMENTS.keys())
def test_evidence_cannot_be_replaced(tmp_path: Path, judged: Registry, statement: str):
    before = judged.events(), judged.promotions()
    with pytest.raises(sqlite3.IntegrityError, match="are append-only"):
        run(tmp_path, statement)
    assert (judged.events(), judged.promotions()) == before


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", ["events", "verdicts"])
def test_evidence_cannot_be_truncated(judged: Registry, table: str):
    with pytest.raises(Refused, match="are append-only"):
        execute(judged, f"TRUNCATE {table} CASCADE")
