"""The file's schema: up, down, and what it refuses by itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from rung.errors import IntegrityError, UnavailableError, WorkspaceError
from rung.lifecycle import Gate, Verdict, VerdictKind
from rung.registry import Registry, _tables, open_registry
from rung.registry._migrate import configuration, upgrade
from rung.registry._runs import HEAD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def run(state: Path, statement: str) -> None:
    with closing(sqlite3.connect(state / "registry.db")) as connection, connection:
        connection.execute(statement)


def test_head_is_the_newest_migration(tmp_path: Path):
    with create_engine("sqlite://").connect() as connection:
        assert ScriptDirectory.from_config(configuration(connection)).get_heads() == [HEAD]


def test_migrations_make_what_the_models_say(tmp_path: Path, registry: Registry):
    engine = create_engine(f"sqlite:///{tmp_path / 'registry.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, _tables.metadata) == []
    engine.dispose()


def test_one_of_each_is_kept_by_partial_indexes(tmp_path: Path, registry: Registry):
    with closing(sqlite3.connect(tmp_path / "registry.db")) as connection:
        found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
    assert found["one_incumbent"].endswith("WHERE state = 'incumbent'")
    assert found["one_promotion"].endswith("WHERE ended IS NULL AND NOT joint")
    assert found["one_attempt"].endswith("WHERE ended IS NULL")
    assert found["one_shadow"].endswith("WHERE ended IS NULL")


def test_every_migration_goes_down_and_up_again(tmp_path: Path):
    engine = create_engine(f"sqlite:///{tmp_path / 'registry.db'}")
    with engine.begin() as connection:
        upgrade(connection, known=None)
        before = set(inspect(connection).get_table_names())
        command.downgrade(configuration(connection), "base")
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
        upgrade(connection, known=None)
        assert set(inspect(connection).get_table_names()) == before
        assert before == {*_tables.metadata.tables, "alembic_version"}
    engine.dispose()


def test_opening_again_changes_nothing(tmp_path: Path, registry: Registry):
    registry.record_event("note", "housing", because="it was noted", actor="ada")
    with open_registry(tmp_path) as again:
        assert again.events() == registry.events()


def test_newer_registry_is_refused(tmp_path: Path, registry: Registry):
    run(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WorkspaceError, match="the registry has the schema 9999 of a newer Rung: upgrade Rung"):
        open_registry(tmp_path)


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
    "replace an event": "INSERT OR REPLACE INTO events SELECT * FROM events",
    "update a verdict": "UPDATE verdicts SET kind = 'pass'",
    "delete a verdict": "DELETE FROM verdicts",
    "replace a verdict": "INSERT OR REPLACE INTO verdicts SELECT * FROM verdicts",
    "replace the verdict of a gate": (
        "INSERT OR REPLACE INTO verdicts (promotion, gate, kind, because, evidence, time)"
        " SELECT promotion, gate, 'pass', because, evidence, time FROM verdicts"
    ),
}


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES.keys())
def test_evidence_cannot_be_changed(
    *, tmp_path: Path, registry: Registry, candidate: Callable, attempt: Callable, statement: str
):
    promotion = attempt(candidate())
    registry.add_verdict(promotion, Verdict(gate=Gate.DATA, kind=VerdictKind.FAIL, because="it is worse"))
    before = registry.events(), registry.promotions()
    with pytest.raises(sqlite3.IntegrityError, match="are append-only"):
        run(tmp_path, statement)
    assert (registry.events(), registry.promotions()) == before
