"""Sketches of production, kept beside the lake: each look reads only what was shipped since the last one.

Serving does none of this: what a server logs anyway is sketched where it is shipped to (ADR 23). Files are written
under new names, then `state.json` in one step, which names them and says how far the table was read: what is killed
in between is as if it had not begun. All of it can be thrown away: then the table is read from its beginning.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.errors import UnavailableError
from rung.lake import PREDICTIONS
from rung.lake._tables import Mark
from rung.monitoring._rows import READ
from rung.monitoring._sketch import Sketch, sketch, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from rung.lake import Lake

__all__ = ["KEEP_DAYS", "Ledger"]

_FORMAT: Final = 1
_BATCH: Final = 20_000
"""Requests whose JSON is taken apart at once."""
_HOURS: Final = timedelta(days=2)
"""So long a day is kept by the hour; then it is one sketch."""
KEEP_DAYS: Final = 60
_COLUMNS: Final = (*dict.fromkeys((*READ, "major", "minor", "status", "duration_ms")),)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Bucket:
    """Which requests a sketch is of."""

    revision: str
    route: str
    begin: datetime  # UTC; of an hour, or of a day
    is_day: bool = False

    @property
    def key(self) -> str:
        return f"{self.revision} {self.route} {self.begin:%Y-%m-%d}{'' if self.is_day else f'T{self.begin:%H}'}"

    @classmethod
    def parse(cls, key: str) -> _Bucket:
        revision, route, time = key.split(" ")
        is_day = "T" not in time
        begin = datetime.strptime(time, "%Y-%m-%d" if is_day else "%Y-%m-%dT%H").replace(tzinfo=UTC)
        return cls(revision=revision, route=route, begin=begin, is_day=is_day)


@dataclass(slots=True)
class Ledger:
    """The sketches of one service."""

    folder: Path
    service: str
    vocabularies: Callable[[str], Mapping[str, frozenset[int]]]  # words that are known, by revision
    keep_days: int = KEEP_DAYS
    _mark: Mark | None = None
    _files: dict[_Bucket, str] = field(default_factory=dict)

    def look(self, lake: Lake, *, now: datetime) -> int:
        """Take what was shipped since the last look, and tell how many requests that were.

        Raises:
            UnavailableError: The lake cannot be read, or the folder not be written.
        """
        try:
            with self._locked():
                self._load()
                return self._take(lake, now)
        except OSError as error:
            raise UnavailableError(
                f"sketches of {self.service} cannot be kept in {self.folder}: {error.strerror}",
                hint="free space there; the next look goes on",
            ) from error

    def series(self, revision: str, route: str | None, since: datetime, until: datetime) -> dict[datetime, Sketch]:
        """Give the sketches that begin within a time, by their beginning; without a route all routes together."""
        found: dict[datetime, list[Sketch]] = defaultdict(list)
        for bucket in sorted(self._files):
            if bucket.revision == revision and route in {None, bucket.route} and since <= bucket.begin < until:
                found[bucket.begin].append(self._read(bucket))
        return {begin: together(sketches) for begin, sketches in found.items()}

    def revisions(self, since: datetime) -> dict[str, dict[str, int]]:
        """Name the revisions that answered since an instant: by route, in how many hours or days."""
        found: dict[str, dict[str, int]] = {}
        for bucket in sorted(self._files):
            if bucket.begin >= since:
                routes = found.setdefault(bucket.revision, {})
                routes[bucket.route] = routes.get(bucket.route, 0) + 1
        return found

    def first(self, revision: str) -> datetime | None:
        """Tell since when a revision's production is known."""
        return min((bucket.begin for bucket in self._files if bucket.revision == revision), default=None)

    def _take(self, lake: Lake, now: datetime) -> int:
        changes = lake.tables[PREDICTIONS].changes(self._mark)
        if changes.mark == self._mark:
            return 0
        files = {} if changes.whole else dict(self._files)
        new: dict[_Bucket, list[Sketch]] = defaultdict(list)
        oldest, count = now - timedelta(days=self.keep_days), 0
        for part in changes.parts:
            wanted = part.filter(
                pl.col("service") == self.service,
                pl.col("date") >= oldest.date(),
                pl.col("kind") == "production",
            ).select(_COLUMNS)
            for batch in wanted.collect_batches(chunk_size=_BATCH):
                count += batch.height
                for bucket, one in self._sketches(batch, _first_hour(now)):
                    new[bucket] = [together([*new[bucket], one])]
        self._save(changes.mark, self._written(files, new, now))
        return count

    def _sketches(self, answers: pl.DataFrame, first_hour: datetime) -> Iterator[tuple[_Bucket, Sketch]]:
        """Sketch requests by the hour, and those of days that are long over at once by the day."""
        time = pl.col("time")
        begins = (
            pl.when(time.dt.date() < first_hour.date()).then(time.dt.truncate("1d")).otherwise(time.dt.truncate("1h"))
        )
        parts = answers.with_columns(begin=begins).partition_by("revision", "route", "begin", as_dict=True)
        for (revision, route, since), rows in parts.items():
            begin = since.replace(tzinfo=UTC)
            bucket = _Bucket(revision=revision, route=route, begin=begin, is_day=begin < first_hour)
            yield bucket, sketch(rows, self.vocabularies(revision))

    def _written(
        self, files: dict[_Bucket, str], new: Mapping[_Bucket, list[Sketch]], now: datetime
    ) -> dict[_Bucket, str]:
        """Write what changed: new sketches to those of their hours, and hours that are long over to their days."""
        changed: dict[_Bucket, list[Sketch]] = defaultdict(list)
        first_hour = _first_hour(now)
        oldest = now - timedelta(days=self.keep_days)
        for bucket in set(files) | set(new):
            day = _Bucket(revision=bucket.revision, route=bucket.route, begin=bucket.begin.replace(hour=0), is_day=True)
            target = day if bucket.begin < first_hour else bucket
            if target != bucket or bucket in new:
                changed[target] += new.get(bucket, [])
        kept = {bucket: file for bucket, file in files.items() if bucket.begin >= oldest}
        for target, sketches in changed.items():
            for bucket in [one for one in kept if _is_within(one, target)]:
                sketches.append(self._read(bucket, kept.pop(bucket)))
            if sketches:
                kept[target] = self._write(together(sketches))
        return kept

    def _read(self, bucket: _Bucket, file: str | None = None) -> Sketch:
        data = zlib.decompress((self.folder / (file or self._files[bucket])).read_bytes())
        return Sketch.from_json(json.loads(data))

    def _write(self, one: Sketch) -> str:
        name = f"{os.urandom(8).hex()}.sketch"
        with (self.folder / name).open("xb") as file:
            file.write(zlib.compress(json.dumps(one.to_json(), separators=(",", ":")).encode(), 1))
            file.flush()
            os.fsync(file.fileno())
        return name

    def _load(self) -> None:
        """Go on from what is written down, unless it is not whole."""
        self._mark, self._files = None, {}
        try:
            state: dict[str, Any] = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
            files = {_Bucket.parse(key): str(file) for key, file in state["files"].items()}
            if state["format"] == _FORMAT and all((self.folder / file).is_file() for file in files.values()):
                self._mark, self._files = Mark(**state["mark"]), files
        except (OSError, ValueError, KeyError, TypeError):
            return

    def _save(self, mark: Mark, files: dict[_Bucket, str]) -> None:
        named = {bucket.key: file for bucket, file in sorted(files.items())}
        fresh = self.folder / "state.json.new"
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"format": _FORMAT, "mark": asdict(mark), "files": named}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.folder / "state.json")
        self._mark, self._files = mark, files
        for path in self.folder.glob("*.sketch"):
            if path.name not in named.values():
                path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait until no other process looks, and keep others waiting."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _first_hour(now: datetime) -> datetime:
    """Give the midnight from which on sketches are of hours."""
    return (now - _HOURS).replace(hour=0, minute=0, second=0, microsecond=0)


def _is_within(one: _Bucket, target: _Bucket) -> bool:
    same = (one.revision, one.route) == (target.revision, target.route)
    return same and (one == target or (target.is_day and one.begin.date() == target.begin.date()))
