"""Whatever a CSV holds: each row is read as it was written, or told."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from rung.data.sources import Asked, Piece, Staged, public, read, silent

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text
)
WORDS = st.sampled_from(["a,b", 'say "so"', "two\nlines", "ä", "NA", "x", "007", "-", "1e5"]) | TEXT


def read_text(text: str, *, types: dict[str, pl.DataType]) -> Staged:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text(text, newline="")
        work = Path(folder) / "work"
        work.mkdir()
        piece = Piece(name="a.csv", format="csv", path=path)
        staged = read(piece, path, Asked(separator=","), folder=work, types=types, tell=silent)
        return Staged(rows=staged.rows.collect().lazy(), height=staged.height, unread=staged.unread)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=20))
@settings(deadline=None)
def test_text_comes_back_as_it_was_written(rows: list[tuple[str, str, str]]):
    lines = _written([("one", "two", "three"), *rows])

    staged = read_text(lines, types=dict.fromkeys(("one", "two", "three"), pl.String()))

    assert staged.rows.collect().rows() == rows
    assert staged.unread.is_empty()


@given(
    st.lists(st.lists(st.sampled_from(["1", "2.5", "word", "x y"]), min_size=1, max_size=5), min_size=1, max_size=30)
)
@settings(deadline=None)
def test_rows_with_too_few_or_too_many_values_are_told_and_no_others(rows: list[list[str]]):
    staged = read_text(_written([["one", "two", "three"], *rows]), types={})

    wrong = [number for number, row in enumerate(rows, 1) if len(row) != 3]
    assert staged.unread["row"].to_list() == wrong
    assert staged.height == len(rows) - len(wrong)


@given(st.lists(st.integers(-(10**6), 10**6) | st.none() | st.sampled_from(["x", "1.5"]), min_size=1, max_size=30))
@settings(deadline=None)
def test_numbers_are_numbers_when_all_of_them_are(values: list[int | str | None]):
    staged = read_text(_written([("n", "k"), *((value, 1) for value in values)]), types={})

    has_numbers_alone = not any(isinstance(value, str) for value in values) and set(values) != {None}
    assert staged.rows.collect_schema()["n"].is_integer() == has_numbers_alone
    assert staged.height == len(values)


@given(st.text(st.characters(exclude_characters="@:/?#&=% "), min_size=3, max_size=20))
def test_no_password_is_in_a_public_name(secret: str):
    urls = [
        f"postgresql://u:{secret}@h/db",
        f"https://u:{secret}@h/a.csv",
        f"https://h/a.csv?x={secret}",
        f"s3://{secret}@b/k",
    ]

    assert [public(url) for url in urls] == ["postgresql://h/db", "https://h/a.csv", "https://h/a.csv?x", "s3://b/k"]


def _written(rows: list) -> str:  # type: ignore[type-arg]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
