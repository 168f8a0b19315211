"""`rung check`."""

from __future__ import annotations

from dataclasses import asdict

import click

from rung.cli._terminal import json_option, print_json, state
from rung.cli.promote import REJECTED
from rung.workspace import find


@click.command(epilog="Example: rung check housing --base origin/main")
@click.argument("service")
@click.option(
    "--base", metavar="REF", help="The branch to be merged into: its documents must be there before the code."
)
@json_option
def command(service: str, base: str | None, as_json: bool) -> None:
    """Hold a service against its contract, without running it.

    Routes and handlers, artifacts and tasks, schema and the promises of its major, what consumers rely on, pins, style,
    specification, tests, documents. Exit status 1 when something is wrong. Needs no trained artifacts, so it belongs in
    CI.
    """
    from rung.checks import Given, check_service
    from rung.cli._contracts import known_contracts
    from rung.cli._why import next_minor
    from rung.control.deployment.source import read_major
    from rung.errors import WorkspaceError
    from rung.testing import keep_seen

    workspace = find()
    given = Given(base=base)
    try:
        major = read_major(workspace.service(service))
    except WorkspaceError:  # the schema cannot be read: a finding of its own
        pass
    else:
        following = None if base is None else next_minor(workspace, service, major)
        given = Given(base=base, contracts=known_contracts(workspace, service, major), next_minor=following)
    findings = check_service(workspace, service, given)
    keep_seen(
        workspace.state, service, workspace.service(service).folder, is_checked=all(one.passed for one in findings)
    )
    wrong = [finding for finding in findings if not finding.passed]
    if as_json:
        print_json([asdict(one) for one in findings])
    else:
        for one in findings:
            word = "fail" if not one.passed else "warn" if one.warns else "pass"
            click.echo(f"{state(word)}  {one.check:<14} {one.because}")
    if wrong:
        raise SystemExit(REJECTED)
