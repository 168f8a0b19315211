"""What the name of a file tells: its format, how it is compressed, columns in its folders. Pure."""

from __future__ import annotations

import glob
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

from rung.errors import CallError

__all__ = ["FILES", "FORMATS", "archive_of", "fixed", "format_of", "is_hidden", "packing_of", "partition_of"]

_SUFFIXES: Final = {
    "csv": "csv",
    "tsv": "csv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "parquet": "parquet",
    "pq": "parquet",
    "arrow": "arrow",
    "feather": "arrow",
    "ipc": "arrow",
    "xlsx": "excel",
    "xlsm": "excel",
    "xlsb": "excel",
    "xls": "excel",
    "ods": "excel",
}
_PACKINGS: Final = frozenset({"gz", "bz2", "xz"})
_ARCHIVES: Final = frozenset({"zip", "tar"})
FILES: Final = "files"
"""No table, whatever the names say: each file is a row."""
FORMATS: Final = (*sorted({*_SUFFIXES.values(), "tsv"}), FILES)
"""What `--format` takes."""


def packing_of(name: str) -> str | None:
    """Tell how a file is compressed.

    >>> packing_of("sales.csv.gz"), packing_of("sales.csv")
    ('gz', None)
    """
    last = PurePosixPath(name).suffix[1:].lower()
    return last if last in _PACKINGS else None


def archive_of(name: str) -> str | None:
    """Tell in what a file holds other files.

    >>> archive_of("photos.zip"), archive_of("photos")
    ('zip', None)
    """
    last = PurePosixPath(name).suffix[1:].lower()
    return last if last in _ARCHIVES else None


def format_of(name: str, given: str | None = None) -> str | None:
    """Tell what a file is; None when its name does not.

    Raises:
        CallError: `given` is no format.

    >>> format_of("sales.csv.gz"), format_of("sales", "tsv"), format_of("README.md")
    ('csv', 'csv', None)
    """
    if given is not None and given not in FORMATS:
        raise CallError(f"{given!r} is no format", hint=f"the formats are {', '.join(FORMATS)}")
    if given is not None:
        return "csv" if given == "tsv" else given
    path = PurePosixPath(name)
    while path.suffix[1:].lower() in _PACKINGS:
        path = path.with_suffix("")
    return _SUFFIXES.get(path.suffix[1:].lower())


def partition_of(path: str) -> dict[str, str]:
    """Give the columns that the folders of a path tell.

    >>> partition_of("year=2026/month=11/a.parquet")
    {'year': '2026', 'month': '11'}
    """
    pairs = [part.partition("=") for part in path.split("/")[:-1]]
    return {name: unquote(value) for name, equals, value in pairs if name and equals}


def is_hidden(path: str, *, marks: str = "._") -> bool:
    """Say whether a part of a path begins with a mark: such files are some program's own.

    >>> is_hidden("year=2026/_SUCCESS"), is_hidden("year=2026/a.csv"), is_hidden("_DSC0001.jpg", marks=".")
    (True, False, False)
    """
    return any(part.startswith(tuple(marks)) for part in path.split("/"))


def fixed(pattern: str) -> str:
    """Give the folder before the first part of a path that is a pattern.

    >>> fixed("sales/2026/*.csv"), fixed("sales/a.csv")
    ('sales/2026', 'sales/a.csv')
    """
    parts = pattern.split("/")
    first = next((number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return "/".join(parts[:first])
