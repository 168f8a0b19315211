"""The Debian packages that a service needs beside Python's: its `packages.txt`, one `name=version` a line.

Rung installs none of them, which takes root: `rung check` holds the file to its form and tells what a machine lacks, a
deployment warns of it, and exports hand the list on.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["installed_packages", "loose_packages", "missing_packages", "read_packages"]

_PIN: Final = re.compile(r"[a-z0-9][a-z0-9+.-]*(:[a-z0-9-]+)?=[A-Za-z0-9.+~:-]+")


def read_packages(path: Path) -> tuple[str, ...]:
    """Read a `packages.txt`; `#` begins a comment, and without a file there are none."""
    if not path.is_file():
        return ()
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line)


def loose_packages(wanted: Iterable[str]) -> list[str]:
    """Give the lines that do not name one version.

    >>> loose_packages(["libgomp1=12.2.0-14+deb12u1", "libgomp1", "ffmpeg=7:5.*"])
    ['libgomp1', 'ffmpeg=7:5.*']
    """
    return [one for one in wanted if not _PIN.fullmatch(one)]


def installed_packages() -> dict[str, str] | None:
    """Give the versions of the Debian packages of this machine, by name; None where it has no dpkg to ask."""
    if shutil.which("dpkg-query") is None:
        return None
    asked = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package} ${Version}\n"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    rows = (line.split(" ") for line in listed.splitlines() if line.startswith("installed "))
    return {name: version for _, name, version in rows}


def missing_packages(wanted: Iterable[str], installed: Mapping[str, str]) -> list[str]:
    """Give what a machine lacks, with the version that it has in its place.

    >>> missing_packages(["dpkg", "ffmpeg=7:5.1", "libgomp1=1"], {"dpkg": "1.21.22", "libgomp1": "12.2.0-14"})
    ['ffmpeg=7:5.1', 'libgomp1=1 (it has 12.2.0-14)']
    """
    lacking = []
    for one in wanted:
        name, _, version = one.partition("=")
        here = installed.get(name.partition(":")[0])
        if here is None:
            lacking.append(one)
        elif version not in ("", here):
            lacking.append(f"{one} (it has {here})")
    return lacking
