"""One version of a dataset: what it holds, where it came from, and the digest of each of its files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from rung.data._names import reference
from rung.errors import IntegrityError

__all__ = ["Facts", "File", "Version", "content_digest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A Parquet file of a version."""

    path: str  # in the dataset's folder
    digest: str  # SHA-256 over all of its bytes, read back from where it lies
    rows: int
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What whoever writes a version says of it."""

    by: str = ""
    source: str | None = None  # as it was given, without secrets
    source_digest: str | None = None  # what tells that a source was the same
    parents: list[str] = field(default_factory=list)  # "sales@3": versions that it was made from
    run: str | None = None  # the training run that wrote it
    watermark: str | None = None  # newest value of the time column, RFC 3339
    quarantined: int = 0  # rows that were refused
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An immutable state of a dataset. Versions count from 1."""

    dataset: str
    number: int
    time: str  # when it was made, RFC 3339, UTC
    by: str
    digest: str  # over the schema and all bytes of all files: equal digests, equal rows
    rows: int
    added: int  # rows that the version before has not
    changed: int  # rows whose key it has, with other values
    removed: int
    quarantined: int  # rows that were refused
    size: int  # bytes
    columns: dict[str, str]  # name -> type, as polars spells it
    source: str | None
    source_digest: str | None
    parents: list[str]
    run: str | None
    watermark: str | None
    note: str
    files: list[File]

    @property
    def ref(self) -> str:
        """As `houses@3`."""
        return reference(self.dataset, self.number)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Version:
        """Read what `to_json` gave."""
        return cls(**{**data, "files": [File(**file) for file in data["files"]]})

    def to_bytes(self) -> bytes:
        """Spell it as its manifest."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Version:
        """Read a manifest.

        Raises:
            IntegrityError: The bytes are none.
        """
        try:
            return cls.from_json(json.loads(data))
        except (ValueError, TypeError, KeyError) as error:
            raise IntegrityError(
                f"{where} is not the manifest of a version ({error})", hint="`rung doctor` tells more"
            ) from error


def content_digest(columns: dict[str, str], files: list[File]) -> str:
    """Hash what a version holds: its columns, in order, and every byte of its files, whatever these are called.

    >>> content_digest({"a": "Int64"}, [])[:14]
    'sha256:18d7409'
    """
    spelled = json.dumps([list(columns.items()), sorted((file.digest, file.rows) for file in files)])
    return f"sha256:{hashlib.sha256(spelled.encode()).hexdigest()}"
