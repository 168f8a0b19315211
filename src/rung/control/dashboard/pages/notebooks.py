"""The gallery of notebooks that ran, with search, and one of them as it was left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.access import Action
from rung.control.api.door import check
from rung.control.dashboard._visit import Page
from rung.notebooks import listed, search, to_html
from rung.notebooks._gallery import executed_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.control.dashboard._visit import Visit

__all__ = ["page", "report"]

_SHOWN = 60
_SEARCHED = 300
_FRESH_S = 60.0


def page(visit: Visit) -> Page:
    """Show notebooks that ran, the newest first, or those that speak of some words."""
    words = visit.asked("find")
    records = [one for one in listed(visit.registry, limit=_SEARCHED) if visit.sees(one["service"])]
    hits: Any = None
    if words:
        key = ("notebooks", words.casefold(), visit.seen_services())
        hits = visit.stored.get(key, lambda: _found(visit, records, words), fresh_s=_FRESH_S)
    values = {"words": words, "runs": records[:_SHOWN], "hits": hits}
    return Page(template="notebooks.html", title="Notebooks", values=values)


def report(visit: Visit) -> str:
    """Draw a notebook as a run left it, as a page of its own."""
    run = visit.registry.run(visit.asked("run"))
    check(visit.actor, Action.READ, run["service"])
    return to_html(executed_bytes(visit.platform.place.workspace, run), run)


def _found(visit: Visit, records: Sequence[Mapping[str, Any]], words: str) -> list[Any]:
    return list(search(visit.platform.place.workspace, list(map(dict, records)), words))[:_SHOWN]
