"""`rung data list`, `show`, `versions` and `search`: what there is, in one place."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rung.cli import _duration
from rung.cli._data_progress import spell_bytes
from rung.cli._terminal import cut, json_option, print_json, table, time_of_day
from rung.workspace import Workspace, find

if TYPE_CHECKING:
    from rung.data import Catalogue, Entry, Version
    from rung.data._overview import Overview, Promise
    from rung.data.profile import Profile

__all__ = ["list_datasets", "search", "show", "versions"]

_SHOWN_USERS = 10


@click.command("list", epilog="Example: rung data list --tag sales")
@click.option("--tag", help="Only those with this tag.")
@click.option("--owner", help="Only those of this owner.")
@click.option("--shared-with", metavar="NAME", help="Only those that are shared with this team or service.")
@json_option
def list_datasets(tag: str | None, owner: str | None, shared_with: str | None, as_json: bool) -> None:
    """List all datasets, wherever they lie, and whether they are as fresh as promised."""
    catalogue, found = _overviews()
    chosen = [
        one
        for one in found
        if (tag is None or tag in one.entry.tags)
        and (owner is None or owner == one.entry.owner)
        and (shared_with is None or shared_with in one.entry.shared_with)
    ]
    if as_json:
        print_json([_as_json(one) for one in chosen])
        return
    if not chosen:
        click.echo(f"there are no such datasets in {catalogue.root}; `rung data ingest SOURCE --name NAME` makes one")
        return
    table([_row(one) for one in chosen], ["DATASET", "VERSION", "ROWS", "SIZE", "MADE (UTC)", "FRESH", "OWNER", "TAGS"])


@click.command(epilog="Example: rung data show houses@3")
@click.argument("dataset")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write it as a page into FILE.")
@json_option
def show(dataset: str, page: Path | None, as_json: bool) -> None:
    """Show a dataset, or one version: what its columns mean and hold, promises kept or not, who reads it."""
    from rung.data import open_catalogue, parse_reference
    from rung.data._overview import complete, fresh
    from rung.data._statistics import statistics

    workspace = find()
    catalogue = open_catalogue(workspace)
    name, number = parse_reference(dataset)
    entry, version = catalogue.entry(name), catalogue.version(name, number)
    profile = statistics(catalogue, version)
    if page is not None:
        page.write_text(_page(catalogue, entry, version), "utf-8")
    promises = [fresh(entry, catalogue.version(name), datetime.now(UTC)), complete(entry, profile)]
    kept = [one for one in promises if one is not None]
    refused = _refused(catalogue, name)
    readers = _readers(workspace, name)
    if as_json:
        told = {"entry": entry.model_dump(), "version": version.to_json(), "profile": profile.to_json()}
        print_json({**told, "promises": [asdict(one) for one in kept], "quarantined": refused, "read_by": readers})
        return
    _show_entry(entry, version)
    for promise in kept:
        click.echo(f"{promise.what:<12} {_promise(promise)}")
    click.echo(f"{'quarantine':<12} {refused:,} rows; rung data quarantine {name}" if refused else "quarantine   empty")
    told_readers = "; ".join(readers[:_SHOWN_USERS]) or f"no training yet; Dataset({name!r}) reads it"
    click.echo(f"{'read by':<12} {told_readers}\n")
    _show_columns(entry, profile)


@click.command(epilog="Example: rung data versions houses")
@click.argument("dataset")
@json_option
def versions(dataset: str, as_json: bool) -> None:
    """List the versions of a dataset, the newest first."""
    from rung.data import open_catalogue

    found = open_catalogue(find()).versions(dataset)[::-1]
    if as_json:
        print_json([{name: value for name, value in one.to_json().items() if name != "files"} for one in found])
        return
    rows = [
        [
            one.ref,
            time_of_day(one.time),
            f"{one.rows:,}",
            f"+{one.added:,} ~{one.changed:,} -{one.removed:,}",
            f"{one.quarantined:,}",
            one.by,
            cut(one.source or ", ".join(one.parents) or one.run or "", 60),
            cut(one.note, 40),
        ]
        for one in found
    ]
    table(rows, ["VERSION", "MADE (UTC)", "ROWS", "CHANGE", "BAD", "BY", "FROM", "NOTE"])


@click.command(epilog="Example: rung data search sale price")
@click.argument("text", nargs=-1, required=True)
@json_option
def search(text: tuple[str, ...], as_json: bool) -> None:
    """Find datasets by words in their names, descriptions, tags, columns and what these mean."""
    from rung.data._overview import found_in

    catalogue, all_of_them = _overviews()
    found = {one.entry.name: places for one in all_of_them if (places := found_in(one, " ".join(text)))}
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"no dataset in {catalogue.root} speaks of {' '.join(text)!r}; `rung data list` lists them")
        return
    for name, places in found.items():
        click.echo(click.style(name, bold=True))
        for place in places:
            click.echo(f"  {cut(place, 100)}")


def _overviews() -> tuple[Catalogue, list[Overview]]:
    from rung.data import open_catalogue
    from rung.data._overview import overview

    catalogue = open_catalogue(find())
    return catalogue, [overview(catalogue, name) for name in catalogue.names()]


def _row(one: Overview) -> list[str]:
    newest = one.newest
    return [
        one.entry.name,
        newest.ref if newest else "",
        f"{newest.rows:,}" if newest else "",
        spell_bytes(newest.size) if newest else "",
        time_of_day(newest.time) if newest else "",
        _freshness(one),
        one.entry.owner,
        ", ".join(one.entry.tags),
    ]


def _as_json(one: Overview) -> dict[str, Any]:
    from rung.data._overview import fresh

    promise = fresh(one.entry, one.newest, datetime.now(UTC))
    newest = one.newest
    return {
        **one.entry.model_dump(),
        "versions": one.versions,
        "newest": newest.number if newest else None,
        "rows": newest.rows if newest else 0,
        "size": newest.size if newest else 0,
        "made": newest.time if newest else None,
        "fresh": None if promise is None else asdict(promise),
    }


def _freshness(one: Overview) -> str:
    from rung.data._overview import fresh

    promise = fresh(one.entry, one.newest, datetime.now(UTC))
    if promise is None:
        return ""
    return click.style("kept", fg="green") if promise.is_kept else click.style("broken", fg="red")


def _promise(promise: Promise) -> str:
    state = click.style("kept", fg="green") if promise.is_kept else click.style("broken", fg="red")
    if promise.what == "freshness":
        told = (
            f"newest version {_duration.spell(promise.is_now)} old, promised every {_duration.spell(promise.promised)}"
        )
        return f"{state}: {told}"
    return f"{state}: {promise.is_now:.2%} of the values are there, promised {promise.promised:.2%}"


def _refused(catalogue: Catalogue, name: str) -> int:
    import polars as pl

    return int(catalogue.quarantine(name).select(pl.len()).collect().item())


def _readers(workspace: Workspace, name: str) -> list[str]:
    """Tell which services' trainings here read a dataset, and which version each read last."""
    from rung.training import list_runs

    found: dict[str, str] = {}
    for run in list_runs(workspace.runs):
        for read in (read for task in run.tasks for read in task.data):
            if read.get("dataset") == name:
                found.setdefault(run.service, f"{run.service} ({name}@{read['version']} in {run.id})")
    return sorted(found.values())


