"""Features as they are served: `rung features get` and `verify`."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from rung.cli import _duration
from rung.cli._features_views import find_view, opened
from rung.cli._terminal import cut, json_option, print_json, table

if TYPE_CHECKING:
    from rung.features import FeatureView


@click.command("get", epilog="Example: rung features get house_stats 4711 4712")
@click.argument("view")
@click.argument("entities", nargs=-1, required=True, metavar="ENTITY...")
@click.option("--at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="As of this time (UTC).")
@json_option
def get(view: str, entities: tuple[str, ...], at: datetime | None, as_json: bool) -> None:
    """Read features from the online store, as a handler would; parts of an entity are separated by commas."""
    from rung.workspace import find

    workspace = find()
    found = find_view(workspace, view)
    moment = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    with opened(workspace) as store:
        rows = _rows(found, store, entities, moment)
    if as_json:
        print_json(rows)
        return
    names = list(found.features)
    cells = [
        [one["entity"], one["time"] or one["because"], *(_cell(one["features"].get(name)) for name in names)]
        for one in rows
    ]
    table(cells, [", ".join(found.entities).upper(), "AS OF", *(name.upper() for name in names)])


@click.command("verify", epilog="Example: rung features verify housing.v1.m2 --since 7d")
@click.argument("revision", metavar="SERVICE.vN.mN")
@click.option("--since", metavar="DURATION", callback=_duration.read, help="Only the last time, as 2h or 7d.")
@click.option(
    "--most", type=click.IntRange(1), default=100_000, show_default=True, help="The newest so many predictions."
)
@json_option
def verify(revision: str, since: float | None, most: int, as_json: bool) -> None:
    """Replay features that a revision served: join the datasets as of then, and compare bit for bit.

    The revision's own code does it, in its own environment. Exit status 1: something was served that training would not
    have joined.
    """
    from rung.schema import RevisionName
    from rung.skew import verify_served
    from rung.workspace import find

    begin = None if since is None else datetime.now(UTC) - timedelta(seconds=since)
    found = verify_served(find(), RevisionName.parse(revision), since=begin, most=most)
    if as_json:
        print_json(found)
    else:
        _print_verified(revision, found)
    if found["different"]:
        raise SystemExit(1)


def _print_verified(revision: str, found: dict[str, Any]) -> None:
    if not found["rows"]:
        click.echo(f"{revision} fetched no features in that time")
        return
    told = f"{found['rows']:,} rows of features, for {found['predictions']:,} predictions"
    if not found["different"]:
        click.echo(f"identical: {told} are what training joins, bit for bit")
        return
    click.echo(f"different: {found['different']:,} of {told} are not what training joins")
    table(
        [
            [one["prediction"], one["view"], one["entity"], one["at"], cut(_difference(one))]
            for one in found["differences"]
        ],
        ["PREDICTION", "VIEW", "ENTITY", "AT (UTC)", "SERVED, AND JOINED"],
    )


def _difference(one: dict[str, Any]) -> str:
    pairs = ((name, value, one["joined"][name]) for name, value in one["served"].items())
    return ", ".join(f"{name} {served!r}, {joined!r}" for name, served, joined in pairs if served != joined)


def _rows(view: FeatureView, store: Any, entities: tuple[str, ...], at: datetime) -> list[dict[str, Any]]:
    from rung.errors import FeaturesMissingError
    from rung.features import Fetch, OnlineSource, Reader, ViewOf

    source = OnlineSource(store, view)
    kinds = source.read([]).kinds
    rows = []
    for given in entities:
        notes: list[Fetch] = []
        because = ""
        try:
            [features] = Reader(ViewOf(view, source), notes).of([_entity(given, kinds)], at=[at]).rows()
        except FeaturesMissingError as missing:
            features, because = {}, missing.places[0][1]
        time = notes[0].rows[0][3].row if notes else None
        told = _spelled(time[0]) if time else ""
        rows.append(
            {"entity": given, "time": told, "because": because or ("" if told else "no row"), "features": features}
        )
    return rows


def _entity(given: str, kinds: list[str]) -> Any:
    """Read an entity as it was typed: whole numbers where the datasets have such."""
    parts: list[Any] = given.split(",", len(kinds) - 1)
    for place, kind in enumerate(kinds[: len(parts)]):
        if kind == "int":
            with suppress(ValueError):  # then it is no entity of the view, which the reader tells
                parts[place] = int(parts[place])
    return parts[0] if len(kinds) == 1 else parts


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)


def _spelled(microseconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).strftime("%Y-%m-%d %H:%M:%S")
