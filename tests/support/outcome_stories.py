"""Every way in which an A/B test ends, through the real gateway: one story each, told with the tiny service.

Consumers find each revision right as often as the story says; the rest is the platform's affair.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import tiny_service
from consumers import CountingConsumers
from hurry import hurrying

if TYPE_CHECKING:
    from collections.abc import Callable

    from live_platform import LivePlatform

_UNHURRIED = 20.0  # requests per second until the A/B test begins
_LIVE_X = 777
"""A number that no test asks for: what goes wrong with it goes wrong in production."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a story ended."""

    challenger: str
    outcome: str
    """Of the A/B test: better, not_better, harmful, aborted, invalid, inconclusive."""
    because: str
    incumbent: str
    """Afterwards."""
    units: int
    """That were assigned."""
    seconds: float
    """Of the A/B test."""
    consumers: CountingConsumers
    experiment: dict[str, Any]
    """As `rung ab` shows it."""


def better(platform: LivePlatform) -> Told:
    """The challenger is right twice as often; its share grows in steps."""
    ramp = "ramp=[RampStep(share=0.1, hold=timedelta(seconds=2))],"
    return _tell(platform, right=(0.4, 0.8), design=ramp)


def not_better(platform: LivePlatform) -> Told:
    """The challenger is right as often as the incumbent."""
    return _tell(platform, right=(0.6, 0.6))


def harmful(platform: LivePlatform) -> Told:
    """The challenger is right half as often."""
    return _tell(platform, right=(0.8, 0.4))


def aborted(platform: LivePlatform) -> Told:
    """The challenger fails for requests that no test knows, and that were not replayed either."""
    change = ("== 666", f"== {_LIVE_X}")
    told = _tell(platform, right=(0.6, 0.6), design="replay=0,", x=_LIVE_X, handler=change, report_share=0.0)
    tiny_service.change(platform.root, *reversed(change), file="serve/app.py")
    return told


def invalid(platform: LivePlatform) -> Told:
    """The challenger's server is killed again and again: the incumbent answers for it, and nothing can be compared."""
    return _tell(platform, right=(0.6, 0.9), report_share=0.0, meanwhile=_kill_again_and_again)


def inconclusive(platform: LivePlatform) -> Told:
    """The deadline comes before the evidence."""
    return _tell(platform, right=(0.6, 0.6), deadline_s=4, report_share=0.02, words=("--ignore-plan",))


STORIES: dict[str, Callable[[LivePlatform], Told]] = {
    story.__name__: story for story in (better, not_better, harmful, aborted, invalid, inconclusive)
}


def _tell(
    platform: LivePlatform,
    *,
    right: tuple[float, float],
    design: str = "",
    deadline_s: float = 600,
    report_share: float = 1.0,
    x: int = 3,
    handler: tuple[str, str] | None = None,
    words: tuple[str, ...] = (),
    meanwhile: Callable[[LivePlatform, str], None] | None = None,
) -> Told:
    """Deploy a challenger, promote it under load, and tell how that ended."""
    before = next(name for name, state in platform.states().items() if state == "incumbent")
    challenger = deploy(platform, design=f"deadline=timedelta(seconds={deadline_s}), {design}", handler=handler)
    found = {before: right[0], challenger: right[1]}
    consumers = CountingConsumers(gateway=platform.gateway, right=found, report_share=report_share, x=x)
    hurried, consumers.requests_per_second = consumers.requests_per_second, _UNHURRIED
    with consumers, hurrying(platform, challenger, consumers, requests_per_second=hurried):
        watcher = platform.begin_command("promote", challenger, *words)
        platform.wait(lambda: platform.revision(challenger)["state"] not in ("candidate", "testing"), within_s=120)
        if meanwhile is not None:
            meanwhile(platform, challenger)
        platform.wait(lambda: watcher.poll() is not None, within_s=180)
    return _read(platform, challenger, consumers)


def _read(platform: LivePlatform, challenger: str, consumers: CountingConsumers) -> Told:
    attempt = platform.api(f"/revisions/{challenger}/promotions").json()[-1]
    experiment = platform.api("/majors/tiny/1/experiment").json()
    look = experiment["look"] or {}
    began, ended = (time.mktime(time.strptime(experiment[at][:19], "%Y-%m-%dT%H:%M:%S")) for at in ("started", "ended"))
    return Told(
        challenger=challenger,
        outcome=look.get("outcome", "inconclusive"),
        because=attempt["because"],
        incumbent=next(name for name, state in platform.states().items() if state == "incumbent"),
        units=sum(look.get("exposed", {}).values()),
        seconds=ended - began,
        consumers=consumers,
        experiment=experiment,
    )


def deploy(platform: LivePlatform, *, design: str, handler: tuple[str, str] | None = None) -> str:
    """Deploy the next revision of the tiny service, whose A/B test is declared so."""
    minor = len(platform.states())
    service = platform.root / "experiments" / "tiny" / "schema" / "service.py"
    lines = service.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if "deadline=" in line)
    lines[place] = f"    {design}"
    imports = "from rung.schema import ABTest, Bandit, BusinessMetric, RampStep, Score, Shadowing"
    lines = [imports if line.startswith("from rung.schema import") else line for line in lines]
    service.write_text("\n".join(lines) + "\n")
    if handler is not None:
        tiny_service.change(platform.root, *handler, file="serve/app.py")
    tiny_service.document(platform.root, minor)
    return platform.deploy("tiny")


def _kill_again_and_again(platform: LivePlatform, challenger: str) -> None:
    """Kill the challenger's server whenever it answers, until the A/B test has ended."""
    deadline = time.monotonic() + 60
    while platform.revision(challenger)["state"] == "experimenting" and time.monotonic() < deadline:
        server = platform.recorded().get(challenger)
        if server is not None and platform.revision(challenger)["ready"]:
            with contextlib.suppress(psutil.NoSuchProcess):  # it is just being started again
                master = psutil.Process(server.pid)
                for process in (master, *master.children()):
                    process.kill()
        time.sleep(0.3)
