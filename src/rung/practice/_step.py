"""Values of the guided path: what it is made of, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rung.lifecycle import State
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.practice._sign_off import SignOff

_OVER = frozenset({State.FAILED, State.TORN_DOWN, State.RETIRED, State.INCUMBENT})
"""States after which the next minor is what one works on."""


class Standing(StrEnum):
    """How far a step is."""

    DONE = "done"
    CURRENT = "current"
    """Somebody must do it now."""
    WAITING = "waiting"
    """It is being done."""
    TODO = "todo"
    NOTED = "noted"
    """It is not done, and nothing waits for it."""
    UNKNOWN = "unknown"
    """Nobody looked: it can be seen in the workspace alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a path."""

    key: str
    title: str
    standing: Standing
    because: str = ""
    command: str = ""
    """What to type; "" where there is nothing to do but to wait."""

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        return {
            "key": self.key,
            "title": self.title,
            "standing": self.standing,
            "because": self.because,
            "command": self.command,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The way of one service, from its beginning to what answers production."""

    service: str
    kind: str
    """`new_service` until something answered production, then `new_revision`."""
    revision: str
    """Which revision is on its way; the next one where none is."""
    steps: tuple[Step, ...]
    on_hold: str = ""
    """Why the major is on hold; "" when it is not."""

    @property
    def current(self) -> Step | None:
        """The step that it is on; None when all is done."""
        now = (one for one in self.steps if one.standing in {Standing.CURRENT, Standing.WAITING})
        return next(now, None)

    @property
    def next(self) -> str:
        """What comes next, in a line."""
        step = self.current
        if step is None:
            return "nothing is left to do"
        return f"{step.title}: `{step.command}`" if step.command else f"{step.title}: {step.because}"

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON data."""
        step = self.current
        return {
            "service": self.service,
            "kind": self.kind,
            "revision": self.revision,
            "steps": [one.to_json() for one in self.steps],
            "current": None if step is None else step.key,
            "next": self.next,
            "command": "" if step is None else step.command,
            "on_hold": self.on_hold,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceFacts:
    """What lies in the workspace of a service."""

    specification: str = ""
    """What is wrong with it; "" when it can be read."""
    missing: tuple[str, ...] = ()
    """Files of the schema that are not there."""
    metrics: int = 0
    """Business metrics that are declared."""
    has_document: bool = False
    """The experiment document of the next revision is there, and says something."""
    is_changed: bool = True
    """The code is not that of the last revision."""
    is_committed: bool = False
    is_trained: bool = False
    """A training has succeeded here since the last revision was deployed."""
    is_checked: bool = False
    """`rung check` passed on just this code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFacts:
    """A revision of the major."""

    minor: int
    state: State
    because: str = ""
    """Why it is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFacts:
    """All that a path is made of."""

    service: str
    major: int = 1
    revisions: Sequence[RevisionFacts] = ()
    """Of this major, by minor."""
    workspace: WorkspaceFacts | None = None
    """None: nobody looked."""
    signatures: SignOff | None = None
    """Of the specification; None: nobody looked."""
    review: SignOff | None = None
    """Of the business metrics; None: nobody looked."""
    is_required: bool = False
    """A promotion waits for signatures and review."""
    on_hold: str = ""
    benchmark_scores: str = ""
    """What the first real revision has to beat, as `r2 0.5`; "" where nobody looked."""

    @property
    def has_served(self) -> bool:
        """A revision of the major has answered production."""
        return any(one.state in {State.INCUMBENT, State.RETIRED} for one in self.revisions)

    @property
    def benchmark(self) -> RevisionFacts | None:
        """Minor 0, where it was deployed."""
        return next((one for one in self.revisions if one.minor == 0), None)

    @property
    def underway(self) -> RevisionFacts | None:
        """The revision that is on its way; None when the next one is to be made."""
        newest = max((one for one in self.revisions if one.minor > 0), key=lambda one: one.minor, default=None)
        return None if newest is None or newest.state in _OVER else newest

    @property
    def minor(self) -> int:
        """Of the revision that is on its way, or of the next one after the benchmark."""
        if self.underway is not None:
            return self.underway.minor
        return max((one.minor for one in self.revisions), default=0) + 1

    def name(self, minor: int) -> str:
        """Name a revision of the major."""
        return str(RevisionName(service=self.service, major=self.major, minor=minor))
