"""`rung metrics`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rung.cli._control import Control
from rung.cli._terminal import cut, json_option, print_json, state, table, time_of_day
from rung.cli.history import split_major


class _Metrics(click.Group):
    """`rung metrics housing.v1` is `rung metrics show housing.v1`: what is asked for most has no further word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


@click.group(cls=_Metrics, epilog="Example: rung metrics housing.v1, or rung metrics requests")
def command() -> None:
    """Show the business metrics of every revision; review what is declared, and ask for data that are missing."""


@command.command("show", epilog="Example: rung metrics show housing.v1")
@click.argument("name", metavar="[SERVICE.vN]", required=False)
@click.option("--prometheus", is_flag=True, help="Print the metrics of all servers and the gateway, for Prometheus.")
@click.option("--grafana", type=click.Path(dir_okay=False, path_type=Path), help="Write a dashboard for Grafana.")
@json_option
def show(name: str | None, prometheus: bool, grafana: Path | None, as_json: bool) -> None:
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


@command.command("declared", epilog="Example: rung metrics declared housing.v1")
@click.argument("name", metavar="SERVICE.vN")
@json_option
def declared(name: str, as_json: bool) -> None:
    """Show which business metrics a major declares, who reviewed them, and whose data are missing."""
    shown = Control().get(f"/majors/{_path(name)}/metrics/declared")
    if as_json:
        print_json(shown)
    else:
        _print_declared(shown)


@command.command("review", epilog="Example: rung metrics review housing.v1 --because 'offers are what we live by'")
@click.argument("name", metavar="SERVICE.vN")
@click.option("--because", required=True, help="Why they are the right ones; kept for ever.")
@json_option
def review(name: str, because: str, as_json: bool) -> None:
    """Say, as a second person, that the business metrics of a major are the right ones.

    A review is of the metrics as the newest revision declares them: when one of them changes, it is stale.
    """
    shown = Control().post(f"/majors/{_path(name)}/metrics/review", {"because": because})
    if as_json:
        print_json(shown)
    else:
        _print_declared(shown)


@command.command("requests", epilog="Example: rung metrics requests housing")
@click.argument("service", required=False)
@click.option("--all", "with_fulfilled", is_flag=True, help="Also those that are fulfilled.")
@json_option
def requests(service: str | None, with_fulfilled: bool, as_json: bool) -> None:
    """List who is asked for the data of which business metric, and why."""
    found = Control().get("/data-requests", service=service)
    shown = [one for one in found if with_fulfilled or one["fulfilled"] is None]
    if as_json:
        print_json(shown)
        return
    if not shown:
        click.echo("nobody is asked for data")
        return
    rows = [[one["major"], one["metric"], one["to"], *_asked(one)] for one in shown]
    table(rows, ["MAJOR", "METRIC", "ASKED IS", "SINCE (UTC)", "BY", "BECAUSE", "FULFILLED"])


@command.command("request", epilog="Example: rung metrics request housing.v1 sold --to 'ada' --because 'no sales come'")
@click.argument("name", metavar="SERVICE.vN")
@click.argument("metric")
@click.option("--to", required=True, help="Who is asked: as a rule the owner of the product.")
@click.option("--because", required=True, help="What is missing; kept for ever.")
@json_option
def request(name: str, metric: str, to: str, because: str, as_json: bool) -> None:
    """Ask somebody for the data of a business metric; it stays open until they come, or somebody says they will."""
    order = {"metric": metric, "to": to, "because": because}
    asked = Control().post(f"/majors/{_path(name)}/metrics/requests", order)
    if as_json:
        print_json(asked)
    else:
        click.echo(f"{to} is asked for {metric} of {asked['major']}: {because}")


@command.command("fulfil", epilog="Example: rung metrics fulfil housing.v1 sold --because 'the notary reports sales'")
@click.argument("name", metavar="SERVICE.vN")
@click.argument("metric")
@click.option("--because", required=True, help="Where the data come from, or will; kept for ever.")
@json_option
def fulfil(name: str, metric: str, because: str, as_json: bool) -> None:
    """Say that the data of a metric are there, or will come: what it held up goes on."""
    given = Control().post(f"/majors/{_path(name)}/metrics/fulfilments", {"metric": metric, "because": because})
    if as_json:
        print_json(given)
    else:
        click.echo(f"the data of {metric} of {given['major']} will come: {because}")


def _path(name: str) -> str:
    service, major = split_major(name)
    return f"{service}/{major or 1}"


def _asked(one: dict[str, Any]) -> list[str]:
    done = one["fulfilled"]
    ended = "" if done is None else f"{time_of_day(done['time'])} by {done['actor']}: {cut(done['because'])}"
    return [time_of_day(one["time"]), one["actor"], cut(one["because"]), ended]


def _print_declared(shown: dict[str, Any]) -> None:
    rows = [
        [one["name"], one["role"], one["priority"], one["source"], one["proximity"], one["fidelity"] or ""]
        for one in shown["metrics"]
    ]
    table(rows, ["METRIC", "ROLE", "PRIORITY", "SOURCE", "PROXIMITY", "FIDELITY"])
    if shown["lacks"]:
        click.echo(click.style(shown["lacks"], fg="red"))
    told = shown["review"]
    click.echo(f"{state('pass' if told['complete'] else 'inconclusive')}  {told['because']}")
    if told["next"]:
        click.echo(f"next: `{told['next']}`")
    if shown["on_hold"]:
        click.echo(click.style(f"{shown['name']} is on hold: {shown['on_hold']}", fg="yellow"))


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
