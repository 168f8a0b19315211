"""LitServe with and without its batching: `python litserve_forest.py PORT MAX_BATCH_SIZE`."""

import os
import sys

import joblib
import litserve
from contract import Instance, Prediction
from features import to_array
from pydantic import BaseModel

WINDOW_S = 0.001  # 0 would keep the core busy: the worker then asks its queue without a pause


class PredictRequest(BaseModel):
    """The houses to value."""

    instances: list[Instance]


class PredictResponse(BaseModel):
    """One price for each house."""

    predictions: list[Prediction]


class Forest(litserve.LitAPI):
    """Reads instances in the worker, where LitServe's own examples do it."""

    def setup(self, device: str) -> None:  # noqa: ARG002  LitServe gives it by position
        """Load the model once."""
        self.model = joblib.load(os.environ["BENCH_MODEL"])

    def decode_request(self, request: PredictRequest) -> list[Instance]:
        """Give the houses of one request."""
        return request.instances

    def batch(self, inputs: list[list[Instance]]) -> list[list[Instance]]:
        """Keep the requests apart: they may have different lengths."""
        return inputs

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """Give the prices of each request."""
        return output

    def predict(self, x: list) -> list:
        """Value the houses of one request, or of several at once."""
        if not isinstance(x[0], list):
            return self.model.predict(to_array(x)).tolist()
        prices = iter(self.model.predict(to_array([house for houses in x for house in houses])).tolist())
        return [[next(prices) for _ in houses] for houses in x]

    def encode_response(self, output: list[float]) -> PredictResponse:
        """Answer one request."""
        return PredictResponse(predictions=[Prediction(price=price) for price in output])


if __name__ == "__main__":
    port, size = map(int, sys.argv[1:])
    batching = {"max_batch_size": size, "batch_timeout": WINDOW_S} if size > 1 else {}
    api = Forest(api_path="/predict", **batching)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
