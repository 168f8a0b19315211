"""Durations as people write and read them: `90s`, `10m`, `2h`, `3d`."""

from __future__ import annotations

import re

import click

from rung.charts.durations import spell

__all__ = ["read", "spell"]

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


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
