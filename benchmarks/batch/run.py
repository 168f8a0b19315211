"""Time a batch beside the same rows posted to the revision's server. `make bench-batch` runs this.

    python benchmarks/batch/run.py [--rows 200000]

Two revisions: a handler that does next to nothing, and the housing template with gradient boosting, which takes nearly
all of the time. Results go to build/bench/batch.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
import tiny_service
from live_platform import LivePlatform, live_platform

from rung.schema import Contract
from rung.serving import read_bundle

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench" / "batch.json"
AT_ONCE = 4  # requests
LOOK_S = 0.05


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    with live_platform() as platform:
        deploy(platform)
        figures = {service: measure(platform, service, options.rows) for service in ("tiny", "housing")}
    for service, one in figures.items():
        for name, told in one.items():
            print(f"{service:8} {name:8} {told['rows_per_s']:>10,.0f} rows/s  {told}")
    goals = [goal(service, one) for service, one in figures.items()]
    for one in goals:
        print(f"{one['goal']}: {one['measured']}, at least {one['bar']}{'' if one['ok'] else ' (missed)'}")
    told = {"processors": os.cpu_count(), "python": machine.python_version(), "load": os.getloadavg()[0]}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    written = {"goals": goals, "rows": options.rows, "figures": figures, "machine": told}
    OUTPUT.write_text(json.dumps(written, indent=1) + "\n")
    return 0


def goal(service: str, figures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Hold a batch, its start included, against the same rows posted."""
    times = figures["batch"]["rows_per_s"] / figures["posted"]["rows_per_s"]
    told = f"{service}: rows/s of a batch, times those posted"
    return {"goal": told, "measured": round(times, 2), "bar": 1, "ok": times >= 1}


def deploy(platform: LivePlatform) -> None:
    """Serve both services."""
    tiny_service.write(platform.root)
    platform.rung("new", "housing", "--template", "housing")
    path = platform.root / "experiments" / "housing" / "train" / "main.py"
    text = path.read_text()
    path.write_text(text.replace('= "benchmark"', '= "boosting"', 1))
    platform.rung("up", "--detach")
    for service in ("tiny", "housing"):
        platform.deploy(service)


def measure(platform: LivePlatform, service: str, rows: int) -> dict[str, dict[str, Any]]:
    """Time both ways for as many rows, all of them the example that training kept."""
    bundle = read_bundle(platform.place.workspace.state, f"{service}.v1.m0")
    instance = bundle.example["predict"]["instances"][0]
    frame = pl.DataFrame([{"id": index, **instance} for index in range(rows)])
    frame.write_parquet(platform.root / f"{service}.parquet")
    size = Contract.from_json(bundle.contract).routes["predict"].max_instances
    parts = [[instance] * min(size, rows - start) for start in range(0, rows, size)]
    return {"batch": batch(platform, service, rows), "posted": posted(platform, service, parts)}


def batch(platform: LivePlatform, service: str, rows: int) -> dict[str, Any]:
    """Predict all rows with `rung predict`; the memory is that of the command itself, beside its workers'."""
    files = ("--input", f"{service}.parquet", "--output", f"{service}.predicted.parquet")
    words = [sys.executable, "-m", "rung.cli", "predict", f"{service}.v1.m0", *files]
    began = time.monotonic()
    process = subprocess.Popen(
        [*words, "--json"], cwd=platform.root, env=platform.environment, stdout=subprocess.PIPE, text=True
    )
    peak = [0]
    watching = threading.Thread(target=watch, args=(process.pid, peak))
    watching.start()
    said, _ = process.communicate()
    watching.join()
    seconds, told = time.monotonic() - began, json.loads(said)
    return {
        "rows_per_s": rows / seconds,
        "seconds": round(seconds, 2),
        "workers": told["workers"],
        "workers_mib": told["memory_bytes"] >> 20,
        "command_mib": peak[0] >> 20,
    }


def watch(pid: int, peak: list[int]) -> None:
    """Keep the most memory that a process ever takes."""
    try:
        while True:
            peak[0] = max(peak[0], psutil.Process(pid).memory_info().rss)
            time.sleep(LOOK_S)
    except psutil.Error:
        return


def posted(platform: LivePlatform, service: str, parts: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Post all rows to the server through the gateway, by the path of exactly this revision."""
    url = f"{platform.gateway}/{service}/v1/m0/predict"
    began = time.monotonic()
    with httpx2.Client(timeout=60) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda part: client.post(url, json={"instances": part}).raise_for_status(), parts))
    seconds = time.monotonic() - began
    count = sum(len(answer.json()["predictions"]) for answer in answers)
    return {"rows_per_s": count / seconds, "seconds": round(seconds, 2), "requests": len(answers)}


if __name__ == "__main__":
    sys.exit(main())
