"""`rung data ingest`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rung.cli._data_progress import Progress
from rung.cli._terminal import json_option, print_json, table
from rung.workspace import find

if TYPE_CHECKING:
    from rung.data import Ingested
    from rung.data.profile import Change

__all__ = ["ingest"]

_SHOWN_CHANGES = 3


def _listed(_: click.Context, __: click.Parameter, written: str | None) -> list[str]:
    return [] if written is None else [name.strip() for name in written.split(",") if name.strip()]


@click.command(
    epilog="Example: rung data ingest sales.csv --name houses --key id; later: rung data ingest sales.csv --name houses"
)
@click.argument("source", nargs=-1, required=True)
@click.option("--name", required=True, help="The dataset; it is made when there is none of that name.")
@click.option("--key", callback=_listed, metavar="A,B", help="Columns that tell rows apart; remembered.")
@click.option("--time", metavar="COLUMN", help="Column that tells when a row came to be; remembered.")
@click.option("--contract", metavar="MODULE:MODEL", help="Pydantic model of what each row must be; remembered.")
@click.option(
    "--mode",
    type=click.Choice(["append", "newer", "upsert", "replace"]),
    help="By default upsert with a key, newer with a time alone, else append.",
)
@click.option("--late", is_flag=True, help="Also add rows that are older than the newest, and not there.")
@click.option("--evolve", is_flag=True, help="New columns are added, missing ones left empty; else both are refused.")
@click.option("--query", metavar="SQL", help="What to read of a database; it is opened read-only.")
@click.option(
    "--format",
    metavar="FORMAT",
    help="Of files whose names do not tell: csv, tsv, json, jsonl, parquet, ...; files makes a row of each.",
)
@click.option("--sheet", help="Of a workbook with several.")
@click.option("--separator", help="Of a CSV; by default as its first line tells.")
@click.option("--encoding", help="Of text; by default UTF-8, or UTF-16 as its first bytes tell.")
@click.option(
    "--null", "nulls", multiple=True, help="A word of a CSV that stands for no value, as NA; may be repeated."
)
@click.option(
    "--max-bad",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Share of rows that may be bad; with more, nothing is written.",
)
@click.option("--owner", help="Whom to ask about the dataset; remembered.")
@click.option("--note", default="", help="What to say of this version.")
@click.option("--dry-run", is_flag=True, help="Write nothing: tell what would be taken, and which rows are bad.")
@json_option
def ingest(source: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Make a version of a dataset from SOURCE, whatever it is.

    SOURCE is one or more of: a CSV, JSON, JSON lines, Parquet, Arrow or Excel file (CSV and JSON also as .gz, .bz2,
    .xz), a folder, a .zip, a .tar or a glob of them, s3://BUCKET/KEY or PREFIX/ or a glob, http(s)://..., what fsspec
    opens (zip://*.csv::sales.zip), or a database with --query (sqlite:///sales.db, postgresql://host/sales, ...).

    Where none of the files is a table, as with images, sound or texts, each file is a row: path, size, sha256,
    modified, content. Beside tables such files are passed over, and told; --format files makes a row of every file.

    The same again changes nothing. With a key, new rows are added and changed ones changed. With a time alone, rows are
    added that are newer than what is there; older ones that are not there are counted and told. With neither, rows are
    added, and a file whose content was taken before is passed over. What `rung data share --to` handed over takes the
    place of all rows. Bad rows go to the quarantine with the reason.
    Killed on the way, it leaves the version before, and the same command again completes it.
    """
    from rung.data import ingest as take

    progress = Progress(is_silent=as_json)
    options = {name: value for name, value in given.items() if value is not None}
    try:
        done = take(list(source), **options, tell=progress)
    finally:
        progress.end()
    moved = _moved(done)
    if as_json:
        told = {"version": done.version and _manifest(done), "changes": [change.to_json() for change in moved]}
        print_json({**asdict(done), **told})
        return
    _show(done)
    for change in moved[:_SHOWN_CHANGES]:
        click.echo(f"  {change.told}")
    if rest := len(moved[_SHOWN_CHANGES:]):
        click.echo(f"  {rest} smaller change{'s' if rest > 1 else ''}: rung data diff {done.dataset}")


def _moved(done: Ingested) -> list[Change]:
    """Tell what changed in how values are distributed, since the version before."""
    from rung.data import open_catalogue
    from rung.data._statistics import changes

    return [] if done.version is None or done.is_dry else changes(open_catalogue(find()), done.version)


def _manifest(done: Ingested) -> dict[str, Any]:
    assert done.version is not None  # noqa: S101  asked before
    return {name: value for name, value in done.version.to_json().items() if name != "files"}


def _show(done: Ingested) -> None:
    counts = {
        "read": done.read,
        "added": done.added,
        "changed": done.changed,
        "removed": done.removed,
        "known": done.known,
        "bad": done.quarantined,
    }
    told = ", ".join(f"{number:,} {what}" for what, number in counts.items() if number or what in {"read", "added"})
    if done.is_dry:
        head = f"{done.dataset} would be given (by {done.mode}; nothing was written)"
    else:
        head = done.version.ref if done.version else f"{done.dataset} has nothing new"
    click.echo(f"{click.style(head, bold=True)}: rows: {told}; {done.seconds:.2f} s")
    for line in _remarks(done):
        click.echo(f"  {line}")
    if done.is_dry:
        table([[name, kind] for name, kind in done.columns.items()], ["COLUMN", "TYPE"])


def _remarks(done: Ingested) -> list[str]:
    """Say what somebody may not expect."""
    from rung.data.sources import FILES

    lines = []
    if done.pieces_known:
        lines.append(f"passed over, since taken before: {_some(done.pieces_known)}")
    if done.passed_over:
        told = f"passed over, since no tables by their names: {_some(done.passed_over)}"
        lines.append(f"{told}; --format {FILES} makes a row of every file")
    if done.files:
        lines.append(
            f"each of the {done.files:,} files is a row, since none is a table by its name (--format reads one)"
        )
    if done.late:
        lines.append(f"{done.late:,} rows are older than the newest and were not there; --late adds them")
    if done.repeated:
        lines.append(f"{done.repeated:,} rows have a key that comes again later: the last one counts")
    if done.new_columns:
        lines.append(f"new columns: {', '.join(done.new_columns)}")
    if done.missing_columns:
        lines.append(f"left empty where they were missing: {', '.join(done.missing_columns)}")
    lines += [f"bad: row {one['row']} of {one['source']}: {one['reason']}" for one in done.refused]
    if done.quarantined and not done.is_dry:
        lines.append(f"all bad rows: rung data quarantine {done.dataset}")
    return lines


def _some(names: list[str]) -> str:
    told = ", ".join(names[:3])
    return told if len(names) <= 3 else f"{told} and {len(names) - 3:,} more"  # noqa: PLR2004  as shown
