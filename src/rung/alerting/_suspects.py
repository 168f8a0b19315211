"""What may be behind an alert: what changed at about that time, in sentences, the likeliest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.alerting._facts import Circumstances

__all__ = ["CHANGES", "suspects"]

CHANGES: Final = frozenset({"deploying", "incumbent", "experimenting", "shadowing", "split", "torn_down"})
"""Kinds of events that change what answers."""
_ABOUT_DATA: Final = frozenset({"drift", "integrity", "segment", "estimate"})
_ABOUT_ANSWERS: Final = frozenset({"errors", "latency", "quality", "unready", "overuse", "coverage"})
_MOST: Final = 3
"""That are named, of each sort."""


def suspects(kind: str, found: Circumstances) -> tuple[str, ...]:
    """Name what may be behind an alert.

    What was asked about is suspected first where what is asked has moved; what was deployed, where answers are worse.

    Args:
        kind: Of the alert.
        found: What else happened.
    """
    if kind not in _ABOUT_DATA | _ABOUT_ANSWERS:
        return ()
    of_data = [*found.data[:_MOST], *found.upstream[:_MOST], *found.moved[:_MOST]]
    of_changes = list(_changes(found))
    if kind in _ABOUT_DATA:
        return (*of_data, *of_changes)
    return (*of_changes, *of_data)


def _changes(found: Circumstances) -> Iterator[str]:
    changes = [event for event in found.changes if event.kind in CHANGES and event.time >= found.since]
    for event in changes[:_MOST]:
        yield f"{event.subject}, {event.time:%Y-%m-%d %H:%M} UTC: {event.kind}, {event.because}"
    if not changes:
        yield f"nothing was deployed, promoted or split since {found.since:%Y-%m-%d %H:%M} UTC"
