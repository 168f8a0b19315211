"""What `rung tune` prints: progress with the best so far, and a study as tables and as a figure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rung.charts.figure import Curve, Figure, Panel, padded
from rung.cli._terminal import cut, state, table

if TYPE_CHECKING:
    from rung.tuning import Study, Tried

__all__ = ["Progress", "figure", "print_study"]

_EIGHTHS = "▁▂▃▄▅▆▇█"
_BARS = 24


class Progress:
    """Tells how far a study is: a line that is drawn again on a terminal, else one line for each trial that ended."""

    def __init__(self, *, trials: int, quiet: bool) -> None:
        self._trials = trials
        self._quiet = quiet
        self._draws = sys.stderr.isatty() and not quiet

    def begin(self, study: Study) -> None:
        """Say what is tuned, and what is not."""
        if self._quiet:
            return
        spec = study.spec
        known = len(study.trials())
        click.echo(
            f"study {spec.name}: {spec.goal} {spec.metric}, {self._trials} trials, {spec.parallel} at once", err=True
        )
        for one in spec.space.parameters:
            click.echo(f"  {one.name:<20} {one.told()}, default {one.default}", err=True)
        for name, because in spec.space.left_out.items():
            click.echo(f"  {name:<20} not tuned: {because}", err=True)
        if known:
            click.echo(f"  goes on after {known} trials", err=True)

    def tell(self, study: Study, *, ended: Tried | None, running: int) -> None:
        """Tell that a trial ended or began."""
        if self._quiet:
            return
        if self._draws:
            click.echo(f"\r\033[K{_so_far(study, self._trials, running)}", nl=False, err=True)
        elif ended is not None:
            click.echo(_line(ended, study), err=True)

    def end(self) -> None:
        """End the line that is drawn again."""
        if self._draws:
            click.echo(err=True)

    def stopped(self, study: Study) -> None:
        """Say how to go on."""
        self.end()
        spec, done = study.spec, sum(one.state != "running" for one in study.trials())
        again = f"rung tune {spec.service} --study {spec.name} --trials {self._trials}"
        click.echo(f"{done} trials are kept; `{again}` goes on", err=True)


def _so_far(study: Study, trials: int, running: int) -> str:
    known = study.trials()
    counted = {name: sum(one.state == name for one in known) for name in ("succeeded", "failed", "pruned")}
    ended, best = sum(counted.values()), study.best()
    more = "".join(f", {number} {name}" for name, number in counted.items() if number and name != "succeeded")
    told = "" if best is None else f"; best {best.value:.6g} (#{best.number}: {_values(best)})"
    return cut(f"{ended} of {trials} trials{more}, {running} running{told}", 118)


def _line(trial: Tried, study: Study) -> str:
    best = study.best()
    how = trial.because if trial.value is None else f"{study.spec.metric} {trial.value:.6g}"
    mark = ", the best so far" if best is not None and best.number == trial.number else ""
    return f"#{trial.number:<4} {trial.state:<9} {trial.seconds:7.2f} s  {cut(how)}{mark}  {_values(trial)}"


def _values(trial: Tried) -> str:
    return ", ".join(f"{name} {_spelled(value)}" for name, value in trial.values.items())


def _spelled(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_study(study: Study, *, most: int) -> None:
    """Print the best trials with their places in the ranges, importances, and what speaks for the winner."""
    _print_trials(study, most)
    importances = study.importances()
    if importances:
        click.echo()
        rows = [[name, f"{share:.0%}", "█" * round(share * _BARS)] for name, share in importances.items()]
        table(rows, ["PARAMETER", "IMPORTANCE", ""])
    if study.pairs:
        click.echo()
        sided = [[f"{one.seed}", _number(one.defaults), _number(one.winner)] for one in study.pairs]
        table(sided, ["SEED", "DEFAULTS", "WINNER"])
    click.echo()
    _print_winner(study)


def _print_trials(study: Study, most: int) -> None:
    spec = study.spec
    sign = 1 if spec.goal == "maximize" else -1
    trials = [one for one in study.trials() if one.state != "running"]
    ranked = sorted(trials, key=lambda one: (one.value is None, -sign * (one.value or 0.0), one.number))
    rows = [
        [
            f"#{one.number}",
            state(one.state),
            _number(one.value),
            *(_placed(study, name, one.values.get(name)) for name in (known.name for known in spec.space.parameters)),
            one.run,
            cut(one.because, 50),
        ]
        for one in ranked[:most]
    ]
    names = [known.name.upper() for known in spec.space.parameters]
    table(rows, ["TRIAL", "STATE", spec.metric.upper(), *names, "RUN", "BECAUSE"])
    if len(ranked) > most:
        click.echo(f"and {len(ranked) - most} more; --json has all")


def _placed(study: Study, name: str, value: Any) -> str:
    """Spell a value, behind a bar that is as high as its place in the range."""
    if value is None:
        return ""
    place = study.parameter(name).place(value)
    return f"{_EIGHTHS[round(place * (len(_EIGHTHS) - 1))]} {_spelled(value)}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _print_winner(study: Study) -> None:
    winner, evidence = study.winner(), study.evidence
    if not winner:
        click.echo("nothing was better than the defaults")
        return
    told = ", ".join(f"{name} {study.parameter(name).default} -> {value}" for name, value in winner.items())
    click.echo(f"winner: {told}")
    if evidence is None:
        click.echo("it was not judged with further seeds, so it may have been lucky")
        return
    click.echo(evidence.because)
    if evidence.is_better:
        click.echo(f"`rung tune apply {study.spec.name}` makes it the defaults")
    else:
        click.echo("keep the defaults, or try more trials")


def figure(study: Study) -> Figure:
    """Draw the values of the trials and the best so far over the number of the trial, then the importances."""
    spec = study.spec
    trials = [(float(one.number), one.value) for one in study.trials() if one.value is not None]
    better = max if spec.goal == "maximize" else min
    best = [(number, better(value for _, value in trials[: at + 1])) for at, (number, _) in enumerate(trials)]
    low, high = padded([value for _, value in trials] or [0.0])
    importances = ", ".join(f"{name} {share:.0%}" for name, share in study.importances().items())
    evidence = study.evidence
    told = [
        f"How much each parameter matters: {importances}." if importances else "",
        evidence.because if evidence else "",
    ]
    return Figure(
        title=f"{spec.name}: {spec.metric} of {len(study.trials())} trials",
        told=" ".join(one for one in told if one),
        x_title="trial",
        low=0.0,
        high=max(1.0, *(number for number, _ in trials)) if trials else 1.0,
        panels=(
            Panel(
                title=spec.metric,
                low=low,
                high=high,
                curves=(
                    Curve(points=tuple(trials), label="trials", tone="quiet", dotted=True),
                    Curve(points=tuple(best), label="best so far"),
                ),
            ),
        ),
    )
