"""What every place for objects offers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One object."""

    key: str
    size: int  # bytes
    modified: float = field(default=0.0, compare=False)  # when it was written, seconds since 1970


class Objects(Protocol):
    """Bytes by key, as `runs/1/run.json`.

    What is there is whole: a writer that dies leaves nothing that can be read. A reader sees what was written last.
    Every method raises UnavailableError when the place does not answer, and WorkspaceError when it refuses.
    """

    @property
    def url(self) -> str:
        """How errors and people name the place."""
        ...

    def size(self, key: str) -> int | None:
        """Give the bytes that an object has; None when there is none."""
        ...

    def modified(self, key: str) -> float | None:
        """Give when an object was written last, seconds since 1970; None when there is none."""
        ...

    def read(self, key: str) -> bytes | None:
        """Give an object; None when there is none."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless there is one; tell whether this call did. Of two at once, one does."""
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Write an object, in place of one that is there."""
        ...

    def upload(self, key: str, source: Path) -> None:
        """Make a file an object, in place of one that is there."""
        ...

    def download(self, key: str, target: Path) -> bool:
        """Make an object a file, whole or not at all, in place of one that is there; False when there is none."""
        ...

    def digest(self, key: str) -> str | None:
        """Read an object, and give its SHA-256 as `sha256:` and 64 hexadecimal digits; None when there is none."""
        ...

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Give the objects below a prefix, which ends where a part of a key does; in no order."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        ...
