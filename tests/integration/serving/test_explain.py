"""`?explain=true`: predictions with their terms, where the author allows it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jsonschema_rs
import numpy as np
import pytest
from fastapi import Depends, Header
from pydantic import BaseModel, Field
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor
from starlette.testclient import TestClient

from rung import artifacts
from rung.errors import SchemaError
from rung.explain import explained
from rung.lake.log import AppendLog
from rung.schema import Request
from rung.serving import Artifact, Bundle, bind_artifacts, create_serving_app, write_bundle
from rung.testing import fake_artifacts

ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]])
LINE = LinearRegression().fit(ROWS, ROWS @ [2.0, -1.0] + 5)
Model = Annotated[Any, Depends(Artifact("fit"))]
BODY = {"instances": [{"x": 1, "z": 1}, {"x": 4, "z": 0}]}


class Instance(BaseModel):
    x: float = Field(ge=0)
    z: float = 0.0


class Parameters(BaseModel):
    pass


class Prediction(BaseModel):
    y: float


def answer(request: Request[Instance, Parameters], model: Any) -> list[Prediction]:
    rows = np.array([[instance.x, instance.z] for instance in request.instances])
    return [Prediction(y=y) for y in model.predict(rows).tolist()]


@explained
def predict(request: Request[Instance, Parameters], model: Model) -> list[Prediction]:
    return answer(request, model)


@explained(artifact="fit")
async def later(
    request: Request[Instance, Parameters],
    model: Model,
    other: Annotated[Any, Depends(Artifact("other"))],
    x_scale: Annotated[float, Header()] = 1.0,
) -> list[Prediction]:
    return [Prediction(y=one.y * x_scale + other) for one in answer(request, model)]


def silent(request: Request[Instance, Parameters], model: Model) -> list[Prediction]:
    return answer(request, model)


@explained
def one_by_one(request: Request[Instance, Parameters], model: Model) -> list[Prediction]:
    return [Prediction(y=model.predict([[instance.x, instance.z]])[0]) for instance in request.instances]


app = create_serving_app(predict=predict, later=later, silent=silent, one_by_one=one_by_one)


@pytest.fixture
def http() -> Iterator[Any]:
    with fake_artifacts(app, fit=LINE, other=0.0) as client:
        yield client.http


def terms(told: dict[str, Any]) -> list[dict[str, float]]:
    return [one["outputs"][0]["terms"] for one in told["explanations"]]


def test_each_prediction_is_explained_in_order(http: Any):
    told = http.post("/predict?explain=true", json=BODY).json()
    assert told["predictions"] == http.post("/predict", json=BODY).json()["predictions"]
    assert terms(told)[0] == pytest.approx({"column 0": 2.0, "column 1": -1.0})
    assert terms(told)[1] == pytest.approx({"column 0": 8.0, "column 1": 0.0})
    first = told["explanations"][0]
    assert (first["artifact"], first["method"], first["space"]) == ("fit", "linear terms", "prediction")
    assert first["outputs"][0]["baseline"] == pytest.approx(5.0)
    assert first["outputs"][0]["value"] == pytest.approx(told["predictions"][0]["y"])


@pytest.mark.parametrize("query", ["", "?", "?explain=false", "?explain=", "?other=true"])
def test_who_does_not_ask_gets_predictions_alone(http: Any, query: str):
    assert set(http.post(f"/predict{query}", json=BODY).json()) == {"predictions"}


def test_handler_with_other_dependencies_is_explained(http: Any):
    told = http.post("/later?explain=1", json=BODY, headers={"x-scale": "10"}).json()
    assert [one["y"] for one in told["predictions"]] == pytest.approx([60.0, 130.0])
    assert terms(told)[0] == pytest.approx({"column 0": 2.0, "column 1": -1.0})


def test_route_without_permission_refuses(http: Any):
    refused = http.post("/silent?explain=true", json=BODY)
    assert refused.status_code == 403
    assert refused.json()["detail"] == "the route silent gives no explanations"
    assert "x-request-id" in refused.headers


def test_request_that_does_not_fit_is_refused_as_ever(http: Any):
    refused = http.post("/predict?explain=true", json={"instances": [{"x": -1}]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/instances/0/x"


def test_prediction_is_not_lost_without_an_explanation():
    with fake_artifacts(app, fit=DecisionTreeRegressor(max_depth=1).fit(ROWS, ROWS[:, 0]), other=0.0) as client:
        told = client.http.post("/predict?explain=true", json=BODY)
    assert told.status_code == 200
    assert len(told.json()["predictions"]) == 2
    assert told.json()["explanations"] is None
    assert told.json()["explanations_because"].startswith("DecisionTreeRegressor is not linear, and shap")


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revision whose evaluation kept answers."""
    rows = [{"x": x, "z": z} for x, z in ROWS.tolist()]
    exchange = {"instances": rows, "predictions": [{"y": 0.0}] * len(rows)}
    kept = {"exchanges": [{"route": route, **exchange} for route in ("predict", "later", "one_by_one")]}
    digest = artifacts.LocalStore(tmp_path / "artifacts").put(artifacts.encode(kept))
    bundle = {"revision": "s.v1.m1", "run": "r", "contract": {}, "infrastructure": {}, "example": {}}
    write_bundle(tmp_path, Bundle(artifacts={"evaluated": digest}, **bundle))
    monkeypatch.setenv("RUNG_STATE", str(tmp_path))
    monkeypatch.setenv("RUNG_REVISION", "s.v1.m1")


