"""Reports as one page of HTML that needs nothing beside it: findings, charts, a card for each column. Pure."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final

from rung.charts.figure import Band, Curve, Figure, Panel, Rule, padded
from rung.charts.svg import to_svg
from rung.data.profile._page import STYLE, card

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rung.charts.figure import Tone
    from rung.monitoring._finding import Finding
    from rung.monitoring._quality import Measured
    from rung.monitoring._report import Report

__all__ = ["to_html"]

_STYLE: Final = """
.alarm { color: var(--bad); font-weight: 650; } td, th { padding: 3px 14px 3px 0; }
.wide svg { width: 100%; height: auto; }
td.number, th.number { text-align: right; }
"""
_FEWEST: Final = 2
"""Points that make a line."""


def to_html(reports: Sequence[Report], *, title: str) -> str:
    """Draw reports.

    Args:
        reports: Of the routes of one or several revisions.
        title: What they are of, as `housing.v1`.
    """
    return "\n".join(
        [
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            *(part for report in reports for part in _report(report)),
            "</body></html>\n",
        ]
    )


def _report(report: Report) -> Iterator[str]:
    latency = ", ".join(f"{name} {value:.1f} ms" for name, value in report.whole.latency_ms.items())
    yield f"<h2>{escape(report.revision)} {escape(report.route)}</h2>"
    yield (
        f"<p>{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC: {report.whole.requests:,} requests,"
        f" {report.whole.failed:,} failed, {report.whole.refused:,} refused; {latency}</p>"
    )
    yield from (f'<p class="faint">{escape(what)}: {escape(told)}</p>' for what, told in report.references.items())
    yield from _findings(report.findings)
    yield from (
        f'<div class="wide">{to_svg(figure)}</div>' for figure in (_traffic(report), _quality(report)) if figure
    )
    yield from _drifts(report)
    yield from _segments(report)
    yield from _cards(report)


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    yield "<h3>Found</h3>"
    if not findings:
        yield "<p>Nothing moved beyond chance.</p>"
        return
    yield "<ul>"
    for found in findings:
        mark = '<span class="alarm">alarm</span> ' if found.is_alarm else ""
        yield f'<li>{mark}{escape(found.because)} <span class="faint">({_against(found.against)})</span></li>'
    yield "</ul>"


def _against(name: str) -> str:
    return "against the week before" if name == "before" else f"against {name}"


def _traffic(report: Report) -> Figure | None:
    if len(report.hours) < _FEWEST:
        return None
    counts = [(_hours(report, one.begin), float(one.requests)) for one in report.hours]
    failed = [(_hours(report, one.begin), float(one.failed)) for one in report.hours]
    slow = {
        name: [(_hours(report, one.begin), one.latency_ms[name]) for one in report.hours if one.latency_ms]
        for name in ("p50", "p99")
    }
    return Figure(
        title="Requests and latency",
        told="By the hour; what is older than two days by the day.",
        x_title="hours from the beginning",
        low=counts[0][0],
        high=counts[-1][0],
        panels=(
            _panel("requests", [("requests", counts, "main"), ("failed", failed, "bad")]),
            _panel("latency (ms)", [("p50", slow["p50"], "main"), ("p99", slow["p99"], "second")]),
        ),
    )


def _panel(title: str, lines: Sequence[tuple[str, list[tuple[float, float]], Tone]]) -> Panel:
    low, high = padded([0.0, *(y for _, points, _ in lines for _, y in points)])
    curves = tuple(
        Curve(points=tuple(points), label=label, tone=tone, dotted=True) for label, points, tone in lines if points
    )
    return Panel(title=title, low=max(low, 0.0), high=high, curves=curves)


def _quality(report: Report) -> Figure | None:
    """Draw each metric by day, with its interval, and what is estimated of the whole time."""
    panels = [_metric(report, metric, list(days)) for metric, days in groupby(report.daily, key=lambda one: one.metric)]
    there = [panel for panel in panels if panel is not None]
    if not there:
        return None
    days = sorted(_hours(report, one.begin) for one in report.daily)
    return Figure(
        title="Quality, as outcomes told",
        told="By the day on which predictions were made; shaded: where the mean of all units lies, 95 %.",
        x_title="hours from the beginning",
        low=days[0],
        high=days[-1],
        panels=tuple(there),
    )


def _metric(report: Report, metric: str, days: Sequence[Measured]) -> Panel | None:
    if len(days) < _FEWEST:
        return None
    points = tuple((_hours(report, one.begin), one.mean) for one in days)
    bands = tuple((_hours(report, one.begin), *one.interval) for one in days if one.interval is not None)
    found = report.estimated if report.estimated is not None and report.estimated.metric == metric else None
    rules = () if found is None else (Rule(y=found.estimate.value, label="estimated", tone="second"),)
    heights = [y for _, y in points] + [y for band in bands for y in band[1:]] + [rule.y for rule in rules]
    low, high = padded(heights)
    return Panel(
        title=metric,
        low=low,
        high=high,
        curves=(Curve(points=points, label="measured", dotted=True),),
        bands=(Band(points=bands, label="95 %"),) if len(bands) >= _FEWEST else (),
        rules=rules,
    )


def _hours(report: Report, moment: datetime) -> float:
    return (moment - report.since).total_seconds() / 3600


def _drifts(report: Report) -> Iterator[str]:
    if not report.drifts:
        return
    heads = ("distance", "stability index", "Wasserstein", "chance alone")
    yield "<h3>How far each column moved</h3><table><tr><th>column</th><th>against</th>"
    yield "".join(f'<th class="number">{head}</th>' for head in heads) + "<th></th></tr>"
    for one in report.drifts:
        said = '<td class="alarm">alarm</td>' if one.is_alarm else f"<td>{'moved' if one.has_moved else ''}</td>"
        figures = (f"{one.size:.3f}", f"{one.shift.psi:.3f}", f"{one.shift.wasserstein:.3f}", f"{one.p:.2g}")
        cells = "".join(f'<td class="number">{figure}</td>' for figure in figures)
        yield f"<tr><td>{escape(one.column)}</td><td>{escape(one.against)}</td>{cells}{said}</tr>"
    yield "</table>"


def _segments(report: Report) -> Iterator[str]:
    for name, found in report.segments.items():
        if found:
            yield f"<h3>Parts of the rows that moved most, {_against(name)}</h3><ul>"
            yield from (f"<li>{escape(one.name)}: {one.before:.1%} to {one.now:.1%}</li>" for one in found)
            yield "</ul>"


def _cards(report: Report) -> Iterator[str]:
    """Draw each column, over what it is held against first."""
    before = next(iter(report.before.values()), None)
    yield '<h3>Columns</h3><p class="faint">bars: now; line: the reference</p><div class="cards">'
    for name, column in report.now.columns.items():
        earlier = None if before is None else before.columns.get(name)
        yield card(name, column, rows=report.now.rows, before=earlier)
    yield "</div>"
