"""The serving code alone, with fakes in place of model and features: ordinary pytest, runs before any training."""

import math
from contextlib import contextmanager

import numpy as np
import pytest
from rung.testing import fake_artifacts, fake_features

from experiments.{{service}}.schema.request import EXAMPLE, Instance, Parameters
from experiments.{{service}}.serve.app import app

HOUSE = Instance.model_validate(EXAMPLE)
REGISTER = {
    "block": "503-222",
    "year_built": 1952,
    "stories": "one",
    "wall": "part_brick",
    "living_area_sqft": 1400,
    "rooms": 6,
    "bedrooms": 3,
    "full_baths": 1,
    "half_baths": 1,
    "garage": "attached",
    "garage_area_sqft": 440,
    "lot_area_sqft": 8000,
    "easting_m": 503_000.0,
    "northing_m": 222_000.0,
}
NEARBY = {"503-222": {"block_price_per_sqft": 62.5, "block_sales": 12}}


class FakeModel:
    """Answers every house with the same number, and keeps what it was asked."""

    def __init__(self, price: float) -> None:
        self.price = price
        self.frames = []

    def predict(self, frame):
        self.frames.append(frame)
        return np.full(frame.height, self.price)


@contextmanager
def serving(model, *, prices=NEARBY):
    """Serve with this model, a register of one parcel, and what houses of its block went for."""
    views = {"parcel": {HOUSE.parcel: REGISTER}, "block_prices": prices}
    with fake_features(app, **views), fake_artifacts(app, build_model=model) as client:
        yield client


def test_each_house_gets_a_price():
    with serving(FakeModel(123_456.7)) as client:
        predictions = client.predict([HOUSE, HOUSE, HOUSE])
    assert [prediction.price for prediction in predictions] == [123_500, 123_500, 123_500]


def test_rounding_is_the_consumers_choice():
    with serving(FakeModel(123_456.7)) as client:
        [prediction] = client.predict([HOUSE], parameters=Parameters(round_to=1))
    assert prediction.price == 123_457


def test_model_sees_the_features():
    model = FakeModel(100_000.0)
    with serving(model) as client:
        client.predict([HOUSE])
    [seen] = model.frames[-1].to_dicts()
    assert seen["living_area_sqft"] == REGISTER["living_area_sqft"]
    assert seen["block_price_per_sqft"] == 62.5


def test_block_without_sales_is_valued():
    model = FakeModel(100_000.0)
    with serving(model, prices={}) as client:
        client.predict([HOUSE])
    [seen] = model.frames[-1].to_dicts()
    assert (seen["block_price_per_sqft"], seen["block_sales"]) == (None, 0)


def test_unknown_parcel_is_named():
    answer = post([EXAMPLE, EXAMPLE | {"parcel": 9_999_999}])
    assert 400 <= answer.status_code < 500
    assert answer.json()["errors"][0]["pointer"] == "/instances/1"
    assert "9999999" in answer.json()["errors"][0]["detail"]


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
        pytest.param([EXAMPLE | {"parcel": -1}], id="negative number"),
        pytest.param([EXAMPLE | {"valued_on": "1890-01-01"}], id="before the register"),
        pytest.param([EXAMPLE | {"living_area_sqft": 1400}], id="what the service knows itself"),
        pytest.param("house", id="not a list"),
    ],
)
def test_malformed_request_is_refused(instances):
    answer = post(instances)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("application/problem+json")


def post(instances, *, price: float = 100_000.0):
    """Send a request as it is, valid or not."""
    with serving(FakeModel(price)) as client:
        return client.http.post("/predict", json={"instances": instances})
