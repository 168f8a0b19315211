"""Durations as people read them: `8 s`, `1 d 2 h`. Pure; commands and pages spell them alike."""

from __future__ import annotations

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_ROUND_FROM = 10
"""Of the larger unit: from here on the smaller one says nothing."""
_PRECISE_BELOW = 9.5  # seconds


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
