"""`rung simulate-scaling`, as it is typed, and the traffic that it reads from files."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
import tiny_service

from rung.cli._traffic_file import read
from rung.errors import CallError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    tiny_service.write(folder)
    (folder / "rung.toml").touch()
    scaling = 'minimum=0, maximum=4, target_concurrency=8, cold_start_s=10, while_scaling="queue"'
    tiny_service.change(
        folder, "minimum=1, maximum=1, target_concurrency=8", scaling, file="infrastructure/hardware.py"
    )
    return folder


def rung(workspace: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rung.cli", "simulate-scaling", *words]
    return subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)


def test_made_up_traffic_is_told_and_drawn(workspace: Path):
    ended = rung(workspace, "tiny", "--traffic", "step", "--rate", "40", "--seconds", "300", "--service-time", "0.3")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("tiny: step traffic of 5 min; a replica answers 16 at once, each in 300 ms, 3 s")
    assert "waiting for one that is awake" in ended.stdout
    assert "requests per second" in ended.stdout


def test_recorded_traffic_is_scaled_and_drawn_into_a_file(workspace: Path):
    (workspace / "requests.csv").write_text("second,requests\n0,1\n1,4\n3,2\n")
    words = ("--traffic", "requests.csv", "--rate", "8", "--svg", "scaling.svg", "--json")
    ended = rung(workspace, "tiny", *words)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert [point["rate"] for point in told["points"]] == [2, 8, 0, 4]
    assert (told["traffic"], told["seed"]) == ("requests.csv", 0)
    assert (workspace / "scaling.svg").read_text().startswith("<svg ")


def test_traffic_without_a_request_cannot_be_scaled(workspace: Path):
    (workspace / "none.csv").write_text("second,requests\n0,0\n")
    ended = rung(workspace, "tiny", "--traffic", "none.csv", "--rate", "8")
    assert (ended.returncode, "none.csv has no request" in ended.stderr) == (2, True)


def test_rows_with_times_are_counted(tmp_path: Path):
    begin = datetime(2026, 11, 22, tzinfo=UTC)
    times = [begin + timedelta(seconds=second) for second in (0.1, 0.9, 2.5)]
    pl.DataFrame({"time": times, "y": [1, 2, 3]}).write_parquet(tmp_path / "log.parquet")
    pl.DataFrame({"time": [one.isoformat() for one in times]}).write_csv(tmp_path / "log.csv")
    first = begin.timestamp()
    for name in ("log.parquet", "log.csv"):
        assert sorted(read(tmp_path / name, known=[])) == [(first, 2), (first + 2, 1)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "has the columns a, b"),
        ("second,requests\n1,\n", "has rows without a second or a number of requests"),
        ("second,requests\n1,many\n", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, told: str):
    (tmp_path / "other.csv").write_text(text)
    with pytest.raises(CallError, match=told):
        read(tmp_path / "other.csv", known=[])


def test_unknown_traffic_lists_those_that_are_known(tmp_path: Path):
    with pytest.raises(CallError, match="is neither a file nor one of diurnal, step"):
        read(tmp_path / "gone", known=["diurnal", "step"])
