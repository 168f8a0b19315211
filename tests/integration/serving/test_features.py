"""Handlers that take features: what they get, what consumers are told, and what of it is on record."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from fastapi import Depends
from held import Held
from pydantic import BaseModel, Field
from starlette.testclient import TestClient

from rung.errors import CallError, FeaturesMissingError, NotFoundError, SchemaError, UnavailableError
from rung.features import Feature, Features, FeatureView, HistoricalSource
from rung.infrastructure import Batching, ServingHardware
from rung.lake.log import AppendLog
from rung.schema import Request
from rung.serving import bind_features, create_serving_app, needed_features
from rung.serving._app import endpoints_of
from rung.testing import fake_features

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUSES = pl.DataFrame(
    {
        "house": ["a", "a", "b", "c"],
        "known": [START, START + timedelta(days=10), START, START],
        "area": [100.0, 110.0, 200.0, None],
        "rooms": [4, 5, None, 7],
        "built": [date(1950, 1, 1), date(1951, 1, 1), date(1960, 1, 1), None],
    }
)
VIEW = FeatureView(
    name="houses",
    entity="house",
    source=Held(HOUSES),  # type: ignore[arg-type]
    time="known",
    features={
        "area": Feature(float),
        "rooms": Feature(int, default=3),
        "built": Feature(date, default=None),
    },
    history=None,
)


class Instance(BaseModel):
    house: str
    on: date | None = None


class Parameters(BaseModel):
    pass


class Prediction(BaseModel):
    area: float
    rooms: int
    built: date | None


Body = Request[Instance, Parameters]


def predict(request: Body, stats=Depends(Features(VIEW))) -> list[Prediction]:  # noqa: ANN001, B008
    found = stats.of([one.house for one in request.instances], at=[one.on for one in request.instances])
    return [Prediction(**row) for row in found.rows()]


async def predict_later(request: Body, stats=Depends(Features(VIEW))) -> list[Prediction]:  # noqa: ANN001, B008
    found = await asyncio.to_thread(stats.of, [one.house for one in request.instances])
    return [Prediction(**row) for row in found.rows()]


@pytest.fixture(params=[predict, predict_later], ids=["sync", "async"])
def app(request: pytest.FixtureRequest) -> FastAPI:
    return create_serving_app(predict=request.param)


def ask(app: FastAPI, *instances: dict[str, Any]) -> Any:
    with TestClient(app, raise_server_exceptions=False) as client:
        return client.post("/predict", json={"instances": instances})


def test_each_instance_gets_its_features(app: FastAPI):
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        answer = ask(app, {"house": "b"}, {"house": "a"})
    assert answer.json()["predictions"] == [
        {"area": 200.0, "rooms": 3, "built": "1960-01-01"},
        {"area": 110.0, "rooms": 5, "built": "1951-01-01"},
    ]


def test_instance_may_bring_its_own_instant():
    app = create_serving_app(predict=predict)
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        answer = ask(app, {"house": "a", "on": "2026-01-05"}, {"house": "a", "on": "2026-01-11"}, {"house": "a"})
    assert [one["area"] for one in answer.json()["predictions"]] == [100.0, 110.0, 110.0]


def test_missing_features_are_told_with_their_instances(app: FastAPI):
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        answer = ask(app, {"house": "a"}, {"house": "c"}, {"house": "nobody"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "houses is missing for 2 of 3"
    assert answer.json()["errors"] == [
        {"pointer": "/instances/1", "detail": "houses: house 'c' has no area"},
        {"pointer": "/instances/2", "detail": "houses: house 'nobody' has no row"},
    ]


def test_store_that_does_not_answer_is_a_503(app: FastAPI):
    class Away:
        def read(self, _: object) -> Any:
            raise UnavailableError("the online store redis://cache:6379/0 does not answer")

    with bind_features(app, {"houses": Away()}):
        answer = ask(app, {"house": "a"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "cache" not in answer.text


def test_application_starts_without_features(app: FastAPI):
    with TestClient(app) as client:
        assert client.get("/readyz").json()["detail"] == "not ready: the features houses are not there"
        answer = client.post("/predict", json={"instances": [{"house": "a"}]})
    assert answer.status_code == 503


def test_fakes_stand_in_for_a_store(app: FastAPI):
    with fake_features(app, houses={"x": {"area": 90, "built": date(1999, 9, 9)}, "y": {"rooms": 2}}):
        answer = ask(app, {"house": "x"})
        assert answer.json()["predictions"] == [{"area": 90.0, "rooms": 3, "built": "1999-09-09"}]
        assert ask(app, {"house": "y"}).json()["errors"][0]["detail"] == "houses: house 'y' has no area"
        assert ask(app, {"house": "z"}).status_code == 422


@pytest.mark.parametrize(
    ("fakes", "told"),
    [
        pytest.param({"others": {}}, "no handler takes the features 'others'", id="another view"),
        pytest.param({"houses": {"x": {"price": 1}}}, "houses has no feature 'price'", id="another feature"),
        pytest.param({"houses": {"x": {"area": "1"}}}, "houses.area is faked as '1'", id="another type"),
    ],
)
def test_wrong_fakes_are_refused(app: FastAPI, fakes: Any, told: str):
    with pytest.raises((CallError, NotFoundError), match=told), fake_features(app, **fakes):
        pass


def ask_at_once(app: FastAPI, houses: str) -> list[Any]:
    """Ask for single houses, all at once, of a deployed application: they share calls of the handler."""
    endpoint = endpoints_of(app)["predict"]
    endpoint.deploy(ServingHardware(batching=Batching(max_instances=64)), replace=lambda: None)

    async def ask() -> list[Any]:
        observer = app.state.rung_observer
        asked = [Body(instances=[Instance(house=house)]) for house in houses]
        waiting = (endpoint.predict(observer.begin([], route="predict"), one) for one in asked)
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(ask())


def test_bad_instance_fails_no_neighbour():
    app = create_serving_app(predict=predict)
    houses = "abxabacb"  # x is nobody, c has no area
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        outcomes = ask_at_once(app, houses)
    failed = {index: outcome for index, outcome in enumerate(outcomes) if isinstance(outcome, Exception)}
    assert sorted(houses[index] for index in failed) == ["c", "x"]
    assert all(error.errors[0]["pointer"] == "/instances/0" for error in failed.values())


def test_call_of_many_requests_reads_once():
    reads: list[int] = []

    class Counting(HistoricalSource):
        def read(self, keys: Any) -> Any:
            reads.append(len(keys))
            return super().read(keys)

    app = create_serving_app(predict=predict)
    with bind_features(app, {"houses": Counting(VIEW)}):
        ask_at_once(app, "abababab")
    assert reads == [2]


def test_what_was_fetched_is_logged(app: FastAPI, tmp_path: Path):
    log = AppendLog(tmp_path)
    app.state.rung_observer.log = log
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        assert ask(app, {"house": "b"}, {"house": "a"}).status_code == 200
    log.close()
    [path] = tmp_path.iterdir()
    line = json.loads(path.read_text())
    [fetch] = json.loads(line["features"])
    assert (fetch["view"], fetch["definition"], fetch["versions"]) == ("houses", VIEW.definition, {"held": 1})
    first, second = fetch["rows"]
    assert (first[0], first[2], first[3], first[4]) == (["b"], 1767225600000000, None, [200.0, 3, "1960-01-01"])
    assert (second[0], second[4]) == (["a"], [110.0, 5, "1951-01-01"])
    assert 0 <= first[1] - line["time"] < 60_000_000


def test_each_request_of_a_call_logs_its_own(tmp_path: Path):
    app = create_serving_app(predict=predict)
    log = AppendLog(tmp_path)
    app.state.rung_observer.log = log
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        ask_at_once(app, "abba")
    log.close()
    [path] = tmp_path.iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    logged = [(json.loads(line["instances"])[0]["house"], json.loads(line["features"])[0]["rows"]) for line in lines]
    assert len(logged) == 4
    assert all([[house]] == [row[0] for row in rows] for house, rows in logged)


def test_entities_of_another_type_are_the_authors_error():
    def handler(request: Body, stats=Depends(Features(VIEW))) -> list[Prediction]:  # noqa: ANN001, B008
        return [Prediction(**row) for row in stats.of([7]).rows()]

    app = create_serving_app(predict=handler)
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        answer = ask(app, {"house": "a"})
    assert (answer.status_code, answer.json()["detail"]) == (500, "the handler raised CallError")


def test_frame_has_the_types_of_the_view():
    frames: list[pl.DataFrame] = []

    def handler(request: Body, stats=Depends(Features(VIEW))) -> list[Prediction]:  # noqa: ANN001, B008
        frames.append(stats.of(["b", "a"]).frame())
        return [Prediction(area=1, rooms=1, built=None)]

    app = create_serving_app(predict=handler)
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        ask(app, {"house": "a"})
    assert frames[0].schema == {"area": pl.Float64, "rooms": pl.Int64, "built": pl.Date}
    assert frames[0].rows() == [(200.0, 3, date(1960, 1, 1)), (110.0, 5, date(1951, 1, 1))]


def test_views_that_handlers_need_are_listed(app: FastAPI):
    assert needed_features(app) == {"houses": VIEW}


def test_features_of_a_dependency_are_refused():
    def inner(stats=Depends(Features(VIEW))) -> Any:  # noqa: ANN001, B008
        return stats

    def handler(request: Body, stats=Depends(inner)) -> list[Prediction]:  # noqa: ANN001, B008
        return []

    with pytest.raises(SchemaError, match=r"a dependency takes Features\('houses'\)"):
        create_serving_app(predict=handler)


def test_name_outside_of_a_service_is_refused():
    def handler(request: Body, stats=Depends(Features("houses"))) -> list[Prediction]:  # noqa: ANN001, B008
        return []

    with pytest.raises(SchemaError, match="an application outside of a service has no such view"):
        create_serving_app(predict=handler)


class Sane(BaseModel):
    area: float = Field(gt=0, le=150)
    rooms: int


def test_features_that_break_their_contract_are_told_without_their_values():
    view = replace(VIEW, contract=Sane)

    def handler(request: Body, stats=Depends(Features(view))) -> list[Prediction]:  # noqa: ANN001, B008
        return [Prediction(**row) for row in stats.of([one.house for one in request.instances]).rows()]

    app = create_serving_app(predict=handler)
    with bind_features(app, {"houses": HistoricalSource(view)}):
        assert ask(app, {"house": "a"}).status_code == 200
        answer = ask(app, {"house": "a"}, {"house": "b"})
    assert answer.status_code == 500
    assert answer.json()["detail"] == "houses breaks its contract Sane for 1 of 2"
    assert answer.json()["errors"] == [
        {"pointer": "/instances/1", "detail": "houses: area should be less than or equal to 150"}
    ]


def test_handler_may_do_without_features():
    def handler(request: Body, stats=Depends(Features(VIEW))) -> list[Prediction]:  # noqa: ANN001, B008
        try:
            return [Prediction(**row) for row in stats.of([one.house for one in request.instances]).rows()]
        except FeaturesMissingError as missing:
            return [Prediction(area=-index, rooms=0, built=None) for index, _ in missing.places]

    app = create_serving_app(predict=handler)
    with bind_features(app, {"houses": HistoricalSource(VIEW)}):
        assert [one["area"] for one in ask(app, {"house": "nobody"}).json()["predictions"]] == [0]
