"""What a training saw, as a bounded sample of plain data: production is held against it later.

`evaluate_models` keeps it; `rung.monitoring` makes statistics of it, vocabularies, and estimators of quality. A sample
needs neither polars nor statistics in the environment of a revision, and a statistic that is thought of later can still
be made of it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from rung.errors import RungError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rung.testing._client import RecordingClient

REFERENCE = "reference"
"""Name of the artifact."""

_TRAINED = 4_000
_HELD_OUT = 2_000
_BYTES = 4 * 1024 * 1024  # of the instances of each


class Reference(BaseModel):
    """Instances that were trained on, and what was answered to held-out ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trained: list[Any] = []
    """Instances; empty where evaluation was not given what was trained on."""
    held_out: list[Any] = []
    truths: list[Any] = []
    """Of each held-out instance."""
    predictions: dict[str, list[Any]] = {}
    """By route: the prediction for each held-out instance."""


def keep_reference(client: RecordingClient, routes: Iterable[str], rows: tuple[Any, Any], X_train: Any) -> Reference:
    """Sample what was trained on and what was held out, and ask for the predictions of the latter.

    Rows that are no instances are left out: what is trained on may have any form.

    Args:
        client: Of the application; it remembers what the data tests asked for.
        routes: A route that does not answer all of the sample is left out.
        rows: The held-out rows and their truths.
        X_train: What was trained on, or None.
    """
    asked, truths = rows
    trained = [] if X_train is None else [instance for _, instance in _sample(X_train, _TRAINED)]
    held_out = list(_sample(asked, _HELD_OUT))
    instances = [asked[place] for place, _ in held_out]
    return Reference(
        trained=trained,
        held_out=[instance for _, instance in held_out],
        truths=[_plain(truths[place]) for place, _ in held_out],
        predictions=dict(_predictions(client, routes, instances)) if instances else {},
    )


def _sample(rows: Any, most: int) -> Iterator[tuple[int, Any]]:
    """Give places and instances of a fixed sample, as plain data."""
    if not isinstance(rows, list | tuple) or not rows or not isinstance(rows[0], BaseModel | Mapping):
        return
    places = random.Random(0).sample(range(len(rows)), min(most, len(rows)))  # noqa: S311  no secret is drawn
    size = 0
    for place in sorted(places):
        instance = _plain(rows[place])
        size += len(to_json(instance))
        if instance is None or size > _BYTES:
            return
        yield place, instance


def _predictions(
    client: RecordingClient, routes: Iterable[str], instances: Sequence[Any]
) -> Iterator[tuple[str, list[Any]]]:
    for route in routes:
        try:
            answers = client.predict(instances, route=route)
        except RungError:
            continue
        yield route, [_plain(answer) for answer in answers]


def _plain(value: Any) -> Any:
    """Give a value as JSON has it; None where it cannot be."""
    if hasattr(value, "item"):  # a number of numpy
        value = value.item()
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError:
        return None
