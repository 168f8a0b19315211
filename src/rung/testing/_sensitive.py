"""Groups that a model must not treat differently: declared in `tests/data.py`, measured on the held-out rows.

`sensitive = [Sensitive("garage")]` is all that it takes. Evaluation keeps the figures with the run, the data gate takes
them anew from the live endpoint; the platform judges both (`rung.lifecycle.judge_groups`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from rung.errors import CallError, ConflictError
from rung.testing._goal import declared_of
from rung.testing._paired import groups
from rung.testing._tests import score, score_draws, score_groups, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rung.testing._client import RecordingClient

GROUP_METRICS = "group_metrics"
"""Name of the artifact."""

_MOST = 20  # groups of one attribute
_PARTS = 20  # of a group, for the jackknife
_FEWEST = 30  # rows of a group of which a standard error is told
_NOT_GIVEN = "not given"
_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitive:
    """An attribute by whose groups every data test is computed, and how often an answer is favourable.

    Args:
        name: A field of the instance, or a column of the held-out rows; with `of`, any name.
        of: Gives the group of each held-out row, `of(X_test, y_test)`: for attributes that the model is not told.
        edges: Cut a number here: `edges=(1930, 1960)` makes `below 1930`, `1930 to 1960` and `1960 and above`.
        favourable: Whether a prediction is what people would want: gives `selection_rate` of each group.
        deserved: Whether the truth is: gives `true_positive_rate` and `false_positive_rate`, too.
        route: That answers `favourable`.
        max_difference: Largest accepted difference between two groups, by data test or rate, in its unit. The data gate
            fails when the difference is surely larger. Without, differences are told and nothing fails.

    Raises:
        CallError: The arguments do not go together.
    """

    name: str = field(kw_only=False)
    of: Callable[[Any, Any], Sequence[Any]] | None = None
    edges: tuple[float, ...] = ()
    favourable: Callable[[Any], bool] | None = None
    deserved: Callable[[Any], bool] | None = None
    route: str = "predict"
    max_difference: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.edges) != sorted(set(self.edges)):
            raise CallError(f"Sensitive({self.name!r}) has the edges {self.edges}", hint="give them in rising order")
        if self.deserved is not None and self.favourable is None:
            raise CallError(
                f"Sensitive({self.name!r}) has deserved= without favourable=", hint="say which predictions are wanted"
            )
        for measure, limit in self.max_difference.items():
            if not 0 <= limit < math.inf:
                raise CallError(
                    f"Sensitive({self.name!r}): max_difference of {measure} is {limit}", hint="give a number from 0 on"
                )
            if measure in _RATES and self.favourable is None:
                raise CallError(
                    f"Sensitive({self.name!r}) bounds {measure} without favourable=",
                    hint="say which predictions are wanted",
                )


def measure_groups(
    sensitive: Sequence[Sensitive],
    tests: Mapping[str, Callable[..., float]],
    client: RecordingClient,
    rows: tuple[Any, Any],
) -> list[dict[str, Any]]:
    """Measure every group of every attribute.

    Args:
        sensitive: As declared.
        tests: The data tests.
        client: Remembers answers, so that each row is asked for once.
        rows: X_test and y_test.

    Returns:
        For each attribute its `name`, `max_difference`, `groups` (name and rows) and `measures`: of each data test
        `scores` (`value`, `standard_error`, `freedom`, or `because` there is none), of each rate `shares` (successes
        and trials), in the order of the groups.

    Raises:
        ConflictError: A row has no such field, there are more than 20 groups, or `max_difference` names no measure.
    """
    return [_measure(one, tests, client, rows) for one in sensitive]


def _measure(
    declared: Sensitive, tests: Mapping[str, Callable[..., float]], client: RecordingClient, rows: tuple[Any, Any]
) -> dict[str, Any]:
    members = _members(declared, rows)
    measures: list[dict[str, Any]] = [
        {
            "name": name,
            "goal": mark.goal,
            "scores": [_score(test, client, _of_group(rows, kept), smooth=mark.smooth) for kept in members.values()],
        }
        for name, test in tests.items()
        if (mark := declared_of(test)) is not None
    ]
    measures += list(_rates(declared, client, [_of_group(rows, kept) for kept in members.values()]))
    known = {measure["name"] for measure in measures}
    if unknown := sorted(declared.max_difference.keys() - known):
        raise ConflictError(
            f"Sensitive({declared.name!r}) bounds {unknown[0]!r}, which is not measured",
            hint=f"its measures are {', '.join(sorted(known))}",
        )
    return {
        "name": declared.name,
        "max_difference": dict(declared.max_difference),
        "groups": [{"name": name, "rows": len(kept)} for name, kept in members.items()],
        "measures": measures,
    }


def _members(declared: Sensitive, rows: tuple[Any, Any]) -> dict[str, list[int]]:
    """Give the rows of each group, the largest group first."""
    values = list(declared.of(*rows)) if declared.of is not None else _values(declared.name, rows[0])
    if len(values) != len(rows[1]):
        raise ConflictError(
            f"Sensitive({declared.name!r}) gives {len(values)} groups for {len(rows[1])} held-out rows",
            hint="give one for each row",
        )
    labels = [_label(value, declared.edges) for value in values]
    counted = Counter(labels)
    if len(counted) > _MOST:
        raise ConflictError(
            f"{declared.name} has {len(counted):,} values, and at most {_MOST} groups are compared",
            hint=f"cut it: Sensitive({declared.name!r}, edges=(...)), or of=...",
        )
    ordered = sorted(counted, key=lambda label: (-counted[label], label))
    return {label: [index for index, one in enumerate(labels) if one == label] for label in ordered}


def _values(name: str, X_test: Any) -> list[Any]:
    try:
        if not isinstance(X_test, list | tuple):
            return list(X_test[name])
        return [row[name] if isinstance(row, Mapping) else getattr(row, name) for row in X_test]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ConflictError(
            f"the held-out rows have no {name!r} ({type(error).__name__})",
            hint=f"name a field of Instance, or give Sensitive({name!r}, of=...)",
        ) from error


def _label(value: Any, edges: Sequence[float]) -> str:
    """Name the group of a value.

    >>> _label(1945, (1930, 1960)), _label(1960, (1930, 1960)), _label(None, ())
    ('1930 to 1960', '1960 and above', 'not given')
    """
    if value is None:
        return _NOT_GIVEN
    if not edges:
        return str(value.value if isinstance(value, Enum) else value)
    below = [edge for edge in edges if edge <= value]
    if not below:
        return f"below {edges[0]:g}"
    return f"{below[-1]:g} and above" if len(below) == len(edges) else f"{below[-1]:g} to {edges[len(below)]:g}"


def _of_group(rows: tuple[Any, Any], kept: list[int]) -> tuple[Any, Any]:
    return take(rows[0], kept), take(rows[1], kept)


def _score(
    test: Callable[..., float], client: RecordingClient, rows: tuple[Any, Any], *, smooth: bool
) -> dict[str, Any]:
    """Compute a data test in one group, with its standard error: by the jackknife, or by draws where it jumps."""
    if len(rows[1]) < _FEWEST:
        value, because = score(test, client, *rows)
        return {"value": value, "because": because} if value is None else {"value": value}
    if smooth:
        found = score_groups(test, client, rows, groups(len(rows[1]), _PARTS))
        if isinstance(found, str):
            return {"value": None, "because": found}
        parts = found.without_group
        spread = (_PARTS - 1) / _PARTS * _squares(parts)
        return {"value": found.full, "standard_error": math.sqrt(spread), "freedom": _PARTS - 1}
    drawn = score_draws(test, client, rows)
    if isinstance(drawn, str):
        return {"value": None, "because": drawn}
    numbers = [one for one in drawn.drawn if one is not None]
    if len(numbers) < 2:  # noqa: PLR2004  a variance needs two
        return {"value": drawn.full}
    error = math.sqrt(_squares(numbers) / (len(numbers) - 1))
    return {"value": drawn.full, "standard_error": error, "freedom": len(rows[1]) - 1}


def _squares(numbers: Sequence[float]) -> float:
    mean = math.fsum(numbers) / len(numbers)
    return math.fsum((number - mean) ** 2 for number in numbers)


def _rates(declared: Sensitive, client: RecordingClient, parts: Sequence[tuple[Any, Any]]) -> Iterator[dict[str, Any]]:
    """Count favourable answers: of all rows, and of those that deserve one and do not."""
    if declared.favourable is None:
        return
    favourable, deserved = declared.favourable, declared.deserved
    answered = [[bool(favourable(one)) for one in client.predict(X, route=declared.route)] for X, _ in parts]
    yield {"name": "selection_rate", "shares": [[sum(group), len(group)] for group in answered]}
    if deserved is None:
        return
    truths = [[bool(deserved(one)) for one in y] for _, y in parts]
    for name, wanted in (("true_positive_rate", True), ("false_positive_rate", False)):
        kept = [
            [given for given, truth in zip(group, true, strict=True) if truth is wanted]
            for group, true in zip(answered, truths, strict=True)
        ]
        yield {"name": name, "shares": [[sum(group), len(group)] for group in kept]}
