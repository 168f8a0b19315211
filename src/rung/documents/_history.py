"""Asks git for what `judge_order` decides by: offline, and without changing anything."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from rung.documents._document import document_name, parse
from rung.documents._order import History
from rung.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

    from rung.documents._document import Document
    from rung.workspace import Service, Workspace

_CODE = ("schema", "train", "serve", "tests", "infrastructure", "*.py")
"""What of a service is code; pages and notebooks are not."""


def gather_history(
    workspace: Workspace, service: Service, *, base: str, major: int, next_minor: int | None = None
) -> History:
    """Gather the facts of one service.

    Args:
        workspace: Whose git repository is asked.
        service: The service.
        base: What the branch is to be merged into.
        major: Of the service, as the branch has it.
        next_minor: Of the next revision, where somebody knows.

    Raises:
        WorkspaceError: There is no git repository, no such base, or a history that was cut short.
    """
    git = _Git(workspace.root)
    git.check(base)
    folder = service.folder.relative_to(workspace.root).as_posix()
    code = git.first_change(base, [f"{folder}/{name}" for name in _CODE])
    merged = git.documents(base, f"{folder}/experiments")
    here = sorted((service.folder / "experiments").glob("v*.md"))
    proposed = {name: path.name for path in here if (name := document_name(path.name)) and name not in merged}
    return History(
        service=service.name,
        base=base,
        major=major,
        is_new=not git.has(base, f"{folder}/schema"),
        code=code,
        merged={name: document for name, (document, _) in merged.items()},
        proposed=proposed,
        before_code=frozenset(
            name for name, (_, path) in merged.items() if not code or git.is_before(git.first_commit(base, path), code)
        ),
        next_minor=next_minor,
    )


class _Git:
    """Questions to one repository."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def check(self, base: str) -> None:
        """Look whether the questions can be answered at all."""
        if self._ask("rev-parse", "--is-shallow-repository") == "true":
            raise WorkspaceError(
                "git has only a part of the history, so nobody can tell what was first",
                hint="fetch all of it: fetch-depth: 0 in a workflow, or `git fetch --unshallow`",
            )
        self._ask("merge-base", "--", base, "HEAD", told=f"{base} and this branch have nothing in common")

    def first_change(self, base: str, paths: list[str]) -> str | None:
        """Give the first commit since the base that changes these paths; "" when only the working tree does."""
        commits = self._ask("rev-list", "--reverse", "--topo-order", f"{base}..HEAD", "--", *paths).split()
        if commits:
            return commits[0]
        return "" if self._ask("status", "--porcelain", "--untracked-files=all", "--", *paths) else None

    def documents(self, base: str, folder: str) -> dict[tuple[int, int], tuple[Document, str]]:
        """Give the documents in the base with their paths, by major and minor."""
        found = {}
        for path in self._ask("ls-tree", "-r", "-z", "--name-only", base, "--", f"{folder}/").split("\0"):
            name = document_name(path.rpartition("/")[2])
            if name is not None:
                found[name] = parse(self._ask("show", f"{base}:./{path}")), path
        return found

    def has(self, base: str, path: str) -> bool:
        """Tell whether the base has something there."""
        return bool(self._ask("ls-tree", base, "--", path))

    def first_commit(self, base: str, path: str) -> str:
        """Give the commit that brought a file into the base."""
        return self._ask("rev-list", "--reverse", base, "--", path).split()[0]

    def is_before(self, commit: str, other: str) -> bool:
        """Tell whether a commit is an ancestor of another."""
        return self._run("merge-base", "--is-ancestor", commit, other).returncode == 0

    def _ask(self, *words: str, told: str = "git cannot tell") -> str:
        ended = self._run(*words)
        if ended.returncode != 0:
            said = ended.stderr.decode(errors="replace").strip()
            raise WorkspaceError(
                f"{told}{f' ({said})' if said else ''}", hint="is this a git repository, and was the branch fetched?"
            )
        return ended.stdout.decode(errors="replace").strip("\n")

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        try:
            return subprocess.run(["git", *words], cwd=self._root, env=environment, capture_output=True, check=False)
        except FileNotFoundError as error:
            raise WorkspaceError("git is not installed here", hint="install git") from error
