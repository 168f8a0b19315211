"""Any source -> a new version of a dataset. `rung data ingest` and authors call it.

What lies elsewhere is brought to this machine and hashed; what is known by its content is passed over; the rest is
read, held against the dataset's columns and contract, and written in one step. In this order, so that a process that is
killed leaves the former version, and the same call again completes it: rows that were refused, what is remembered of
the dataset, the version, its statistics.
"""

from __future__ import annotations

import getpass
import importlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Required, TypedDict, Unpack

from rung.data._catalogue import Catalogue, open_catalogue
from rung.data._entry import Entry
from rung.data._handover import described
from rung.data._ingest.gather import brought
from rung.data._ingest.plan import Mode, Wanted, settle
from rung.data._ingest.run import MovedError, Task, once
from rung.data._ingest.told import told
from rung.data._names import check_dataset_name
from rung.data._scratch import scratch
from rung.data._statistics import summarise
from rung.data.sources import FILES, Asked, Tell, find_any, public, silent
from rung.errors import CallError, WorkspaceError
from rung.workspace import find as find_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from rung.data._ingest.result import Ingested

__all__ = ["Options", "ingest"]

_ATTEMPTS: Final = 20
_LONGEST: Final = 2_000  # characters of what a version says of its source


class Options(TypedDict, total=False):
    """What `ingest` takes beside the source."""

    name: Required[str]
    """The dataset's."""
    catalogue: Catalogue
    """By default that of the workspace in which this runs."""
    format: str
    """Of files whose names do not tell, as `csv`; `files` makes a row of each, whatever it is."""
    query: str
    """SQL, of a database."""
    sheet: str
    """Of a workbook with several."""
    separator: str
    """Of a CSV; by default as its first line tells."""
    encoding: str
    """Of a text; by default UTF-8."""
    nulls: Sequence[str]
    """Words of a CSV that stand for no value, beside the empty one."""
    key: Sequence[str]
    """Columns that tell rows apart; remembered."""
    time: str
    """Column that tells when a row came to be; remembered."""
    contract: str
    """`module:Model`, what each row must be; remembered."""
    mode: str
    """`append`, `newer`, `upsert` or `replace`; by default as key and time ask for."""
    owner: str
    """Whom to ask about the dataset; remembered."""
    note: str
    """What is to be said of the version."""
    max_bad: float
    """Share of the rows that may be refused, 0.1 by default; with more the ingest is refused as a whole."""
    late: bool
    """Rows that are older than the newest that is there, and not there, go in too."""
    evolve: bool
    """Columns may come, and be missing."""
    dry_run: bool
    """Write nothing; tell what would be taken."""
    by: str
    """Who ingests; by default the user of this process."""
    tell: Tell
    """Takes how far it is."""


