"""What the application answered in evaluation: requests and predictions, kept beside the held-out rows.

A deployment sends the same requests to the live endpoint and expects the same predictions. All of it is plain data, so
that the control plane needs no code of the author's to read and send it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json, to_jsonable_python

from rung.schema import instance_limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rung.serving import Handler
    from rung.testing._client import RecordingClient

EVALUATED = "evaluated"
"""Name of the artifact."""

MAX_DIFFERENCE = 1e-5
"""Numbers in single precision keep seven digits, and sums in another order (a batch of another size, another number of
threads) lose two of them. Another model, or other features, differ by far more."""

_ROWS = 500
_REQUESTS = 100  # of one route
_CHUNK = 50  # instances in one request
_BYTES = 4 * 1024 * 1024  # of all requests and answers


class Exchange(BaseModel):
    """One request, with default parameters, and its answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    route: str
    instances: list[Any]
    predictions: list[Any]
    truths: list[Any] = Field(default_factory=list)
    """What was true of each instance; empty where the held-out rows are no instances: pages draw charts of it."""


class Evaluated(BaseModel):
    """What a deployment compares the live endpoint with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_difference: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """How far a number may be off, in parts of the number or of the mean size of its field, whichever is larger."""
    exchanges: list[Exchange]
    because: str = ""
    """Why there is nothing of some routes."""


def keep_answers(
    handlers: Mapping[str, Handler],
    client: RecordingClient,
    X_test: Any,
    y_test: Any = None,
    *,
    max_difference: float | None,
) -> Evaluated:
    """Ask for a fixed sample of the held-out rows, on every route that answers them.

    Args:
        handlers: By route.
        client: Of the application; where the held-out rows are no instances, those that the tests asked for are taken.
        X_test: The held-out rows.
        y_test: The truth for each of them; None where it is not kept.
        max_difference: As in `Evaluated`; None keeps nothing.
    """
    if max_difference is None:
        return Evaluated(
            max_difference=0, exchanges=[], because="its answers may change with time (max_difference=None)"
        )
    rows = _instances(client, X_test)
    chosen = random.Random(0).sample(range(len(rows)), min(_ROWS, len(rows)))  # noqa: S311
    sample = [rows[index] for index in chosen]
    known = list(y_test) if rows is X_test and y_test is not None else []
    truths = [known[index] for index in chosen] if known else []
    exchanges: list[Exchange] = []
    changing: list[str] = []
    for route, handler in handlers.items():
        asked = list(_ask(client, route, (sample, truths), size=min(instance_limit(handler.instance), _CHUNK)))
        if asked and _answer(client, route, asked[0].instances) != asked[0].predictions:
            changing.append(route)
        else:
            exchanges.extend(asked)
    because = f"asked twice, {' and '.join(changing)} answered differently" if changing else ""
    return Evaluated(max_difference=max_difference, exchanges=list(_within(exchanges, _BYTES)), because=because)


def _instances(client: RecordingClient, X_test: Any) -> Sequence[Any]:
    if isinstance(X_test, list | tuple) and isinstance(X_test[0], BaseModel | Mapping):
        return X_test
    return [instance for instance, _ in client.exchanges]


def _ask(
    client: RecordingClient, route: str, rows: tuple[Sequence[Any], Sequence[Any]], *, size: int
) -> Iterator[Exchange]:
    """Ask in requests of that size; a route that does not answer the first one takes other instances."""
    sample, truths = rows
    for start in range(0, min(len(sample), size * _REQUESTS), size):
        instances = to_jsonable_python(sample[start : start + size])
        predictions = _answer(client, route, instances)
        if predictions is not None:
            told = _plain(truths[start : start + size])
            yield Exchange(route=route, instances=instances, predictions=predictions, truths=told)
        elif start == 0:
            return


def _plain(truths: Sequence[Any]) -> list[Any]:
    """Give truths as JSON data; nothing where they are no numbers, words or yes and no."""
    found = [truth.item() if hasattr(truth, "item") else truth for truth in truths]
    return found if all(isinstance(truth, str | int | float) for truth in found) else []


def _answer(client: RecordingClient, route: str, instances: list[Any]) -> list[Any] | None:
    answer = client.http.post(f"/{route}", json={"instances": instances})
    if answer.status_code != 200:  # noqa: PLR2004  the one status of an answer
        return None
    predictions: list[Any] = answer.json()["predictions"]
    return predictions


def _within(exchanges: list[Exchange], limit: int) -> Iterator[Exchange]:
    size = 0
    for exchange in exchanges:
        size += len(to_json(exchange))
        if size > limit:
            return
        yield exchange
