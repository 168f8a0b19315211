from __future__ import annotations

import dataclasses
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
from rung.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATH = {"PATH": os.environ["PATH"]}
SLEEP = ("sleep", "600")
PYTHON_IGNORES = f"{1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1):016x}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., local.Process]]:
    started: list[local.Process] = []

    def go(*argv: str, **settings: object) -> local.Process:
        command = local.Command(
            argv=argv,
            folder=tmp_path,
            environment=PATH,
            log=tmp_path / "log",
            exit_file=tmp_path / "code",
        )
        started.append(local.start(dataclasses.replace(command, **settings)))
        return started[-1]

    yield go
    for process in started:
        local.stop(process, grace_s=0)


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)],
)
def test_exit_code_is_kept(start: Callable[..., local.Process], tmp_path: Path, script: str, code: int):
    process = start("sh", "-c", script)
    until(lambda: not local.alive(process))
    assert local.exit_code(tmp_path / "code") == code


def test_a_dead_process_has_its_code(start: Callable[..., local.Process], tmp_path: Path):
    for _ in range(20):
        process = start("true")
        while local.alive(process):
            pass
        assert local.exit_code(tmp_path / "code") == 0


def test_exit_file_is_not_needed(start: Callable[..., local.Process], tmp_path: Path):
    process = start("true", exit_file=None, log=None)
    until(lambda: not local.alive(process))
    assert list(tmp_path.iterdir()) == []


def test_arguments_pass_no_shell(start: Callable[..., local.Process], tmp_path: Path):
    words = ["$(touch hit)", "; touch hit", "a b", "'\"", "*", "", "-n", "zwölf\n"]
    process = start(sys.executable, "-c", "import sys, json; print(json.dumps(sys.argv[1:]))", *words)
    until(lambda: not local.alive(process))
    assert json.loads((tmp_path / "log").read_text()) == words
    assert not (tmp_path / "hit").exists()


def test_environment_is_exactly_the_given(start: Callable[..., local.Process], tmp_path: Path):
    process = start("env", environment={**PATH, "A": "1 $B"})
    until(lambda: not local.alive(process))
    assert sorted((tmp_path / "log").read_text().splitlines()) == ["A=1 $B", f"PATH={PATH['PATH']}"]


def test_signals_and_files_are_clean(start: Callable[..., local.Process], tmp_path: Path):
    script = (
        "import os, signal as s\n"
        "ignored = int(open('/proc/self/status').read().split('SigIgn:')[1].split()[0], 16)\n"
        "print(f'{ignored & 0x7fffffff:016x}')\n"  # signals from 32 on are the C library's own
        "print(sorted(s.pthread_sigmask(s.SIG_BLOCK, ())), os.getsid(0) == os.getpid())\n"
        "print(sorted(os.listdir('/proc/self/fd'))[:4], os.readlink('/proc/self/fd/0'))\n"
    )
    process = start(sys.executable, "-c", script)
    until(lambda: not local.alive(process))
    assert (tmp_path / "log").read_text().splitlines() == [PYTHON_IGNORES, "[] True", "['0', '1', '2', '3'] /dev/null"]


def test_log_is_appended_to(start: Callable[..., local.Process], tmp_path: Path):
    for word in ("one", "two"):
        process = start("sh", "-c", f"echo {word} >&2")
        until(lambda process=process: not local.alive(process))
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_missing_program_is_refused(start: Callable[..., local.Process]):
    with pytest.raises(NotFoundError, match="no-such-program"):
        start("no-such-program")


def test_missing_folder_is_refused(start: Callable[..., local.Process], tmp_path: Path):
    with pytest.raises(NotFoundError, match="not a folder"):
        start("true", folder=tmp_path / "gone")


