"""What matters on the whole: mean terms of a model, and how far the data tests fall when a field is shuffled.

L. Breiman, "Random Forests", Machine Learning 2001; A. Fisher, C. Rudin, F. Dominici, "All models are wrong, but many
are useful", JMLR 2019. Shuffling goes through the service's own handlers, so it needs nothing of the model.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rung.explain._explanation import NotExplainableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rung.explain._explanation import Explanation

GLOBAL_EXPLANATION = "global_explanation"
"""Name of the artifact."""

ROWS = 300
"""Held-out rows that are shuffled."""
REPEATS = 3
SECONDS = 30.0
"""What all of it may take: more, and there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much worse one data test gets when one field is shuffled."""

    field: str
    test: str
    loss: float | None
    """In the test's unit, positive is worse, mean of the repeats; None: it had no number on shuffled rows."""
    spread: float
    """Standard deviation over the repeats."""

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The terms of one output over many rows."""

    artifact: str
    method: str
    space: str
    output: str | None
    rows: int
    mean_size: Mapping[str, float]
    """Mean of the absolute terms by input, the largest first; 50 at the most."""

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {**asdict(self), "mean_size": dict(self.mean_size)}


def importance(
    score: Callable[[list[Any]], Mapping[str, float | None]],
    rows: Sequence[Any],
    fields: Sequence[str],
    goals: Mapping[str, str],
) -> list[Importance]:
    """Shuffle one field after the other, and see how the data tests move.

    Args:
        score: Computes the data tests on instances in place of `rows`, in their order.
        rows: Instances: Pydantic models or mappings.
        fields: Of an instance.
        goals: `maximize` or `minimize`, by test.

    Raises:
        NotExplainableError: It would take longer than 30 seconds.
    """
    started = time.perf_counter()
    baseline = score(list(rows))
    took = time.perf_counter() - started
    if took * len(fields) * REPEATS > SECONDS:
        raise NotExplainableError(
            f"shuffling {len(fields)} fields {REPEATS} times on {len(rows)} rows would take longer than {SECONDS:g} s"
        )
    found: list[Importance] = []
    for field in fields:
        shuffled = [score(_shuffled(rows, field, seed=repeat)) for repeat in range(REPEATS)]
        found += [_of_test(field, goal, baseline, shuffled) for goal in goals.items()]
        if time.perf_counter() - started > 2 * SECONDS:
            raise NotExplainableError(f"shuffling took longer than {2 * SECONDS:g} s")
    return found


def summarise(explanations: Sequence[Explanation]) -> list[Summary]:
    """Sum up explanations of many rows by one model: the mean size of each term, by output."""
    if not explanations:
        return []
    first = explanations[0]
    return [
        Summary(
            artifact=first.artifact,
            method=first.method,
            space=first.space,
            output=output.name,
            rows=len(explanations),
            mean_size=_mean_sizes([one.outputs[index].terms for one in explanations]),
        )
        for index, output in enumerate(first.outputs)
    ]


def _mean_sizes(terms: Sequence[Mapping[str, float]]) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for row in terms:
        for name, term in row.items():
            sizes[name] = sizes.get(name, 0.0) + abs(term)
    ordered = sorted(sizes.items(), key=lambda size: (-size[1], size[0]))[:50]
    return {name: float(f"{size / len(terms):.9g}") for name, size in ordered}


def _of_test(
    field: str,
    goal: tuple[str, str],
    baseline: Mapping[str, float | None],
    shuffled: Sequence[Mapping[str, float | None]],
) -> Importance:
    test, towards = goal
    before = baseline.get(test)
    after = [value for one in shuffled if (value := one.get(test)) is not None]
    if before is None or len(after) < len(shuffled):
        return Importance(field=field, test=test, loss=None, spread=0.0)
    sign = 1.0 if towards == "maximize" else -1.0
    losses = [sign * (before - value) for value in after]
    return Importance(
        field=field,
        test=test,
        loss=float(f"{math.fsum(losses) / len(losses):.9g}"),
        spread=float(f"{statistics.stdev(losses):.9g}"),
    )


def _shuffled(rows: Sequence[Any], field: str, *, seed: int) -> list[Any]:
    """Give the rows with the values of one field dealt out anew: the same for ever for the same seed."""
    order = list(range(len(rows)))
    random.Random(f"{field} {seed}").shuffle(order)  # noqa: S311  no secret is drawn
    values = [_value(rows[index], field) for index in order]
    return [_with(row, field, value) for row, value in zip(rows, values, strict=True)]


def _value(row: Any, field: str) -> Any:
    return getattr(row, field) if hasattr(row, "model_copy") else row.get(field)


def _with(row: Any, field: str, value: Any) -> Any:
    if hasattr(row, "model_copy"):
        return row.model_copy(update={field: value})
    return {**row, field: value}
