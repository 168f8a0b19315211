"""What a service promises to its consumers: requests, predictions, routes, business metrics.

Authors import from here in `schema/`; serving, testing and the control plane read it. Pure: models, comparisons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.schema._compare import Break, breaking_changes
    from rung.schema._consumer import ABSENT, ConsumerContract, ConsumerRequest, outside, pointer_of, type_at, types_at
    from rung.schema._contract import Contract, RouteContract, route_contract
    from rung.schema._fields import Fields, alternatives, read_fields
    from rung.schema._metrics import ABTest, BusinessMetric, Score
    from rung.schema._name import RevisionName, check_service_name
    from rung.schema._request import Request, instance_limit, max_instances, request_arguments
    from rung.schema._rollout import Bandit, Limits, RampStep, Shadowing
    from rung.schema._specification import (
        Accuracy,
        Consumer,
        EdgeCase,
        Owners,
        ServiceLevel,
        Specification,
        parse_specification,
    )

__all__ = [
    "ABSENT",
    "ABTest",
    "Accuracy",
    "Bandit",
    "Break",
    "BusinessMetric",
    "Consumer",
    "ConsumerContract",
    "ConsumerRequest",
    "Contract",
    "EdgeCase",
    "Fields",
    "Limits",
    "Owners",
    "RampStep",
    "Request",
    "RevisionName",
    "RouteContract",
    "Score",
    "ServiceLevel",
    "Shadowing",
    "Specification",
    "alternatives",
    "breaking_changes",
    "check_service_name",
    "instance_limit",
    "max_instances",
    "outside",
    "parse_specification",
    "pointer_of",
    "read_fields",
    "request_arguments",
    "route_contract",
    "type_at",
    "types_at",
]

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(("Break", "breaking_changes"), "_compare"),
        **dict.fromkeys(
            ("ABSENT", "ConsumerContract", "ConsumerRequest", "outside", "pointer_of", "type_at", "types_at"),
            "_consumer",
        ),
        **dict.fromkeys(("Contract", "RouteContract", "route_contract"), "_contract"),
        **dict.fromkeys(("Fields", "alternatives", "read_fields"), "_fields"),
        **dict.fromkeys(("ABTest", "BusinessMetric", "Score"), "_metrics"),
        **dict.fromkeys(("RevisionName", "check_service_name"), "_name"),
        **dict.fromkeys(("Request", "instance_limit", "max_instances", "request_arguments"), "_request"),
        **dict.fromkeys(("Bandit", "Limits", "RampStep", "Shadowing"), "_rollout"),
        **dict.fromkeys(
            ("Accuracy", "Consumer", "EdgeCase", "Owners", "ServiceLevel", "Specification", "parse_specification"),
            "_specification",
        ),
    },
)
