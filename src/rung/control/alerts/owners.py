"""Who answers for what an alert is about: asked when one opens, and when it is told to the people themselves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.control.promotion.papers import read_specification
from rung.errors import RungError

if TYPE_CHECKING:
    from rung.control.place import Place
    from rung.registry import Alert, Registry
    from rung.schema import RevisionName

__all__ = ["Owners", "owners_of", "owners_of_alert"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Who answers for something."""

    names: tuple[str, ...] = ()
    """As the specification writes them, or as they are known to the platform."""
    told: str = ""
    """The same for people."""


def owners_of(name: RevisionName, *, place: Place, registry: Registry) -> Owners:
    """Give who answers for a revision by its specification; else who trained it, and who had it promoted.

    Raises:
        NotFoundError: There is no such revision.
    """
    with suppress(RungError):
        owners = read_specification(place, name).owners
        if declared := tuple(one for one in (owners.engineering, owners.product) if one):
            return Owners(names=declared, told=", ".join(declared))
    trained = registry.revision(name).actor
    promoted = [one.actor for one in registry.promotions_of(name)][-1:]
    told = [f"{trained}, who trained it", *(f"{one}, who had it promoted" for one in promoted)]
    return Owners(names=tuple(dict.fromkeys([trained, *promoted])), told="; ".join(told))


def owners_of_alert(alert: Alert, *, place: Place, registry: Registry) -> tuple[str, ...]:
    """Name who answers for what an alert is about: a revision, or a dataset, whose owner it names itself."""
    if alert.revision is None:
        return (alert.owner,) if alert.owner else ()
    with suppress(RungError):
        return owners_of(alert.revision, place=place, registry=registry).names
    return ()
