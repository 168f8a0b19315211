"""Durations as people write and read them: `90s`, `10m`, `2h`, `3d`."""

from __future__ import annotations

import re

import click

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_ROUND_FROM = 10
"""Of the larger unit: from here on the smaller one says nothing."""
_PRECISE_BELOW = 9.5  # seconds


def read(context: click.Context, option: click.Parameter, written: str | None) -> float | None:
    """Read the duration that an option was given, in seconds: `90s`, `10m`, `2h` or `3d`."""
    if written is None:
        return None
    found = _WRITTEN.fullmatch(written.strip().lower())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not seconds > 0:
        told = f"{written!r} is no duration: write a number above 0 with s, m, h or d, as 90s or 2h"
        raise click.BadParameter(told, ctx=context, param=option)
    return seconds


def spell(seconds: float) -> str:
    """Write a duration with its two largest units.

    >>> spell(8.2), spell(93_784), spell(1_036_800), spell(0.4)
    ('8 s', '1 d 2 h', '12 d', '0.4 s')
    """
    if seconds < _PRECISE_BELOW:
        return f"{seconds:.1g} s"
    for number, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            below, name = _UNITS[number + 1] if number + 1 < len(_UNITS) else (1, "s")
            whole, rest = divmod(round(seconds / below), size // below)
            return f"{whole} {unit}" if whole >= _ROUND_FROM or not rest else f"{whole} {unit} {rest} {name}"
    return f"{seconds:.0f} s"
