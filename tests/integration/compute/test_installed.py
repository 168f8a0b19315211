from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from rung.compute.installed import installed_environment

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_versions_agree_with_the_standard_library():
    lines = installed_environment().lines
    for name in ("click", "prometheus-client", "uvicorn-worker", "rung"):
        assert f"{name}=={importlib.metadata.version(name)}" in lines


def test_digest_follows_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = installed_environment()
    assert installed_environment() == before
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed_environment() == before
    (tmp_path / "Some_Thing-1.2.dist-info").mkdir()
    (tmp_path / "old.way-3-py3.11.egg-info").mkdir()
    after = installed_environment()
    assert after.digest != before.digest
    assert {"some-thing==1.2", "old-way==3"} <= set(after.lines)


def test_first_on_the_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "click-99.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "click==99.0" in installed_environment().lines


def test_asking_takes_milliseconds():
    def once() -> float:
        begin = time.perf_counter()
        installed_environment()
        return time.perf_counter() - begin

    assert min(once() for _ in range(20)) < 0.003


def test_import_stays_light():
    script = "import sys, rung.compute.installed; print({'psutil', 'json', 'subprocess', 'asyncio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
