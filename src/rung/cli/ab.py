"""`rung ab`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rung.cli._control import Control
from rung.cli._terminal import cut, json_option, print_json, state, table, time_of_day
from rung.cli.history import split_major
from rung.errors import CallError

if TYPE_CHECKING:
    from rung.cli._live import View

LOST = 1
"""Exit status when the challenger did not win."""


@click.group(epilog="Example: rung ab watch housing.v1")
def command() -> None:
    """List, watch, draw and steer A/B tests and bandits; of a major the newest one, when none runs."""


@command.command("list", epilog="Example: rung ab list housing")
@click.argument("service")
@json_option
def list_tests(service: str, as_json: bool) -> None:
    """List every A/B test and bandit of a service, and how it ended."""
    found = Control().get(f"/services/{service}/experiments")
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"{service} has had no A/B test; `rung promote {service}.vN.mN` begins one")
        return
    rows = [
        [
            one["id"],
            "bandit" if one["bandit"] else one["challenger"],
            one["incumbent"],
            time_of_day(one["started"]),
            time_of_day(one["ended"]) if one["ended"] else "",
            state(_outcome(one)),
            cut((one["look"] or {}).get("progress", "")),
        ]
        for one in found
    ]
    table(rows, ["ID", "CHALLENGER", "INCUMBENT", "BEGAN (UTC)", "ENDED", "OUTCOME", "EVIDENCE"])


def _outcome(shown: dict[str, Any]) -> str:
    if not shown["ended"]:
        return "paused" if shown["paused"] else "running"
    return str((shown["look"] or {}).get("outcome", "ended"))


@command.command("watch", epilog="Example: rung ab watch housing.v1")
@click.argument("name", metavar="SERVICE.vN")
@click.option("--once", is_flag=True, help="Show how it is now, and end.")
@json_option
def watch(name: str, once: bool, as_json: bool) -> None:
    """Watch until the test has ended: split, units, effect, evidence between its bounds, guardrails, time to decision.

    On a terminal it is drawn again each second, in a pipe each change is a line. Ctrl-C ends only the watching. With
    --json it prints the test when it has ended, with --once now. Exit status 1 when the challenger did not win.
    """
    test = _Test(name)
    try:
        test.watch(once=once, quiet=as_json)
    except KeyboardInterrupt:
        click.echo(f"\nthe test goes on without you; `rung ab watch {name}` watches again", err=True)
        raise
    if as_json:
        print_json(test.to_json())
    if test.is_lost():
        raise SystemExit(LOST)


@command.command("plot", epilog="Example: rung ab plot housing.v1 -o test.svg")
@click.argument("name", metavar="SERVICE.vN")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG file.")
@json_option
def plot(name: str, output: Path | None, as_json: bool) -> None:
    """Draw the course of the test: its effect with a confidence sequence, and the evidence between its bounds.

    In the terminal, or with -o as a picture that needs nothing beside it. --json prints the looks that are drawn.
    """
    test = _Test(name)
    shown = {**test.look(), "course": test.course()}
    if as_json:
        print_json(shown["course"])
    if output is None and as_json:
        return
    from rung.control.course import figure_of

    draw(figure_of(shown), output, quiet=as_json)


@command.command("pause", epilog="Example: rung ab pause housing.v1 --because 'the shop is being moved'")
@click.argument("name", metavar="SERVICE.vN")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def pause(name: str, because: str, as_json: bool) -> None:
    """Send all units to the incumbent until the test is resumed. The deadline stays."""
    _steer(name, "pause", {"because": because}, as_json=as_json)


@command.command("resume", epilog="Example: rung ab resume housing.v1")
@click.argument("name", metavar="SERVICE.vN")
@json_option
def resume(name: str, as_json: bool) -> None:
    """Give the challenger of a paused test its share again; every unit goes back to its arm."""
    _steer(name, "resume", None, as_json=as_json)


@command.command("abort", epilog="Example: rung ab abort housing.v1 --because 'customers complain'")
@click.argument("name", metavar="SERVICE.vN")
@click.option("--because", default="", help="The reason, kept for ever.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def abort(name: str, because: str, yes: bool, as_json: bool) -> None:
    """End the test in favour of the incumbent: the challenger is torn down, the evidence stays.

    On a terminal it asks first.
    """
    if not yes and sys.stdin.isatty() and not as_json:
        running = _Test(name).look()
        click.confirm(f"end the test for good and tear down {running['challenger']}?", abort=True)
    _steer(name, "abort", {"because": because}, as_json=as_json)


def draw(figure: Any, output: Path | None, *, quiet: bool = False) -> None:
    """Print a figure, or write it as a picture.

    Raises:
        CallError: The file cannot be written.
    """
    if output is None:
        from rung.charts.blocks import to_blocks
        from rung.cli._live import width

        click.echo("\n".join(to_blocks(figure, width=width())))
        return
    from rung.charts.svg import to_svg

    try:
        output.write_text(to_svg(figure), encoding="utf-8")
    except OSError as error:
        raise CallError(
            f"{output} cannot be written: {error.strerror}", hint="name a file in a folder of yours"
        ) from error
    if not quiet:
        click.echo(f"wrote {output}")


class _Test:
    """The newest test of a major."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = path_of(name)
        self._control = Control()
        self._shown: dict[str, Any] = {}
        self._attempt: dict[str, Any] | None = None

    def look(self) -> dict[str, Any]:
        """Ask how it is now; how it ended, once it has."""
        self._shown = self._control.get(self._path)
        if self._shown["ended"]:
            self._attempt = self._ended_attempt()
        return self._shown

    def course(self) -> list[dict[str, Any]]:
        """Ask for the looks that were kept."""
        found: list[dict[str, Any]] = self._control.get(f"{self._path}/course")
        return found

    def _ended_attempt(self) -> dict[str, Any]:
        """Give how the promotion of the challenger ended: of several, the one that won."""
        rivals = {self._shown["challenger"], *self._shown["shares"]} - {self._shown["incumbent"]}
        last = [self._control.get(f"/revisions/{name}/promotions")[-1] for name in sorted(rivals)]
        return next((attempt for attempt in last if attempt["outcome"] == "promoted"), last[-1])

    def watch(self, *, once: bool, quiet: bool) -> None:
        """Show it until it has ended; quietly, only wait for that."""
        from rung.cli import _live

        if once:
            view = self._view(_live.width())
            if not quiet:
                click.echo("\n".join(view.lines))
        else:
            _live.watch(self._view, quiet=quiet)

    def _view(self, width: int) -> View:
        from rung.cli._ab_frame import frame, outcome_of, plain_line
        from rung.cli._live import View

        shown = self.look()
        lines = frame(shown, now=datetime.now(UTC), width=width, attempt=self._attempt)
        plain = plain_line(shown) if self._attempt is None else ": ".join(outcome_of(shown, self._attempt))
        return View(lines=lines, plain=plain, is_over=self._attempt is not None)

    def is_lost(self) -> bool:
        """Tell whether it ended without a win of its challenger."""
        return self._attempt is not None and self._attempt.get("outcome") != "promoted"

    def to_json(self) -> dict[str, Any]:
        """Give what is known, with when a decision is to be expected and how it ended."""
        from dataclasses import asdict

        from rung.control.course import outlook_of

        expected = None if self._shown["ended"] else outlook_of(self._shown, datetime.now(UTC))
        return {
            **self._shown,
            "outlook": None if expected is None else asdict(expected),
            "attempt": self._attempt,
        }


def path_of(name: str) -> str:
    """Give the path of a major's test in the API.

    Raises:
        CallError: The name has no major.
    """
    service, major = split_major(name)
    if major is None:
        raise CallError(f"{name!r} names no major", hint=f"write {name}.v1")
    return f"/majors/{service}/{major}/experiment"


def _steer(name: str, deed: str, body: dict[str, str] | None, *, as_json: bool) -> None:
    shown = Control().post(f"{path_of(name)}/{deed}", body)
    if as_json:
        print_json(shown)
        return
    if shown["ended"]:
        click.echo(f"the test of {shown['challenger']} has ended; {shown['incumbent']} gets all units")
        return
    click.echo(f"{shown['splits'][-1]['because']}; {_shares(shown)}")


def _shares(shown: dict[str, Any]) -> str:
    return ", ".join(f"{name} gets {share:.0%} of the units" for name, share in shown["shares"].items())
