"""Time a deployment with a known lock, from the command to the first answer, and write build/bench/deployment.json.

The housing template, its own platform in a temporary folder; the first deployment makes the environment and is not
counted. `run.py` reads the file for its goal.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROUNDS = 3
BUILD = Path(__file__).parents[2] / "build" / "bench"
GIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost")
PATIENCE_S = 60.0


def main() -> int:
    """Deploy again and again, and write the seconds of each."""
    with tempfile.TemporaryDirectory(prefix="rung-bench-") as name:
        folder = Path(name)
        _lay_down(folder)
        try:
            seconds = [_deploy(folder, minor) for minor in range(ROUNDS + 1)][1:]
        finally:
            _rung(folder, "down")
    BUILD.mkdir(parents=True, exist_ok=True)
    result = {"seconds": statistics.median(seconds), "all": seconds}
    (BUILD / "deployment.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"a deployment with a known lock: {result['seconds']:.2f} s to its first answer (median of {seconds})")
    return 0


def _lay_down(folder: Path) -> None:
    _rung(folder, "init", ".")
    _rung(folder, "new", "housing", "--template", "housing")
    (folder / "rung.toml").write_text("gateway_port = 0\ncontrol_port = 0\n")
    for command in (("add", "-A"), ("commit", "--quiet", "-m", "Begin")):
        subprocess.run([*GIT, *command], cwd=folder, check=True)
    _rung(folder, "up", "--detach")


def _deploy(folder: Path, minor: int) -> float:
    """Train the next revision, then time from `rung deploy serving` to an answer at its own path."""
    _rung(folder, "deploy", "training", "housing")
    gateway = json.loads(_rung(folder, "status", "--json"))["gateway"]
    bundle = json.loads((folder / ".rung" / "revisions" / f"housing.v1.m{minor}" / "bundle.json").read_text())
    body = json.dumps(bundle["example"]["predict"]).encode()
    url = f"{gateway}/housing/v1/m{minor}/predict"
    started = time.perf_counter()
    _rung(folder, "deploy", "serving", f"housing.v1.m{minor}", "--detach")
    while not _answers(url, body):
        if time.perf_counter() - started > PATIENCE_S:
            raise TimeoutError(f"{url} did not answer within {PATIENCE_S:.0f} s")
        time.sleep(0.01)
    return time.perf_counter() - started


def _answers(url: str, body: bytes) -> bool:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310  loopback
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  loopback
            found: dict[str, Any] = json.load(answer)
            return bool(found["predictions"])
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _rung(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "rung.cli", *words]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
