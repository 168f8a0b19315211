"""Every way in which an A/B test ends, through a real gateway, told as a table: `python benchmarks/ab/outcomes.py`.

A platform is made in a temporary folder, one challenger after the other is promoted under load, and what the consumers
saw is counted. The same stories are told in the tests, with what must come of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import tiny_platform  # noqa: E402  lies beside the tests
from live_platform import live_platform  # noqa: E402
from outcome_stories import STORIES, Told  # noqa: E402

if TYPE_CHECKING:
    from live_platform import LivePlatform

RESULT = ROOT / "build" / "bench" / "outcomes.json"
_ABORT_S = 20.0


def main() -> int:
    """Tell all stories; exit status 1 when one ended otherwise."""
    with live_platform() as platform:
        tiny_platform.begin(platform)
        told = {name: _tell(name, platform) for name in STORIES}
    goals = [goal for name, story in told.items() for goal in _goals(name, story)]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(
        json.dumps({"goals": goals, "stories": {name: _plain(one) for name, one in told.items()}}, indent=1)
    )
    missed = [goal["goal"] for goal in goals if not goal["ok"]]
    print("all as they should" if not missed else f"not as they should: {', '.join(missed)}")
    return bool(missed)


def _tell(name: str, platform: LivePlatform) -> Told:
    print(f"\n{name}: {(STORIES[name].__doc__ or '').strip()}", flush=True)
    told = STORIES[name](platform)
    print(
        f"  -> {told.outcome} after {told.units:,} units and {told.seconds:.0f} s: {told.because}\n"
        f"     {len(told.consumers.answered):,} requests answered, {len(told.consumers.failures):,} failed; "
        f"{told.incumbent} answers production",
        flush=True,
    )
    return told


def _goals(name: str, told: Told) -> list[dict[str, Any]]:
    goals = [{"goal": f"{name}: outcome", "measured": told.outcome, "bar": name, "ok": told.outcome == name}]
    if name == "aborted":
        seconds = {"goal": "aborted: seconds of the A/B test", "measured": told.seconds, "bar": _ABORT_S}
        return [*goals, {**seconds, "ok": told.seconds <= _ABORT_S}]
    failed = len(told.consumers.failures)
    return [*goals, {"goal": f"{name}: failed requests", "measured": failed, "bar": 0, "ok": failed == 0}]


def _plain(told: Told) -> dict[str, Any]:
    return {
        "challenger": told.challenger,
        "outcome": told.outcome,
        "because": told.because,
        "units": told.units,
        "seconds": told.seconds,
        "requests": len(told.consumers.answered),
        "failed": len(told.consumers.failures),
    }


if __name__ == "__main__":
    sys.exit(main())
