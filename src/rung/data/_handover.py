"""Datasets handed over: a version as one file, or as a folder that another workspace ingests; and read back whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.data._entry import Entry
from rung.data._scratch import scratch
from rung.data.sources import scheme
from rung.errors import CallError, IntegrityError, UnavailableError
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from rung.data._catalogue import Catalogue
    from rung.data._version import Version

__all__ = ["Shared", "described", "export", "hand_over", "verify"]

_DOCUMENT: Final = "_dataset.json"
"""Beside the files that are handed over: what is said of the dataset, and the manifest of the version."""
_WRITERS: Final = {
    ".parquet": "sink_parquet",
    ".csv": "sink_csv",
    ".jsonl": "sink_ndjson",
    ".ndjson": "sink_ndjson",
    ".arrow": "sink_ipc",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What was handed over."""

    place: str  # folder or URL
    files: int
    copied: int  # of them, those that were not there
    size: int  # bytes of all


def export(rows: pl.LazyFrame, target: Path) -> None:
    """Write rows into one file, whole or not at all; its name says as what.

    Raises:
        CallError: Its name does not tell, or a column cannot be written like that.
        UnavailableError: The disk does not take it.
    """
    import polars as pl  # noqa: PLC0415  heavy

    if target.suffix not in _WRITERS:
        raise CallError(f"{target} does not tell what to write", hint=f"end its name with {', '.join(_WRITERS)}")
    unfinished = target.with_name(f".unfinished-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        getattr(rows, _WRITERS[target.suffix])(unfinished)
        unfinished.replace(target)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise CallError(f"{target} cannot hold these rows ({reason})", hint="export them as .parquet") from None
    except OSError as error:
        raise UnavailableError(
            f"{target} cannot be written ({error})", hint="free some space, or choose another"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def hand_over(catalogue: Catalogue, version: Version, place: str) -> Shared:
    """Copy a version to a folder or to `s3://BUCKET/PREFIX`: its files as they are, and what is said of it.

    Files that are there already stay, those of a version that was handed over before go. The description comes before
    anything goes, so whoever finds it finds all files.

    Raises:
        UnavailableError: A place does not answer, or does not take it.
        WorkspaceError: A place refuses.
    """
    target, source = open_objects(place), catalogue.shelf(version.dataset).files
    there = {entry.key: entry.size for entry in target.entries()}
    missing = [file.path for file in version.files if there.get(file.path) != file.size]
    with scratch(catalogue.scratch) as folder:
        for path in missing:
            if not source.download(path, folder / "file"):
                raise IntegrityError(f"{path} of {version.ref} is gone", hint=f"rung data verify {version.ref}")
            target.upload(path, folder / "file")
    before = target.read(_DOCUMENT)
    told = {"entry": catalogue.entry(version.dataset).model_dump(), "version": version.to_json()}
    target.replace(_DOCUMENT, json.dumps(told, indent=1, ensure_ascii=False).encode())
    for path in _files(before) - {file.path for file in version.files}:
        target.delete(path)
    return Shared(place=target.url, files=len(version.files), copied=len(missing), size=version.size)


def described(place: str) -> dict[str, Any] | None:
    """Give what is said of a dataset that was handed over; None where the place is no such folder.

    Raises:
        IntegrityError: It cannot be read.
    """
    is_folder = scheme(place) == "s3" or (scheme(place) is None and Path(place).is_dir())
    data = open_objects(place).read(_DOCUMENT) if is_folder and not has_magic(place) else None
    if data is None:
        return None
    try:
        entry = Entry.model_validate(json.loads(data)["entry"])
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{place}/{_DOCUMENT} cannot be read ({error})", hint="have it shared again") from None
    return entry.model_dump(exclude={"name", "shared_with", "contract"}, exclude_defaults=True)


def _files(document: bytes | None) -> set[str]:
    """Name the files of the version that was handed over before."""
    return set() if document is None else {file["path"] for file in json.loads(document)["version"]["files"]}


def verify(catalogue: Catalogue, version: Version, tell: Callable[[int], None]) -> list[dict[str, Any]]:
    """Read every file of a version back, and compare its digest.

    Returns:
        Files that are not what they were: `path` and `because`; empty when all are.
    """
    files = catalogue.shelf(version.dataset).files
    wrong = []
    for number, file in enumerate(version.files, 1):
        found = files.digest(file.path)
        if found != file.digest:
            because = "it is gone" if found is None else f"its digest is {found}, and was {file.digest}"
            wrong.append({"path": file.path, "because": because})
        tell(number)
    return wrong
