"""Where a run's code comes from, and what it ran in."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_IN_PATCH = 1 << 20
"""Bytes of a new file that is still kept in a patch; of larger ones only the name is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The state of the workspace's git repository."""

    commit: str | None
    """None without git, or before the first commit."""
    branch: str | None
    dirty: bool
    """Tracked files differ from the commit, or untracked ones lie beside them."""
    is_snapshot: bool = False
    """The code was copied from its repository before; whoever copied it keeps the difference."""


class SourceQuery:
    """Asks git in the background: a run need not wait for it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._snapshot = _snapshot(os.environ)
        if self._snapshot is not None:
            return
        try:
            self._process = subprocess.Popen(
                ["git", "status", "--porcelain=v2", "--branch"],
                cwd=root,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_looking(),
            )
        except FileNotFoundError:  # no git on this machine: the run says that it has no commit
            self._process = None

    def answer(self) -> Source:
        """Wait for git; a folder that is no repository has no commit and counts as dirty."""
        if self._snapshot is not None:
            return self._snapshot
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


def _snapshot(environment: Mapping[str, str]) -> Source | None:
    """Read what the control plane says of the source of a deployed training."""
    if "RUNG_COMMIT" not in environment:
        return None
    return Source(
        commit=environment["RUNG_COMMIT"] or None,
        branch=None,
        dirty=environment.get("RUNG_DIRTY") == "1",
        is_snapshot=True,
    )


def patch(root: Path) -> bytes:
    """Give the difference of the working tree to the commit, as `git apply` takes it.

    New files are in it, too; of those above 1 MiB only the name, in a comment at its end.
    """
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--full-name", ":/").decode().split("\0")[:-1]
    top = Path(os.fsdecode(_git(root, "rev-parse", "--show-toplevel").rstrip(b"\n")))
    small = [name for name in new if (top / name).lstat().st_size <= _LARGEST_IN_PATCH]
    with tempfile.TemporaryDirectory() as folder:
        # In an index of its own: nothing changes for the person who works here.
        index = Path(folder) / "index"
        real = top / os.fsdecode(_git(top, "rev-parse", "--git-path", "index").rstrip(b"\n"))
        if real.is_file():
            shutil.copyfile(real, index)
        if small:
            names = "\0".join(small).encode()
            added = ("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
            _git(top, *added, given=names, GIT_INDEX_FILE=str(index))
        difference = _git(top, "diff", "--binary", "HEAD", GIT_INDEX_FILE=str(index))
    return difference + b"".join(b"# not in here: " + name.encode() + b"\n" for name in sorted({*new} - {*small}))


def _git(folder: Path, *arguments: str, given: bytes = b"", **settings: str) -> bytes:
    command = ["git", "--literal-pathspecs", *arguments] if given else ["git", *arguments]
    environment = _looking() | settings
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False, env=environment).stdout


def _looking() -> dict[str, str]:
    """Git only looks: it must not stand in the way of a person who commits meanwhile."""
    return {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}


def peak_memory_bytes(of: int = resource.RUSAGE_SELF) -> int:
    """Tell the most memory that this process ever had, or one of its ended children (`RUSAGE_CHILDREN`), bytes."""
    peak = resource.getrusage(of).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
