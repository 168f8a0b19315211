"""`rung train`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from rung.cli._terminal import json_option, print_json
from rung.errors import CallError
from rung.workspace import find

if TYPE_CHECKING:
    from rung.training._record import RunRecord
    from rung.workspace import Workspace


@click.command(epilog="Example: rung train housing --set model=linear --override load_data=sample_data")
@click.argument("service")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a hyperparameter for this run.")
@click.option("--override", "overrides", multiple=True, metavar="TASK=FUNCTION", help="Swap a task for this run.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Tasks side by side.")
@click.option("--no-cache", is_flag=True, help="Run every task, changed or not.")
@json_option
def command(
    service: str, settings: tuple[str, ...], overrides: tuple[str, ...], jobs: int, no_cache: bool, as_json: bool
) -> None:
    """Run a service's training here; every output becomes an artifact of the run.

    Tasks whose code, inputs, hyperparameters, data and environment are unchanged are taken from the cache.
    """
    workspace = find()
    workspace.service(service)
    chosen, swapped = _pairs(settings, "--set"), _pairs(overrides, "--override")
    record = None
    if not no_cache:
        from rung.training._memo import recall

        record = recall(workspace, service, settings=chosen, overrides=swapped, quiet=as_json)
        if record is not None:
            from rung.training._experiment import register

            register(workspace, record)
    if record is None:
        record = _run(workspace, service, chosen, swapped, jobs=jobs, use_cache=not no_cache, quiet=as_json)
    if as_json:
        print_json(record.to_json())
    else:
        click.echo(f"artifacts and log are in {workspace.runs / record.id}", err=True)


def _run(
    workspace: Workspace,
    service: str,
    settings: dict[str, str],
    overrides: dict[str, str],
    *,
    jobs: int,
    use_cache: bool,
    quiet: bool,
) -> RunRecord:
    from rung.compute.threads import share_processors
    from rung.training import Experiment

    share_processors()
    sys.path.insert(0, str(workspace.root))
    from rung.testing import import_part

    module = import_part(workspace.service(service), "train.main")
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise CallError(f"{module.__name__} has no experiment", hint="write experiment = Experiment(load_data, ...)")
    record = experiment.run(settings=settings, overrides=overrides, jobs=jobs, use_cache=use_cache, quiet=quiet)
    experiment.save()
    return record


def _pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CallError(f"{option} {text!r} is not NAME=VALUE", hint=f"write {option} name=value")
        pairs[name.strip()] = value
    return pairs
