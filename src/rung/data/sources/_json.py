"""JSON: a value in each line, or an array of them, or one after the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

import polars as pl

from rung.data.sources._staged import Staged, none_unread, stage, unread
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TextIO

__all__ = ["read_json", "read_lines"]

_CHUNK: Final = 1 << 20
_BETWEEN: Final = " \t\r\n,"


def read_lines(path: Path, *, counted: Callable[[int], None]) -> Staged:
    """Read a file that has an object in each line; all of it is looked through for names and types first.

    Raises:
        CallError: There is no object in it.
    """
    target = path.with_name(f"{path.name}.arrow")
    try:
        rows, height = _typed(path, target, counted)
    except pl.exceptions.ComputeError:
        return _read_cleaned(path, _of_lines, counted)
    return Staged(rows=rows, height=height, unread=none_unread())


def read_json(path: Path, *, counted: Callable[[int], None]) -> Staged:
    """Read a file of objects in an array, or one after the other. It may be larger than memory.

    Raises:
        CallError: There is no object in it, or it breaks off.
    """
    return _read_cleaned(path, _of_values, counted)


def _typed(path: Path, target: Path, counted: Callable[[int], None]) -> tuple[pl.LazyFrame, int]:
    schema = pl.scan_ndjson(path, infer_schema_length=None).collect_schema()
    return stage(pl.scan_ndjson(path, schema=schema), target, counted)


def _read_cleaned(
    path: Path, values: Callable[[TextIO], Iterator[tuple[str, Any]]], counted: Callable[[int], None]
) -> Staged:
    clean = path.with_name(f"{path.name}.clean")
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        refused = unread(_cleaned(values(file), clean))
    if not clean.stat().st_size:
        raise CallError("there is no object in it", hint='each row is an object, as {"price": 100000}')
    rows, height = _typed(clean, path.with_name(f"{path.name}.clean.arrow"), counted)
    return Staged(rows=rows, height=height, unread=refused)


def _cleaned(values: Iterator[tuple[str, Any]], clean: Path) -> Iterator[tuple[int, str, Any]]:
    """Write the objects into a file, one in each line, and give what is none."""
    with clean.open("w", encoding="utf-8") as kept:
        for number, (text, value) in enumerate(values, 1):
            if isinstance(value, dict):
                try:
                    kept.write(json.dumps(value, ensure_ascii=False) + "\n")
                except UnicodeEncodeError:
                    yield number, "it is not in UTF-8", text
            elif isinstance(value, ValueError):
                yield number, f"it is no JSON ({value})", text
            else:
                yield number, "it is no object", value


def _of_lines(file: TextIO) -> Iterator[tuple[str, Any]]:
    for line in file:
        if line.strip():
            yield line.rstrip("\r\n"), _value(line)


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return ValueError(str(error))


def _of_values(file: TextIO) -> Iterator[tuple[str, Any]]:
    """Give the elements of the array that a file is, or the values that follow each other in it."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    text = file.read(_CHUNK).lstrip()
    is_array = text.startswith("[")
    at, size = int(is_array), _CHUNK
    while True:
        while at < len(text) and text[at] in _BETWEEN:
            at += 1
        if is_array and text[at : at + 1] == "]":
            return
        try:
            value, end = decoder.raw_decode(text, at)
            is_whole = end < len(text)  # a number at the end may go on
        except ValueError as error:
            value, end, is_whole = error, at, False
        if is_whole:
            yield text[at:end], value
            at, size = end, _CHUNK
            continue
        more = file.read(size)
        if not more:
            break
        text, at, size = text[at:] + more, 0, size * 2
    yield from _rest(text[at:], value, is_array=is_array)


def _rest(text: str, value: Any, *, is_array: bool) -> Iterator[tuple[str, Any]]:
    """Tell of what is left at the end of a file."""
    if isinstance(value, ValueError) and text.strip():
        raise CallError(
            f"it breaks off, or is no JSON, at {text[:40]!r}", hint="nothing of it was taken; mend the file"
        )
    if is_array:
        raise CallError("its array is not closed", hint="nothing of it was taken; is the file whole?")
    if text.strip():
        yield text, value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")
