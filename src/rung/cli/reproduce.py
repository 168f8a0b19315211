"""`rung reproduce`."""

from __future__ import annotations

import click

from rung.cli._terminal import json_option, print_json, state
from rung.cli.promote import REJECTED
from rung.workspace import find


@click.command(epilog="Example: rung reproduce housing-20261121-093012-1f3a, or rung reproduce housing.v1.m2")
@click.argument("run", metavar="RUN|REVISION")
@json_option
def command(run: str, as_json: bool) -> None:
    """Run a training again from its commit, data and settings, with no cache, and compare every output.

    Prints `identical`, or the first task that differs. Exit status 1 when it differs.
    """
    from rung.reproduction import reproduce

    result = reproduce(find(), run, report=None if as_json else lambda line: click.echo(line, err=True))
    if as_json:
        print_json(
            {"run": result.run, "identical": result.is_identical, "task": result.task, "because": result.because}
        )
    else:
        click.echo(f"{state('identical') if result.is_identical else result.task + ' differs'}: {result.because}")
    if not result.is_identical:
        raise SystemExit(REJECTED)
