"""A picture in a terminal that is drawn again in its place; in a pipe, one line for each change."""

from __future__ import annotations

import math
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from rung.errors import ControlPlaneError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EVERY_S = 1.0
_PATIENCE_S = 60.0  # how long a control plane that went away is waited for
_CLEAR = "\033[J"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is to be seen at one moment."""

    lines: Sequence[str]
    """For a terminal."""
    plain: str
    """For a pipe."""
    is_over: bool


def watch(look: Callable[[int], View], *, quiet: bool = False) -> None:
    """Show what `look` gives until it is over.

    Args:
        look: Takes the width of the terminal. When it raises `ControlPlaneError`, the last view stays for a minute.
        quiet: Show nothing, and only wait.

    Raises:
        ControlPlaneError: The control plane was not there, or stayed away.
    """
    show = _quietly if quiet else _Terminal().show if sys.stdout.isatty() else _Pipe().show
    seen = -math.inf
    while True:
        try:
            view = look(width())
        except ControlPlaneError:
            if time.monotonic() - seen > _PATIENCE_S:
                raise
        else:
            seen = time.monotonic()
            show(view)
            if view.is_over:
                return
        time.sleep(_EVERY_S)


def width() -> int:
    """Give how many characters a line may have."""
    return min(shutil.get_terminal_size((110, 40)).columns, 160)


def redrawn(lines: Sequence[str], *, drawn: int, height: int) -> str:
    r"""Give what replaces the lines that were drawn before by others; what would scroll away is left out.

    >>> redrawn(["one"], drawn=2, height=10)
    '\x1b[2F\x1b[Jone\n'
    """
    kept = lines[: max(height - 1, 1)]
    up = f"\033[{drawn}F" if drawn else ""
    return f"{up}{_CLEAR}" + "".join(f"{line}\n" for line in kept)


def _quietly(_: View) -> None:
    pass


class _Terminal:
    """Draws in place."""

    def __init__(self) -> None:
        self._drawn = 0

    def show(self, view: View) -> None:
        height = shutil.get_terminal_size().lines
        click.echo(redrawn(view.lines, drawn=self._drawn, height=height), nl=False)
        self._drawn = min(len(view.lines), max(height - 1, 1))


class _Pipe:
    """Prints what changed."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, view: View) -> None:
        if view.plain != self._last:
            click.echo(f"{datetime.now(UTC):%H:%M:%S}  {view.plain}")
            sys.stdout.flush()
        self._last = view.plain
