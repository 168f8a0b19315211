"""`FeatureView`: features of an entity, defined once in a service's `features.py`, for training and for serving."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import json
import math
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from rung.closure import Closures
from rung.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl
    from pydantic import BaseModel

    from rung.data import Dataset

__all__ = ["Feature", "FeatureView"]

KINDS: Final = (bool, int, float, str, date, datetime)
"""Types that a feature may have. A float is finite: NaN and infinity count as missing."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LAYOUT: Final = 1
"""Counts up when the online store spells entries in another way, so that no reader meets the old one."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its type, and what stands for a value that is missing.

    >>> Feature(float, default=0.0, doc="share of the rooms that are bedrooms").is_required
    False
    """

    kind: type  # bool, int, float, str, datetime.date or datetime.datetime (an instant, in UTC)
    default: Any = field(default=..., kw_only=True)  # ...: required, serving refuses an instance without it; None: null
    doc: str = field(default="", kw_only=True)

    @property
    def is_required(self) -> bool:
        """Nothing stands for a value that is missing."""
        return self.default is ...


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureView:
    """Features of one entity as they change in time. Training joins them, serving fetches them, by one definition.

    The value at an instant is that of the newest row at or before it. Of several rows of one entity and instant the
    last one counts, in the order of the dataset.

    Raises:
        SchemaError: A part of it does not go with the others.
    """

    name: str
    entity: str | Sequence[str]
    """Column that says whose row it is, or several that do so together: whole numbers or text."""
    source: Dataset | Sequence[Dataset]
    time: str
    """Column with the instant from which a row is known; dates count from midnight, in UTC."""
    features: Mapping[str, Feature]
    ttl: timedelta | None = None
    """Age beyond which a row counts as missing; None: it stays."""
    transform: Callable[..., pl.LazyFrame] | None = None
    """Takes a lazy frame of each source, and gives one with the columns above. What a row holds must have been known at
    its time: that is the one thing that a join cannot see."""
    history: int | None = 1
    """Rows of each entity that the online store keeps, the newest ones; None: all. More than one is needed where
    instances bring an instant of their own."""
    contract: type[BaseModel] | None = None
    """What the features of an entity must be, as a Pydantic model whose fields are features: held where training joins
    them, and with each batch that is served. Values that are missing, and for which nothing stands, are not held."""
    doc: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SchemaError(f"a view is called {self.name!r}", hint="begin with a letter: a-z, 0-9 and _, at most 63")
        self._check_columns()
        for name, feature in self.features.items():
            _check_feature(f"{self.name}.{name}", feature)
        if self.ttl is not None and self.ttl <= timedelta(0):
            raise SchemaError(f"the ttl of {self.name} is {self.ttl}", hint="give more than nothing, or leave it away")
        if self.history is not None and self.history < 1:
            raise SchemaError(
                f"the history of {self.name} is {self.history}", hint="keep at least one row, or None: all"
            )
        unknown = sorted(getattr(self.contract, "model_fields", {}).keys() - self.features.keys())
        if unknown:
            raise SchemaError(
                f"the contract of {self.name} has the field {unknown[0]!r}", hint="its fields are features of the view"
            )
        self._check_transform()

    @property
    def entities(self) -> tuple[str, ...]:
        """The columns that name the entity."""
        return (self.entity,) if isinstance(self.entity, str) else tuple(self.entity)

    @property
    def sources(self) -> tuple[Dataset, ...]:
        """The datasets that it is made from."""
        found: Any = self.source
        return tuple(found) if isinstance(found, list | tuple) else (found,)

    @property
    def ttl_us(self) -> int | None:
        """The time to live in microseconds."""
        return None if self.ttl is None else self.ttl // timedelta(microseconds=1)

    @property
    def defaults(self) -> dict[str, Any]:
        """What stands for a missing value, by feature; None also where nothing does."""
        return {name: _default(feature) for name, feature in self.features.items()}

    @cached_property
    def definition(self) -> str:
        """Digest of all that its values depend on but the data: views that differ in it never share a value."""
        spelled = {
            "layout": _LAYOUT,
            "entity": self.entities,
            "sources": [[source.name, source.asked_version, str(source.asked_as_of)] for source in self.sources],
            "time": self.time,
            "ttl_us": self.ttl_us,
            "features": [[name, one.kind.__name__, _spelled(one)] for name, one in self.features.items()],
            "transform": None if self.transform is None else _code(self.transform),
            "history": self.history,
        }
        return hashlib.sha256(json.dumps(spelled).encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """Name of its place in an online store."""
        return f"{self.name}:{self.definition}"

    def join(self, spine: Any, *, at: str = "time") -> Any:
        """Give each row of a frame the features as they were at its instant; see `rung.features.join`."""
        from rung.features._join import join  # noqa: PLC0415  polars comes with the first join

        return join(spine, [self], at=at)

    def __repr__(self) -> str:
        return f"FeatureView({self.name!r})"

    def _check_columns(self) -> None:
        if not self.features or not self.entities or not self.sources:
            raise SchemaError(
                f"the view {self.name} has {len(self.features)} features, {len(self.entities)} columns that name the "
                f"entity, and {len(self.sources)} sources",
                hint="it needs at least one each",
            )
        names = [*self.entities, self.time, *self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SchemaError(
                f"in the view {self.name} {twice[0]!r} stands for two things", hint="entity, time and features differ"
            )

    def _check_transform(self) -> None:
        if len({source.name for source in self.sources}) < len(self.sources):
            raise SchemaError(f"the view {self.name} names a source twice", hint="a transform may use it twice")
        if self.transform is None:
            if len(self.sources) > 1:
                raise SchemaError(
                    f"the view {self.name} has {len(self.sources)} sources",
                    hint="give transform= a function that makes one frame of them",
                )
            return
        if not isinstance(self.transform, FunctionType):
            raise SchemaError(f"the transform of {self.name} is no function", hint="write it with def")
        try:
            inspect.signature(self.transform).bind(*self.sources)
        except TypeError as error:
            raise SchemaError(
                f"the transform of {self.name} cannot be called with {len(self.sources)} frames ({error})",
                hint="it takes a lazy frame of each source, in their order",
            ) from None


def _check_feature(name: str, feature: Feature) -> None:
    if feature.kind not in KINDS:
        raise SchemaError(
            f"the feature {name} is of the type {feature.kind!r}",
            hint=f"the types are {', '.join(kind.__name__ for kind in KINDS)}",
        )
    default = feature.default
    if feature.is_required or default is None:
        return
    fits = type(default) is feature.kind or (feature.kind is float and type(default) is int)
    if not fits or (isinstance(default, float) and not math.isfinite(default)):
        raise SchemaError(
            f"the default of {name} is {default!r}", hint=f"give a {feature.kind.__name__}, finite where it is a number"
        )
    if isinstance(default, datetime) and default.tzinfo is None:
        raise SchemaError(f"the default of {name} is {default}, without a time zone", hint="give tzinfo=UTC")


def _default(feature: Feature) -> Any:
    if feature.is_required or feature.default is None:
        return None
    if isinstance(feature.default, datetime):
        return feature.default.astimezone(UTC)
    return float(feature.default) if feature.kind is float else feature.default


def _spelled(feature: Feature) -> str:
    return "required" if feature.is_required else repr(_default(feature))


def _code(function: Callable[..., Any]) -> str:
    """Digest the code that a transform reaches, and the engine that runs it."""
    module = sys.modules[function.__module__]
    file = Path(module.__file__ or "module.py")
    place = file.parent if file.name == "__init__.py" else file
    root = place.parents[module.__name__.count(".")]
    closure = Closures(root).of(function, {})
    return f"{closure.digest} polars {importlib.metadata.version('polars')}"
