"""What is really installed in the running interpreter, as one hash.

Trainings key their cache with it, so it is asked at every start: standard library only, names of folders only, no
package is opened. It tells versions apart, not local edits of an installed package.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass

__all__ = ["Installed", "installed_environment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The distributions, the Python and the platform of one interpreter."""

    digest: str  # "sha256:" + 64 hexadecimal digits, over the lines
    lines: tuple[str, ...]  # "name==version", sorted; then "python ..." and "platform ..."


def installed_environment() -> Installed:
    """List what `sys.path` holds, as `importlib.metadata` would find it: the first of a name wins.

    Takes about a millisecond for a few hundred distributions. Names are normalised as in PEP 503.
    """
    versions: dict[str, str] = {}
    for folder in dict.fromkeys(sys.path):
        for name, version in _distributions(folder or "."):
            versions.setdefault(name, version)
    uname = os.uname()
    lines = (
        *(f"{name}=={versions[name]}" for name in sorted(versions)),
        f"python {sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))}",
        f"platform {uname.sysname} {uname.machine}",
    )
    return Installed(digest="sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest(), lines=lines)


def _distributions(folder: str) -> list[tuple[str, str]]:
    try:
        entries = sorted(os.listdir(folder))  # noqa: PTH208 - a Path for each entry costs more than the listing
    except OSError:  # sys.path may name archives and folders that do not exist
        return []
    found = []
    for entry in entries:
        stem, dot, ending = entry.rpartition(".")
        if dot and ending in {"dist-info", "egg-info"}:
            name, _, rest = stem.partition("-")
            # an egg-info folder may end in the version of its Python: name-1.0-py3.11
            found.append((name.lower().replace("_", "-").replace(".", "-"), rest.partition("-py")[0]))
    return found
