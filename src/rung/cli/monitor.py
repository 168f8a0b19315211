"""`rung monitor`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rung.cli import _duration
from rung.cli._terminal import json_option, print_json
from rung.workspace import find

if TYPE_CHECKING:
    from rung.monitoring import Report


@click.command(epilog="Example: rung monitor housing --since 7d --html housing.html")
@click.argument("name", metavar="SERVICE[.vN[.mN]]")
@click.option(
    "--since", "seconds", callback=_duration.read, default="1d", show_default=True, help="So long ago: 90m, 6h, 7d."
)
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write the report into this file."
)
@json_option
def command(name: str, *, seconds: float, page: Path | None, as_json: bool) -> None:
    """Show how production is doing: requests, errors, latency, drift, and quality, measured and estimated.

    Columns of what is asked and answered are held against what the training saw, and against the week before. An alarm
    is far more than chance would do: at the most one false one a year is expected for each revision, however many
    columns there are. It needs no control plane here; with --control, one elsewhere makes the report.
    """
    reports = _look(name, timedelta(seconds=seconds))
    if page is not None:
        from rung.monitoring import to_html

        page.write_text(to_html(reports, title=f"{name}, {reports[0].until:%Y-%m-%d %H:%M} UTC"), encoding="utf-8")
        click.echo(f"{page}: {len(reports)} report{'s' if len(reports) > 1 else ''}", err=True)
    if as_json:
        print_json([report.to_json() for report in reports])
    elif page is None:
        from rung.cli._live import width
        from rung.cli._monitor_lines import lines

        for report in reports:
            click.echo("\n".join(lines(report, width=width())))


def _look(name: str, since: timedelta) -> list[Report]:
    """Make the reports here, or have the control plane elsewhere make them."""
    from rung.cli import _remote
    from rung.monitoring import monitor, open_sources, report_from_json

    service = name.partition(".")[0]
    if _remote.chosen() is not None:
        from rung.cli._control import Control

        found = Control().get(f"/services/{service}/monitor", name=name, since_s=since.total_seconds())
        return [report_from_json(one) for one in found]
    now = datetime.now(UTC)
    sources = open_sources(find(), service)
    sources.lake.ship()
    return monitor(name, sources, since=now - since, now=now)
