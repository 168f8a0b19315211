"""What a batch is asked to do, and what tells it apart from any other: only the same one is gone on with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rung.data.sources import Asked
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PARQUET", "Order"]

PARQUET: Final = ".parquet"
_LINES: Final = frozenset({".ndjson", ".jsonl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One batch."""

    inputs: Sequence[str]  # files, folders, globs, URLs, or "dataset:NAME", "dataset:NAME@3"
    output: str  # a path, or "s3://bucket/key"; its suffix says the format
    route: str = "predict"
    parameters: Mapping[str, Any] | None = None  # shared by all rows; None: the service's defaults
    keep: Sequence[str] = ()  # columns of the input that are written too; without: those that are no field
    rows: int | None = None  # instances in one call of a handler; None: as many as a request may have
    workers: int | None = None  # processes; None: as many as its server has
    reading: Asked = field(default_factory=Asked)  # how the inputs are read

    @property
    def suffix(self) -> str:
        """The format of the output.

        Raises:
            CallError: It is not known.
        """
        for known in (PARQUET, *sorted(_LINES)):
            if self.output.endswith(known):
                return known
        raise CallError(
            f"{self.output} does not tell its format", hint="let it end in .parquet, or in .ndjson for lines of JSON"
        )

    @property
    def errors(self) -> str:
        """Where rows without a prediction go: beside the output."""
        return f"{self.output}.errors.ndjson"


def digest_of(*parts: Any) -> str:
    """Tell values apart: 20 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]
