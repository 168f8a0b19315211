"""Ingests of files, again and again: what is added, changed, passed over, refused and told."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rung.data import Append, Catalogue, Ingested, ingest
from rung.data._handover import hand_over
from rung.data._statistics import statistics
from rung.data.profile import profile
from rung.errors import CallError, ConflictError, ContractError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOUSES = "id,price,sold\n1,10,2026-01-01\n2,20,2026-01-02\n"


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "datasets")


@pytest.fixture
def take(tmp_path: Path, catalogue: Catalogue) -> Callable[..., Ingested]:
    """Writes a file where there is a text, and ingests it."""

    def take(text: str | None, *, file: str = "a.csv", **options: Any) -> Ingested:
        path = tmp_path / file
        if text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return ingest(str(path), **{"name": "houses", "catalogue": catalogue, **options})

    return take


def rows_of(catalogue: Catalogue, name: str = "houses") -> list[tuple[Any, ...]]:
    return sorted(catalogue.scan(catalogue.version(name)).collect().rows())


def counts(done: Ingested) -> dict[str, int]:
    names = ("read", "added", "changed", "removed", "known", "late", "repeated", "quarantined")
    return {name: getattr(done, name) for name in names if getattr(done, name)}


def test_a_first_ingest_makes_the_dataset(take: Callable[..., Ingested], catalogue: Catalogue):
    done = take(HOUSES, owner="ann", note="the first", by="bo")

    assert counts(done) == {"read": 2, "added": 2}
    assert done.version is not None
    assert (done.version.ref, done.version.by, done.version.note) == ("houses@1", "bo", "the first")
    assert done.version.source is not None
    assert done.version.source.endswith("a.csv")
    assert done.columns == {"id": "Int64", "price": "Int64", "sold": "Date"}
    assert catalogue.entry("houses").owner == "ann"
    assert rows_of(catalogue) == [(1, 10, date(2026, 1, 1)), (2, 20, date(2026, 1, 2))]
    assert not any(catalogue.scratch.iterdir())


def test_the_same_again_makes_nothing(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES)

    again, renamed = take(None), take(HOUSES, file="b.csv")

    assert again.version is None
    assert [name.rpartition("/")[2] for name in again.pieces_known] == ["a.csv"]
    assert renamed.version is None
    assert len(catalogue.versions("houses")) == 1


def test_a_changed_file_is_added_only_when_that_is_said(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES)

    with pytest.raises(ConflictError, match="has changed since"):
        take("id,price,sold\n3,30,2026-01-03\n")
    assert counts(take(None, mode="append")) == {"read": 1, "added": 1}
    assert len(rows_of(catalogue)) == 3


def test_new_files_of_a_folder_are_added(take: Callable[..., Ingested], catalogue: Catalogue, tmp_path: Path):
    for year, price in (("2024", "10"), ("2025", "10.5")):
        (tmp_path / "sales").mkdir(exist_ok=True)
        (tmp_path / "sales" / f"{year}.csv").write_text(f"id,price\n{year},{price}\n")
    take(None, file="sales")
    (tmp_path / "sales" / "2026.csv").write_text("id,price\n2026,11\n")

    done = take(None, file="sales")

    assert counts(done) == {"read": 1, "added": 1}
    assert len(done.pieces_known) == 2
    assert rows_of(catalogue) == [(2024, 10.0), (2025, 10.5), (2026, 11.0)]


def test_text_in_one_file_makes_the_column_text_in_all_without_a_loss(
    take: Callable[..., Ingested], catalogue: Catalogue, tmp_path: Path
):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("size\n1.50\n")
    (tmp_path / "in" / "b.csv").write_text("size\nlarge\n")

    take(None, file="in")

    assert rows_of(catalogue) == [("1.50",), ("large",)]


def test_a_key_adds_changes_and_leaves_rows(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES, key=["id"])

    done = take("id,price,sold\n2,21,2026-01-02\n1,10,2026-01-01\n3,30,2026-01-03\n3,31,2026-01-03\n")

    assert counts(done) == {"read": 4, "added": 1, "changed": 1, "known": 1, "repeated": 1}
    assert [row[:2] for row in rows_of(catalogue)] == [(1, 10), (2, 21), (3, 31)]
    assert catalogue.entry("houses").key == ["id"]
    assert take(None).version is None


def test_a_file_that_is_as_it_was_before_changes_rows_back(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES, key=["id"])
    take(HOUSES.replace("10", "12"))

    assert counts(take(HOUSES)) == {"read": 2, "changed": 1, "known": 1}
    assert [row[:2] for row in rows_of(catalogue)] == [(1, 10), (2, 20)]


def test_a_key_that_rows_repeat_already_is_refused(take: Callable[..., Ingested], catalogue: Catalogue):
    take("id,price\n1,10\n1,11\n")

    with pytest.raises(ConflictError, match="several rows of the same id"):
        take("id,price\n1,12\n", key=["id"])
    assert catalogue.entry("houses").key == []


def test_a_time_adds_what_is_newer_and_tells_what_is_late(take: Callable[..., Ingested], catalogue: Catalogue):
    take("id,sold\n1,2026-01-01\n2,2026-01-02\n", time="sold")
    more = "id,sold\n1,2026-01-01\n2,2026-01-02\n9,2025-01-01\n3,2026-01-02\n4,2026-02-02\n"

    done = take(more)

    assert counts(done) == {"read": 5, "added": 2, "known": 2, "late": 1}
    assert done.version is not None
    assert done.version.watermark == "2026-02-02T00:00:00+00:00"
    assert counts(take(None, late=True)) == {"read": 5, "added": 1, "known": 4, "late": 1}
    assert [row[0] for row in rows_of(catalogue)] == [1, 2, 3, 4, 9]


def test_times_of_the_day_tell_what_is_newer(take: Callable[..., Ingested], catalogue: Catalogue):
    take("id,at\n1,2026-01-01T10:00:00Z\n", time="at")

    done = take("id,at\n1,2026-01-01T10:00:00Z\n2,2026-01-01T10:00:00.5Z\n3,2026-01-01T09:00:00Z\n")

    assert counts(done) == {"read": 3, "added": 1, "known": 1, "late": 1}
    assert [row[0] for row in rows_of(catalogue)] == [1, 2]


def test_replacing_takes_new_types_and_leaves_nothing(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES)

    done = take("id,size\na,1.5\n", mode="replace")

    assert counts(done) == {"read": 1, "added": 1, "removed": 2}
    assert rows_of(catalogue) == [("a", 1.5)]
    assert take(None, mode="replace").version is None
    assert take(HOUSES, file="b.csv", mode="replace").version is not None


def test_bad_rows_are_kept_with_their_reasons(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES, key=["id"])

    done = take("id,price,sold\n3,x,2026-01-03\nshort\n,5,2026-01-04\n4,40,never\n5,50,2026-01-05\n", max_bad=0.8)

    assert counts(done) == {"read": 5, "added": 1, "quarantined": 4}
    found = catalogue.quarantine("houses").sort("row").collect()
    assert found["row"].to_list() == [1, 2, 3, 4]
    assert found["reason"].to_list() == [
        "price: 'x' is no Int64",
        "it has 1 values, and there are 3 columns",
        "id: there is no value",
        "sold: 'never' is no Date",
    ]
    assert json.loads(found["content"][0]) == {"id": "3", "price": "x", "sold": "2026-01-03"}
    assert done.version is not None
    assert done.version.quarantined == 4


def test_bad_rows_are_kept_once(take: Callable[..., Ingested], catalogue: Catalogue):
    text = "id,price,sold\nx,1,2026-01-03\n5,50,2026-01-05\n"
    take(HOUSES)
    take(text, file="b.csv", max_bad=0.5)
    take(HOUSES.replace("10", "12"), file="c.csv", mode="replace")
    take(text, file="b.csv", max_bad=0.5, mode="append")

    assert catalogue.quarantine("houses").collect().height == 1


def test_too_many_bad_rows_are_refused_as_a_whole(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES)

    with pytest.raises(CallError, match=r"1 of 2 rows are bad \(50.0%\), and at most 10.0% may be") as caught:
        take("id,price,sold\n3,x,2026-01-03\n4,40,2026-01-04\n", file="b.csv")

    assert "row 1: price: 'x' is no Int64" in caught.value.message
    assert len(catalogue.versions("houses")) == 1
    assert catalogue.quarantine("houses").collect().is_empty()


def test_numbers_that_would_become_others_are_refused(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES)
    path = "b.jsonl"
    lines = [{"id": 3, "price": 1.5, "sold": "2026-01-03"}, {"id": 4.0, "price": 2.0, "sold": "2026-01-04"}]

    done = take("\n".join(map(json.dumps, lines)), file=path, max_bad=0.5)

    assert counts(done) == {"read": 2, "added": 1, "quarantined": 1}
    assert rows_of(catalogue)[-1] == (4, 2, date(2026, 1, 4))
    assert catalogue.quarantine("houses").collect()["reason"].to_list() == ["price: 1.5 is no Int64"]


def test_a_type_that_means_something_else_is_refused(take: Callable[..., Ingested]):
    take(HOUSES)

    with pytest.raises(SchemaError, match="the column 'price' is of type Boolean and would have to be of type Int64"):
        take('{"id": 3, "price": true, "sold": "2026-01-03"}\n', file="b.jsonl")


def test_rows_that_break_the_contract_are_refused(
    take: Callable[..., Ingested], catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "house_contract.py").write_text(
        "from pydantic import BaseModel, Field\n\nclass House(BaseModel):\n    price: int = Field(ge=0)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    done = take("id,price\n1,10\n2,-5\n", contract="house_contract:House", max_bad=0.5)

    assert counts(done) == {"read": 2, "added": 1, "quarantined": 1}
    (refused,) = catalogue.quarantine("houses").collect().to_dicts()
    assert refused["row"] == 2
    assert refused["reason"].startswith("price: must be at least 0")
    assert catalogue.entry("houses").contract == "house_contract:House"
    with pytest.raises(ContractError, match="the columns are not what House says: price"):
        take("id\n1\n", file="b.csv", name="others", contract="house_contract:House")
    with pytest.raises(CallError, match="is not there"):
        take(HOUSES, name="others", contract="house_contract:Home")


def test_other_columns_are_taken_only_when_that_is_said(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES)
    more = "id,price,size\n3,30,7\n"

    with pytest.raises(ConflictError, match=r"lacks sold and has size beside the columns of 'houses'"):
        take(more, file="b.csv")
    done = take(more, file="b.csv", evolve=True)

    assert (done.new_columns, done.missing_columns) == (["size"], ["sold"])
    assert rows_of(catalogue)[-1] == (3, 30, None, 7)


def test_rows_are_never_changed_by_columns_that_are_missing(take: Callable[..., Ingested]):
    take(HOUSES, key=["id"])

    with pytest.raises(ConflictError, match="lacks sold"):
        take("id,price\n1,11\n", evolve=True)


def test_a_dry_run_tells_and_writes_nothing(take: Callable[..., Ingested], catalogue: Catalogue):
    first = take(HOUSES, key=["id"], dry_run=True)
    assert (counts(first), first.is_dry, catalogue.names()) == ({"read": 2, "added": 2}, True, [])
    take(HOUSES, key=["id"])

    done = take("id,price,sold\n1,11,2026-01-01\n2,20,2026-01-02\nx,1,2026-01-01\n", dry_run=True, max_bad=0.5)

    assert counts(done) == {"read": 3, "changed": 1, "known": 1, "quarantined": 1}
    assert done.refused[0]["reason"] == "id: 'x' is no Int64"
    assert len(catalogue.versions("houses")) == 1
    assert catalogue.quarantine("houses").collect().is_empty()


def test_a_key_that_is_no_column_is_told(take: Callable[..., Ingested], catalogue: Catalogue):
    with pytest.raises(CallError, match="the key number is no column"):
        take(HOUSES, key=["number"])
    with pytest.raises(CallError, match="it tells no times"):
        take(HOUSES, time="price")
    assert catalogue.names() == []


def test_a_source_without_rows_makes_no_dataset(take: Callable[..., Ingested], catalogue: Catalogue):
    with pytest.raises(CallError, match="there are no rows"):
        take("id,price\n")
    assert catalogue.names() == []


def test_every_version_has_the_statistics_of_all_its_rows(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES)
    take("id,price,sold\n3,30,2026-01-03\n", file="b.csv")
    version = catalogue.version("houses")

    found = catalogue.kept("houses", 2, "profile")

    assert found is not None
    assert found["rows"] == 3
    whole = profile(catalogue.scan(version))
    numbers = statistics(catalogue, version).columns["price"].numbers
    assert numbers is not None
    assert whole.columns["price"].numbers is not None
    assert (numbers.low, numbers.high, numbers.mean) == (10, 30, whole.columns["price"].numbers.mean)


def test_what_other_code_wrote_is_not_taken_for_known(take: Callable[..., Ingested], catalogue: Catalogue):
    take(HOUSES)
    catalogue.write("houses", pl.DataFrame({"id": [9], "price": [9], "sold": [date(2026, 9, 9)]}), how=Append())

    assert take(None).version is None
    assert len(rows_of(catalogue)) == 3


def test_what_is_handed_over_is_mirrored(take: Callable[..., Ingested], catalogue: Catalogue, tmp_path: Path):
    take(HOUSES, key=["id"], owner="ann")
    catalogue.annotate("houses", columns={"price": "in dollars"}, licence="CC0-1.0")
    place = str(tmp_path / "handed")
    assert hand_over(catalogue, catalogue.version("houses"), place).copied == 1
    theirs = Catalogue(tmp_path / "theirs")

    first = ingest(place, name="homes", catalogue=theirs)
    take(HOUSES.replace("20", "22"))
    hand_over(catalogue, catalogue.version("houses"), place)
    second = ingest(place, name="homes", catalogue=theirs)

    assert (first.added, second.added, second.removed) == (2, 2, 2)
    entry = theirs.entry("homes")
    assert (entry.owner, entry.licence, entry.columns, entry.key) == ("ann", "CC0-1.0", {"price": "in dollars"}, ["id"])
    assert rows_of(theirs, "homes") == rows_of(catalogue)
    assert ingest(place, name="homes", catalogue=theirs).version is None
