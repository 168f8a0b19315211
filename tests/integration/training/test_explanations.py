"""What matters on the whole: kept with the run of a service whose handler is explained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rung import artifacts
from rung.explain import GLOBAL_EXPLANATION

if TYPE_CHECKING:
    from conftest import Place
    from rung.training import RunRecord


_ASK = """
import json
from experiments.sentiment.serve.app import app
from experiments.sentiment.train.main import experiment
from rung.testing import serve_in_process
experiment.run(settings={"model": "words"}, quiet=True)
models = {name: experiment.output(name) for name in ("build_large", "build_small")}
body = {"instances": [{"text": "A wonderful film, and never dull."}, {"text": "Dull."}]}
with serve_in_process(app, models) as client:
    print(json.dumps([client.http.post(f"/{route}?explain=true", json=body).json() for route in ("large", "small")]))
"""


@pytest.fixture
def housing(place: Place) -> Place:
    place.housing()
    place.edit("experiments/housing/serve/app.py", "import numpy as np\n", "import numpy as np\nimport rung.explain\n")
    place.edit("experiments/housing/serve/app.py", "def predict(", "@rung.explain.explained\ndef predict(")
    return place


def kept(place: Place, record: RunRecord) -> Any:
    digest = record.artifacts[GLOBAL_EXPLANATION]
    return artifacts.decode(artifacts.LocalStore(place.root / ".rung" / "artifacts").get(digest), digest=digest)


def test_fields_of_a_house_are_weighed(housing: Place):
    found = kept(housing, housing.train("housing", settings={"model": "linear"}))
    (model,) = found["models"]
    assert (model["artifact"], model["method"], model["space"]) == (
        "build_model",
        "linear terms",
        "log of the prediction",
    )
    assert "living_area_sqft" in list(model["mean_size"])[:3]
    assert "garage" in model["mean_size"]
    losses = {one["field"]: one["loss"] for one in found["importance"] if one["test"] == "r2"}
    assert max(losses, key=losses.__getitem__) == "living_area_sqft"
    assert found["rows"] == 300


def test_service_that_says_nothing_keeps_nothing(place: Place):
    place.housing()
    assert GLOBAL_EXPLANATION not in place.train("housing").artifacts


def test_author_may_keep_it_for_models_without_terms(place: Place):
    place.housing()
    place.edit("experiments/housing/train/main.py", "y_train=split.y_train)", "y_train=split.y_train, explain=True)")
    found = kept(place, place.train("housing", overrides={"load_data": "sample_data"}))
    assert found["models"] == []
    assert {one["loss"] for one in found["importance"]} == {0.0}  # the benchmark knows no field


def test_words_of_a_sentence_are_its_terms(place: Place):
    laid = place.python("-m", "rung.cli", "new", "sentiment", "--template", "sentiment")
    assert laid.returncode == 0, laid.stderr
    place.edit(
        "experiments/sentiment/serve/app.py",
        "from fastapi import Depends\n",
        "from fastapi import Depends\nfrom rung.explain import explained\n",
    )
    place.edit("experiments/sentiment/serve/app.py", "def large(", "@explained\ndef large(")
    place.edit("experiments/sentiment/serve/app.py", "def small(", "@explained\ndef small(")
    ended = place.python("-c", _ASK)
    assert ended.returncode == 0, ended.stderr
    for told in json.loads(ended.stdout.splitlines()[-1]):
        first, second = told["explanations"]
        assert [one["output"] for one in first["outputs"]] == ["negative", "neutral", "positive"]
        assert list(second["outputs"][0]["terms"]) == ["dull"]
        assert second["outputs"][0]["terms"]["dull"] > 0 > second["outputs"][2]["terms"]["dull"]
    (record,) = place.runs()
    summed = {(one["route"], one["output"]): one["mean_size"] for one in kept(place, record)["models"]}
    assert len(summed) == 6
    assert len(summed["small", "positive"]) == 50
