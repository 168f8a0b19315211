"""Runs a planned load test: Locust's environment, its process, and the figures from what it measured."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rung.compute.environments import Environments, Lock
from rung.errors import BrokenError, CallError
from rung.testing.load import _figures

if TYPE_CHECKING:
    from rung.testing.load._plan import LoadPlan

_SPARE_S = 30.0  # Locust's start, and twice as long as an answer may take
_ANSWER_S = 10.0  # as in _locust.py
_OTHER_FILES = 100
_LAST_LINES = 12

_SCRIPT = Path(__file__).with_name("_locust.py")
LOCK = Path(__file__).with_name("locust.txt")


def run_load(plan: LoadPlan, url: str, environments_folder: Path) -> dict[str, Any]:
    """Send the load to `url/route`; blocks for the plan's length and a second or two.

    Args:
        plan: What is sent.
        url: The revision's or the major's own, as `http://127.0.0.1:4780/housing/v1/m2`.
        environments_folder: Locust's environment is made in it, in a folder of its own.

    Returns:
        What `judge_load` takes: `requests`, `failures`, `latency_p50_ms`, `latency_p90_ms`, `latency_p99_ms`,
        `throughput_rps`, `errors`, `users`, `seconds`, and `open` with the same (and `rate_rps`, `sent_late_p99_ms`).
        A request has failed when its status was not 200 or no answer came; its latency counts too.

    Raises:
        CallError: The URL cannot be called, or this machine cannot hold so many connections.
        EnvironmentBuildError: Locust cannot be installed.
        BrokenError: Locust failed, or was killed 30 s after the planned end.
    """
    target = _target(url, plan.route)
    _check_connections(plan)
    python = _locust(environments_folder)
    with tempfile.TemporaryDirectory(prefix="rung-load-") as place:
        order, raw = Path(place, "plan.json"), Path(place, "raw.json")
        order.write_text(plan.model_dump_json(), encoding="utf-8")
        run_bounded([str(python), "-I", str(_SCRIPT), str(order), str(raw), target], limit_s=plan.duration_s + _SPARE_S)
        sample = json.loads(raw.read_text(encoding="utf-8"))
    return _figures.summarize(sample["closed"], sample["open"], users=plan.peak_users, rate_rps=plan.open.rate_rps)


def _target(url: str, route: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise CallError(f"{url!r} is not the URL of a revision", hint="give one as http://127.0.0.1:4780/housing/v1/m2")
    return f"{url.rstrip('/')}/{route}"


def _check_connections(plan: LoadPlan) -> None:
    """Refuse what would fail for want of descriptors here, and be held against the revision."""
    waiting = plan.open.rate_rps * min(plan.open.duration_s, _ANSWER_S)
    needed = max(plan.peak_users, int(waiting)) + _OTHER_FILES
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and needed > most:
        raise CallError(
            f"the load test may need {needed:,} connections at once, and a process may have {most:,} files here",
            hint="fewer users, a lower rate, or a higher limit (ulimit -Hn)",
        )


def _locust(folder: Path) -> Path:
    """Give the Python that has Locust.

    It lies one folder deeper than the revisions' environments: those are collected when no revision needs them.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    lock = Lock(text=f"# Python {python}\n{LOCK.read_text(encoding='utf-8')}")
    return Environments(folder / "load", with_rung=False).ensure(lock).python


def run_bounded(argv: list[str], *, limit_s: float) -> None:
    """Run to the end; kill it at the limit, or when this process is to end."""
    try:
        ended = subprocess.run(
            argv,
            timeout=limit_s,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise BrokenError(
            f"the load test did not end within {limit_s:g} s and was killed{_tail(late.stderr)}",
            hint="look whether the machine has processor time left for it",
        ) from None
    if ended.returncode != 0:
        raise BrokenError(f"Locust ended with {ended.returncode}{_tail(ended.stderr)}")


def _tail(words: bytes | None) -> str:
    lines = (words or b"").decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
    return "".join(f"\n{line}" for line in lines)
