"""Views of the workspace's services: `rung features list`, `show` and `materialize`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import json_option, print_json, table, time_of_day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.features import FeatureView, OnlineStore, State
    from rung.workspace import Workspace


def find_views(workspace: Workspace, service: str | None = None) -> list[tuple[str, FeatureView]]:
    """Give the views of one service, or of all, each with the service whose `features.py` has it.

    Raises:
        NotFoundError: There is no such service.
        TaskError: A `features.py` cannot be imported.
    """
    from rung.features import load_views

    services = workspace.services() if service is None else [service]
    return [(name, view) for name in services for view in load_views(workspace, name).values()]


def find_view(workspace: Workspace, name: str) -> FeatureView:
    """Give the view `NAME`, or `SERVICE.NAME` where several services have one of that name.

    Raises:
        NotFoundError: There is none.
        ConflictError: There are several that differ.
    """
    from rung.errors import ConflictError
    from rung.features import view_of

    service, _, short = name.rpartition(".")
    found = find_views(workspace, service or None)
    named = {view.key: owner for owner, view in found if view.name == short}
    if len(named) > 1:
        raise ConflictError(
            f"{', '.join(named.values())} have each a view {short!r}",
            hint=f"name one of them: {next(iter(named.values()))}.{short}",
        )
    return view_of([view for _, view in found], short)


@contextmanager
def opened(workspace: Workspace) -> Iterator[OnlineStore]:
    """Open the workspace's online store for the length of the block."""
    from rung.features import open_store

    store = open_store(workspace.settings().online_store, workspace.state)
    try:
        yield store
    finally:
        store.close()


def state_of(store: OnlineStore, view: FeatureView) -> State:
    """Tell how far a view is in the store."""
    from rung.features import State

    return State.from_text(store.read(view.key, []).state)


@click.command("list", epilog="Example: rung features list housing --json")
@click.argument("service", required=False)
@json_option
def list_views(service: str | None, as_json: bool) -> None:
    """List views, and how far each is in the online store."""
    from rung.workspace import find

    workspace = find()
    with opened(workspace) as store:
        found = [_listed(owner, view, state_of(store, view)) for owner, view in find_views(workspace, service)]
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("there are no views yet; a service defines them in its features.py")
        return
    table(
        [
            [
                one["view"],
                one["service"],
                ", ".join(one["entity"]),
                f"{len(one['features'])}",
                ", ".join(one["datasets"]),
                _versions(one["materialized"]) or "not materialised",
                f"{one['entities']:,}",
                time_of_day(one["time"]),
            ]
            for one in found
        ],
        ["VIEW", "SERVICE", "ENTITY", "FEATURES", "DATASETS", "MATERIALISED", "ENTITIES", "AT (UTC)"],
    )


@click.command("show", epilog="Example: rung features show house_stats")
@click.argument("view")
@json_option
def show(view: str, as_json: bool) -> None:
    """Show a view: where its values come from, its features, what stands for those that are missing."""
    from rung.workspace import find

    workspace = find()
    found = find_view(workspace, view)
    with opened(workspace) as store:
        shown = _shown(found, state_of(store, found), [key for key in store.views() if key != found.key])
    if as_json:
        print_json(shown)
        return
    for name in ("view", "doc", "entity", "time", "ttl_s", "history", "datasets", "transform", "definition"):
        if shown[name] not in (None, "", []):
            click.echo(f"{name:<12} {', '.join(shown[name]) if isinstance(shown[name], list) else shown[name]}")
    click.echo(f"{'materialised':<12} {_versions(shown['materialized']) or 'no'}")
    for key in shown["other_definitions"]:
        click.echo(f"{'also':<12} {key}")
    click.echo()
    rows = [[one["name"], one["type"], one["default"], one["doc"]] for one in shown["features"]]
    table(rows, ["FEATURE", "TYPE", "WHEN MISSING", "WHAT"])


