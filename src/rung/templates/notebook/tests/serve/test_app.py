"""Serving without the weight of a model: ordinary pytest, which runs before any training."""

import numpy as np
import pytest
from rung.testing import fake_artifacts

from experiments.{{service}}.schema.request import EXAMPLE, Instance
from experiments.{{service}}.serve.app import app

ANSWER = {{answer}}


class FakeModel:
    """Answers every row alike."""

    def predict(self, rows):
        return np.array([ANSWER] * len(rows))


def test_each_instance_is_answered():
    with fake_artifacts(app, build_model=FakeModel()) as client:
        predictions = client.predict([Instance.model_validate(EXAMPLE)] * 3)
    assert [prediction.{{field}} for prediction in predictions] == [ANSWER] * 3


@pytest.mark.parametrize(
    "instances",
    [
        pytest.param([], id="empty"),
        pytest.param([EXAMPLE] * 65, id="too many"),
        pytest.param([{}], id="all fields missing"),
        pytest.param([EXAMPLE | {"no_such_field": 1}], id="unknown field"),
        pytest.param("row", id="not a list"),
    ],
)
def test_malformed_request_is_refused(instances):
    with fake_artifacts(app, build_model=FakeModel()) as client:
        answer = client.http.post("/predict", json={"instances": instances})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("application/problem+json")