def _show_entry(entry: Entry, version: Version) -> None:
    click.echo(f"{'dataset':<12} {click.style(version.ref, bold=True)}")
    for what, told in _facts(entry, version).items():
        click.echo(f"{what:<12} {told}")


def _facts(entry: Entry, version: Version) -> dict[str, str]:
    facts = {
        "description": entry.description,
        "owner": entry.owner,
        "tags": ", ".join(entry.tags),
        "licence": entry.licence,
        "shared with": ", ".join(entry.shared_with),
        "rows": f"{version.rows:,} in {len(version.files):,} files, {spell_bytes(version.size)}",
        "change": f"{version.added:,} added, {version.changed:,} changed, {version.removed:,} removed, "
        f"{version.quarantined:,} bad",
        "made": f"{time_of_day(version.time)} UTC by {version.by or 'nobody named'}",
        "from": version.source or "",
        "made of": ", ".join(version.parents),
        "run": version.run or "",
        "note": version.note,
        "key": ", ".join(entry.key),
        "time": f"{entry.time}, up to {version.watermark or '-'}" if entry.time else "",
        "contract": entry.contract or "",
        "digest": version.digest,
    }
    return {what: told for what, told in facts.items() if told}


def _page(catalogue: Catalogue, entry: Entry, version: Version) -> str:
    """Draw a version, with what changed since the one before."""
    from rung.data._statistics import changes, statistics
    from rung.data.profile import page

    before = catalogue.shelf(version.dataset).read(version.number - 1) if version.number > 1 else None
    return page(
        statistics(catalogue, version),
        title=version.ref,
        facts=_facts(entry, version),
        meanings=entry.columns,
        changes=changes(catalogue, version),
        before=None if before is None else statistics(catalogue, before),
    )


def _show_columns(entry: Entry, profile: Profile) -> None:
    from rung.data.profile import HEADER, lines

    meanings = [cut(entry.columns.get(name, ""), 60) for name in profile.columns]
    rows = [[*line, meaning] for line, meaning in zip(lines(profile), meanings, strict=True)]
    table(rows, [*HEADER, "MEANING"])
