"""A batch from its inputs to its output: what is asked is held against the revision, done, and made one file."""

from __future__ import annotations

import fcntl
import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.batch._columns import answer_types, text_types
from rung.batch._job import BATCHES, WORK, Job
from rung.batch._order import digest_of
from rung.batch._output import Shelf, Table, check_free, publish
from rung.batch._rows import open_sources
from rung.compute.here import LocalCompute
from rung.errors import CallError, ConflictError, NotFoundError
from rung.schema import Contract, read_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rung.batch._order import Order
    from rung.batch._rows import Source
    from rung.compute.protocol import Compute
    from rung.data.sources import Tell
    from rung.exports import Export
    from rung.schema import Fields, RouteContract

__all__ = ["Summary", "predict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of a batch."""

    revision: str
    route: str
    batch: str  # begins the id of each prediction
    output: str
    errors: str | None  # where the refused rows are; None: there are none
    rows: int  # of all inputs
    predicted: int
    refused: int
    resumed: int  # rows that an earlier call had done
    seconds: float  # from the start of the workers to the last row
    rows_per_s: float  # of the rows that this call did
    memory_bytes: int  # of all workers together, at the most
    workers: int


def predict(export: Export, order: Order, *, compute: Compute | None = None, tell: Tell) -> Summary:
    """Predict the rows of files or datasets with the handlers of a revision.

    A batch that is cut off is gone on with by the same call: parts that were finished are kept in the workspace's
    state until the output is there.

    Args:
        export: The revision.
        order: What is asked.
        compute: Where the workers run; None: on this machine.
        tell: Takes how far it is.

    Raises:
        NotFoundError: There is no such route, input or column.
        ConflictError: The output is there already, or the same batch is under way.
        CallError: An input cannot be read, or lacks a field that the route requires.
        TaskError: The revision cannot be asked, or refuses all of the first rows.
        UnavailableError: Something that the handlers need does not answer; what was done is kept.
    """
    route, suffix, workspace = _route(export, order.route), order.suffix, export.place.workspace
    check_free(order.output)
    fields = read_fields(route.instance)
    asked = (str(export.name), export.verified.bundle, order.route, order.parameters, suffix, *order.keep)
    with _own(workspace.state / BATCHES / digest_of(asked, order.inputs)) as folder:
        scratch = folder / "input"
        shutil.rmtree(scratch, ignore_errors=True)
        sources = open_sources(order, workspace, folder=scratch, types=text_types(fields), tell=tell)
        kept = _kept(order, sources, fields)
        batch = digest_of(*asked[:4], [source.digest for source in sources])
        shelf = _shelf(folder, batch, suffix)
        table = Table.of(kept, answer_types(route.prediction), revision=str(export.name), batch=batch)
        job = Job(
            export=export,
            order=order,
            route=route,
            fields=fields,
            sources=sources,
            table=table,
            shelf=shelf,
            tell=tell,
        )
        job.run(compute or LocalCompute(), folder)
        errors = _publish(shelf, order, sources, job.count)
        summary = _summary(job, batch, errors=errors)
        shutil.rmtree(folder)
    return summary


def _route(export: Export, route: str) -> RouteContract:
    routes = Contract.from_json(export.bundle.contract).routes
    if route not in routes:
        raise NotFoundError(f"{export.name} has no route {route!r}", hint=f"its routes are {', '.join(sorted(routes))}")
    return routes[route]


def _kept(order: Order, sources: Sequence[Source], fields: Fields) -> list[str]:
    """Hold the columns against the route; tell which ones are written beside the predictions.

    Raises:
        CallError: One that is required is missing, or sources differ.
        NotFoundError: One that is to be kept is not there.
    """
    first = sources[0]
    for source in sources:
        columns = source.columns
        missing = sorted(fields.required - set(columns))
        if missing:
            raise CallError(
                f"{source.name} has no column {', '.join(missing)}, which an instance of {order.route!r} requires",
                hint=f"its columns are {', '.join(columns)}",
            )
        if columns != first.columns:
            raise CallError(
                f"{source.name} has other columns than {first.name}", hint="predict them one by one, or make them alike"
            )
    unknown = sorted(set(order.keep) - set(first.columns))
    if unknown:
        raise NotFoundError(
            f"there is no column {', '.join(unknown)} to keep", hint=f"the columns are {', '.join(first.columns)}"
        )
    return list(order.keep) or [name for name in first.columns if name not in fields.kinds]


def _shelf(folder: Path, batch: str, suffix: str) -> Shelf:
    """Give the finished parts of this batch; those of other content, which the inputs had before, are taken away."""
    parts = folder / batch
    for other in folder.iterdir():
        if other.is_dir() and other.name not in {batch, "input"} and not other.name.startswith(WORK):
            shutil.rmtree(other)
    parts.mkdir(exist_ok=True)
    return Shelf(parts, suffix)


def _publish(shelf: Shelf, order: Order, sources: Sequence[Source], parts: int) -> str | None:
    """Write both files where they are wanted: the predictions last, so that where they are all is there."""
    whole, errors = shelf.join(parts, list(_unread(sources)))
    if errors is not None:
        publish(errors, order.errors)
    publish(whole, order.output)
    return None if errors is None else order.errors


def _unread(sources: Sequence[Source]) -> Iterator[tuple[int, str, str, Any]]:
    before = 0
    for source in sources:
        for row, reason, content in source.unread.iter_rows():
            yield before + row, source.name, reason, json.loads(content)
        before += source.all


def _summary(job: Job, batch: str, *, errors: str | None) -> Summary:
    rows = sum(source.all for source in job.sources)
    predicted = sum(one.predicted for one in job.done.values())
    did = sum(source.height for source in job.sources) - job.resumed
    return Summary(
        revision=str(job.export.name),
        route=job.order.route,
        batch=batch,
        output=job.order.output,
        errors=errors,
        rows=rows,
        predicted=predicted,
        refused=rows - predicted,
        resumed=job.resumed,
        seconds=round(job.seconds, 3),
        rows_per_s=round(did / job.seconds, 1) if job.seconds else 0.0,
        memory_bytes=job.peak_bytes,
        workers=job.workers,
    )


@contextmanager
def _own(folder: Path) -> Iterator[Path]:
    """Hold the folder of a batch, so that nobody else works on the same one.

    Raises:
        ConflictError: Somebody does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError("the same batch is under way", hint="wait for it, or name another output") from None
        folder.mkdir(exist_ok=True)
        yield folder
        folder.with_suffix(".lock").unlink(missing_ok=True)
