"""What was learned, of all services: lessons of experiment documents, and search in them and in all reasons."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from rung.access import Action
from rung.control.api.door import check
from rung.control.dashboard._visit import Page
from rung.documents import MARKS, Index, parse, read_pages

if TYPE_CHECKING:
    from rung.control.dashboard._visit import Visit
    from rung.documents import Hit

__all__ = ["Lesson", "marked", "page"]

_SHOWN = 60
_SEARCHED = 1_000  # hits, for whoever sees some services alone
_FRESH_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a document says was learned."""

    revision: str
    service: str
    title: str
    text: str


def page(visit: Visit) -> Page:
    """Show the lessons of all services or of one, or what speaks of some words."""
    words, service = visit.asked("find"), visit.asked("service")
    if service:
        check(visit.actor, Action.READ, service)
    key = ("knowledge", words.casefold(), service, visit.seen_services())
    kept = visit.stored.get(
        key, lambda: _hits(visit, words, service) if words else _lessons(visit, service), fresh_s=_FRESH_S
    )
    values = {
        "words": words,
        "service": service,
        "services": sorted({one.service for one in visit.registry.counts() if visit.sees(one.service)}),
        "kept": kept,
        "marked": marked,
        "command": _command(words, service),
    }
    return Page(template="knowledge.html", title="Knowledge", values=values)


def _command(words: str, service: str) -> str:
    """Give the command that shows the same."""
    verb = f"search {shlex.quote(words)}" if words else "list"
    return f"rung knowledge {verb}" + (f" --service {service}" if service else "")


def marked(snippet: str) -> Markup:
    """Draw what was found as marked; all else is text.

    >>> print(marked(f"a {MARKS[0]}late{MARKS[1]} <b>"))
    a <mark>late</mark> &lt;b&gt;
    """
    first, *rest = snippet.split(MARKS[0])
    pairs = (part.partition(MARKS[1]) for part in rest)
    return Markup("").join([first, *(Markup("<mark>{}</mark>{}").format(word, after) for word, _, after in pairs)])


def _hits(visit: Visit, words: str, service: str) -> list[Hit]:
    workspace, registry = visit.platform.place.workspace, visit.registry
    newest = registry.newest_event()
    with Index(workspace.state / "knowledge.db") as index:
        index.refresh(
            read_pages(workspace), lambda after: registry.events(after=after), 0 if newest is None else newest.id
        )
        most = _SHOWN if visit.seen_services() is None else _SEARCHED
        found = index.search(words, service=service or None, limit=most)
    seen = (hit for hit in found if visit.sees(hit.revision.partition(".")[0]))
    return list(itertools.islice(seen, _SHOWN))


def _lessons(visit: Visit, service: str) -> list[Lesson]:
    """Give what was learned, of each service the newest revision first."""
    found = []
    for one in reversed(read_pages(visit.platform.place.workspace, service or None)):
        document = parse(one.read())
        if document.lessons and visit.sees(one.revision.service):
            name = str(one.revision)
            title = document.title.removeprefix(f"{name}: ")
            found.append(Lesson(revision=name, service=one.revision.service, title=title, text=document.lessons))
    return sorted(found, key=lambda one: one.service)
