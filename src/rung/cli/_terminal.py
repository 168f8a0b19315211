"""What verbs print: tables, states in colour, JSON. Colours on a terminal, none in a pipe (click sees to it)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")

_COLOURS = {
    "incumbent": "green",
    "pass": "green",
    "promoted": "green",
    "approved": "green",
    "valid": "green",
    "succeeded": "green",
    "identical": "green",
    "candidate": "cyan",
    "trained": "cyan",
    "experimenting": "magenta",
    "testing": "yellow",
    "awaiting_approval": "yellow",
    "training": "yellow",
    "deploying": "yellow",
    "running": "yellow",
    "inconclusive": "yellow",
    "warn": "yellow",
    "shown": "green",
    "named": "cyan",
    "open": "yellow",
    "refuted": "red",
    "on_hold": "yellow",
    "retired": "blue",
    "rejected": "red",
    "revoked": "red",
    "failed": "red",
    "fail": "red",
    "crashed": "red",
    "pruned": "blue",
    "torn_down": "red",
}


def json_option(function: FunctionT) -> FunctionT:
    """Add `--json` to a verb."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def print_json(value: Any) -> None:
    """Print a value for programs."""
    click.echo(json.dumps(value, indent=2, default=str))


def state(text: str) -> str:
    """Colour a state or verdict."""
    return click.style(text, fg=_COLOURS.get(text))


def table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
    """Print rows in columns that are as wide as they need to be; the last one takes the rest."""
    plain = [[click.unstyle(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in plain) for column in range(len(header))]
    click.echo(click.style(_line(header, widths), bold=True))
    for row in rows:
        click.echo(_line(row, widths))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)]
    return "  ".join(cells).rstrip()


def cut(text: str, longest: int = 70) -> str:
    """Shorten a sentence for a column; `--json` has all of it."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def time_of_day(moment: str) -> str:
    """Shorten an RFC 3339 instant to what people read."""
    return moment[:19].replace("T", " ")
