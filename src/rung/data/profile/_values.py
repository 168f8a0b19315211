"""Statistics as values: what `profile` measures, `compare` compares and a version keeps as JSON. Pure.

Everything in them can be added up (`_add`), so that parts of a dataset, or days of production, are measured once.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from rung.data.profile._bins import Bin
from rung.data.profile._distinct import Distinct
from rung.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SHARES", "Column", "Correlation", "Kind", "Numbers", "Profile", "Values"]

Kind: TypeAlias = Literal["number", "date", "moment", "duration", "text", "truth", "list", "binary", "other"]
"""What is measured of a column. Dates count in days since 1970, moments in seconds since then, in UTC, durations and
times of the day in seconds."""

SHARES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Of the values that lie below a quantile."""

_VERSION: Final = 1
"""Of the JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How numbers are distributed: a column's own, or lengths of its texts, lists or bytes."""

    finite: int  # how many there are; what follows is of these
    nan: int
    infinite: int
    zeros: int
    negative: int
    low: float | None  # exact, a whole number where the column's are; None without any
    high: float | None
    mean: float | None  # None without any, or where the sum is no float
    deviation: float | None  # standard deviation of a sample; None below two
    quantiles: tuple[float, ...]  # one for each of SHARES; empty without any
    is_exact: bool  # the quantiles are; else they are read off the bins
    bins: tuple[Bin, ...]  # from low to high

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        bins = [[one.low, one.high, one.count] for one in self.bins]
        return {name: getattr(self, name) for name in Numbers.__slots__} | {"bins": bins}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Numbers:
        """Read what `to_json` gave."""
        bins = tuple(Bin(*one) for one in data["bins"])
        return cls(**{**data, "quantiles": tuple(data["quantiles"]), "bins": bins})

    @property
    def median(self) -> float | None:
        """The value in the middle."""
        return self.quantiles[SHARES.index(0.5)] if self.quantiles else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The most frequent values."""

    common: tuple[tuple[str, int], ...]  # with how often they occur, the most frequent first
    is_complete: bool  # these are all; else counts of parts may lack what was rare in one of them

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {"common": [list(one) for one in self.common], "is_complete": self.is_complete}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Values:
        """Read what `to_json` gave."""
        common = tuple((value, count) for value, count in data["common"])
        return cls(common=common, is_complete=data["is_complete"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one column holds."""

    kind: Kind
    dtype: str  # of polars, spelled out
    nulls: int
    blank: int = 0  # texts of nothing, or of nothing but white space
    distinct: Distinct | None = None  # None where values are not compared: lists, bytes, what is nested
    numbers: Numbers | None = None  # texts, lists and bytes: of their lengths, in characters, items and bytes
    values: Values | None = None  # texts and truths

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        parts = {name: getattr(self, name) for name in ("distinct", "numbers", "values")}
        made = {name: None if part is None else part.to_json() for name, part in parts.items()}
        return {"kind": self.kind, "dtype": self.dtype, "nulls": self.nulls, "blank": self.blank, **made}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        """Read what `to_json` gave."""
        kinds: dict[str, Any] = {"distinct": Distinct, "numbers": Numbers, "values": Values}
        parts = {name: data[name] and kind.from_json(data[name]) for name, kind in kinds.items()}
        return cls(**{**data, **parts})


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """How two columns of numbers go together."""

    one: str
    other: str
    r: float  # Pearson's, -1 to 1, of the rows where both are finite numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The statistics of the rows of a dataset's version, or of any others."""

    rows: int
    columns: dict[str, Column]  # in their order
    correlations: tuple[Correlation, ...] = ()  # of the first columns of numbers, where neither is constant
    key: tuple[str, ...] = ()  # columns that should tell rows apart; empty when none were named
    repeated: int | None = None  # rows whose key an earlier row has; None without a key, and where parts were added

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data, without nan."""
        return {
            "version": _VERSION,
            "rows": self.rows,
            "columns": {name: column.to_json() for name, column in self.columns.items()},
            "correlations": [asdict(one) for one in self.correlations],
            "key": list(self.key),
            "repeated": self.repeated,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """Read what `to_json` gave.

        Raises:
            SchemaError: It was written by a newer Rung.
        """
        if data["version"] != _VERSION:
            raise SchemaError(
                f"these statistics are of version {data['version']}, and {_VERSION} can be read",
                hint="use the Rung that wrote them, or have them made anew",
            )
        return cls(
            rows=data["rows"],
            columns={name: Column.from_json(column) for name, column in data["columns"].items()},
            correlations=tuple(Correlation(**one) for one in data["correlations"]),
            key=tuple(data["key"]),
            repeated=data["repeated"],
        )


def finite(value: float | None) -> float | None:
    """Give a number that JSON has, or None."""
    return value if value is not None and math.isfinite(value) else None
