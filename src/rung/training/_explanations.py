"""What matters on the whole to a service's models, on its held-out rows; kept with the run.

Called by `evaluate_models` where a handler is `@explained`, or the author asks for it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from rung.conversion import Recorder
from rung.errors import RungError
from rung.explain import ROWS, NotExplainableError, explain_use, explained_of, importance, summarise
from rung.schema import instance_limit
from rung.serving import explained_artifact, native
from rung.testing import Client, RecordingClient, run_data_tests, serve_in_process
from rung.testing._tests import take

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.serving import Handler
    from rung.testing import ServiceTests

_SUMMED = 100  # rows whose terms are summed up


def is_explained(tests: ServiceTests) -> bool:
    """Tell whether an answer of the service may be explained."""
    return any(explained_of(handler.function) is not None for handler in tests.handlers.values())


def explain_globally(tests: ServiceTests, values: Mapping[str, Any], rows: tuple[Any, Any]) -> dict[str, Any]:
    """Shuffle each field of the instances, and sum up the terms of each explained model.

    Args:
        tests: The service.
        values: All artifacts that its handlers take, by name.
        rows: X_test and y_test.

    Returns:
        `rows` that were shuffled, `importance` by field and data test, `models` (terms by route); where something
        cannot be told, `because`.
    """
    instances, truths = rows
    if not isinstance(instances, list | tuple) or not all(isinstance(one, BaseModel | dict) for one in instances):
        because = "the held-out rows are no instances, so that no field can be shuffled"
        return {"rows": 0, "importance": [], "because": because, "models": []}
    count = min(ROWS, len(instances))
    sample = sorted(random.Random(0).sample(range(len(instances)), count))  # noqa: S311  no secret is drawn
    kept = take(instances, sample), take(truths, sample)
    models = [_model(tests, values, handler, kept[0]) for handler in tests.handlers.values()]
    return {"rows": count, **_importance(tests, values, kept), "models": [told for each in models for told in each]}


def _importance(tests: ServiceTests, values: Mapping[str, Any], rows: tuple[Any, Any]) -> dict[str, Any]:
    fields = list(dict.fromkeys(name for handler in tests.handlers.values() for name in handler.instance.model_fields))
    with serve_in_process(tests.app, values) as client:

        def score(instances: list[Any]) -> dict[str, float | None]:
            fresh = RecordingClient(client.http, tests.handlers)  # of shuffled rows nothing need be remembered
            return {one.name: one.value for one in run_data_tests(tests.data, fresh, instances, rows[1])}

        goals = {one.name: one.goal for one in run_data_tests(tests.data, client, *rows)}
        try:
            found = importance(score, rows[0], fields, goals)
        except NotExplainableError as error:
            return {"importance": [], "because": error.message}
    return {"importance": [one.to_json() for one in found], "because": ""}


def _model(
    tests: ServiceTests, values: Mapping[str, Any], handler: Handler, instances: Sequence[Any]
) -> list[dict[str, Any]]:
    """Sum up the terms of the model behind a route; why not, where it cannot be told."""
    name = explained_artifact(handler)
    if name is None or name not in values:
        return []
    model = native(values[name])
    recorder = Recorder(model)
    asked = instances[: min(_SUMMED, instance_limit(handler.instance))]
    try:
        with serve_in_process(tests.app, {**values, name: recorder}) as client:
            Client(client.http, tests.handlers).predict(asked, route=handler.route)
        found = summarise(explain_use(model, recorder.use, artifact=name, count=len(asked)))
    except RungError as error:
        return [{"route": handler.route, "artifact": name, "because": error.message}]
    return [{"route": handler.route, **summary.to_json()} for summary in found]
