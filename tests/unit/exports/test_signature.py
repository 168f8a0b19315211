"""The signature of a model, as MLflow itself reads it."""

from __future__ import annotations

import json
from typing import Literal

from mlflow.models import ModelSignature
from pydantic import BaseModel

from rung.exports._signature import signature
from rung.schema import route_contract


class Point(BaseModel):
    north: float
    east: float | None = None


class Instance(BaseModel):
    rooms: int
    floors: int | None = None
    kind: Literal["flat", "house"]
    areas: list[float]
    place: Point
    notes: dict[str, str] = {}


class Parameters(BaseModel):
    offset: float = 0.5
    currency: str = "EUR"
    only: list[str] = []
    least: int | None = None


class Prediction(BaseModel):
    price: float


def test_mlflow_reads_what_a_route_takes_and_gives():
    told = signature(route_contract(instance=Instance, parameters=Parameters, prediction=Prediction))
    read = ModelSignature.from_dict({name: json.dumps(columns) for name, columns in told.items()})
    assert [str(column) for column in read.inputs] == [
        "'rooms': long (required)",
        "'floors': double (optional)",
        "'kind': string (required)",
        "'areas': Array(double) (required)",
        "'place': {east: double (optional), north: double (required)} (required)",
        "'notes': Any (optional)",
    ]
    assert [str(column) for column in read.outputs] == ["'price': double (required)"]
    assert [(one.name, one.default) for one in read.params] == [("offset", 0.5), ("currency", "EUR")]
