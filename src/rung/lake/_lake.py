"""The lake of one platform: where it lies, what goes in, what decisions read from it."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl
from deltalake.exceptions import DeltaError

from rung.errors import CallError, UnavailableError
from rung.lake import (
    _arms,
    _audit,
    _business,
    _capture,
    _condition,
    _facts,
    _health,
    _ledger,
    _lines,
    _move,
    _outcomes,
    _requests,
    _retention,
    _rewards,
    _shadow,
    _ship,
    _upkeep,
    sending,
)
from rung.lake._redact import Redaction
from rung.lake._tables import Table, first_line
from rung.lake.log import OUTCOMES, PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date

    from rung.lake._privacy import Privacy
    from rung.objects import Objects

__all__ = ["Lake"]

_LOOK_BACK: Final = timedelta(days=30)
_OPEN: Final = 32
"""Comparisons, and watches over requests, that stay open between looks."""


class Lake:
    """Delta tables of predictions and outcomes under one folder or URI.

    Any number of processes may read and ship; of those that ship, one works and the others wait.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        logs: str | Path | None = None,
        kept: Path | None = None,
        batch_bytes: int = 16 << 20,
        privacies: Mapping[str, Privacy] | None = None,
        sent: Objects | None = None,
    ) -> None:
        """Name the places; nothing is made or read yet.

        Args:
            root: Folder, or URI of an object store, that holds the tables.
            logs: Folder of the log files, on this machine; None: `log` in the root.
            kept: Folder for what was read of experiments under way; None: `ledgers` in a root on this machine.
            batch_bytes: About how many bytes of log one commit takes.
            privacies: By service, what of its requests and answers is left out when they are shipped.
            sent: Where machines that do not see the logs' folder send their lines to.

        Raises:
            CallError: The root is a URI and there is no folder for the logs.
        """
        if logs is None and "://" in str(root):
            raise CallError(f"the lake {root} is not on this machine, but logs are", hint="give the logs' folder")
        self.root = str(root)
        self.logs = Path(logs) if logs is not None else Path(root) / "log"
        self._batch_bytes = batch_bytes
        self._sent_to = sent
        self._redaction = Redaction(privacies or {})
        self.tables = {  # by stream
            stream: Table(f"{self.root}/{stream}", kind.schema, partition_by=("service", "date"))
            for stream, kind in _lines.KINDS.items()
        }
        self._quarantine = Table(f"{self.root}/quarantine", _ship.QUARANTINE_SCHEMA)
        self._upkeeps = [_upkeep.Upkeep(table) for table in (*self.tables.values(), self._quarantine)]
        self._kept = kept or (None if "://" in self.root else Path(self.root) / "ledgers")
        self._ledgers: dict[_facts.Question, _ledger.Ledger] = {}
        self._looking = threading.Lock()
        self._watches: dict[tuple[str, datetime], _health.Watch] = {}
        self._watching = threading.Lock()

    def ship(self) -> _ship.Shipped:
        """Move every line that was in the logs when the call began into the tables, each exactly once.

        Lines that other machines had sent by then are among them.

        Afterwards the rows are on the disk, and log files that nobody writes any more are gone. Lines that cannot be
        rows are in the quarantine, with the reason.

        Raises:
            UnavailableError: The tables did not take rows. What they did not take is still in the logs.
            IntegrityError: What another machine sent was changed.
        """
        total = _ship.Shipped()
        with _ship.locked(self.logs):
            if self._sent_to is not None:
                sending.take(self.logs, self._sent_to)
            for stream in self.tables:
                total += self._ship_stream(stream)
        return total

    def _ship_stream(self, stream: str) -> _ship.Shipped:
        try:
            return _ship.ship_stream(
                _ship.Route(
                    logs=self.logs,
                    stream=stream,
                    table=self.tables[stream],
                    quarantine=self._quarantine,
                    redaction=self._redaction,
                    batch_bytes=self._batch_bytes,
                )
            )
        except (DeltaError, OSError) as error:
            raise UnavailableError(
                f"the lake {self.root} does not take {stream} ({first_line(error)})",
                hint="nothing is lost: they are in the logs, and the next try takes them",
            ) from error

    def upkeep(self, *, budget_s: float = 5.0, keep_from: Mapping[str, date] | None = None) -> _upkeep.Upkept:
        """Look after the tables: join small files, shorten their logs, remove what is not needed any more.

        Whoever ships or reads goes on meanwhile. One thread of one process at a time.

        Args:
            budget_s: Nothing is begun after so many seconds; the next call goes on.
            keep_from: Services whose rows are not kept for ever, with the first day that is kept: by the time of a
                prediction, and by when an outcome came in. The lines in quarantine may be of any of them, and are kept
                from the latest of these days.

        Raises:
            UnavailableError: A table's disk or store does not work.
        """
        done, deadline = _upkeep.Upkept(), time.monotonic() + budget_s
        if keep_from:
            for table in self.tables.values():
                done += _retention.remove_days(table, keep_from)
            done += _retention.remove_lines(self._quarantine, max(keep_from.values()))
        for upkeep in self._upkeeps:
            done += upkeep.look(deadline=deadline)
        return done

    def condition(self) -> _condition.Condition:
        """Tell whether shipping and upkeep keep up."""
        return _condition.look(self.logs, self.tables, {"quarantine": self._quarantine})

    def adopt(self, folder: Path) -> list[str]:
        """Move the tables of a folder here, when this lake is in an object store; name those that were moved.

        Raises:
            ConflictError: There is another table of that name.
            UnavailableError: The object store does not take them.
        """
        if "://" not in self.root:
            return []
        with _ship.locked(self.logs):
            return _move.move(folder, self.root, [*self.tables, "quarantine"])

    def capture(self, scratch: Path) -> _capture.Capture:
        """Tell what the lake holds at one instant, for a backup; nothing is shipped meanwhile.

        Args:
            scratch: An empty folder for copies of what changes; data files are not copied.
        """
        return _capture.capture({**self.tables, "quarantine": self._quarantine}, self.logs, scratch)

    def marks(self) -> tuple[object, ...]:
        """Return what tells this state of predictions and outcomes from others: equal marks, equal rows."""
        return tuple(table.mark() for table in self.tables.values())

    def arms(
        self,
        experiment: str,
        *,
        metric: str,
        since: datetime,
        covariate: Literal["before"] | None = None,
    ) -> dict[str, _arms.ArmSums]:
        """Return the sums of `challenger` and `incumbent` over everything that was shipped.

        `compare` gives the same by stretch of equal traffic split, and the counts of outcomes.
        """
        return self.compare(experiment, metric=metric, since=since, covariate=covariate).arms

    def compare(
        self,
        experiment: str,
        *,
        metric: str,
        since: datetime,
        splits: Sequence[datetime] = (),
        covariate: Literal["before"] | None = None,
        look_back: timedelta = _LOOK_BACK,
    ) -> _arms.Comparison:
        """Aggregate one experiment for one business metric.

        Exposed are the units of production requests with that experiment. An outcome belongs to the unit that it
        names, or to the unit of the prediction that it names. It counts when it is timed (without a time: received)
        at the unit's first exposure or later; an outcome of a prediction is later by nature. Of outcomes with the
        same id, or without id with the same unit, prediction, time and value, the first one counts.

        What was read is kept in a folder of this machine: the next look reads only what was shipped since.

        Args:
            experiment: The id that the predictions carry.
            metric: The business metric's name.
            since: When the experiment began; older rows are not looked at.
            splits: When the traffic split changed, ascending; a stratum begins at each of them.
            covariate: "before" adds the sums that CUPED takes: a unit's covariate is the mean of its outcomes of the
                metric that came in before the experiment began. Units without any get the mean over those that have
                one, and so add nothing. With fewer than 100 units that have one it is left out.
            look_back: How long before the experiment outcomes are taken for the covariate.

        Raises:
            UnavailableError: What is kept cannot be written.
        """
        question = _facts.Question(
            experiment=experiment,
            metric=metric,
            since=since,
            splits=tuple(splits),
            look_back=None if covariate is None else look_back,
        )
        with self._looking:
            ledger = self._ledgers.pop(question, None) or _ledger.Ledger(self._kept, question)
            self._ledgers[question] = ledger  # the newest last
            while len(self._ledgers) > _OPEN:
                self._ledgers.pop(next(iter(self._ledgers)))
            return _arms.compare(ledger.look(self.tables[PREDICTIONS], self.tables[OUTCOMES]))

    def health(self, experiment: str, *, since: datetime, slow_ms: float = math.inf) -> dict[str, _health.Health]:
        """Count an experiment's production requests by the arm that they were assigned to; no outcome is needed.

        The next look at the same requests, since the same instant, reads only what was shipped in between.

        Args:
            experiment: The id that the predictions carry.
            since: Older requests are not looked at.
            slow_ms: A request that took longer is slow, milliseconds.

        Returns:
            By arm; an arm without a request is not there.
        """
        with self._watching:
            watch = self._watches.pop((experiment, since), None) or _health.Watch(experiment, since)
            self._watches[experiment, since] = watch  # the newest last
            while len(self._watches) > _OPEN:
                self._watches.pop(next(iter(self._watches)))
            return watch.look(self.tables[PREDICTIONS], slow_ms=slow_ms)

    def minutes(
        self, revision: str, *, since: datetime, until: datetime | None = None, slow_ms: float = math.inf
    ) -> list[_health.Minute]:
        """Count the production requests that a revision answered, minute by minute, oldest first.

        Args:
            revision: As `housing.v1.m2`.
            since: Older requests are not looked at.
            until: Nor are those from then on.
            slow_ms: A request that took longer is slow, milliseconds.
        """
        rows = self._rows(PREDICTIONS, revision.partition(".")[0], since)
        if until is not None:
            rows = rows.filter(pl.col("date") <= until.astimezone(UTC).date(), pl.col("time") < until)
        return _health.minutes(rows, revision, slow_ms=slow_ms)

    def shadow(
        self,
        service: str,
        major: int,
        *,
        shadow: str,
        since: datetime,
        sample: int = 2_000,
        tolerance: float = 1e-6,
    ) -> _shadow.Pairs:
        """Compare what a shadow answered with what production answered to the same requests.

        Args:
            service: The service.
            major: Its major.
            shadow: The revision that gets copies of the requests, as `housing.v1.m3`.
            since: Older copies are not looked at.
            sample: Requests whose predictions are compared, 1 to 10,000, and of these 10,000 instances at most. They
                are those with the lowest keys, which are hashes: a random sample, and the same at every call.
            tolerance: Numbers agree when they differ by at most this share of the larger one.

        Raises:
            CallError: `sample` is not between 1 and 10,000.
        """
        mirror = _shadow.Mirror(service=service, major=major, shadow=shadow, since=since)
        _requests.check(sample)
        return _shadow.pairs(self.tables[PREDICTIONS].scan(), mirror, sample=sample, tolerance=tolerance)

    def shadow_truth(
        self, service: str, major: int, *, shadow: str, metric: str, since: datetime, most: int = 1_000
    ) -> list[_shadow.Truth]:
        """Return outcomes beside what production and a shadow had predicted, newest first, to be scored by an author.

        An outcome belongs to the request that it names, or to the last one that its unit made before it. It is left
        out when the shadow got no copy of that request, or when one of the two did not answer it.

        Args:
            service: The service.
            major: Its major.
            shadow: The revision that gets copies of the requests, as `housing.v1.m3`.
            metric: The business metric of the outcomes.
            since: Older copies, and outcomes that came in earlier, are not looked at.
            most: How many are returned, 1 to 10,000.

        Raises:
            CallError: `most` is not between 1 and 10,000.
        """
        mirror = _shadow.Mirror(service=service, major=major, shadow=shadow, since=since)
        _requests.check(most)
        return _shadow.truth(
            self.tables[PREDICTIONS].scan(), self.tables[OUTCOMES].scan(), mirror, metric=metric, most=most
        )

    def rewards(self, experiment: str, *, metric: str, since: datetime) -> pl.DataFrame:
        """Return what came of the assignments of an experiment, for bandits and for estimates of other policies.

        An outcome belongs to the request that it names, or to the last one of the experiment that its unit made before
        it. Of outcomes that are the same the earliest counts.

        Returns:
            A row for each request that has an outcome: unit (its key), id, arm, revision (that answered), propensity
            (None when it was not logged), time (of the request), reward (mean of its outcomes), outcomes (how many),
            rewarded (when the last one happened).
        """
        question = _rewards.Rewarded(experiment=experiment, metric=metric, since=since)
        found = _rewards.rewards(self.tables[PREDICTIONS].scan(), self.tables[OUTCOMES].scan(), question)
        return found.sort("time", "id").collect(engine="streaming")

    def bandit_arms(
        self,
        experiment: str,
        *,
        metric: str,
        since: datetime,
        discount: float | None = None,
        now: datetime | None = None,
    ) -> dict[str, _rewards.BanditArm]:
        """Sum the rewards of an experiment by arm; a unit counts once per arm, with the mean of its rewards there.

        Args:
            experiment: The id that the predictions carry.
            metric: The business metric's name.
            since: When the experiment began; older rows are not looked at.
            discount: What a reward weighs after an hour, above 0 and at most 1; after two hours its square; None: 1.
            now: The instant from which the age of rewards is taken; None: this moment.

        Returns:
            By arm; an arm that got no request is not there.

        Raises:
            CallError: The discount is not above 0 and at most 1.
        """
        if discount is not None and not 0 < discount <= 1:
            raise CallError(f"the discount {discount} per hour must be above 0 and at most 1")
        question = _rewards.Rewarded(experiment=experiment, metric=metric, since=since)
        predictions, outcomes = self.tables[PREDICTIONS].scan(), self.tables[OUTCOMES].scan()
        rows = _rewards.rewards(predictions, outcomes, question)
        return _rewards.by_arm(question.requests(predictions), rows, discount=discount, now=now or datetime.now(UTC))

    def outcome_counts(
        self,
        service: str,
        major: int,
        *,
        since: datetime,
        metric: str | None = None,
        served: Collection[str] | None = None,
        settled: timedelta = timedelta(0),
        now: datetime | None = None,
    ) -> _outcomes.OutcomeReport:
        """Count what became of the outcomes of a major, how late they are, and how many units have one.

        Args:
            service: The service.
            major: Its major.
            since: Outcomes that came in earlier, and units that were first answered earlier, are not looked at.
            metric: One business metric; None: all.
            served: The revisions that serve; outcomes of others are counted as `retired`. None: all serve.
            settled: How long after its first answer a unit is expected to have an outcome.
            now: The instant from which that is taken; None: this moment.
        """
        question = _outcomes.Reported(
            service=service,
            major=major,
            since=since,
            exposed_before=(now or datetime.now(UTC)) - settled,
            metric=metric,
            served=served,
        )
        return _outcomes.report(self.tables[PREDICTIONS].scan(), self.tables[OUTCOMES].scan(), question)

    def audit(
        self,
        experiment: str,
        stretches: Sequence[_audit.Stretch],
        *,
        sample: int = 5_000,
        salt: str | None = None,
        other: str | None = None,
        grace: timedelta = timedelta(seconds=10),
    ) -> _audit.Audit:
        """Check assignments against the gateway's arithmetic, and test whether they look random.

        Args:
            experiment: The id that the predictions carry.
            stretches: The times of equal shares, in order: `Stretch.of(begin, production)`.
            sample: Units that are looked at, 1 to 10,000: those with the lowest keys, which are hashes.
            salt: What the gateway hashes ahead of the unit; None: the experiment's id.
            other: The salt of another experiment; the assignments of the same units should be independent.
            grace: How long the gateway may take to take new shares; requests of that time are not looked at.

        Raises:
            CallError: `sample` is not between 1 and 10,000, or the stretches are none or not in order.
        """
        _requests.check(sample)
        rows = _audit.seen(self.tables[PREDICTIONS].scan(), experiment, stretches, sample=sample, grace=grace)
        return _audit.audit(rows, stretches, salt=experiment if salt is None else salt, other=other)

    def business(self, service: str, major: int, *, since: datetime | None = None) -> list[_business.Measured]:
        """Return every business metric of every revision of a major, over all production that was shipped.

        Args:
            service: The service.
            major: Its major.
            since: Predictions and outcomes of older days are not looked at.
        """
        recent = pl.lit(value=True) if since is None else pl.col("date") >= since.astimezone(UTC).date()
        return _business.measure(
            self.tables[PREDICTIONS].scan().filter(recent),
            self.tables[OUTCOMES].scan().filter(recent),
            service=service,
            major=major,
        )

    def units(self, service: str, major: int, *, metric: str, since: datetime, most: int) -> pl.DataFrame:
        """Return the newest units of a major that have an outcome, one row each.

        Args:
            service: The service.
            major: Its major.
            metric: The business metric.
            since: Older days are not looked at.
            most: Units at the most.

        Returns:
            unit (a key), total, mean and number of its outcomes (total, mean, outcomes), and when the first happened.
        """
        return _business.units(
            self.tables[PREDICTIONS].scan(),
            self.tables[OUTCOMES].scan(),
            (service, major),
            metric=metric,
            since=since,
            most=most,
        )

    def traffic(self, service: str, major: int, *, since: datetime) -> _business.Traffic:
        """Count the distinct units of a major's production since an instant."""
        return _business.traffic(self.tables[PREDICTIONS].scan(), service, major, since=since)

    def predictions(self) -> pl.LazyFrame:
        """Return the table of predictions, to be filtered by `service` and `date` first: it is partitioned by them."""
        return self.tables[PREDICTIONS].scan()

    def outcomes(self) -> pl.LazyFrame:
        """Return the table of outcomes, partitioned by `service` and the `date` on which they were received."""
        return self.tables[OUTCOMES].scan()

    def quarantine(self) -> pl.LazyFrame:
        """Return the lines that could not be rows: stream, file, position in bytes, reason, line."""
        return self._quarantine.scan()

    def prediction(self, prediction_id: str) -> dict[str, Any] | None:
        """Return the row of one prediction, JSON as text, times in UTC; None when it was not shipped.

        Of the rows of a request that was mirrored or replayed it is production's.
        """
        return _requests.find(self.tables[PREDICTIONS].scan(), prediction_id)

    def count(self, stream: str = PREDICTIONS, *, service: str | None = None, since: datetime | None = None) -> int:
        """Count the rows of a stream, of one service and from an instant on when these are given."""
        rows = self._rows(stream, service, since)
        return int(rows.select(pl.len()).collect(engine="streaming").item())

    def recent(
        self, service: str, major: int, n: int, *, since: datetime | None = None, sample: bool = False
    ) -> list[dict[str, Any]]:
        """Return requests that production answered with a status of 2xx, newest first, to be replayed or looked at.

        Args:
            service: The service.
            major: Its major.
            n: How many, 1 to 10,000.
            since: Older ones are not looked at.
            sample: Take a random sample of all rather than the last ones; the same rows give the same sample.

        Returns:
            Of each: id, time, revision, route, unit, instances, parameters, predictions (JSON as text), status,
            duration_ms.

        Raises:
            CallError: `n` is not between 1 and 10,000.
        """
        answered = self._rows(PREDICTIONS, service, since).filter(
            pl.col("major") == major, _requests.PRODUCTION, _requests.ANSWERED
        )
        return _requests.pick(answered, n, sample=sample)

    def _rows(self, stream: str, service: str | None, since: datetime | None) -> pl.LazyFrame:
        rows = self.tables[stream].scan()
        if service is not None:
            rows = rows.filter(pl.col("service") == service)
        if since is not None:
            instant = "time" if stream == PREDICTIONS else "received"
            rows = rows.filter(pl.col("date") >= since.astimezone(UTC).date(), pl.col(instant) >= since)
        return rows
