"""Which files of two trees differ, line by line. Called by `_versions`."""

from __future__ import annotations

import filecmp
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LARGEST: Final = 1 << 20  # bytes of a file that is compared by lines


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file that differs."""

    path: str
    what: Literal["added", "removed", "changed"]
    added: int | None
    """Lines; None: it is no text, or above 1 MiB."""
    removed: int | None
    lines: tuple[str, ...]
    """The unified diff; none where lines are not counted."""


def compare_files(before: Mapping[str, Path], after: Mapping[str, Path]) -> tuple[FileChange, ...]:
    """Compare two trees.

    Args:
        before: Path in the tree to the file.
        after: The same, of the other tree.
    """
    return tuple(
        _change(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if not (name in before and name in after and filecmp.cmp(before[name], after[name], shallow=False))
    )


def _change(name: str, before: Path | None, after: Path | None) -> FileChange:
    what: Literal["added", "removed", "changed"] = (
        "added" if before is None else "removed" if after is None else "changed"
    )
    old, new = _lines(before), _lines(after)
    if old is None or new is None:
        return FileChange(path=name, what=what, added=None, removed=None, lines=())
    names = ("/dev/null" if before is None else f"a/{name}", "/dev/null" if after is None else f"b/{name}")
    lines = tuple(unified_diff(old, new, *names, lineterm=""))
    return FileChange(path=name, what=what, added=_count(lines, "+"), removed=_count(lines, "-"), lines=lines)


def _count(lines: tuple[str, ...], sign: str) -> int:
    return sum(line.startswith(sign) for line in lines[2:])  # below the two names


def _lines(path: Path | None) -> list[str] | None:
    """Read the lines of a text; None for anything else."""
    if path is None:
        return []
    data = b"" if path.stat().st_size > _LARGEST else path.read_bytes()
    if path.stat().st_size > _LARGEST or b"\0" in data:
        return None
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError:
        return None
