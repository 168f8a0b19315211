"""An upgrade of Rung in the middle of an A/B test: an earlier one begins it, this one ends it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import tiny_platform
from live_platform import kill, live_platform
from scene import Row, begin, end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_platform import LivePlatform

ROOT = Path(__file__).parents[2]
EARLIER = "0050e5d7ced6"
"""The last commit whose registry has the schema 0002, before there was PostgreSQL."""
LATER = {
    'fidelity="as it was computed",': "schema/service.py",
    'priority="high",': "schema/service.py",
    ", steady_s=3": "tests/acceptance.py",
}
"""What a service may say by now, and that one does not know."""


def upgraded(_: LivePlatform, name: str) -> Row:
    """Kill the earlier control plane during the A/B test, and go on with this one: it migrates, adopts, and decides."""
    with _earlier() as python, live_platform(python) as platform:
        tiny_platform.begin(platform, without=LATER)
        scene = begin(platform)
        try:
            scene.await_step("experiment")
            platform.wait(lambda: scene.consumers.by_revision[scene.challenger] >= 20)
            kill(platform.address.pid)
            scene.watcher.kill()
            time.sleep(1)
            platform.python = sys.executable
            platform.rung("up", "--detach")
            scene.notes.append(f"from {EARLIER} to this one")
            return end(scene, name)
        finally:
            scene.consumers.stop()


@contextlib.contextmanager
def _earlier() -> Iterator[str]:
    """Install the earlier Rung into an environment of its own; give its Python."""
    with tempfile.TemporaryDirectory(prefix="rung-earlier-") as name:
        folder = Path(name)
        source = subprocess.run(["git", "archive", EARLIER], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "--extract", "--directory", name], input=source, check=True)
        uv = str(Path(sys.executable).with_name("uv"))
        python = folder / ".venv" / "bin" / "python"
        for words in (
            ["venv", "--quiet", str(folder / ".venv"), "--python", sys.executable],
            ["pip", "install", "--quiet", "--python", str(python), "-r", "requirements/demo.txt"],
            ["pip", "install", "--quiet", "--python", str(python), "--no-deps", "--no-build-isolation", "."],
        ):
            subprocess.run([uv, *words], cwd=folder, check=True)
        yield str(python)
