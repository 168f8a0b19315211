"""Debian packages that a revision needs and the platform's machine lacks: told at a deployment, as an event.

They are not installed, which takes root, and a deployment is not refused: the code may do without, and nodes of a
cluster may have what this machine has not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rung.compute.packages import installed_packages, missing_packages, read_packages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.control.place import Place
    from rung.registry import Registry
    from rung.schema import RevisionName

PACKAGES: Final = "packages"
"""Kind of the events."""


def look(place: Place, registry: Registry, name: RevisionName) -> None:
    """Put on record what the machine lacks of a revision's packages, or has by now; nothing is told twice."""
    wanted = read_packages(place.source(name) / "experiments" / name.service / "infrastructure" / "packages.txt")
    if not wanted:
        return
    because, lacks = judge(wanted, installed_packages())
    last = registry.latest(PACKAGES, name.service).get(str(name))
    if last.because != because if last is not None else lacks is not False:
        registry.record_event(PACKAGES, str(name), because=because, actor="rung", is_lacking=lacks is True)


def judge(wanted: tuple[str, ...], installed: Mapping[str, str] | None) -> tuple[str, bool | None]:
    """Say in a sentence what a machine lacks, and whether it lacks something; None where it cannot be asked.

    >>> judge(("ffmpeg=7:5.1",), {"ffmpeg": "7:5.1"})
    ('this machine has the Debian packages that it needs', False)
    """
    if installed is None:
        return f"whether this machine has {', '.join(wanted)} cannot be known: it has no dpkg", None
    missing = missing_packages(wanted, installed)
    if not missing:
        return "this machine has the Debian packages that it needs", False
    return f"this machine lacks {', '.join(missing)}, which packages.txt asks for: apt-get install them", True
