"""`rung data`, as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typed import typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Place

HOUSES = "id,price,city\n1,10,Rom\n2,20,Köln\n3,,Rom\n"


@pytest.fixture
def rung(place: Place) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command in an empty workspace."""

    def rung(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        ended = typed(place.root, *words)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended

    return rung


@pytest.fixture
def houses(place: Place, rung: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., Any]:
    """A workspace with two versions of a dataset; runs commands in it, and reads their JSON."""
    place.write("a.csv", HOUSES)
    rung("data", "ingest", "a.csv", "--name", "houses", "--key", "id", "--owner", "ann")
    place.write("b.csv", "id,price,city\n2,22,Köln\n4,40,Bern\nx,1,Rom\n")
    rung("data", "ingest", "b.csv", "--name", "houses", "--max-bad", "0.5", "--note", "second")

    def run(*words: str, code: int = 0) -> Any:
        return json.loads(rung("data", *words, "--json", code=code).stdout)

    return run


def test_an_ingest_tells_what_it_did(place: Place, rung: Callable[..., subprocess.CompletedProcess[str]]):
    place.write("in/a.csv", HOUSES)
    place.write("in/b.csv", "id,price,city\n4,x,Bern\n5,50,Bern\n")
    place.write("in/notes.md", "notes")

    first = rung("data", "ingest", "in/a.csv", "--name", "houses", "--key", "id")
    second = rung("data", "ingest", "in", "--name", "houses", "--max-bad", "0.5")
    again = rung("data", "ingest", "in/*.csv", "--name", "houses")

    assert first.stdout.startswith("houses@1: rows: 3 read, 3 added; ")
    lines = second.stdout.splitlines()
    assert lines[0].startswith("houses@2: rows: 2 read, 1 added, 1 bad; ")
    assert lines[1:] == [
        "  passed over, since taken before: in/a.csv",
        "  passed over, since no tables by their names: in/notes.md; --format files makes a row of every file",
        "  bad: row 1 of in/b.csv: price: 'x' is no Int64",
        "  all bad rows: rung data quarantine houses",
    ]
    assert again.stdout.splitlines()[0].startswith("houses has nothing new: rows: 0 read, 0 added; ")
    assert "\r" not in first.stderr


def test_files_that_are_no_tables_are_shown_without_their_bytes(
    place: Place, rung: Callable[..., subprocess.CompletedProcess[str]]
):
    place.write("in/a.txt", "hi")
    place.write("in/b.md", "hello")

    first = rung("data", "ingest", "in", "--name", "notes")
    rows = json.loads(rung("data", "head", "notes", "--json").stdout)
    shown = rung("data", "show", "notes", "--html", "notes.html").stdout

    assert first.stdout.splitlines()[0].startswith("notes@1: rows: 2 read, 2 added; ")
    assert "each of the 2 files is a row, since none is a table by its name" in first.stdout
    assert [(row["path"], row["size"], row["content"][:13]) for row in rows] == [
        ("a.txt", 2, "2 bytes, hash"),
        ("b.md", 5, "5 bytes, hash"),
    ]
    assert "5 bytes, hash" in rung("data", "head", "notes").stdout
    assert "Binary" in shown
    assert "content" in (place.root / "notes.html").read_text()
    assert rung("data", "export", "notes", "notes.parquet").stdout.startswith("notes@1 is in notes.parquet: 2 rows")
    assert "export them as .parquet" in rung("data", "export", "notes", "notes.csv", code=2).stderr
    assert rung("data", "verify", "notes").stdout.startswith("notes@1 is whole")


def test_a_dry_run_shows_columns(place: Place, rung: Callable[..., subprocess.CompletedProcess[str]]):
    place.write("a.csv", HOUSES)

    shown = rung("data", "ingest", "a.csv", "--name", "houses", "--dry-run").stdout

    assert shown.startswith("houses would be given (by append; nothing was written): rows: 3 read, 3 added; ")
    assert "price   Int64" in shown
    assert rung("data", "list").stdout.startswith("there are no such datasets")


def test_a_refusal_says_what_to_do(place: Place, rung: Callable[..., subprocess.CompletedProcess[str]]):
    place.write("a.csv", HOUSES)
    rung("data", "ingest", "a.csv", "--name", "houses")
    place.write("a.csv", HOUSES + "5,50,Bern\n")

    told = rung("data", "ingest", "a.csv", "--name", "houses", code=2).stderr

    assert told.startswith("error: a.csv was taken before and has changed since")
    assert "--key" in told
    assert json.loads(rung("data", "show", "homes", "--json", code=2).stdout)["error"]["code"] == "not_found"


def test_json_of_an_ingest_has_all_counts(place: Place, rung: Callable[..., subprocess.CompletedProcess[str]]):
    place.write("a.csv", HOUSES)

    done = json.loads(rung("data", "ingest", "a.csv", "--name", "houses", "--json").stdout)

    assert (done["mode"], done["read"], done["added"], done["version"]["number"]) == ("append", 3, 3, 1)
    assert done["columns"] == {"id": "Int64", "price": "Int64", "city": "String"}


def test_datasets_are_listed_described_and_found(
    houses: Callable[..., Any], rung: Callable[..., subprocess.CompletedProcess[str]]
):
    houses(
        *("annotate", "houses", "--description", "Sales of houses", "--tag", "sales", "--licence", "CC0-1.0"),
        *("--column", "price=in thousands of dollars", "--freshness", "24h", "--completeness", "0.99"),
    )
    houses("annotate", "houses", "--tag", "ohio", "--untag", "sales")

    (listed,) = houses("list", "--tag", "ohio")
    shown = houses("show", "houses")
    text = rung("data", "show", "houses@1").stdout

    assert (listed["newest"], listed["rows"], listed["fresh"]["is_kept"]) == (2, 4, True)
    assert houses("list", "--owner", "bo") == []
    assert {one["what"]: one["is_kept"] for one in shown["promises"]} == {"freshness": True, "completeness": False}
    assert (shown["quarantined"], shown["profile"]["rows"], shown["entry"]["tags"]) == (1, 4, ["ohio"])
    assert "3 in 1 files" in text
    assert "in thousands of dollars" in text
    assert "freshness    kept: newest version" in text
    assert houses("search", "thousands", "sales") == {
        "houses": ["description: Sales of houses", "column price: price in thousands of dollars"]
    }
    assert houses("search", "boats") == {}
    assert "sales" not in rung("data", "list").stdout


def test_what_cannot_be_said_is_refused(rung: Callable[..., subprocess.CompletedProcess[str]], houses: Any):
    del houses
    assert "the columns are id, price, city" in rung("data", "annotate", "houses", "--column", "size=m", code=2).stderr
    assert "nothing to say" in rung("data", "annotate", "houses", code=2).stderr


def test_a_key_may_be_changed_by_saying_so(houses: Callable[..., Any], place: Place):
    place.write("c.csv", "id,price,city\n9,9,Wien\n")

    houses("annotate", "houses", "--key", "city")

    refused = houses("ingest", "c.csv", "--name", "houses", "--key", "id", code=2)
    assert refused["error"]["message"] == "the key of 'houses' is city, and not id"


def test_versions_are_compared(houses: Callable[..., Any], rung: Callable[..., subprocess.CompletedProcess[str]]):
    newest, first = houses("versions", "houses")
    found = houses("diff", "houses@1", "houses@2")
    text = rung("data", "diff", "houses").stdout

    assert (newest["number"], newest["note"], first["added"]) == (2, "second", 3)
    assert (found["added"], found["removed"], found["changed"], found["changed_in"]) == (1, 0, 1, {"price": 1})
    assert found["examples"]["changed"] == [{"id": 2, "price": [20, 22]}]
    assert text.startswith("houses@1 -> houses@2, by id: 1 rows added, 0 removed, 1 changed")
    assert rung("data", "diff", "houses@1", code=2).stderr.startswith("error: houses@1 has no version before it")


def test_rows_are_shown_exported_and_quarantined(
    houses: Callable[..., Any], place: Place, rung: Callable[..., subprocess.CompletedProcess[str]]
):
    rows = houses("head", "houses@1", "-n", "2")
    (refused,) = houses("quarantine", "houses")
    for name in ("out/houses.csv", "houses.parquet", "houses.jsonl", "houses.arrow"):
        assert houses("export", "houses@1", name)["rows"] == 3
        assert houses("ingest", name, "--name", f"again_{name[-3:]}")["read"] == 3

    assert rows == [{"id": 1, "price": 10, "city": "Rom"}, {"id": 2, "price": 20, "city": "Köln"}]
    assert (refused["row"], refused["reason"]) == (3, "id: 'x' is no Int64")
    assert "3    id: 'x' is no Int64" in rung("data", "quarantine", "houses").stdout
    assert "end its name with .parquet" in rung("data", "export", "houses", "houses.txt", code=2).stderr
    assert {path.suffix for path in place.root.glob("houses.*")} == {".arrow", ".jsonl", ".parquet"}


def test_files_that_changed_are_found(houses: Callable[..., Any], place: Place):
    assert houses("verify", "houses@1")["wrong"] == []
    (first,) = {file["path"] for file in houses("show", "houses@1")["version"]["files"]}
    (place.root / ".rung/lake/datasets/houses" / first).write_bytes(b"something else")

    (wrong,) = houses("verify", "houses@1", code=1)["wrong"]

    assert wrong["path"] == first


def test_datasets_are_shared(houses: Callable[..., Any], place: Place):
    houses("share", "houses", "--with", "pricing", "--with", "search")
    shared = houses("share", "houses", "--not-with", "search", "--to", str(place.root / "handed"))

    assert shared["shared_with"] == ["pricing"]
    assert shared["handed_over"]["copied"] == shared["handed_over"]["files"]
    assert [one["name"] for one in houses("list", "--shared-with", "pricing")] == ["houses"]
    assert houses("ingest", "handed", "--name", "homes")["added"] == 4
    assert houses("show", "homes")["entry"]["owner"] == "ann"


def test_without_the_libraries_it_says_what_to_install(place: Place):
    hidden = "import sys; from importlib import util; util.find_spec = lambda name: None"
    code = f"{hidden}; sys.argv = ['rung', 'data', 'list']; from rung.cli import main; main()"

    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=place.root, capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.returncode == 2
    assert "pip install 'rung[data]'" in ended.stderr
