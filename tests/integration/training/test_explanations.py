"""What matters on the whole: kept with the run of a service whose handler is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rung import artifacts
from rung.explain import GLOBAL_EXPLANATION

if TYPE_CHECKING:
    from conftest import Place
    from rung.training import RunRecord


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
