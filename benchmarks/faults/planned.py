"""Planned changes under load: promotions, rollbacks, teardowns and revivals in a row. No request may fail."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import outcome_stories
from consumers import CountingConsumers

if TYPE_CHECKING:
    from live_platform import LivePlatform

_PROMOTED_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What came of them."""

    number: int
    told: str
    sent: int
    failed: int
    failures: list[str]


def changes(platform: LivePlatform, number: int) -> Changes:
    """Make that many changes: one in ten a promotion with its A/B test, the others rollbacks, teardowns, revivals."""
    done: Counter[str] = Counter()
    right = _everybody(platform)
    spare = next(name for name, state in platform.states().items() if state == "torn_down")
    with CountingConsumers(gateway=platform.gateway, right=right) as consumers:
        while done.total() < number:
            kind = done.total() % _PROMOTED_EVERY
            if kind == 0:
                _promote(platform, consumers)
                done["promotions"] += 1
            elif kind % 3 == 1:
                platform.rung("rollback", "tiny.v1", "--because", "a drill")
                done["rollbacks"] += 1
            elif kind % 3 == 2:
                platform.rung("revive", spare)
                platform.wait(lambda: platform.revision(spare)["ready"])
                done["revivals"] += 1
            else:
                platform.rung("teardown", spare, "--because", "a drill")
                done["teardowns"] += 1
    told = ", ".join(f"{count} {kind}" for kind, count in done.items())
    failures = sorted(set(consumers.failures))[:5]
    found = Changes(
        number=done.total(),
        told=told,
        sent=len(consumers.answered) + len(consumers.failures),
        failed=len(consumers.failures),
        failures=failures,
    )
    print(
        f"{found.number} planned changes ({told}): {found.sent:,} requests, {found.failed} failed {failures}",
        flush=True,
    )
    return found


def _everybody(platform: LivePlatform) -> dict[str, float]:
    return dict.fromkeys(platform.states(), 0.4)


def _promote(platform: LivePlatform, consumers: CountingConsumers) -> None:
    challenger = outcome_stories.deploy(platform, design="deadline=timedelta(minutes=10),")
    consumers.right |= {**_everybody(platform), challenger: 0.8}
    platform.rung("promote", challenger, "--ignore-plan")