def ingest(source: str | Sequence[str], **options: Unpack[Options]) -> Ingested:
    """Make a new version of a dataset from files, folders, archives, globs, URLs or a database.

    Where none of the files is a table, as with images or texts, each is a row: path, size, sha256, modified, content.

    The same again makes nothing twice: rows are told apart by the key, by the time, or files by their content. An
    ingest that is killed leaves the former version; the same call completes it.

    Args:
        source: A path, a folder, an archive, a glob, a URL, or several.
        **options: `name` of the dataset, and what `Options` has.

    Returns:
        What was done.

    Raises:
        NotFoundError: There is no such source.
        ConflictError: What is asked contradicts what is remembered of the dataset, or the source has other columns.
        CallError: The source cannot be read, or too many of its rows are refused.
        SchemaError: A column has a type that cannot become the dataset's.
        UnavailableError: A place that is asked does not answer. What was there is unchanged.

    Example:
        `ingest("sales/*.csv", name="houses", key=["id"])`
    """
    began = time.monotonic()
    name = check_dataset_name(options["name"])
    catalogue = options.get("catalogue") or open_catalogue(find_workspace())
    wanted, asked = _wanted(options), _asked(options)
    entry = catalogue.entry(name) if catalogue.has(name) else None
    sources = [source] if isinstance(source, str) else list(source)
    if not sources:
        raise CallError("there is no source", hint="give a path, a folder, a glob or a URL")
    said = described(sources[0]) if len(sources) == 1 else None
    if said is not None and wanted.mode is None:  # a whole version, not what is new in it
        wanted = replace(wanted, mode=Mode.REPLACE)
    found = find_any(sources, asked)
    if not wanted.key and all(piece.format == FILES for piece in found.pieces):
        said = said or {"key": ["path"]}
    settled = settle(name, entry or Entry(name=name, **(said or {})), wanted)
    model = None if settled.contract is None else _model(settled.contract)
    tell = options.get("tell", silent)
    with scratch(catalogue.scratch) as folder:
        task = Task(
            catalogue=catalogue,
            name=name,
            source=" ".join([*map(public, sources), *(options.get("query", "").split())])[:_LONGEST],
            asked=asked,
            wanted=wanted,
            settled=settled,
            pieces=[brought(piece, folder / f"{number:06}", tell) for number, piece in enumerate(found.pieces)],
            model=model,
            folder=folder,
            described=said or {},
            by=options.get("by") or _user(),
            is_dry=options.get("dry_run", False),
            tell=tell,
        )
        done = told(task, _tried)
    if not task.is_dry:
        summarise(catalogue, name, tell)
    return replace(done, passed_over=found.passed_over, files=found.files, seconds=time.monotonic() - began)


def _tried(task: Task) -> Ingested:
    """Do it; from the beginning when another version came meanwhile."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            return once(task)
        except MovedError:
            time.sleep(0.05 * attempt)
    return once(task)


def _asked(options: Options) -> Asked:
    separator = options.get("separator") or ("\t" if options.get("format") == "tsv" else None)
    separator = "\t" if separator == "\\t" else separator  # as a shell hands it on
    if separator is not None and (len(separator) != 1 or not separator.isascii()):
        raise CallError(f"{separator!r} is no separator", hint="give one character, as ';'")
    return Asked(
        format=options.get("format"),
        query=options.get("query"),
        sheet=options.get("sheet"),
        separator=separator,
        encoding=options.get("encoding"),
        nulls=tuple(options.get("nulls", ())),
    )


def _wanted(options: Options) -> Wanted:
    mode, max_bad, key = options.get("mode"), options.get("max_bad", 0.1), options.get("key", ())
    if mode is not None and mode not in set(Mode):
        raise CallError(f"{mode!r} is no mode", hint=f"the modes are {', '.join(Mode)}")
    if not 0 <= max_bad <= 1:
        raise CallError(f"max_bad is {max_bad}", hint="it is a share, from 0 to 1")
    return Wanted(
        key=(key,) if isinstance(key, str) else tuple(key),
        time=options.get("time"),
        contract=options.get("contract"),
        mode=None if mode is None else Mode(mode),
        owner=options.get("owner"),
        note=options.get("note", ""),
        max_bad=max_bad,
        late=options.get("late", False),
        evolve=options.get("evolve", False),
    )


def _model(contract: str) -> type[BaseModel]:
    """Import a contract, as `experiments.housing.schema.data:House`.

    Raises:
        CallError: It is not there, or no Pydantic model.
    """
    from pydantic import BaseModel  # noqa: PLC0415  only where there is a contract

    module, _, attribute = contract.partition(":")
    hint = "name a Pydantic model, as --contract experiments.housing.schema.data:House"
    root = _root()
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        model = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise CallError(f"the contract {contract!r} is not there ({error})", hint=hint) from error
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise CallError(f"the contract {contract!r} is no Pydantic model", hint=hint)
    return model


def _root() -> str:
    """Tell where the author's packages are."""
    try:
        return str(find_workspace().root)
    except WorkspaceError:
        return str(Path.cwd())


def _user() -> str:
    try:
        return os.environ.get("RUNG_USER") or getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"
