"""Where artifacts lie: by digest, so that the same bytes lie there once, and nothing is ever changed.

Called by the runner of trainings (put, link), by serving (get) and by garbage collection (digests, delete).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Protocol

from rung.artifacts import _digests
from rung.errors import IntegrityError, UnavailableError
from rung.workspace import settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READ_ONLY = 0o444
_UNFINISHED = ".unfinished"


class Store(Protocol):
    """Keeps bytes by their digest, for many writers and readers at once.

    What is there is whole: a writer that dies, or a full disk, leaves nothing that can be read. Two writers of the same
    bytes are fine. Bytes that were changed since are never given.
    """

    def put(self, data: bytes) -> str:
        """Keep the bytes; give their digest."""
        ...

    def get(self, digest: str) -> bytes:
        """Give the bytes; IntegrityError when they are missing or not those that were put."""
        ...

    def has(self, digest: str) -> bool:
        """Say whether bytes with this digest are there, without reading them."""
        ...

    def link(self, digest: str, target: Path) -> None:
        """Make the bytes a read-only file at `target`, replacing one that is there."""
        ...


class PrunableStore(Store, Protocol):
    """A store that garbage collection can go through."""

    def digests(self) -> Iterator[str]:
        """Give the digest of everything that is there, in no order."""
        ...

    def delete(self, digest: str) -> None:
        """Remove the bytes, if they are there; files linked from them stay."""
        ...


class LocalStore:
    """A store in a folder: `ab/cdef...`, one read-only file per digest.

    Args:
        folder: made when something is put.
        durable: wait until the bytes are on the disk (about 4 ms each). Without, a power cut can lose or damage what
            was put in the last seconds; `get` notices, and putting it again mends it.
    """

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self.durable = durable

    def put(self, data: bytes) -> str:
        """Keep the bytes; give their digest.

        Raises:
            UnavailableError: the disk is full or the folder cannot be written; nothing of it stays.
        """
        digest = _digests.digest_of(data)
        path = self.path(digest)
        try:
            if not _is_whole(path, digest, len(data)):
                self._write(path, data)
            else:
                os.utime(path)  # young again: garbage collection leaves alone what somebody is about to name
                self._settle(path)
        except OSError as error:
            raise _cannot_write(path, len(data), error) from error
        return digest

    def get(self, digest: str) -> bytes:
        """Give the bytes.

        Raises:
            IntegrityError: they are missing, or not those that were put.
        """
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise self._missing(digest) from error
        _digests.verify(data, digest, name=f"artifact {path}")
        return data

    def is_whole(self, digest: str) -> bool:
        """Say whether the bytes are there, and those that were put; putting damaged ones again mends them."""
        try:
            _digests.verify(self.path(digest), digest)
        except IntegrityError:
            return False
        return True

    def has(self, digest: str) -> bool:
        """Say whether there is a file for this digest; `get` says whether it is whole."""
        return self.path(digest).exists()

    def link(self, digest: str, target: Path) -> None:
        """Make `target` the same file, or a copy where the disk or the system does not allow that.

        Raises:
            IntegrityError: there are no such bytes.
            UnavailableError: the disk is full or the folder cannot be written.
        """
        path = self.path(digest)
        with contextlib.suppress(OSError):  # nearly always nothing is there yet; whatever else is, is dealt with below
            os.link(path, target)
            return
        if not path.exists():
            raise self._missing(digest)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _appearing_at(target) as unfinished:
                _link_or_copy(path, unfinished)
            unfinished.unlink(missing_ok=True)  # renaming one link of a file to another does nothing
        except OSError as error:
            raise _cannot_write(target, path.stat().st_size, error) from error

    def digests(self) -> Iterator[str]:
        """Give the digest of everything that is there, in no order."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            if path.suffix != _UNFINISHED:
                yield f"sha256:{path.parent.name}{path.name}"

    def delete(self, digest: str) -> None:
        """Remove the bytes, if they are there; files linked from them stay."""
        self.path(digest).unlink(missing_ok=True)

    def unfinished(self) -> Iterator[Path]:
        """Give what writers are writing now, and what killed ones left."""
        return self.folder.glob(f"*/*{_UNFINISHED}")

    def path(self, digest: str) -> Path:
        """Tell where the bytes lie, or would."""
        digits = _digests.hexadecimal(digest)
        return self.folder / digits[:2] / digits[2:]

    def _write(self, path: Path, data: bytes) -> None:
        try:
            self._write_into_folder(path, data)
        except FileNotFoundError:  # its folder is not there yet
            path.parent.mkdir(parents=True, exist_ok=True)
            self._settle(self.folder)
            self._write_into_folder(path, data)

    def _write_into_folder(self, path: Path, data: bytes) -> None:
        with _appearing_at(path) as unfinished:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _READ_ONLY)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            self._settle(unfinished)
        self._settle(path.parent)

    def _settle(self, path: Path) -> None:
        if self.durable:
            settle(path)

    def _missing(self, digest: str) -> IntegrityError:
        return IntegrityError(f"artifact {digest} is missing in {self.folder}", hint="run the task that made it again")


@contextlib.contextmanager
def _appearing_at(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; what is written appears at `path` whole, or is removed."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, too many links, or a file system without links
        shutil.copyfile(source, target)
        target.chmod(_READ_ONLY)


def _is_whole(path: Path, digest: str, size: int) -> bool:
    """Say whether the same bytes are there already; damaged ones are to be written again."""
    try:
        return path.stat().st_size == size and _digests.digest_of(path.read_bytes()) == digest
    except FileNotFoundError:
        return False


def _cannot_write(path: Path, size: int, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"cannot write {size:,} bytes to {path}: {error.strerror or error}",
        hint="free some space, or check who may write there; nothing was left half-written",
    )
