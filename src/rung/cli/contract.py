"""`rung contract`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rung.cli._terminal import json_option, print_json, state, table, time_of_day
from rung.errors import CallError, NotFoundError


@click.group(epilog="Example: rung contract add housing --consumer webshop --file requests.jsonl --reads price")
def command() -> None:
    """Register what a consumer relies on: it is held at every promotion.

    A contract is recorded requests, which must go on to be taken, and fields of predictions, which must go on to be
    there with the same types.
    """


@command.command(
    "add", epilog="Example: rung contract add housing --consumer webshop --file requests.jsonl --reads price"
)
@click.argument("service")
@click.option("--consumer", required=True, help="Name of the consumer: lower-case letters, digits, - and _.")
@click.option(
    "--file",
    "path",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Recorded requests, one JSON object a line.",
)
@click.option("--reads", multiple=True, required=True, help="Field of a prediction that it reads; repeat it for each.")
@click.option("--route", default="predict", show_default=True, help="Of lines that name none.")
@click.option("--major", type=click.IntRange(1, 10**8), help="Of the service. By default the newest.")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def add(
    service: str,
    *,
    consumer: str,
    path: Path,
    reads: tuple[str, ...],
    route: str,
    major: int | None,
    because: str,
    as_json: bool,
) -> None:
    """Register what a consumer relies on, in place of what it had registered before; the incumbent must keep it today.

    A line of the file is a request's body, or {"route": ..., "body": ...}. A field is a name or a JSON pointer into one
    prediction, as /scores/0. Requests are kept for ever: no personal data.
    """
    from rung.cli._control import Control

    control = Control()
    number = major or _newest(control, service)
    order = {"consumer": consumer, "requests": _requests(path, route), "reads": list(reads), "because": because}
    made = control.post(f"/majors/{service}/{number}/contracts", order)
    if as_json:
        print_json(made)
        return
    told = ", ".join(f"{place} ({' or '.join(types)})" for place, types in made["reads"].items())
    click.echo(f"{made['major']} keeps the contract of {consumer}, version {made['version']}, at every promotion:")
    click.echo(f"  {len(made['requests']):,} requests; it reads {told}")


@command.command("list", epilog="Example: rung contract list housing")
@click.argument("service")
@json_option
def list_contracts(service: str, as_json: bool) -> None:
    """Show the contracts with a service that hold."""
    from rung.cli._control import Control

    shown = Control().get(f"/services/{service}/contracts")
    if as_json:
        print_json(shown)
        return
    if not shown:
        click.echo(f"no consumer of {service} has registered what it relies on; `rung contract add` does it")
        return
    header = ["MAJOR", "CONSUMER", "VERSION", "REQUESTS", "READS", "SINCE (UTC)", "BY", "BECAUSE"]
    table([_row(one) for one in shown], header)


@command.command("show", epilog="Example: rung contract show housing webshop")
@click.argument("service")
@click.argument("consumer")
@json_option
def show(service: str, consumer: str, as_json: bool) -> None:
    """Show a consumer's contracts with a service: requests, fields and their types."""
    from rung.cli._control import Control

    shown = [one for one in Control().get(f"/services/{service}/contracts") if one["consumer"] == consumer]
    if not shown:
        raise NotFoundError(f"{consumer!r} has no contract with {service}", hint=f"`rung contract list {service}`")
    if as_json:
        print_json(shown)
        return
    for one in shown:
        click.echo(f"{one['major']}, version {one['version']}, by {one['actor']}: {one['because']}")
        for place, types in one["reads"].items():
            click.echo(f"  reads {place}: {' or '.join(types)}")
        for request in one["requests"]:
            click.echo(f"  {json.dumps(request)}")


@command.command("remove", epilog="Example: rung contract remove housing webshop --because 'it was switched off'")
@click.argument("service")
@click.argument("consumer")
@click.option("--major", type=click.IntRange(1, 10**8), help="Of the service. By default the newest.")
@click.option("--because", required=True, help="The reason, kept for ever.")
@json_option
def remove(service: str, consumer: str, major: int | None, because: str, as_json: bool) -> None:
    """Let a consumer's contract hold no more; what it said stays on record."""
    from rung.cli._control import Control

    control = Control()
    number = major or _newest(control, service)
    left = control.post(f"/majors/{service}/{number}/contracts/{consumer}/removal", {"because": because})
    if as_json:
        print_json(left)
        return
    click.echo(f"{service}.v{number} keeps the contract of {consumer} no more")


@command.command("check", epilog="Example: rung contract check housing --url http://127.0.0.1:4780/housing/v1/m2")
@click.argument("service")
@click.option("--url", help="Endpoint to hold them against. By default the schema of the working tree.")
@json_option
def check(service: str, url: str | None, as_json: bool) -> None:
    """Hold the contracts of consumers against the working tree, or against what answers at an endpoint.

    Without --url nothing is predicted: handlers must take every request, and the schema must have every field. Exit
    status 1 when a contract is broken.
    """
    from rung.cli._contracts import known_contracts
    from rung.cli.promote import REJECTED
    from rung.lifecycle import judge_contracts
    from rung.testing import load_service_tests
    from rung.testing.contracts import hold_by_schema, with_declared
    from rung.workspace import find

    workspace = find()
    tests = load_service_tests(workspace, service)
    known = known_contracts(workspace, service, tests.contract.major)
    figures = hold_by_schema(known, tests.handlers) if url is None else _asked(known, url)
    found = judge_contracts([with_declared(one, tests.contract) for one in figures])
    if as_json:
        print_json([one.to_json() for one in found])
    elif not found:
        click.echo(f"no consumer of {service}.v{tests.contract.major} has registered what it relies on")
    for one in () if as_json else found:
        click.echo(f"{state('fail' if one.broken else 'pass')}  {one.because}")
    if any(one.broken for one in found):
        raise SystemExit(REJECTED)


def _asked(contracts: list[Any], url: str) -> list[dict[str, Any]]:
    import httpx2

    from rung._http import verify
    from rung.testing.contracts import hold_contracts

    with httpx2.Client(base_url=url, verify=verify(url)) as client:
        return hold_contracts(contracts, client)


def _newest(control: Any, service: str) -> int:
    """Tell the newest major that answers production; the newest of all while none does."""
    majors = [one for found in control.get("/status", service=service)["services"] for one in found["majors"]]
    if not majors:
        raise NotFoundError(f"there is no service {service!r}", hint="`rung status` names the services")
    answering = [one["major"] for one in majors if one["incumbent"]]
    return int(max(answering or [one["major"] for one in majors]))


def _requests(path: Path, route: str) -> list[dict[str, Any]]:
    """Read recorded requests: bodies, or bodies with their route.

    Raises:
        CallError: A line is neither, there is none, or the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CallError(f"{path} cannot be read ({error})", hint="name a file of recorded requests") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CallError(f"{path}:{number} is not JSON ({error})", hint="write one request a line") from error
        if not isinstance(value, dict):
            raise CallError(f"{path}:{number} is no request: {line[:60]}", hint='write {"instances": [...]}')
        found.append(value if value.keys() == {"route", "body"} else {"route": route, "body": value})
    if not found:
        raise CallError(f"{path} has no requests", hint='write {"instances": [...]} a line, as the consumer sends it')
    return found


def _row(shown: dict[str, Any]) -> list[str]:
    return [
        shown["major"],
        shown["consumer"],
        str(shown["version"]),
        f"{len(shown['requests']):,}",
        ", ".join(shown["reads"]),
        time_of_day(shown["since"]),
        shown["actor"],
        shown["because"],
    ]
