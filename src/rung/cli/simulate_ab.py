"""`rung simulate-ab`."""

from __future__ import annotations

import math
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, table
from rung.cli.ab import draw
from rung.cli.history import split_major
from rung.errors import CallError

if TYPE_CHECKING:
    from rung.cli._simulated import Declared
    from rung.stats import SequentialTest, Simulated

_EFFECTS = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0)
_DAY_S = 86_400.0
_LOOKS = 200  # in the time of a test with one look
_LONGEST = 8  # such times, after which hardly any test is undecided


@click.command(epilog="Example: rung simulate-ab housing.v1 --repeats 1000 -o power.svg")
@click.argument("name", metavar="SERVICE.vN")
@click.option("--metric", help="A business metric of the major; without it the one that decides.")
@click.option("--repeats", type=click.IntRange(100, 100_000), default=2_000, show_default=True, help="For each effect.")
@click.option(
    "--effect", "effects", type=float, multiple=True, help="In minimum effects, 0 for A/A; may be given several times."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG file.")
@click.option(
    "--seed", type=click.IntRange(0), help="The same seed gives the same figures; without it they are drawn anew."
)
@json_option
def command(
    name: str,
    metric: str | None,
    repeats: int,
    effects: tuple[float, ...],
    output: Path | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Simulate the A/B test that a major declares, on what its own units did: how often is it wrong, how long is it?

    Recorded units are drawn again at random, and a known effect is added to the challenger's. Nothing is sent to
    anybody. It tells the false positives of A/A tests, the power, and whether the declared minimum effect can be seen
    before the deadline at the present traffic.
    """
    from rung.cli import _simulated

    recorded = _recorded(name, metric)
    declared = _declared(recorded)
    test = _test(recorded)
    chosen = seed if seed is not None else secrets.randbits(32)
    found = _simulate(recorded, declared, test, repeats=repeats, effects=effects, seed=chosen)
    if as_json:
        can_be_seen = _simulated.can_be_seen(found, declared)
        print_json(_json(recorded, found, seed=chosen) | {"can_be_seen": can_be_seen})
    else:
        click.echo(f"{declared.name}, {declared.metric}: {declared.units:,} units recorded, seed {chosen}")
        table(*_simulated.rows(found, declared))
        for told in _simulated.verdicts(found, declared):
            click.echo(told)
    if len(found) > 1 and (output is not None or not as_json):
        if output is None:
            click.echo()
        draw(_simulated.figure_of(found, declared), output, quiet=as_json)


def _recorded(name: str, metric: str | None) -> dict[str, Any]:
    service, major = split_major(name)
    if major is None:
        raise CallError(f"{name!r} names no major", hint=f"write {name}.v1")
    recorded: dict[str, Any] = Control().get(f"/majors/{service}/{major}/units", metric=metric)
    return recorded


def _declared(recorded: dict[str, Any]) -> Declared:
    from rung.cli._simulated import Declared

    taken = ("name", "metric", "minimum_effect", "alpha", "power", "units_per_day", "deadline_s")
    return Declared(units=len(recorded["values"]), **{key: recorded[key] for key in taken})


def _test(recorded: dict[str, Any]) -> SequentialTest:
    from rung.stats import SequentialTest

    return SequentialTest(**{key: recorded[key] for key in ("minimum_effect", "kind", "goal", "alpha", "power")})


def _simulate(
    recorded: dict[str, Any],
    declared: Declared,
    test: SequentialTest,
    *,
    repeats: int,
    effects: tuple[float, ...],
    seed: int,
) -> list[Simulated]:
    """Simulate each effect; of those that were not asked for, the ones that cannot be are left out."""
    from rung.stats import simulate

    fixed = _fixed_units(recorded, test)
    most = round(min(declared.units_per_day * declared.deadline_s / _DAY_S, _LONGEST * fixed))
    found = []
    for number, effect in enumerate(effects or _EFFECTS):
        _tell(f"simulating an effect of {effect:g} ...")
        try:
            found += simulate(
                recorded["values"],
                denominators=recorded["denominators"],
                test=test,
                units_per_look=max(2, fixed // _LOOKS),
                effects=(effect,),
                repeats=repeats,
                seed=seed + number,
                share=recorded["share"],
                most_units=max(most, 2),
            )
        except CallError:
            if effects or effect in (0.0, 1.0):
                raise
    _tell("")
    return found


def _fixed_units(recorded: dict[str, Any], test: SequentialTest) -> int:
    """Give the units of both arms that a test with one look needs."""
    from rung.stats import Arm, effect, required_units

    arm = Arm.of(recorded["values"], recorded["denominators"])
    error = effect(arm, arm, kind=test.kind, goal=test.goal).standard_error
    if math.isinf(error):
        raise CallError(
            f"the outcomes of {arm.units:,} units are all the same, so there is nothing to draw from",
            hint="wait until consumers have reported others",
        )
    return required_units(
        kind="mean",
        minimum_effect=test.minimum_effect,
        variance=error**2 * arm.units / 2,
        alpha=test.alpha,
        power=test.power,
        share=recorded["share"],
    )


def _tell(text: str) -> None:
    """Tell on a terminal what takes so long; each text takes the place of the one before."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}", nl=False, err=True)


def _json(recorded: dict[str, Any], found: list[Simulated], *, seed: int) -> dict[str, Any]:
    told = {key: value for key, value in recorded.items() if key not in ("values", "denominators")}
    return {**told, "units": len(recorded["values"]), "seed": seed, "effects": [one.to_json() for one in found]}
