"""Rows as values: what the registry gives to everyone else, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.lifecycle import Gate, State, Verdict, VerdictKind
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; never changed."""

    id: int
    time: datetime
    kind: str
    subject: str
    """`housing`, `housing.v1` or `housing.v1.m2`."""
    actor: str
    because: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A minor version and where it is in its life."""

    name: RevisionName
    state: State
    reason: str
    """Why it is in this state."""
    since: datetime
    created: datetime
    actor: str
    run: str
    """Id of the training run."""
    commit: str | None
    dirty: bool
    """It was deployed from a tree that differs from its commit."""
    environment: str | None
    """Key of its locked environment."""
    warm_until: datetime | None
    """A retired one keeps its server until then."""
    promoted: datetime | None
    """When it last became the incumbent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One attempt."""

    id: int
    revision: RevisionName
    actor: str
    started: datetime
    ended: datetime | None
    outcome: str | None
    """`promoted` or `rejected`, once ended."""
    because: str | None
    gate: str | None
    """The gate whose job was started last."""
    gate_since: datetime | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One A/B test."""

    id: str
    promotion: int
    incumbent: RevisionName
    challenger: RevisionName
    design: Mapping[str, Any]
    """The declared `ABTest`, as JSON data."""
    started: datetime
    ended: datetime | None
    look: Mapping[str, Any] | None
    """The figures of the last look."""


def name_of(row: Row[Any]) -> RevisionName:
    """Read the name of a revision."""
    return RevisionName(service=row.service, major=row.major, minor=row.minor)


def revision_of(row: Row[Any]) -> Revision:
    """Read a revision."""
    return Revision(
        name=name_of(row),
        state=State(row.state),
        reason=row.reason,
        since=read(row.since),
        created=read(row.created),
        actor=row.actor,
        run=row.run,
        commit=row.commit,
        dirty=row.dirty,
        environment=row.environment,
        warm_until=read_optional(row.warm_until),
        promoted=read_optional(row.promoted),
    )


def event_of(row: Row[Any]) -> Event:
    """Read an event."""
    subject = row.service
    if row.major is not None:
        subject += f".v{row.major}"
    if row.minor is not None:
        subject += f".m{row.minor}"
    return Event(
        id=row.id,
        time=read(row.time),
        kind=row.kind,
        subject=subject,
        actor=row.actor,
        because=row.because,
        data=row.data,
    )


def verdict_of(row: Row[Any]) -> Verdict:
    """Read a verdict."""
    return Verdict(gate=Gate(row.gate), kind=VerdictKind(row.kind), because=row.because, evidence=row.evidence)


def promotion_of(row: Row[Any], given: Sequence[Verdict]) -> Promotion:
    """Read an attempt, with the verdicts that were given in it."""
    return Promotion(
        id=row.id,
        revision=name_of(row),
        actor=row.actor,
        started=read(row.started),
        ended=read_optional(row.ended),
        outcome=row.outcome,
        because=row.because,
        gate=row.gate,
        gate_since=read_optional(row.gate_since),
        verdicts=tuple(given),
    )


def experiment_of(row: Row[Any]) -> Experiment:
    """Read an A/B test."""
    return Experiment(
        id=row.id,
        promotion=row.promotion,
        incumbent=RevisionName.parse(row.incumbent),
        challenger=RevisionName.parse(row.challenger),
        design=row.design,
        started=read(row.started),
        ended=read_optional(row.ended),
        look=row.look,
    )


def now() -> str:
    """Tell the time, as it is stored."""
    return spell(datetime.now(UTC))


def spell(moment: datetime) -> str:
    """Spell an instant, as it is stored: RFC 3339 in UTC sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def read(value: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(value)


def read_optional(value: str | None) -> datetime | None:
    """Read an instant that may be missing."""
    return None if value is None else read(value)
