"""Which source is deployed: a commit's, whatever the working tree has; asked of real repositories."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from rung.control.deployment.source import check_merged, chosen_source, read_major
from rung.errors import ConflictError, NotFoundError
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place


def git(root: Path, *words: str) -> str:
    author = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    ended = subprocess.run(["git", *author, *words], cwd=root, check=True, capture_output=True, text=True)
    return ended.stdout.strip()


@pytest.fixture
def platform(place: Place, tmp_path: Path) -> tuple[Workspace, Place]:
    """A clone, as a platform has one, and where it was cloned from."""
    place.service("shop", "X = 1\n", schema__service="major = 3\n")
    place.write("experiments/shop/infrastructure/requirements.txt", "")
    place.commit()
    git(tmp_path, "clone", str(place.root), str(tmp_path / "clone"))
    return Workspace(root=tmp_path / "clone", state=tmp_path / "state"), place


def test_a_commit_is_taken_whatever_the_tree_has(platform: tuple[Workspace, Place]):
    workspace, _ = platform
    head = git(workspace.root, "rev-parse", "HEAD")
    (workspace.root / "experiments/shop/schema/service.py").write_text("nothing")
    with chosen_source(workspace, "shop", head, allow_dirty=False) as (service, source):
        assert read_major(service) == 3
        assert (source.commit, source.dirty) == (head, False)
    assert not service.folder.exists()


def test_a_commit_that_was_pushed_is_fetched(platform: tuple[Workspace, Place]):
    workspace, origin = platform
    origin.write("experiments/shop/schema/service.py", "major = 4\n")
    pushed = origin.commit()
    with chosen_source(workspace, "shop", pushed, allow_dirty=False) as (service, source):
        assert read_major(service) == 4
    check_merged(workspace.root, source, "origin/main")
    with pytest.raises(ConflictError, match="is not part of main"):
        check_merged(workspace.root, source, "main")


def test_what_is_not_there_is_told(platform: tuple[Workspace, Place]):
    workspace, _ = platform
    head = git(workspace.root, "rev-parse", "HEAD")
    with (
        pytest.raises(NotFoundError, match="has no commit 0000"),
        chosen_source(workspace, "shop", "0" * 40, allow_dirty=False),
    ):
        pass
    with (
        pytest.raises(NotFoundError, match="has no service 'desk'"),
        chosen_source(workspace, "desk", head, allow_dirty=False),
    ):
        pass
