"""The data catalogue, and a dataset: its versions, its statistics, what changed, who reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.control.dashboard._visit import Page
from rung.data import open_catalogue
from rung.data._overview import complete, found_in, fresh, overview
from rung.data._statistics import changes, statistics
from rung.data.profile import HEADER, lines
from rung.data.profile import page as drawn
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.control.dashboard._visit import Visit
    from rung.data import Catalogue, Version
    from rung.data._overview import Overview

__all__ = ["listing", "page", "report"]

_FRESH_S = 20.0
_KEPT_S = 3_600.0
_SHOWN = 200  # datasets
_VERSIONS = 50


def listing(visit: Visit) -> Page:
    """Show all datasets, or those that speak of some words."""
    catalogue, words = _catalogue(visit), visit.asked("find")

    def make() -> Sequence[Overview]:
        return [overview(catalogue, name) for name in catalogue.names()]

    kept = visit.stored.get(("datasets",), make, fresh_s=_FRESH_S)
    found = [one for one in kept.value or () if not words or found_in(one, words)]
    now = datetime.now(UTC)
    values = {
        "kept": kept,
        "words": words,
        "datasets": [(one, fresh(one.entry, one.newest, now)) for one in found[:_SHOWN]],
        "more": max(len(found) - _SHOWN, 0),
    }
    return Page(template="datasets.html", title="Data", values=values)


def page(visit: Visit) -> Page:
    """Show one dataset, or one version of it."""
    name, number = visit.asked("dataset"), _number(visit.asked("version"))
    catalogue = _catalogue(visit)
    entry = catalogue.entry(name)
    version = catalogue.version(name, number)

    def make() -> dict[str, Any]:
        profile = statistics(catalogue, version)
        return {
            "header": HEADER,
            "columns": list(zip(profile.columns, lines(profile), strict=True)),
            "changes": [change.told for change in changes(catalogue, version)],
            "complete": complete(entry, profile),
        }

    kept = visit.stored.get(("dataset", version.ref), make, fresh_s=_KEPT_S)
    versions = visit.stored.get(("versions", name), lambda: _newest(catalogue, name), fresh_s=_FRESH_S)
    values = {
        "name": name,
        "entry": entry,
        "version": version,
        "kept": kept,
        "versions": versions,
        "fresh": fresh(entry, version, datetime.now(UTC)) if number is None else None,
    }
    return Page(template="dataset.html", title=version.ref, values=values, trail=(("Data", "/ui/data"),))


def report(visit: Visit) -> str:
    """Draw the statistics of a version as a page of its own."""
    catalogue = _catalogue(visit)
    entry = catalogue.entry(visit.asked("dataset"))
    version = catalogue.version(entry.name, _number(visit.asked("version")))
    before = catalogue.shelf(entry.name).read(version.number - 1) if version.number > 1 else None
    return drawn(
        statistics(catalogue, version),
        title=version.ref,
        facts={"rows": f"{version.rows:,}", "made": version.time, "by": version.by, "digest": version.digest},
        meanings=entry.columns,
        changes=changes(catalogue, version),
        before=None if before is None else statistics(catalogue, before),
    )


def _catalogue(visit: Visit) -> Catalogue:
    return open_catalogue(visit.platform.place.workspace)


def _newest(catalogue: Catalogue, name: str) -> list[Version]:
    shelf = catalogue.shelf(name)
    found = (shelf.read(number) for number in shelf.numbers()[::-1][:_VERSIONS])
    return [version for version in found if version is not None]


def _number(given: str) -> int | None:
    if given and not (given.isascii() and given.isdigit() and len(given) <= 9):  # noqa: PLR2004  as versions count
        raise CallError(f"{given!r} is no version", hint="versions count from 1")
    return int(given) if given else None
