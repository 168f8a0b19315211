"""How a challenger comes to production: mirrored, in steps, paused and aborted by a person, and as a bandit's arm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from consumers import CountingConsumers
from live_platform import kill
from outcome_stories import deploy
from tiny_platform import platform as platform  # noqa: PLC0414  the fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_platform import LivePlatform

pytestmark = pytest.mark.long

EXPERIMENT = "/majors/tiny/1/experiment"
RATE = 90.0  # production requests per second, while something waits for them


@pytest.fixture
def incumbent(platform: LivePlatform) -> str:
    return next(name for name, state in platform.states().items() if state == "incumbent")


@pytest.fixture
def consumers(platform: LivePlatform, incumbent: str) -> Iterator[CountingConsumers]:
    """Nothing that they ask for may fail, whatever happens to candidates."""
    chances: dict[str, float] = {incumbent: 0.5}
    unhurried = {"report_share": 0.0, "requests_per_second": 20.0}
    with CountingConsumers(gateway=platform.gateway, right=chances, **unhurried) as consumers:
        yield consumers
    assert consumers.failures == []


def shadow(platform: LivePlatform, name: str) -> dict[str, Any]:
    found: dict[str, Any] = platform.api(f"/revisions/{name}/shadow").raise_for_status().json()
    return found


def test_shadow_is_compared_and_reaches_nobody(platform: LivePlatform, incumbent: str, consumers: CountingConsumers):
    name = deploy(platform, design="deadline=timedelta(minutes=10),")
    consumers.requests_per_second = RATE
    platform.api(f"/revisions/{name}/shadow", method="POST", json={"share": 1.0, "for_s": 60}).raise_for_status()
    platform.wait(lambda: shadow(platform, name)["answered"] >= 50)
    found = shadow(platform, name)
    assert (found["agreement"]["share"], found["shadow_failed"], found["share"]) == (1.0, 0, 1.0)
    assert set(consumers.by_revision) == {incumbent}
    assert found["truth"] is None

    told = [
        {"service": "tiny", "metric": "double", "value": 6.0, "prediction_id": identity}
        for identity in list(consumers.answered)[-20:]
    ]
    assert httpx2.post(f"{platform.gateway}/outcomes", json=told).status_code == 202
    platform.wait(lambda: shadow(platform, name)["truth"] is not None)
    truth = shadow(platform, name)["truth"]
    assert (truth["metric"], truth["effect"]) == ("right", 0.0)  # both say 3, and the truth is 6

    kill(platform.recorded()[name].pid)
    answered = len(consumers.answered)
    platform.wait(lambda: len(consumers.answered) > answered + 100)  # each failure would be seen
    platform.api(f"/revisions/{name}/shadow", method="POST", json={"share": 0}).raise_for_status()
    assert shadow(platform, name)["ended"] is not None
    platform.rung("teardown", name)


def test_two_candidates_see_the_same_requests(platform: LivePlatform, consumers: CountingConsumers):
    names = [deploy(platform, design="deadline=timedelta(minutes=10),") for _ in range(2)]
    for name in names:
        platform.api(f"/revisions/{name}/shadow", method="POST", json={"share": 1.0}).raise_for_status()
    for name in names:
        platform.wait(lambda name=name: shadow(platform, name)["answered"] >= 20)
        platform.rung("teardown", name)
        assert shadow(platform, name)["ended"] is not None


def test_promotion_leads_through_the_shadow(platform: LivePlatform, incumbent: str, consumers: CountingConsumers):
    name = deploy(
        platform,
        design="shadow=Shadowing(share=1.0, hold=timedelta(seconds=1), requests=20), deadline=timedelta(minutes=10),",
    )
    consumers.right[name] = 0.5
    platform.rung("promote", name, "--detach")
    platform.wait(lambda: platform.revision(name)["state"] == "experimenting", within_s=120)
    consumers.requests_per_second = RATE
    (attempt,) = platform.api(f"/revisions/{name}/promotions").json()
    mirrored = next(verdict for verdict in attempt["verdicts"] if verdict["gate"] == "shadow")
    assert (mirrored["kind"], mirrored["evidence"]["shadow_failed"]) == ("pass", 0)
    assert mirrored["evidence"]["answered"] >= 20

    platform.wait(lambda: consumers.by_revision[name] > 20)
    paused = platform.api(f"{EXPERIMENT}/pause", method="POST", json={"because": "a look"}).raise_for_status().json()
    assert (paused["paused"], paused["shares"][name]) == (True, 0.0)
    hold_that(platform, consumers, name, gets_requests=False)
    resumed = platform.api(f"{EXPERIMENT}/resume", method="POST").raise_for_status().json()
    assert (resumed["paused"], resumed["shares"][name]) == (False, 0.5)
    hold_that(platform, consumers, name, gets_requests=True)

    aborted = platform.api(f"{EXPERIMENT}/abort", method="POST", json={"because": "enough"}).raise_for_status().json()
    assert aborted["ended"] is not None
    assert "aborted by tester: enough" in platform.revision(name)["reason"]
    hold_that(platform, consumers, name, gets_requests=False)
    assert platform.states()[incumbent] == "incumbent"
    assert [split["kind"] for split in aborted["splits"]] == ["start", "pause", "resume"]


def hold_that(platform: LivePlatform, consumers: CountingConsumers, name: str, *, gets_requests: bool) -> None:
    """See in the next hundred answers whether a revision gives some of them."""
    ours, all_of_them = consumers.by_revision[name], len(consumers.answered)
    platform.wait(lambda: len(consumers.answered) >= all_of_them + 100)
    # requests in flight when the shares changed may still be counted
    assert (consumers.by_revision[name] > ours + consumers.threads) == gets_requests


def test_bandit_keeps_the_best_of_three(platform: LivePlatform, incumbent: str, consumers: CountingConsumers):
    design = "bandit=Bandit(interval=timedelta(seconds=2)), deadline=timedelta(minutes=10),"
    names = [deploy(platform, design=design) for _ in range(2)]
    consumers.right |= {names[0]: 0.4, names[1]: 0.9}
    for name in names:
        platform.rung("promote", name, "--detach")
    both_take_part(platform, names)
    consumers.requests_per_second = RATE
    consumers.report_share = 1.0
    platform.wait(lambda: platform.revision(names[1])["state"] == "incumbent", within_s=120)
    platform.wait(lambda: platform.revision(names[0])["state"] == "torn_down")
    assert platform.revision(incumbent)["state"] == "retired"
    found = platform.api(EXPERIMENT).json()
    assert found["bandit"]
    assert found["ended"] is not None
    shares = [split["shares"].get(names[1], 0.0) for split in found["splits"]]
    assert shares[-1] > max(shares[0], 1 / 3)
    assert f"{names[1]} won" in platform.revision(names[0])["reason"]


def both_take_part(platform: LivePlatform, names: list[str]) -> None:
    def take_part() -> bool:
        return {platform.revision(name)["state"] for name in names} == {"experimenting"}

    platform.wait(take_part, within_s=180)
    assert set(names) < platform.api(EXPERIMENT).json()["shares"].keys()
