"""Rows of the lake as requests to be replayed."""

from __future__ import annotations

from typing import Any

from rung.control.promotion.recorded import replay_plan, with_mapped
from rung.testing.replay import ReplayPlan


def row(identity: str, parameters: str | None = '{"round_to":10}') -> dict[str, Any]:
    return {
        "id": identity,
        "revision": "housing.v1.m2",
        "route": "predict",
        "instances": '[{"area":1.5}]',
        "parameters": parameters,
        "predictions": '[{"price":7}]',
        "duration_ms": 3.5,
    }


def test_rows_become_requests():
    plan = ReplayPlan.model_validate(replay_plan([row("p1")], major="housing.v1", is_same_major=True))
    (request,) = plan.requests
    assert (request.id, request.route, request.duration_ms) == ("p1", "predict", 3.5)
    assert request.body == {"instances": [{"area": 1.5}], "parameters": {"round_to": 10}}
    assert request.predictions == [{"price": 7}]


def test_request_without_parameters_has_none():
    plan = replay_plan([row("p1", None), row("p2", "null")], major="housing.v1", is_same_major=True)
    assert [request["body"] for request in plan["requests"]] == [{"instances": [{"area": 1.5}]}] * 2


def test_mapped_requests_keep_what_was_answered():
    recorded = replay_plan([row("p1"), row("p2")], major="housing.v1", is_same_major=False)
    mapped = {
        "declared": True,
        "mapped": [{"id": "p2", "route": "value", "body": {"instances": [{"area_m2": 1.5}]}}],
        "failed": [{"id": "p1", "because": "upgrade_request raised KeyError: 'x'"}],
    }
    plan = ReplayPlan.model_validate(with_mapped(recorded, mapped))
    (request,) = plan.requests
    assert (request.id, request.route, request.predictions) == ("p2", "value", [{"price": 7}])
    assert (plan.unmapped, plan.is_same_major) == (("upgrade_request raised KeyError: 'x'",), False)
