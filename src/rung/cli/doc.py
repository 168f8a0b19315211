"""`rung doc`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import cut, json_option, print_json, state, table
from rung.workspace import find, write_atomically

if TYPE_CHECKING:
    from rung.documents import Page
    from rung.schema import RevisionName
    from rung.workspace import Workspace


@click.group(epilog="Example: rung doc new housing")
def command() -> None:
    """Write experiment documents before the code, and fill in their results from the evidence."""


@command.command("new", epilog="Example: rung doc new housing")
@click.argument("service")
@click.option(
    "--minor", type=click.IntRange(1, 10**8), help="Of the revision. By default the next one without a document."
)
@json_option
def new(service: str, minor: int | None, as_json: bool) -> None:
    """Lay down the document of the next revision of a service: commit it, and have it merged before the code."""
    from rung.cli._why import next_minor
    from rung.control.deployment.source import read_major
    from rung.documents import template
    from rung.errors import ConflictError
    from rung.schema import RevisionName

    workspace = find()
    found = workspace.service(service)
    major = read_major(found)
    if minor is None:
        minor = max(next_minor(workspace, service, major) or 0, 1)  # the benchmark needs none
        while found.document(major, minor).exists():
            minor += 1
    path = found.document(major, minor)
    if path.exists():
        raise ConflictError(f"{path.name} of {service} is there already", hint="open it, or leave --minor out")
    name = RevisionName(service=service, major=major, minor=minor)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, template(name).encode())
    shown = path.relative_to(workspace.root)
    if as_json:
        print_json({"revision": str(name), "path": str(shown)})
        return
    click.echo(f"the document of {name} is {shown}; next:")
    click.echo(f"  write its first four sections, then: git add {shown} && git commit -m 'Plan {name}'")


@command.command("list", epilog="Example: rung doc list housing")
@click.argument("service", required=False)
@json_option
def list_documents(service: str | None, as_json: bool) -> None:
    """List the documents: what they say, and whether results were filled in."""
    from rung.documents import read_pages

    workspace = find()
    if service is not None:
        workspace.service(service)
    shown = [_listed(workspace, page) for page in read_pages(workspace, service)]
    if as_json:
        print_json(shown)
        return
    if not shown:
        click.echo("there are no documents yet; `rung doc new SERVICE` makes one")
        return
    rows = [[one["revision"], state(one["results"]), cut(one["title"]), one["told"]] for one in shown]
    table(rows, ["REVISION", "RESULTS", "TITLE", "STILL TO SAY"])


@command.command("show", epilog="Example: rung doc show housing.v1.m2")
@click.argument("revision", metavar="SERVICE.vN.mN")
@json_option
def show(revision: str, as_json: bool) -> None:
    """Show the document of a revision, with its results as the evidence has them now, filled in or not."""
    from rung.documents import parse
    from rung.schema import RevisionName

    workspace, name = find(), RevisionName.parse(revision)
    page = _page(workspace, name)
    text = page.read()
    made = _made(workspace, name)
    shown = text if made is None else _filled(text, made)
    if as_json:
        document = parse(shown)
        told: dict[str, Any] = {"revision": revision, "path": str(page.path), "title": document.title}
        print_json({**told, "sections": dict(document.sections), "results": document.made, "is_filled": shown == text})
        return
    click.echo(shown, nl=False)
    if made is not None and shown != text:
        click.echo(f"the results above are not in the file yet: rung doc fill {revision}", err=True)


@command.command("fill", epilog="Example: rung doc fill housing.v1.m2")
@click.argument("revision", metavar="SERVICE.vN.mN")
@click.option("--overwrite", is_flag=True, help="Also in place of results that were changed by hand.")
@json_option
def fill(revision: str, overwrite: bool, as_json: bool) -> None:
    """Write the results of a revision into its document: gates, A/B test, decision and figures, as they are on record.

    What lies around them, and the lessons, stay as they are.
    """
    from rung.documents import parse
    from rung.errors import ConflictError, NotFoundError
    from rung.schema import RevisionName

    workspace, name = find(), RevisionName.parse(revision)
    path = workspace.service(name.service).document(name.major, name.minor)
    if not path.is_file():
        raise NotFoundError(f"{revision} has no {path.name}", hint=f"rung doc new {name.service} --minor {name.minor}")
    text = path.read_text(encoding="utf-8")
    is_edited = parse(text).is_edited
    if is_edited and not overwrite:
        raise ConflictError(
            f"the results in {path.name} were changed by hand, and only evidence writes them",
            hint=f"put what you want to say into another section, then: rung doc fill {revision} --overwrite",
        )
    made = _made(workspace, name)
    if made is None:
        raise NotFoundError(f"nothing is on record of {revision}", hint="`rung status` names the revisions")
    after = _filled(text, made)
    if after != text:
        write_atomically(path, after.encode())
    shown = path.relative_to(workspace.root)
    if as_json:
        print_json({"revision": revision, "path": str(shown), "changed": after != text, "overwritten": is_edited})
    elif after == text:
        click.echo(f"{shown} has them already")
    else:
        click.echo(
            f"the results of {revision} are in {shown}" + ("; what was changed there by hand is gone" * is_edited)
        )


def _listed(workspace: Workspace, page: Page) -> dict[str, Any]:
    from rung.documents import parse

    document = parse(page.read())
    results = "edited" if document.is_edited else document.outcome or "none"
    told = ", ".join(section.lower() for section in document.unwritten)
    is_here = page.path.is_relative_to(workspace.experiments)
    return {
        "revision": str(page.revision),
        "title": document.title,
        "results": results,
        "unwritten": list(document.unwritten),
        "told": told if is_here else "",
        "lessons": document.lessons,
        "path": str(page.path.relative_to(workspace.root) if is_here else page.path),
    }


def _page(workspace: Workspace, name: RevisionName) -> Page:
    from rung.documents import read_pages
    from rung.errors import NotFoundError

    for page in read_pages(workspace, name.service):
        if page.revision == name:
            return page
    raise NotFoundError(f"there is no document of {name}", hint=f"`rung doc list {name.service}` names them")


def _made(workspace: Workspace, name: RevisionName) -> str | None:
    """Make the results from what is on record; None where nothing is."""
    from rung.cli._why import why
    from rung.documents import results
    from rung.errors import NotFoundError

    try:
        return results(*why(workspace, name))
    except NotFoundError:
        return None


def _filled(text: str, made: str) -> str:
    from rung.documents import fill as put

    return put(text, made)
