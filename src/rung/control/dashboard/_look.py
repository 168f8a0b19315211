"""How values become HTML: one environment of templates in which everything is escaped, and the filters they use."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from rung.charts.durations import spell
from rung.control.dashboard import _charts

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STATIC", "render", "version"]

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_TONES = {
    **dict.fromkeys(
        (
            "incumbent",
            "pass",
            "promoted",
            "approved",
            "succeeded",
            "holds",
            "kept",
            "better",
            "passed",
            "done",
            "shown",
        ),
        "good",
    ),
    **dict.fromkeys(
        (
            "failed",
            "fail",
            "rejected",
            "torn_down",
            "crashed",
            "broken",
            "abort",
            "invalid",
            "harmful",
            "alarm",
            "refuted",
        ),
        "bad",
    ),
    **dict.fromkeys(
        (
            "testing",
            "awaiting_approval",
            "shadowing",
            "deploying",
            "training",
            "running",
            "inconclusive",
            "on_hold",
            "current",
            "waiting",
        ),
        "busy",
    ),
    **dict.fromkeys(("experimenting", "challenger"), "second"),
    **dict.fromkeys(("candidate", "trained"), "main"),
}
_DIGITS = 4
_NONE = "\N{EN DASH}"


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template."""
    return _environment().get_template(template).render(values)


@cache
def version() -> str:
    """Tell which stylesheet and script these are: browsers keep them until they change."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "when": when,
        "ago": ago,
        "figure": figure,
        "share": share,
        "count": count,
        "bytes": size,
        "duration": spell,
        "words": words,
        "tone": tone,
        "minor": minor,
        "markdown": markdown,
    }
    made.globals |= {
        "picture": _charts.picture,
        "sparkline": _charts.sparkline,
        "split": _charts.split,
        "version": version(),
    }
    return made


def when(moment: str | datetime | None) -> Markup:
    """Write an instant, in UTC to the second; programs get all of it."""
    found = _instant(moment)
    if found is None:
        return Markup("")
    return Markup('<time datetime="{}">{}</time>').format(found.isoformat(), f"{found:%Y-%m-%d %H:%M:%S}")


def ago(moment: str | datetime | None) -> Markup:
    """Write how long ago an instant was; the instant itself is its title."""
    found = _instant(moment)
    if found is None:
        return Markup("")
    seconds = (datetime.now(UTC) - found).total_seconds()
    told = f"{spell(seconds)} ago" if seconds >= 1 else "now" if seconds > -1 else f"in {spell(-seconds)}"
    return Markup('<time datetime="{0}" title="{0:%Y-%m-%d %H:%M:%S} UTC">{1}</time>').format(found, told)


def figure(value: Any, digits: int = _DIGITS) -> str:
    """Write a number with the digits that matter.

    >>> figure(0.154234), figure(84_000.0), figure("m2")
    ('0.1542', '84,000', 'm2')
    """
    if value is None:
        return _NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def share(value: float | None) -> str:
    """Write a share of 1 as a percentage.

    >>> share(0.5), share(0.0123)
    ('50%', '1.23%')
    """
    return _NONE if value is None else f"{100 * value:.3g}%"


def count(value: float | None) -> str:
    """Write a number of things."""
    return _NONE if value is None else f"{value:,.0f}"


def size(number: float) -> str:
    """Write a number of bytes.

    >>> size(310 << 20), size(2_500 << 20), size(2_762)
    ('310 MiB', '2.44 GiB', '2.7 KiB')
    """
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = min(int(math.log(max(number, 1), 1024)), len(units) - 1)
    return f"{number / 1024**power:.3g} {units[power]}" if power != 1 else f"{number / 1024:.1f} KiB"


def words(name: Any) -> str:
    """Write a name of the code for people: `torn_down` is torn down."""
    return str(name).replace("_", " ")


def tone(word: Any) -> str:
    """Tell what a state or a verdict means: `good`, `bad`, `busy`, `second`, `main` or `quiet`."""
    return _TONES.get(str(word), "quiet")


def minor(name: str) -> str:
    """Shorten the name of a revision within its major."""
    return str(name).rpartition(".")[2]


def markdown(text: str) -> Markup:
    """Draw Markdown below the headings of a page; HTML in it is shown as text, and pictures as links."""
    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type == "table_open":
            token.attrSet("tabindex", "0")  # a wide one scrolls, with the keyboard too
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704  it escapes what it does not draw


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("js-default", {"typographer": False}).disable(["image"])


def _instant(moment: str | datetime | None) -> datetime | None:
    if not moment:
        return None
    return moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
