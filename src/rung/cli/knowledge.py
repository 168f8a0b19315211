"""`rung knowledge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rung.cli._terminal import cut, json_option, print_json, table
from rung.workspace import find

if TYPE_CHECKING:
    from rung.documents import Hit


@click.group(epilog='Example: rung knowledge search "late outcomes"')
def command() -> None:
    """Find what was learned: in all experiment documents, and in the reasons of all gates and decisions."""


@command.command("search", epilog='Example: rung knowledge search "late outcomes"')
@click.argument("words", nargs=-1, required=True)
@click.option("--service", help="Of this service only. By default of all.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=10, show_default=True, help="Hits at most.")
@json_option
def search(words: tuple[str, ...], service: str | None, limit: int, as_json: bool) -> None:
    """Find passages with all of the words, the best first; endings do not matter.

    Looks through the documents of the workspace, those that revisions were made with, and why gates and decisions went
    as they did. The index is brought up to date first.
    """
    from rung.documents import Index, read_pages
    from rung.registry import known_registry

    workspace = find()
    with (
        known_registry(workspace.state, workspace.registry_url()) as registry,
        Index(workspace.state / "knowledge.db") as index,
    ):
        newest = None if registry is None else registry.newest_event()
        index.refresh(
            read_pages(workspace),
            lambda after: [] if registry is None else registry.events(after=after),
            0 if newest is None else newest.id,
        )
        hits = index.search(" ".join(words), service=service, limit=limit)
    if as_json:
        print_json([_json(hit) for hit in hits])
        return
    if not hits:
        click.echo(f"nothing is known of {' '.join(words)}")
        return
    for hit in hits:
        click.echo(f"{click.style(hit.revision, bold=True)}  {hit.place}")
        click.echo(f"  {_marked(hit)}")
        click.echo(f"  {click.style(hit.command, fg='cyan')}")


@command.command("list", epilog="Example: rung knowledge list --service housing")
@click.option("--service", help="Of this service only. By default of all.")
@json_option
def list_lessons(service: str | None, as_json: bool) -> None:
    """List the lessons of all revisions: what their documents say was learned."""
    from rung.documents import parse, read_pages

    found = [(page, parse(page.read())) for page in read_pages(find(), service)]
    shown = [
        {"revision": str(page.revision), "title": document.title, "lessons": document.lessons}
        for page, document in found
        if document.lessons
    ]
    if as_json:
        print_json(shown)
        return
    if not shown:
        click.echo("no document has lessons yet: they are written below `## Lessons`")
        return
    rows = [[one["revision"], cut(one["title"], 50), cut(" ".join(one["lessons"].split()), 100)] for one in shown]
    table(rows, ["REVISION", "TITLE", "LESSONS"])


def _marked(hit: Hit) -> str:
    """Show what was found in bold; nothing else of the text can move a terminal's cursor."""
    from rung.documents import MARKS

    parts = hit.snippet.split(MARKS[0])
    shown = [_printable(parts[0])]
    for part in parts[1:]:
        word, _, after = part.partition(MARKS[1])
        shown.append(click.style(_printable(word), bold=True) + _printable(after))
    return "".join(shown)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _json(hit: Hit) -> dict[str, object]:
    from rung.documents import MARKS

    snippet = hit.snippet.replace(MARKS[0], "").replace(MARKS[1], "")
    return {
        "revision": hit.revision,
        "place": hit.place,
        "snippet": snippet,
        "rank": hit.rank,
        "command": hit.command,
    }
