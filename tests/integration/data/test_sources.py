"""What can be read, as it lies on this machine: every format, whole, broken, and as people really write it."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from deltalake import write_deltalake
from workbook import workbook

from rung.data.sources import Asked, bring, find, read, silent
from rung.errors import CallError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rung.data.sources import Staged

FRAME = pl.DataFrame({"id": [1, 2, 3], "price": [10.5, None, 30.0], "city": ["Köln", None, "Rom, Lazio"]})


@pytest.fixture
def reading(tmp_path: Path) -> Callable[..., list[Staged]]:
    """Reads a source, piece by piece."""

    def reading(source: str, *, types: dict[str, pl.DataType] | None = None, **asked: Any) -> list[Staged]:
        staged = []
        for piece in find(source, Asked(**asked)).pieces:
            folder = tmp_path / f"work{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            path = bring(piece, folder / "brought", silent)
            staged.append(read(piece, path, Asked(**asked), folder=folder, types=types or {}, tell=silent))
        return staged

    return reading


def rows_of(staged: Staged) -> list[tuple[Any, ...]]:
    return staged.rows.collect().rows()


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "a.arrow", "a.csv.gz"])
def test_every_format_gives_the_same_rows(name: str, tmp_path: Path, reading: Callable[..., list[Staged]]):
    path = tmp_path / name
    writers: dict[str, Callable[[], object]] = {
        "a.csv": lambda: FRAME.write_csv(path),
        "a.tsv": lambda: FRAME.write_csv(path, separator="\t"),
        "a.jsonl": lambda: FRAME.write_ndjson(path),
        "a.json": lambda: path.write_text(json.dumps(FRAME.to_dicts(), indent=2)),
        "a.parquet": lambda: FRAME.write_parquet(path),
        "a.arrow": lambda: FRAME.write_ipc(path),
        "a.csv.gz": lambda: path.write_bytes(gzip.compress(FRAME.write_csv().encode())),
    }
    writers[name]()

    (staged,) = reading(str(path))

    assert rows_of(staged) == FRAME.rows()
    assert staged.height == 3
    assert staged.unread.is_empty()


def test_a_workbook_is_read_by_its_sheet(tmp_path: Path, reading: Callable[..., list[Staged]]):
    path = tmp_path / "a.xlsx"
    workbook(path, {"Sales": [["id", "city"], [1, "Rom"], [2, None]], "Notes": [["note"], ["hi"]], "Empty": []})

    (staged,) = reading(str(path), sheet="Sales")
    assert rows_of(staged) == [(1, "Rom"), (2, None)]
    with pytest.raises(CallError, match="2 sheets with something in them: Sales, Notes"):
        reading(str(path))
    with pytest.raises(CallError, match="there is no sheet 'Sale'"):
        reading(str(path), sheet="Sale")


def test_a_workbook_with_one_filled_sheet_needs_no_choice(tmp_path: Path, reading: Callable[..., list[Staged]]):
    workbook(tmp_path / "a.xlsx", {"Sales": [["id"], [1]], "Empty": []})

    assert rows_of(reading(str(tmp_path / "a.xlsx"))[0]) == [(1,)]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param("a;b\n1;x,y\n", [(1, "x,y")], id="semicolons"),
        pytest.param("a|b\n1|x\n", [(1, "x")], id="bars"),
        pytest.param("\ufeffa,b\r\n1,x\r\n\r\n", [(1, "x")], id="as a spreadsheet saves it"),
        pytest.param("a,b\r1,x\r", [(1, "x")], id="old line ends"),
        pytest.param("\n\na,b\n1,x\n", [(1, "x")], id="blank lines first"),
        pytest.param(',b\n0,"x"\n', [(0, "x")], id="a column without a name"),
        pytest.param("zip,n\n01234,1\n", [("01234", 1)], id="leading zeros stay"),
        pytest.param("n\n1\n123456789012345678901\n", [("1",), ("123456789012345678901",)], id="too long for a number"),
        pytest.param("a,b\n1,\n,x\n", [(1, None), (None, "x")], id="values that are not there"),
        pytest.param('a,b\n1,"two\nlines"\n', [(1, "two\nlines")], id="a value of two lines"),
        pytest.param(
            "d,t\n2026-11-21,2026-11-21T10:00:00Z\n",
            [(date(2026, 11, 21), datetime(2026, 11, 21, 10, tzinfo=UTC))],
            id="dates and times",
        ),
        pytest.param("n\n" + "1\n" * 12_000 + "x\n", [*[("1",)] * 12_000, ("x",)], id="a word after many numbers"),
    ],
)
def test_csv_is_read_as_people_write_it(
    text: str, rows: list[tuple[Any, ...]], tmp_path: Path, reading: Callable[..., list[Staged]]
):
    (tmp_path / "a.csv").write_text(text, newline="")

    (staged,) = reading(str(tmp_path / "a.csv"))

    assert rows_of(staged) == rows
    assert staged.unread.is_empty()


def test_each_line_of_a_csv_that_is_no_row_is_told(tmp_path: Path, reading: Callable[..., list[Staged]]):
    lines = [b"a,b,c", b"1,x,2.5", b"2,short", b"3,y,", b"4,long,1,9", b"5,\xe4,1", b'6,"q"x,1', b"7,z,1", b'8,"open,1']
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines))

    (staged,) = reading(str(tmp_path / "a.csv"))

    assert rows_of(staged) == [(1, "x", 2.5), (3, "y", None), (7, "z", 1.0)]
    assert staged.unread["row"].to_list() == [2, 4, 5, 6, 8]
    assert [reason.split(" (")[0] for reason in staged.unread["reason"]] == [
        "it has 2 values, and there are 3 columns",
        "it has 4 values, and there are 3 columns",
        "it is not in UTF-8",
        "its quotes are not right",
        "its quotes are not right",
    ]
    assert json.loads(staged.unread["content"][0]) == "2,short"


def test_other_encodings_are_read_when_they_are_named_or_marked(tmp_path: Path, reading: Callable[..., list[Staged]]):
    (tmp_path / "latin.csv").write_bytes("a,b\n1,ä\n".encode("latin-1"))
    (tmp_path / "wide.csv").write_bytes("a,b\n1,ä\n".encode("utf-16"))

    assert rows_of(reading(str(tmp_path / "latin.csv"), encoding="latin-1")[0]) == [(1, "ä")]
    assert rows_of(reading(str(tmp_path / "wide.csv"))[0]) == [(1, "ä")]


def test_words_for_no_value_are_none(tmp_path: Path, reading: Callable[..., list[Staged]]):
    (tmp_path / "a.csv").write_text("n\n1\nNA\n")

    assert rows_of(reading(str(tmp_path / "a.csv"), nulls=("NA",))[0]) == [(1,), (None,)]


def test_known_types_are_kept_and_what_does_not_fit_stays_text(tmp_path: Path, reading: Callable[..., list[Staged]]):
    (tmp_path / "a.csv").write_text("id,n\n1,2\n2,x\n")
    types: dict[str, pl.DataType] = {"id": pl.String(), "n": pl.Int32()}

    (staged,) = reading(str(tmp_path / "a.csv"), types=types)

    assert rows_of(staged) == [("1", "2"), ("2", "x")]


def test_fields_that_come_late_in_json_lines_are_seen(tmp_path: Path, reading: Callable[..., list[Staged]]):
    lines = [json.dumps({"a": 1})] * 5_000 + [json.dumps({"a": 2.5, "late": {"b": [1]}})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))

    (staged,) = reading(str(tmp_path / "a.jsonl"))

    assert rows_of(staged)[-1] == (2.5, {"b": [1]})
    assert staged.rows.collect_schema()["a"] == pl.Float64


def test_each_line_of_json_that_is_no_object_is_told(tmp_path: Path, reading: Callable[..., list[Staged]]):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\nbroken\n[1]\n\n{"a": NaN}\n{"a": 2}\n')

    (staged,) = reading(str(tmp_path / "a.jsonl"))

    assert rows_of(staged) == [(1,), (2,)]
    assert staged.unread["row"].to_list() == [2, 3, 4]


def test_objects_that_follow_each_other_are_rows(tmp_path: Path, reading: Callable[..., list[Staged]]):
    (tmp_path / "a.json").write_text('{\n "a": 1\n}\n{"a": 2}')

    assert rows_of(reading(str(tmp_path / "a.json"))[0]) == [(1,), (2,)]


def test_an_array_larger_than_what_is_read_at_once_is_read(tmp_path: Path, reading: Callable[..., list[Staged]]):
    rows = [{"n": number, "text": "ä" * 700} for number in range(3_000)]
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False))

    assert rows_of(reading(str(tmp_path / "a.json"))[0])[-1] == (2_999, "ä" * 700)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "it has no columns"),
        ("a.csv", b"a,a\n1,2\n", "the columns a are there twice"),
        ("a.json", b'[{"a": 1}, {"a"', "it breaks off"),
        ("a.json", b'[{"a": 1}', "its array is not closed"),
        ("a.json", b"[]", "there is no object in it"),
        ("a.parquet", b"no parquet at all", "cannot be read as parquet"),
        ("a.arrow", b"no arrow at all", "cannot be read as arrow"),
        ("a.xlsx", b"no workbook at all", "it is no workbook that can be read"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "cannot be read as csv"),
        ("a.docx", b"", "does not tell what it is"),
    ],
)
def test_what_cannot_be_read_is_told_by_name(
    name: str, content: bytes, told: str, *, tmp_path: Path, reading: Callable[..., list[Staged]]
):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(CallError, match=rf"{name}.*{told}"):
        reading(str(tmp_path / name))


def test_a_folder_gives_its_data_in_order_with_what_its_folders_tell(
    tmp_path: Path, reading: Callable[..., list[Staged]]
):
    for name in ("year=2021/b.csv", "year=2020/a.csv", "year=2020/_SUCCESS", "README.md", ".hidden/c.csv"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("n\n1\n")

    found = find(str(tmp_path / "in"), Asked())

    assert [piece.path and piece.path.name for piece in found.pieces] == ["a.csv", "b.csv"]
    assert [name.rpartition("/")[2] for name in found.passed_over] == ["README.md"]
    assert [rows_of(one) for one in reading(str(tmp_path / "in"))] == [[(1, 2020)], [(1, 2021)]]
    assert len(find(f"{tmp_path}/in/**/*.csv", Asked()).pieces) == 2


def test_a_delta_table_gives_the_rows_that_it_has_now(tmp_path: Path, reading: Callable[..., list[Staged]]):
    table = str(tmp_path / "table")
    write_deltalake(table, pl.DataFrame({"n": [1, 2]}))
    write_deltalake(table, pl.DataFrame({"n": [3]}), mode="overwrite")

    assert [rows_of(one) for one in reading(table)] == [[(3,)]]


def test_what_is_not_there_is_told(tmp_path: Path, reading: Callable[..., list[Staged]]):
    (tmp_path / "empty").mkdir()

    for source in (f"{tmp_path}/a.csv", f"{tmp_path}/*.csv", f"{tmp_path}/empty"):
        with pytest.raises(NotFoundError, match=r"there (is nothing at|are no data in)"):
            reading(source)


def test_files_in_an_archive_are_read(tmp_path: Path, reading: Callable[..., list[Staged]]):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.csv", "n\n1\n")
        archive.writestr("two.csv", "n\n2\n")

    assert [rows_of(one) for one in reading(f"zip://*.csv::{tmp_path}/a.zip")] == [[(1,)], [(2,)]]
    with pytest.raises(NotFoundError):
        reading(f"zip://none.csv::{tmp_path}/a.zip")


def test_a_scheme_that_nothing_knows_is_told(reading: Callable[..., list[Staged]]):
    with pytest.raises(CallError, match="nowhere://"):
        reading("nowhere://place/a.csv")
