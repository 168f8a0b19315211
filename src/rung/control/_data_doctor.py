"""What `rung doctor` looks at where data lie: whether the lake keeps up, whether datasets are whole and as promised."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from rung.control._finding import Finding
from rung.data import open_catalogue
from rung.data._overview import complete, fresh
from rung.data.profile import Profile
from rung.lake import open_lake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rung.control.place import Place
    from rung.data import Catalogue, Entry, File, Version
    from rung.lake import Condition

_SHIPPED_WITHIN = timedelta(seconds=60)
_MANY_FILES = 256
"""Small files in one partition: eight times as many as upkeep leaves."""
_MANY_COMMITS = 512
"""Since the last checkpoint: sixteen times as many as upkeep leaves."""


def examine_lake(place: Place, now: datetime, *, is_up: bool) -> Iterator[Finding]:
    """Look at the tables of the lake, and at what waits for them."""
    lake = open_lake(place.workspace)
    rows = int(lake.quarantine().select(pl.len()).collect().item())
    behind = list(_behind(lake.condition(), place, now, is_up=is_up))
    yield from behind
    if rows:
        told = f"{rows:,} lines of the log could not be read and lie in quarantine"
        yield Finding(subject="lake", is_well=False, told=told, mend=f"look at {place.lake / 'quarantine'}")
    elif not behind:
        yield Finding(subject="lake", is_well=True, told=f"its tables are read; {lake.count():,} predictions")


def _behind(found: Condition, place: Place, now: datetime, *, is_up: bool) -> Iterator[Finding]:
    mend = f"see shipping_failed and upkeep_failed in {place.log}" if is_up else "rung up --detach"
    since = found.waiting_since
    if is_up and since is not None and now - since > _SHIPPED_WITHIN:
        told = f"{found.waiting:,} bytes of the log are not in its tables, the oldest since {since:%Y-%m-%d %H:%M:%S}"
        yield Finding(subject="lake", is_well=False, told=told, mend=mend)
    if found.small_files > _MANY_FILES:
        told = f"a day has {found.small_files:,} small files that nobody joined: reading it is slow"
        yield Finding(subject="lake", is_well=False, told=told, mend=mend)
    if found.commits > _MANY_COMMITS:
        told = f"a table has {found.commits:,} commits since its last checkpoint: appending to it is slow"
        yield Finding(subject="lake", is_well=False, told=told, mend=mend)


def examine_datasets(place: Place, now: datetime, *, deep: bool) -> Iterator[Finding]:
    """Look whether the files of all versions are there, and whether producers keep their promises.

    Args:
        place: The workspace's folders.
        now: The present.
        deep: Read every file, and hold it against its digest; else against its size.
    """
    catalogue = open_catalogue(place.workspace)
    names = catalogue.names()
    found = [finding for name in names for finding in _dataset(catalogue, name, now, deep=deep)]
    yield from found
    if names and not found:
        how = "as they were written" if deep else "of the size that they had; --deep reads them"
        yield Finding(subject="datasets", is_well=True, told=f"all files of {len(names):,} datasets are there, {how}")


def _dataset(catalogue: Catalogue, name: str, now: datetime, *, deep: bool) -> Iterator[Finding]:
    entry, versions = catalogue.entry(name), catalogue.versions(name)
    yield from _damage(catalogue, name, versions, deep=deep)
    if versions:
        yield from _promises(catalogue, entry, versions[-1], now)


def _damage(catalogue: Catalogue, name: str, versions: list[Version], *, deep: bool) -> Iterator[Finding]:
    files: dict[str, tuple[File, list[int]]] = {}
    for version in versions:
        for file in version.files:
            files.setdefault(file.path, (file, []))[1].append(version.number)
    objects = catalogue.shelf(name).files
    for file, numbers in files.values():
        size = objects.size(file.path)
        told = None
        if size is None:
            told = "is gone"
        elif size != file.size:
            told = f"has {size:,} bytes, not {file.size:,}"
        elif deep and objects.digest(file.path) != file.digest:
            told = "is not what was written"
        if told is not None:
            wanted = f"{name}@{numbers[0]}" if len(numbers) == 1 else f"{name}@{numbers[0]} to @{numbers[-1]}"
            yield Finding(
                subject=f"dataset {name}",
                is_well=False,
                told=f"{file.path} {told}; {wanted} cannot be read whole",
                mend=f"rung restore, or `rung data ingest` {name} again from its source",
            )


def _promises(catalogue: Catalogue, entry: Entry, newest: Version, now: datetime) -> Iterator[Finding]:
    """Hold the producer to what was promised; completeness by the statistics that were made at ingest."""
    subject, mend = (
        f"dataset {entry.name}",
        f"ask {entry.owner or 'its producer'}, or `rung data annotate {entry.name}`",
    )
    age = fresh(entry, newest, now)
    if age is not None and not age.is_kept:
        told = f"its newest version is {timedelta(seconds=round(age.is_now))} old, "
        told += f"and one was promised every {timedelta(seconds=round(age.promised))}"
        yield Finding(subject=subject, is_well=False, told=told, mend=mend)
    kept = catalogue.kept(entry.name, newest.number, "profile")
    share = complete(entry, Profile.from_json(kept)) if kept is not None else None
    if share is not None and not share.is_kept:
        told = f"{share.is_now:.2%} of the values of {newest.ref} are there, and {share.promised:.2%} were promised"
        yield Finding(subject=subject, is_well=False, told=told, mend=mend)
