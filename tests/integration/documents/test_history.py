"""Document before code, asked of real repositories."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from rung.documents import gather_history, judge_order
from rung.errors import WorkspaceError
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place

PLAN = "## Intention\na\n## Hypothesis\nb\n## Approach\nc\n## What would change our mind\nd\n"
DOCUMENT = "experiments/shop/experiments/v1.m1.md"
GIT = ("git", "-c", "user.name=tester", "-c", "user.email=tester@example.org")


def git(root: Path, *words: str) -> None:
    subprocess.run([*GIT, *words], cwd=root, check=True, capture_output=True)


def judged(place: Place, base: str = "main") -> tuple[bool, str]:
    workspace = Workspace(root=place.root, state=place.root / ".rung")
    order = judge_order(gather_history(workspace, workspace.service("shop"), base=base, major=1))
    return order.holds, order.because


@pytest.fixture
def repository(place: Place) -> Place:
    """A service on its main branch, and a branch beside it."""
    place.service("shop", "X = 1\n")
    place.commit()
    git(place.root, "switch", "-c", "work")
    return place


def test_code_needs_a_document_that_is_merged(repository: Place):
    assert judged(repository)[0]
    repository.write("experiments/shop/train/main.py", "X = 2\n")
    assert "what is not committed yet changes the code of shop.v1.m1" in judged(repository)[1]
    repository.write(DOCUMENT, PLAN)
    repository.commit()
    holds, because = judged(repository)
    assert not holds
    assert "beside its document: merge v1.m1.md by itself first" in because


def test_pages_and_notebooks_are_no_code(repository: Place):
    repository.write("experiments/shop/specification.md", "other")
    repository.write("experiments/shop/notebooks/explore.ipynb", "{}")
    repository.write("experiments/other/train/main.py", "X = 1\n")
    repository.commit()
    assert judged(repository) == (True, "the code of shop is as in main")


def test_a_document_that_was_merged_first_suffices(repository: Place):
    git(repository.root, "switch", "main")
    repository.write(DOCUMENT, PLAN)
    repository.commit()
    git(repository.root, "switch", "work")
    git(repository.root, "merge", "--ff-only", "main")
    repository.write("experiments/shop/train/main.py", "X = 2\n")
    repository.commit()
    assert judged(repository) == (True, "v1.m1.md was merged into main before the code of shop.v1.m1")


def test_a_document_that_came_meanwhile_asks_for_a_rebase(repository: Place):
    repository.write("experiments/shop/train/main.py", "X = 2\n")
    repository.commit()
    git(repository.root, "switch", "main")
    repository.write(DOCUMENT, PLAN)
    repository.commit()
    git(repository.root, "switch", "work")
    holds, because = judged(repository)
    assert not holds
    assert "does not follow v1.m1.md, which was merged meanwhile: `git rebase main`" in because
    git(repository.root, "rebase", "main")
    assert judged(repository)[0]


def test_a_workspace_may_be_a_folder_of_a_repository(repository: Place, tmp_path: Path):
    outer = tmp_path / "outer"
    outer.mkdir()
    repository.root.rename(outer / "inner")
    inner = type(repository)(root=outer / "inner")
    (inner.root / ".git").rename(tmp_path / "gone")
    git(outer, "init", "--initial-branch=main")
    git(outer, "add", "--all")
    git(outer, "commit", "--message=begin")
    git(outer, "switch", "-c", "work")
    inner.write("experiments/shop/train/main.py", "X = 2\n")
    assert "main has no v1.m1.md" in judged(inner)[1]


def test_a_history_that_was_cut_short_is_refused(repository: Place, tmp_path: Path):
    repository.write("experiments/shop/train/main.py", "X = 2\n")
    repository.commit()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--depth=1", f"file://{repository.root}", str(clone))
    with pytest.raises(WorkspaceError, match="only a part of the history"):
        judged(type(repository)(root=clone), "origin/work")


def test_an_unknown_base_is_refused(repository: Place):
    with pytest.raises(WorkspaceError, match="nope"):
        judged(repository, "nope")
