"""`rung runs`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli import _remote
from rung.cli._run_insights import print_insights
from rung.cli._terminal import json_option, print_json, state, table, time_of_day
from rung.registry import Registry, open_registry
from rung.workspace import find


@click.group(epilog="Example: rung runs compare RUN RUN")
def command() -> None:
    """List, show and compare runs of trainings and notebooks."""


@command.command("list", epilog="Example: rung runs list housing --json")
@click.argument("service", required=False)
@click.option("--kind", type=click.Choice(["training", "trial", "notebook", "imported"]), help="Only of this kind.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Newest runs at most.")
@json_option
def list_runs(service: str | None, kind: str | None, limit: int, as_json: bool) -> None:
    """List runs of trainings and notebooks, and imported ones, the newest first."""
    if _remote.chosen() is not None:
        runs = _asked("/runs", service=service, kind=kind, limit=limit)
    else:
        workspace = find()
        with open_registry(workspace.state, workspace.registry_url()) as registry:
            runs = registry.runs(service, kind=kind, limit=limit)
    if as_json:
        print_json(runs)
        return
    if not runs:
        click.echo("there are no runs yet; `rung train SERVICE` makes one")
        return
    table(
        [
            [
                run["id"],
                run.get("kind", "training"),
                state(run["status"]),
                time_of_day(run["started"]),
                f"{run['seconds']:.2f}",
                run["revision"] or "",
                (run["commit"] or "")[:8] + ("+" if run["commit"] and run["dirty"] else ""),
                ", ".join(f"{name} {value:.4g}" for name, value in run["metrics"].items()),
            ]
            for run in runs
        ],
        ["RUN", "KIND", "STATUS", "STARTED (UTC)", "SECONDS", "REVISION", "COMMIT", "METRICS"],
    )


@command.command("show", epilog="Example: rung runs show housing-20261121-093012-1f3a")
@click.argument("run")
@json_option
def show(run: str, as_json: bool) -> None:
    """Show all that is recorded of a run."""
    record = _find(run)
    if as_json:
        print_json(record)
        return
    for name in (
        *("id", "service", "kind", "source", "revision", "status", "exit_code", "error"),
        *("started", "ended", "seconds", "user"),
        *("commit", "branch", "dirty", "patch", "python", "rung", "environment", "requirements", "seed"),
        *("hyperparameters", "settings", "overrides", "metrics", "failed_tests", "peak_memory_bytes"),
    ):
        click.echo(f"{name:<18} {record.get(name)}")
    workspace = None if _remote.chosen() is not None else find()
    click.echo(f"{'folder':<18} {'where the platform is' if workspace is None else workspace.runs / run}\n")
    table(
        [
            [
                task["name"],
                task["state"],
                f"{task['seconds']:.3f}",
                f"{task['size']:,}",
                task["digest"][7:19],
                task["because"],
            ]
            for task in record["tasks"]
        ],
        ["TASK", "STATE", "SECONDS", "BYTES", "DIGEST", "BECAUSE"],
    )
    for task in record["tasks"]:
        for name, verdict in task.get("conversions", {}).items():
            click.echo(f"{name} for {verdict['runtime']}: {verdict['verdict']}, {verdict['because']}")
            click.echo(f"  {_measured(verdict)}")
        for read in task["data"]:
            click.echo(
                f"{task['name']} read {read['path'].removeprefix('dataset:')}, {read['size']:,} bytes, {read['digest']}"
            )
    print_insights(workspace, record)


@command.command("compare", epilog="Example: rung runs compare RUN RUN")
@click.argument("run")
@click.argument("other")
@json_option
def compare(run: str, other: str, as_json: bool) -> None:
    """Show what differs between two runs: settings, code, data, environment, outputs and metrics."""
    from rung.training.differences import compared

    left, right = _find(run), _find(other)
    differences = [
        {"what": found.what, "run": found.values[0], "other": found.values[1]}
        for found in compared([left, right])
        if found.differs
    ]
    if as_json:
        print_json(differences)
        return
    if not differences:
        click.echo("the runs are the same in settings, code, data, environment, outputs and metrics")
        return
    table([[row["what"], _short(row["run"]), _short(row["other"])] for row in differences], ["WHAT", run, other])


def _find(run: str) -> dict[str, Any]:
    """Ask the control plane elsewhere, or else look into the registry of the workspace."""
    if _remote.chosen() is not None:
        from urllib.parse import quote

        found: dict[str, Any] = _asked(f"/runs/{quote(run, safe='')}")
        return found
    registry: Registry
    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        return registry.run(run)


def _asked(path: str, **parameters: Any) -> Any:
    from rung.cli._control import Control

    return Control().get(path, **parameters)


def _measured(verdict: dict[str, Any]) -> str:
    """Spell what a verdict on a converted model was reached by."""
    told = [f"{verdict['rows']:,} rows"]
    if verdict["difference"] is not None:
        told.append(f"numbers differ by {verdict['difference']:.3g} (at most {verdict['max_difference']:g})")
        told.append(f"{verdict['flips']:.3%} of rows flip (at most {verdict['max_flips']:.3%})")
    if verdict["converted_seconds"] is not None:
        one, other = verdict["native_seconds"] * 1e6, verdict["converted_seconds"] * 1e6
        told.append(f"one row {one:,.0f} us natively, {other:,.0f} us converted")
        told.append(f"{verdict['native_bytes']:,} bytes natively, {verdict['converted_bytes']:,} bytes converted")
    told += [f"{name} {version}" for name, version in verdict["libraries"].items()]
    return "; ".join(told)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "" if value is None else str(value)
    return text.removeprefix("sha256:")[:40]
