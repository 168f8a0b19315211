"""What `rung check` says of a service's Debian packages: each is pinned, and this machine has it or lacks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.checks._practice import Advice
from rung.compute.packages import installed_packages, loose_packages, missing_packages, read_packages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["hold_packages", "judge_packages"]


def hold_packages(path: Path) -> tuple[bool, str]:
    """Tell whether each package of a `packages.txt` is pinned, and what is to be said of them."""
    wanted = read_packages(path)
    return judge_packages(wanted, installed_packages() if wanted else None)


def judge_packages(wanted: tuple[str, ...], installed: Mapping[str, str] | None) -> tuple[bool, str]:
    """Judge the lines of a `packages.txt` beside what a machine has; None: it cannot be asked."""
    if not wanted:
        return True, "it needs no Debian packages"
    loose = loose_packages(wanted)
    if loose:
        here = {one: (installed or {}).get(one.partition("=")[0].partition(":")[0]) for one in loose}
        told = ", ".join(f"{one} (this machine has {version})" if version else one for one, version in here.items())
        return False, f"not pinned exactly: {told}; write name=version in infrastructure/packages.txt"
    if installed is None:
        return True, "every Debian package is pinned; whether they are installed cannot be known without dpkg"
    missing = missing_packages(wanted, installed)
    if missing:
        return True, Advice(f"every Debian package is pinned; this machine lacks {', '.join(missing)}")
    return True, "every Debian package is pinned, and this machine has them"
