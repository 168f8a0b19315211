"""A promotion under load, into which a fault is put, and what is counted afterwards.

Every fault meets the same scene: an incumbent that answers production, a challenger that the consumers find better, a
promotion of it, and consumers that predict and report all along. Evidence is held back until the fault is over; then
the promotion must end as it would have ended without it.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import outcome_stories
import psutil
from consumers import CountingConsumers

from rung.lake import Lake
from rung.lifecycle import State
from rung.registry import open_registry

if TYPE_CHECKING:
    import subprocess

    from live_platform import LivePlatform

PROMOTED, REJECTED = "promoted", "rejected"
DEADLINE = "minutes=10"
"""Of an A/B test, as a timedelta has it."""
_UNTIL_S = 180.0
_BETTER = (0.4, 0.8)
"""How often consumers find the incumbent right, and the challenger."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """One promotion under load."""

    platform: LivePlatform
    incumbent: str
    challenger: str
    consumers: CountingConsumers
    watcher: subprocess.Popen[str]
    """`rung promote`."""
    recovered_s: float | None = None
    """From the fault until what it hit served again, when the fault measures that."""
    notes: list[str] = field(default_factory=list)

    def pid(self, name: str) -> int:
        """Give the pid of a process on record: a revision's server, `gateway` or `collector`."""
        return self.platform.recorded()[name].pid

    def workers(self, name: str) -> list[int]:
        """Give the pids of a server's workers."""
        return [child.pid for child in psutil.Process(self.pid(name)).children()]

    def await_step(self, step: str) -> None:
        """Wait until the promotion is at a gate, `shadow` or `experiment`."""
        self.platform.wait(lambda: step in (self._gate(), self._state()), within_s=120)

    def _state(self) -> str:
        return {"experimenting": "experiment", "shadowing": "shadow"}.get(
            self.platform.revision(self.challenger)["state"], ""
        )

    def _gate(self) -> str:
        attempts = self.platform.api(f"/revisions/{self.challenger}/promotions").json()
        return attempts[-1]["gate"] or "" if attempts else ""

    def next_answer(self, since: float, revision: str | None = None) -> float:
        """Give the seconds from a moment (monotonic) to the next answer in production: of any, or of one revision."""
        seen = self._answers(revision)
        while self._answers(revision) == seen:
            time.sleep(0.005)
        return time.monotonic() - since

    def _answers(self, revision: str | None) -> int:
        return len(self.consumers.answered) if revision is None else self.consumers.by_revision[revision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of a fault afterwards."""

    fault: str
    sent: int
    failed: int
    predictions_lost: int
    """Answered with a 200, and not in the lake exactly once."""
    outcomes_sent: int
    outcomes_lost: int
    """Acknowledged with a 202, and not in the lake."""
    recovered_s: float | None
    decision: str
    expected: str
    broken: list[str]
    """Invariants that do not hold afterwards."""
    may_fail: bool
    """Requests in flight on what was hit may fail."""
    notes: list[str]
    failures: list[str]


def begin(
    platform: LivePlatform, *, design: str = "", deadline: str = DEADLINE, handler: tuple[str, str] | None = None
) -> Scene:
    """Deploy a challenger that consumers find better, and begin its promotion under load."""
    now = next(name for name, state in platform.states().items() if state == "incumbent")
    challenger = outcome_stories.deploy(platform, design=f"deadline=timedelta({deadline}), {design}", handler=handler)
    right = {name: _BETTER[name == challenger] for name in platform.states()}
    consumers = CountingConsumers(gateway=platform.gateway, right=right, report_share=0.02)
    consumers.__enter__()
    watcher = platform.begin_command("promote", challenger, "--ignore-plan")
    return Scene(platform=platform, incumbent=now, challenger=challenger, consumers=consumers, watcher=watcher)


def end(scene: Scene, fault: str, *, expected: str = PROMOTED, may_fail: bool = False) -> Row:
    """Let the consumers report all they know, wait for the decision, and count."""
    platform, consumers = scene.platform, scene.consumers
    consumers.report_share = 1.0
    platform.wait(lambda: bool(_decision(scene)), within_s=_UNTIL_S)
    time.sleep(0.5)  # of production after the decision
    consumers.stop()
    lake = Lake(platform.place.lake, logs=platform.place.predictions)
    lake.ship()
    answered = lake.predictions().filter(kind="production", status=200)  # a server that passed one on logged it as 503
    predictions = Counter(answered.select("id").collect()["id"].to_list())
    outcomes = set(lake.outcomes().select("id").collect()["id"].to_list())
    return Row(
        fault=fault,
        sent=len(consumers.answered) + len(consumers.failures),
        failed=len(consumers.failures),
        predictions_lost=sum(predictions[identity] != 1 for identity in consumers.answered),
        outcomes_sent=len(consumers.outcomes),
        outcomes_lost=len(consumers.outcomes - outcomes),
        recovered_s=scene.recovered_s,
        decision=_decision(scene),
        expected=expected,
        broken=broken(platform, consumers),
        may_fail=may_fail,
        notes=scene.notes,
        failures=sorted(set(consumers.failures))[:5],
    )


def _decision(scene: Scene) -> str:
    attempts = scene.platform.api(f"/revisions/{scene.challenger}/promotions").json()
    return attempts[-1]["outcome"] or "" if attempts else ""


def broken(platform: LivePlatform, consumers: CountingConsumers) -> list[str]:
    """Name the invariants that do not hold, as records and consumers tell."""
    with open_registry(platform.place.workspace.state, platform.variables.get("RUNG_REGISTRY")) as registry:
        revisions = registry.revisions()
        events = _all_events(registry)
    told: list[str] = []
    if sum(revision.state == "incumbent" for revision in revisions) != 1:
        told.append("exactly one incumbent")
    moved: dict[str, str] = {}
    for event in events:
        if event.kind in set(State):
            moved[event.subject] = event.kind
    told += [f"{r.name} is {r.state} by its log too" for r in revisions if moved.get(str(r.name)) != r.state]
    if any(len(revisions) > 1 for revisions in consumers.arms.values()):
        told.append("same unit, same arm")
    return told


def _all_events(registry: Any) -> list[Any]:
    found: list[Any] = []
    while news := registry.events(after=found[-1].id if found else 0):
        found += news
    return found


def now() -> datetime:
    """Give the present."""
    return datetime.now(UTC)
