"""A profile as one page of HTML that needs nothing beside it: a card for each column, correlations, changes. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from rung.data.profile._bars import bars
from rung.data.profile._lines import distinct
from rung.data.profile._spell import share, spell, spell_type
from rung.data.profile._values import SHARES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rung.data.profile._bars import Bar
    from rung.data.profile._change import Change
    from rung.data.profile._values import Column, Correlation, Numbers, Profile

__all__ = ["STYLE", "card", "page"]

_BARS: Final = 32
_NAMED: Final = 10
_WIDTH, _HEIGHT = 320, 96
_CELL: Final = 22
_LONGEST: Final = 40
"""Characters of a value that is named; all of it is in its title."""
_STRONGEST: Final = 10
"""Correlations that are written out."""

STYLE: Final = """
:root { --paper: #ffffff; --ink: #16202c; --faint: #5d6b7c; --line: #e6eaef; --main: #1f63d6; --second: #8a3ffc;
  --bad: #c2272d; }
@media (prefers-color-scheme: dark) { :root { --paper: #10161d; --ink: #e8edf2; --faint: #9fadbb; --line: #26313c;
  --main: #6ea8ff; --second: #be95ff; --bad: #ff7b7b; } }
body { margin: 0 auto; max-width: 1100px; padding: 24px; background: var(--paper); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 36px; } h3 { font-size: 15px; margin: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 16px; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 12px; overflow-wrap: anywhere; }
.faint, th, dt { color: var(--faint); font-weight: 400; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } td, th { padding: 1px 10px 1px 0;
  text-align: left; vertical-align: top; } dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; }
dd { margin: 0; overflow-wrap: anywhere; } svg { display: block; margin: 8px 0; max-width: 100%; } li { margin: 2px 0; }
svg text { font-size: 11px; fill: var(--faint); } .bar { fill: var(--main); } .axis { stroke: var(--line); }
.before { fill: none; stroke: var(--second); stroke-width: 1.6; }
.positive { fill: var(--main); } .negative { fill: var(--bad); }
"""


def page(
    profile: Profile,
    *,
    title: str,
    facts: Mapping[str, str] | None = None,
    meanings: Mapping[str, str] | None = None,
    changes: Sequence[Change] = (),
    before: Profile | None = None,
) -> str:
    """Draw a profile.

    Args:
        profile: What is drawn.
        title: As `houses@3`.
        facts: What else is known of it, as owner and licence, in order.
        meanings: Of columns, as documented.
        changes: Since an earlier version, as `compare` gives them.
        before: The earlier profile, drawn as a line over the bars.
    """
    counted = f"{profile.rows:,} rows, {len(profile.columns):,} columns"
    repeated = f"; {profile.repeated:,} rows have a key that an earlier row has" if profile.repeated else ""
    earlier = before.columns if before is not None else {}
    cards = (
        card(name, column, rows=profile.rows, meaning=(meanings or {}).get(name, ""), before=earlier.get(name))
        for name, column in profile.columns.items()
    )
    return "\n".join(
        [
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1><p>{counted}{repeated}</p>",
            *_facts(facts or {}),
            *_changes(changes),
            '<h2>Columns</h2><div class="cards">',
            *cards,
            "</div>",
            *_correlations(profile.correlations),
            "</body></html>\n",
        ]
    )


def _facts(facts: Mapping[str, str]) -> Iterator[str]:
    if facts:
        told = "".join(f"<dt>{escape(what)}</dt><dd>{escape(fact)}</dd>" for what, fact in facts.items())
        yield f"<dl>{told}</dl>"


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    if changes:
        yield "<h2>What changed, the largest first</h2><ol>"
        yield from (f"<li>{escape(change.told)}</li>" for change in changes)
        yield "</ol>"


def card(name: str, column: Column, *, rows: int, meaning: str = "", before: Column | None = None) -> str:
    """Draw one column, with the figures of it; an earlier one is drawn as a line over the bars."""
    has_names = column.values is not None and bool(column.values.common)
    drawn = bars(column, _NAMED if has_names else _BARS, before)
    told = f'<p class="faint">{escape(meaning)}</p>' if meaning else ""
    picture = _named(drawn, rows - column.nulls) if has_names else _histogram(drawn)
    figures = "".join(f"<tr><th>{what}</th><td>{escape(figure)}</td></tr>" for what, figure in _figures(column, rows))
    dtype = f'<span class="faint">{escape(spell_type(column.dtype))}</span>'
    return f'<section class="card"><h3>{escape(name)} {dtype}</h3>{told}{picture}<table>{figures}</table></section>'


def _named(drawn: Sequence[Bar], total: int) -> str:
    longest = max(bar.count for bar in drawn)
    rows = [
        f'<tr><td title="{escape(bar.label)}">{escape(_cut(bar.label))}</td><td>{bar.count:,.0f}</td>'
        f"<td>{share(bar.count, total)}</td><td>{_strip(bar.count / longest)}</td></tr>"
        for bar in drawn
    ]
    return f"<table>{''.join(rows)}</table>"


def _strip(part: float) -> str:
    return f'<svg width="80" height="10"><rect class="bar" width="{80 * part:.1f}" height="10"/></svg>'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _histogram(drawn: Sequence[Bar]) -> str:
    if not drawn:
        return ""
    total = sum(bar.count for bar in drawn) or 1
    highest = max(max(bar.count / total, bar.before) for bar in drawn) or 1
    width, bottom = _WIDTH / len(drawn), _HEIGHT - 16
    parts = []
    for place, bar in enumerate(drawn):
        height = bar.count / total / highest * bottom
        parts.append(
            f'<rect class="bar" x="{place * width:.1f}" y="{bottom - height:.1f}" width="{max(width - 1, 1):.1f}" '
            f'height="{height:.1f}"><title>{escape(bar.label)}: {bar.count:,.0f}</title></rect>'
        )
    if any(bar.before for bar in drawn):
        steps = [(place * width, bottom * (1 - bar.before / highest)) for place, bar in enumerate(drawn)]
        path = " ".join(f"{x:.1f},{y:.1f} {x + width:.1f},{y:.1f}" for x, y in steps)
        parts.append(f'<polyline class="before" points="{path}"><title>before</title></polyline>')
    ends = drawn[0].label.split(" to ")[0], drawn[-1].label.split(" to ")[-1]
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">{"".join(parts)}'
        f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{bottom}" y2="{bottom}"/>'
        f'<text x="0" y="{_HEIGHT - 3}">{escape(ends[0])}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 3}" text-anchor="end">{escape(ends[1])}</text></svg>'
    )


def _figures(column: Column, rows: int) -> Iterator[tuple[str, str]]:
    yield "null", f"{column.nulls:,} ({share(column.nulls, rows)})"
    if column.blank:
        yield "blank", f"{column.blank:,} ({share(column.blank, rows)})"
    if column.distinct is not None:
        yield "different values", distinct(column)
    if column.numbers is not None and column.numbers.finite:
        yield from _number_figures(column, column.numbers)


def _number_figures(column: Column, numbers: Numbers) -> Iterator[tuple[str, str]]:
    is_length = column.kind in {"text", "list", "binary"}
    kind = "number" if is_length else column.kind
    of = "length, " if is_length else ""
    yield f"{of}lowest to highest", f"{spell(numbers.low, kind)} to {spell(numbers.high, kind)}"
    read = "" if numbers.is_exact else " (read off the bins)"
    quarters = [spell(numbers.quantiles[SHARES.index(each)], kind) for each in (0.25, 0.5, 0.75)]
    yield f"{of}quartiles", ", ".join(quarters) + read
    yield f"{of}mean", spell(numbers.mean, kind)
    if kind == "number":
        yield f"{of}standard deviation", spell(numbers.deviation, kind)
    for what, count in (("zero", numbers.zeros), ("negative", numbers.negative)):
        if count and kind == "number" and not is_length:
            yield what, f"{count:,}"
    for what, count in (("not a number", numbers.nan), ("infinite", numbers.infinite)):
        if count:
            yield what, f"{count:,}"


def _correlations(correlations: Sequence[Correlation]) -> Iterator[str]:
    if not correlations:
        return
    names = list(dict.fromkeys(name for pair in correlations for name in (pair.one, pair.other)))
    yield "<h2>Correlations</h2>" + _grid(names, correlations)
    yield f"<table>{''.join(_strongest(correlations))}</table>"


def _strongest(correlations: Sequence[Correlation]) -> Iterator[str]:
    for pair in sorted(correlations, key=lambda pair: -abs(pair.r))[:_STRONGEST]:
        yield f"<tr><td>{escape(pair.one)}</td><td>{escape(pair.other)}</td><td>{pair.r:.2f}</td></tr>"


def _grid(names: Sequence[str], correlations: Sequence[Correlation]) -> str:
    """Draw each pair as a square whose strength is its opacity."""
    places = {name: place for place, name in enumerate(names)}
    size, beside = len(names) * _CELL, 160
    cells = [
        f'<rect class="{"positive" if pair.r >= 0 else "negative"}" x="{places[pair.one] * _CELL}" '
        f'y="{places[pair.other] * _CELL}" width="{_CELL - 1}" height="{_CELL - 1}" fill-opacity="{abs(pair.r):.2f}">'
        f"<title>{escape(pair.one)} and {escape(pair.other)}: {pair.r:.2f}</title></rect>"
        for pair in correlations
    ]
    labels = [
        f'<text x="{size + 6}" y="{place * _CELL + 15}">{escape(_cut(name))}</text>' for name, place in places.items()
    ]
    box = f'viewBox="0 0 {size + beside} {size}" width="{size + beside}" height="{size}"'
    return f'<svg {box} role="img">{"".join(cells)}{"".join(labels)}</svg>'
