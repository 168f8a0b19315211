"""Shapley values by sampling: they add up to the prediction, and are the terms where there is nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from rung.explain import NotExplainableError, plan_sampling, settle_sampling


class House(BaseModel):
    area: float
    rooms: int = 1
    wall: str = "wood"


HOUSES = [House(area=float(index % 9), rooms=index % 4, wall=("wood", "stone")[index % 2]) for index in range(50)]


def linear(house: House) -> dict[str, Any]:
    return {"price": 3 * house.area - 2 * house.rooms + 5 * (house.wall == "stone"), "label": "x", "is_dear": True}


def crossed(house: House) -> dict[str, Any]:
    return {"price": house.area * house.rooms}


def explain(model: Any, *houses: House) -> Any:
    sampling = plan_sampling(houses, HOUSES)
    return settle_sampling(sampling, [model(row) for row in sampling.rows], artifact="fit")


@pytest.mark.parametrize("model", [linear, crossed])
def test_baseline_and_terms_are_the_prediction(model: Any):
    asked = [House(area=20, rooms=3), House(area=1, rooms=0, wall="stone")]
    for house, found in zip(asked, explain(model, *asked), strict=True):
        (output,) = found.outputs
        assert output.name == "price"
        assert output.value == pytest.approx(model(house)["price"])


def test_terms_of_a_sum_are_its_terms():
    one, other = explain(linear, House(area=20, rooms=3), House(area=30, rooms=3))
    assert other.outputs[0].terms["area"] - one.outputs[0].terms["area"] == pytest.approx(30)
    assert other.outputs[0].terms["wall"] == pytest.approx(one.outputs[0].terms["wall"])
    assert one.outputs[0].baseline == other.outputs[0].baseline


def test_same_question_has_the_same_answer():
    assert explain(crossed, House(area=20, rooms=3)) == explain(crossed, House(area=20, rooms=3))


def test_too_many_instances_are_refused():
    with pytest.raises(NotExplainableError, match="63 instances are too many at a time: 10,080 rows"):
        plan_sampling(HOUSES[:1] * 63, HOUSES)


def test_without_a_background_there_is_nothing_to_tell_apart():
    with pytest.raises(NotExplainableError, match="no held-out instances"):
        plan_sampling(HOUSES, [])


def test_prediction_without_a_number_is_refused():
    with pytest.raises(NotExplainableError, match="no field of a prediction is a number"):
        explain(lambda _: {"label": "x", "is_dear": True}, House(area=1))
