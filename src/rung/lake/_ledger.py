"""What the rows of an A/B test add up to so far, kept beside the tables: a look reads only the rows that are new.

Rows are in shares of the units (`_spill`). A share's base is sorted, in a file, and its sums are known. Rows that came
since are its delta, in memory. They concern few units, and units do not meddle with each other, so

    sums of all = sums of the base - sums of these units in the base + sums of these units in base and delta.

When the deltas have grown they are folded into the bases, which are written down with the versions of the tables that
were read so far. A process that comes later goes on from there. All of it can be thrown away at any time: then the
tables are read from their beginning.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import operator
import os
import shutil
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import reduce
from hashlib import blake2b
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rung.errors import UnavailableError
from rung.lake import _units
from rung.lake._facts import GROUPS, TRAFFIC, deal, microseconds
from rung.lake._spill import SHARES
from rung.lake._tables import Mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rung.lake._facts import News, Question
    from rung.lake._tables import Changes, Table

__all__ = ["Ledger", "Total"]

_FORMAT: Final = 1
"""What other formats wrote is not read."""
_WORKERS: Final = 4
"""Shares that are folded at once: of ten million units each takes about 60 MB."""
_FOLD_ROWS: Final = 50_000
_FOLD_SHARE: Final = 1 / 32
"""Deltas are folded when they have more rows than that, and than this share of the bases."""
_FORGOTTEN_S: Final = 24 * 3600.0
"""A ledger that was not written for so long goes when another one is written, seconds."""
_UNITS: Final = ("exposed", "measured", "before")
_NAMES: Final = ("owners", "named", "owners_before", "named_before")
_LEAD: Final = (("owners", "named", "measured"), ("owners_before", "named_before", "before"))
"""Requests by id, the outcomes that name one of them, and what these become."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Everything that a look is told."""

    sums: _units.Sums
    traffic: pl.DataFrame  # columns of TRAFFIC
    received: int  # outcomes since the experiment began


@dataclass(slots=True)
class _Pile:
    """Rows of some units, or of some ids: of each group an array, shape (columns, rows), the key first."""

    groups: tuple[str, ...]
    base: dict[str, _units.Ints] = field(default_factory=dict)  # in the order of the keys
    delta: dict[str, _units.Ints] = field(default_factory=dict)
    file: str = ""  # that holds the base
    mapping: mmap.mmap | None = None  # of that file

    def __post_init__(self) -> None:
        self.base = self.base or _nothing(self.groups)
        self.delta = _nothing(self.groups)

    @property
    def fresh(self) -> int:
        """Rows of the delta."""
        return sum(rows.shape[1] for rows in self.delta.values())

    def add(self, group: str, rows: _units.Ints) -> None:
        """Append to the delta."""
        if rows.size:
            self.delta[group] = np.concatenate((self.delta[group], rows), axis=1)

    def all(self, group: str) -> _units.Ints:
        """Return base and delta in one."""
        return np.concatenate((self.base[group], self.delta[group]), axis=1)

    def concerned(self, group: str, keys: _units.Ints) -> _units.Ints:
        """Return the base's rows with these keys, which ascend."""
        rows = self.base[group]
        first = np.searchsorted(rows[0], keys)
        counts = np.searchsorted(rows[0], keys, side="right") - first
        skipped = np.cumsum(counts) - counts
        return rows[:, np.repeat(first - skipped, counts) + np.arange(counts.sum())]

    def advise(self, advice: int) -> None:
        """Tell the kernel how the base is read next; pages that were read count as memory until then."""
        if self.mapping is not None:
            self.mapping.madvise(advice)


