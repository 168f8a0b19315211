"""What `rung shadow` shows, from figures that were recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
import pytest
from recorded_tests import STARTED, shadow

from rung.cli._shadow_frame import frame, plain_line


def drawn(width: int = 120, **more: Any) -> str:
    return click.unstyle("\n".join(frame(shadow() | more, now=STARTED + timedelta(hours=3), width=width)))


def test_frame_tells_everything():
    text = drawn()
    for told in (
        "20% of production is mirrored to housing.v1.m3: for 3 h so far, 1 h more",
        "4,100 mirrored, 4,090 answered by both",
        "76.00% of 2,000 predictions",
        "price  70% equal, 6% close, 24% different; 812 apart",
        "band   99% equal, 0% close, 1% different",
        "price  production  ▇█  shadow  ▄█  0.040 apart  from 90000 to 120000",
        "band   production  █▃  shadow  █▃  0.021 apart  low, high",
        "absolute_error +120.5 (+22.1 to +219), 812 pairs",
        "shadow          4.1 ms       22.3 ms             6",
        "production      3.2 ms       14.9 ms             2",
    ):
        assert told in text


def test_flips_show_only_what_differs():
    row = drawn().splitlines()[-1]
    assert row.split("  ")[-3:] == ["price 90000", "price 190000", "year_built 1901, stories two"]


@pytest.mark.parametrize("width", [80, 160])
def test_lines_keep_within_the_terminal(width: int):
    assert max(map(len, drawn(width).splitlines())) <= width


def test_ended_shadow_shows_what_was_seen():
    assert drawn(share=0.0).startswith("nothing is mirrored to housing.v1.m3 now")
    assert "76.00%" in drawn(share=0.0)


def test_shadow_without_answers_waits_for_them():
    text = drawn(mirrored=3, paired=0, answered=0, until=None)
    assert "until it is stopped" in text
    assert text.endswith("no request was answered by both yet: the comparison begins with the first")


def test_equal_predictions_show_no_flips():
    agreement = {**shadow()["agreement"], "same": 2000, "share": 1.0, "differing": []}
    text = drawn(agreement=agreement, truth=None)
    assert "differing     none" in text
    assert "absolute_error" not in text


def test_plain_line_is_one_sentence():
    told = "housing.v1.m3 shadows 20%; 4,090 requests answered by both, 76.0% of 2,000 predictions agree"
    assert plain_line(shadow()) == told
