"""`rung data head`, `diff`, `quarantine`, `export` and `verify`: the rows themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import cut, json_option, print_json, table, time_of_day
from rung.workspace import find

if TYPE_CHECKING:
    from rung.data import Catalogue, Version
    from rung.data._difference import Difference

__all__ = ["diff", "export", "head", "quarantine", "verify"]

_BROKEN = 1
"""Exit status when a file is not what it was."""


@click.command(epilog="Example: rung data head houses@3 -n 20")
@click.argument("dataset")
@click.option("-n", "rows", type=click.IntRange(1, 100_000), default=10, show_default=True, help="How many rows.")
@json_option
def head(dataset: str, rows: int, as_json: bool) -> None:
    """Show the first rows of a dataset, or of one version; of bytes, how many they are."""
    from rung.data._types import light

    catalogue, version = _version(dataset)
    found = light(catalogue.scan(version).head(rows)).collect(engine="streaming").to_dicts()
    if as_json:
        print_json(found)
        return
    columns = list(version.columns)
    table([[_cell(row[name]) for name in columns] for row in found], columns)


@click.command(epilog="Example: rung data diff houses@1 houses@3")
@click.argument("dataset")
@click.argument("other", required=False)
@json_option
def diff(dataset: str, other: str | None, as_json: bool) -> None:
    """Show what changed between two versions: rows, columns, and how values are distributed.

    One name compares its newest version with the one before.
    """
    from rung.data._difference import as_json as spelled
    from rung.data._difference import difference
    from rung.data._statistics import statistics
    from rung.data.profile import compare

    catalogue, one, two = _pair(dataset, other)
    found = difference(catalogue, one, two, key=catalogue.entry(two.dataset).key)
    changes = compare(statistics(catalogue, one), statistics(catalogue, two))
    if as_json:
        print_json({**spelled(found), "statistics": [change.to_json() for change in changes]})
        return
    _show_difference(found)
    for change in changes:
        click.echo(f"  {change.told}")


@click.command(epilog="Example: rung data quarantine houses")
@click.argument("dataset")
@click.option("-n", "rows", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Newest rows at most.")
@json_option
def quarantine(dataset: str, rows: int, as_json: bool) -> None:
    """Show rows that were refused, and why, the newest first."""
    import polars as pl

    from rung.data import open_catalogue

    refused = open_catalogue(find()).quarantine(dataset)
    number = refused.select(pl.len()).collect().item()
    found = refused.sort("time", "source", "row", descending=[True, False, False]).head(rows).collect().to_dicts()
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"no row of {dataset} was refused")
        return
    lines = [
        [
            time_of_day(str(row["time"])),
            cut(row["source"], 50),
            f"{row['row']:,}",
            cut(row["reason"]),
            cut(row["content"]),
        ]
        for row in found
    ]
    table(lines, ["REFUSED (UTC)", "SOURCE", "ROW", "REASON", "CONTENT"])
    if number > rows:
        click.echo(f"{number - rows:,} more; -n shows them, --json in full")


@click.command(epilog="Example: rung data export houses@3 houses.parquet")
@click.argument("dataset")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def export(dataset: str, file: Path, as_json: bool) -> None:
    """Write a dataset, or one version, into one FILE: .parquet, .csv, .jsonl or .arrow."""
    from rung.data._handover import export as write

    catalogue, version = _version(dataset)
    write(catalogue.scan(version), file)
    size = file.stat().st_size
    if as_json:
        print_json({"version": version.ref, "file": str(file), "rows": version.rows, "bytes": size})
        return
    click.echo(f"{version.ref} is in {file}: {version.rows:,} rows, {size:,} bytes")


@click.command(epilog="Example: rung data verify houses@3")
@click.argument("dataset")
@json_option
def verify(dataset: str, as_json: bool) -> int:
    """Read every file of a dataset, or of one version, and compare its digest; exit status 1 when one differs."""
    from rung.cli._data_progress import Progress
    from rung.data._handover import verify as read_back
    from rung.data.sources import Step

    catalogue, version = _version(dataset)
    progress = Progress(is_silent=as_json)

    def tell(files: int) -> None:
        progress(Step(what=f"reading {version.ref}", done=files, whole=len(version.files), unit="files"))

    wrong = read_back(catalogue, version, tell)
    progress.end()
    if as_json:
        print_json({"version": version.ref, "files": len(version.files), "bytes": version.size, "wrong": wrong})
    elif wrong:
        table([[one["path"], one["because"]] for one in wrong], ["FILE", "WHAT IS WRONG"])
        click.echo(f"{version.ref}: {len(wrong):,} of {len(version.files):,} files are not what they were")
    else:
        click.echo(f"{version.ref} is whole: {len(version.files):,} files, {version.size:,} bytes")
    return _BROKEN if wrong else 0


def _version(dataset: str) -> tuple[Catalogue, Version]:
    from rung.data import open_catalogue, parse_reference

    catalogue = open_catalogue(find())
    name, number = parse_reference(dataset)
    return catalogue, catalogue.version(name, number)


def _pair(dataset: str, other: str | None) -> tuple[Catalogue, Version, Version]:
    """Give two versions, the one before first; of a name alone, the newest two."""
    from rung.errors import CallError

    catalogue, one = _version(dataset)
    if other is not None:
        return catalogue, one, _version(other)[1]
    if one.number == 1:
        raise CallError(f"{one.ref} has no version before it", hint=f"name two: rung data diff {one.dataset}@1 OTHER@1")
    return catalogue, catalogue.version(one.dataset, one.number - 1), one


def _show_difference(found: Difference) -> None:
    by = f"by {', '.join(found.key)}" if found.key else "as whole rows"
    click.echo(
        f"{found.one.ref} -> {found.other.ref}, {by}: {found.added:,} rows added, {found.removed:,} removed, "
        f"{found.changed:,} changed"
    )
    for name, kind in found.new_columns.items():
        click.echo(f"  column {name} is new: {kind}")
    for name, kind in found.gone_columns.items():
        click.echo(f"  column {name} is gone: {kind}")
    for name, (before, after) in found.retyped_columns.items():
        click.echo(f"  column {name} was {before} and is {after}")
    for name, rows in found.changed_in.items():
        click.echo(f"  {name} changed in {rows:,} rows")
    for what, examples in found.examples.items():
        for row in examples:
            told = ", ".join(
                f"{name} {_change(value) if what == 'changed' else _cell(value)}" for name, value in row.items()
            )
            click.echo(f"  {what}: {cut(told, 110)}")


def _change(value: Any) -> str:
    return f"{_cell(value[0])} -> {_cell(value[1])}" if isinstance(value, list) else _cell(value)


def _cell(value: Any) -> str:
    return "" if value is None else cut(f"{value:,.6g}" if isinstance(value, float) else str(value), 40)
