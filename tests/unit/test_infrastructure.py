from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rung import infrastructure
from rung.infrastructure import Autoscaling, Batching, Infrastructure, ServingHardware, TrainingHardware

MODELS = [TrainingHardware, ServingHardware, Autoscaling, Batching, Infrastructure]

BAD = {
    "no processor": (TrainingHardware, {"vcpus": 0}),
    "part of a processor": (ServingHardware, {"vcpus": 0.5}),
    "no memory": (TrainingHardware, {"memory_gib": 0}),
    "endless memory": (ServingHardware, {"memory_gib": float("inf")}),
    "memory that is no number": (ServingHardware, {"memory_gib": float("nan")}),
    "fewer than no graphics processors": (TrainingHardware, {"gpus": -1}),
    "no disk": (ServingHardware, {"disk_gib": 0}),
    "no time to train": (TrainingHardware, {"timeout_s": 0}),
    "no time to answer": (ServingHardware, {"request_timeout_s": 0}),
    "no worker": (ServingHardware, {"gunicorn_workers": 0}),
    "too many workers": (ServingHardware, {"gunicorn_workers": 257}),
    "no machine": (Autoscaling, {"minimum": 0}),
    "most below least": (Autoscaling, {"minimum": 3, "maximum": 2}),
    "least above the default most": (Autoscaling, {"minimum": 2}),
    "no request in flight": (Autoscaling, {"target_concurrency": 0}),
    "unknown behaviour": (Autoscaling, {"while_scaling": "drop"}),
    "empty batch": (Batching, {"max_instances": 0}),
    "unknown field": (ServingHardware, {"memory_gb": 2}),
    "unknown part": (Infrastructure, {"gateway": {}}),
    "no hardware": (Infrastructure, {"serving": None}),
}


@pytest.mark.parametrize(("model", "values"), BAD.values(), ids=BAD.keys())
def test_bad_hardware_is_refused(model: type[BaseModel], values: dict[str, Any]):
    with pytest.raises(ValidationError) as caught:
        model(**values)
    assert caught.value.error_count() == 1


def test_refusal_gives_both_bounds():
    with pytest.raises(ValidationError, match="autoscaling maximum 2 is below its minimum 3"):
        Autoscaling(minimum=3, maximum=2)


@pytest.mark.parametrize("model", MODELS)
def test_every_field_is_described(model: type[BaseModel]):
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize("model", MODELS)
def test_every_amount_has_its_unit(model: type[BaseModel]):
    units = {"_gib": "GiB", "_s": "seconds"}
    for name, field in model.model_fields.items():
        for ending, unit in units.items():
            if name.endswith(ending):
                assert unit in str(field.description)


@pytest.mark.parametrize("model", MODELS)
def test_every_field_has_a_default(model: type[BaseModel]):
    assert not any(field.is_required() for field in model.model_fields.values())


def test_declared_hardware_survives_json():
    declared = Infrastructure(
        training=TrainingHardware(vcpus=2, memory_gib=4, gpus=0, disk_gib=10),
        serving=ServingHardware(
            gunicorn_workers=2,
            autoscaling=Autoscaling(minimum=1, maximum=3, target_concurrency=8),
            batching=Batching(max_instances=64),
        ),
    )
    assert Infrastructure.model_validate_json(declared.model_dump_json()) == declared
    assert Infrastructure.model_validate(declared.model_dump(mode="json")) == declared


def test_declared_hardware_cannot_change():
    with pytest.raises(ValidationError, match="frozen"):
        ServingHardware().vcpus = 2


def test_exports_are_sorted():
    assert infrastructure.__all__ == sorted(infrastructure.__all__)


def test_batching_is_declared_for_all_routes_or_by_route():
    few = Batching(max_instances=4)
    assert ServingHardware(batching=few).batching_of("predict") == few
    assert ServingHardware().batching_of("predict") is None
    by_route = ServingHardware(batching={"large": few, "small": None})
    assert [by_route.batching_of(route) for route in ("large", "small", "other")] == [few, None, None]
    assert ServingHardware.model_validate_json(by_route.model_dump_json()) == by_route
