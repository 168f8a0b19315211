"""Recorded production requests as the input of a replay's jobs: plain data, made of the lake's rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def replay_plan(rows: Iterable[Mapping[str, Any]], *, major: str, is_same_major: bool) -> dict[str, Any]:
    """Turn rows of the lake into a plan for `rung.testing.replay`.

    Args:
        rows: As `Lake.recent` gives them, JSON as text.
        major: Whose requests they are, as `housing.v1`.
        is_same_major: The candidate is of this major.
    """
    return {"major": major, "is_same_major": is_same_major, "requests": [_request(row) for row in rows]}


def with_mapped(plan: Mapping[str, Any], mapped: Mapping[str, Any]) -> dict[str, Any]:
    """Put the requests in their place that an author's mapping made of those of the major before.

    Args:
        plan: What was recorded.
        mapped: `mapped` requests and those that `failed`, as the job `replay-mapping` gives them.
    """
    recorded = {request["id"]: request for request in plan["requests"]}
    return {
        **plan,
        "requests": [{**recorded[one["id"]], "route": one["route"], "body": one["body"]} for one in mapped["mapped"]],
        "unmapped": [one["because"] for one in mapped["failed"]],
    }


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan that was written."""
    plan: dict[str, Any] = json.loads(path.read_bytes())
    return plan


def _request(row: Mapping[str, Any]) -> dict[str, Any]:
    parameters = json.loads(row["parameters"] or "null")
    body = {"instances": json.loads(row["instances"])}
    return {
        "id": row["id"],
        "route": row["route"],
        "body": body if parameters is None else {**body, "parameters": parameters},
        "predictions": json.loads(row["predictions"]),
        "duration_ms": row["duration_ms"],
    }
