"""A service with features from its first training to its server: one definition, the same values everywhere."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rung.data import Append, Catalogue

if TYPE_CHECKING:
    from conftest import Place

START = datetime(2026, 1, 1, tzinfo=UTC)

FILES = {
    "features.py": """
        from datetime import timedelta
        import polars as pl
        from rung.data import Dataset
        from rung.features import Feature, FeatureView

        FACTOR = 2.0

        def doubled(houses: pl.LazyFrame) -> pl.LazyFrame:
            return houses.with_columns(area=pl.col("area") * FACTOR)

        houses = FeatureView(
            name="houses",
            entity="house",
            source=Dataset("houses"),
            time="known",
            transform=doubled,
            features={"area": Feature(float), "rooms": Feature(int, default=3)},
            history=None,
        )
        """,
    "schema/request.py": """
        from datetime import date
        from pydantic import BaseModel

        class Instance(BaseModel):
            house: str
            on: date | None = None

        class Parameters(BaseModel):
            pass
        """,
    "schema/response.py": """
        from pydantic import BaseModel

        class Prediction(BaseModel):
            price: float
        """,
    "schema/service.py": """
        from enum import StrEnum
        from rung.schema import ABTest

        major = 1
        ab_test = ABTest()

        class Route(StrEnum):
            PREDICT = "predict"
        """,
    "serve/app.py": """
        from fastapi import Depends
        from rung.features import Features
        from rung.schema import Request
        from rung.serving import Artifact, create_serving_app
        from experiments.homes.schema.request import Instance, Parameters
        from experiments.homes.schema.response import Prediction

        def predict(
            request: Request[Instance, Parameters], slope=Depends(Artifact("fit")), houses=Depends(Features("houses"))
        ) -> list[Prediction]:
            found = houses.of([one.house for one in request.instances], at=[one.on for one in request.instances])
            return [Prediction(price=slope * area + rooms) for area, rooms in zip(found["area"], found["rooms"])]

        app = create_serving_app(predict=predict)
        """,
    "tests/data.py": """
        from rung.testing import goal

        @goal.minimize
        def error(client, X_test, y_test) -> float:
            return max(abs(p.price - y) for p, y in zip(client.predict(X_test), y_test, strict=True))
        """,
    "tests/regression.py": """
        def test_later_is_larger(client) -> bool:
            early, late = client.predict([{"house": "a", "on": "2026-01-05"}, {"house": "a", "on": "2026-01-25"}])
            return early.price < late.price
        """,
    "infrastructure/hardware.py": """
        from rung.infrastructure import Infrastructure

        infrastructure = Infrastructure()
        """,
    "train/main.py": """
        import polars as pl
        from datetime import date
        from rung.training import Experiment, TestResults, evaluate_models
        from experiments.homes.features import houses
        from experiments.homes.schema.request import Instance

        def joined() -> pl.DataFrame:
            spine = pl.DataFrame({"house": ["a", "a", "b"], "time": [date(2026, 1, 5), date(2026, 1, 25), date(2026, 1, 5)]})
            return houses.join(spine)

        def fit(joined: pl.DataFrame) -> float:
            return 10.0

        def evaluate(joined: pl.DataFrame, fit: float) -> TestResults:
            truths = (joined["area"] * fit + joined["rooms"]).to_list()
            ids = [Instance(house=house, on=on) for house, on in joined.select("house", "time").rows()]
            return evaluate_models(X_test=ids, y_test=truths)

        experiment = Experiment(joined, fit, evaluate)
        """,
}


def write_houses(place: Place, *rows: tuple[str, int, float, int | None]) -> None:
    """Make a version of the dataset: house, day, area, rooms."""
    frame = pl.DataFrame(
        [[house, START + timedelta(days=day), area, rooms] for house, day, area, rooms in rows],
        schema={"house": pl.String, "known": pl.Datetime("us", "UTC"), "area": pl.Float64, "rooms": pl.Int64},
        orient="row",
    )
    Catalogue(place.root / ".rung" / "lake" / "datasets").write("houses", frame, how=Append())


@pytest.fixture
def homes(place: Place) -> Place:
    """The service `homes`, laid down, with a first version of its dataset."""
    for name, text in FILES.items():
        folder = f"experiments/homes/{name}".rpartition("/")[0]
        place.write(f"experiments/homes/{name}", text)
        place.write(f"{folder}/__init__.py", "")
    write_houses(place, ("a", 0, 1.1, 4), ("a", 10, 1.3, 5), ("b", 0, 2.7, None))
    return place


def test_evaluation_serves_what_training_joined(homes: Place):
    record = homes.train("homes")
    assert record.metrics == {"error": 0.0}
    assert record.failed_tests == []
    read = {task.name: [one["path"] for one in task.data] for task in record.tasks}
    assert read["joined"] == read["evaluate"] == ["dataset:houses@1"]
