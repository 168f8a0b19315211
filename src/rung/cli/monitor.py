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
    from rung.monitoring import Report, Sources


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
    columns there are. It needs no control plane where the lake can be reached.
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
    from rung.monitoring import monitor

    now = datetime.now(UTC)
    sources = _sources(name.partition(".")[0])
    sources.lake.ship()
    return monitor(name, sources, since=now - since, now=now)


def _sources(service: str) -> Sources:
    from rung.artifacts import LocalStore
    from rung.lake import open_lake
    from rung.monitoring import KEEP_DAYS, Sources
    from rung.schema import check_service_name

    workspace = find()
    policy = workspace.settings().services.get(check_service_name(service))
    retention = policy.log.retention_days if policy is not None else None
    keep_days = min(retention or KEEP_DAYS, KEEP_DAYS)
    return Sources(
        lake=open_lake(workspace),
        store=LocalStore(workspace.artifacts),
        state=workspace.state,
        keep_days=keep_days,
    )
