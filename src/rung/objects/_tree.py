"""A folder as one object: a plain tar whose bytes depend on nothing but names, content and what may be run."""

from __future__ import annotations

import os
import shutil
import tarfile
from typing import TYPE_CHECKING

from rung.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PASSED_OVER = "__pycache__"  # made by whoever imports from the folder


def pack(folder: Path, target: Path) -> None:
    """Write a folder's files and links into a tar; equal folders give equal bytes."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in _members(folder):
            member = tar.gettarinfo(path, arcname=path.relative_to(folder).as_posix())
            if not (member.isfile() or member.issym() or member.islnk()):
                continue
            member.type = tarfile.SYMTYPE if member.issym() else tarfile.REGTYPE
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = 0
            if member.issym():
                tar.addfile(member)
            else:
                member.size = path.stat().st_size
                with path.open("rb") as file:
                    tar.addfile(member, file)


def unpack(source: Path, folder: Path) -> None:
    """Make a folder of what `pack` wrote, whole or not at all; one that is there is replaced.

    Raises:
        IntegrityError: It is no such file, or names something outside of the folder.
    """
    unfinished = folder.with_name(f".{folder.name}.unpacked")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        with tarfile.open(source, "r:") as tar:
            tar.extractall(unfinished, filter="data")
    except tarfile.TarError as error:
        raise IntegrityError(f"{source} cannot be unpacked ({error})", hint="it is not what was packed") from error
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _members(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != _PASSED_OVER)
        here = folder.joinpath(place)
        yield from (here / name for name in sorted([*files, *(one for one in folders if (here / one).is_symlink())]))
