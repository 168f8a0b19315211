from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rung import infrastructure
from rung.infrastructure import (
    Autoscaling,
    Batching,
    Infrastructure,
    RateLimit,
    ServingHardware,
    TrainingHardware,
)

MODELS = [TrainingHardware, ServingHardware, Autoscaling, Batching, RateLimit, Infrastructure]

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
    "fewer than no machine": (Autoscaling, {"minimum": -1}),
    "no machine at the most": (Autoscaling, {"minimum": 0, "maximum": 0, "cold_start_s": 5}),
    "sleep without a budget": (Autoscaling, {"minimum": 0}),
    "sleep without end": (Autoscaling, {"minimum": 0, "cold_start_s": float("inf")}),
    "sleep that nobody can end": (Autoscaling, {"minimum": 0, "cold_start_s": 5, "while_scaling": "reject"}),
    "sleep before the others go": (Autoscaling, {"minimum": 0, "cold_start_s": 5, "idle_after_s": 59}),
    "a budget for machines that never sleep": (Autoscaling, {"cold_start_s": 5}),
    "idleness of machines that never sleep": (Autoscaling, {"idle_after_s": 600}),
    "no target": (Autoscaling, {"target_concurrency": None}),
    "no share of a processor": (Autoscaling, {"target_cpu": 0}),
    "more than a machine has": (Autoscaling, {"target_cpu": 1.1}),
    "no cool-down": (Autoscaling, {"scale_down_after_s": 0}),
    "most below least": (Autoscaling, {"minimum": 3, "maximum": 2}),
    "least above the default most": (Autoscaling, {"minimum": 2}),
    "no request in flight": (Autoscaling, {"target_concurrency": 0}),
    "unknown behaviour": (Autoscaling, {"while_scaling": "drop"}),
    "empty batch": (Batching, {"max_instances": 0}),
    "no body": (ServingHardware, {"max_body_mib": 0}),
    "a body larger than all bodies": (ServingHardware, {"max_body_mib": 65}),
    "a rate of nothing": (RateLimit, {"requests_per_s": 0}),
    "an endless rate": (RateLimit, {"requests_per_s": float("inf")}),
    "a burst of nothing": (RateLimit, {"requests_per_s": 1, "burst": 0}),
    "unknown field": (ServingHardware, {"memory_gb": 2}),
    "unknown part": (Infrastructure, {"gateway": {}}),
    "no hardware": (Infrastructure, {"serving": None}),
}


@pytest.mark.parametrize(("model", "values"), BAD.values(), ids=BAD.keys())
def test_bad_hardware_is_refused(model: type[BaseModel], values: dict[str, Any]):
    with pytest.raises(ValidationError) as caught:
        model(**values)
    assert len({error["loc"][:1] for error in caught.value.errors()}) == 1


def test_refusal_gives_both_bounds():
    with pytest.raises(ValidationError, match="autoscaling maximum 2 is below its minimum 3"):
        Autoscaling(minimum=3, maximum=2)


def test_sleep_is_declared_with_its_budget():
    with pytest.raises(ValidationError, match="give cold_start_s, how long at the most"):
        Autoscaling(minimum=0)
    declared = Autoscaling(minimum=0, maximum=2, cold_start_s=10, scale_down_after_s=30)
    assert (declared.sleeps_after_s, Autoscaling().sleeps_after_s) == (150, None)
    assert Autoscaling(minimum=0, cold_start_s=10, idle_after_s=600).sleeps_after_s == 600
    assert Autoscaling.model_validate_json(declared.model_dump_json()) == declared


def test_one_target_is_enough():
    assert Autoscaling(target_concurrency=None, target_cpu=0.6).target_cpu == 0.6


@pytest.mark.parametrize("model", MODELS)
def test_every_field_is_described(model: type[BaseModel]):
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize("model", MODELS)
def test_every_amount_has_its_unit(model: type[BaseModel]):
    units = {"_gib": "GiB", "_mib": "MiB", "_per_s": "per second", "_s": "seconds"}
    for name, field in model.model_fields.items():
        unit = next((unit for ending, unit in units.items() if name.endswith(ending)), "")
        assert unit in str(field.description)


@pytest.mark.parametrize("model", [model for model in MODELS if model is not RateLimit])
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


def test_bodies_are_limited_for_all_routes_or_by_route():
    assert ServingHardware().max_body_bytes("predict") == 10 * 1024 * 1024
    assert ServingHardware(max_body_mib=0.5).max_body_bytes("predict") == 512 * 1024
    by_route = ServingHardware(max_body_mib={"large": 20})
    assert [by_route.max_body_bytes(route) for route in ("large", "other", None)] == [20 << 20, 10 << 20, 10 << 20]
    assert ServingHardware.model_validate_json(by_route.model_dump_json()) == by_route


def test_burst_is_what_comes_in_a_second():
    assert [RateLimit(requests_per_s=rate).most_at_once for rate in (0.1, 2.5, 40)] == [1, 3, 40]
    assert RateLimit(requests_per_s=1, burst=50).most_at_once == 50


def test_rates_are_declared_for_all_routes_or_by_route():
    slow = RateLimit(requests_per_s=5)
    by_route = ServingHardware(rate_limit={"large": slow, "small": None})
    assert ServingHardware.model_validate_json(by_route.model_dump_json()) == by_route
    assert ServingHardware(rate_limit=slow).rate_limit == slow