@pytest.mark.parametrize("route", ["predict", "later", "one_by_one"])
def test_any_model_is_explained_by_sampling_where_it_is_deployed(deployed: None, route: str):
    fresh = create_serving_app(predict=predict, later=later, one_by_one=one_by_one)
    tree = DecisionTreeRegressor(max_depth=2, random_state=0).fit(ROWS, ROWS[:, 0])
    with bind_artifacts(fresh, {"fit": tree, "other": 0.0}):
        client = TestClient(fresh)  # not started: nothing is loaded from the store
        told = client.post(f"/{route}?explain=true", json=BODY).json()
    assert [one["method"] for one in told["explanations"]] == ["sampled shapley values"] * 2
    for prediction, explanation in zip(told["predictions"], told["explanations"], strict=True):
        (output,) = explanation["outputs"]
        assert output["output"] == "y"
        assert output["value"] == pytest.approx(prediction["y"])
        assert abs(output["terms"]["x"]) > abs(output["terms"]["z"])


def test_handler_that_asks_row_by_row_says_so(http: Any):
    told = http.post("/one_by_one?explain=true", json=BODY).json()
    assert told["explanations_because"] == "the handler asked fit for 1 rows, for 2 instances"


def test_fake_that_is_no_model_says_so():
    class Fake:
        def predict(self, rows: Any) -> Any:
            return np.asarray(rows)[:, 0]

    with fake_artifacts(app, fit=Fake(), other=0.0) as client:
        told = client.http.post("/predict?explain=true", json=BODY).json()
    assert "Fake is not linear" in told["explanations_because"]


def test_explanation_is_no_part_of_the_log(http: Any, tmp_path: Path):
    observer = app.state.rung_observer
    observer.log = AppendLog(str(tmp_path))
    try:
        asked = http.post("/predict?explain=true", json=BODY)
        observer.log.close()
    finally:
        observer.log = None
    (line,) = [json.loads(text) for path in tmp_path.iterdir() for text in path.read_text().splitlines()]
    assert line["id"] == asked.headers["x-request-id"]
    assert "explanations" not in json.dumps(line)


def test_document_tells_of_explanations_where_they_are(http: Any):
    paths = http.get("/openapi.json").json()["paths"]
    told, silent = (paths[f"/{route}"]["post"] for route in ("predict", "silent"))
    assert [one["name"] for one in told["parameters"]] == ["explain"]
    assert "parameters" not in silent
    answer = told["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["explanations"]
    jsonschema_rs.validate(answer, http.post("/predict?explain=true", json=BODY).json()["explanations"])


@pytest.mark.parametrize("artifact", ["other", None])
def test_mark_must_name_an_artifact_of_the_handler(artifact: str | None):
    def wrong(request: Request[Instance, Parameters]) -> list[Prediction]:
        return answer(request, LINE)

    mark = explained if artifact is None else explained(artifact=artifact)
    with pytest.raises(SchemaError, match="is @explained by"):
        create_serving_app(predict=mark(wrong))
