"""The source snapshot of a revision: what git has, copied beside the revision, so that later edits change nothing."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rung.errors import ConflictError, NotFoundError, WorkspaceError
from rung.training._provenance import Source, SourceQuery, patch
from rung.workspace import Workspace, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.workspace import Service


_PATCH = "diff.patch"
_FETCH_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was copied."""

    source: Source
    patch: str | None
    """Digest of the difference to the commit, kept beside the snapshot as `diff.patch`; None for a clean tree."""


def check_source(root: Path, *, allow_dirty: bool) -> Source:
    """Tell what would be deployed.

    Raises:
        WorkspaceError: There is no git repository, or it has no commit.
        ConflictError: The tree differs from its commit, and that was not allowed.
    """
    source = SourceQuery(root).answer()
    if source.commit is None:
        raise WorkspaceError(
            f"{root} is not a git repository with a commit",
            hint="git init, git add -A, git commit: deploys name a commit",
        )
    if source.dirty and not allow_dirty:
        raise ConflictError(
            "the working tree differs from its commit, so nobody could see later what was deployed",
            hint="commit first, or say --allow-dirty and the revision will say so for ever",
        )
    return source


@contextmanager
def chosen_source(
    workspace: Workspace, service: str, commit: str | None, *, allow_dirty: bool
) -> Iterator[tuple[Service, Source]]:
    """Give a service as it is to be deployed, for as long as the block lasts, and where that comes from.

    Args:
        workspace: The platform's.
        service: Its name.
        commit: A full hash, whose files are taken; a repository that it was cloned from is asked for it. None: those of
            the working tree.
        allow_dirty: As `check_source`.

    Raises:
        NotFoundError: There is no such commit, or no such service in it.
        WorkspaceError: As `check_source`.
        ConflictError: As `check_source`.
    """
    if commit is None:
        found = workspace.service(service)
        yield found, check_source(workspace.root, allow_dirty=allow_dirty)
        return
    _fetch(workspace.root, commit)
    with tempfile.TemporaryDirectory() as folder:
        _extract_commit(workspace.root, Path(folder), commit)
        taken = Workspace(root=Path(folder), state=workspace.state)
        if service not in taken.services():
            raise NotFoundError(f"commit {commit[:8]} has no service {service!r}", hint="`rung new` makes one")
        yield taken.service(service), Source(commit=commit, branch=None, dirty=False)


def _fetch(root: Path, commit: str) -> None:
    """Bring what `origin` has, where there is one; then the commit must be here."""
    quiet = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    fetch = ["git", "fetch", "--quiet", "origin"]
    with suppress(subprocess.TimeoutExpired):  # it may be here already
        subprocess.run(fetch, cwd=root, env=quiet, capture_output=True, check=False, timeout=_FETCH_WITHIN_S)
    known = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    if subprocess.run(known, cwd=root, capture_output=True, check=False).returncode != 0:
        raise NotFoundError(
            f"the platform's repository has no commit {commit[:8]}", hint="push it to where the platform fetches from"
        )


def check_merged(root: Path, source: Source, branch: str) -> None:
    """Refuse what is not part of a branch: nobody may have reviewed it.

    Raises:
        WorkspaceError: There is no such branch.
        ConflictError: The tree differs from its commit, or the commit is not part of the branch.
    """
    hint = f"merge it into {branch} first: `merged_only` in rung.toml asks for it"
    if source.dirty:
        raise ConflictError("the working tree differs from its commit, and only merged code is deployed", hint=hint)
    ask = ["git", "merge-base", "--is-ancestor", str(source.commit), branch]
    answer = subprocess.run(ask, cwd=root, capture_output=True, check=False)
    if answer.returncode == 1:
        raise ConflictError(f"the commit {str(source.commit)[:8]} is not part of {branch}", hint=hint)
    if answer.returncode != 0:
        raise WorkspaceError(
            f"git cannot tell what is part of {branch}: {answer.stderr.decode(errors='replace').strip()}",
            hint="is `merged_only` in rung.toml the name of a branch?",
        )


def take_snapshot(root: Path, target: Path, source: Source) -> Snapshot:
    """Copy the committed tree, or the working tree when it is dirty, whole or not at all."""
    temporary = target.with_name(f".{target.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    difference: bytes | None = None
    try:
        if source.dirty:
            difference = patch(root)
            _copy_tree(root, temporary)
            write_atomically(target.parent / _PATCH, difference)
        else:
            _extract_commit(root, temporary, str(source.commit))
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    digest = None if difference is None else "sha256:" + hashlib.sha256(difference).hexdigest()
    return Snapshot(source=source, patch=digest)


def copy_snapshot(earlier: Path, target: Path) -> None:
    """Copy the snapshot of another revision, and the difference to its commit, whole or not at all.

    Raises:
        FileNotFoundError: There is none.
    """
    temporary = target.with_name(f".{target.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        shutil.copytree(earlier, temporary, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        difference = earlier.parent / _PATCH
        if difference.is_file():
            shutil.copy2(difference, target.parent / _PATCH)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read_major(service: Service) -> int:
    """Read `major = N` from the service's schema, without running it.

    Raises:
        WorkspaceError: It is not there.
    """
    path = service.folder / "schema" / "service.py"
    try:
        tree = ast.parse(path.read_text())
    except (OSError, SyntaxError) as error:
        raise WorkspaceError(f"{path} cannot be read ({error})", hint="mend it; `rung check` tells more") from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "major" for t in node.targets):
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, int) and value.value >= 1:
                return value.value
    raise WorkspaceError(f"{path} has no major", hint="write major = 1")


def _extract_commit(root: Path, target: Path, commit: str) -> None:
    archive = subprocess.run(["git", "archive", commit], cwd=root, capture_output=True, check=False)
    if archive.returncode != 0:
        raise WorkspaceError(f"git archive failed: {archive.stderr.decode(errors='replace').strip()}")
    try:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(target, filter="data")
    except tarfile.FilterError as error:
        raise _leads_out(root, error.tarinfo.name) from error


def _copy_tree(root: Path, target: Path) -> None:
    ask = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(ask, cwd=root, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (root / name).is_file():
            if not (root / name).resolve().is_relative_to(root.resolve()):
                raise _leads_out(root, name)
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def _leads_out(root: Path, name: str) -> WorkspaceError:
    return WorkspaceError(
        f"{name} leads out of {root}: what is deployed is what the repository holds",
        hint="replace the link by what it names, or take it out of git",
    )
