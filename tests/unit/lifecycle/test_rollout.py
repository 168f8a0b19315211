"""How an A/B test's share grows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rung.lifecycle import Split, SplitKind, due_share, first_share, step_of
from rung.schema import ABTest, RampStep

START, RAMP, PAUSE, RESUME = SplitKind.START, SplitKind.RAMP, SplitKind.PAUSE, SplitKind.RESUME
BEGUN = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TEST = ABTest(ramp=(RampStep(share=0.05, hold=HOUR), RampStep(share=0.2, hold=2 * HOUR)), share=0.5)


def splits(*kinds: SplitKind) -> list[Split]:
    """Give one split an hour."""
    return [
        Split(since=BEGUN + number * HOUR, kind=kind, shares={}, because="", actor="ada")
        for number, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("kinds", "hours", "share"),
    [
        ([START], 0.99, None),
        ([START], 1, 0.2),
        ([START, RAMP], 2.9, None),
        ([START, RAMP], 3, 0.5),
        ([START, RAMP, RAMP], 99, None),
        ([START, PAUSE], 99, None),
        ([START, PAUSE, RESUME], 2.9, None),
        ([START, PAUSE, RESUME], 3, 0.2),
    ],
)
def test_share_is_due_when_its_step_was_held(kinds: list[SplitKind], hours: float, share: float | None):
    assert due_share(TEST, splits(*kinds), BEGUN + hours * HOUR) == share


def test_test_without_a_ramp_begins_at_its_share():
    assert (first_share(TEST), first_share(ABTest(share=0.4))) == (0.05, 0.4)
    assert due_share(ABTest(), splits(START), BEGUN + 99 * HOUR) is None


def test_pause_leaves_the_step():
    assert step_of(TEST, splits(START, RAMP, PAUSE, RESUME)) == 1
