"""Running data tests and regression tests against a client."""

from __future__ import annotations

import math
import random
import traceback
from dataclasses import dataclass
from reprlib import Repr
from typing import TYPE_CHECKING, Any

from rung.testing._goal import goal_of
from rung.testing._results import DataResult, RegressionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rung.testing._client import RecordingClient

_DRAWS = 1_000
_FEWEST_DRAWS = 200  # a quantile of 5 % of them still has ten draws below it
_DRAWN_ROWS = 20_000_000  # in all draws: beyond 20,000 rows there are fewer draws, or they would take too long
_SHOWN = 6  # instances of a failed regression test that are shown
_brief = Repr()
_brief.maxother = 300  # letters of one instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A data test on all rows, and with each group of rows left out: what a jackknife needs."""

    full: float
    without_group: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """A data test on all rows, and on draws of as many rows with replacement: what a bootstrap needs."""

    full: float
    drawn: tuple[float | None, ...]
    """None where the test has no number on the rows drawn."""


def run_regression_tests(
    tests: Mapping[str, Callable[..., bool]], new_client: Callable[[], RecordingClient]
) -> list[RegressionResult]:
    """Run each test with a client of its own; one that raises has failed, and the others go on."""
    return [_regression(name, test, new_client()) for name, test in tests.items()]


def _regression(name: str, test: Callable[..., bool], client: RecordingClient) -> RegressionResult:
    client.remembers = False
    try:
        passed: Any = test(client)
    except (Exception, SystemExit) as error:  # noqa: BLE001  an author's test may raise anything: it is the result
        return RegressionResult(name=name, passed=False, because=_raised(error))
    if passed is None:
        return RegressionResult(name=name, passed=False, because="it returned nothing: return True or False")
    if type(passed).__name__ not in ("bool", "bool_"):  # numpy's bool too
        said = f"it returned {_brief.repr(passed)}, a {type(passed).__name__}: return True or False"
        return RegressionResult(name=name, passed=False, because=said)
    because = "" if passed else f"it returned False on {_compared(client)}"
    return RegressionResult(name=name, passed=bool(passed), because=because)


def run_data_tests(
    tests: Mapping[str, Callable[..., float]],
    client: RecordingClient,
    X_test: Any,
    y_test: Any,
) -> list[DataResult]:
    """Compute each test's number on the held-out rows."""
    results = []
    for name, test in tests.items():
        value, because = score(test, client, X_test, y_test)
        results.append(DataResult(name=name, goal=goal_of(test) or "maximize", value=value, because=because))
    return results


def score(
    test: Callable[..., float],
    client: RecordingClient,
    X_test: Any,
    y_test: Any,
) -> tuple[float | None, str]:
    """Compute one data test; give its number, or None and why there is none."""
    try:
        value = float(test(client, X_test, y_test))
    except (Exception, SystemExit) as error:  # noqa: BLE001  an author's test may raise anything: it is the result
        return None, _raised(error)
    if not math.isfinite(value):
        return None, f"it gave {value}, which is not a finite number"
    return value, ""


def score_groups(
    test: Callable[..., float],
    client: RecordingClient,
    rows: tuple[Any, Any],
    groups: Sequence[int],
) -> Scores | str:
    """Compute a data test on all rows and with each group left out; the reason when it has no number.

    Args:
        test: The author's function.
        client: Remembers answers, so that each row is asked for once.
        rows: X_test and y_test.
        groups: The group of each row, 0 .. G-1.
    """
    full, because = score(test, client, *rows)
    if full is None:
        return because
    without: list[float] = []
    for group in range(max(groups) + 1):
        kept = [index for index, member in enumerate(groups) if member != group]
        value, because = score(test, client, take(rows[0], kept), take(rows[1], kept))
        if value is None:
            return f"without group {group} {because}"
        without.append(value)
    return Scores(full=full, without_group=tuple(without))


def score_draws(
    test: Callable[..., float],
    client: RecordingClient,
    rows: tuple[Any, Any],
) -> Draws | str:
    """Compute a data test on all rows and on draws of them; the reason when it has no number on all.

    The draws depend on nothing but the number of rows, so that two revisions are scored on the same ones.

    Args:
        test: The author's function.
        client: Remembers answers, so that each row is asked for once.
        rows: X_test and y_test.
    """
    full, because = score(test, client, *rows)
    if full is None:
        return because
    count = len(rows[1])
    draws = max(_FEWEST_DRAWS, min(_DRAWS, _DRAWN_ROWS // count))
    scored = []
    for draw in range(draws):
        drawn = random.Random(draw).choices(range(count), k=count)  # noqa: S311  no secret is drawn
        scored.append(score(test, client, take(rows[0], drawn), take(rows[1], drawn))[0])
    return Draws(full=full, drawn=tuple(scored))


def take(values: Any, kept: list[int]) -> Any:
    """Take rows of a list, or of an array or frame that is indexed by a list."""
    if isinstance(values, list | tuple):
        return [values[index] for index in kept]
    if hasattr(values, "iloc"):
        return values.iloc[kept]
    return values[kept]


def _raised(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/rung/testing/" not in frame.filename]
    place = f" at {frames[0].filename}:{frames[0].lineno}" if frames else ""
    return f"it raised {type(error).__name__}: {error}{place}"


def _compared(client: RecordingClient) -> str:
    if not client.exchanges:
        return "no prediction"
    pairs = [
        f"{_brief.repr(instance)} -> {_brief.repr(prediction)}" for instance, prediction in client.exchanges[:_SHOWN]
    ]
    more = client.asked - len(pairs)
    return "; ".join(pairs) + (f" and {more} more" if more > 0 else "")
