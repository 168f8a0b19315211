"""Every way in which an A/B test ends, through the real gateway, with no request lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tiny_service
from consumers import CountingConsumers
from outcome_stories import STORIES
from tiny_platform import platform as platform  # noqa: PLC0414  the fixture

if TYPE_CHECKING:
    from live_platform import LivePlatform

pytestmark = pytest.mark.long

ENDS = {
    "better": "better by",
    "not_better": "A/B test: right:",
    "harmful": "the challenger is worse",
    "aborted": "A/B test: aborted: ",
    "invalid": "A/B test: invalid: the incumbent answered",
    "inconclusive": "inconclusive at the deadline of 4 s",
}


CUT = "peer closed connection without sending complete message body"


@pytest.mark.parametrize("name", STORIES)
def test_experiment_ends_as_it_should(platform: LivePlatform, name: str):
    before = next(revision for revision, state in platform.states().items() if state == "incumbent")
    told = STORIES[name](platform)
    assert told.outcome == name, told.because
    assert ENDS[name] in told.because
    assert told.incumbent == (told.challenger if name == "better" else before)
    if name == "aborted":
        assert told.seconds < 60
    else:
        assert [one for one in told.consumers.failures if CUT not in one] == []
        assert not told.consumers.failures or name == "invalid"  # its server is killed: no gateway can take a head back
    if name not in ("better", "invalid"):  # a share that grows, and a challenger that is gone, move units
        assert all(len(revisions) == 1 for revisions in told.consumers.arms.values())
    audited = platform.api("/majors/tiny/1/experiment/audit").json()
    assert (audited["disagreements"], audited["flips"]) == (0, 0), audited
    assert audited["units"] > 0


def test_incumbent_that_fails_hands_over(platform: LivePlatform):
    """The winner of the first story fails for what nobody asked it before; its predecessor is still warm."""
    states = platform.states()
    winner = next(revision for revision, state in states.items() if state == "incumbent")
    predecessor = next(revision for revision, state in states.items() if state == "retired")

    with CountingConsumers(gateway=platform.gateway, right={}, report_share=0.0, x=tiny_service.BROKEN_X):
        platform.wait(lambda: platform.states()[predecessor] == "incumbent")

    told = platform.revision(winner)
    assert told["state"] == "retired"
    assert told["reason"].startswith(f"rolled back to {predecessor}: ")
    assert "of its predecessor's last" in told["reason"]
    history = platform.ask("history", "tiny")["events"]
    assert history[-1]["actor"] == "rung"
