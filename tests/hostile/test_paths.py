"""Names that would lead out of a folder: in a repository, in a digest, in a URL."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from rung.artifacts import LocalStore
from rung.control.deployment.source import check_source, take_snapshot
from rung.errors import CallError, NotFoundError, WorkspaceError
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Target

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose neighbour is a secret."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "plain").write_text("plain")
    subprocess.run([*GIT, "init", "-q"], cwd=root, check=True)
    return root


@pytest.mark.parametrize("is_dirty", [False, True])
@pytest.mark.parametrize("link", ["../secret", "{outside}/secret", "plain/../../secret"])
def test_links_out_of_the_repository_are_refused(root: Path, link: str, is_dirty: bool):
    (root / "out").symlink_to(link.format(outside=root.parent))
    subprocess.run([*GIT, "add", "-A"], cwd=root, check=True)
    subprocess.run([*GIT, "commit", "-qm", "one"], cwd=root, check=True)
    if is_dirty:
        (root / "plain").write_text("other")
    if link.startswith("plain"):
        (root / "plain").unlink()
        (root / "plain").mkdir()
    target = root.parent / "source"
    with pytest.raises(WorkspaceError, match="out leads out of"):
        take_snapshot(root, target, check_source(root, allow_dirty=True))
    assert not target.exists()


def test_links_inside_the_repository_are_kept(root: Path):
    (root / "inside").symlink_to("plain")
    subprocess.run([*GIT, "add", "-A"], cwd=root, check=True)
    subprocess.run([*GIT, "commit", "-qm", "one"], cwd=root, check=True)
    target = root.parent / "source"
    take_snapshot(root, target, check_source(root, allow_dirty=False))
    assert (target / "inside").read_text() == "plain"


@pytest.mark.parametrize(
    "digest", ["sha256:../../secret", "../secret", "sha256:" + "a" * 63 + "/", "sha256:" + "A" * 64]
)
def test_digests_name_no_paths(tmp_path: Path, digest: str):
    store = LocalStore(tmp_path / "store")
    for ask in (store.get, store.has, store.delete):
        with pytest.raises(CallError):
            ask(digest)


@pytest.mark.parametrize("name", ["..", "../..", "a/../../b", "/etc", ".", ""])
def test_services_name_no_paths(tmp_path: Path, name: str):
    (tmp_path / "experiments" / "a" / "schema").mkdir(parents=True)
    with pytest.raises(NotFoundError):
        Workspace(root=tmp_path, state=tmp_path / ".rung").service(name)


ASKED = [
    b"/revisions/tiny.v1.m1/log?kind=../../../rung.toml",
    b"/revisions/..%2f..%2fetc/log",
    b"/revisions/%2e%2e/log",
    b"/revisions/tiny.v1.m1%00/log",
    b"/majors/../1/why",
    b"/services/%2e%2e%2f%2e%2e/history",
    b"/predictions/..%2f..%2f..%2fetc%2fpasswd",
]


@pytest.mark.parametrize("path", ASKED)
def test_paths_of_the_api_lead_nowhere_else(api: Target, path: bytes):
    answer = api.send(api.request(method=b"GET", path=path))
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert b"root:" not in answer
    assert b"gateway_port" not in answer
