"""How far an ingest is: a bar on a terminal, now and then a line in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rung.data.sources import Step

__all__ = ["Progress", "spell_bytes"]

_DRAWN_EVERY_S = 0.1
_TOLD_EVERY_S = 2.0
_BAR = 24
_LONGEST = 48
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class Progress:
    """Takes steps from any thread, and tells of them on the error stream."""

    def __init__(self, *, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._is_terminal = sys.stderr.isatty()
        self._told = time.monotonic()
        self._drawn = 0
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> None:
        """Tell, when it is time."""
        pause = _DRAWN_EVERY_S if self._is_terminal else _TOLD_EVERY_S
        if self._is_silent or time.monotonic() - self._told < pause:
            return
        with self._lock:
            self._told = time.monotonic()
            line = spell(step)
            if self._is_terminal:
                click.echo(f"\r{line.ljust(self._drawn)}", err=True, nl=False)
                self._drawn = len(line)
            else:
                click.echo(line, err=True)

    def end(self) -> None:
        """Take the bar away."""
        if self._drawn:
            click.echo(f"\r{' ' * self._drawn}\r", err=True, nl=False)
            self._drawn = 0


def spell(step: Step) -> str:
    """Spell a step, with a bar where it is known how much there is.

    >>> from rung.data.sources import Step
    >>> spell(Step(what="reading a.csv", done=1200))
    'reading a.csv  1,200 rows'
    >>> spell(Step(what="fetching a.csv", done=512, whole=2048, unit="bytes"))
    'fetching a.csv  [######..................]  25%  512 bytes of 2.0 KiB'
    """
    what = step.what if len(step.what) <= _LONGEST else f"{step.what[: _LONGEST - 1]}…"
    amount = spell_bytes(step.done) if step.unit == "bytes" else f"{step.done:,} {step.unit}"
    if not step.whole:
        return f"{what}  {amount}"
    share = min(step.done / step.whole, 1.0)
    bar = "#" * int(share * _BAR)
    whole = spell_bytes(step.whole) if step.unit == "bytes" else f"{step.whole:,}"
    return f"{what}  [{bar.ljust(_BAR, '.')}] {share:4.0%}  {amount} of {whole}"


def spell_bytes(size: float) -> str:
    """Spell a size in the unit that suits it.

    >>> spell_bytes(512), spell_bytes(3_500_000)
    ('512 bytes', '3.3 MiB')
    """
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004  bytes of a KiB
        size, unit = size / 1024, unit + 1
    return f"{size:,.0f} bytes" if unit == 0 else f"{size:,.1f} {_UNITS[unit]}"
