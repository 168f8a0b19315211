"""What `rung ab watch` shows, from figures that were recorded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click
import pytest
from recorded_tests import STARTED, ab_test, bandit

from rung.cli._ab_frame import frame, outcome_of, plain_line
from rung.control.course import active_seconds, outlook_of


def drawn(shown: dict[str, Any], *, hours: float = 14.0, width: int = 120, **more: Any) -> str:
    return click.unstyle("\n".join(frame(shown, now=STARTED + timedelta(hours=hours), width=width, **more)))


@pytest.fixture(scope="module")
def running() -> dict[str, Any]:
    return ab_test(looks=70)


def test_frame_tells_everything(running: dict[str, Any]):
    text = drawn(running)
    for told in (
        "A/B test: housing.v1.m2 against housing.v1.m1",
        "began 2026-11-20 08:00 UTC, 14 h ago; it ends in 13 d at the latest",
        "m2            challenger    25% ━",
        "10% → 25% → 50%  50% in 4 h, if nothing speaks against it",
        "converted  proportion, maximize; worth having from 0.02 on",
        "not better at -1.5",
        "of a test with one look",
        "is better, in",
        "refunds  holds",
        "the traffic split as declared",
        "another revision answered 0.4% of the challenger's 1,000 requests",
        "Ctrl-C ends the watching; the test goes on",
    ):
        assert told in text


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("looks", [1, 2, 70])
def test_lines_keep_within_the_terminal(width: int, looks: int):
    assert max(map(len, drawn(ab_test(looks=looks), width=width).splitlines())) <= width


def test_evidence_lies_between_its_bounds(running: dict[str, Any]):
    gauge = next(line for line in drawn(running).splitlines() if line.startswith("evidence"))
    signs = [gauge.index("┃"), gauge.index("◆"), gauge.rindex("┃")]
    assert signs == sorted(signs)
    assert gauge.index("◆") < gauge.index("┼")  # the ratio is below 0
    assert running["look"]["look"]["log_likelihood_ratio"] < 0


def test_test_without_a_look_waits_for_it(running: dict[str, Any]):
    text = drawn({**running, "look": None})
    assert "the first look is awaited" in text
    assert "effect" not in text


def test_unknown_effect_is_not_drawn(running: dict[str, Any]):
    nothing = {**running["look"]["look"], "standard_error": None, "interval": [None, None]}
    text = drawn({**running, "look": {**running["look"], "look": nothing}})
    assert "nothing is known yet" in text
    assert "there is no evidence yet whose speed could be measured" in text


def test_paused_test_says_so(running: dict[str, Any]):
    pause = {**running["splits"][-1], "kind": "pause", "since": (STARTED + timedelta(hours=13)).isoformat()}
    pause["because"] = "paused by ada: moving"
    shown = {**running, "paused": True, "splits": [*running["splits"], pause]}
    text = drawn(shown)
    assert "paused for 1 h  paused by ada: moving" in text
    assert "not while it is paused" in text
    assert active_seconds(shown, STARTED + timedelta(hours=14)) == 13 * 3_600


def test_decision_after_the_deadline_is_said(running: dict[str, Any]):
    deadline = (STARTED + timedelta(hours=14, minutes=1)).isoformat()
    assert "that is after the deadline" in drawn({**running, "deadline": deadline})


def test_ended_test_tells_its_outcome():
    shown = ab_test(looks=200, ended=True)
    text = drawn(shown, attempt={"outcome": "promoted", "because": "the challenger is better"})
    assert text.endswith("\nbetter: the challenger is better")
    assert "Ctrl-C" not in text
    assert "decision " not in text


@pytest.mark.parametrize(
    ("attempt", "outcome"),
    [
        ({"outcome": "rejected", "because": "A/B test: inconclusive at the deadline of 14 days"}, "inconclusive"),
        ({"outcome": "rejected", "because": "A/B test: aborted by ada"}, "aborted"),
        ({"outcome": "rejected", "because": "it has not answered for 60 s"}, "rejected"),
    ],
)
def test_outcome_of_undecided_tests(running: dict[str, Any], attempt: dict[str, str], outcome: str):
    assert outcome_of(running, attempt) == (outcome, attempt["because"])


def test_bandit_shows_who_is_ahead():
    text = drawn(bandit(), hours=0.25)
    assert "bandit: housing.v1.m3 and housing.v1.m2 against housing.v1.m1" in text
    assert "follows the evidence every 1 min; changed 3 min ago" in text
    assert text.index("the best with  90%  mean 0.14") < text.index("mean 0.1\n")


def test_plain_line_is_one_sentence(running: dict[str, Any]):
    assert plain_line(running).startswith("m2 25%, m1 75%: converted: after 767 challenger and 3,433 incumbent units")
    assert plain_line({**running, "look": None, "paused": True}) == "m2 25%, m1 75%, paused: no look yet"
    assert plain_line(bandit()).startswith("m3 90%, m2 5%, m1 5%: m3 is the best")


def test_outlook_needs_a_sequential_test(running: dict[str, Any]):
    now = datetime.fromisoformat(running["look"]["time"])
    assert outlook_of(bandit(), now) is None
    found = outlook_of(running, now)
    assert found is not None
    assert found.if_better is not None
