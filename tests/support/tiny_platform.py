"""The platform that tests of several folders begin with: the tiny service with an incumbent, against its benchmark.

What leads there takes half a minute, so it is done once: each platform begins as a copy of that workspace.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

import pytest
import tiny_service
from live_platform import LivePlatform, live_platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_ENVIRONMENTS = ".rung/environments"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePlatform]:
    """A platform whose tiny.v1.m1 answers production, against the benchmark m0."""
    with live_platform() as platform:
        _copy(_begun(tmp_path_factory), platform.root)
        platform.rung("up", "--detach")
        platform.wait(lambda: all(platform.revision(f"tiny.v1.m{minor}")["ready"] for minor in (0, 1)))
        yield platform


def begin(platform: LivePlatform, *, without: Mapping[str, str] | None = None) -> None:
    """Deploy the benchmark, then the first incumbent; of the service without these words of its files."""
    tiny_service.write(platform.root)
    for words, file in (without or {}).items():
        tiny_service.change(platform.root, words, "", file=file)
    platform.rung("up", "--detach")
    platform.deploy("tiny")
    tiny_service.change(platform.root, "slope: float = 0.0", "slope: float = 1.0")
    tiny_service.document(platform.root, 1)
    platform.deploy("tiny")
    platform.rung("promote", "tiny.v1.m1")


def _begun(factory: pytest.TempPathFactory) -> Path:
    """Give the workspace in which all that has happened, and nothing runs; made by whichever worker comes first."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    done = shared / "begun"
    with (shared / "begun.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            with live_platform() as platform:
                begin(platform)
                platform.rung("down")
                _copy(platform.root, shared / "copied")
            (shared / "copied").rename(done)
    return done


def _copy(source: Path, target: Path) -> None:
    """Copy a workspace; its environments, which nobody changes, by links."""
    shutil.rmtree(target, ignore_errors=True)
    left_out = shutil.ignore_patterns("environments")
    shutil.copytree(source, target, symlinks=True, ignore=left_out)
    shutil.copytree(source / _ENVIRONMENTS, target / _ENVIRONMENTS, symlinks=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)
