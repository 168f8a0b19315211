"""What revisions used and what that costs, from the sums of their days. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rung.control._usage import Use
    from rung.registry import Revision
    from rung.settings import Price

_GIB = 1024**3
_HOUR_S = 3_600.0


def cost_of(use: Use, price: Price) -> float:
    """Price what was used: processor hours, and GiB of memory for hours."""
    return (use.cpu_s * price.cpu_hour + use.memory_byte_s / _GIB * price.gib_hour) / _HOUR_S


def bill(
    used: Mapping[str, Use], revisions: Sequence[Revision], *, price: Price | None, idle: Mapping[str, datetime]
) -> list[dict[str, Any]]:
    """Tell of each revision what it used, the one that used most processor time first.

    Args:
        used: By revision.
        revisions: That are on record.
        price: Of the machine; None: nothing is priced.
        idle: Since when nobody has asked those that are idle.
    """
    states = {str(revision.name): str(revision.state) for revision in revisions}
    return [
        {
            "revision": name,
            "service": RevisionName.parse(name).service,
            "state": states.get(name),
            "cpu_s": round(use.cpu_s, 3),
            "memory_gib_s": round(use.memory_byte_s / _GIB, 3),
            "requests": use.requests,
            "served_s": round(use.served_s, 3),
            "cost": None if price is None else cost_of(use, price),
            "idle_since": idle[name].isoformat() if name in idle else None,
        }
        for name, use in sorted(used.items(), key=lambda item: (-item[1].cpu_s, item[0]))
    ]
