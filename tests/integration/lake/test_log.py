from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from rung.errors import CallError
from rung.lake import AppendLog

if TYPE_CHECKING:
    from pathlib import Path


def lines(folder: Path) -> list[Any]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("line", [b"", b"\n\n", b"no end", b"two\nlines\n"])
def test_only_one_whole_line_is_taken(tmp_path: Path, line: bytes):
    with pytest.raises(CallError):
        AppendLog(tmp_path).append(line)
    assert list(tmp_path.iterdir()) == []


def test_a_log_rotates_by_size(tmp_path: Path):
    log = AppendLog(tmp_path, max_bytes=10)
    for number in range(6):
        log.append(b"[%d]    \n" % number)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [16, 16, 16]
    assert sorted(lines(tmp_path)) == [[number] for number in range(6)]
    log.close()


def test_a_forked_process_opens_its_own_file(tmp_path: Path):
    script = (
        "import os, sys\n"
        "from rung.lake import AppendLog\n"
        "log = AppendLog(sys.argv[1])\n"
        "log.append(b'1\\n')\n"
        "child = os.fork()\n"
        "log.append(b'3\\n' if child else b'2\\n')\n"
        "if child: os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    found = sorted(path.read_bytes() for path in tmp_path.iterdir())
    assert found == [b"1\n3\n", b"2\n"]


def test_threads_share_a_durable_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = AppendLog(tmp_path, max_bytes=2000)
    threads = [
        threading.Thread(target=lambda number=number: [log.append_durable(b"%d\n" % number) for _ in range(30)])
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert sorted(lines(tmp_path)) == sorted(list(range(8)) * 30)


def test_a_failed_fsync_is_not_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = AppendLog(tmp_path)
    log.append(b"1\n")

    def fail(_handle: int) -> None:
        raise OSError(5, "broken disk")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(Exception, match="may be lost"):
            log.append_durable(b"2\n")
    log.append_durable(b"3\n")
    log.close()


def test_importing_the_log_imports_nothing_heavy():
    script = "import sys, rung.lake; print({'polars', 'deltalake', 'numpy', 'pydantic'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert ran.stdout == "set()\n"