@dataclass(slots=True)
class _Share:
    sums: _units.Sums  # of the units' base
    units: _Pile = field(default_factory=lambda: _Pile(_UNITS))
    names: _Pile = field(default_factory=lambda: _Pile(_NAMES))
    keys: _units.Ints = field(
        default_factory=lambda: np.zeros(0, dtype=np.int64)
    )  # of the units in the delta, ascending
    recalled: dict[str, _units.Ints] = field(default_factory=lambda: _nothing(_UNITS))  # rows of these in the base

    def take(self, news: Mapping[str, _units.Ints]) -> None:
        """Append to the delta, and recall what the base has of units that were not in it yet."""
        for group, rows in news.items():
            self.units.add(group, rows)
        keys = np.unique(np.concatenate([rows[0] for rows in news.values()]))
        fresh = np.setdiff1d(keys, self.keys, assume_unique=True)
        if fresh.size:
            self.keys = np.union1d(self.keys, fresh)
            for group, rows in self.recalled.items():
                self.recalled[group] = np.concatenate((rows, self.units.concerned(group, fresh)), axis=1)
            self.units.advise(mmap.MADV_DONTNEED)

    def lead(self, number: int, news: News) -> None:
        """Give outcomes that name a prediction to the unit that it was made for; those of no known prediction wait.

        They come after their prediction, whatever the consumer's clock says.
        """
        for owners, named, becomes in _LEAD:
            self.names.add(owners, _taken(news, owners, number))
            waiting = np.concatenate((self.names.all(named), _taken(news, named, number)), axis=1)
            units, moments, known = self._owners(owners, waiting[0])
            self.names.base[named], self.names.delta[named] = _empty(named), waiting[:, ~known]
            _, same, times, values = waiting[:, known]
            news.rows[becomes].add(units, same, np.maximum(times, moments >> 1), values)

    def _owners(self, group: str, keys: _units.Ints) -> tuple[_units.Ints, _units.Ints, _units.Flags]:
        """Return unit and exposure of the predictions with these keys that are known, and which are."""
        owners = np.full((2, keys.size), -1)
        known = np.zeros(keys.size, dtype=np.bool_)
        fresh = self.names.delta[group]
        for rows in (self.names.base[group], fresh[:, _units.sort_order(fresh[0])] if keys.size else fresh):
            places = _units.find(rows[0], keys)
            found = places >= 0
            owners[:, found] = rows[1:, places[found]]
            known |= found
        self.names.advise(mmap.MADV_DONTNEED)
        return owners[0, known], owners[1, known], known


