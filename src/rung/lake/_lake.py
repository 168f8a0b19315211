"""The lake of one platform: where it lies, what goes in, what decisions read from it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.errors import CallError
from rung.lake import _arms, _business, _lines, _ship
from rung.lake._tables import Table
from rung.lake.log import OUTCOMES, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Lake"]

_FIRST_ERROR: Final = 400
"""HTTP statuses from here on are refusals and failures."""


class Lake:
    """Delta tables of predictions and outcomes under one folder or URI.

    Any number of processes may read and ship; of those that ship, one works and the others wait.
    """

    def __init__(self, root: str | Path, *, logs: str | Path | None = None, batch_bytes: int = 64 << 20) -> None:
        """Name the places; nothing is made or read yet.

        Args:
            root: Folder, or URI of an object store, that holds the tables.
            logs: Folder of the log files, on this machine; None: `log` in the root.
            batch_bytes: About how many bytes of log one commit takes.

        Raises:
            CallError: The root is a URI and there is no folder for the logs.
        """
        if logs is None and "://" in str(root):
            raise CallError(f"the lake {root} is not on this machine, but logs are", hint="give the logs' folder")
        self.root = str(root)
        self.logs = Path(logs) if logs is not None else Path(root) / "log"
        self._batch_bytes = batch_bytes
        self._tables = {
            stream: Table(f"{self.root}/{stream}", kind.schema, partition_by=("service", "date"))
            for stream, kind in _lines.KINDS.items()
        }
        self._quarantine = Table(f"{self.root}/quarantine", _ship.QUARANTINE_SCHEMA)

    def ship(self) -> _ship.Shipped:
        """Move every line that was in the logs when the call began into the tables, each exactly once.

        Afterwards the rows are on the disk, and log files that nobody writes any more are gone. Lines that cannot be
        rows are in the quarantine, with the reason.
        """
        total = _ship.Shipped()
        with _ship.locked(self.logs):
            for stream, table in self._tables.items():
                total += _ship.ship_stream(self.logs, stream, table, self._quarantine, batch_bytes=self._batch_bytes)
        return total

    def arms(
        self,
        experiment: str,
        *,
        metric: str,
        since: datetime,
    ) -> dict[str, _arms.ArmSums]:
        """Return the sums of `challenger` and `incumbent` over everything that was shipped.

        `compare` gives the same by stretch of equal traffic split, and the counts of outcomes.
        """
        return self.compare(experiment, metric=metric, since=since).arms

    def compare(
        self, experiment: str, *, metric: str, since: datetime, splits: Sequence[datetime] = ()
    ) -> _arms.Comparison:
        """Aggregate one experiment for one business metric.

        Exposed are the units of production requests with that experiment. An outcome belongs to the unit that it
        names, or to the unit of the prediction that it names. It counts when it is timed (without a time: received)
        at the unit's first exposure or later; an outcome of a prediction is later by nature. Of outcomes with the
        same id, or without id with the same unit, prediction, time and value, the first one counts.

        Args:
            experiment: The id that the predictions carry.
            metric: The business metric's name.
            since: When the experiment began; older rows are not looked at.
            splits: When the traffic split changed, ascending; a stratum begins at each of them.
        """
        return _arms.compare(
            self._tables[PREDICTIONS].parts(),
            self._tables[OUTCOMES].parts(),
            _arms.Question(experiment=experiment, metric=metric, since=since, splits=tuple(splits)),
        )

    def business(self, service: str, major: int) -> list[_business.Measured]:
        """Return every business metric of every revision of a major, over all production that was shipped."""
        return _business.measure(
            self._tables[PREDICTIONS].scan(), self._tables[OUTCOMES].scan(), service=service, major=major
        )

    def predictions(self) -> pl.LazyFrame:
        """Return the table of predictions, to be filtered by `service` and `date` first: it is partitioned by them."""
        return self._tables[PREDICTIONS].scan()

    def outcomes(self) -> pl.LazyFrame:
        """Return the table of outcomes, partitioned by `service` and the `date` on which they were received."""
        return self._tables[OUTCOMES].scan()

    def quarantine(self) -> pl.LazyFrame:
        """Return the lines that could not be rows: stream, file, position in bytes, reason, line."""
        return self._quarantine.scan()

    def prediction(self, prediction_id: str) -> dict[str, Any] | None:
        """Return the row of one prediction, JSON as text, times in UTC; None when it was not shipped."""
        rows = self._tables[PREDICTIONS].scan().filter(pl.col("id") == prediction_id).head(1)
        return next(rows.collect(engine="streaming").iter_rows(named=True), None)

    def count(self, stream: str = PREDICTIONS, *, service: str | None = None, since: datetime | None = None) -> int:
        """Count the rows of a stream, of one service and from an instant on when these are given."""
        rows = self._rows(stream, service, since)
        return int(rows.select(pl.len()).collect(engine="streaming").item())

    def recent(self, service: str, major: int, n: int) -> list[dict[str, Any]]:
        """Return the last `n` answered production requests of a major, newest first, to be replayed or looked at."""
        rows = self._rows(PREDICTIONS, service, None).filter(
            pl.col("major") == major, pl.col("kind") == "production", pl.col("status") < _FIRST_ERROR
        )
        return rows.top_k(n, by="time").sort("time", descending=True).collect(engine="streaming").to_dicts()

    def _rows(self, stream: str, service: str | None, since: datetime | None) -> pl.LazyFrame:
        rows = self._tables[stream].scan()
        if service is not None:
            rows = rows.filter(pl.col("service") == service)
        if since is not None:
            instant = "time" if stream == PREDICTIONS else "received"
            rows = rows.filter(pl.col("date") >= since.astimezone(UTC).date(), pl.col(instant) >= since)
        return rows
