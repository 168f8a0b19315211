"""The statistics of a version, made when it is ingested, and kept with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rung.data.sources import Step

if TYPE_CHECKING:
    from rung.data._catalogue import Catalogue
    from rung.data._version import Version
    from rung.data.sources import Tell

__all__ = ["WHAT", "statistics", "summarise"]

WHAT: Final = "profile"
"""Name of the document."""


def summarise(catalogue: Catalogue, name: str, tell: Tell) -> None:
    """Make the statistics of the newest version, unless it has them."""
    newest = catalogue.shelf(name).newest()
    if newest is not None and catalogue.kept(name, newest.number, WHAT) is None:
        tell(Step(what=f"statistics of {newest.ref}", done=newest.rows))
        statistics(catalogue, newest)


def statistics(catalogue: Catalogue, version: Version) -> dict[str, Any]:
    """Give the statistics of a version; those of one that has none are made, and kept."""
    found = catalogue.kept(version.dataset, version.number, WHAT)
    if found is None:
        from rung.data.profile import profile  # noqa: PLC0415  polars and more, only where they are made

        found = profile(catalogue.scan(version)).to_json()
        catalogue.keep(version.dataset, version.number, WHAT, found)
    return found
