"""`rung shadow`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rung.cli import _duration
from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json

if TYPE_CHECKING:
    from rung.cli._live import View

_PERCENT = 100.0


@click.command(epilog="Example: rung shadow housing.v1.m3 --percent 20 --until 2h")
@click.argument("revision")
@click.option(
    "--percent",
    type=click.FloatRange(0, _PERCENT, min_open=True),
    help="Mirror so many percent of the production requests to it, from now on.",
)
@click.option(
    "--until", metavar="DURATION", callback=_duration.read, help="With --percent: for how long, as 30s, 10m, 2h or 3d."
)
@click.option("--stop", is_flag=True, help="Mirror nothing any more.")
@click.option("--watch", is_flag=True, help="Show the comparison again each second, until Ctrl-C or its end.")
@json_option
def command(revision: str, percent: float | None, until: float | None, stop: bool, watch: bool, as_json: bool) -> None:
    """Mirror production requests to a revision, and compare its predictions with those that consumers got.

    The revision's predictions reach nobody. Without an option it shows the comparison so far: how many predictions
    agree, which ones differ most, latencies and failures of both, and, where the deciding metric says how predictions
    are scored, which of the two was nearer to the truth.
    """
    if until is not None and percent is None:
        raise click.UsageError("--until says how long --percent is mirrored: give both")
    if stop and percent is not None:
        raise click.UsageError("--percent begins and --stop ends: give one of them")
    control, path = Control(), f"/revisions/{revision}/shadow"
    if stop or percent is not None:
        control.post(path, {"share": (percent or 0.0) / _PERCENT, "for_s": until})
    if watch and not as_json:
        _watch(control, path)
        return
    shown = control.get(path)
    if as_json:
        print_json(shown)
    else:
        from rung.cli._live import width

        click.echo("\n".join(_view(shown, width()).lines))


def _watch(control: Control, path: str) -> None:
    from rung.cli import _live

    try:
        _live.watch(lambda width: _view(control.get(path), width))
    except KeyboardInterrupt:
        click.echo("\nthe mirroring goes on without you; `rung shadow REVISION --stop` ends it", err=True)
        raise


def _view(shown: dict[str, Any], width: int) -> View:
    from rung.cli._live import View
    from rung.cli._shadow_frame import frame, plain_line

    lines = frame(shown, now=datetime.now(UTC), width=width)
    return View(lines=lines, plain=plain_line(shown), is_over=not shown["share"])
