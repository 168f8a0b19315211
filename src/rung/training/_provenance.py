"""Where a run's code comes from, and what it ran in."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The state of the workspace's git repository."""

    commit: str | None
    """None without git, or before the first commit."""
    branch: str | None
    dirty: bool
    """Tracked files differ from the commit, or untracked ones lie beside them."""


class SourceQuery:
    """Asks git in the background: a run need not wait for it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                ["git", "status", "--porcelain=v2", "--branch"],
                cwd=root,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except FileNotFoundError:  # no git on this machine: the run says that it has no commit
            self._process = None

    def answer(self) -> Source:
        """Wait for git; a folder that is no repository has no commit and counts as dirty."""
        if self._process is None:
            return Source(commit=None, branch=None, dirty=True)
        output, _ = self._process.communicate()
        if self._process.returncode != 0:
            return Source(commit=None, branch=None, dirty=True)
        lines = output.decode(errors="replace").splitlines()
        heads = dict(line.removeprefix("# branch.").split(" ", 1) for line in lines if line.startswith("# branch."))
        commit = heads.get("oid")
        return Source(
            commit=None if commit in (None, "(initial)") else commit,
            branch=heads.get("head"),
            dirty=any(not line.startswith("#") for line in lines),
        )


def patch(root: Path) -> bytes:
    """Give the difference of the tracked files to the commit, with whole new files named."""
    ask = ["git", "diff", "--binary", "HEAD"]
    difference = subprocess.run(ask, cwd=root, capture_output=True, check=False).stdout
    ask = ["git", "ls-files", "--others", "--exclude-standard"]
    untracked = subprocess.run(ask, cwd=root, capture_output=True, check=False).stdout
    return difference + b"".join(b"# untracked: " + name + b"\n" for name in untracked.splitlines())


def file_digest(path: Path) -> str:
    """Hash all bytes of a file."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def peak_memory_bytes() -> int:
    """Tell the most memory that this process ever had, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
