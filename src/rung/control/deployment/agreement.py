"""Serving equals evaluation: a new server is asked what the application was asked in evaluation, and must say the same.

A deployment calls it before its revision becomes a candidate. It finds what only shows in the deployed server: another
version of a library, an artifact that reads back as something else, a feature that is not there.
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import httpx2

from rung import artifacts
from rung.errors import UnavailableError
from rung.serving._problems import pointer
from rung.testing import EVALUATED, Evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rung.serving import Bundle
    from rung.testing import Exchange

_WITHIN_S = 2.0  # a slow model answers fewer rows, and no deployment waits for all of them
_NOT_NOW = (503, 504)
_SHOWN = 200  # letters of a value

Answer = list[Any] | str
"""Predictions, or what was said instead."""

_Path = tuple[str | int, ...]
_Sizes = dict[tuple[str, _Path], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that is not what it was in evaluation."""

    route: str
    pointer: str
    """Where evaluation's value is in the artifact `evaluated`."""
    instance: Any
    expected: Any
    got: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How a server's answers compare with those of evaluation."""

    rows: int
    """That were compared."""
    kept: int
    """That evaluation kept."""
    differing: int
    """Rows."""
    largest_difference: float
    """Between two numbers, in parts of the number or of the mean size of its field, whichever is larger."""
    max_difference: float
    first: Difference | None
    skipped: str = ""
    """Why rows or routes were not compared."""

    @property
    def told(self) -> str:
        """Say it in half a sentence."""
        if self.first is not None:
            first = self.first
            return (
                f"{self.differing} of {self.rows} held-out rows are not answered as in its evaluation; the first is"
                f" {first.pointer} of {first.route}: expected {_brief(first.expected)}, got {_brief(first.got)}"
            )
        if self.rows == 0:
            return f"not compared with its evaluation: {self.skipped}"
        of = f" of {self.kept}" if self.rows < self.kept else ""
        told = f"{self.rows}{of} held-out rows are answered as in its evaluation"
        return f"{told}; not compared: {self.skipped}" if self.skipped else told

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)


def read_evaluated(store: artifacts.Store, bundle: Bundle) -> Evaluated | None:
    """Read what evaluation kept; None when the revision was trained by a Rung that kept nothing.

    Raises:
        IntegrityError: It cannot be read.
    """
    digest = bundle.artifacts.get(EVALUATED)
    if digest is None:
        return None
    data = store.get(digest)
    artifacts.verify(data, digest)
    return Evaluated.model_validate(artifacts.decode(data))  # not trusted: it is data, and nothing in it is run


def not_compared(because: str) -> Agreement:
    """Say that a server was not compared with its evaluation, and why."""
    return compare([], [], max_difference=0, skipped=because)


def compare_with_evaluation(evaluated: Evaluated | None, connect: Callable[[], httpx2.Client]) -> Agreement:
    """Ask a server what evaluation asked, for two seconds at the most, and compare.

    Args:
        evaluated: What evaluation kept.
        connect: Gives a client of the server.

    Raises:
        UnavailableError: The server cannot answer now.
    """
    if evaluated is None:
        return not_compared("its training kept no answers")
    answers: list[Answer] = []
    begun = time.monotonic()
    with connect() as client:
        for exchange in evaluated.exchanges:
            answers.append(_ask(client, exchange))
            if time.monotonic() - begun > _WITHIN_S:
                break
    skipped = evaluated.because or ("" if evaluated.exchanges else "no route answered a held-out row in evaluation")
    return compare(evaluated.exchanges, answers, max_difference=evaluated.max_difference, skipped=skipped)


def compare(
    exchanges: Sequence[Exchange], answers: Sequence[Answer], *, max_difference: float, skipped: str = ""
) -> Agreement:
    """Compare answers with evaluation's, row by row: numbers within a tolerance, everything else exactly. Pure.

    A number with a fraction may differ by `max_difference` of itself, or of the mean size of its field over all rows,
    whichever is larger: what is nearly zero by cancellation is not measured by itself. Integers are exact.

    Args:
        exchanges: What evaluation kept.
        answers: To the first of them, in order.
        max_difference: The tolerance.
        skipped: Why something is not compared.
    """
    sizes = _sizes(exchanges)
    rows = [row for number, answer in enumerate(answers) for row in _rows(number, exchanges[number], answer, sizes)]
    wrong = [row for row in rows if row.difference > max_difference]
    return Agreement(
        rows=len(rows),
        kept=sum(len(exchange.predictions) for exchange in exchanges),
        differing=len(wrong),
        largest_difference=max((row.difference for row in rows if math.isfinite(row.difference)), default=0.0),
        max_difference=max_difference,
        first=wrong[0].widest if wrong else None,
        skipped=skipped,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row, and what of it differs most."""

    difference: float
    """Infinite where something else than a number differs."""
    widest: Difference


def _rows(number: int, exchange: Exchange, answer: Answer, sizes: _Sizes) -> Iterator[_Row]:
    is_whole = isinstance(answer, list) and len(answer) == len(exchange.predictions)
    for index, expected in enumerate(exchange.predictions):
        got = answer[index] if is_whole else answer
        difference, path, one, other = max(
            (
                (_difference(one, other, sizes[exchange.route, path]), path, one, other)
                for path, one, other in _values(expected, got)
            ),
            key=itemgetter(0),
        )
        widest = Difference(
            route=exchange.route,
            pointer=pointer(["exchanges", number, "predictions", index, *path]),
            instance=exchange.instances[index],
            expected=one,
            got=other,
        )
        yield _Row(difference=difference, widest=widest)


def _values(expected: Any, got: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any, Any]]:
    """Pair the values of two answers; where their shapes differ, the whole of both."""
    if isinstance(expected, dict) and isinstance(got, dict) and expected.keys() == got.keys() and expected:
        for key, value in expected.items():
            yield from _values(value, got[key], (*path, key))
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got) and expected:
        for index, (value, other) in enumerate(zip(expected, got, strict=True)):
            yield from _values(value, other, (*path, index))
    else:
        yield path, expected, got


def _difference(expected: Any, got: Any, size: float) -> float:
    """Measure two values: 0 for the same, infinite where no number says how far they are apart."""
    kinds = {type(expected), type(got)}
    if float in kinds and kinds <= {float, int}:
        try:
            return float(abs(expected - got) / (max(abs(expected), size) or 1.0))
        except OverflowError:  # an integer that no float holds
            return math.inf
    return 0.0 if len(kinds) == 1 and expected == got else math.inf


def _sizes(exchanges: Sequence[Exchange]) -> _Sizes:
    """Give the mean size of every field with numbers, over all rows of its route."""
    found: defaultdict[tuple[str, _Path], list[float]] = defaultdict(list)
    for exchange in exchanges:
        for path, value, _ in _values(exchange.predictions, exchange.predictions):
            if isinstance(value, float):
                found[exchange.route, path[1:]].append(abs(value))
    return defaultdict(float, {key: sum(value / len(values) for value in values) for key, values in found.items()})


def _ask(client: httpx2.Client, exchange: Exchange) -> Answer:
    try:
        answer = client.post(f"/{exchange.route}", json={"instances": exchange.instances})
    except httpx2.HTTPError as error:
        raise UnavailableError(f"its server does not answer ({type(error).__name__})") from error
    if answer.status_code in _NOT_NOW:
        raise UnavailableError(f"{exchange.route} answered {answer.status_code}: {_detail(answer)}")
    if answer.status_code != httpx2.codes.OK:
        return f"{answer.status_code}: {_detail(answer)}"
    predictions: list[Any] = answer.json()["predictions"]
    return predictions


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:_SHOWN]


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
