"""`rung mlflow`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import json_option, print_json
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.registry import Registry
    from rung.workspace import Workspace


@click.group(epilog="Example: rung mlflow sync")
def command() -> None:
    """Mirror runs and revisions to MLflow, import from it, and show its pages.

    `[mlflow] tracking = "sqlite:///.rung/mlflow.db"` in rung.toml, or the URL of a server, is all that mirroring needs,
    and `pip install 'rung[mlflow,platform]'`.
    """


@command.command("sync", epilog="Example: rung mlflow sync --dry-run")
@click.option("--dry-run", is_flag=True, help="Only tell what is behind.")
@json_option
def sync(dry_run: bool, as_json: bool) -> None:
    """Hand over what MLflow does not have yet, and tell what is behind.

    The same happens by itself after each training, in a process that nobody waits for.
    """
    from rung.mlflow import behind

    workspace = find()
    tracking = _tracking(workspace)
    with _registry(workspace) as registry:
        waiting = behind(workspace, registry, tracking)
        if not as_json:
            click.echo(f"{len(waiting)} runs are behind" if waiting else f"{tracking} has all runs")
        done = {"runs": 0, "models": 0}
        if not dry_run:
            done = _hand_over(workspace, registry, tracking, quiet=as_json)
        left = behind(workspace, registry, tracking)
    if as_json:
        print_json({"tracking": tracking, **done, "behind": left})
    elif not dry_run:
        click.echo(f"{done['runs']} runs and {done['models']} revisions were handed over")


@command.command("ui", epilog="Example: rung mlflow ui --port 5000")
@click.option("--port", type=click.IntRange(1, 65_535), default=5000, show_default=True, help="Of loopback.")
@json_option
def ui(port: int, as_json: bool) -> None:
    """Show MLflow's pages: those of the server in rung.toml, or of its database, served here until Ctrl-C.

    The first time MLflow is installed for it, 620 MB in an environment of its own.
    """
    from rung.mlflow._pages import serve

    workspace = find()
    tracking = _tracking(workspace)
    if not tracking.startswith("sqlite:"):
        print_json({"url": tracking}) if as_json else click.echo(f"MLflow's pages are at {tracking}")
        return
    url = f"http://127.0.0.1:{port}"

    def tell() -> None:
        print_json({"url": url}) if as_json else click.echo(f"MLflow's pages are at {url}; Ctrl-C ends them")

    if code := serve(workspace, tracking, port=port, ready=tell):
        raise SystemExit(code)


@command.command("import", epilog="Example: rung mlflow import --tracking http://127.0.0.1:5000 --experiment churn")
@click.option("--tracking", required=True, help="https://..., http://... or sqlite:///FILE.")
@click.option("--experiment", help="Its name; by default all.")
@click.option("--service", help="Whose runs they become; by default one named as the experiment.")
@click.option("--with-pickles", is_flag=True, help="Also keep models that run code when MLflow reads them; as bytes.")
@json_option
def import_all(
    tracking: str, *, experiment: str | None, service: str | None, with_pickles: bool, as_json: bool
) -> None:
    """Import runs and models of an MLflow as runs of the kind `imported`.

    Nothing of a model is run or read here: it is kept as its flavours and its files. Importing again changes nothing.
    """
    from pydantic import ValidationError

    from rung.errors import CallError
    from rung.mlflow import connect, import_runs
    from rung.settings import Mlflow

    try:
        Mlflow(tracking=tracking)
    except ValidationError as error:
        raise CallError(f"--tracking: {error.errors()[0]['msg']}", hint="as sqlite:////home/ada/mlflow.db") from None
    workspace = find()
    with _registry(workspace) as registry:
        done = import_runs(
            workspace,
            registry,
            connect(workspace, tracking),
            tracking=tracking,
            experiment=experiment,
            service=service,
            with_pickles=with_pickles,
            report=_reporter(quiet=as_json),
        )
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"{done.runs} runs and {done.models} models were imported")
    for line in done.refused:
        click.echo(f"left out: {line}", err=True)
    if done.refused:
        click.echo("--with-pickles keeps them, as bytes that are never read here", err=True)


def _hand_over(workspace: Workspace, registry: Registry, tracking: str, *, quiet: bool) -> dict[str, int]:
    from rung.errors import ConflictError
    from rung.mlflow import connect, mirror
    from rung.training._mirror import mirroring

    with mirroring(workspace.state) as is_free:
        if not is_free:
            raise ConflictError("another process hands runs over to MLflow now", hint="wait until it is done")
        client = connect(workspace, tracking)
        return asdict(mirror(workspace, registry, client, tracking=tracking, report=_reporter(quiet=quiet)))


def _tracking(workspace: Workspace) -> str:
    from rung.errors import ConflictError

    settings = workspace.settings().mlflow
    if settings is None:
        raise ConflictError(
            "rung.toml names no MLflow", hint='write [mlflow] and tracking = "sqlite:///.rung/mlflow.db" into it'
        )
    return settings.tracking


@contextmanager
def _registry(workspace: Workspace) -> Iterator[Registry]:
    from rung.registry import open_registry

    with open_registry(workspace.state, workspace.registry_url()) as registry:
        yield registry


def _reporter(*, quiet: bool) -> Callable[[str], Any]:
    return (lambda _: None) if quiet else click.echo
