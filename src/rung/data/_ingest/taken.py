"""Which files the rows of a version were taken from: so that nothing is taken twice. `run` calls it.

The list is stored before the version that it belongs to, under its own digest, which the version's manifest has as
`source_digest`: version and list are there together or not at all.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rung.data._ingest.plan import Taken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.data._shelf import Shelf
    from rung.data._version import Version

__all__ = ["keep", "taken"]


def taken(shelf: Shelf, newest: Version | None) -> list[Taken]:
    """Give what the rows of a version were taken from, the oldest first; versions that were not ingested are passed."""
    version = newest
    while version is not None:
        data = shelf.objects.read(_key(version.source_digest)) if version.source_digest else None
        if data is not None:
            return [Taken(**one) for one in json.loads(data)["taken"]]
        if version.removed or version.number == 1:  # older ones say nothing of its rows
            return []
        version = shelf.read(version.number - 1)
    return []


def keep(shelf: Shelf, pieces: Sequence[Taken]) -> str:
    """Store a list; give its digest."""
    data = json.dumps({"taken": [asdict(one) for one in pieces]}, ensure_ascii=False, indent=0).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    shelf.objects.create(_key(digest), data)
    return digest


def _key(digest: str) -> str:
    return f"sources/{digest.removeprefix('sha256:')}.json"
