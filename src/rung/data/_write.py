"""Rows -> a new version of a dataset: written as files, committed in one step, then told by a manifest.

A writer that is killed before the commit leaves a file that no version knows (`rung gc` takes it away); one that is
killed after it leaves a commit without a manifest, which the next writer completes. So a version is there whole or not
at all. `Catalogue.write` calls it.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from rung.data._scan import columns_of, scan
from rung.data._table import Commit, DatasetTable
from rung.data._types import conform, light, merge, spell, storable
from rung.data._version import Facts, File, Version, content_digest
from rung.errors import CallError, ConflictError, IntegrityError, UnavailableError
from rung.objects import scan_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.data._shelf import Shelf

__all__ = ["Append", "How", "Replace", "Upsert", "write"]

_FILE: Final = "__rung_file"
_OLD: Final = "__rung_old_"
_GROUP: Final = 16 << 20
"""Bytes of a group of rows, where rows have bytes in them: a reader holds some groups at a time."""
_GROUPS: Final = 10_000
"""Groups of a file, at most."""


@dataclass(frozen=True, slots=True)
class Append:
    """Add the rows to those that are there."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Put the rows in place of those that are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsert:
    """Add rows whose key is new, change those whose key is there with other values; equal ones stay as they are."""

    key: tuple[str, ...]


How: TypeAlias = Append | Replace | Upsert


def write(shelf: Shelf, rows: pl.LazyFrame, how: How, facts: Facts, *, onto: int | None = None) -> Version | None:
    """Make a version. The caller holds the dataset's lock.

    Returns:
        The version; None when there is nothing new.

    Raises:
        SchemaError: The rows do not go with the dataset's columns.
        CallError: A key is missing, null, or twice in the rows.
        ConflictError: The newest version is not `onto`.
        UnavailableError: The disk or the store does not take it. What was there is unchanged.
    """
    before = complete(shelf)
    newest = 0 if before is None else before.number
    if onto not in {None, newest}:
        raise ConflictError(
            f"{shelf.name!r} has version {newest} now, and the rows were chosen for what followed {onto}",
            hint="try the same again",
        )
    schema = storable(rows.collect_schema())
    columns = schema if before is None or how == Replace() else merge(columns_of(before), schema)
    commit = _plan(shelf, before, (conform(rows, columns), columns), how=how, facts=facts)
    if commit is None:
        return None
    DatasetTable(shelf.uri).commit(commit)
    return complete(shelf)


def complete(shelf: Shelf) -> Version | None:
    """Give the newest version, after writing the manifests that writers before were kept from writing."""
    while True:
        newest = shelf.newest()
        files = DatasetTable(shelf.uri).files()
        if files.keys() == ({file.path for file in newest.files} if newest else set()):
            return newest
        version = _told(shelf, newest, files)
        if shelf.objects.create(shelf.manifest(version.number), version.to_bytes()):
            return version


def _plan(
    shelf: Shelf,
    before: Version | None,
    given: tuple[pl.LazyFrame, Mapping[str, pl.DataType]],
    *,
    how: How,
    facts: Facts,
) -> Commit | None:
    rows, columns = given
    number = 1 if before is None else before.number + 1
    if isinstance(how, Upsert):
        _check_key(how.key, columns)
    if before is None or how == Replace():
        rows = _unique(rows.collect(engine="streaming"), how.key).lazy() if isinstance(how, Upsert) else rows
        file = _store(shelf, rows)
        if _is_same(before, columns, file):
            shelf.files.delete(file.path)
            return None
        removed = 0 if before is None else before.rows
        return Commit(
            number=number,
            columns=columns,
            facts=facts,
            added=file.rows,
            changed=0,
            removed=removed,
            files=[file],
            is_whole=before is not None,
        )
    is_wider = any(columns[name] != kind for name, kind in columns_of(before).items())
    if isinstance(how, Upsert):
        return _upsert(shelf, before, given, key=how.key, facts=facts, rewrite=is_wider)
    whole = pl.concat([conform(scan(shelf, before), columns), rows]) if is_wider else rows
    file = _store(shelf, whole)
    added = file.rows - before.rows if is_wider else file.rows
    if not added:
        shelf.files.delete(file.path)
        return None
    return Commit(
        number=number,
        columns=columns,
        facts=facts,
        added=added,
        changed=0,
        removed=0,
        files=[file],
        is_whole=is_wider,
    )


