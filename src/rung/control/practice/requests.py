"""What people do about business metrics: reviews of a declaration, and requests for data. Append-only events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.errors import ConflictError, NotFoundError
from rung.practice import Review

if TYPE_CHECKING:
    from datetime import datetime

    from rung.registry import Event, Registry

REVIEW = "metrics_review"
REQUEST = "data_request"
FULFILLED = "data_request_fulfilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """Somebody is asked for the data of a business metric."""

    id: int
    """Of its event."""
    major: str
    """As `housing.v1`."""
    metric: str
    to: str
    """Who is asked: as a rule the owner of the product."""
    actor: str
    because: str
    time: datetime
    fulfilled: Event | None = None
    """What ended it; None while it is open."""

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        done = self.fulfilled
        ended = None if done is None else {"actor": done.actor, "time": done.time.isoformat(), "because": done.because}
        return {
            "id": self.id,
            "major": self.major,
            "metric": self.metric,
            "to": self.to,
            "actor": self.actor,
            "because": self.because,
            "time": self.time.isoformat(),
            "fulfilled": ended,
        }


@dataclass(frozen=True, slots=True)
class Requests:
    """Reads and writes of one registry."""

    registry: Registry

    def reviews(self, major: str) -> list[Review]:
        """Give the reviews of a major's business metrics, in order."""
        found = self.registry.events_of(REVIEW, service=major.partition(".")[0])
        return [
            Review(actor=event.actor, digest=event.data["digest"], time=event.time, because=event.because)
            for event in found
            if event.subject == major
        ]

    def review(self, major: str, digest: str, *, actor: str, because: str) -> None:
        """Keep that somebody looked at the metrics of a major as they are declared now.

        Raises:
            ConflictError: They have reviewed just these before.
        """
        if any((one.actor, one.digest) == (actor, digest) for one in self.reviews(major)):
            raise ConflictError(f"{actor} has reviewed these metrics of {major} before", hint="they have not changed")
        self.registry.record_event(REVIEW, major, because=because, actor=actor, digest=digest)

    def all(self, service: str | None = None) -> list[DataRequest]:
        """Give all requests for data, in order."""
        events = self.registry.events_of(REQUEST, FULFILLED, service=service)
        done = {event.data["request"]: event for event in events if event.kind == FULFILLED}
        return [
            DataRequest(
                id=event.id,
                major=event.subject,
                metric=event.data["metric"],
                to=event.data["to"],
                actor=event.actor,
                because=event.because,
                time=event.time,
                fulfilled=done.get(event.id),
            )
            for event in events
            if event.kind == REQUEST
        ]

    def open(self, major: str, metric: str) -> DataRequest | None:
        """Give the request for a metric's data that nobody has fulfilled; None where there is none."""
        return next((one for one in self._of(major, metric) if one.fulfilled is None), None)

    def ask(self, major: str, metric: str, *, to: str, actor: str, because: str) -> DataRequest:
        """Ask somebody for the data of a metric.

        Raises:
            ConflictError: Somebody is asked already.
        """
        asked = self.open(major, metric)
        if asked is not None:
            raise ConflictError(
                f"{asked.to} is asked for {metric} of {major} already, by {asked.actor}",
                hint=f"`rung metrics fulfil {major} {metric} --because ...` when the data will come",
            )
        self.registry.record_event(REQUEST, major, because=because, actor=actor, metric=metric, to=to)
        return self._of(major, metric)[-1]

    def fulfil(self, major: str, metric: str, *, actor: str, because: str) -> DataRequest:
        """Keep that the data of a metric are there, or will come.

        Raises:
            NotFoundError: Nobody is asked for it.
        """
        asked = self.open(major, metric)
        if asked is None:
            raise NotFoundError(f"nobody is asked for {metric} of {major}", hint="`rung metrics requests` shows them")
        self.registry.record_event(FULFILLED, major, because=because, actor=actor, metric=metric, request=asked.id)
        return next(one for one in self._of(major, metric) if one.id == asked.id)

    def promised(self, major: str, metric: str) -> datetime | None:
        """Tell when a person last said that the data of a metric will come."""
        said = [one.fulfilled for one in self._of(major, metric) if one.fulfilled and one.fulfilled.actor != "rung"]
        return max((event.time for event in said), default=None)

    def _of(self, major: str, metric: str) -> list[DataRequest]:
        found = self.all(major.partition(".")[0])
        return [one for one in found if (one.major, one.metric) == (major, metric)]