@click.command("materialize", epilog="Example: rung features materialize house_stats")
@click.argument("views", nargs=-1)
@click.option("--service", help="All views of this service.")
@click.option("--again", is_flag=True, help="Drop what the store has of them, and write all anew.")
@json_option
def materialize(views: tuple[str, ...], service: str | None, again: bool, as_json: bool) -> None:
    """Bring views in the online store up to the newest versions of their datasets; without names all views.

    Only entities that differ are written. It is safe while servers read, and beside another one that does the same.
    """
    from rung.features import materialize_view
    from rung.workspace import find

    workspace = find()
    wanted = [find_view(workspace, name) for name in views]
    if not views or service is not None:
        wanted += [view for _, view in find_views(workspace, service)]
    done = []
    with opened(workspace) as store:
        for view in {view.key: view for view in wanted}.values():
            if again:
                store.remove(view.key)
            done.append(materialize_view(view, store, report=_progress(view.name, is_silent=as_json)))
            if not as_json:
                click.echo(_told(asdict(done[-1])))
    if as_json:
        print_json([asdict(one) for one in done])
    elif not done:
        click.echo("there are no views yet; a service defines them in its features.py")


@click.command("forget", epilog="Example: rung features forget house_stats:60fe2b3a1c9d8e07")
@click.argument("keys", nargs=-1, required=True, metavar="VIEW:DEFINITION...")
@json_option
def forget(keys: tuple[str, ...], as_json: bool) -> None:
    """Remove definitions from the online store that no revision is served with any more; `show` names what is there."""
    from rung.errors import NotFoundError
    from rung.workspace import find

    with opened(find()) as store:
        known = store.views()
        unknown = [key for key in keys if key not in known]
        if unknown:
            told = f"it has {', '.join(known)}" if known else "it has nothing"
            raise NotFoundError(f"the online store has no {unknown[0]!r}", hint=told)
        for key in keys:
            store.remove(key)
    if as_json:
        print_json({"forgotten": list(keys)})
    else:
        click.echo(f"forgotten: {', '.join(keys)}")


def _progress(name: str, *, is_silent: bool) -> Any:
    """Tell how far a view is, in one line that is written over, on a terminal."""

    def report(written: int, count: int) -> None:
        if not is_silent and sys.stderr.isatty():
            end = "\r" if written < count else "\r" + " " * 60 + "\r"
            click.echo(f"{name}: {written:,} of {count:,} entities", err=True, nl=False)
            click.echo(end, err=True, nl=False)

    return report


def _told(done: dict[str, Any]) -> str:
    versions = _versions(done["datasets"])
    if done["outcome"] == "unchanged":
        return f"{done['view']} is at {versions}: {done['entities']:,} entities"
    if done["outcome"] == "superseded":
        return f"{done['view']}: another materialisation began meanwhile, and goes on"
    skipped = f"; {done['skipped']:,} rows have no entity or no time" if done["skipped"] else ""
    return f"{done['view']} is now at {versions}: {done['written']:,} of {done['entities']:,} entities written{skipped}"


def _listed(service: str, view: FeatureView, state: State) -> dict[str, Any]:
    return {
        "view": view.name,
        "service": service,
        "entity": list(view.entities),
        "features": list(view.features),
        "datasets": [source.name for source in view.sources],
        "definition": view.definition,
        "materialized": _materialized(state),
        "entities": state.entities,
        "time": state.time,
    }


def _shown(view: FeatureView, state: State, others: list[str]) -> dict[str, Any]:
    return {
        **_listed("", view, state),
        "doc": view.doc,
        "time": view.time,
        "ttl_s": None if view.ttl is None else view.ttl.total_seconds(),
        "history": view.history,
        "transform": None if view.transform is None else view.transform.__qualname__,
        "features": [
            {"name": name, "type": one.kind.__name__, "default": _default(one.default), "doc": one.doc}
            for name, one in view.features.items()
        ],
        "other_definitions": [key for key in others if key.partition(":")[0] == view.name],
    }


def _default(default: Any) -> str:
    return "refused" if default is ... else "null" if default is None else str(default)


def _materialized(state: State) -> dict[str, int]:
    return dict(zip(state.datasets, state.versions or (), strict=bool(state.versions)))


def _versions(versions: dict[str, int]) -> str:
    return ", ".join(f"{name}@{number}" for name, number in versions.items())
