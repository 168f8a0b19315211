"""Shapley values of any handler by sampling: what each field of an instance adds to the answer itself.

E. Štrumbelj, I. Kononenko, "Explaining prediction models and individual predictions with feature contributions",
Knowledge and Information Systems 2014. An instance of the background becomes the one that is asked about, one field
after the other, in random orders and their reverses; what each step changes is that field's, on average.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.explain._explanation import Explanation, NotExplainableError, Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ORDERS = 40
"""For each instance; half of them are the reverses of the others."""
_ROWS = 10_000
"""That are predicted for one request at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The rows to predict, and what they are for."""

    instances: int
    orders: tuple[tuple[str, ...], ...]
    """Of the fields; the same for every instance."""
    rows: tuple[Any, ...]
    """By instance, then by order: the row of the background, and it after each field was set."""


def plan_sampling(instances: Sequence[Any], background: Sequence[Any]) -> Sampling:
    """Make the rows that are to be predicted: the same for ever for the same instances and background.

    Args:
        instances: That are asked about, Pydantic models.
        background: Instances that they are told apart from, as held-out ones.

    Raises:
        NotExplainableError: There is no background, or there would be more than 10,000 rows.
    """
    if not background:
        raise NotExplainableError("there are no held-out instances to tell this one apart from")
    fields = list(type(instances[0]).model_fields)
    total = len(instances) * ORDERS * (len(fields) + 1)
    if total > _ROWS:
        raise NotExplainableError(
            f"{len(instances)} instances are too many at a time: {total:,} rows would be predicted, {_ROWS:,} may be"
        )
    draw = random.Random(0)  # noqa: S311  no secret is drawn
    orders: list[tuple[str, ...]] = []
    for _ in range(ORDERS // 2):
        draw.shuffle(fields)
        orders += [tuple(fields), tuple(reversed(fields))]
    chosen = [background[draw.randrange(len(background))] for _ in range(ORDERS // 2)]
    starts = [row for row in chosen for _ in range(2)]
    rows = [
        row for instance in instances for pair in zip(orders, starts, strict=True) for row in _walk(instance, *pair)
    ]
    return Sampling(instances=len(instances), orders=tuple(orders), rows=tuple(rows))


def settle_sampling(
    sampling: Sampling, predictions: Sequence[Mapping[str, Any]], *, artifact: str
) -> list[Explanation]:
    """Make the explanations of what was predicted; baseline plus terms are exactly the prediction.

    Args:
        sampling: The plan.
        predictions: Of its rows, in order, as plain data; their fields that are numbers are explained.
        artifact: The model behind the handler.

    Raises:
        NotExplainableError: No field of a prediction is a number.
    """
    outputs = [name for name, value in predictions[0].items() if _is_number(value)]
    if not outputs:
        raise NotExplainableError("no field of a prediction is a number")
    size = len(predictions) // sampling.instances
    parts = [predictions[start : start + size] for start in range(0, len(predictions), size)]
    return [
        Explanation(
            artifact=artifact,
            method="sampled shapley values",
            space="prediction",
            outputs=tuple(_output(name, sampling.orders, part) for name in outputs),
        )
        for part in parts
    ]


def _walk(instance: Any, order: Sequence[str], start: Any) -> list[Any]:
    rows = [start]
    for name in order:
        rows.append(rows[-1].model_copy(update={name: getattr(instance, name)}))
    return rows


def _output(name: str, orders: Sequence[Sequence[str]], predictions: Sequence[Mapping[str, Any]]) -> Output:
    steps = len(orders[0]) + 1
    changes: dict[str, list[float]] = {field: [] for field in sorted(orders[0])}
    for index, order in enumerate(orders):
        values = [float(one[name]) for one in predictions[index * steps : (index + 1) * steps]]
        for field, before, after in zip(order, values, values[1:], strict=False):
            changes[field].append(after - before)
    starts = [float(predictions[index * steps][name]) for index in range(len(orders))]
    return Output(
        name=name,
        baseline=math.fsum(starts) / len(orders),
        terms={field: math.fsum(found) / len(orders) for field, found in changes.items()},
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
