"""A look that reads only what is new says the same as one that reads everything."""

from __future__ import annotations

import shutil
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.errors import UnavailableError
from rung.lake import Comparison, Lake
from rung.lake._arms import compare
from rung.lake._facts import Question
from rung.lake._ledger import Ledger
from rung.lake.log import OUTCOMES, PREDICTIONS

if TYPE_CHECKING:
    from conftest import Writer

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUESTION = Question(
    experiment="e1",
    metric="sold",
    since=START,
    splits=(START + timedelta(minutes=4),),
    look_back=timedelta(days=30),
)
MINUTES = st.integers(-3, 9)
UNITS = st.sampled_from("abcde")
NAMES = st.integers(0, 5)
REQUESTS = st.tuples(st.just("request"), UNITS, st.sampled_from(["incumbent", "challenger"]), MINUTES, NAMES)
BY_UNIT = st.tuples(st.just("unit"), UNITS, st.integers(-2, 5), MINUTES, MINUTES)
BY_NAME = st.tuples(st.just("name"), NAMES, st.integers(-2, 5), MINUTES, MINUTES)
LOOKS = st.lists(st.lists(REQUESTS | BY_UNIT | BY_NAME, max_size=6), min_size=1, max_size=4)


def look(ledger: Ledger, lake: Lake) -> Comparison:
    return compare(ledger.look(lake.tables[PREDICTIONS], lake.tables[OUTCOMES]))


def fresh(lake: Lake, question: Question = QUESTION) -> Comparison:
    return look(Ledger(None, question), lake)


def write(writer: Writer, event: tuple[Any, ...]) -> None:
    kind, who, what, first, second = event
    if kind == "request":
        writer.predict(who, what, minute=first, id=f"p{second}-{who}")
        return
    named = {"unit": who} if kind == "unit" else {"prediction_id": f"p{who}-a"}
    writer.measure(float(what), minute=first, time=round((START.timestamp() + 60 * second) * 1e6), **named)


