"""Data and regression tests against a real application in process."""

import math
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict

from rung.errors import NotFoundError, TaskError, WorkspaceError
from rung.schema import Request, max_instances
from rung.serving import Artifact, create_serving_app
from rung.testing import (
    Client,
    PredictionError,
    RecordingClient,
    Scores,
    fake_artifacts,
    goal,
    import_part,
    load_service_tests,
    run_data_tests,
    run_regression_tests,
    score_groups,
    serve_in_process,
)
from rung.workspace import find


@max_instances(3)
class Instance(BaseModel):
    model_config = ConfigDict(frozen=True)

    x: float


class Loose(BaseModel):
    x: float


class Parameters(BaseModel):
    add: float = 0.0


class Prediction(BaseModel):
    y: float


class Model:
    """Doubles, and keeps how many instances each call had."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, values: list[float]) -> list[float]:
        self.calls.append(len(values))
        return [2 * value for value in values]


def predict(request: Request[Instance, Parameters], model=Depends(Artifact("model"))) -> list[Prediction]:  # noqa: ANN001, B008
    doubled = model([instance.x for instance in request.instances])
    return [Prediction(y=value + request.parameters.add) for value in doubled]


def other(request: Request[Instance, Parameters]) -> list[Prediction]:
    return [Prediction(y=-instance.x) for instance in request.instances]


@pytest.fixture
def app() -> FastAPI:
    return create_serving_app(predict=predict, other=other)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def client(app: FastAPI, model: Model) -> Iterator[Client]:
    with fake_artifacts(app, model=model) as client:
        yield client


@pytest.fixture
def recording(app: FastAPI, model: Model) -> Iterator[RecordingClient]:
    with serve_in_process(app, {"model": model}) as client:
        yield client


def test_many_instances_are_cut_to_what_is_allowed(client: Client, model: Model):
    predictions = client.predict([Instance(x=number) for number in range(8)])
    assert [prediction.y for prediction in predictions] == [2.0 * number for number in range(8)]
    assert model.calls == [3, 3, 2]


def test_predictions_are_typed(client: Client):
    assert client.predict([{"x": 1}], parameters={"add": 5}) == [Prediction(y=7)]
    assert client.predict([Instance(x=1)], parameters=Parameters(add=1)) == [Prediction(y=3)]
    assert client.predict([Instance(x=1)], route="other") == [Prediction(y=-1)]
    assert client.predict([]) == []


def test_unknown_route_names_those_there_are(client: Client):
    with pytest.raises(NotFoundError, match="the routes are predict, other"):
        client.predict([Instance(x=1)], route="elsewhere")


def test_problem_of_the_service_is_raised(client: Client):
    with pytest.raises(PredictionError, match=r"predict answered 422.*/instances/0/x"):
        client.predict([{"x": "much"}])


def test_fakes_are_gone_after_the_block(app: FastAPI):
    with fake_artifacts(app, model=Model()) as client:
        assert client.http.get("/readyz").status_code == 200
    with fake_artifacts(app) as client:
        assert client.http.get("/readyz").status_code == 503


def test_fakes_can_be_nested(app: FastAPI, model: Model):
    with fake_artifacts(app, model=model) as outer:
        with fake_artifacts(app, model=lambda values: [0.0] * len(values)) as inner:
            assert inner.predict([Instance(x=1)]) == [Prediction(y=0)]
        assert outer.predict([Instance(x=1)]) == [Prediction(y=2)]


def test_known_instances_are_not_asked_for_again(recording: RecordingClient, model: Model):
    one, two = Instance(x=1), Instance(x=2)
    recording.predict([one, one])
    answers = recording.predict([two, one, Instance(x=2)])
    assert [answer.y for answer in answers] == [4, 2, 4]
    assert model.calls == [1, 1]
    assert recording.predict([one], parameters={"add": 1})[0].y == 3
    assert recording.predict([one], route="other")[0].y == -1


@pytest.mark.parametrize("make", [lambda: {"x": 1.0}, lambda: Loose(x=1.0)])
def test_changed_instance_is_another_one(recording: RecordingClient, make: Callable[[], Any]):
    instance = make()
    first = recording.predict([instance])[0].y
    if isinstance(instance, dict):
        instance["x"] = 5.0
    else:
        instance.x = 5.0
    assert (first, recording.predict([instance])[0].y) == (2, 10)


def test_exchanges_are_kept_within_bounds(recording: RecordingClient):
    for _ in range(30):
        recording.predict([Instance(x=number) for number in range(50)])
    assert (len(recording.exchanges), recording.asked) == (1_000, 1_500)
    assert recording.exchanges[1] == (Instance(x=1), Prediction(y=2))


def outcome(recording: RecordingClient, test: Callable[..., Any]) -> tuple[bool, str]:
    (result,) = run_regression_tests({"test_it": test}, lambda: recording)
    return result.passed, result.because


def returning(value: Any) -> Callable[[Client], Any]:
    def test(client: Client) -> Any:
        return value

    return test


@pytest.mark.parametrize("value", [True, np.bool_(True)])
def test_true_passes(recording: RecordingClient, value: Any):
    assert outcome(recording, returning(value)) == (True, "")


@pytest.mark.parametrize("value", [False, np.bool_(False)])
def test_false_shows_what_was_compared(recording: RecordingClient, value: Any):
    def test(client: Client) -> bool:
        client.predict([Instance(x=1)] * 8)
        return value

    passed, because = outcome(recording, test)
    assert not passed
    assert because.startswith("it returned False on Instance(x=1.0) -> Prediction(y=2.0); ")
    assert because.endswith(" and 2 more")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(None, "it returned nothing", id="none"),
        pytest.param(1, "it returned 1, a int", id="one"),
        pytest.param("yes", "it returned 'yes', a str", id="text"),
        pytest.param(np.array([True, True]), "a ndarray", id="array"),
        pytest.param([True] * 10_000, "a list", id="long list"),
    ],
)
def test_what_is_no_bool_does_not_pass(recording: RecordingClient, value: Any, said: str):
    passed, because = outcome(recording, returning(value))
    assert not passed
    assert said in because
    assert len(because) < 500


@pytest.mark.parametrize("error", [ValueError("odd"), AssertionError("odd"), SystemExit("odd")])
def test_test_that_raises_has_failed_and_others_go_on(app: FastAPI, error: BaseException):
    def test_raises(client: Client) -> bool:
        raise error

    with serve_in_process(app, {"model": Model()}) as http:
        first, second = run_regression_tests({"test_raises": test_raises, "test_fine": returning(True)}, lambda: http)
    assert (first.passed, second.passed) == (False, True)
    assert first.because.startswith(f"it raised {type(error).__name__}: odd at {__file__}:")


def test_regression_test_asks_the_service_every_time(recording: RecordingClient, model: Model):
    def test(client: Client) -> bool:
        one = Instance(x=1)
        return client.predict([one, one])[0] == client.predict([one])[0]

    assert outcome(recording, test) == (True, "")
    assert model.calls == [2, 1]


def data(recording: RecordingClient, value: Callable[..., Any]) -> tuple[float | None, str]:
    @goal.minimize
    def error(client: Client, X_test: Any, y_test: Any) -> float:  # noqa: N803
        found: float = value()
        return found

    (result,) = run_data_tests({"error": error}, recording, [Instance(x=1)], [2.0])
    assert (result.name, result.goal) == ("error", "minimize")
    return result.value, result.because


@pytest.mark.parametrize(
    ("value", "number", "said"),
    [
        pytest.param(lambda: 0.5, 0.5, "", id="number"),
        pytest.param(lambda: np.float32(0.5), 0.5, "", id="numpy"),
        pytest.param(lambda: math.nan, None, "it gave nan, which is not a finite number", id="nan"),
        pytest.param(lambda: -math.inf, None, "it gave -inf", id="infinity"),
        pytest.param(lambda: None, None, "it raised TypeError", id="nothing"),
        pytest.param(lambda: "high", None, "it raised ValueError", id="text"),
        pytest.param(lambda: 1 / 0, None, "it raised ZeroDivisionError: division by zero", id="error"),
    ],
)
def test_data_test_gives_a_number_or_why_not(
    recording: RecordingClient, value: Callable[..., Any], number: float | None, said: str
):
    found, because = data(recording, value)
    assert found == number
    assert because.startswith(said)


def mean_error(client: Client, X_test: Any, y_test: Any) -> float:  # noqa: N803
    predictions = client.predict(list(X_test))
    return float(np.mean([abs(p.y - y) for p, y in zip(predictions, y_test, strict=True)]))


@pytest.mark.parametrize("container", [list, tuple, np.array])
def test_scores_of_groups_equal_direct_computation(recording: RecordingClient, model: Model, container: Any):
    draw = random.Random(1)
    rows = [Instance(x=draw.random()) for _ in range(40)]
    truths = [draw.random() for _ in rows]
    groups = [draw.randrange(7) for _ in rows]
    scores = score_groups(mean_error, recording, (rows, container(truths)), groups)
    assert isinstance(scores, Scores)
    errors = [abs(2 * row.x - truth) for row, truth in zip(rows, truths, strict=True)]
    assert scores.full == pytest.approx(np.mean(errors))
    for group in range(7):
        kept = [error for error, member in zip(errors, groups, strict=True) if member != group]
        assert scores.without_group[group] == pytest.approx(np.mean(kept))
    assert sum(model.calls) == len(rows)


def test_group_without_a_score_says_which(recording: RecordingClient):
    def fragile(client: Client, X_test: Any, y_test: Any) -> float:  # noqa: N803
        return math.nan if len(y_test) < 3 else 1.0

    rows = [Instance(x=number) for number in range(3)]
    assert score_groups(fragile, recording, (rows, [0.0, 1.0, 2.0]), [0, 1, 2]) == (
        "without group 0 it gave nan, which is not a finite number"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("1 +", "is not Python", id="syntax"),
        pytest.param("import nowhere_at_all", "needs 'nowhere_at_all'", id="library"),
        pytest.param("from rung.errors import Nothing", "cannot import name", id="name"),
        pytest.param("raise ValueError('odd')", "raised ValueError: odd: look at", id="error"),
        pytest.param("x = 1", "serve/app.py has no app", id="no app"),
    ],
)
def test_broken_module_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str):
    (tmp_path / "rung.toml").touch()
    for name in ("schema", "serve"):
        (tmp_path / "experiments" / "odd" / name).mkdir(parents=True)
        (tmp_path / "experiments" / "odd" / name / "__init__.py").touch()
    (tmp_path / "experiments" / "odd" / "serve" / "app.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for module in [name for name in sys.modules if name.partition(".")[0] == "experiments"]:
        monkeypatch.delitem(sys.modules, module)  # another test's
    try:
        with pytest.raises((TaskError, WorkspaceError), match=said):
            load_service_tests(find(tmp_path), "odd")
        with pytest.raises(TaskError, match=r"create experiments/odd/tests/data\.py"):
            import_part(find(tmp_path).service("odd"), "tests.data")
    finally:
        for module in [name for name in sys.modules if name.partition(".")[0] == "experiments"]:
            del sys.modules[module]
