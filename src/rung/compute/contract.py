"""What every compute holds to, as tests: for whoever writes one of their own.

    from rung.compute.contract import ComputeContract

    class TestMyCompute(ComputeContract):
        @pytest.fixture
        def make(self):
            with closing(MyCompute(...)) as first, closing(MyCompute(...)) as second:
                yield iter([first, second]).__next__

`make` gives an instance at each call, as two control planes have them, one after the other. The folder that
`tmp_path` gives is seen by every machine of the compute. Set `bounded = False` where declared processors and memory do
not bound what runs. Needs pytest, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from rung.compute import local
from rung.compute.local import Command
from rung.compute.protocol import ENDPOINT, Machine, Work
from rung.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rung.compute.protocol import Compute, Handle, Seen

__all__ = ["ComputeContract"]

SMALL = Machine(vcpus=0.5, memory_gib=0.25, disk_gib=0)
HUGE = Machine(vcpus=100_000, memory_gib=0.25, disk_gib=0)
_SOON_S = 30.0
_LOOK_S = 0.05
_LONG = "import time; time.sleep(600)"
_DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);" + _LONG
_POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
time.sleep(600)
"""
_FAMILY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""
_ECHO = """
import socket, sys
endpoint = sys.argv[1]
if endpoint.startswith("unix:"):
    server = socket.socket(socket.AF_UNIX)
    server.bind(endpoint[5:])
else:
    host, _, port = endpoint.rpartition(":")
    server = socket.socket()
    server.bind((host, int(port)))
server.listen()
while True:
    client, _ = server.accept()
    client.sendall(b"hello")
    client.close()
"""


class ComputeContract:
    """Subclass it in a test module, with the fixture `make`."""

    bounded: ClassVar[bool] = True
    """Whether work that needs more than any machine has waits."""

    @pytest.fixture
    def make(self) -> Callable[[], Compute]:
        """Give what makes an instance of the compute; the subclass has its own."""
        raise NotImplementedError

    @pytest.fixture
    def compute(self, make: Callable[[], Compute]) -> Compute:
        """Give the first instance."""
        return make()

    @pytest.fixture
    def begin(self, compute: Compute, tmp_path: Path) -> Iterator[Callable[..., Handle]]:
        """Begin a Python script as work, and end it with the test."""
        begun: list[Handle] = []

        def begin(script: str, *arguments: str, **more: Any) -> Handle:
            begun.append(compute.start(_work(tmp_path, script, *arguments, **more), record=begun.append))
            return begun[-1]

        yield begin
        for handle in begun:
            compute.stop(handle, 0)

    def test_output_and_exit_code_are_kept(
        self, compute: Compute, begin: Callable[..., Handle], tmp_path: Path
    ) -> None:
        handle = begin("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
        assert _until(compute, handle, "ended").exit_code == 3
        assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]

    def test_work_that_runs_is_seen(self, compute: Compute, begin: Callable[..., Handle]) -> None:
        seen = _until(compute, begin(_LONG), "running")
        assert (seen.exit_code, seen.endpoint) == (None, None)
        assert seen.node

    def test_environment_and_folder_are_those_of_the_command(
        self, compute: Compute, begin: Callable[..., Handle], tmp_path: Path
    ) -> None:
        script = "import json, os; print(json.dumps([os.getcwd(), dict(os.environ)]))"
        assert _until(compute, begin(script, LETTER="z"), "ended").exit_code == 0
        folder, environment = json.loads((tmp_path / "log").read_text())
        assert folder == str(tmp_path)
        assert environment.pop("LETTER") == "z"
        assert set(environment) <= {"LC_CTYPE", "PWD", "SHLVL", "_"}

    def test_work_that_listens_is_reached_where_it_was_told_to(
        self, compute: Compute, begin: Callable[..., Handle], tmp_path: Path
    ) -> None:
        handle = begin(_ECHO, ENDPOINT, socket_path=str(tmp_path / "s"))
        endpoint = _until(compute, handle, "running").endpoint
        assert endpoint is not None
        assert _ask(endpoint) == b"hello"

    def test_stop_asks_first(self, compute: Compute, begin: Callable[..., Handle], tmp_path: Path) -> None:
        handle = begin(_POLITE)
        _until_logged(tmp_path, "ready")
        compute.stop(handle, 10)
        [seen] = compute.observe([handle])
        assert (seen.state, seen.exit_code) == ("ended", 7)

    def test_stop_kills_what_does_not_listen(
        self, compute: Compute, begin: Callable[..., Handle], tmp_path: Path
    ) -> None:
        handle = begin(_DEAF)
        _until_logged(tmp_path, "deaf")
        compute.stop(handle, 0.2)
        assert compute.observe([handle])[0].state == "ended"

    def test_stop_ends_descendants(self, compute: Compute, begin: Callable[..., Handle], tmp_path: Path) -> None:
        handle = begin(_FAMILY)
        child = int(_until_logged(tmp_path, "\n"))
        compute.stop(handle, 1)
        assert local.find(child) is None  # dead, or a zombie that nobody has waited for yet

    def test_stop_of_ended_work_does_nothing(self, compute: Compute, begin: Callable[..., Handle]) -> None:
        handle = begin("pass")
        _until(compute, handle, "ended")
        compute.stop(handle)
        compute.stop(handle)
        assert compute.observe([handle])[0].state == "ended"

    def test_another_instance_adopts_by_the_handle(
        self, compute: Compute, make: Callable[[], Compute], begin: Callable[..., Handle]
    ) -> None:
        handle = json.loads(json.dumps(begin(_LONG)))
        other = make()
        assert other is not compute
        _until(other, handle, "running")
        other.stop(handle, 5)
        _until(compute, handle, "ended")

    def test_unknown_work_has_ended(self, compute: Compute, begin: Callable[..., Handle], tmp_path: Path) -> None:
        handles: list[Handle] = []

        def refuse(handle: Handle) -> None:
            handles.append(handle)
            raise RuntimeError

        with pytest.raises(RuntimeError):
            compute.start(_work(tmp_path, "print('ran')"), record=refuse)
        known = begin(_LONG)
        _until(compute, known, "running")
        states = [seen.state for seen in compute.observe([handles[0], known])]
        assert states == ["ended", "running"]
        assert "ran" not in (tmp_path / "log").read_text()

    def test_record_comes_before_the_command(self, compute: Compute, tmp_path: Path) -> None:
        seen: list[bool] = []
        done = tmp_path / "done"

        def record(_: Handle) -> None:
            time.sleep(0.3)
            seen.append(done.exists())

        handle = compute.start(_work(tmp_path, f"open({str(done)!r}, 'w').close()"), record=record)
        _until(compute, handle, "ended")
        assert (seen, done.exists()) == ([False], True)

    def test_missing_program_is_refused(self, compute: Compute, tmp_path: Path) -> None:
        command = Command(argv=("no-such-program",), folder=tmp_path, environment={})
        with pytest.raises(NotFoundError, match="no-such-program"):
            compute.start(Work(name="none", command=command, machine=SMALL), record=lambda _: None)

    def test_work_that_is_too_large_waits_and_says_why(self, compute: Compute, begin: Callable[..., Handle]) -> None:
        handle = begin("pass", machine=HUGE)
        seen = _until(compute, handle, "starting" if self.bounded else "ended")
        assert bool(seen.because) == self.bounded
        compute.stop(handle, 0)
        assert compute.observe([handle])[0].state == "ended"

    def test_usage_is_measured_while_it_runs(
        self, compute: Compute, begin: Callable[..., Handle], tmp_path: Path
    ) -> None:
        handle = begin(_POLITE)
        _until_logged(tmp_path, "ready")  # what was forked a moment ago has no memory of its own yet
        assert compute.usage(handle).memory_bytes > 1_000_000
        compute.stop(handle, 0)
        assert compute.usage(handle).processes == 0


