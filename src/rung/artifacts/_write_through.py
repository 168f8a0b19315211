"""A store on this machine in front of an object store: read here, kept there. Called where `storage` is set.

The object store is the truth: what is on record is there. The folder in front of it may be lost at any time.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from rung.artifacts import _digests
from rung.artifacts._store import _READ_ONLY, _appearing_at
from rung.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rung.artifacts._store import LocalStore
    from rung.objects import Objects

_PREFIX = "artifacts"
_KEY = re.compile(rf"{_PREFIX}/([0-9a-f]{{2}})/([0-9a-f]{{62}})")
_SIDE_BY_SIDE = 4
_YOUNG_S = 43_200.0
"""What is older is written again: garbage collection takes what nothing names for a day, and somebody is about to."""
_CREATED = 64 << 20  # bytes: bigger artifacts go in parts, which no store can refuse where something is


class WriteThroughStore:
    """Keeps bytes by their digest, here and in an object store.

    Where two write the same digest at once, they write the same bytes: that artifacts are created rather than replaced
    keeps a writer with a broken disk from harming one that is there.
    """

    def __init__(self, local: LocalStore, objects: Objects) -> None:
        self.local = local
        self.objects = objects

    def put(self, data: bytes) -> str:
        """Keep the bytes in both; give their digest.

        Raises:
            UnavailableError: One of them did not take them. Putting them again is fine.
        """
        digest = self.local.put(data)
        self.upload(digest)
        return digest

    def get(self, digest: str) -> bytes:
        """Give the bytes, from here when they are whole here.

        Raises:
            IntegrityError: They are in neither, or not those that were put.
            UnavailableError: They are not here, and the object store does not answer.
        """
        try:
            return self.local.get(digest)
        except IntegrityError:
            self.fetch(digest)
        return self.local.get(digest)

    def has(self, digest: str) -> bool:
        """Say whether bytes with this digest are in one of both, without reading them."""
        return self.local.has(digest) or self.objects.size(_key(digest)) is not None

    def link(self, digest: str, target: Path) -> None:
        """Make the bytes a read-only file at `target`, fetching them first when they are not here.

        Raises:
            IntegrityError: They are in neither.
            UnavailableError: The disk or the object store does not work.
        """
        if not self.local.has(digest):
            self.fetch(digest)
        self.local.link(digest, target)

    def digests(self) -> Iterator[str]:
        """Give the digest of everything that is in the object store, in no order."""
        return stored_digests(self.objects)

    def delete(self, digest: str) -> None:
        """Remove the bytes from both, if they are there."""
        self.objects.delete(_key(digest))
        self.local.delete(digest)

    def upload(self, digest: str) -> None:
        """See to it that what is here is in the object store, too, and young there.

        Raises:
            IntegrityError: It is not here, or not what was put.
            UnavailableError: The object store does not take it.
        """
        path, key = self.local.path(digest), _key(digest)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            size = None
        is_there = size is not None and self.objects.size(key) == size
        if is_there and time.time() - (self.objects.modified(key) or 0.0) < _YOUNG_S:
            return
        if size is None or (size <= _CREATED and not is_there):
            data = self.local.get(digest)
            if self.objects.create(key, data) or self.objects.size(key) == len(data):
                return
        _digests.verify(path, digest)
        self.objects.upload(key, path)

    def fetch(self, digest: str) -> None:
        """See to it that what is in the object store is here, too.

        Raises:
            IntegrityError: It is not there, or not what was put.
            UnavailableError: The object store does not give it, or the disk does not take it.
        """
        path = self.local.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _appearing_at(path) as unfinished:
            if not self.objects.download(_key(digest), unfinished):
                raise IntegrityError(
                    f"artifact {digest} is missing in {self.local.folder} and in {self.objects.url}",
                    hint="run the task that made it again",
                )
            _digests.verify(unfinished, digest, name=f"{self.objects.url}/{_key(digest)}")
            unfinished.chmod(_READ_ONLY)

    def upload_all(self, digests: Iterable[str]) -> None:
        """As `upload`, some side by side."""
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(self.upload, set(digests)))

    def fetch_missing(self, digests: Iterable[str]) -> None:
        """As `fetch`, some side by side, of those that are not here."""
        missing = [digest for digest in set(digests) if not self.local.has(digest)]
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(self.fetch, missing))


def stored_digests(objects: Objects) -> Iterator[str]:
    """Give the digest of every artifact that is in an object store, in no order."""
    for entry in objects.entries(_PREFIX):
        if found := _KEY.fullmatch(entry.key):
            yield f"sha256:{found[1]}{found[2]}"


def _key(digest: str) -> str:
    digits = _digests.hexadecimal(digest)
    return f"{_PREFIX}/{digits[:2]}/{digits[2:]}"