class Ledger:
    """One experiment, one metric. For one thread at a time; any number of processes may have the same root."""

    _owners: bool  # requests are kept by their id, too: there are outcomes that name a prediction alone
    _marks: tuple[Mark, ...]  # up to where predictions and outcomes were read; empty: not at all
    _known: Total | None  # what the last look was told
    _traffic: pl.DataFrame  # columns of TRAFFIC
    _received: int  # outcomes since the experiment began
    _shares: list[_Share]

    def __init__(self, root: Path | None, question: Question, *, fold_rows: int = _FOLD_ROWS) -> None:
        """Go on from what is kept.

        Args:
            root: Folder of all ledgers; None: nothing is kept when the process ends.
            question: What to compare.
            fold_rows: Rows that may lie in memory before they are written.
        """
        if root is None:
            root = Path(mkdtemp(prefix="rung-ledger-"))
            weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        self._folder = root / _digest(question)
        self._question = question
        self._splits = np.array([microseconds(split) for split in question.splits], dtype=np.int64)
        self._fold_rows = fold_rows
        self._begin(owners=False)
        self._load()

    def look(self, predictions: Table, outcomes: Table) -> Total:
        """Take what is new in the tables, and return what everything adds up to.

        Raises:
            UnavailableError: The bases cannot be written.
        """
        changes = self._changes(predictions, outcomes)
        marks = tuple(change.mark for change in changes)
        if self._known is not None and marks == self._marks:
            return self._known
        with self._deal(changes) as news:
            if self._misses(news):
                self._begin(owners=self._owners or news.names)
                return self.look(predictions, outcomes)
            if self._services or news.services:  # or else nobody is in it yet, and whose outcomes matter is not known
                self._take(news, marks)
        self._known = self._total()
        return self._known

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Up to where predictions and outcomes were read; empty while nobody is in the experiment."""
        return self._marks

    @property
    def _services(self) -> set[str]:
        return set(self._traffic["service"].unique())

    def _begin(self, *, owners: bool) -> None:
        self._owners = owners
        self._marks = ()
        self._known = None
        self._traffic = TRAFFIC.to_frame()
        self._received = 0
        zero = _summarize(_nothing(_UNITS), self._splits)
        self._shares = [_Share(zero) for _ in range(SHARES)]

    def _changes(self, predictions: Table, outcomes: Table) -> list[Changes]:
        tables = (predictions, outcomes)
        if self._marks:
            changes = [table.changes(mark) for table, mark in zip(tables, self._marks, strict=True)]
            if not any(change.whole for change in changes):
                return changes
            self._begin(owners=self._owners)
        return [table.changes(None) for table in tables]

    def _deal(self, changes: Sequence[Changes]) -> News:
        predictions, outcomes = (change.parts for change in changes)
        return deal(predictions, outcomes, self._question, services=self._services, owners=self._owners)

    def _misses(self, news: News) -> bool:
        """Tell whether rows that were read before matter only now."""
        new_service = bool(self._services) and not news.services <= self._services
        return new_service or (news.names and not self._owners)

    def _take(self, news: News, marks: tuple[Mark, ...]) -> None:
        try:
            self._marks = marks
            self._received += news.received
            both = pl.concat([self._traffic, news.traffic])
            self._traffic = both.group_by(TRAFFIC.names()[:-1]).agg(pl.col("count").sum()).sort(pl.all())
            if self._is_due(news):
                self._fold(news)
            else:
                self._append(news)
        except BaseException as error:
            self._begin(owners=self._owners)  # half of the news may be in
            if isinstance(error, OSError):
                raise UnavailableError(
                    f"what an A/B test adds up to cannot be kept in {self._folder}: {error.strerror}",
                    hint="free space there; the next look reads the tables from their beginning",
                ) from error
            raise

    def _is_due(self, news: News) -> bool:
        piles = [pile for share in self._shares for pile in (share.units, share.names)]
        kept = sum(rows.shape[1] for pile in piles for rows in pile.base.values())
        fresh = sum(pile.fresh for pile in piles) + sum(spill.rows for spill in news.rows.values())
        return bool(fresh > max(self._fold_rows, kept * _FOLD_SHARE))

    def _append(self, news: News) -> None:
        """Put the news into the deltas."""
        if self._owners:
            for number, share in enumerate(self._shares):
                share.lead(number, news)
        for number, share in enumerate(self._shares):
            share.take({group: _taken(news, group, number) for group in _UNITS})

    def _fold(self, news: News) -> None:
        """Put deltas and news into the bases, and write these down."""
        with _locked(self._folder):
            token = os.urandom(6).hex()
            if self._owners:
                for number, share in enumerate(self._shares):
                    share.lead(number, news)
                    share.names.advise(mmap.MADV_SEQUENTIAL)
                    rows = {group: _sorted(group, share.names.all(group)) for group in _NAMES}
                    share.names = self._written(f"{token}-names-{number:02}", rows)
            with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool:
                list(pool.map(lambda number: self._fold_units(number, news, token), range(SHARES)))
            self._save()
            self._forget()

    def _fold_units(self, number: int, news: News, token: str) -> None:
        share = self._shares[number]
        for group in _UNITS:
            share.units.add(group, _taken(news, group, number))
        share.units.advise(mmap.MADV_SEQUENTIAL)
        rows = {group: _sorted(group, share.units.all(group)) for group in _UNITS}
        units = self._written(f"{token}-units-{number:02}", rows)
        self._shares[number] = _Share(_summarize(rows, self._splits), units, share.names)

    def _written(self, name: str, rows: Mapping[str, _units.Ints]) -> _Pile:
        """Write rows to the disk, and return them as the base of a pile."""
        path = self._folder / name
        with path.open("xb") as file:
            for columns in rows.values():
                file.write(np.ascontiguousarray(columns).data)
            file.flush()
            os.fsync(file.fileno())
        return _mapped(path, tuple(rows), [columns.shape[1] for columns in rows.values()])

    def _total(self) -> Total:
        sums = reduce(operator.add, (share.sums for share in self._shares))
        recalled = [share.recalled for share in self._shares]
        deltas = [share.units.delta for share in self._shares]
        sums = sums - self._summarized(recalled) + self._summarized(recalled + deltas)
        return Total(sums=sums, traffic=self._traffic, received=self._received)

    def _summarized(self, parts: Sequence[Mapping[str, _units.Ints]]) -> _units.Sums:
        joined = {group: np.concatenate([rows[group] for rows in parts], axis=1) for group in _UNITS}
        return _summarize(joined, self._splits)

    def _save(self) -> None:
        """Write down what the bases are, in one step."""
        state = {
            **self._identity(),
            "owners": self._owners,
            "received": self._received,
            "marks": [asdict(mark) for mark in self._marks],
            "traffic": self._traffic.rows(),
            "shares": [
                {
                    "sums": asdict(share.sums) | {"cells": share.sums.cells.tolist()},
                    "units": [share.units.file, [share.units.base[group].shape[1] for group in _UNITS]],
                    "names": [share.names.file, [share.names.base[group].shape[1] for group in _NAMES]],
                }
                for share in self._shares
            ],
        }
        fresh = self._folder / "state.json.new"
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._folder / "state.json")

    def _load(self) -> None:
        """Go on from what is written down, unless it is not whole or about something else."""
        try:
            state = json.loads((self._folder / "state.json").read_text(encoding="utf-8"))
            if any(state[name] != value for name, value in self._identity().items()):
                return
            self._shares = [self._read(share) for share in state["shares"]]
            self._traffic = pl.DataFrame(state["traffic"], schema=TRAFFIC, orient="row")
            self._owners, self._received = bool(state["owners"]), int(state["received"])
            self._marks = tuple(Mark(**mark) for mark in state["marks"])
        except (OSError, ValueError, KeyError, TypeError):
            self._begin(owners=False)

    def _read(self, share: Mapping[str, Any]) -> _Share:
        sums = _units.Sums(**share["sums"] | {"cells": np.array(share["sums"]["cells"])})
        return _Share(sums, self._found(_UNITS, *share["units"]), self._found(_NAMES, *share["names"]))

    def _found(self, groups: tuple[str, ...], file: str, counts: Sequence[int]) -> _Pile:
        return _mapped(self._folder / file, groups, counts) if file else _Pile(groups)

    def _identity(self) -> dict[str, Any]:
        return {"format": _FORMAT, "fields": list(_units.FIELDS), "splits": self._splits.tolist()}

    def _forget(self) -> None:
        """Remove files of former bases, and ledgers that nobody has written for a long time."""
        kept = {"lock", "state.json", *(pile.file for share in self._shares for pile in (share.units, share.names))}
        for path in self._folder.iterdir():
            if path.name not in kept:
                path.unlink()
        for folder in self._folder.parent.iterdir():
            if folder != self._folder and time.time() - folder.stat().st_mtime > _FORGOTTEN_S:
                shutil.rmtree(folder, ignore_errors=True)


def _digest(question: Question) -> str:
    asked = (question.experiment, question.metric, microseconds(question.since), str(question.look_back))
    return blake2b(repr(asked).encode(), digest_size=16).hexdigest()


def _empty(group: str) -> _units.Ints:
    return np.zeros((GROUPS[group], 0), dtype=np.int64)


def _nothing(groups: Sequence[str]) -> dict[str, _units.Ints]:
    return {group: _empty(group) for group in groups}


def _taken(news: News, group: str, number: int) -> _units.Ints:
    """Return a share of the news, once."""
    return np.stack(news.rows[group].take(number))


def _sorted(group: str, rows: _units.Ints) -> _units.Ints:
    """Put rows in the order of their keys; of requests only those stay that say something."""
    if group == "exposed":
        short = _units.shorten(_units.Exposures(units=rows[0], moments=rows[1]))
        return np.stack((short.units, short.moments))
    return rows[:, _units.sort_order(rows[0])]


def _mapped(path: Path, groups: Sequence[str], counts: Sequence[int]) -> _Pile:
    """Return the pile in a file, whose pages are read when they are needed."""
    sizes = [GROUPS[group] * count for group, count in zip(groups, counts, strict=True)]
    if path.stat().st_size != 8 * sum(sizes):
        raise ValueError(f"{path} is not as long as it was when it was written")
    mapping = None
    if sum(sizes):
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    numbers = np.frombuffer(mapping or b"", dtype=np.int64)
    columns = np.split(numbers, np.cumsum(sizes)[:-1])
    base = {group: rows.reshape(GROUPS[group], -1) for group, rows in zip(groups, columns, strict=True)}
    return _Pile(tuple(groups), base=base, file=path.name, mapping=mapping)


def _summarize(rows: Mapping[str, _units.Ints], splits: _units.Ints) -> _units.Sums:
    units, moments = rows["exposed"]
    exposures = _units.Exposures(units=units, moments=moments)
    return _units.summarize(exposures, _outcomes(rows["measured"]), _outcomes(rows["before"]), splits)


def _outcomes(rows: _units.Ints) -> _units.Outcomes:
    units, same, times, values = rows
    return _units.Outcomes(units=units, same=same, times=times, values=values.view(np.float64))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process writes into the folder, and keep others waiting."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
