"""`rung predict`."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rung.cli._data_progress import Progress, spell_bytes
from rung.cli._terminal import json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.batch import Summary
    from rung.compute.protocol import Compute
    from rung.workspace import Workspace

_REFUSED = 1
"""Exit code where rows are left without a prediction."""


def _object(_: click.Context, __: click.Parameter, written: str | None) -> dict[str, Any] | None:
    """Read a JSON object."""
    if written is None:
        return None
    try:
        found = json.loads(written)
    except ValueError as error:
        raise click.BadParameter(f"{written!r} is no JSON ({error})") from None
    if not isinstance(found, dict):
        raise click.BadParameter(f"{written!r} is no JSON object")
    return found


@click.command(
    epilog="Example: rung predict housing.v1.m2 --input houses.csv --output prices.parquet",
)
@click.argument("revision", metavar="SERVICE.vN.mN")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    required=True,
    metavar="SOURCE",
    help="A file, a folder, a glob, s3://BUCKET/KEY, http(s)://..., or dataset:NAME[@N]; may be repeated.",
)
@click.option("--output", required=True, metavar="FILE", help="A path or s3://BUCKET/KEY, in .parquet or .ndjson.")
@click.option("--route", default="predict", show_default=True, help="Whose handler predicts.")
@click.option("--parameters", callback=_object, metavar="JSON", help="Shared by all rows; by default the service's.")
@click.option(
    "--keep", multiple=True, metavar="COLUMN", help="Of the input, written too; by default those that are no field."
)
@click.option(
    "--batch-rows",
    type=click.IntRange(1),
    help="Instances in one request at the most; by default what the route takes.",
)
@click.option("--parallel", type=click.IntRange(1), help="Workers; by default as many as the revision's server has.")
@click.option("--format", metavar="FORMAT", help="Of inputs whose names do not tell: csv, tsv, json, jsonl, parquet.")
@click.option("--separator", help="Of a CSV; by default as its first line tells.")
@click.option(
    "--compute",
    "place",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where the workers run: on this machine, or on the nodes of a Ray cluster.",
)
@click.option("--address", metavar="HOST:PORT", help="Of the Ray cluster; else as rung.toml says.")
@json_option
def command(
    revision: str, *, inputs: tuple[str, ...], place: str, address: str | None, as_json: bool, **given: Any
) -> None:
    """Predict the rows of files or datasets with the handlers of a revision, on this machine or a Ray cluster.

    Columns that are fields of an instance are predicted; the others are written beside the predictions, with `row` (in
    the input, from 1 on), `prediction_id` and `revision`. CSV, JSON lines, Parquet, Arrow and more are read as by
    `rung data ingest`, and may be larger than memory.

    Rows without a prediction go to OUTPUT.errors.ndjson, each with the reason; then the exit code is 1. The output
    appears whole, or not at all: what was done before a batch was cut off is kept, and the same command goes on.

    The revision is verified first, as by `rung verify`. Needs no control plane, and logs no prediction.
    """
    from rung.batch import Order, predict
    from rung.data.sources import Asked
    from rung.exports import open_export
    from rung.schema import RevisionName
    from rung.workspace import find

    order = Order(
        inputs=inputs,
        output=given["output"],
        route=given["route"],
        parameters=given["parameters"],
        keep=given["keep"],
        rows=given["batch_rows"],
        workers=given["parallel"],
        reading=Asked(format=given["format"], separator=given["separator"]),
    )
    workspace = find()
    progress = Progress(is_silent=as_json)
    try:
        with _compute(workspace, place, address) as compute:
            export = open_export(RevisionName.parse(revision), workspace)
            summary = predict(export, order, compute=compute, tell=progress)
    finally:
        progress.end()
    if as_json:
        print_json(asdict(summary))
    else:
        _show(summary)
    if summary.refused:
        raise click.exceptions.Exit(_REFUSED)


@contextmanager
def _compute(workspace: Workspace, place: str, address: str | None) -> Iterator[Compute]:
    """Give where the workers run.

    Raises:
        click.UsageError: There is no address of a cluster, or one that nothing asks.
    """
    if place == "local":
        if address is not None:
            raise click.UsageError("--address is of a Ray cluster: say --compute ray, too")
        from rung.compute.here import LocalCompute

        yield LocalCompute()
        return
    at = address or workspace.settings().compute_address
    if at is None:
        raise click.UsageError("--compute ray needs --address HOST:PORT, or compute_address in rung.toml")
    from rung.compute.ray import RayCompute

    with closing(RayCompute(at, "rung-batches")) as cluster:
        yield cluster


def _show(summary: Summary) -> None:
    done = f"{summary.predicted:,} of {summary.rows:,} rows predicted by {summary.revision}"
    resumed = f", {summary.resumed:,} of them before" if summary.resumed else ""
    click.echo(f"{click.style(summary.output, bold=True)}: {done}{resumed}")
    workers = f"{summary.workers} worker{'s' if summary.workers > 1 else ''}"
    memory = f", {spell_bytes(summary.memory_bytes)} of memory at the most" if summary.memory_bytes else ""
    click.echo(f"  {summary.rows_per_s:,.0f} rows/s in {summary.seconds:.1f} s with {workers}{memory}")
    if summary.errors:
        click.echo(f"  {click.style(f'{summary.refused:,} refused', fg='red')}, with reasons: {summary.errors}")
