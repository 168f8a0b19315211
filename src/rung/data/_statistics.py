"""The statistics of a version: made when it is ingested, kept with it. What was only added to is not measured again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rung.data.sources import Step, silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.data._catalogue import Catalogue
    from rung.data._version import Version
    from rung.data.profile import Change, Profile
    from rung.data.sources import Tell

__all__ = ["changes", "statistics", "summarise"]

_WHAT: Final = "profile"
"""Name of the document."""


def summarise(catalogue: Catalogue, name: str, tell: Tell) -> None:
    """Make the statistics of the newest version, unless it has them."""
    newest = catalogue.shelf(name).newest()
    if newest is not None:
        statistics(catalogue, newest, tell)


def statistics(catalogue: Catalogue, version: Version, tell: Tell = silent) -> Profile:
    """Give the statistics of a version; those of one that has none are made, and kept."""
    kept = _kept(catalogue, version)
    if kept is None:

        def progress(rows: int) -> None:
            tell(Step(what=f"measuring {version.ref}", done=rows, whole=version.rows))

        kept = _measured(catalogue, version, progress)
        catalogue.keep(version.dataset, version.number, _WHAT, kept.to_json())
    return kept


def changes(catalogue: Catalogue, version: Version) -> list[Change]:
    """Tell how the values of a version are distributed otherwise than those of the one before, the largest first."""
    from rung.data.profile import compare  # noqa: PLC0415  only where they are asked for

    before = catalogue.shelf(version.dataset).read(version.number - 1) if version.number > 1 else None
    return [] if before is None else compare(statistics(catalogue, before), statistics(catalogue, version))


def _kept(catalogue: Catalogue, version: Version) -> Profile | None:
    from rung.data.profile import Profile  # noqa: PLC0415  only where they are asked for

    found = catalogue.kept(version.dataset, version.number, _WHAT)
    return None if found is None else Profile.from_json(found)


def _measured(catalogue: Catalogue, version: Version, progress: Callable[[int], None]) -> Profile:
    from rung.data._scan import scan  # noqa: PLC0415  polars, only where they are made
    from rung.data.profile import add, profile  # noqa: PLC0415  as above

    shelf = catalogue.shelf(version.dataset)
    before = shelf.read(version.number - 1) if version.number > 1 else None
    if before is not None and all(file in version.files for file in before.files):
        kept = _kept(catalogue, before)
        if kept is not None:
            new = [file for file in version.files if file not in before.files]
            return add([kept, profile(scan(shelf, version, files=new), progress=progress)])
    return profile(catalogue.scan(version), progress=progress)
