"""The serving code alone, with fakes in place of the trained models: ordinary pytest, runs before any training."""

import math

import numpy as np
import pytest
from rung.testing import fake_artifacts

from experiments.{{service}}.schema.request import EXAMPLE, Instance, Parameters
from experiments.{{service}}.schema.response import Prediction, Sentiment
from experiments.{{service}}.schema.service import Route
from experiments.{{service}}.serve.app import app

SENTENCE = Instance.model_validate(EXAMPLE)
MOSTLY_POSITIVE = (0.1, 0.2, 0.7)


class FakeModel:
    """Gives every sentence the same row, and keeps what it was asked."""

    def __init__(self, row=MOSTLY_POSITIVE, *, rows_missing: int = 0) -> None:
        self.classes_ = np.array(list(Sentiment))
        self.row = row
        self.rows_missing = rows_missing
        self.texts = []

    def predict_proba(self, texts):
        self.texts += texts
        return np.array([self.row] * (len(texts) - self.rows_missing))


@pytest.mark.parametrize("route", Route)
def test_each_sentence_gets_a_distribution(route):
    with faked(large=FakeModel(), small=FakeModel()) as client:
        predictions = client.predict([SENTENCE, SENTENCE], route=route)
    assert predictions == [Prediction(negative=0.1, neutral=0.2, positive=0.7)] * 2
    assert predictions[0].likeliest == Sentiment.POSITIVE


def test_each_route_has_its_own_model():
    large, small = FakeModel(), FakeModel((0.7, 0.2, 0.1))
    with faked(large=large, small=small) as client:
        [quick] = client.predict([SENTENCE], route="small")
    assert quick.likeliest == Sentiment.NEGATIVE
    assert (large.texts, small.texts) == ([], [SENTENCE.text])


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0, 10.0])
def test_temperature_keeps_a_distribution(temperature):
    with faked(large=FakeModel((0.0, 0.4, 0.6))) as client:
        [prediction] = client.predict([SENTENCE], parameters=Parameters(temperature=temperature), route="large")
    assert prediction.negative == 0
    assert prediction.neutral + prediction.positive == pytest.approx(1)
    assert prediction.positive / prediction.neutral == pytest.approx(1.5 ** (1 / temperature))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((math.nan, 0.5, 0.5), id="not a number"),
        pytest.param((math.inf, 0.0, 0.0), id="infinite"),
        pytest.param((-0.1, 0.5, 0.6), id="negative"),
        pytest.param((0.2, 0.2, 0.2), id="sum below 1"),
        pytest.param((0.6, 0.6, 0.6), id="sum above 1"),
        pytest.param((0.5, 0.5), id="a class missing"),
        pytest.param((0.25, 0.25, 0.25, 0.25), id="a class too many"),
    ],
)
def test_what_is_no_distribution_is_an_error(row):
    assert_problem(post([EXAMPLE], model=FakeModel(row)), status=500)


@pytest.mark.parametrize("rows_missing", [1, -1])
def test_wrong_number_of_answers_is_an_error(rows_missing):
    assert_problem(post([EXAMPLE] * 2, model=FakeModel(rows_missing=rows_missing)), status=500)


@pytest.mark.parametrize(
    "instances",
    [
        pytest.param([], id="empty"),
        pytest.param([EXAMPLE] * 65, id="too many"),
        pytest.param([{}], id="no text"),
        pytest.param([{"text": ""}], id="empty text"),
        pytest.param([{"text": " \n\t"}], id="blanks only"),
        pytest.param([{"text": "a" * 1_001}], id="very long text"),
        pytest.param([{"text": None}], id="null"),
        pytest.param([EXAMPLE | {"language": "en"}], id="unknown field"),
        pytest.param("sentence", id="not a list"),
    ],
)
def test_malformed_request_is_refused(instances):
    assert_problem(post(instances), status=422)


@pytest.mark.parametrize("temperature", [0, -1, 11, "hot"])
def test_impossible_temperature_is_refused(temperature):
    assert_problem(post([EXAMPLE], temperature=temperature), status=422)


@pytest.mark.parametrize("text", ["🎬👍🏽", "größer als das Leben", "映画", "x", "a" * 1_000, "line\nline"])
def test_any_text_reaches_the_model_as_it_is(text):
    model = FakeModel()
    assert post([{"text": text}], model=model).status_code == 200
    assert model.texts == [text]


def post(instances, *, model=None, **parameters):
    """Send a request as it is, valid or not."""
    with faked(large=model or FakeModel()) as client:
        return client.http.post("/large", json={"instances": instances, "parameters": parameters})


def faked(**models):
    return fake_artifacts(app, **{f"build_{route}": model for route, model in models.items()})


def assert_problem(answer, *, status: int):
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
