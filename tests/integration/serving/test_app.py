"""The serving application in process: what consumers are told, whatever they send and whatever the handler does."""

import json
import math
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, Header, HTTPException
from fastapi import Request as HttpRequest
from httpx2 import Response
from pydantic import BaseModel, ConfigDict, Field, computed_field, create_model
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.testclient import TestClient

from rung.errors import CallError, SchemaError
from rung.schema import Request, max_instances
from rung.serving import Artifact, bind_artifacts, create_serving_app, handlers_of, needed_artifacts


@max_instances(3)
class Instance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    area: Annotated[float, Field(gt=0)]
    tags: list[str] = []


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    factor: float = 1.0


class Prediction(BaseModel):
    price: float
    parts: dict[str, list[float]] = {}


Body = Request[Instance, Parameters]


def predict(request: Body, model=Depends(Artifact("model"))) -> list[Prediction]:  # noqa: ANN001, B008
    return [Prediction(price=model(instance.area) * request.parameters.factor) for instance in request.instances]


def client_of(app: Any) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


def answering(handler: Callable[..., Any]) -> TestClient:
    return client_of(create_serving_app(predict=handler))


def giving(*predictions: Any) -> TestClient:
    """Serve a handler that gives these predictions whatever it is asked."""

    def handler(request: Body) -> list[Prediction]:
        return list(predictions)

    return answering(handler)


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = create_serving_app(predict=predict)
    with bind_artifacts(app, {"model": lambda area: 10 * area}), client_of(app) as client:
        yield client


