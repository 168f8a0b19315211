"""A profile in a terminal: a line for each column, with a small histogram. Pure; called by `rung data show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rung.charts import blocks
from rung.data.profile._bars import bars
from rung.data.profile._spell import share, spell, spell_type

if TYPE_CHECKING:
    from rung.data.profile._values import Column, Profile

__all__ = ["HEADER", "lines"]

HEADER: Final = ("COLUMN", "TYPE", "NULLS", "DISTINCT", "LOW", "MEDIAN", "HIGH", "DISTRIBUTION", "MOST FREQUENT")
"""What the cells of a line are."""

_BARS: Final = 16
_NAMED: Final = 3
_LONGEST: Final = 24
"""Characters of a value that is named."""


def lines(profile: Profile) -> list[list[str]]:
    """Give the cells of each column's line; those of `HEADER`."""
    return [[_printable(name), *_cells(column, profile.rows)] for name, column in profile.columns.items()]


def _cells(column: Column, rows: int) -> list[str]:
    is_measured = column.values is None and column.kind not in {"list", "binary"} and column.numbers is not None
    numbers = column.numbers if is_measured else None
    spread = (numbers.low, numbers.median, numbers.high) if numbers is not None else (None, None, None)
    return [
        spell_type(column.dtype),
        share(column.nulls, rows),
        distinct(column),
        *("" if value is None else spell(value, column.kind) for value in spread),
        blocks.columns([round(bar.count) for bar in bars(column, _BARS)]),
        _frequent(column),
    ]


def distinct(column: Column) -> str:
    """Write how many different values there are; an estimate as one."""
    if column.distinct is None:
        return ""
    return f"{'' if column.distinct.is_exact else '~'}{column.distinct.count:,}"


def _frequent(column: Column) -> str:
    if column.values is None:
        return ""
    named = [f"{_cut(value)} ({count:,})" for value, count in column.values.common[:_NAMED]]
    return ", ".join(named)


def _printable(text: str) -> str:
    """Keep what a terminal may be sent."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _cut(value: str) -> str:
    value = _printable(value)
    return value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
