"""`evaluate_models`: data and regression tests against the service's own application, with this run's models in it."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from rung.errors import ConflictError, NotFoundError, TaskError
from rung.testing._evaluated import EVALUATED, MAX_DIFFERENCE
from rung.testing._reference import REFERENCE
from rung.testing._results import TestResults
from rung.testing._rows import TRAINING_ROWS, Overlap, TrainingRows, hash_rows, keep_rows, overlap
from rung.training._context import current

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.testing import RecordingClient, ServiceTests
    from rung.training._context import TaskContext

HELD_OUT = "held_out"
"""Name of the artifact that keeps the held-out rows; promotion compares revisions on them."""

__all__ = ["HELD_OUT", "TestResults", "evaluate_models"]


def evaluate_models(
    X_test: Any,
    y_test: Any,
    X_train: Any = None,
    y_train: Any = None,
    *,
    max_difference: float | None = MAX_DIFFERENCE,
    max_leaked: float = 0.0,
    explain: bool | None = None,
) -> TestResults:
    """Run the service's data and regression tests on the models of this run.

    The tests call the application of `serve/app.py` in process, so they judge what consumers will get. The held-out
    rows are kept as the artifact `held_out`, and what the application answered to a sample of them as `evaluated`: a
    deployed server must answer the same. Hashes of the training rows are kept as `training_rows`: the data gate holds
    them against the held-out rows, of this revision and of the next ones. A sample of all rows is kept as
    `reference`: production is held against it.

    Args:
        X_test: Held-out instances, never seen by training: a list of `Instance`, or what the data tests take.
        y_test: The truth for each of them.
        X_train: What was trained on, in the same form as `X_test`. None: whether rows leaked is not checked.
        y_train: The truth for each of them. None: the same instance counts as the same row, whatever its truth.
        max_difference: How far a number of a deployed server may be from evaluation's, in parts of the number or of the
            mean size of its field, whichever is larger. None, where answers change with time (fetched features, a
            clock): they are not compared.
        max_leaked: Share of the held-out rows that may be training rows, instance and truth, where equal rows are
            honest: few possible instances, say.
        explain: Keep which fields matter on the whole, as the artifact `global_explanation`. None: where a handler is
            `@explained`.

    Raises:
        ConflictError: It was called outside a task, there are no held-out rows, more of them than `max_leaked` are
            training rows, or `max_difference` or `max_leaked` is out of its range.
        TaskError: A handler takes an artifact that no task before this one makes.
    """
    context = current("evaluate_models")
    if len(X_test) != len(y_test) or len(X_test) == 0:
        raise ConflictError(
            f"{len(X_test)} held-out instances and {len(y_test)} truths", hint="give one truth for each of at least one"
        )
    if max_difference is not None and not 0 <= max_difference < math.inf:
        raise ConflictError(f"max_difference is {max_difference}", hint="give a number from 0 on, or None")
    if not 0 <= max_leaked <= 1:
        raise ConflictError(f"max_leaked is {max_leaked}", hint="give a share from 0 to 1")
    if X_train is not None:
        trained = _training_rows((X_test, y_test), (X_train, y_train), max_leaked=max_leaked)
        context.kept[TRAINING_ROWS] = trained.model_dump()
    # Here, because a web framework takes longer to import than an unchanged training takes.
    from rung.testing import (  # noqa: PLC0415
        GROUP_METRICS,
        RecordingClient,
        keep_answers,
        keep_reference,
        load_service_tests,
        measure_groups,
        run_data_tests,
        run_regression_tests,
        serve_in_process,
    )

    tests = load_service_tests(context.workspace, context.service)
    values = _artifacts(tests, context)
    values |= _proven(tests, values, context, X_test=X_test, y_test=y_test)
    with serve_in_process(tests.app, values) as client:
        data = run_data_tests(tests.data, client, X_test, y_test)
        regression = run_regression_tests(tests.regression, lambda: RecordingClient(client.http, tests.handlers))
        example = _examples(tests, client, X_test)
        evaluated = keep_answers(tests.handlers, client, X_test, y_test, max_difference=max_difference)
        reference = keep_reference(client, tests.handlers, (X_test, y_test), X_train)
        if tests.sensitive:
            context.kept[GROUP_METRICS] = measure_groups(tests.sensitive, tests.data, client, (X_test, y_test))
    _explain(tests, values, context, (X_test, y_test), wanted=explain)
    context.kept[HELD_OUT] = {"X_test": X_test, "y_test": y_test}
    context.kept[EVALUATED] = evaluated.model_dump()
    context.kept[REFERENCE] = reference.model_dump()
    return TestResults(rows=len(X_test), data=tuple(data), regression=tuple(regression), example=example)


evaluate_models.__rung_evaluates__ = True  # type: ignore[attr-defined]  # see rung.closure


def _explain(
    tests: ServiceTests, values: Mapping[str, Any], context: TaskContext, rows: tuple[Any, Any], *, wanted: bool | None
) -> None:
    from rung.explain import GLOBAL_EXPLANATION  # noqa: PLC0415  as above
    from rung.training._explanations import explain_globally, is_explained  # noqa: PLC0415  as above

    if wanted or (wanted is None and is_explained(tests)):
        context.kept[GLOBAL_EXPLANATION] = explain_globally(tests, values, rows)


def _training_rows(held_out: tuple[Any, Any], trained: tuple[Any, Any], *, max_leaked: float) -> TrainingRows:
    """Hash the training rows, and refuse held-out rows that are among them."""
    instances, truths = trained
    if truths is not None and len(instances) != len(truths):
        raise ConflictError(
            f"{len(instances)} training instances and {len(truths)} truths", hint="give one truth for each, or none"
        )
    rows = keep_rows(hash_rows(instances, truths), max_leaked=max_leaked)
    found = overlap(hash_rows(*held_out), rows)
    if found.share > found.max_leaked:
        raise ConflictError(
            f"{_told(found)}: what a model has seen says nothing of what it has not",
            hint="hold rows out by what they are (a hash of the instance), or declare max_leaked where rows may repeat",
        )
    if found.leaked or found.repeated:
        sys.stderr.write(f"  {_told(found)}\n")
    return rows


def _told(found: Overlap) -> str:
    """Say how many held-out rows the training saw.

    >>> _told(Overlap(held_out=1_000, training=5_000, leaked=tuple(range(12)), repeated=3, sampled=1.0))
    '12 of 1,000 held-out rows are also training rows (1.2 %), and 3 more are with another truth'
    """
    told = (
        f"{len(found.leaked):,} of {found.held_out:,} held-out rows are also training rows ({100 * found.share:.2g} %)"
    )
    return f"{told}, and {found.repeated:,} more are with another truth" if found.repeated else told


def _artifacts(tests: ServiceTests, context: TaskContext) -> dict[str, Any]:
    from rung.serving import Artifacts, needed_artifacts  # noqa: PLC0415  as above

    needed = needed_artifacts(tests.app)
    foreign = frozenset(name for name in needed if "." in name)
    values: dict[str, Any] = {}
    for name in sorted(needed - foreign):
        try:
            values[name] = context.output(name)
        except NotFoundError as error:
            raise TaskError(
                f"serve/app.py takes the artifact {name!r}, which is not made before {context.task!r} runs",
                hint=f"add {name} to the parameters of {context.task}",
            ) from error
    others = Artifacts()
    others.load(foreign, state=context.workspace.state, revision="")
    return {**values, **{name: others.get(name) for name in foreign}}


def _proven(
    tests: ServiceTests, values: Mapping[str, Any], context: TaskContext, *, X_test: Any, y_test: Any
) -> Mapping[str, Any]:
    """Give the converted models that will be served in place of native ones; keep them and the verdicts."""
    from rung.serving import converted_artifacts  # noqa: PLC0415  as above

    wanted = converted_artifacts(tests.app, tests.handlers.values())
    if not wanted:
        return {}
    from rung.training._conversions import prove_conversions  # noqa: PLC0415  as above

    found = prove_conversions(tests, values, wanted, _instances(tests, values, X_test, y_test))
    context.kept |= found.kept
    context.conversions |= {name: verdict.to_json() for name, verdict in found.verdicts.items()}
    return found.models


def _instances(tests: ServiceTests, values: Mapping[str, Any], X_test: Any, y_test: Any) -> list[Any]:
    """Give the held-out instances: the rows themselves, or what the data tests make of them."""
    from pydantic import BaseModel  # noqa: PLC0415  as above

    from rung.testing import run_data_tests, serve_in_process  # noqa: PLC0415  as above

    if isinstance(X_test, list | tuple) and all(isinstance(row, BaseModel | dict) for row in X_test):
        return list(X_test)
    with serve_in_process(tests.app, values) as client:
        run_data_tests(tests.data, client, X_test, y_test)
        return [instance for instance, _ in client.exchanges]


def _examples(tests: ServiceTests, client: RecordingClient, X_test: Any) -> dict[str, Any]:
    """Find for each route a request that it answers: a server shows with it that it is ready."""
    from pydantic_core import to_jsonable_python  # noqa: PLC0415  as above

    asked = [instance for instance, _ in client.exchanges[:1]]  # where the rows are no instances, the tests made some
    examples: dict[str, Any] = {}
    for instance in (*(X_test[:1] if isinstance(X_test, list | tuple) else ()), *asked):
        body = {"instances": [to_jsonable_python(instance)]}
        for route in [route for route in tests.handlers if route not in examples]:  # always in this order
            if client.http.post(f"/{route}", json=body).status_code == 200:  # noqa: PLR2004
                examples[route] = body
    return examples
