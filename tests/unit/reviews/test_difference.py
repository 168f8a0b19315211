"""What differs between two versions, decided from what is known of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from rung.reviews._difference import Difference, Version, differ
from rung.schema import Contract, max_instances, route_contract


@max_instances(8)
class Instance(BaseModel):
    rooms: Annotated[int, Field(ge=0)]


@max_instances(8)
class Narrower(BaseModel):
    rooms: Annotated[int, Field(ge=1)]


@max_instances(8)
class Wider(BaseModel):
    rooms: Annotated[int, Field(ge=0)]
    garage: bool = False


class Parameters(BaseModel):
    step: int = 1


class Prediction(BaseModel):
    price: float


PARTS: dict[str, Any] = {
    "hyperparameters": {"trees": 300},
    "packages": {"numpy": "2.4.6"},
    "data tests": {"error": "a"},
    "metrics": {"error": 0.2, "r2": 0.5},
}


def contract(instance: type[BaseModel] = Instance, major: int = 1) -> dict[str, Any]:
    route = route_contract(instance=instance, parameters=Parameters, prediction=Prediction)
    return Contract(major=major, routes={"predict": route}).to_json()


def found(*, instance: type[BaseModel] = Instance, major: int = 1, **parts: Any) -> Difference:
    """Compare with a version in which some parts are others; None takes one away."""
    other = {name: value for name, value in (PARTS | parts).items() if value is not None}
    return differ(
        Version(name="shop.v1.m1", parts=PARTS, contract=contract()),
        Version(name="shop.v1.m2", parts=other, contract=contract(instance, major)),
        (),
    )


def test_the_same_is_told_as_the_same():
    assert found() == Difference(
        before="shop.v1.m1",
        after="shop.v1.m2",
        schema="the same",
        breaks=False,
        code=(),
        changes=(),
        metrics=(),
        same=("code", "schema", "data tests", "hyperparameters", "packages", "metrics"),
    )


def test_values_are_told_before_and_after():
    changes = found(packages={"numpy": "2.5.0", "scipy": "1.16.0"}, hyperparameters={}).changes
    assert [(one.kind, one.what, one.before, one.after) for one in changes] == [
        ("hyperparameters", "trees", "300", None),
        ("packages", "numpy", "2.4.6", "2.5.0"),
        ("packages", "scipy", None, "1.16.0"),
    ]


def test_metrics_of_either_are_told():
    metrics = found(metrics={"error": 0.1, "bias": 0.0}).metrics
    assert [(one.name, one.before, one.after) for one in metrics] == [
        ("bias", None, 0.0),
        ("error", 0.2, 0.1),
        ("r2", 0.5, None),
    ]


def test_a_narrower_request_breaks():
    difference = found(instance=Narrower)
    assert difference.breaks
    assert difference.schema == "breaking: who relies on shop.v1.m1 cannot rely on shop.v1.m2"
    (change,) = difference.changes
    assert (change.kind, change.what, change.breaks) == ("schema", "predict: instance.rooms", True)
    assert "schema" not in difference.same


def test_another_field_that_need_not_be_sent_is_compatible():
    difference = found(instance=Wider)
    assert (difference.breaks, difference.changes[0].breaks) == (False, False)
    assert difference.schema == "compatible: who relies on shop.v1.m1 can rely on shop.v1.m2"


def test_another_major_with_the_same_schema_is_told():
    assert found(major=2).schema == "the same; v2 is another major than v1"


def test_what_is_known_of_one_alone_is_no_change():
    difference = found(packages=None, metrics=None)
    assert difference.changes == ()
    assert difference.notes == ("known of shop.v1.m1 alone: packages, metrics",)
