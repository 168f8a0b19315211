"""Rows as values: what the registry gives to everyone else, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.lifecycle import Approval, Gate, Origin, Split, SplitKind, State, Verdict, VerdictKind
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
    origin: Origin | None = None
    """What it was retrained from; None for one that somebody deployed."""


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
    joint: bool = False
    """It shares a bandit with other attempts of its major."""
    policy: Mapping[str, Any] | None = None
    """The service's `Policy` when it began, as JSON data; None for an attempt of an older Rung."""

    @property
    def failure(self) -> Verdict | None:
        """The evidence against the revision, which is not promoted again: tried often enough, anything passes.

        None where somebody ended the attempt, or a gate came to no verdict.
        """
        return next((one for one in self.verdicts if one.kind is VerdictKind.FAIL), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One A/B test, or one bandit."""

    id: str
    promotion: int
    """The attempt that began it."""
    incumbent: RevisionName
    challenger: RevisionName
    """The revision of that attempt."""
    design: Mapping[str, Any]
    """The declared `ABTest`, as JSON data."""
    started: datetime
    ended: datetime | None
    look: Mapping[str, Any] | None
    """The figures of the last look."""
    splits: tuple[Split, ...] = ()
    """How its traffic was split, one stretch of time after the other."""
    attempts: tuple[int, ...] = ()
    """The promotions whose revisions are or were its arms, in the order in which they joined."""

    @property
    def shares(self) -> Mapping[str, float]:
        """The shares of the units now, by revision."""
        return self.splits[-1].shares

    @property
    def is_bandit(self) -> bool:
        """Its shares follow the evidence."""
        return self.design.get("bandit") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A share of production that is mirrored to a revision."""

    id: int
    revision: RevisionName
    share: float
    """Of the requests."""
    started: datetime
    until: datetime | None
    """When it ends by itself."""
    ended: datetime | None
    actor: str


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
        origin=None if row.origin is None else Origin.from_json(row.origin),
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
        joint=row.joint,
        policy=row.policy,
    )


def approval_of(row: Row[Any]) -> Approval:
    """Read an approval."""
    return Approval(actor=row.actor, role=row.role, approves=row.approves, because=row.because, time=read(row.time))


def split_of(row: Row[Any]) -> Split:
    """Read a stretch of an experiment."""
    return Split(
        since=read(row.since),
        applied=read_optional(row.applied),
        kind=SplitKind(row.kind),
        shares=row.shares,
        because=row.because,
        actor=row.actor,
    )


def shadow_of(row: Row[Any]) -> Shadow:
    """Read a shadow."""
    return Shadow(
        id=row.id,
        revision=name_of(row),
        share=row.share,
        started=read(row.started),
        until=read_optional(row.until),
        ended=read_optional(row.ended),
        actor=row.actor,
    )


def experiment_of(row: Row[Any], splits: Sequence[Split], attempts: Sequence[int]) -> Experiment:
    """Read an A/B test, with its splits and the attempts that take part."""
    return Experiment(
        id=row.id,
        promotion=row.promotion,
        incumbent=RevisionName.parse(row.incumbent),
        challenger=RevisionName.parse(row.challenger),
        design=row.design,
        started=read(row.started),
        ended=read_optional(row.ended),
        look=row.look,
        splits=tuple(splits),
        attempts=tuple(attempts),
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
