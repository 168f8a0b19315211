"""What `rung monitor` shows of one route of one revision: from a report to lines. Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import click

from rung.charts.blocks import ROW_INDENT, bar, coloured, columns, fit, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.monitoring import Finding, Report

__all__ = ["lines"]

_DRIFTS: Final = 12
_WIDTH: Final = 16
"""Characters of a bar."""
_AGAINST: Final = {"before": "the week before"}


def lines(report: Report, *, width: int) -> list[str]:
    """Draw a report.

    Args:
        report: Of one route.
        width: Characters of a line.
    """
    drawn = [
        click.style(f"{report.revision} {report.route}", bold=True),
        *_traffic(report),
        *_quality(report),
        *_findings(report, width - ROW_INDENT),
        *_drifts(report),
        *_segments(report),
        *(row("against", [f"{name}: {told}"]) for name, told in report.references.items()),
        "",
    ]
    return [fit(line.rstrip(), width) for line in drawn]


def _traffic(report: Report) -> Iterator[str]:
    whole = report.whole
    drawn = columns([one.requests for one in report.hours])
    failed = coloured(f"{whole.failed:,} failed", "bad" if whole.failed else "quiet")
    yield row("requests", [f"{whole.requests:,}", failed, f"{whole.refused:,} refused", f"{report.rate:.3g}/s", drawn])
    if whole.latency_ms:
        yield row("latency", [f"{name} {value:.3g} ms" for name, value in whole.latency_ms.items()])


def _quality(report: Report) -> Iterator[str]:
    for one in report.measured:
        around = f" ({one.interval[0]:.4g} to {one.interval[1]:.4g})" if one.interval else ""
        yield row("measured", [f"{one.metric} {one.mean:.4g}{around}, {one.units:,} units"])
    if report.estimated is not None:
        found = report.estimated
        low, high = found.estimate.interval
        told = f"{found.metric} {found.estimate.value:.4g} ({low:.4g} to {high:.4g}); held out {found.held_out:.4g}"
        yield row("estimated", [told if found.estimate.holds else coloured(told, "quiet")])
        says = "" if found.estimate.holds else "does not hold: "
        yield row("", [coloured(f"{says}{found.estimate.because}", "quiet")])


def _findings(report: Report, width: int) -> Iterator[str]:
    alarms = report.alarms
    if not alarms:
        yield row("alarms", [coloured("none", "good")])
    told = [line for found in alarms for line in textwrap.wrap(_told(found), max(width, 1), subsequent_indent="  ")]
    for number, line in enumerate(told):
        yield row("" if number else "alarms", [coloured(line, "bad")])


def _told(found: Finding) -> str:
    return f"{found.because} (against {_AGAINST.get(found.against, found.against)})"


def _drifts(report: Report) -> Iterator[str]:
    moved = [one for one in report.drifts if one.has_moved or one.is_alarm]
    quiet = len(report.drifts) - len(moved)
    longest = max((len(one.column) for one in moved[:_DRIFTS]), default=0)
    for number, one in enumerate(moved[:_DRIFTS]):
        drawn = bar(min(one.size, 1.0), _WIDTH, "bad" if one.is_alarm else "main")
        cells = [f"{one.column:<{longest}}", drawn, f"{one.size:.2f}", f"psi {one.shift.psi:.2f}", f"p {one.p:.1g}"]
        against = _AGAINST.get(one.against, one.against)
        yield row("" if number else "moved", [*cells, coloured(f"against {against}", "quiet")])
    if quiet:
        yield row("" if moved else "moved", [coloured(f"{quiet:,} comparisons within chance", "quiet")])


def _segments(report: Report) -> Iterator[str]:
    for name, found in report.segments.items():
        if found:
            told = ", ".join(f"{one.name} {one.before:.1%} to {one.now:.1%}" for one in found[:4])
            yield row("segments", [told, coloured(f"against {_AGAINST.get(name, name)}", "quiet")])
