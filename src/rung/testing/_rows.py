"""Rows as 64-bit hashes of their content: whether a held-out row was trained on is told without keeping the rows.

`evaluate_models` holds its held-out rows against its training rows and keeps the latter's hashes; the data gate holds a
candidate's held-out rows against what the candidate and the reference were trained on. Pure.
"""

from __future__ import annotations

import json
import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticSerializationError, to_jsonable_python

from rung.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TRAINING_ROWS = "training_rows"
"""Name of the artifact."""

MOST_HASHES = 5_000_000
"""That are kept of one training. Of more rows the smallest hashes are: a sample, and known to be one."""

_spell: Callable[[Any], str] = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """Of rows, in their order."""

    instances: array[int]
    pairs: array[int] | None
    """Of each instance with its truth; None where no truths were given."""


class TrainingRows(BaseModel):
    """What a training saw: sorted hashes, little-endian, 8 bytes each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: Annotated[int, Field(ge=0)]
    instances: bytes
    pairs: bytes | None
    max_leaked: Annotated[float, Field(ge=0, le=1)]
    """Share of the held-out rows that may be training rows, as the author declared it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Held-out rows against the rows of a training."""

    held_out: int
    training: int
    leaked: tuple[int, ...]
    """Positions of held-out rows that are training rows, by instance and truth; by the instance where one has none."""
    repeated: int
    """Held-out rows whose instance is a training row's, with another truth."""
    sampled: float
    """Share of the different training rows whose hashes were kept; 1 but for trainings beyond `MOST_HASHES`."""
    max_leaked: float = 0.0
    """Share of the held-out rows that may be training rows, as declared."""

    @property
    def share(self) -> float:
        """Of the held-out rows that are training rows."""
        return len(self.leaked) / self.held_out

    def to_json(self) -> dict[str, Any]:
        """Give the counts as plain JSON data."""
        return {
            "held_out": self.held_out,
            "training": self.training,
            "leaked": len(self.leaked),
            "repeated": self.repeated,
            "sampled": self.sampled,
            "max_leaked": self.max_leaked,
        }


def hash_rows(X: Any, y: Any = None) -> Hashes:
    """Hash each row by its content.

    Args:
        X: A list of models, dicts or anything that JSON can spell, a frame, or an array whose first dimension is the
            rows. Fields of a model that are None do not count, so that an optional field may be added.
        y: One truth for each row, or None.

    Raises:
        ConflictError: A row holds something that JSON cannot spell.

    >>> hash_rows([{"a": 1, "b": 2}]) == hash_rows([{"b": 2, "a": 1}])
    True
    """
    instances, pairs = array("Q"), array("Q")
    try:
        if y is None:
            instances.extend(_hash(_spelled(row)) for row in _each(X))
            return Hashes(instances=instances, pairs=None)
        for row, truth in zip(_each(X), y, strict=True):
            spelled = _spelled(row)
            instances.append(_hash(spelled))
            pairs.append(_hash(spelled + b"\0" + _spelled(truth)))
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise ConflictError(
            f"held-out and training rows cannot be compared ({error})", hint="give rows that JSON can spell"
        ) from error
    return Hashes(instances=instances, pairs=pairs)


def keep_rows(hashes: Hashes, *, max_leaked: float) -> TrainingRows:
    """Give what is kept of the rows of a training."""
    return TrainingRows(
        rows=len(hashes.instances),
        instances=_pack(hashes.instances),
        pairs=None if hashes.pairs is None else _pack(hashes.pairs),
        max_leaked=max_leaked,
    )


def overlap(held_out: Hashes, known: TrainingRows) -> Overlap:
    """Hold rows against the rows of a training."""
    instances = _unpack(known.instances)
    has_instance = [_has(instances, one) for one in held_out.instances]
    leaked = has_instance
    if held_out.pairs is not None and known.pairs is not None:
        pairs = _unpack(known.pairs)
        leaked = [_has(pairs, one) for one in held_out.pairs]
    return Overlap(
        held_out=len(held_out.instances),
        training=known.rows,
        leaked=tuple(index for index, is_leaked in enumerate(leaked) if is_leaked),
        repeated=sum(same and not is_leaked for same, is_leaked in zip(has_instance, leaked, strict=True)),
        sampled=_sampled(instances),
        max_leaked=known.max_leaked,
    )


def _each(rows: Any) -> Iterable[Any]:
    if hasattr(rows, "iter_rows"):
        return rows.iter_rows(named=True)  # type: ignore[no-any-return]  # a polars frame
    if hasattr(rows, "itertuples"):
        return rows.to_dict("records")  # type: ignore[no-any-return]  # a pandas frame
    return rows  # type: ignore[no-any-return]  # whatever can be iterated


def _spelled(value: Any) -> bytes:
    plain = to_jsonable_python(value, exclude_none=True, bytes_mode="base64", fallback=_plain)
    return _spell(plain).encode()


def _plain(value: Any) -> Any:
    """Give an array, a scalar of one, or a tensor as lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no JSON")


def _hash(spelled: bytes) -> int:
    return int.from_bytes(blake2b(spelled, digest_size=8).digest(), "little")


def _pack(hashes: array[int]) -> bytes:
    different = array("Q", map(itemgetter(0), groupby(sorted(hashes))))[:MOST_HASHES]
    if sys.byteorder == "big":
        different.byteswap()
    return different.tobytes()


def _unpack(packed: bytes) -> array[int]:
    hashes = array("Q")
    hashes.frombytes(packed)
    if sys.byteorder == "big":
        hashes.byteswap()
    return hashes


def _has(hashes: array[int], wanted: int) -> bool:
    place = bisect_left(hashes, wanted)
    return place < len(hashes) and hashes[place] == wanted


def _sampled(hashes: array[int]) -> float:
    """Tell the share that was kept: hashes are spread evenly, so the largest one tells how far the smallest reach."""
    return 1.0 if len(hashes) < MOST_HASHES else hashes[-1] / 2**64
