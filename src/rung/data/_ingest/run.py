"""One ingest, from pieces that are here to a version. `_ingest` calls it; see there for the order, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data._ingest import taken
from rung.data._ingest.choice import Choice, choose
from rung.data._ingest.gather import Gathered, Local, gather
from rung.data._ingest.plan import Mode, Settled, Wanted, changes, sorted_out
from rung.data._ingest.result import Ingested
from rung.data._types import read_type, spell
from rung.data._version import Facts
from rung.data.sources import CONTENT, FILES, Step
from rung.errors import CallError, ConflictError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from rung.data._catalogue import Catalogue
    from rung.data._version import Version
    from rung.data.sources import Asked, Tell

__all__ = ["MovedError", "Task", "once"]

_SHOWN: Final = 5
"""Rows that were refused that are told of."""


class MovedError(ConflictError):
    """Another version came while this one was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that stays the same while an ingest is tried again."""

    catalogue: Catalogue
    name: str
    source: str  # without secrets
    asked: Asked
    wanted: Wanted
    settled: Settled
    pieces: list[Local]
    model: type[BaseModel] | None
    folder: Path  # for what is set down on the way
    described: dict[str, Any]  # what is said of the dataset where it comes from
    by: str
    is_dry: bool
    tell: Tell


def once(task: Task) -> Ingested:
    """Ingest.

    Raises:
        MovedError: Another version came meanwhile: what was chosen may not be right any more.
    """
    shelf = task.catalogue.shelf(task.name)
    newest = shelf.newest()
    before = taken.taken(shelf, newest)
    numbers, known = sorted_out([one.taken for one in task.pieces], before, task.settled, late=task.wanted.late)
    told = {
        "pieces": [task.pieces[number].piece.name for number in numbers],
        "pieces_known": [task.pieces[number].piece.name for number in known],
    }
    if not numbers:
        return _nothing(task, newest, told)
    gathered = _gather(task, [task.pieces[number] for number in numbers], newest)
    if not gathered.read and newest is None:
        raise CallError(
            f"there are no rows in {task.source}", hint="what has no rows has no types; nothing was written"
        )
    _check_share(task, gathered)
    there = None if newest is None else (newest, task.catalogue.scan(newest))
    choice = choose(
        gathered.rows,
        task.settled,
        there,
        same=CONTENT if all(one.piece.format == FILES for one in task.pieces) else (),
        late=task.wanted.late,
        folder=task.folder,
    )
    told |= _told(gathered, choice)
    if task.is_dry:
        return _dry(task, gathered, choice, there, told=told)
    if not gathered.refused.is_empty():
        task.catalogue.add_quarantine(task.name, gathered.refused)
    _remember(task)
    kept = [] if task.settled.mode is Mode.REPLACE else before
    digest = taken.keep(shelf, [*kept, *(task.pieces[number].taken for number in numbers)])
    version = _write(task, choice, _facts(task, gathered, choice, digest), onto=newest.number if newest else 0)
    return _done(task, gathered, choice, version, told=told)


def _gather(task: Task, pieces: list[Local], newest: Version | None) -> Gathered:
    is_new = newest is None or task.settled.mode is Mode.REPLACE
    before = None if is_new or newest is None else {name: read_type(kind) for name, kind in newest.columns.items()}
    _check_named(task, pieces, before)
    return gather(
        pieces,
        before,
        task.settled,
        dataset=task.name,
        evolve=task.wanted.evolve,
        asked=task.asked,
        model=task.model,
        tell=task.tell,
    )


def _check_named(task: Task, pieces: list[Local], before: dict[str, pl.DataType] | None) -> None:
    """Refuse a key or a time that is no column."""
    has = pieces[0].read(task.asked, before or {}, task.tell).rows.collect_schema().names()
    for what, names in (("key", task.settled.key), ("time", [task.settled.time] if task.settled.time else [])):
        missing = [name for name in names if name not in has]
        if missing:
            raise CallError(
                f"the {what} {', '.join(missing)} is no column of {pieces[0].piece.name}",
                hint=f"its columns are {', '.join(has)}",
            )


def _check_share(task: Task, gathered: Gathered) -> None:
    """Refuse all when too many rows are bad: then it is rather the source, or how it is read, that is wrong."""
    bad, read = gathered.refused.height, gathered.read
    if not bad or bad <= task.wanted.max_bad * read:
        return
    first = "; ".join(f"row {one['row']}: {one['reason']}" for one in gathered.refused.head(3).iter_rows(named=True))
    raise CallError(
        f"{bad:,} of {read:,} rows are bad ({bad / read:.1%}), and at most {task.wanted.max_bad:.1%} may be: nothing "
        f"was written; {first}",
        hint="mend the source; --separator, --encoding, --null and --format say how it is read, --max-bad how many may "
        "be bad",
    )


def _facts(task: Task, gathered: Gathered, choice: Choice, digest: str) -> Facts:
    return Facts(
        by=task.by,
        source=task.source,
        source_digest=digest,
        watermark=choice.watermark,
        quarantined=gathered.refused.height,
        note=task.wanted.note,
    )


def _write(task: Task, choice: Choice, facts: Facts, *, onto: int) -> Version | None:
    done = 0

    def count(batch: pl.DataFrame) -> pl.DataFrame:
        nonlocal done
        done += batch.height
        task.tell(Step(what=f"writing {task.name}", done=done))
        return batch

    rows = choice.rows
    if pl.Binary() not in rows.collect_schema().dtypes():  # bytes are looked at twice: that would be told twice
        rows = rows.map_batches(count, streamable=True, validate_output_schema=False)
    try:
        return task.catalogue.write(task.name, rows, how=choice.how, facts=facts, onto=onto)
    except ConflictError as error:
        raise MovedError(error.message, hint=error.hint) from error


def _remember(task: Task) -> None:
    """Remember key, time and contract before there are rows that rely on them."""
    entry = task.catalogue.entry(task.name) if task.catalogue.has(task.name) else None
    new = changes(entry, task.settled, owner=task.wanted.owner, described=task.described)
    if new or entry is None:
        task.catalogue.declare(task.name, **new)


def _told(gathered: Gathered, choice: Choice) -> dict[str, Any]:
    return {
        "read": gathered.read,
        "late": choice.late,
        "repeated": choice.repeated,
        "quarantined": gathered.refused.height,
        "refused": gathered.refused.head(_SHOWN).to_dicts(),
        "new_columns": gathered.new_columns,
        "missing_columns": gathered.missing_columns,
    }


def _nothing(task: Task, newest: Version | None, told: dict[str, Any]) -> Ingested:
    if not task.is_dry:
        _remember(task)
    columns = newest.columns if newest else {}
    return Ingested(dataset=task.name, mode=task.settled.mode, columns=columns, is_dry=task.is_dry, **told)


def _done(task: Task, gathered: Gathered, choice: Choice, version: Version | None, *, told: dict[str, Any]) -> Ingested:
    added, changed = (version.added, version.changed) if version else (0, 0)
    late = 0 if task.wanted.late else choice.late
    return Ingested(
        dataset=task.name,
        mode=task.settled.mode,
        version=version,
        columns=version.columns if version else spell(gathered.columns),
        added=added,
        changed=changed,
        removed=version.removed if version else 0,
        known=gathered.height - choice.repeated - late - added - changed,
        **told,
    )


def _dry(
    task: Task,
    gathered: Gathered,
    choice: Choice,
    there: tuple[Version, pl.LazyFrame] | None,
    *,
    told: dict[str, Any],
) -> Ingested:
    """Count what would be written."""
    rows = choice.rows.select(pl.len()).collect(engine="streaming").item()
    changed = 0
    if task.settled.mode is Mode.UPSERT and there is not None:
        keys = there[1].select(task.settled.key)
        same = choice.rows.join(keys, on=list(task.settled.key), how="semi")
        changed = same.select(pl.len()).collect(engine="streaming").item()
    late = 0 if task.wanted.late else choice.late
    return Ingested(
        dataset=task.name,
        mode=task.settled.mode,
        columns=spell(gathered.columns),
        added=rows - changed,
        changed=changed,
        known=gathered.height - choice.repeated - late - rows,
        is_dry=True,
        **told,
    )
