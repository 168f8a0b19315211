"""What the rules of the platform's health judge, as values: gathered by `rung.control.alerts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from rung.registry import Event
    from rung.schema import RevisionName

__all__ = ["Circumstances", "Health", "Outcomes", "Promised", "Unready"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unready:
    """A server that does not answer."""

    name: RevisionName | None  # None: the gateway
    since: datetime  # when it was first found so
    because: str
    is_incumbent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was found of the platform at once."""

    now: datetime
    unready: tuple[Unready, ...]
    verdicts: tuple[Event, ...]  # the last of each revision
    overuse: tuple[Event, ...]  # the last of each revision
    idle: tuple[tuple[RevisionName, datetime], ...]  # that nobody asks, and since when
    free_bytes: int  # where the state lies
    certificates: tuple[tuple[str, datetime], ...]  # files, and until when what is in them is valid
    gateways: tuple[tuple[str, datetime, str], ...] = ()  # elsewhere, that are waited for no more; since when, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A dataset whose producer promised a new version at least so often."""

    dataset: str
    age_s: float  # of the newest version
    promised_s: float
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How many outcomes of a service came in, against how many requests it got."""

    service: str
    metric: str
    now: int  # came in within the last day
    requests: int  # of the last day
    before: int  # came in within the week before
    requests_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What else happened, for who looks for a cause."""

    since: datetime  # begin of the time in which changes are suspects
    changes: tuple[Event, ...] = ()  # deployments, promotions, rollbacks, traffic splits since then, the newest first
    data: tuple[str, ...] = ()  # what was trained on against what there is now, a sentence each
    upstream: tuple[str, ...] = ()  # of datasets behind it that broke a promise, a sentence each
    moved: tuple[str, ...] = ()  # columns and parts of the rows that moved most, a sentence each