def problem(answer: Response, status: int) -> dict[str, Any]:
    """Check that an answer is a problem as RFC 9457 has it, and give it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    assert answer.headers["x-revision"] == "undeployed"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    return found


def pointers(answer: Response, status: int) -> list[str]:
    return [error["pointer"] for error in problem(answer, status)["errors"]]


ONE = {"instances": [{"area": 2}]}


def test_each_instance_gets_its_prediction(client: TestClient):
    answer = client.post("/predict", json={"instances": [{"area": 1}, {"area": 2}], "parameters": {"factor": 2}})
    assert answer.json() == {"predictions": [{"price": 20.0, "parts": {}}, {"price": 40.0, "parts": {}}]}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b'{"instances": [{"area": 1}]} trailing', id="something after it"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[" * 100_000, id="deeply nested"),
    ],
)
def test_malformed_json_is_a_400(client: TestClient, body: bytes):
    assert problem(client.post("/predict", content=body), 400)["detail"].startswith("the body is not JSON")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        pytest.param({}, ["/instances"], id="no instances"),
        pytest.param([], [""], id="not an object"),
        pytest.param({"instances": []}, ["/instances"], id="empty"),
        pytest.param({"instances": [{"area": 1}] * 4}, ["/instances"], id="too many"),
        pytest.param({"instances": "house"}, ["/instances"], id="not a list"),
        pytest.param({"instances": [{"area": 1}, {}]}, ["/instances/1/area"], id="missing field"),
        pytest.param({"instances": [{"area": 1, "a/b~c": 1}]}, ["/instances/0/a~1b~0c"], id="unknown field"),
        pytest.param({"instances": [{"area": "big"}]}, ["/instances/0/area"], id="wrong type"),
        pytest.param({"instances": [{"area": -1}]}, ["/instances/0/area"], id="out of range"),
        pytest.param({"instances": [{"area": 1, "tags": ["a", 1]}]}, ["/instances/0/tags/1"], id="deep inside"),
        pytest.param({**ONE, "parameters": {"factor": "x"}}, ["/parameters/factor"], id="parameter"),
        pytest.param({**ONE, "more": 1}, ["/more"], id="unknown key"),
        pytest.param({"instances": [None]}, ["/instances/0"], id="null"),
    ],
)
def test_body_that_does_not_fit_is_a_422(client: TestClient, body: Any, where: list[str]):
    assert pointers(client.post("/predict", json=body), 422) == where


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"NaN"', '"inf"', "9" * 400])
def test_number_that_is_not_finite_is_a_422(client: TestClient, number: str):
    body = f'{{"instances": [{{"area": 1}}], "parameters": {{"factor": {number}}}}}'
    assert pointers(client.post("/predict", content=body), 422) == ["/parameters/factor"]


def test_words_that_look_like_infinity_are_fine(client: TestClient):
    assert client.post("/predict", json={"instances": [{"area": 1, "tags": ["nan", "inf"]}]}).status_code == 200


@pytest.mark.parametrize("is_declared", [True, False])
def test_large_body_is_a_413(client: TestClient, is_declared: bool):
    client.app.state.rung_endpoints["predict"].max_body_bytes = 100
    body = json.dumps(ONE).encode() + b" " * 100
    content = body if is_declared else iter([body[:50], body[50:]])
    assert problem(client.post("/predict", content=content), 413)["detail"] == "the body has more than 100 bytes"


def test_unknown_route_is_a_404(client: TestClient):
    problem(client.post("/elsewhere", json=ONE), 404)


def test_wrong_method_is_a_405(client: TestClient):
    answer = client.get("/predict")
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_missing_artifact_is_a_503():
    with client_of(create_serving_app(predict=predict)) as client:
        assert "'model' is not there" in problem(client.post("/predict", json=ONE), 503)["detail"]
        assert problem(client.get("/readyz"), 503)["detail"] == "not ready: the artifacts model are not there"
        assert client.get("/livez").json() == {"status": "alive"}


def test_message_of_a_handler_is_not_told(client: TestClient):
    def handler(request: Body) -> list[Prediction]:
        raise ValueError("secret")

    answer = answering(handler).post("/predict", json=ONE)
    assert problem(answer, 500)["detail"] == "the handler raised ValueError"
    assert "secret" not in answer.text


@pytest.mark.parametrize("error", [StopIteration(), SystemExit(0), RecursionError(), KeyError("x")])
def test_server_outlives_whatever_a_handler_raises(error: BaseException):
    def handler(request: Body) -> list[Prediction]:
        raise error

    problem(answering(handler).post("/predict", json=ONE), 500)


@pytest.mark.parametrize("kind", [HTTPException, StarletteHTTPException])
def test_status_that_a_handler_chooses_is_told(kind: type[StarletteHTTPException]):
    def handler(request: Body) -> list[Prediction]:
        raise kind(status_code=451, detail="not here", headers={"x-why": "law"})

    answer = answering(handler).post("/predict", json=ONE)
    assert problem(answer, 451)["detail"] == "not here"
    assert answer.headers["x-why"] == "law"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_never_an_answer(bad: float):
    two = {"instances": [{"area": 1}, {"area": 1}]}
    client = giving(Prediction(price=1), Prediction(price=bad, parts={"a": [0.0, bad]}))
    assert pointers(client.post("/predict", json=two), 500) == ["/predictions/1/price", "/predictions/1/parts/a/1"]


def test_computed_field_is_checked_too():
    class Computed(BaseModel):
        price: float

        @computed_field
        def log(self) -> float:
            return math.inf

    def handler(request: Body) -> list[Computed]:
        return [Computed(price=1)]

    assert pointers(answering(handler).post("/predict", json=ONE), 500) == ["/predictions/0/log"]


def test_dataclass_in_a_prediction_is_checked_too():
    @dataclass
    class Range:
        low: float

    class Ranged(BaseModel):
        between: Range

    def handler(request: Body) -> list[Ranged]:
        return [Ranged(between=Range(low=math.nan))]

    assert pointers(answering(handler).post("/predict", json=ONE), 500) == ["/predictions/0/between/low"]


@pytest.mark.parametrize("count", [0, 2])
def test_one_prediction_is_owed_for_each_instance(count: int):
    answer = giving(*[Prediction(price=1)] * count).post("/predict", json=ONE)
    assert problem(answer, 500)["detail"].startswith(f"the handler gave {count} predictions for 1 instances")


@pytest.mark.parametrize("factor", [0, 2])
def test_handler_that_changes_the_instances_owes_as_many_predictions(factor: int):
    def careless(request: Body) -> list[Prediction]:
        request.instances *= factor
        return [Prediction(price=instance.area) for instance in request.instances]

    answer = answering(careless).post("/predict", json={"instances": [{"area": 2.0}]})
    assert problem(answer, 500)["detail"].startswith(f"the handler gave {factor} predictions for 1 instances")


@pytest.mark.parametrize("given", [None, 3, "text", [{"price": "high"}], [None]])
def test_answer_of_another_shape_is_a_500(given: Any):
    def handler(request: Body) -> list[Prediction]:
        result: list[Prediction] = given
        return result

    problem(answering(handler).post("/predict", json=ONE), 500)


def test_generator_that_raises_is_a_500():
    def handler(request: Body) -> list[Prediction]:
        return (1 / 0 for _ in request.instances)  # type: ignore[return-value]

    problem(answering(handler).post("/predict", json=ONE), 500)


def test_prediction_that_json_cannot_say_is_a_500():
    class Anything(BaseModel):
        value: Any

    def handler(request: Body) -> list[Anything]:
        return [Anything(value=object())]

    assert "cannot be written" in problem(answering(handler).post("/predict", json=ONE), 500)["detail"]


def test_request_id_is_taken_over(client: TestClient):
    answer = client.post("/predict", json=ONE, headers={"x-request-id": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert client.get("/livez").headers["x-request-id"] != client.get("/livez").headers["x-request-id"]


@pytest.mark.parametrize("given", ["x" * 129, "a\tb", "\u00e9".encode("latin-1")])
def test_unusable_request_id_is_replaced(client: TestClient, given: Any):
    answer = client.get("/livez", headers={"x-request-id": given})
    assert len(answer.headers["x-request-id"]) == 32


def test_ordinary_dependencies_work():
    def who(request: HttpRequest, model=Depends(Artifact("inner"))) -> str:  # noqa: ANN001, B008
        return f"{request.headers['x-name']} {model}"

    def handler(
        request: Body,
        name: Annotated[str, Depends(who)],
        x_scale: Annotated[float, Header()],
        model=Depends(Artifact("model")),  # noqa: ANN001, B008
    ) -> list[Prediction]:
        assert name == "ada inner"
        return [Prediction(price=model * x_scale)]

    app = create_serving_app(predict=handler)
    assert needed_artifacts(app) == {"inner", "model"}
    with bind_artifacts(app, {"model": 2.0, "inner": "inner"}), client_of(app) as client:
        headers = {"x-name": "ada", "x-scale": "3"}
        assert client.post("/predict", json=ONE, headers=headers).json()["predictions"][0]["price"] == 6
        assert pointers(client.post("/predict", json=ONE, headers={"x-name": "ada"}), 422) == ["/header/x-scale"]
    with bind_artifacts(app, {"model": 2.0}), client_of(app) as client:
        assert "'inner' is not there" in problem(client.post("/predict", json=ONE, headers=headers), 503)["detail"]


def test_dependency_that_raises_is_a_problem():
    def broken() -> int:
        raise ValueError("secret")

    def handler(request: Body, _: Annotated[int, Depends(broken)]) -> list[Prediction]:
        return []

    answer = answering(handler).post("/predict", json=ONE)
    assert problem(answer, 500)["detail"] == "the service raised ValueError"


def test_middleware_works():
    app = create_serving_app(predict=predict)

    @app.middleware("http")
    async def mark(request: HttpRequest, call_next: Any) -> Any:
        if "x-stop" in request.headers:
            raise RuntimeError("stopped")
        answer = await call_next(request)
        answer.headers["x-marked"] = "yes"
        return answer

    with bind_artifacts(app, {"model": lambda area: area}), client_of(app) as client:
        assert client.post("/predict", json=ONE).headers["x-marked"] == "yes"
        problem(client.post("/predict", json=ONE, headers={"x-stop": "1"}), 500)


def test_asynchronous_handler_works():
    async def handler(request: Body) -> list[Prediction]:
        return [Prediction(price=1) for _ in request.instances]

    assert answering(handler).post("/predict", json=ONE).json()["predictions"] == [{"price": 1.0, "parts": {}}]


def test_several_routes_answer():
    def large(request: Body) -> list[Prediction]:
        return [Prediction(price=2)]

    def small(request: Body) -> list[Prediction]:
        return [Prediction(price=1)]

    client = client_of(create_serving_app(large=large, small=small))
    assert [client.post(f"/{name}", json=ONE).json()["predictions"][0]["price"] for name in ("large", "small")] == [
        2,
        1,
    ]


def test_route_and_handlers_must_agree(monkeypatch: pytest.MonkeyPatch):
    route = StrEnum("Route", {"LARGE": "large", "SMALL": "small"})
    for name in ("pack", "pack.schema", "pack.schema.service", "pack.serve", "pack.serve.serving_parts"):
        module = types.ModuleType(name)
        module.__path__ = []
        module.__spec__ = types.SimpleNamespace(submodule_search_locations=[])  # type: ignore[assignment]
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys.modules["pack.schema.service"], "Route", route, raising=False)

    def handler(request: Body) -> list[Prediction]:
        return []

    handler.__module__ = "pack.serve.serving_parts"
    with pytest.raises(SchemaError) as refused:
        create_serving_app(large=handler, medium=handler)
    assert "Route has 'small' without a handler" in str(refused.value)
    assert "the handler 'medium' is not in Route" in str(refused.value)
    assert set(handlers_of(create_serving_app(large=handler, small=handler))) == {"large", "small"}


def no_body(model=Depends(Artifact("model"))) -> list[Prediction]:  # noqa: ANN001, B008
    return []


def two_bodies(one: Body, two: Body) -> list[Prediction]:
    return []


def no_annotation(request) -> list[Prediction]:  # noqa: ANN001
    return []


def no_return(request: Body):
    return []


def single_prediction(request: Body) -> Prediction:
    return Prediction(price=1)


def plain_numbers(request: Body) -> list[float]:
    return []


def unknown_name(request: "Nowhere") -> list[Prediction]:  # type: ignore[name-defined]  # noqa: F821
    return []


@pytest.mark.parametrize(
    "handler", [no_body, two_bodies, no_annotation, no_return, single_prediction, plain_numbers, unknown_name]
)
def test_handler_of_another_shape_is_refused(handler: Callable[..., Any]):
    with pytest.raises(SchemaError, match="the handler of 'predict'"):
        create_serving_app(predict=handler)


def test_application_without_handlers_is_refused():
    with pytest.raises(SchemaError, match="no handler"):
        create_serving_app()


@pytest.mark.parametrize("name", ["", "a b", "housing.m0.build", "housing.v1.m0."])
def test_artifact_needs_a_name(name: str):
    with pytest.raises((ValueError, CallError)):
        Artifact(name)


def test_openapi_document_is_complete():
    Other = create_model("Instance", __module__="elsewhere", text=(str, ...))  # noqa: N806  a class

    class Needed(BaseModel):
        must: int

    def second(request: Request[Other, Needed]) -> list[Prediction]:
        return []

    client = client_of(create_serving_app(predict=predict, second=second))
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {"/predict", "/second"}
    operation = document["paths"]["/predict"]["post"]
    assert set(operation["responses"]) == {"200", "4XX", "5XX"}
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert (body["properties"]["instances"]["minItems"], body["properties"]["instances"]["maxItems"]) == (1, 3)
    assert body["required"] == ["instances"]
    other = document["paths"]["/second"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert other["required"] == ["instances", "parameters"]
    assert set(resolved(document, body["properties"]["instances"]["items"])["properties"]) == {"area", "tags"}
    assert set(resolved(document, other["properties"]["instances"]["items"])["properties"]) == {"text"}
    for reference in references(document):
        assert resolved(document, {"$ref": reference})
    assert client.get("/docs").status_code == 200


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(document: Any, schema: dict[str, Any]) -> Any:
    target = document
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return target


def test_metrics_count_requests(client: TestClient):
    def counted() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    before = counted()
    client.post("/predict", json={"instances": [{"area": 1}, {"area": 1}]})
    client.post("/predict", json={})
    after = counted()
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown['rung_requests_total{route="predict",status="200"}'] == 1
    assert grown['rung_requests_total{route="predict",status="422"}'] == 1
    assert grown['rung_instances_total{route="predict"}'] == 2
    assert grown['rung_request_seconds_count{route="predict"}'] == 2


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in folder.glob("predictions-*") for line in path.read_text().splitlines()]


def test_log_holds_every_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RUNG_LOG", str(tmp_path))
    monkeypatch.setenv("RUNG_REVISION", "housing.v1.m2")
    monkeypatch.setenv("RUNG_UNIT_HEADER", "x-customer")
    app = create_serving_app(predict=predict)
    headers = {
        "x-request-id": "r-1",
        "x-customer": "customer \u00fc".encode(),
        "x-rung-experiment": "e-7",
        "x-rung-arm": "challenger",
        "x-rung-propensity": "0.3000",
        "x-rung-route": "production",
    }
    with bind_artifacts(app, {"model": lambda area: 10 * area}), client_of(app) as client:
        answer = client.post("/predict", json=ONE, headers=headers)
        client.post("/predict", json={"instances": [{"area": -1}]})
        client.post("/predict", json={**ONE, "parameters": {"factor": 1e308}})
    assert answer.headers["x-revision"] == "housing.v1.m2"
    good, refused, broken = logged(tmp_path)
    told = ("id", "revision", "route", "experiment", "arm", "propensity", "kind", "status")
    assert {name: good[name] for name in told} == {
        "id": "r-1",
        "revision": "housing.v1.m2",
        "route": "predict",
        "experiment": "e-7",
        "arm": "challenger",
        "propensity": 0.3,
        "kind": "production",
        "status": 200,
    }
    assert json.loads(good["instances"]) == [{"area": 2.0, "tags": []}]
    assert json.loads(good["parameters"]) == {"factor": 1.0}
    assert json.loads(good["predictions"]) == answer.json()["predictions"]
    assert good["unit"].startswith("customer ")
    assert good["duration_ms"] > 0
    assert (refused["status"], refused["kind"], refused["predictions"]) == (422, "exact", None)
    assert (refused["experiment"], refused["arm"], refused["propensity"]) == (None, None, None)
    assert (broken["status"], broken["predictions"]) == (500, None)
    assert json.loads(broken["error"]) == "the prediction holds numbers that are not finite"
    assert json.loads(broken["instances"]) == [{"area": 2.0, "tags": []}]


def test_answer_that_cannot_be_logged_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "log").write_text("a file where the folder should be")
    monkeypatch.setenv("RUNG_LOG", str(tmp_path / "log"))
    app = create_serving_app(predict=predict)
    with bind_artifacts(app, {"model": lambda area: area}), client_of(app) as client:
        answer = client.post("/predict", json=ONE)
    assert problem(answer, 503)["detail"] == "the prediction cannot be logged"
    assert answer.headers["retry-after"] == "5"
