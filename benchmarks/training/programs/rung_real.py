"""The real pipeline as a training of Rung: it is laid down as `experiments/bench/train/main.py`."""

from typing import Any

from experiments.bench.train import workload
from pydantic import BaseModel

from rung.training import Experiment, TestResults


class Hyperparameters(BaseModel):
    """What a run is given."""

    seed: int = 0


def load_rows(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """Make the rows."""
    return workload.load_rows(hyperparameters.seed)


def split_rows(load_rows: dict[str, Any]) -> dict[str, Any]:
    """Hold some rows out."""
    return workload.split_rows(load_rows)


def fit_forest(split_rows: dict[str, Any], hyperparameters: Hyperparameters) -> Any:
    """Fit the forest."""
    return workload.fit_forest(split_rows, hyperparameters.seed)


def score(split_rows: dict[str, Any], fit_forest: Any) -> TestResults:
    """Score the forest and log its figures.

    The other tools have no tests of a service, so that none run here: the figures are computed as for them.
    """
    figures = workload.score(split_rows, fit_forest)
    data = [{"name": name, "goal": "minimize", "value": value} for name, value in figures.items()]
    return TestResults.model_validate({"rows": workload.HELD_OUT, "data": data, "regression": (), "example": {}})


experiment = Experiment(load_rows, split_rows, fit_forest, score, hyperparameters=Hyperparameters)

if __name__ == "__main__":
    experiment.run()
    experiment.save()