def test_broken_program_gives_126(start: Callable[..., local.Process], tmp_path: Path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF nothing")
    program.chmod(0o755)
    process = start("./program")
    until(lambda: not local.alive(process))
    assert local.exit_code(tmp_path / "code") == 126


def test_failed_record_prevents_the_run(tmp_path: Path):
    seen: list[local.Process] = []

    def fail(process: local.Process) -> None:
        seen.append(process)
        raise OSError("disk full")

    command = local.Command(
        argv=("touch", "ran"), folder=tmp_path, environment=PATH, exit_file=tmp_path / "code", log=tmp_path / "log"
    )
    with pytest.raises(OSError, match="disk full"):
        local.start(command, record=fail)
    until(lambda: not local.alive(seen[0]))
    assert {path.name for path in tmp_path.iterdir()} == {"log"}


def test_process_survives_its_description(start: Callable[..., local.Process]):
    process = start(*SLEEP)
    again = local.Process.from_json(json.loads(json.dumps(process.to_json())))
    assert again == process
    assert local.alive(again)


def test_reused_pid_is_dead(start: Callable[..., local.Process]):
    process = start(*SLEEP)
    earlier = dataclasses.replace(process, started=process.started - 1.0, keeper=None)
    assert not local.alive(earlier)
    local.stop(earlier, grace_s=0)
    assert local.usage(earlier).processes == 0
    assert local.alive(process)


def test_other_boot_is_dead(start: Callable[..., local.Process]):
    process = start(*SLEEP)
    assert not local.alive(dataclasses.replace(process, boot="another", keeper=None))


def test_zombie_is_dead():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        process = local.find(child.pid)
        assert local.alive(process)
        child.stdin.close()
        until(lambda: not local.alive(process))
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE


def test_stop_lets_it_end_itself(start: Callable[..., local.Process], tmp_path: Path):
    process = start("sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done")
    until((tmp_path / "log").read_text)
    local.stop(process)
    assert local.exit_code(tmp_path / "code") == 3


def test_stop_terminates_only_the_leader(start: Callable[..., local.Process], tmp_path: Path):
    leader = (
        "sh -c 'trap \"echo told\" TERM; echo up; while :; do sleep 0.02; done' & child=$!\n"
        "trap 'sleep 0.2; kill -9 $child; exit 0' TERM; while :; do sleep 0.02; done"
    )
    process = start("sh", "-c", leader)
    until(lambda: (tmp_path / "log").exists() and "up" in (tmp_path / "log").read_text())
    local.stop(process)
    assert "told" not in (tmp_path / "log").read_text()
    assert local.exit_code(tmp_path / "code") == 0


def test_stop_kills_what_ignores_it(start: Callable[..., local.Process], tmp_path: Path):
    process = start("sh", "-c", "trap '' TERM; sleep 600 & echo $!; sleep 600; sleep 600")
    until((tmp_path / "log").read_text)
    local.stop(process, grace_s=0.1)
    assert local.exit_code(tmp_path / "code") == 137
    assert local.find(int((tmp_path / "log").read_text().split()[0])) is None


def test_stop_finds_those_who_left(start: Callable[..., local.Process], tmp_path: Path):
    script = "import subprocess as s; c = s.Popen(['sleep', '600'], start_new_session=True); print(c.pid, flush=True)"
    process = start(sys.executable, "-c", f"{script}; c.wait()")
    until((tmp_path / "log").read_text)
    stray = int((tmp_path / "log").read_text())
    local.stop(process, grace_s=5)
    assert local.find(stray) is None


def test_stop_sweeps_up_orphans(start: Callable[..., local.Process], tmp_path: Path):
    process = start("sh", "-c", "sleep 600 & echo $!")
    until(lambda: not local.alive(process))
    orphan = int((tmp_path / "log").read_text())
    assert local.find(orphan) is not None
    local.stop(process)
    assert local.find(orphan) is None


def test_keeper_shrugs_off_a_hangup(start: Callable[..., local.Process], tmp_path: Path):
    process = start(*SLEEP)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(process.keeper.pid, number)
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: local.exit_code(tmp_path / "code") == 137)


def test_killed_keeper_leaves_no_code(start: Callable[..., local.Process], tmp_path: Path):
    process = start(*SLEEP)
    os.kill(process.keeper.pid, signal.SIGKILL)
    assert local.alive(process)
    local.stop(process)
    assert not local.alive(process)
    assert local.exit_code(tmp_path / "code") is None


def test_usage_counts_the_tree(start: Callable[..., local.Process], tmp_path: Path):
    work = "x = b'1' * 30_000_000; sum(range(3_000_000)); print('up', flush=True); import time; time.sleep(600)"
    process = start("sh", "-c", f'{sys.executable} -c "{work}"; true')
    until(lambda: "up" in (tmp_path / "log").read_text())
    used = local.usage(process)
    assert used.processes == 2
    assert 30e6 < used.memory_bytes < 100e6
    assert 0.02 < used.cpu_s < 10
