"""`rung data annotate` and `share`: what people say of a dataset, and who may rely on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from rung.cli import _duration
from rung.cli._data_progress import spell_bytes
from rung.cli._terminal import json_option, print_json
from rung.errors import CallError
from rung.workspace import find

__all__ = ["annotate", "share"]


@click.command(
    epilog="Example: rung data annotate houses --owner ann --tag sales --column price='in dollars' --freshness 24h"
)
@click.argument("dataset")
@click.option("--description", help="What it is.")
@click.option("--owner", help="Whom to ask.")
@click.option("--licence", help="Under which it may be used, as CC0-1.0.")
@click.option("--tag", "tags", multiple=True, help="A word to find it by; may be repeated.")
@click.option("--untag", "untags", multiple=True, help="A tag to take away; may be repeated.")
@click.option("--column", "columns", multiple=True, metavar="NAME=TEXT", help="What a column means; may be repeated.")
@click.option(
    "--freshness", callback=_duration.read, metavar="DURATION", help="Promise: a new version at least so often."
)
@click.option(
    "--completeness", type=click.FloatRange(0, 1), help="Promise: at least this share of the values is there."
)
@click.option("--key", metavar="A,B", help="Columns that tell rows apart.")
@click.option("--time", metavar="COLUMN", help="Column that tells when a row came to be.")
@click.option("--contract", metavar="MODULE:MODEL", help="Pydantic model of what each row must be.")
@json_option
def annotate(dataset: str, as_json: bool, **given: Any) -> None:
    """Say what a dataset is: owner, description, tags, licence, columns, and what its producer promises.

    What is not given stays. An empty text takes away what was said: --contract ''.
    """
    from rung.data import open_catalogue

    catalogue = open_catalogue(find())
    entry = catalogue.entry(dataset)
    changes: dict[str, Any] = {
        name: given[name] for name in ("description", "owner", "licence") if given[name] is not None
    }
    changes |= {name: given[name] or None for name in ("time", "contract") if given[name] is not None}
    if given["key"] is not None:
        changes["key"] = [name.strip() for name in given["key"].split(",") if name.strip()]
    if given["tags"] or given["untags"]:
        kept = [tag for tag in dict.fromkeys([*entry.tags, *given["tags"]]) if tag not in given["untags"]]
        changes["tags"] = kept
    if given["columns"]:
        known = catalogue.version(dataset).columns
        changes["columns"] = entry.columns | dict(_column(told, list(known)) for told in given["columns"])
    if given["freshness"] is not None:
        changes["freshness_s"] = max(round(given["freshness"]), 1)
    if given["completeness"] is not None:
        changes["completeness"] = given["completeness"]
    if not changes:
        raise CallError("there is nothing to say", hint="`rung data annotate --help` lists what can be said")
    changed = catalogue.annotate(dataset, **changes)
    if as_json:
        print_json(changed.model_dump())
        return
    click.echo(f"{dataset}: {', '.join(changes)} noted")


@click.command(
    epilog="Example: rung data share houses --with pricing; or: rung data share houses --to s3://partner/houses"
)
@click.argument("dataset")
@click.option(
    "--with", "names", multiple=True, metavar="NAME", help="A team or service that may rely on it; may be repeated."
)
@click.option("--not-with", "withdrawn", multiple=True, metavar="NAME", help="One that may no longer; may be repeated.")
@click.option("--to", "place", metavar="FOLDER|URL", help="Hand a copy over: a folder, or s3://BUCKET/PREFIX.")
@json_option
def share(dataset: str, names: tuple[str, ...], withdrawn: tuple[str, ...], place: str | None, as_json: bool) -> None:
    """Tell who may rely on a dataset, or hand a version of it over to somebody without this catalogue.

    --with records teams and services in the catalogue, which `rung data list --shared-with` and `show` tell; everybody
    with this workspace's storage can read it already, as Dataset("NAME"). --to copies the files of a version and what
    is said of it; whoever gets them runs `rung data ingest PLACE --name NAME`, and repeated, it brings what is new.
    """
    from rung.data import open_catalogue, parse_reference
    from rung.data._handover import hand_over

    if not (names or withdrawn or place):
        raise CallError("it is not said with whom", hint="give --with TEAM, --not-with TEAM or --to FOLDER")
    catalogue = open_catalogue(find())
    name, number = parse_reference(dataset)
    entry = catalogue.entry(name)
    if names or withdrawn:
        kept = [one for one in dict.fromkeys([*entry.shared_with, *names]) if one not in withdrawn]
        entry = catalogue.annotate(name, shared_with=kept)
    handed = None if place is None else hand_over(catalogue, catalogue.version(name, number), place)
    if as_json:
        print_json({"shared_with": entry.shared_with, "handed_over": handed and asdict(handed)})
        return
    if names or withdrawn:
        click.echo(f"{name} is shared with {', '.join(entry.shared_with) or 'nobody in particular'}")
    if handed is not None:
        told = f"{handed.files:,} files, {spell_bytes(handed.size)}, {handed.copied:,} of them copied"
        click.echo(f"{dataset} was handed over to {handed.place}: {told}")
        click.echo(f"  there: rung data ingest {place} --name {name}")


def _column(told: str, known: list[str]) -> tuple[str, str]:
    name, equals, text = told.partition("=")
    if not equals or name not in known:
        raise CallError(
            f"{told!r} tells nothing of a column", hint=f"write NAME=TEXT; the columns are {', '.join(known)}"
        )
    return name, text
