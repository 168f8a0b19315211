"""Rows as values: what the registry gives to everyone else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rung.lifecycle import State, Verdict
    from rung.schema import RevisionName


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
