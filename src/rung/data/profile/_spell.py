"""Figures of a profile as people read them. Pure; used by comparisons, tables and pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rung.data.profile._values import Kind

__all__ = ["share", "spell", "spell_type"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE_DIGITS: Final = 15
"""Of whole numbers that are written out."""
_GROUPED: Final = 10_000
"""Whole number from which on thousands are set apart: years are not."""


def spell(value: float | None, kind: Kind) -> str:
    """Write a value of a column of this kind; None is a dash.

    >>> spell(163000.0, "number"), spell(0.123456789, "number"), spell(20000, "date")
    ('163,000', '0.123457', '2024-10-04')
    >>> spell(1700000000.25, "moment"), spell(93784.5, "duration"), spell(None, "number")
    ('2023-11-14 22:13:20', '1 day, 2:03:04.500000', '-')
    """
    if value is None:
        return "-"
    try:
        if kind == "date":
            return str(date(1970, 1, 1) + timedelta(days=round(value)))
        if kind == "moment":
            return f"{_EPOCH + timedelta(seconds=value):%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")
        if kind == "duration":
            return str(timedelta(seconds=value))
    except OverflowError:  # beyond the year 9999
        pass
    return _number(value)


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 10**_WHOLE_DIGITS:
        return f"{int(value):,}" if abs(value) >= _GROUPED else f"{int(value)}"
    text = f"{value:,.6g}"
    return f"{value:,.0f}" if "e" in text and 1 <= abs(value) < 10**_WHOLE_DIGITS else text


def spell_type(dtype: str) -> str:
    """Shorten the type of a column.

    >>> spell_type("Datetime(time_unit='us', time_zone='UTC')"), spell_type("List(Int64)")
    ('Datetime UTC', 'List(Int64)')
    """
    if not dtype.startswith("Datetime("):
        return dtype
    zone = dtype.rpartition("time_zone=")[2].strip("')")
    return "Datetime" if zone == "None" else f"Datetime {zone}"


def share(part: float, whole: float) -> str:
    """Write a share in per cent; what is not nothing is not written as 0.

    >>> share(1, 3), share(0, 3), share(1, 1_000_000), share(3, 3)
    ('33.3 %', '0 %', '< 0.1 %', '100 %')
    """
    percent = 100 * part / whole if whole else 0.0
    if percent in {0.0, 100.0}:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"  # noqa: PLR2004  the first digit that is written
