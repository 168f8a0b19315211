"""The serving code alone, with fakes in place of the trained model: ordinary pytest, runs before any training."""

import math

import numpy as np
import pytest
from rung.testing import fake_artifacts

from experiments.{{service}}.schema.request import EXAMPLE, Instance, Parameters
from experiments.{{service}}.serve.app import app

HOUSE = Instance.model_validate(EXAMPLE)


class FakeModel:
    """Answers every house with the same number, and keeps what it was asked."""

    def __init__(self, price: float) -> None:
        self.price = price
        self.frames = []

    def predict(self, frame):
        self.frames.append(frame)
        return np.full(frame.height, self.price)


def test_each_house_gets_a_price():
    with fake_artifacts(app, build_model=FakeModel(123_456.7)) as client:
        predictions = client.predict([HOUSE, HOUSE, HOUSE])
    assert [prediction.price for prediction in predictions] == [123_500, 123_500, 123_500]


def test_rounding_is_the_consumers_choice():
    with fake_artifacts(app, build_model=FakeModel(123_456.7)) as client:
        [prediction] = client.predict([HOUSE], parameters=Parameters(round_to=1))
    assert prediction.price == 123_457


def test_model_sees_the_features():
    model = FakeModel(100_000.0)
    with fake_artifacts(app, build_model=model) as client:
        client.predict([HOUSE.model_copy(update={"frontage_ft": None})])
    [seen] = model.frames[-1].to_dicts()
    assert seen["living_area_sqft"] == HOUSE.living_area_sqft
    assert seen["frontage_ft"] is None


@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -50_000.0])
def test_impossible_price_is_an_error(price):
    answer = post([EXAMPLE], price=price)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "instances",
    [
        pytest.param([], id="empty"),
        pytest.param([EXAMPLE] * 65, id="too many"),
        pytest.param([{}], id="all fields missing"),
        pytest.param([EXAMPLE | {"living_area_sqft": -1}], id="negative area"),
        pytest.param([EXAMPLE | {"wall": "gold"}], id="unknown wall"),
        pytest.param([EXAMPLE | {"avalue": 80_000}], id="unknown field"),
        pytest.param("house", id="not a list"),
    ],
)
def test_malformed_request_is_refused(instances):
    answer = post(instances)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("application/problem+json")


def post(instances, *, price: float = 100_000.0):
    """Send a request as it is, valid or not."""
    with fake_artifacts(app, build_model=FakeModel(price)) as client:
        return client.http.post("/predict", json={"instances": instances})
