from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from waiting import until

from rung.compute import local
from rung.compute.jobs import Ended, Job
from rung.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path / "job")
    yield job
    job.stop(grace_s=0)


def run(tmp_path: Path, script: str) -> local.Command:
    environment = {"PATH": os.environ["PATH"], "SECRET": "swordfish"}
    return local.Command(argv=("sh", "-c", script), folder=tmp_path, environment=environment)


def ended(job: Job) -> Ended:
    return until(lambda: state if isinstance(state := job.state(), Ended) else None)


def test_job_goes_through_its_states(job: Job, tmp_path: Path):
    assert job.state() == "absent"
    assert job.start(run(tmp_path, "while [ ! -e go ]; do sleep 0.01; done; exit 4"))
    assert job.state() == "running"
    (tmp_path / "go").touch()
    assert ended(job) == Ended(exit_code=4)


def test_second_reader_sees_the_same(job: Job, tmp_path: Path):
    job.start(run(tmp_path, "sleep 600"))
    other = Job(job.folder)
    assert (other.state(), other.process()) == ("running", job.process())
    other.stop()
    assert job.state() == Ended(exit_code=143)


def test_started_at_once_runs_once(job: Job, tmp_path: Path):
    command = run(tmp_path, "echo ran")
    wins: list[bool] = []
    threads = [threading.Thread(target=lambda: wins.append(Job(job.folder).start(command))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended(job)
    assert sorted(wins) == [False] * 7 + [True]
    assert job.log_tail() == ["ran"]


def test_ended_job_is_not_repeated(job: Job, tmp_path: Path):
    job.start(run(tmp_path, "echo ran"))
    ended(job)
    assert not job.start(run(tmp_path, "echo again"))
    assert job.log_tail() == ["ran"]


def test_cleared_job_starts_again(job: Job, tmp_path: Path):
    job.start(run(tmp_path, f"echo one; echo '{{}}' > {job.result_file}; exit 1"))
    ended(job)
    job.clear()
    assert job.state() == "absent"
    assert job.start(run(tmp_path, "echo two"))
    assert ended(job) == Ended(exit_code=0)
    assert (job.log_tail(), job.result()) == (["one", "two"], None)


def test_running_job_is_not_cleared(job: Job, tmp_path: Path):
    job.start(run(tmp_path, "sleep 600"))
    with pytest.raises(ConflictError, match="runs"):
        job.clear()


def test_result_is_read_when_written(job: Job, tmp_path: Path):
    assert job.result() is None
    job.start(run(tmp_path, f"echo '{{\"score\": 1}}' > r && mv r {job.result_file}"))
    ended(job)
    assert job.result() == {"score": 1}


def test_environment_values_are_not_recorded(job: Job, tmp_path: Path):
    job.start(run(tmp_path, "true"))
    ended(job)
    record = (job.folder / "job.json").read_text()
    assert "SECRET" in record
    assert "swordfish" not in record


def test_log_tail_reads_a_long_log(job: Job, tmp_path: Path):
    assert job.log_tail() == []
    command = run(tmp_path, "seq 1 100000")
    job.start(command)
    ended(job)
    assert job.log_tail(2) == ["99999", "100000"]
    assert len(job.log_tail(50_000)) == 50_000
    assert len(job.log_tail(200_000)) == 100_000


def test_failed_start_leaves_it_absent(job: Job, tmp_path: Path):
    with pytest.raises(NotFoundError):
        job.start(run(tmp_path / "gone", "true"))
    assert job.state() == "absent"
    assert job.start(run(tmp_path, "true"))


def test_lost_job_has_no_code(job: Job, tmp_path: Path):
    job.start(run(tmp_path, "sleep 600"))
    process = job.process()
    os.kill(process.keeper.pid, 9)
    os.kill(process.pid, 9)
    assert ended(job) == Ended(exit_code=None)


def test_stopping_an_absent_job_is_nothing(job: Job):
    job.stop()
    assert job.state() == "absent"


def test_python_script_runs_as_job(job: Job, tmp_path: Path):
    command = local.Command(argv=(sys.executable, "-c", "print(6 * 7)"), folder=tmp_path, environment={})
    job.start(command)
    assert ended(job) == Ended(exit_code=0)
    assert job.log_tail() == ["42"]
