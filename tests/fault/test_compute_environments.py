"""A builder is killed at any moment; what it left is never taken for a whole environment."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from rung.compute.environments import Environments, resolve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault


def test_killed_builder_leaves_nothing_whole(tmp_path: Path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("click==8.5.1\n")
    lock = resolve(requirements)
    place = Environments(tmp_path / "environments")
    argv = place.command(lock).argv
    cut = 0
    for milliseconds in range(120, 360, 40):
        builder = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        time.sleep(milliseconds / 1000)
        builder.send_signal(signal.SIGKILL)
        cut += builder.wait() == -signal.SIGKILL
        made = place.ensure(lock)
        script = "import click, starlette, gunicorn, rung"
        subprocess.run([made.python, "-c", script], check=True, env={}, cwd="/")
        (made.folder / "environment.json").unlink()
    assert cut
