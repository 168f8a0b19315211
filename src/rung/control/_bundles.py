"""Bundles that are read once: the loop asks for those of all served revisions at every look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rung.infrastructure import Infrastructure
from rung.serving import read_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from rung.infrastructure import ServingHardware
    from rung.schema import RevisionName
    from rung.serving import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    stamp: tuple[int, int, int] | None
    """Of the file: inode, bytes, nanoseconds of its last change."""
    bundle: Bundle
    serving: ServingHardware


@dataclass(frozen=True, slots=True)
class Bundles:
    """The bundles of one workspace; a file that has been replaced is read again."""

    state: Path
    _read: dict[RevisionName, _Read] = field(default_factory=dict)

    def read(self, name: RevisionName) -> Bundle:
        """Give the bundle of a revision.

        Raises:
            NotFoundError: It has not been trained here.
            IntegrityError: The file is not a bundle.
        """
        return self._look(name).bundle

    def serving(self, name: RevisionName) -> ServingHardware:
        """Give what a revision declared of the machine that serves it.

        Raises:
            NotFoundError: As `read`.
            IntegrityError: As `read`.
        """
        return self._look(name).serving

    def _look(self, name: RevisionName) -> _Read:
        path = self.state / "revisions" / str(name) / "bundle.json"
        stamp = _stamp(path)
        found = self._read.get(name)
        if found is None or found.stamp != stamp or stamp is None:
            bundle = read_bundle(self.state, str(name))
            serving = Infrastructure.model_validate(bundle.infrastructure).serving
            found = self._read[name] = _Read(stamp=stamp, bundle=bundle, serving=serving)
        return found


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Tell one state of a file from the next; None: it is not there, and reading it says so."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
