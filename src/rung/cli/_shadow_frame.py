"""What `rung shadow` shows: from the control plane's JSON and the time to lines. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rung.charts.blocks import ROW_INDENT, bar, coloured, columns, fit, row, scale, stacked
from rung.cli._duration import spell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.charts.figure import Tone

_BESIDE = 56  # characters for the words beside a bar
_NARROWEST, _WIDEST = 10, 40
_FLIPS = 10
_NAMES = 4
_MUCH = 0.01  # of the requests: so many failures are worth a look


def frame(shown: dict[str, Any], *, now: datetime, width: int) -> list[str]:
    """Draw the comparison of a shadow with production.

    Args:
        shown: What `GET /revisions/{name}/shadow` gives.
        now: The present time.
        width: Characters of a line.
    """
    lines = [*_head(shown, now)]
    if not shown["answered"]:
        lines += ["", coloured("no request was answered by both yet: the comparison begins with the first", "quiet")]
        return [fit(line, width) for line in lines]
    room = max(min(width - ROW_INDENT - _BESIDE, _WIDEST), _NARROWEST)
    lines += ["", *_agreement(shown["agreement"], room), "", *_shifts(shown["shifts"])]
    lines += [*_truth(shown, room), "", *_service(shown)]
    lines += ["", *_flips(shown["agreement"]["differing"], width)]
    return [fit(line.rstrip(), width) for line in lines]


def plain_line(shown: dict[str, Any]) -> str:
    """Tell in one line how far a shadow agrees, for a pipe."""
    agreement = shown["agreement"]
    told = f"{shown['revision']} shadows {shown['share']:.0%}; {shown['answered']:,} requests answered by both"
    return told + (
        f", {agreement['share']:.1%} of {agreement['instances']:,} predictions agree" if shown["answered"] else ""
    )


def _head(shown: dict[str, Any], now: datetime) -> Iterator[str]:
    name = click.style(shown["revision"], bold=True)
    if shown["share"]:
        since = spell((now - datetime.fromisoformat(shown["since"])).total_seconds())
        ends = "until it is stopped"
        if shown["until"]:
            ends = f"{spell(max((datetime.fromisoformat(shown['until']) - now).total_seconds(), 0.0))} more"
        yield f"{shown['share']:.0%} of production is mirrored to {name}: for {since} so far, {ends}"
    else:
        yield f"nothing is mirrored to {name} now; this is what was seen the last time"
    yield row("requests", [f"{shown['mirrored']:,} mirrored, {shown['answered']:,} answered by both"])


def _agreement(agreement: dict[str, Any], room: int) -> Iterator[str]:
    """Show how many predictions are the same, and of each field how many values are equal, close, different."""
    share = agreement["share"]
    told = f"{share:.2%} of {agreement['instances']:,} predictions"
    yield row("agreement", [bar(share, room, "good"), click.style(told, bold=True)])
    longest = max(map(len, agreement["fields"]), default=0)
    for name, found in agreement["fields"].items():
        if not found["compared"]:
            continue
        equal, close = found["equal"] / found["compared"], found["close"] / found["compared"]
        parts: list[tuple[float, str, Tone]] = [
            (equal, "equal", "good"),
            (close - equal, "close", "main"),
            (1 - close, "different", "bad"),
        ]
        told = ", ".join(coloured(f"{share:.0%} {word}", tone) for share, word, tone in parts)
        if found["difference"]:
            told += f"; {found['difference']:.3g} apart"
        yield row("", [stacked([(share, tone) for share, _, tone in parts], room), f"{name:<{longest}}", told])


def _shifts(shifts: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Show how each field's values are distributed, production's and the shadow's beside each other."""
    longest = max(map(len, shifts), default=0)
    for number, (name, shift) in enumerate(shifts.items()):
        drawn = [columns(shift["one"], "quiet"), columns(shift["other"], "main")]
        low, high = shift["bins"][0], shift["bins"][-1]
        told = f"from {low} to {high}" if shift["is_numeric"] else ", ".join(shift["bins"][:_NAMES])
        cells = [f"{name:<{longest}}", "production", drawn[0], "shadow", drawn[1], f"{shift['distance']:.3f} apart"]
        yield row("values" if number == 0 else "", [*cells, coloured(told, "quiet")])


def _truth(shown: dict[str, Any], room: int) -> Iterator[str]:
    """Show the paired difference on the truth that came later."""
    truth = shown.get("truth")
    if truth is None:
        return
    low, high = truth["interval"]
    effect = truth["effect"]
    yield ""
    if low is None or high is None:
        yield row("truth", [f"{truth['metric']}: {truth['because']}"])
        return
    reach = 1.15 * max(abs(low), abs(high), 1e-300)
    tone: Tone = "good" if low > 0 else "bad" if high < 0 else "main"
    drawn = scale(-reach, reach, room, points=[(0.0, "┼", "quiet"), (effect, "●", tone)], span=(low, high))
    told = f"{truth['metric']} {coloured(f'{effect:+.4g}', tone, bold=True)} ({low:+.3g} to {high:+.3g})"
    yield row("truth", [drawn, f"{told}, {truth['pairs']:,} pairs"])
    yield row("", [coloured(truth["because"], "quiet")])


def _service(shown: dict[str, Any]) -> Iterator[str]:
    heads = [f"{head:>12}" for head in ("p50", "p99", "failed alone")]
    yield row("", [click.style(" " * 10 + "  ".join(heads), bold=True)])
    for who, failed in (("shadow", "shadow_failed"), ("production", "production_failed")):
        latency = shown[who]
        spelled = [_milliseconds(latency["p50_ms"]), _milliseconds(latency["p99_ms"]), f"{shown[failed]:,}"]
        is_bad = shown[failed] > _MUCH * max(shown["paired"], 1)
        cells = [f"{cell:>12}" for cell in spelled]
        cells[-1] = coloured(cells[-1], "bad" if is_bad else "quiet")
        yield row("service", [f"{who:<10}" + "  ".join(cells)])


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g} ms"


def _flips(differing: list[dict[str, Any]], width: int) -> Iterator[str]:
    """Show the predictions that differ most: of objects, the fields that do."""
    if not differing:
        yield row("differing", [coloured("none", "good")])
        return
    pairs = [_unlike(found["one"], found["other"]) for found in differing[:_FLIPS]]
    most = max((width - ROW_INDENT - 12) // 3, 12)
    one, other = (min(max(len(pair[side]) for pair in pairs), most) for side in (0, 1))
    one, other = max(one, len("production")), max(other, len("shadow"))
    heads = [f"{'apart':>7}", "production".ljust(one), "shadow".ljust(other), "instance"]
    yield row("differing", [click.style("  ".join(heads), bold=True)])
    for found, (theirs, ours) in zip(differing, pairs, strict=False):
        cells = [f"{found['distance']:>7.3g}", fit(theirs, one).ljust(one), fit(ours, other).ljust(other)]
        yield row("", [*cells, coloured(_told(found["instance"]), "quiet")])


def _unlike(one: Any, other: Any) -> tuple[str, str]:
    """Write two predictions, of objects only the fields that are not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
        return _told({name: one.get(name) for name in names}), _told({name: other.get(name) for name in names})
    return _told(one), _told(other)


def _told(value: Any) -> str:
    """Write a value of JSON with less ink.

    >>> _told({"price": 91250.5, "band": "low"})
    'price 91250.5, band low'
    """
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told(inner)}" for name, inner in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
