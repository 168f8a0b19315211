"""A review as Markdown: what a pull request shows. Pure."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rung.reviews._compare import Change, Metric, Review

_LONGEST = 160  # letters of a value
_MOST = 200  # rows of changes: a comment is not endless


def marker(service: str) -> str:
    """Give the line by which a comment is known again; nobody sees it."""
    return f"<!-- rung review of {service} -->"


def markdown(review: Review) -> str:
    """Give the table of a review."""
    sign = "**breaks its promise**" if review.breaks_promise else "ok"
    parts = [marker(review.service), f"### {review.service}: {sign}", f"Against `{review.base}`: {review.takes}."]
    parts.append(_changes(review.changes))
    if review.metrics:
        parts.append(_metrics(review.metrics))
    parts.append(f"Metrics: {_line(review.trained)}." if review.trained else "")
    return "\n\n".join(part for part in parts if part) + "\n"


def _changes(changes: tuple[Change, ...]) -> str:
    if not changes:
        return "Nothing of schema, hyperparameters, requirements, tests, infrastructure or levels differs."
    rows = ["| | what | before | after |", "|---|---|---|---|"]
    for kind, group in groupby(changes[:_MOST], key=lambda change: change.kind):
        for change in group:
            name = f"**{kind}, breaking**" if change.breaks else kind
            rows.append(f"| {name} | {_cell(change.what)} | {_cell(change.before)} | {_cell(change.after)} |")
    more = len(changes) - _MOST
    return "\n".join(rows) + (f"\n\nand {more} more." if more > 0 else "")


def _metrics(metrics: tuple[Metric, ...]) -> str:
    rows = ["| metric | before | after | difference |", "|---|---|---|---|"]
    for one in metrics:
        difference = "" if one.before is None or one.after is None else f"{one.after - one.before:+.4g}"
        rows.append(f"| {_cell(one.name)} | {_number(one.before)} | {_number(one.after)} | {difference} |")
    return "\n".join(rows)


def _cell(text: str | None) -> str:
    if not text:
        return ""
    line = _line(text)
    short = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    return "`" + short.replace("`", "'").replace("|", "\\|") + "`"


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
