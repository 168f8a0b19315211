"""`rung diff`."""

from __future__ import annotations

import re
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

import click

from rung.cli._terminal import json_option, print_json
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.reviews import Change, Difference
    from rung.reviews._code import FileChange
    from rung.reviews._compare import Metric

_SHORT = 60  # letters of two values that stand on one line
_DIGEST = re.compile(r"(?:sha256:)?\b([0-9a-f]{12})[0-9a-f]{28,52}\b")


@click.command(epilog="Example: rung diff housing.v1.m1 housing.v1.m2 --code, or rung diff housing.v1.m2 .")
@click.argument("before", metavar="REVISION|RUN|.")
@click.argument("after", metavar="[REVISION|RUN|.]", default=".", required=False)
@click.option("--code", "with_code", is_flag=True, help="Also the lines of code that differ.")
@json_option
def command(before: str, after: str, *, with_code: bool, as_json: bool) -> None:
    """Show what differs between two versions of a service: revisions, runs, or the working tree, which is `.`.

    Told are code, schema, data tests, hyperparameters, packages, hardware, service levels, data that was read,
    artifacts, metrics, and what was decided. A change of the schema that a consumer may notice is marked. Needs no
    control plane.
    """
    from rung.reviews import diff

    found = diff(find(), before, after)
    if as_json:
        shown = asdict(found)
        if not with_code:
            for one in shown["code"] or ():
                del one["lines"]
        print_json(shown)
        return
    click.echo(click.style(f"{found.before} -> {found.after}", bold=True))
    for line in _told(found, with_code=with_code):
        click.echo(line)


def _told(found: Difference, *, with_code: bool) -> Iterator[str]:
    yield from _code(found.code or (), with_code=with_code)
    if found.schema and "schema" not in found.same:
        yield _title("schema", click.style(found.schema, fg="red" if found.breaks else None))
    for kind, group in groupby(found.changes, key=lambda change: change.kind):
        if kind != "schema":
            yield _title(kind)
        for change in group:
            yield from _change(change)
    if found.metrics:
        yield _title("metrics")
        yield from map(_metric, found.metrics)
    if found.same:
        yield f"the same: {', '.join(found.same)}"
    yield from found.notes


def _title(kind: str, told: str = "") -> str:
    return click.style(kind, bold=True) + (f": {told}" if told else "")


def _code(files: tuple[FileChange, ...], *, with_code: bool) -> Iterator[str]:
    if not files:
        return
    added, removed = (sum(getattr(one, name) or 0 for one in files) for name in ("added", "removed"))
    yield _title(
        "code", f"{len(files)} files differ, +{added} -{removed}" if len(files) > 1 else f"+{added} -{removed}"
    )
    for one in files:
        lines = "not compared by lines" if one.added is None else f"+{one.added} -{one.removed}"
        yield f"  {one.what:<7}  {one.path}  {lines}"
        if with_code:
            yield from map(_line, one.lines)


def _line(line: str) -> str:
    return click.style(line, fg={"+": "green", "-": "red"}.get(line[:1]))


def _change(change: Change) -> Iterator[str]:
    name = f"  {change.what}" + (click.style("  breaking", fg="red") if change.breaks else "")
    before, after = (None if value is None else _DIGEST.sub(r"\1", value) for value in (change.before, change.after))
    if before is not None and after is not None and len(before) + len(after) <= _SHORT:
        yield f"{name}  {before} -> {after}"
        return
    yield name
    if before is not None:
        yield _line(f"-   {before}")
    if after is not None:
        yield _line(f"+   {after}")


def _metric(metric: Metric) -> str:
    before, after = ("none" if value is None else f"{value:.6g}" for value in (metric.before, metric.after))
    by = "" if metric.before is None or metric.after is None else f"  ({metric.after - metric.before:+.4g})"
    return f"  {metric.name}  {before} -> {after}{by}"
