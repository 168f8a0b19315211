"""Real environments by the real uv, from a cache that the installation of the development tools has filled."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from waiting import until

import rung
from rung.compute.environments import Environment, Environments, Lock, own_wheel, resolve
from rung.compute.jobs import Ended, Job
from rung.errors import EnvironmentBuildError, WorkspaceError

PINNED = "click==8.5.1"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Lock:
    requirements = tmp_path_factory.mktemp("service") / "requirements.txt"
    requirements.write_text(f"{PINNED}\n")
    return resolve(requirements)


@pytest.fixture(scope="module")
def built(lock: Lock, tmp_path_factory: pytest.TempPathFactory) -> tuple[Environments, Environment]:
    place = Environments(tmp_path_factory.mktemp("environments"))
    return place, place.ensure(lock)


def ask(python: Path, script: str) -> str:
    command = [python, "-c", script]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd="/").stdout.strip()


def requirements(folder: Path, text: str) -> Path:
    path = folder / "requirements.txt"
    path.write_text(text)
    return path


def only(text: str) -> Lock:
    return Lock(text=f"# Python {PYTHON}\n{text}\n")


def test_lock_has_the_pin_and_our_own(lock: Lock):
    assert PINNED in lock.text
    assert "fastapi==" in lock.text
    assert "polars" not in lock.text
    assert "://" not in lock.text
    assert lock.python == PYTHON


def test_resolving_again_gives_the_same(lock: Lock, tmp_path: Path):
    assert resolve(requirements(tmp_path, PINNED)) == lock


def test_installed_versions_are_preferred(lock: Lock):
    assert f"pydantic=={importlib.metadata.version('pydantic')} " in lock.text


def test_missing_version_is_explained(tmp_path: Path):
    with pytest.raises(EnvironmentBuildError, match=r"click==99\.0(.|\n)*correct the pin"):
        resolve(requirements(tmp_path, "click==99.0\n"))


def test_contradiction_with_our_own_is_explained(tmp_path: Path):
    with pytest.raises(EnvironmentBuildError, match="pydantic"):
        resolve(requirements(tmp_path, "pydantic==1.10.2\n"))


def test_index_in_requirements_is_refused(tmp_path: Path):
    with pytest.raises(WorkspaceError, match=r"requirements\.txt:2 names an index"):
        resolve(requirements(tmp_path, "click\n--extra-index-url https://packages.example\n"))


def test_missing_requirements_are_refused(tmp_path: Path):
    with pytest.raises(WorkspaceError, match="is not there"):
        resolve(tmp_path / "requirements.txt")


def test_environment_runs_this_very_rung(built: tuple[Environments, Environment]):
    python = built[1].python
    where = Path(ask(python, "import rung; print(rung.__file__)"))
    assert where.is_relative_to(built[1].folder)
    assert where.read_bytes() == Path(rung.__file__).read_bytes()
    script = (
        "from importlib.metadata import *; print(version('rung'), version('click'), *entry_points(name='rung').names)"
    )
    assert ask(python, script) == f"{rung.__version__} 8.5.1 rung"


def test_environment_has_only_the_locked(built: tuple[Environments, Environment], lock: Lock):
    names = ask(built[1].python, "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))")
    assert len(names.split()) == lock.text.count("==") + 1


def test_second_ensure_builds_nothing(built: tuple[Environments, Environment], lock: Lock):
    place, made = built
    before = made.folder.stat().st_mtime_ns
    assert place.ensure(lock) == made == Environments(place.folder).path_if_ready(lock)
    assert made.folder.stat().st_mtime_ns == before


def test_warm_build_takes_a_second_or_two(lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    times = []
    for number in range(3):  # the best of three: others may keep the machine busy
        begin = time.perf_counter()
        made = Environments(tmp_path).ensure(Lock(text=f"{lock.text}# {number}\n"))
        times.append(time.perf_counter() - begin)
    new = min(times)
    begin = time.perf_counter()
    ask(made.python, "import fastapi, gunicorn.app.base, uvicorn_worker, pydantic, prometheus_client")
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    assert Environments(tmp_path).path_if_ready(Lock(text=f"{lock.text}# 0\n"))
    known = time.perf_counter() - begin
    with capsys.disabled():
        sys.stdout.write(
            f"\nnew environment {new:.2f} s, first imports {first:.2f} s, known one {known * 1e3:.0f} ms\n"
        )
    assert new < 2


def test_concurrent_builders_build_once(lock: Lock, tmp_path: Path):
    seen: list[tuple[Environment, int]] = []

    def build() -> None:
        made = Environments(tmp_path).ensure(lock)
        seen.append((made, (made.folder / "environment.json").stat().st_ino))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4
    assert len(set(seen)) == 1


def test_build_as_a_job(lock: Lock, tmp_path: Path):
    place, job = Environments(tmp_path / "environments"), Job(tmp_path / "job")
    job.start(place.command(lock, result=job.result_file))
    assert wait(job) == Ended(exit_code=0), job.log_tail()
    made = place.path_if_ready(lock)
    assert made is not None
    assert job.result() == {"key": made.key, "folder": str(made.folder), "python": str(made.python)}


def test_failed_job_says_why(tmp_path: Path):
    place, job = Environments(tmp_path / "environments"), Job(tmp_path / "job")
    lock = only("click==99.0 --hash=sha256:" + "0" * 64)
    job.start(place.command(lock, result=job.result_file))
    assert wait(job) == Ended(exit_code=4)
    assert job.result()["code"] == "environment"
    assert "click==99.0" in job.result()["error"]
    assert "correct the pin" in job.log_tail()[-1]
    assert place.path_if_ready(lock) is None


def test_changed_file_is_not_installed(tmp_path: Path):
    lock = only("click==8.5.1 --hash=sha256:" + "0" * 64)
    with pytest.raises(EnvironmentBuildError, match="not what was locked"):
        Environments(tmp_path).ensure(lock)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"UV_OFFLINE": "1"}, "uv works without the network"),
        ({"HTTPS_PROXY": "http://127.0.0.1:9", "UV_HTTP_RETRIES": "0"}, "the index did not answer"),
    ],
    ids=["offline", "unreachable"],
)
def test_no_network_and_no_cache_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], hint: str
):
    for name, value in {**settings, "UV_CACHE_DIR": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentBuildError, match=hint):
        Environments(tmp_path / "environments").ensure(only("click==8.5.1 --hash=sha256:" + "0" * 64))


def test_removed_python_is_not_whole(lock: Lock, tmp_path: Path):
    place = Environments(tmp_path)
    made = place.ensure(lock)
    made.python.unlink()
    made.python.symlink_to("/gone/python")
    assert place.path_if_ready(lock) is None
    assert place.ensure(lock) == made
    assert ask(made.python, "print(1)") == "1"


def test_removed_environment_is_gone(lock: Lock, tmp_path: Path):
    place = Environments(tmp_path)
    kept, gone = place.ensure(lock), place.ensure(Lock(text=f"{lock.text}# another\n"))
    assert kept.key != gone.key
    assert place.own_bytes(gone.key) > 0
    place.remove(gone.key)
    assert place.keys() == [kept.key]
    assert (kept.folder.exists(), gone.folder.exists()) == (True, False)


def test_key_covers_our_own_code(lock: Lock, tmp_path: Path):
    wheel = own_wheel(tmp_path)
    other = tmp_path / "other" / wheel.name
    assert Environments(tmp_path, wheel=wheel).key(lock) != Environments(tmp_path, wheel=other).key(lock)


def test_environment_without_rung_has_the_lock_alone(lock: Lock, tmp_path: Path):
    place, job = Environments(tmp_path / "environments", with_rung=False), Job(tmp_path / "job")
    job.start(place.command(lock, result=job.result_file))
    assert wait(job) == Ended(exit_code=0), job.log_tail()
    made = place.path_if_ready(lock)
    assert made is not None
    assert job.result()["key"] == made.key != Environments(place.folder).key(lock)
    names = ask(made.python, "import importlib.metadata as m; print(*(d.name for d in m.distributions()))").split()
    assert len(names) == lock.text.count("==")
    assert "rung" not in names


def test_own_wheel_repacks_itself(built: tuple[Environments, Environment], tmp_path: Path):
    """An installed Rung packs, byte by byte, the wheel that it was installed from."""
    folder = tmp_path / "wheels"
    pack = "import sys, pathlib, rung.compute._wheel as w; print(w.own_wheel(pathlib.Path(sys.argv[1])))"
    done = subprocess.run([built[1].python, "-c", pack, folder], check=True, capture_output=True)
    first = next(built[0].folder.glob("wheels/*/*.whl"))
    second = folder / first.parent.name / first.name
    assert done.stdout.decode().strip() == str(second)
    assert first.read_bytes() == second.read_bytes()


def test_own_wheel_is_well_formed(tmp_path: Path):
    with zipfile.ZipFile(own_wheel(tmp_path)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert {"rung/errors.py", "rung/py.typed", f"rung-{rung.__version__}.dist-info/RECORD"} <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_result_of_the_command_is_optional(lock: Lock, tmp_path: Path):
    assert "--result" not in Environments(tmp_path).command(lock).argv
    assert json.dumps(Environments(tmp_path).command(lock).argv)


def wait(job: Job) -> object:
    until(lambda: job.state() != "running")
    return job.state()
