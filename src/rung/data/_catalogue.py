"""The catalogue: all datasets of a workspace in one place, wherever their files lie.

| below the root | what |
|---|---|
| `_catalogue/NAME.json` | the entry: what people say of a dataset |
| `NAME/` | its Delta table: Parquet files and `_delta_log/` |
| `NAME/_rung/versions/00000001.json` | the manifest of a version; never changed |
| `NAME/_rung/kept/00000001/WHAT.json` | documents of a version, as its statistics |
| `NAME/_rung/forgotten/00000001.json` | when and why a version was removed |
| `NAME/_rung/quarantine/` | Parquet files of rows that were refused |
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rung.data._entry import Entry
from rung.data._names import check_dataset_name, reference
from rung.data._shelf import Shelf
from rung.data._version import Facts
from rung.errors import CallError, IntegrityError, NotFoundError
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from rung.data._version import Version
    from rung.data._write import How
    from rung.workspace import Workspace

__all__ = ["Catalogue", "open_catalogue"]

ROOT: Final = "RUNG_DATASETS"
"""Variable that names the root for processes whose workspace is a copy of another one."""


class Catalogue:
    """The datasets below one folder or URI. Any number of processes may read and write."""

    def __init__(self, root: str | Path, *, locks: str | Path | None = None) -> None:
        """Name the places; nothing is made or read yet.

        Args:
            root: Folder, or URI of an object store.
            locks: Folder on this machine for the locks of writers; None: in a root on this machine.
        """
        self.root = str(root).rstrip("/")
        self._locks = Path(locks) if locks is not None else Path(self.root) / "_catalogue"
        self._entries = open_objects(f"{self.root}/_catalogue")

    def names(self) -> list[str]:
        """Name all datasets, sorted."""
        found = (entry.key for entry in self._entries.entries())
        return sorted(key.removesuffix(".json") for key in found if key.endswith(".json"))

    def has(self, name: str) -> bool:
        """Say whether there is a dataset of that name."""
        return self._entries.size(f"{check_dataset_name(name)}.json") is not None

    def shelf(self, name: str) -> Shelf:
        """Tell where a dataset lies, whether or not it is there."""
        return Shelf(root=self.root, name=check_dataset_name(name))

    def entry(self, name: str) -> Entry:
        """Give what people say of a dataset.

        Raises:
            NotFoundError: There is none of that name.
            IntegrityError: Its entry cannot be read.
        """
        data = self._entries.read(f"{check_dataset_name(name)}.json")
        if data is None:
            known = self.names()
            raise NotFoundError(
                f"there is no dataset {name!r} in {self.root}",
                hint=f"the datasets are {', '.join(known)}"
                if known
                else f"`rung data ingest SOURCE --name {name}` makes it",
            )
        try:
            return Entry.model_validate_json(data)
        except ValidationError as error:
            raise IntegrityError(f"the entry of {name!r} cannot be read ({error.errors()[0]['msg']})") from error

    def annotate(self, name: str, **changes: Any) -> Entry:
        """Change what is said of a dataset; fields as `Entry` has them.

        Raises:
            NotFoundError: There is none of that name.
            CallError: A field is not known, or has a value that it cannot have.
        """
        with self._writing(name):
            return self._say(self.entry(name), changes)

    def declare(self, name: str, **said: Any) -> Entry:
        """As `annotate`, of a dataset that may not be there yet.

        Raises:
            CallError: A field is not known, or has a value that it cannot have.
        """
        with self._writing(name):
            return self._say(self.entry(name) if self.has(name) else Entry(name=name), said)

    def versions(self, name: str) -> list[Version]:
        """Give all versions that are kept, the oldest first.

        Raises:
            NotFoundError: There is no such dataset.
        """
        shelf = self.shelf(name)
        found = [version for number in shelf.numbers() if (version := shelf.read(number)) is not None]
        if not found:
            self.entry(name)
        return found

    def version(self, name: str, number: int | None = None, *, as_of: datetime | None = None) -> Version:
        """Give one version: the newest, the one of that number, or the one that was newest at an instant.

        Raises:
            NotFoundError: There is none.
            CallError: Both are given, or the instant has no time zone.
        """
        shelf = self.shelf(name)
        if as_of is not None:
            return self._as_of(name, number, as_of)
        found = shelf.newest() if number is None else shelf.read(number)
        if found is not None:
            return found
        self.entry(name)
        raise _no_version(shelf, number or 1)

    def scan(self, version: Version) -> pl.LazyFrame:
        """Give the rows of a version, lazily."""
        from rung.data._scan import scan  # noqa: PLC0415  polars comes with the first rows

        return scan(self.shelf(version.dataset), version)

    def write(
        self,
        name: str,
        rows: pl.LazyFrame | pl.DataFrame,
        *,
        how: How,
        facts: Facts | None = None,
        onto: int | None = None,
    ) -> Version | None:
        """Make a version of a dataset, and the dataset when there is none of that name.

        Args:
            name: Of the dataset.
            rows: Of any size: they are streamed, unless `how` has a key.
            how: `Append()`, `Replace()` or `Upsert(key=...)`.
            facts: What the version is to say of itself.
            onto: Number of the version that the rows were chosen by, 0 where there was none; None: they go onto any.

        Returns:
            The version; None when there is nothing new.

        Raises:
            SchemaError: The rows do not go with the dataset's columns.
            CallError: A key is missing or null.
            ConflictError: Another version came since `onto`, or a writer on another machine changed the same rows.
            UnavailableError: The disk or the store does not take it. What was there is unchanged.
        """
        from rung.data._write import write  # noqa: PLC0415  polars and deltalake come with the first rows

        with self._writing(name):
            version = write(self.shelf(name), rows.lazy(), how, facts or Facts(), onto=onto)
            if version is not None and not self.has(name):
                self._say(Entry(name=name), {})
            return version

    def forget(self, name: str, number: int, *, because: str) -> None:
        """Remove a version that must not be kept, with all that only it needs; its number is never used again.

        Raises:
            NotFoundError: There is no such version.
            ConflictError: It is the newest one.
        """
        from rung.data._forget import forget  # noqa: PLC0415  it is rarely asked for

        with self._writing(name):
            forget(self.shelf(name), number, because=because)

    def forgotten(self, name: str, number: int) -> dict[str, Any] | None:
        """Give when and why a version was forgotten; None when it was not."""
        from rung.data._forget import stone  # noqa: PLC0415  it is rarely asked for

        return stone(self.shelf(name), number)

    def keep(self, name: str, number: int, what: str, document: dict[str, Any]) -> None:
        """Keep a document with a version, as its statistics; one that is there is replaced."""
        data = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
        self.shelf(name).objects.replace(_kept(number, what), data)

    def kept(self, name: str, number: int, what: str) -> dict[str, Any] | None:
        """Give a document of a version; None when there is none."""
        data = self.shelf(name).objects.read(_kept(number, what))
        return None if data is None else dict(json.loads(data))

    def add_quarantine(self, name: str, rows: pl.DataFrame) -> None:
        """Keep rows that were refused, with their source, row, reason and content; the same rows are kept once."""
        from rung.data._quarantine import add  # noqa: PLC0415  polars comes with the first rows

        add(self.shelf(name), rows)

    def quarantine(self, name: str) -> pl.LazyFrame:
        """Give all rows that were refused, with their source, row, reason, content and time.

        Raises:
            NotFoundError: There is no such dataset.
        """
        from rung.data._quarantine import scan  # noqa: PLC0415  polars comes with the first rows

        self.entry(name)
        return scan(self.shelf(name))

    @property
    def scratch(self) -> Path:
        """Folder on this machine for what is under way."""
        return self._locks / "under-way"

    def still(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Keep the writers of this machine waiting for as long as a block lasts: a backup looks at one moment."""
        return self._writing(name)

    def _as_of(self, name: str, number: int | None, as_of: datetime) -> Version:
        if number is not None:
            raise CallError("a version and an instant are both given", hint="give one of them")
        if as_of.tzinfo is None:
            raise CallError(f"{as_of} has no time zone", hint="give an instant, as 2026-11-21T12:00:00+00:00")
        versions = self.versions(name)
        at = as_of.astimezone(UTC)
        found = [version for version in versions if datetime.fromisoformat(version.time) <= at]
        if not found:
            first = f"its first version is of {versions[0].time}" if versions else "nothing was written to it yet"
            raise NotFoundError(f"{name!r} had no version at {as_of.isoformat()}", hint=first)
        return found[-1]

    def _say(self, entry: Entry, changes: dict[str, Any]) -> Entry:
        try:
            changed = Entry.model_validate({**entry.model_dump(), **changes, "name": entry.name})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise CallError(f"{where} of {entry.name!r}: {first['msg']}", hint="nothing was changed") from None
        self._entries.replace(f"{entry.name}.json", changed.model_dump_json(indent=1).encode())
        return changed

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """Wait until no other process of this machine writes the dataset, and keep others waiting."""
        check_dataset_name(name)
        self._locks.mkdir(parents=True, exist_ok=True)
        with (self._locks / f"{name}.lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def open_catalogue(workspace: Workspace) -> Catalogue:
    """Open the catalogue of a workspace: in its storage, where there is one.

    The variable `RUNG_DATASETS` names another root, for trainings of the platform.
    """
    root = os.environ.get(ROOT) or f"{workspace.lake()}/datasets"
    return Catalogue(root, locks=workspace.state / "lake" / "locks")


def _no_version(shelf: Shelf, number: int) -> NotFoundError:
    from rung.data._forget import stone  # noqa: PLC0415  it is rarely asked for

    if (forgotten := stone(shelf, number)) is not None:
        told = f"it was forgotten on {forgotten['time'][:10]}: {forgotten['because']}"
    else:
        kept = shelf.numbers()
        told = f"it has {kept[0]} to {kept[-1]}" if kept else "nothing was written to it yet"
    return NotFoundError(f"there is no version {reference(shelf.name, number)}", hint=told)


def _kept(number: int, what: str) -> str:
    return f"kept/{number:08}/{what}.json"
