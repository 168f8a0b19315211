"""Killed writers and full disks leave nothing that can be read."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import until

from rung import artifacts
from rung.artifacts import LocalStore
from rung.errors import UnavailableError

pytestmark = pytest.mark.fault

SIZE = 64 * 2**20
WRITER = f"""
import sys
from pathlib import Path
from rung.artifacts import LocalStore
data = bytes({SIZE}) + sys.argv[2].encode()
print("ready", flush=True)
LocalStore(Path(sys.argv[1]), durable=True).put(data)
print("done", flush=True)
"""


def writer(folder: Path, name: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]  # options of any type


def wait_for_bytes(folder: Path) -> None:
    """Wait until the writer is in the middle of its file."""
    until(lambda: any(path.stat().st_size for path in folder.rglob("*.unfinished")), every_s=0.0005)


def test_killed_writer_leaves_nothing_readable(tmp_path: Path):
    with writer(tmp_path, "killed") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        wait_for_bytes(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert process.stdout.read() == ""
    store = LocalStore(tmp_path)
    assert list(store.digests()) == []
    assert not store.has(artifacts.digest_of(bytes(SIZE) + b"killed"))
    assert list(store.unfinished()) == [path for path in tmp_path.rglob("*") if path.is_file()]


def test_full_disk_leaves_nothing_half_written(tmp_path: Path):
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, SIZE // 2))

    process = writer(tmp_path, "full", preexec_fn=limit_files)
    output, errors = process.communicate(timeout=60)
    assert output == "ready\n"
    assert "UnavailableError: cannot write" in errors
    assert "nothing was left half-written" in errors
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 1 MiB, where the system lets us mount one."""
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only a system that lets us mount a small disk shows this")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_small_disk_keeps_what_it_had(small_disk: Path):
    store = LocalStore(small_disk)
    kept = store.put(bytes(300_000))
    with pytest.raises(UnavailableError, match="No space left on device"):
        store.put(bytes(900_000))
    assert list(store.digests()) == [kept]
    assert store.get(kept) == bytes(300_000)
    assert list(small_disk.rglob("*.unfinished")) == []


def test_writers_in_processes_agree(tmp_path: Path):
    processes = [writer(tmp_path, "same") for _ in range(2)]
    for process in processes:
        output, errors = process.communicate(timeout=60)
        assert (output, errors) == ("ready\ndone\n", "")
    digest = artifacts.digest_of(bytes(SIZE) + b"same")
    store = LocalStore(tmp_path)
    assert list(store.digests()) == [digest]
    assert len(store.get(digest)) == SIZE + 4
