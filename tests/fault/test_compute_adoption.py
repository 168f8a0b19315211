"""A control plane is killed; the next one finds what it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from waiting import until

from rung.compute import local
from rung.compute.jobs import Ended, Job

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault

CONTROL_PLANE = """
import json, os, sys, time
from pathlib import Path
from rung.compute import local
from rung.compute.jobs import Job
folder = Path(sys.argv[1])
command = local.Command(argv=("sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; exit 5"),
                        folder=folder, environment={"PATH": os.environ["PATH"]}, exit_file=folder / "code")
Job(folder / "job").start(command)
print(json.dumps(local.start(command).to_json()), flush=True)
time.sleep(600)
"""

KILLED_BEFORE_THE_ORDER = """
import os, sys
from pathlib import Path
from rung.compute import _files, local, jobs
folder = Path(sys.argv[1])
command = local.Command(argv=("touch", "ran"), folder=folder, environment={"PATH": os.environ["PATH"]})
write = _files.write
def write_and_die(path, text):
    write(path, text)
    os.kill(os.getpid(), 9)
_files.write = write_and_die
jobs.Job(folder / "job").start(command)
"""


def until_dead(process: local.Process) -> None:
    until(lambda: not local.alive(process))


def test_next_control_plane_adopts(tmp_path: Path):
    first = subprocess.Popen([sys.executable, "-c", CONTROL_PLANE, str(tmp_path)], stdout=subprocess.PIPE)
    assert first.stdout is not None
    process = local.Process.from_json(json.loads(first.stdout.readline()))
    first.send_signal(signal.SIGKILL)
    first.communicate()
    job = Job(tmp_path / "job")
    assert local.alive(process)
    assert job.state() == "running"
    (tmp_path / "go").touch()
    until_dead(process)
    until_dead(job.process())
    assert local.exit_code(tmp_path / "code") == 5
    assert job.state() == Ended(exit_code=5)


def test_death_before_the_order_runs_nothing(tmp_path: Path):
    first = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_ORDER, str(tmp_path)], check=False)
    assert first.returncode == -signal.SIGKILL
    job = Job(tmp_path / "job")
    until_dead(job.process())
    assert job.state() == Ended(exit_code=None)
    assert not (tmp_path / "ran").exists()


def test_nothing_is_left_after_stop(tmp_path: Path):
    first = subprocess.Popen([sys.executable, "-c", CONTROL_PLANE, str(tmp_path)], stdout=subprocess.PIPE)
    assert first.stdout is not None
    process = local.Process.from_json(json.loads(first.stdout.readline()))
    first.kill()
    first.communicate()
    local.stop(process)
    Job(tmp_path / "job").stop()
    left = [p.pid for p in psutil.process_iter(["cwd"]) if (p.info["cwd"] or "").startswith(os.fspath(tmp_path))]
    assert left == []
