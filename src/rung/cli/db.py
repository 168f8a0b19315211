"""`rung db`."""

from __future__ import annotations

import fcntl
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import json_option, print_json, table
from rung.errors import ConflictError, IntegrityError
from rung.workspace import Workspace, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.registry import Dump, Migration, Registry


@click.group(epilog="Example: rung db check")
def command() -> None:
    """Check the registry's database, move its schema, write it to a file, copy it to another database."""


@command.command("check", epilog="Example: rung db check --json")
@json_option
def check(as_json: bool) -> None:
    """Hold the database against what this Rung expects, and have it look for damage; changes nothing.

    Ends with exit status 4 when something is wrong.
    """
    with _opened(find()) as registry:
        found = registry.check()
    if as_json:
        print_json(asdict(found))
    else:
        click.echo(f"{found.backend}  {found.where}")
        click.echo(f"schema {found.version}, newest {found.head}; {sum(found.rows.values()):,} rows")
        for problem in found.problems:
            click.echo(problem)
    if found.problems:
        raise SystemExit(IntegrityError.exit_code)
    if not as_json:
        click.echo("nothing is wrong")


@command.command("upgrade", epilog="Example: rung db upgrade")
@json_option
def upgrade(as_json: bool) -> None:
    """Bring the schema to the newest version; the registry as it was is kept first.

    Every command does so by itself when it opens an older registry.
    """
    with _opened(find()) as registry, _nobody_leads(registry):
        _tell(registry.upgrade(), as_json=as_json)


@command.command("downgrade", epilog="Example: rung db downgrade 0002")
@click.argument("revision", default="-1")
@json_option
def downgrade(revision: str, as_json: bool) -> None:
    """Bring the schema back to an earlier version, by default by one; the registry as it was is kept first.

    For going back to an older Rung: this one brings it forward again at once.
    """
    with _opened(find()) as registry, _nobody_leads(registry):
        _tell(registry.downgrade(revision), as_json=as_json)


@command.command("dump", epilog="Example: rung db dump registry.jsonl")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def dump(path: Path, as_json: bool) -> None:
    """Write the whole registry to a file, as it is now, while everything runs."""
    if path.exists():
        raise ConflictError(f"{path} exists", hint="name another file")
    with _opened(find()) as registry:
        _tell_dump("wrote", path, registry.dump(path), as_json=as_json)


@command.command("load", epilog="Example: rung db load .rung/backups/registry-0002-20261121T191138.jsonl")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def load(path: Path, as_json: bool) -> None:
    """Fill an empty registry from a file that `rung db dump`, an upgrade or a downgrade wrote."""
    with _opened(find(), upgrades=True) as registry, _nobody_leads(registry):
        _tell_dump("loaded", path, registry.load(path), as_json=as_json)


@command.command("copy", epilog="Example: rung db copy --to postgresql://rung@db.example.org/shop")
@click.option("--to", "target", required=True, metavar="URL", help="An empty PostgreSQL database, or `sqlite`.")
@json_option
def copy(target: str, as_json: bool) -> None:
    """Copy the registry into an empty database of the other kind; this one stays as it is.

    Then set `registry` in rung.toml to that URL. Keep the password in ~/.pgpass: arguments can be read by others.
    """
    from rung.registry import open_registry

    workspace = find()
    url = None if target == "sqlite" else target
    with _opened(workspace, upgrades=True) as source, open_registry(workspace.state, url) as copied:
        if source.backend.where == copied.backend.where:
            raise ConflictError(f"the registry is {copied.backend.where} already", hint="name another database")
        with _nobody_leads(source), tempfile.TemporaryDirectory(dir=workspace.state) as folder:
            path = Path(folder) / "registry.jsonl"
            source.dump(path)
            done = copied.load(path)
        _tell_dump("copied", copied.backend.where, done, as_json=as_json)


@contextmanager
def _opened(workspace: Workspace, *, upgrades: bool = False) -> Iterator[Registry]:
    from rung.registry import open_registry

    with open_registry(workspace.state, workspace.registry_url(), upgrades=upgrades) as registry:
        yield registry


@contextmanager
def _nobody_leads(registry: Registry) -> Iterator[None]:
    """Refuse to pull a registry from under a control plane that runs, and keep one from starting meanwhile.

    Raises:
        ConflictError: One runs.
    """
    running = ConflictError(f"a control plane runs on {registry.backend.where}", hint="stop it first: `rung down`")
    if registry.is_shared:
        if registry.version() is not None and registry.is_led():
            raise running
        yield
        return
    with (Path(registry.backend.where).parent / "control.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise running from None
        yield


def _tell(done: Migration, *, as_json: bool) -> None:
    backup = None if done.backup is None else str(done.backup)
    if as_json:
        print_json({"before": done.before, "after": done.after, "backup": backup})
    elif done.before == done.after:
        click.echo(f"the schema is {done.after} already")
    else:
        click.echo(f"the schema was {done.before} and is {done.after}")
        click.echo(f"as it was: {backup}" if backup else "it had no rows, so nothing was kept")


def _tell_dump(done: str, where: Any, found: Dump, *, as_json: bool) -> None:
    if as_json:
        print_json({"schema": found.schema, "rows": dict(found.rows), "digest": found.digest, "where": str(where)})
        return
    table([[name, f"{count:,}"] for name, count in found.rows.items() if count], ["TABLE", "ROWS"])
    click.echo(f"{done} {where}: schema {found.schema}, {found.digest}")
