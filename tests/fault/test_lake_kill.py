"""kill -9 of writers and shippers: every line that was acknowledged is in the table exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import polars as pl
import pytest
from waiting import until

from rung.lake import OUTCOMES, AppendLog, Lake, outcome_line

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault

SHIPPER = """
import sys
from rung.lake import Lake
lake = Lake(sys.argv[1], batch_bytes=2000)
print("ready", flush=True)
while True:
    lake.ship()
"""

WRITER = """
import sys, time
from rung.lake import AppendLog, outcome_line
log = AppendLog(sys.argv[1], "outcomes", max_bytes=4000)
number = 0
while True:
    log.append(outcome_line(service="s", metric="m", value=number, unit=sys.argv[2], received=1 + number))
    sys.stdout.write(f"{number}\\n")  # acknowledged
    sys.stdout.flush()
    number += 1
    time.sleep(0.001)
"""


def start(script: str, *arguments: str, out: Path) -> subprocess.Popen[bytes]:
    with out.open("wb") as file:
        return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=file)


def kill(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_shippers_ship_exactly_once(tmp_path: Path):
    random.seed()
    lake = Lake(tmp_path / "lake")
    log = AppendLog(lake.logs, OUTCOMES, max_bytes=3000)
    written = 0
    for attempt in range(10):
        out = tmp_path / f"shipper{attempt}"
        shipper = start(SHIPPER, str(tmp_path / "lake"), out=out)
        until(lambda out=out: b"ready" in out.read_bytes())
        end = time.monotonic() + random.uniform(0, 0.4)
        while time.monotonic() < end:
            log.append(outcome_line(service="s", metric="m", value=written, unit="u", received=1 + written))
            log.append(b"bad %d\n" % written)
            written += 1
            time.sleep(0.002)
        kill(shipper)
    log.close()
    lake.ship()
    values = lake.outcomes().select("value").collect()["value"]
    assert sorted(values) == list(range(written))
    bad = lake.quarantine().collect()["line"]
    assert sorted(bad) == sorted(b"bad %d" % number for number in range(written))
    assert list(lake.logs.glob("*.jsonl")) == []


def test_killed_writers_lose_no_acknowledged_line(tmp_path: Path):
    lake = Lake(tmp_path / "lake")
    outs = [tmp_path / name for name in "abc"]
    writers = [start(WRITER, str(lake.logs), out.name, out=out) for out in outs]
    until(lambda: all(out.stat().st_size > 200 for out in outs))
    lake.ship()
    for writer in writers:
        kill(writer)
    lake.ship()
    for out in outs:
        acknowledged = [int(line) for line in out.read_bytes().split(b"\n")[:-1]]
        values = lake.outcomes().filter(pl.col("unit") == out.name).collect()["value"].sort().to_list()
        assert values[: len(acknowledged)] == acknowledged
        assert len(values) <= len(acknowledged) + 1
    assert list(lake.logs.glob("*.jsonl")) == []


def test_a_line_torn_by_a_full_disk_is_taken_back(tmp_path: Path):
    script = """
import resource, signal, sys
from rung.errors import UnavailableError
from rung.lake import AppendLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
log = AppendLog(sys.argv[1], "outcomes")
log.append(b"x" * 79 + b"\\n")
try:
    log.append(b"y" * 79 + b"\\n")
except UnavailableError as error:
    print(error)
log.append(b"z" * 19 + b"\\n")
"""
    ran = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True)
    assert "took 20 of 80 bytes" in ran.stdout
    (path,) = tmp_path.glob("*.jsonl")
    assert path.read_bytes() == b"x" * 79 + b"\n" + b"z" * 19 + b"\n"
