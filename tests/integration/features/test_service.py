"""A service with features from its first training to its server: one definition, the same values everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx2
import polars as pl
import pytest
from sockets import listens
from waiting import until

from rung.data import Append, Catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

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
            days = [date(2026, 1, 5), date(2026, 1, 25), date(2026, 1, 5)]
            return houses.join(pl.DataFrame({"house": ["a", "a", "b"], "time": days}))

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


def rung(place: Place, *words: str, code: int = 0) -> Any:
    """Run a command with `--json`, and give what it printed."""
    ended = place.python("-m", "rung.cli", "features", *words, "--json")
    assert ended.returncode == code, ended.stderr + ended.stdout
    return json.loads(ended.stdout)


def test_commands_tell_of_views(homes: Place):
    [listed] = rung(homes, "list")
    assert (listed["view"], listed["service"], listed["materialized"]) == ("houses", "homes", {})
    [done] = rung(homes, "materialize", "houses")
    assert (done["outcome"], done["entities"], done["datasets"]) == ("written", 2, {"houses": 1})
    assert rung(homes, "materialize")[0]["outcome"] == "unchanged"
    assert rung(homes, "materialize", "--again", "houses")[0]["outcome"] == "written"
    shown = rung(homes, "show", "homes.houses")
    assert (shown["definition"], shown["materialized"]) == (listed["definition"], {"houses": 1})
    assert [one["default"] for one in shown["features"]] == ["refused", "3"]
    [found, missing] = rung(homes, "get", "houses", "a", "nobody")
    assert found["features"] == {"area": 2.6, "rooms": 5}
    assert missing["because"] == "houses: house 'nobody' has no row"
    assert rung(homes, "get", "houses", "a", "--at", "2026-01-03")[0]["features"] == {"area": 2.2, "rooms": 4}
    key = f"houses:{listed['definition']}"
    assert rung(homes, "forget", key) == {"forgotten": [key]}
    assert rung(homes, "list")[0]["materialized"] == {}
    assert rung(homes, "forget", key, code=2)["error"]["code"] == "not_found"
    assert rung(homes, "show", "others", code=2)["error"]["message"] == "there is no view 'others'"


def test_changed_code_of_a_view_is_another_definition(homes: Place):
    before = rung(homes, "list")[0]["definition"]
    homes.edit("experiments/homes/features.py", "def doubled", "# a comment\ndef doubled")
    assert rung(homes, "list")[0]["definition"] == before
    homes.edit("experiments/homes/features.py", "FACTOR = 2.0", "FACTOR = 3.0")
    assert rung(homes, "list")[0]["definition"] != before


@contextmanager
def served(place: Place, store_url: str | None) -> Iterator[tuple[httpx2.Client, Path]]:
    """Serve the trained revision in a process of its own."""
    with TemporaryDirectory(prefix="rung") as folder, (place.root / "server.log").open("wb") as output:
        socket = Path(folder) / "s"
        command = [
            *(sys.executable, "-m", "rung.serving.server", "--application", "experiments.homes.serve.app:app"),
            *("--bind", f"unix:{socket}"),
        ]
        environment = {**os.environ, "RUNG_STATE": str(place.root / ".rung"), "RUNG_REVISION": "homes.v1.m1"}
        environment |= {"RUNG_LOG": str(place.root / "log"), "RUNG_ONLINE_STORE": store_url or ""}
        process = subprocess.Popen(command, cwd=place.root, env=environment, stdout=output, stderr=output)
        try:
            until(lambda: listens(socket))
            transport = httpx2.HTTPTransport(uds=str(socket), verify=False)
            with httpx2.Client(transport=transport, base_url="http://server", timeout=20) as client:
                yield client, place.root / "log"
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_what_a_server_was_given_is_what_training_joins(homes: Place, store_url: str | None):
    variables = {"RUNG_ONLINE_STORE": store_url or "", "RUNG_REVISION": "homes.v1.m1"}
    trained = homes.python("-m", "rung.training.deployed", "--service", "homes", environment=variables)
    assert trained.returncode == 0, trained.stderr

    def materialize() -> None:
        done = homes.python("-m", "rung.features.materialize", "--service", "homes", environment=variables)
        assert done.returncode == 0, done.stderr

    with served(homes, store_url) as (client, log):
        assert client.get("/readyz").status_code == 503
        assert "not materialised" in client.get("/readyz").json()["detail"]
        materialize()
        until(lambda: client.get("/readyz").status_code == 200)
        first = ask(client, {"house": "a"}, {"house": "b"}, {"house": "a", "on": "2026-01-05"})
        assert first == [10 * 1.3 * 2 + 5, 10 * 2.7 * 2 + 3, 10 * 1.1 * 2 + 4]
        write_houses(homes, ("b", 20, 0.1 + 0.2, 1), ("a", 5, 9.9, 9))
        assert ask(client, {"house": "b"}) == [10 * 2.7 * 2 + 3]
        materialize()
        assert ask(client, {"house": "b"}, {"house": "a", "on": "2026-01-06"}) == [10 * (0.1 + 0.2) * 2 + 1, 207.0]
        refused = client.post("/predict", json={"instances": [{"house": "nobody"}]})
        assert refused.json()["errors"][0]["pointer"] == "/instances/0"

    lines = [json.loads(line) for path in log.iterdir() for line in path.read_text().splitlines()]
    fetched = [[line["id"], line["features"]] for line in lines if line.get("features")]
    assert len(fetched) == 3
    found = verify(homes, fetched, variables)
    assert (found["predictions"], found["rows"], found["different"]) == (3, 6, 0)

    wrong = [[fetched[0][0], fetched[0][1].replace("2.6", "2.6000000000000005")]]
    found = verify(homes, wrong, variables)
    assert (found["rows"], found["different"]) == (3, 1)
    assert found["differences"][0]["served"]["area"] == 2.6000000000000005
    assert found["differences"][0]["joined"]["area"] == 2.6


def ask(client: httpx2.Client, *instances: dict[str, str]) -> list[float]:
    answer = client.post("/predict", json={"instances": instances})
    assert answer.status_code == 200, answer.text
    return [one["price"] for one in answer.json()["predictions"]]


def verify(place: Place, fetched: list[Any], variables: dict[str, str]) -> dict[str, Any]:
    path = place.root / "served.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in fetched))
    words = ("--service", "homes", "--served", str(path))
    ended = place.python("-m", "rung.features.verify", *words, environment=variables)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_server_gives_what_was_fetched_for_a_prediction(homes: Place, monkeypatch: pytest.MonkeyPatch):
    trained = homes.python(
        "-m", "rung.training.deployed", "--service", "homes", environment={"RUNG_REVISION": "homes.v1.m1"}
    )
    assert trained.returncode == 0, trained.stderr
    logged = [{"view": "houses", "definition": "", "versions": {}, "rows": [[["a"], 0, 0, None, [7.5, 2]]]}]
    homes.write("features.json", json.dumps(logged))
    monkeypatch.setenv("RUNG_FETCHED", str(homes.root / "features.json"))
    with served(homes, None) as (client, _):
        until(lambda: client.get("/readyz").status_code == 200)  # although nothing was ever materialised
        assert ask(client, {"house": "a"}) == [77.0]
        assert client.post("/predict", json={"instances": [{"house": "b"}]}).status_code == 503