def _work(
    folder: Path,
    script: str,
    *arguments: str,
    machine: Machine = SMALL,
    socket_path: str | None = None,
    resumes: bool = False,
    **environment: str,
) -> Work:
    command = Command(
        argv=(sys.executable, "-I", "-c", script, *arguments),
        folder=folder,
        environment=environment,
        log=folder / "log",
        exit_file=folder / "exit_code",
    )
    return Work(name="contract", command=command, machine=machine, socket=socket_path, resumes=resumes)


def _until(compute: Compute, handle: Handle, state: str) -> Seen:
    deadline = time.monotonic() + _SOON_S
    while (seen := compute.observe([handle])[0]).state != state:
        assert time.monotonic() < deadline, seen
        assert seen.state != "ended", seen
        time.sleep(_LOOK_S)
    return seen


def _until_logged(folder: Path, text: str) -> str:
    deadline = time.monotonic() + _SOON_S
    while not (folder / "log").exists() or text not in (folder / "log").read_text():
        assert time.monotonic() < deadline, f"{text!r} is not in the log"
        time.sleep(_LOOK_S)
    return (folder / "log").read_text()


def _ask(endpoint: str) -> bytes:
    deadline = time.monotonic() + _SOON_S
    while True:
        try:
            with _connect(endpoint) as client:
                return client.recv(16)
        except OSError:
            assert time.monotonic() < deadline, endpoint
            time.sleep(_LOOK_S)


def _connect(endpoint: str) -> socket.socket:
    if endpoint.startswith("unix:"):
        with contextlib.ExitStack() as opened:
            client = opened.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(endpoint.removeprefix("unix:"))
            opened.pop_all()
        return client
    address, _, port = endpoint.rpartition(":")
    return socket.create_connection((address, int(port)), timeout=2)
