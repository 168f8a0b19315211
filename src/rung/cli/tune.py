"""`rung tune`."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from rung.cli import _duration
from rung.cli._terminal import cut, json_option, print_json, state, table
from rung.cli._tune_lines import Progress, print_study
from rung.errors import CallError
from rung.workspace import find

if TYPE_CHECKING:
    from rung.compute.protocol import Compute
    from rung.workspace import Workspace


class _ByService(click.Group):
    """Takes the name of a service in the place of `run`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_ByService, epilog="Example: rung tune housing --trials 50 --parallel 4")
def command() -> None:
    """Find better hyperparameters for a service, and whether they are worth having.

    `rung tune SERVICE` is short for `rung tune run SERVICE`.
    """


@command.command("run", epilog="Example: rung tune run housing --trials 50 --parallel 4 --timeout 2h")
@click.argument("service")
@click.option("--trials", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Of the whole study.")
@click.option("--parallel", type=click.IntRange(1, 1_000), help="Trials side by side; default: one on each processor.")
@click.option("--metric", metavar="NAME", help="Data test that is made better; default: that of the deciding metric.")
@click.option("--timeout", callback=_duration.read, metavar="DURATION", help="Begin no trial after that, as 2h.")
@click.option("--seed", type=click.IntRange(0, 2**31), help="Of what is proposed; default: 0.")
@click.option(
    "--pruner",
    type=click.Choice(["median", "halving", "none"]),
    help="What ends trials that report to be behind; default: median.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Hold a hyperparameter in all trials.")
@click.option("--seeds", type=click.IntRange(0, 100), help="Seeds by which the winner is judged; default: 5.")
@click.option("--study", metavar="NAME", help="Go on with this study, or begin it under this name.")
@click.option("--compute", type=click.Choice(["local", "ray"]), help="Where trials run; default: on this machine.")
@click.option("--address", metavar="HOST:PORT", help="Of the Ray cluster; default: compute_address in rung.toml.")
@json_option
def run(*, service: str, trials: int, timeout: float | None, address: str | None, as_json: bool, **asked: Any) -> None:
    """Train a service with many hyperparameters, over the ranges that its model declares.

    The first trial has the defaults. Each trial is a run, of the kind `trial`; those that fail are kept as failed. At
    the end the winner and the defaults are trained again with further seeds, and judged pair by pair; `rung tune apply`
    makes the winner the defaults. Ctrl-C keeps what is done; the same command with --study goes on.
    """
    from rung.cli.train import _pairs
    from rung.tuning import Order, Session, names
    from rung.tuning._storage import locked

    workspace = find()
    workspace.service(service)
    until = None if timeout is None else time.monotonic() + timeout
    asked["settings"] = _pairs(asked["settings"], "--set")
    order = Order(service=service, **asked).named(names(workspace))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = Progress(trials=trials, quiet=as_json)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with locked(workspace, order.study or ""), ExitStack() as ending:
        compute = partial(_compute, workspace, address, ending)
        session = Session.open(workspace, order, compute=compute, processors=processors, tell=progress.tell)
        progress.begin(session.study)
        try:
            session.run(trials, until=until)
        except KeyboardInterrupt:
            progress.stopped(session.study)
            raise
    progress.end()
    if as_json:
        print_json(session.study.to_json())
    else:
        print_study(session.study, most=5)


def _compute(workspace: Workspace, address: str | None, ending: ExitStack, kind: str) -> Compute:
    """Give what trials run on; what has to be closed is, at the end."""
    if kind == "local":
        from rung.compute.here import LocalCompute

        return LocalCompute()
    address = address or workspace.settings().compute_address
    if address is None:
        raise CallError("no Ray cluster is named", hint="say --address HOST:PORT, or set compute_address in rung.toml")
    from rung.compute.ray import RayCompute

    compute = RayCompute(address, "rung-tune")
    ending.callback(compute.close)
    return compute


@command.command("list", epilog="Example: rung tune list --json")
@json_option
def list_studies(*, as_json: bool) -> None:
    """List the studies of this workspace."""
    from rung.tuning import Study, names

    workspace = find()
    studies = [Study.open(workspace, name) for name in names(workspace)]
    rows = [_row(study) for study in studies]
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("there are no studies yet; `rung tune SERVICE` makes one")
        return
    shown = [
        [
            row["study"],
            row["service"],
            f"{row['trials']}",
            f"{row['failed']}",
            f"{row['pruned']}",
            row["metric"],
            "" if row["best"] is None else f"{row['best']:.6g}",
            cut(row["because"]),
        ]
        for row in rows
    ]
    table(shown, ["STUDY", "SERVICE", "TRIALS", "FAILED", "PRUNED", "METRIC", "BEST", "WINNER"])


def _row(study: Any) -> dict[str, Any]:
    trials, best, evidence = study.trials(), study.best(), study.evidence
    counted = {name: sum(one.state == name for one in trials) for name in ("failed", "pruned")}
    told = "not judged" if study.winner() else "the defaults are the best" if best else "no trial has succeeded"
    return {
        "study": study.spec.name,
        "service": study.spec.service,
        "trials": len(trials),
        **counted,
        "metric": study.spec.metric,
        "best": None if best is None else best.value,
        "because": told if evidence is None else evidence.because,
    }


@command.command("show", epilog="Example: rung tune show housing-1 --svg > study.svg")
@click.argument("study")
@click.option("--svg", "as_svg", is_flag=True, help="Print a picture: values of the trials, best so far, importances.")
@click.option("--most", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Best trials at most.")
@json_option
def show(*, study: str, as_svg: bool, most: int, as_json: bool) -> None:
    """Show a study: its best trials beside each other, how much each parameter matters, and what speaks for the winner.

    Next to each value, a bar tells where in its range it lies.
    """
    from rung.tuning import Study

    found = Study.open(find(), study)
    if as_svg:
        from rung.charts.svg import to_svg
        from rung.cli._tune_lines import figure

        click.echo(to_svg(figure(found)))
    elif as_json:
        print_json(found.to_json())
    else:
        print_study(found, most=most)


@command.command("apply", epilog="Example: rung tune apply housing-1")
@click.argument("study")
@click.option("--anyway", is_flag=True, help="Also a winner that is not shown to be better than the defaults.")
@json_option
def apply_winner(*, study: str, anyway: bool, as_json: bool) -> None:
    """Write the winner of a study into the defaults of the service's hyperparameters.

    The change is also kept in the study, for `git apply`: `rung tune show STUDY --json` has it as `proposal`.
    """
    from rung.tuning import apply

    change = apply(find(), study, anyway=anyway)
    if as_json:
        print_json({"study": study, "applied": change})
        return
    click.echo(change, nl=False)
    click.echo(f"{state('succeeded')}: the winner of {study} is in the source; look at it, then commit it", err=True)
