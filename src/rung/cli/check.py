"""`rung check`."""

from __future__ import annotations

import click

from rung.cli._terminal import json_option, print_json, state
from rung.cli.promote import REJECTED
from rung.workspace import find


@click.command(epilog="Example: rung check housing")
@click.argument("service")
@json_option
def command(service: str, as_json: bool) -> None:
    """Hold a service against its contract, without running it.

    Routes and handlers, artifacts and tasks, schema and the promises of its major, pins, specification, tests. Exit
    status 1 when something is wrong. Needs no trained artifacts, so it belongs in CI.
    """
    from rung.checks import check_service

    findings = check_service(find(), service)
    wrong = [finding for finding in findings if not finding.passed]
    if as_json:
        print_json([{"check": one.check, "passed": one.passed, "because": one.because} for one in findings])
    else:
        for one in findings:
            click.echo(f"{state('pass' if one.passed else 'fail')}  {one.check:<14} {one.because}")
    if wrong:
        raise SystemExit(REJECTED)
