"""A folder as a place for objects: each is a file, written beside its name and renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from typing import TYPE_CHECKING

from rung.errors import CallError, UnavailableError
from rung.objects._objects import Entry
from rung.workspace import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_UNFINISHED = ".unfinished"


class FolderObjects:
    """Objects in a folder, made when something is written; its owner's alone, and on the disk when a method returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @property
    def url(self) -> str:
        """The folder."""
        return str(self.folder)

    def size(self, key: str) -> int | None:
        """Give the bytes of a file; None when there is none."""
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError:
            return None

    def modified(self, key: str) -> float | None:
        """Give when a file was written last; None when there is none."""
        try:
            return self._path(key).stat().st_mtime
        except FileNotFoundError:
            return None

    def read(self, key: str) -> bytes | None:
        """Give what is in a file; None when there is none."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, key: str, data: bytes) -> bool:
        """Write a file unless there is one; tell whether this call did."""
        path = self._path(key)
        with self._written(path, lambda unfinished: unfinished.write_bytes(data)) as unfinished:
            try:
                os.link(unfinished, path)
            except FileExistsError:
                return False
            return True

    def replace(self, key: str, data: bytes) -> None:
        """Write a file, in place of one that is there."""
        path = self._path(key)
        with self._written(path, lambda unfinished: unfinished.write_bytes(data)) as unfinished:
            unfinished.replace(path)

    def upload(self, key: str, source: Path) -> None:
        """Copy a file here, in place of one that is there."""
        path = self._path(key)
        with self._written(path, lambda unfinished: shutil.copyfile(source, unfinished)) as unfinished:
            unfinished.replace(path)

    def download(self, key: str, target: Path) -> bool:
        """Copy a file from here, whole or not at all; False when there is none."""
        path = self._path(key)
        if not path.is_file():
            return False
        with self._written(target, lambda unfinished: shutil.copyfile(path, unfinished), mode=0o644) as unfinished:
            unfinished.replace(target)
        return True

    def digest(self, key: str) -> str | None:
        """Hash what is in a file; None when there is none."""
        try:
            with self._path(key).open("rb") as file:
                return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        except FileNotFoundError:
            return None

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Give the files below a folder."""
        for path in (self._path(prefix) if prefix else self.folder).rglob("*"):
            if path.is_file() and path.suffix != _UNFINISHED:
                state = path.stat()
                key = path.relative_to(self.folder).as_posix()
                yield Entry(key=key, size=state.st_size, modified=state.st_mtime)

    def delete(self, key: str) -> None:
        """Remove a file, if there is one."""
        self._path(key).unlink(missing_ok=True)

    def sweep(self, *, older_than_s: float = 86_400) -> None:
        """Remove what writers that were killed left half-written, longer ago than any write takes."""
        for path in self.folder.rglob(f".*{_UNFINISHED}"):
            with contextlib.suppress(FileNotFoundError):  # its writer ended meanwhile
                if time.time() - path.stat().st_mtime > older_than_s:
                    path.unlink()

    def _path(self, key: str) -> Path:
        if any(part in {"", ".", ".."} for part in key.split("/")) or "\0" in key:
            raise CallError(f"{key!r} is no key", hint="a key is names with / between them")
        return self.folder / key

    @contextlib.contextmanager
    def _written(self, path: Path, write: Callable[[Path], object], *, mode: int = 0o600) -> Iterator[Path]:
        """Give a file beside `path` that holds everything; what the block leaves of it is removed."""
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        try:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                unfinished.touch(mode)
                write(unfinished)
                settle(unfinished)
                yield unfinished
                settle(path.parent)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise UnavailableError(
                f"cannot write {path}: {error.strerror or error}", hint="free some space, or check who may write there"
            ) from error
