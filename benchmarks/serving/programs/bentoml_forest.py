"""BentoML with and without its adaptive batching: `Forest` and `BatchedForest`."""

import os

import bentoml
import joblib
from contract import Instance, Prediction
from features import to_array

SETTINGS = {
    "workers": 1,
    "logging": {"access": {"enabled": False}},
    "metrics": {"enabled": False},
}


@bentoml.service(**SETTINGS)
class Forest:
    """One call of the model for each request."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["BENCH_MODEL"])

    @bentoml.api
    def predict(self, instances: list[Instance]) -> list[Prediction]:
        """Value each house."""
        return [Prediction(price=price) for price in self.model.predict(to_array(instances))]


@bentoml.service(**SETTINGS)
class BatchedForest:
    """One call of the model for the requests that came together."""

    def __init__(self) -> None:
        self.model = joblib.load(os.environ["BENCH_MODEL"])

    @bentoml.api(batchable=True, max_batch_size=2_048, max_latency_ms=1_000)
    def predict(self, instances: list[Instance]) -> list[Prediction]:
        """Value each house."""
        return [Prediction(price=price) for price in self.model.predict(to_array(instances))]
