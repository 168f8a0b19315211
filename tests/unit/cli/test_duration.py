"""Durations as options and as words."""

from __future__ import annotations

import click
import pytest

from rung.cli import _duration

_CONTEXT = click.Context(click.Command("shadow"))
_OPTION = click.Option(["--until"])


@pytest.mark.parametrize(
    ("written", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7_200), ("3d", 259_200), (" 1.5 H ", 5_400)]
)
def test_durations_are_read(written: str, seconds: float):
    assert _duration.read(_CONTEXT, _OPTION, written) == seconds


def test_no_duration_stays_none():
    assert _duration.read(_CONTEXT, _OPTION, None) is None


@pytest.mark.parametrize("written", ["", "2", "0s", "-1h", "2w", "h", "1h30m", "nans", "1e3s"])
def test_other_words_are_refused(written: str):
    with pytest.raises(click.BadParameter, match="is no duration: write a number above 0 with s, m, h or d"):
        _duration.read(_CONTEXT, _OPTION, written)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.04, "0.04 s"),
        (9.7, "10 s"),
        (59.4, "59 s"),
        (61, "1 min 1 s"),
        (3_600, "1 h"),
        (7_199, "2 h"),
        (90_000, "1 d 1 h"),
        (40 * 86_400, "40 d"),
    ],
)
def test_durations_have_two_units(seconds: float, words: str):
    assert _duration.spell(seconds) == words