def same(one: Comparison, other: Comparison) -> None:
    assert one.outcomes == other.outcomes
    for mine, theirs in zip(one.strata, other.strata, strict=True):
        for arm in mine:
            assert astuple(mine[arm]) == pytest.approx(astuple(theirs[arm]), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(LOOKS, st.integers(0, 8), st.booleans())
def test_looks_say_what_all_rows_say(
    writer_class: type[Writer], looks: list[list[tuple[Any, ...]]], fold_rows: int, restart: bool
):
    with TemporaryDirectory() as folder:
        lake = Lake(folder)
        writer = writer_class(lake)
        ledger = Ledger(Path(folder, "kept"), QUESTION, fold_rows=fold_rows)
        for events in looks:
            for event in events:
                write(writer, event)
            lake.ship()
            if restart:
                ledger = Ledger(Path(folder, "kept"), QUESTION, fold_rows=fold_rows)
            same(look(ledger, lake), fresh(lake))
        writer.close()


def prepared(lake: Lake, writer: Writer, **changes: Any) -> Ledger:
    """Make a ledger that was folded once."""
    writer.predict("a", "challenger", minute=1)
    writer.measure(1.0, minute=2, unit="a")
    lake.ship()
    ledger = Ledger(Path(lake.root, "kept"), QUESTION, fold_rows=0)
    look(ledger, lake)
    return ledger


def state(lake: Lake) -> Path:
    (path,) = Path(lake.root, "kept").glob("*/state.json")
    return path


def test_a_new_process_goes_on(lake: Lake, writer: Writer):
    prepared(lake, writer)
    later = Ledger(Path(lake.root, "kept"), QUESTION)
    assert [mark.version for mark in later.marks] == [1, 1]
    writer.measure(5.0, minute=3, unit="a")
    lake.ship()
    same(look(later, lake), fresh(lake))
    assert look(later, lake).arms["challenger"].y == 6


@pytest.mark.parametrize("damage", ["truncate", "remove", "garbage", "older"])
def test_a_damaged_ledger_is_made_anew(lake: Lake, writer: Writer, damage: str):
    prepared(lake, writer)
    path = state(lake)
    piles = [found for found in path.parent.iterdir() if found.stat().st_size and found.name not in {"lock", path.name}]
    match damage:
        case "truncate":
            piles[0].write_bytes(b"")
        case "remove":
            piles[0].unlink()
        case "garbage":
            path.write_text("{")
        case _:
            path.write_text(path.read_text().replace('"format": 1', '"format": 0'))
    later = Ledger(Path(lake.root, "kept"), QUESTION)
    assert later.marks == ()
    same(look(later, lake), fresh(lake))


def test_other_splits_are_another_comparison(lake: Lake, writer: Writer):
    prepared(lake, writer)
    changed = Question(experiment="e1", metric="sold", since=START, look_back=QUESTION.look_back)
    later = Ledger(Path(lake.root, "kept"), changed)
    assert later.marks == ()
    assert len(look(later, lake).strata) == 1


def test_a_compaction_adds_nothing(lake: Lake, writer: Writer):
    ledger = prepared(lake, writer)
    for unit in "bcd":
        writer.predict(unit, "incumbent", minute=1)
        lake.ship()
    assert lake.upkeep().joined == 4
    writer.predict("e", "incumbent", minute=1)
    lake.ship()
    found = look(ledger, lake)
    same(found, fresh(lake))
    assert found.arms["incumbent"].exposed == 4


def test_tables_made_anew_are_read_anew(lake: Lake, writer: Writer):
    ledger = prepared(lake, writer)
    shutil.rmtree(Path(lake.root, "outcomes"))
    assert look(ledger, lake).arms["challenger"].units == 0
    writer.measure(3.0, minute=2, unit="a")
    lake.ship()
    same(look(ledger, lake), fresh(lake))


def test_a_missing_commit_is_no_loss(lake: Lake, writer: Writer):
    ledger = prepared(lake, writer)
    for minute in (3, 4, 5):
        writer.measure(1.0, minute=minute, unit="a")
        lake.ship()
    assert lake.upkeep().joined == 4
    table = Path(lake.root, "outcomes", "_delta_log")
    from deltalake import DeltaTable  # noqa: PLC0415  # here alone

    DeltaTable(table.parent).create_checkpoint()
    for version in range(3):
        (table / f"{version:020}.json").unlink()
    same(look(ledger, lake), fresh(lake))


def test_old_bases_and_ledgers_go(lake: Lake, writer: Writer):
    import os  # noqa: PLC0415  # here alone

    ledger = prepared(lake, writer)
    kept = Path(lake.root, "kept")
    forgotten = kept / "forgotten"
    forgotten.mkdir()
    os.utime(forgotten, (0, 0))
    files = len(list(state(lake).parent.iterdir()))
    writer.measure(5.0, minute=3, unit="a")
    lake.ship()
    look(ledger, lake)
    assert not forgotten.exists()
    assert len(list(state(lake).parent.iterdir())) == files


def test_a_ledger_that_cannot_be_written_says_so(lake: Lake, writer: Writer):
    ledger = prepared(lake, writer)
    folder = state(lake).parent
    shutil.rmtree(folder)
    folder.write_text("in the way")
    writer.measure(5.0, minute=3, unit="a")
    lake.ship()
    with pytest.raises(UnavailableError, match="cannot be kept"):
        look(ledger, lake)
    folder.unlink()
    same(look(ledger, lake), fresh(lake))


def test_two_processes_share_a_folder(lake: Lake, writer: Writer):
    ledgers = [prepared(lake, writer), Ledger(Path(lake.root, "kept"), QUESTION, fold_rows=0)]
    for round_ in range(4):
        writer.measure(float(round_), minute=3 + round_, unit="a")
        writer.predict(f"u{round_}", "incumbent", minute=5)
        lake.ship()
        same(look(ledgers[round_ % 2], lake), fresh(lake))
    for ledger in (*ledgers, Ledger(Path(lake.root, "kept"), QUESTION)):
        same(look(ledger, lake), fresh(lake))


def test_a_look_without_news_reads_nothing(lake: Lake, writer: Writer, monkeypatch: pytest.MonkeyPatch):
    ledger = prepared(lake, writer)
    monkeypatch.setattr(Ledger, "_deal", None)
    assert look(ledger, lake).arms["challenger"].y == 1