def _upsert(
    shelf: Shelf,
    before: Version,
    given: tuple[pl.LazyFrame, Mapping[str, pl.DataType]],
    *,
    key: tuple[str, ...],
    facts: Facts,
    rewrite: bool,
) -> Commit | None:
    rows, columns = given
    told = light(rows).collect(engine="streaming")
    new = _unique(told, key)
    old = scan(shelf, before, paths_as=_FILE)
    known = light(conform(old, {**columns, _FILE: pl.String()}))
    values = [name for name in columns if name not in key]
    beside = known.rename({name: _OLD + name for name in values})
    same = pl.all_horizontal(pl.lit(value=True), *(pl.col(name).eq_missing(pl.col(_OLD + name)) for name in values))
    matched = new.lazy().join(beside, on=list(key), how="left", maintain_order="left").with_columns(same=same)
    news = matched.filter(pl.col(_FILE).is_null() | ~pl.col("same")).select(*columns, _FILE).collect(engine="streaming")
    if not news.height:
        return None
    names = set(news[_FILE].drop_nulls())
    touched = [file for file in before.files if rewrite or f"{shelf.uri}/{file.path}" in names]
    keys = news.lazy().select(*key)
    fresh = news.lazy().select(*columns)
    if told.schema != pl.Schema(columns):  # the bytes themselves are looked at one after the other
        last = rows if new.height == told.height else rows.unique(list(key), keep="last", maintain_order=True)
        fresh = last.join(keys, on=list(key), how="semi")
    kept = conform(scan(shelf, before, files=touched), columns).join(keys, on=list(key), how="anti")
    file = _store(shelf, pl.concat([kept, fresh]) if touched else fresh)
    changed = news[_FILE].len() - news[_FILE].null_count()
    return Commit(
        number=before.number + 1,
        columns=columns,
        facts=facts,
        added=news.height - changed,
        changed=changed,
        removed=0,
        files=[file],
        gone=() if rewrite else touched,
        is_whole=rewrite,
    )


def _check_key(key: tuple[str, ...], columns: Mapping[str, pl.DataType]) -> None:
    missing = [name for name in key if name not in columns]
    if missing or not key:
        raise CallError(
            f"the key {', '.join(key) or '()'} is not among the columns", hint=f"they are {', '.join(columns)}"
        )


def _unique(rows: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """Keep the last row of each key.

    Raises:
        CallError: A key is null.
    """
    nulls = rows.filter(pl.any_horizontal(pl.col(name).is_null() for name in key)).height
    if nulls:
        raise CallError(f"{nulls:,} rows have no {', '.join(key)}", hint="a key tells rows apart: it cannot be null")
    return rows.unique(key, keep="last", maintain_order=True)


def _is_same(before: Version | None, columns: Mapping[str, pl.DataType], file: File) -> bool:
    if before is None:
        return file.rows == 0 and not columns
    return content_digest(spell(columns), [file]) == before.digest


def _store(shelf: Shelf, rows: pl.LazyFrame) -> File:
    """Write rows as one file, and give what is read back of it."""
    path = f"part-{secrets.token_hex(12)}.parquet"
    try:
        rows.sink_parquet(
            f"{shelf.uri}/{path}",
            compression="zstd",
            compression_level=1,
            row_group_size=_group(rows),
            mkdir=not shelf.is_remote,
            sync_on_close=None if shelf.is_remote else "all",
            storage_options=scan_options() if shelf.is_remote else None,
        )
    except OSError as error:
        shelf.files.delete(path)
        raise UnavailableError(
            f"{shelf.uri} does not take rows ({error})", hint="free some space, or see to the disk or the store"
        ) from error
    return _file(shelf, path, rows=None)


def _group(rows: pl.LazyFrame) -> int | None:
    """Tell how many rows are written at a time; None where they have no bytes in them, and are small."""
    if pl.Binary() not in rows.collect_schema().dtypes():
        return None
    size = pl.sum_horizontal(pl.selectors.binary().bin.size())
    height, largest = rows.select(pl.len(), size.max()).collect(engine="streaming").row(0)
    return max(_GROUP // max(int(largest or 0), 1), int(height) // _GROUPS, 1)


def _file(shelf: Shelf, path: str, rows: int | None) -> File:
    digest, size = shelf.files.digest(path), shelf.files.size(path)
    if digest is None or size is None:
        raise IntegrityError(f"{shelf.uri}/{path} is gone", hint="`rung doctor` tells more")
    if rows is None:
        options = scan_options() if shelf.is_remote else None
        rows = (
            pl.scan_parquet(f"{shelf.uri}/{path}", glob=False, storage_options=options)
            .select(pl.len())
            .collect()
            .item()
        )
    return File(path=path, digest=digest, rows=rows, size=size)


def _told(shelf: Shelf, newest: Version | None, live: Mapping[str, tuple[int, int]]) -> Version:
    """Make the manifest of the table as it is now, which no manifest tells of yet."""
    table = DatasetTable(shelf.uri)
    number = 1 if newest is None else newest.number + 1
    message = table.message(number) or _unknown(newest, live)
    known = {file.path: file for file in newest.files} if newest else {}
    files = [known.get(path) or _file(shelf, path, rows) for path, (rows, _) in sorted(live.items())]
    columns = spell(table.columns())
    facts: dict[str, Any] = message["facts"]
    return Version(
        dataset=shelf.name,
        number=number,
        time=datetime.fromtimestamp(message["time"], UTC).isoformat(timespec="milliseconds"),
        digest=content_digest(columns, files),
        rows=sum(file.rows for file in files),
        added=message["added"],
        changed=message["changed"],
        removed=message["removed"],
        size=sum(file.size for file in files),
        columns=columns,
        files=files,
        **facts,
    )


def _unknown(newest: Version | None, live: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Tell of a commit that Rung did not make, or that is older than the last ones."""
    rows = sum(count for count, _ in live.values())
    before = newest.rows if newest else 0
    facts = asdict(Facts(note="written by another program"))
    counts = {"added": max(rows - before, 0), "changed": 0, "removed": max(before - rows, 0)}
    return {"time": datetime.now(UTC).timestamp(), **counts, "facts": facts}
