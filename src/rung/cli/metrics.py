"""`rung metrics`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, table, time_of_day
from rung.cli.history import split_major


@click.command(epilog="Example: rung metrics housing.v1")
@click.argument("name", metavar="[SERVICE.vN]", required=False)
@click.option("--prometheus", is_flag=True, help="Print the metrics of all servers and the gateway, for Prometheus.")
@click.option("--grafana", type=click.Path(dir_okay=False, path_type=Path), help="Write a dashboard for Grafana.")
@json_option
def command(name: str | None, prometheus: bool, grafana: Path | None, as_json: bool) -> None:
    """Show the business metrics of every revision, from what consumers reported of its production predictions.

    Revisions answered at different times: only an A/B test compares them fairly.
    """
    if grafana is not None:
        _write_dashboard(grafana)
    elif prometheus:
        click.echo(Control().text("/metrics"), nl=False)
    elif name is None:
        raise click.UsageError("name a service and its major, as housing.v1, or give --prometheus or --grafana FILE")
    else:
        _show(name, as_json=as_json)


def _write_dashboard(path: Path) -> None:
    from rung.control.grafana import dashboard

    path.write_text(f"{json.dumps(dashboard(), indent=1)}\n", encoding="utf-8")
    click.echo(f"wrote {path}: import it in Grafana, Dashboards, New, Import")


def _show(name: str, *, as_json: bool) -> None:
    service, major = split_major(name)
    shown = Control().get(f"/majors/{service}/{major or 1}/metrics")
    if as_json:
        print_json(shown)
        return
    if not shown["metrics"]:
        click.echo(f"no outcome of {name} was reported yet; consumers POST them to /outcomes at the gateway")
        return
    table(
        [
            [
                found["revision"],
                found["metric"],
                f"{found['mean']:.4g}" + (f" ± {found['standard_error']:.2g}" if found["standard_error"] else ""),
                f"{found['units']:,}",
                f"{found['outcomes']:,}",
                time_of_day(found["latest"]),
            ]
            for found in shown["metrics"]
        ],
        ["REVISION", "METRIC", "MEAN ± STANDARD ERROR", "UNITS", "OUTCOMES", "LATEST (UTC)"],
    )
    click.echo()
    table(
        [
            [
                metric,
                f"{report['coverage']:.1%} of {report['exposed']:,}",
                f"{report['received']:,}",
                f"{report['counted']:,}",
                f"{report['duplicate']:,}",
                f"{report['early']:,}",
                f"{report['unknown']:,}",
                f"{report['retired']:,}",
                " / ".join(_delay(report[name]) for name in ("p50_s", "p90_s", "p99_s")),
            ]
            for metric, report in shown["outcomes"].items()
        ],
        [
            "OUTCOME",
            "UNITS WITH ONE",
            "RECEIVED",
            "COUNTED",
            "AGAIN",
            "EARLY",
            "UNKNOWN",
            "NOT SERVED",
            "DELAY 50/90/99 %",
        ],
    )


def _delay(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.2g} s"
