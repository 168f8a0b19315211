"""The registry as a file: whole, of one moment, and fit for either database."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError as Refused

from rung.errors import ConflictError, IntegrityError, NotFoundError, WorkspaceError
from rung.lifecycle import Gate, Verdict, VerdictKind
from rung.registry import Registry, open_registry, read_dump

if TYPE_CHECKING:
    from collections.abc import Callable

    from postgresql import PostgresServer

RELEASED = Path(__file__).parent / "released"


@pytest.fixture
def whole(registry: Registry, candidate: Callable, attempt: Callable, tmp_path: Path) -> Path:
    """A dump of a registry with some rows."""
    promotion = attempt(candidate())
    evidence = {"mean": math.nan, "best": math.inf, "told": "schön"}
    registry.add_verdict(promotion, Verdict(gate=Gate.DATA, kind=VerdictKind.PASS, because="a\0b", evidence=evidence))
    registry.record_run({"id": "r1", "service": "housing", "started": "2030-01-01", "status": "failed", "x": [1e-300]})
    registry.dump(tmp_path / "whole.jsonl")
    return tmp_path / "whole.jsonl"


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_dump_fills_either_database(
    *, tmp_path: Path, whole: Path, registry: Registry, postgresql: PostgresServer, target: str
):
    url = postgresql.database() if target == "postgresql" else None
    with open_registry(tmp_path / "other", url) as other:
        assert other.load(whole) == read_dump(whole)
        assert other.check().problems == ()
        assert repr(other.events()) == repr(registry.events())
        assert repr(other.promotions()) == repr(registry.promotions())
        assert other.run("r1") == registry.run("r1")
        (promotion,) = other.promotions()
        assert promotion.verdicts[0].because == "a␀b"
        assert math.isnan(promotion.verdicts[0].evidence["mean"])
        other.dump(tmp_path / "again.jsonl")
    lines = [path.read_bytes().splitlines()[1:-1] for path in (whole, tmp_path / "again.jsonl")]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_ids_go_on_after_a_load(*, tmp_path: Path, whole: Path, postgresql: PostgresServer, target: str):
    url = postgresql.database() if target == "postgresql" else None
    with open_registry(tmp_path / "other", url) as other:
        other.load(whole)
        last = other.events()[-1].id
        other.record_event("note", "housing", because="it goes on", actor="ada")
        assert other.events()[-1].id == last + 1
        name = other.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
        assert name.minor == 1


def test_dump_is_of_one_moment(tmp_path: Path, registry: Registry):
    """Each revision is written with its event: a dump that saw one without the other would tell."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        dumps = [registry.dump(tmp_path / f"{number}.jsonl") for number in range(10)]
    finally:
        stop.set()
        writer.join()
    assert [found.rows["revisions"] for found in dumps] == [found.rows["events"] for found in dumps]
    assert dumps[-1].rows["revisions"] > dumps[0].rows["revisions"]
    assert [read_dump(tmp_path / f"{number}.jsonl") for number in range(10)] == dumps


def test_full_registry_is_not_loaded_into(whole: Path, registry: Registry):
    before = registry.events()
    with pytest.raises(ConflictError, match="is not empty: load into one that was just made"):
        registry.load(whole)
    assert registry.events() == before


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("damage", ["cut", "cut at a line", "changed", "row lost", "continued", "no dump", "empty"])
def test_damaged_dump_is_refused(tmp_path: Path, whole: Path, damage: str):
    content = whole.read_bytes()
    lines = content.splitlines(keepends=True)
    whole.write_bytes(
        {
            "cut": content[:-30],
            "cut at a line": b"".join(lines[:-1]),
            "changed": content.replace(b'"ada"', b'"bob"', 1),
            "row lost": b"".join([*lines[:2], *lines[3:]]),
            "continued": content + lines[1],
            "no dump": b"\x00\x01\x02\n",
            "empty": b"",
        }[damage]
    )
    with open_registry(tmp_path / "other") as other:
        with pytest.raises(IntegrityError, match="is not a whole dump of a registry"):
            other.load(whole)
        assert other.events() == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_dump_of_a_newer_rung_is_refused(tmp_path: Path, whole: Path, registry: Registry):
    with registry._engine.begin() as connection:  # noqa: SLF001
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    registry.dump(whole)
    with open_registry(tmp_path / "other") as other, pytest.raises(WorkspaceError, match="of a newer Rung"):
        other.load(whole)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_missing_dump_is_told(registry: Registry, tmp_path: Path):
    with pytest.raises(NotFoundError, match="there is no file"):
        registry.load(tmp_path / "none.jsonl")


def test_failed_load_leaves_nothing(tmp_path: Path, url: str | None):
    """An error at the last row undoes all of it, the schema that was brought back for it too."""
    header, *rows, _ = map(json.loads, (RELEASED / "0001.jsonl").read_text().splitlines())
    twice = next(row for row in reversed(rows) if row[0] == "verdicts")
    header["tables"]["verdicts"]["rows"] += 1
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in (header, *rows, twice))
    digest = f"sha256:{hashlib.sha256(lines).hexdigest()}"
    (tmp_path / "broken.jsonl").write_bytes(lines + json.dumps({"digest": digest}).encode() + b"\n")
    with open_registry(tmp_path, url) as registry:
        with pytest.raises(Refused):
            registry.load(tmp_path / "broken.jsonl")
        assert registry.check().problems == ()
        assert set(registry.check().rows.values()) == {0}
        registry.load(RELEASED / "0001.jsonl")
