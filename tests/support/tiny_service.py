"""The smallest service that has every part: it doubles numbers, trains in no time, and needs no package but Rung."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from experiment_document import written

if TYPE_CHECKING:
    from pathlib import Path

NAME = "tiny"
BROKEN_X = 666
"""The number for which the handler gives NaN."""

SPECIFICATION = """
    +++
    title = "Doubles numbers"
    latency_p99_ms = 5000
    throughput_rps = 5
    error_rate = 0.01
    consumers = ["tests"]

    [owners]
    product = "product@example.org"
    engineering = "engineering@example.org"
    +++

    # Problem

    Numbers are to be doubled.
    """

_FILES = {
    "experiments/__init__.py": "",
    "data/doubles.json": "[[1, 2.0], [2, 4.0]]",
    "{folder}/specification.md": SPECIFICATION,
    "{folder}/schema/request.py": """
        from typing import Annotated

        from pydantic import BaseModel, Field
        from rung.schema import max_instances


        @max_instances(8)
        class Instance(BaseModel):
            x: Annotated[int, Field(ge=0, le=1_000)]


        class Parameters(BaseModel):
            offset: Annotated[float, Field(ge=0, le=10)] = 0.0
        """,
    "{folder}/schema/response.py": """
        from pydantic import BaseModel


        class Prediction(BaseModel):
            y: float
        """,
    "{folder}/schema/service.py": """
        from datetime import timedelta
        from enum import StrEnum

        from rung.schema import ABTest, BusinessMetric, Score

        major = 1


        class Route(StrEnum):
            PREDICT = "predict"


        ab_test = ABTest(
            deadline=timedelta(minutes=10),
            metrics=[
                BusinessMetric(
                    name="right",
                    kind="proportion",
                    goal="maximize",
                    role="decision",
                    minimum_effect=0.1,
                    source="the test",
                    proximity="it is the truth",
                    fidelity="as it was computed",
                    priority="high",
                    score=Score(truth="double", field="y", how="within", tolerance=0.2),
                )
            ],
        )
        """,
    "{folder}/train/main.py": """
        from pydantic import BaseModel
        from rung.training import Experiment, TestResults, evaluate_models

        from experiments.tiny.schema.request import Instance


        class Hyperparameters(BaseModel):
            slope: float = 0.0


        def load_data() -> list[int]:
            return list(range(1, 201))


        def build_model(load_data: list[int], hyperparameters: Hyperparameters) -> dict[str, float]:
            return {"slope": hyperparameters.slope}


        def evaluate(load_data: list[int], build_model: dict[str, float]) -> TestResults:
            return evaluate_models(X_test=[Instance(x=x) for x in load_data], y_test=[2.0 * x for x in load_data])


        experiment = Experiment(load_data, build_model, evaluate, hyperparameters=Hyperparameters)
        """,
    "{folder}/serve/app.py": """
        import math

        from fastapi import Depends
        from rung.schema import Request
        from rung.serving import Artifact, create_serving_app

        from experiments.tiny.schema.request import Instance, Parameters
        from experiments.tiny.schema.response import Prediction


        def predict(request: Request[Instance, Parameters], model=Depends(Artifact("build_model"))) -> list[Prediction]:
            offset = request.parameters.offset
            return [
                Prediction(y=math.nan if instance.x == 666 else model["slope"] * instance.x + offset)
                for instance in request.instances
            ]


        app = create_serving_app(predict=predict)
        """,
    "{folder}/tests/regression.py": """
        def test_more_is_more(client) -> bool:
            less, more = client.predict([{"x": 10}, {"x": 20}])
            return less.y <= more.y
        """,
    "{folder}/tests/data.py": """
        from rung.testing import goal


        @goal.minimize
        def mean_error(client, X_test, y_test) -> float:
            predictions = client.predict(X_test)
            return sum(abs(one.y - y) for one, y in zip(predictions, y_test, strict=True)) / len(y_test)
        """,
    "{folder}/tests/acceptance.py": """
        from rung.schema import Request
        from rung.testing import AcceptanceTest, Stage

        from experiments.tiny.schema.request import Instance, Parameters


        def requests() -> list[Request[Instance, Parameters]]:
            return [Request[Instance, Parameters](instances=[Instance(x=x)]) for x in range(20)]


        acceptance_test = AcceptanceTest(
            requests=requests, stages=[Stage(users=2, duration=1, interval=0.1)], steady_s=3
        )
        """,
    "{folder}/tests/serve/test_app.py": """
        from rung.testing import fake_artifacts

        from experiments.tiny.serve.app import app


        def test_numbers_are_multiplied():
            with fake_artifacts(app, build_model={"slope": 3.0}) as client:
                [prediction] = client.predict([{"x": 5}])
            assert prediction.y == 15.0
        """,
    "{folder}/infrastructure/hardware.py": """
        from rung.infrastructure import Autoscaling, Batching, Infrastructure, ServingHardware, TrainingHardware

        infrastructure = Infrastructure(
            training=TrainingHardware(vcpus=1, memory_gib=1, gpus=0, disk_gib=1),
            serving=ServingHardware(
                vcpus=1,
                memory_gib=1,
                gpus=0,
                disk_gib=1,
                request_timeout_s=5,
                gunicorn_workers=2,
                autoscaling=Autoscaling(minimum=1, maximum=1, target_concurrency=8),
                batching=Batching(max_instances=8),
            ),
        )
        """,
    "{folder}/infrastructure/requirements.txt": "",
    "{folder}/infrastructure/packages.txt": "",
}


def write(workspace: Path) -> None:
    """Write the service into a workspace."""
    folder = f"experiments/{NAME}"
    for name, text in _FILES.items():
        path = workspace / name.format(folder=folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip())
        for package in (path.parent, *path.parent.parents):
            if path.suffix == ".py" and package.is_relative_to(workspace / folder):
                (package / "__init__.py").touch()


def change(workspace: Path, before: str, after: str, *, file: str = "train/main.py") -> None:
    """Change one place in one of its files."""
    path = workspace / "experiments" / NAME / file
    text = path.read_text()
    assert before in text, f"{file} has no {before!r}"
    path.write_text(text.replace(before, after, 1))


def document(workspace: Path, minor: int) -> None:
    """Write the experiment document of a revision of v1."""
    path = workspace / "experiments" / NAME / "experiments" / f"v1.m{minor}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(written(f"Double better, attempt {minor}", "A better slope."))
