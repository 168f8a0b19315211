"""`rung simulate-scaling`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rung.cli._terminal import json_option, print_json, table
from rung.cli.ab import draw
from rung.errors import CallError
from rung.workspace import find

if TYPE_CHECKING:
    from rung.cli._scaling import Tried
    from rung.infrastructure import ServingHardware
    from rung.scaling import Replica, Traffic
    from rung.schema import Specification

_ABOVE_0 = click.FloatRange(0, min_open=True)
_SPREAD = 2.5
"""How many times its mean the 99th percentile of the service times is that a simulation draws."""


@click.command(epilog="Example: rung simulate-scaling housing --traffic spike --service-time 0.05")
@click.argument("service")
@click.option(
    "--traffic",
    metavar="diurnal|spike|step|leak|burst|steady|FILE",
    default="diurnal",
    show_default=True,
    help="Made up, or recorded: CSV or Parquet with the columns second and requests, or with one row a request and"
    " its time, as the log of predictions has it.",
)
@click.option(
    "--rate",
    type=_ABOVE_0,
    help="The highest one, requests per second; without it throughput_rps of the specification, or as recorded.",
)
@click.option(
    "--seconds", type=click.IntRange(10, 86_400), default=3_600, show_default=True, help="Of traffic that is made up."
)
@click.option(
    "--service-time",
    "service_time_s",
    type=_ABOVE_0,
    help="Of one request, seconds on average; without it that of a service which just keeps its latency_p99_ms.",
)
@click.option(
    "--at-once",
    type=click.IntRange(1),
    help="Requests that a replica answers side by side; without it its workers, each with a full batch.",
)
@click.option(
    "--start",
    "start_s",
    type=click.FloatRange(0),
    default=3.0,
    show_default=True,
    help="Seconds until a replica answers.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Other requests by another seed.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw it into this file.")
@json_option
def command(
    service: str,
    traffic: str,
    rate: float | None,
    seconds: int,
    service_time_s: float | None,
    at_once: int | None,
    start_s: float,
    seed: int,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Simulate how a service's declared autoscaling would follow some traffic, before it is trusted.

    It reads infrastructure/hardware.py and the specification, and lets replicas come and go as the platform would
    decide. It tells how many there were, how long requests waited, how many were refused, what it cost, and what to
    declare better. Nothing is started, and nothing is sent to anybody.
    """
    from rung.cli import _scaling
    from rung.scaling import simulate

    hardware, specification = _declared(service)
    replica = _replica(hardware, specification, service_time_s=service_time_s, at_once=at_once, start_s=start_s)
    sent = _traffic(traffic, rate, seconds=seconds, usual=specification.throughput_rps)
    if sys.stderr.isatty():
        click.echo(f"simulating {sum(sent.rates):,.0f} requests ...", err=True)
    found = simulate(hardware.autoscaling, sent, replica, seed=seed)
    tried = _scaling.Tried(service=service, spec=hardware.autoscaling, replica=replica, found=found)
    if as_json:
        print_json(_scaling.to_json(tried) | {"seed": seed})
        if svg is not None:
            draw(_scaling.figure_of(tried), svg, quiet=True)
        return
    _show(tried)
    draw(_scaling.figure_of(tried), svg)


def _show(tried: Tried) -> None:
    from rung.cli import _scaling

    click.echo(_scaling.headline(tried))
    table(*_scaling.rows(tried))
    for told in _scaling.advice(tried):
        click.echo(told)
    for told in _scaling.changes(tried):
        click.echo(told)
    click.echo()


def _declared(name: str) -> tuple[ServingHardware, Specification]:
    from rung.schema import parse_specification
    from rung.testing import import_part

    workspace = find()
    service = workspace.service(name)
    sys.path.insert(0, str(workspace.root))
    hardware: ServingHardware = import_part(service, "infrastructure.hardware").infrastructure.serving
    path = service.specification
    return hardware, parse_specification(path.read_text(), name=str(path))


def _replica(
    hardware: ServingHardware,
    specification: Specification,
    *,
    service_time_s: float | None,
    at_once: int | None,
    start_s: float,
) -> Replica:
    from rung.infrastructure import Batching
    from rung.scaling import Replica

    batching = hardware.batching.values() if isinstance(hardware.batching, dict) else [hardware.batching]
    batch = min(one.max_instances if isinstance(one, Batching) else 1 for one in batching or [None])
    return Replica(
        service_time_s=service_time_s or specification.latency_p99_ms / 1_000 / _SPREAD,
        at_once=at_once or hardware.gunicorn_workers * batch,
        start_s=start_s,
        max_waiting=hardware.max_waiting * hardware.gunicorn_workers,
        timeout_s=hardware.request_timeout_s,
    )


def _traffic(name: str, rate: float | None, *, seconds: int, usual: float) -> Traffic:
    from rung.scaling import TRAFFICS, Traffic

    if name in TRAFFICS:
        return TRAFFICS[name](rate or usual, seconds)
    from rung.cli._traffic_file import read

    recorded = Traffic.recorded(Path(name).name, read(Path(name), known=sorted(TRAFFICS)))
    if rate is None:
        return recorded
    most = max(recorded.rates)
    if not most:
        raise CallError(f"{name} has no request", hint="leave out --rate, or name a file with requests")
    return Traffic(name=recorded.name, rates=tuple(rate * one / most for one in recorded.rates))
