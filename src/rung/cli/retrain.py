"""`rung retrain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option
from rung.cli.deploy import finish
from rung.cli.history import split_major
from rung.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNDER_WAY = frozenset({"training", "trained", "deploying"})


@click.command(epilog="Example: rung retrain housing --because 'the sales of 1997 are in'")
@click.argument("name", metavar="SERVICE[.vN]")
@click.option("--because", default="", help="The reason, kept for ever.")
@click.option("--anyway", is_flag=True, help="Also when its training would read the same data again.")
@click.option("--detach", is_flag=True, help="Return at once.")
@json_option
def command(name: str, *, because: str, anyway: bool, detach: bool, as_json: bool) -> None:
    """Train the next revision from the code of the incumbent, on the data of now, and deploy it.

    Every task runs anew. The revision gets no production traffic before it is promoted: by `rung promote`, or by itself
    where the service's policy says so. Settings in `[services.NAME.retraining]` begin retrainings by themselves.
    """
    control = Control()
    service, major = split_major(name)
    if major is None:
        major = _newest_major(control.get("/status", service=service), service)
    after = control.last_event(service)
    begun = control.post(f"/majors/{service}/{major}/retraining", {"because": because, "anyway": anyway})
    shown = finish(control, begun, after=after, busy=_UNDER_WAY, detach=detach, as_json=as_json)
    if not as_json and shown["state"] == "candidate":
        click.echo(f"next: `rung promote {shown['id']}`")


def _newest_major(status: Mapping[str, Any], service: str) -> int:
    """Give the newest major that has an incumbent.

    Raises:
        ConflictError: None has.
    """
    majors = [one for found in status["services"] for one in found["majors"] if one["incumbent"] is not None]
    if not majors:
        raise ConflictError(
            f"{service} has no incumbent whose code could be trained anew",
            hint=f"`rung deploy training {service}` trains what is in the working tree",
        )
    return int(max(one["major"] for one in majors))
