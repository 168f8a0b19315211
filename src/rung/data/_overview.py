"""What people see of the datasets of a catalogue: who makes them, how fresh they are, whether promises are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.data._catalogue import Catalogue
    from rung.data._entry import Entry
    from rung.data._version import Version
    from rung.data.profile import Profile

__all__ = ["Overview", "Promise", "complete", "found_in", "fresh", "overview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a producer promised of a dataset, and what is."""

    what: str  # "freshness" or "completeness"
    promised: float  # seconds; a share
    is_now: float  # seconds since the newest version; share of its values that are not null
    is_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One dataset at a glance."""

    entry: Entry
    newest: Version | None  # None: nothing was written yet
    versions: int

    @property
    def columns(self) -> Mapping[str, str]:
        """Columns of the newest version, by their types."""
        return self.newest.columns if self.newest else {}


def overview(catalogue: Catalogue, name: str) -> Overview:
    """Look at a dataset.

    Raises:
        NotFoundError: There is none of that name.
    """
    numbers = catalogue.shelf(name).numbers()
    newest = catalogue.version(name, numbers[-1]) if numbers else None
    return Overview(entry=catalogue.entry(name), newest=newest, versions=len(numbers))


def fresh(entry: Entry, newest: Version | None, now: datetime) -> Promise | None:
    """Hold a producer to the promised freshness; None when nothing was promised, or there is nothing yet."""
    if entry.freshness_s is None or newest is None:
        return None
    age = (now - datetime.fromisoformat(newest.time)).total_seconds()
    return Promise(what="freshness", promised=entry.freshness_s, is_now=age, is_kept=age <= entry.freshness_s)


def complete(entry: Entry, profile: Profile) -> Promise | None:
    """Hold a producer to the promised completeness; None when nothing was promised, or there are no values."""
    values = profile.rows * len(profile.columns)
    if entry.completeness is None or not values:
        return None
    share = 1 - sum(column.nulls for column in profile.columns.values()) / values
    return Promise(what="completeness", promised=entry.completeness, is_now=share, is_kept=share >= entry.completeness)


def found_in(one: Overview, words: str) -> list[str]:
    """Tell where a dataset speaks of all of the words, in whatever case: in its name, its description, its columns.

    Returns:
        Each place with what it says; empty when a word is nowhere.
    """
    entry = one.entry
    places = {
        "name": entry.name,
        "description": entry.description,
        "owner": entry.owner,
        "licence": entry.licence,
        **{f"tag {tag}": tag for tag in entry.tags},
        **{
            f"column {name}": f"{name} {entry.columns.get(name, '')}".strip()
            for name in {**one.columns, **entry.columns}
        },
    }
    sought = words.lower().split()
    whole = "\n".join(places.values()).lower()
    if not sought or not all(word in whole for word in sought):
        return []
    return [f"{place}: {text}" for place, text in places.items() if any(word in text.lower() for word in sought)]
