"""The protocol's own client against the service `line`; prints what it got as JSON, as `v2_triton.py` does."""

from __future__ import annotations

import json
import sys
from typing import Any

from open_inference.openapi.client import InferenceRequest, OpenInferenceClient
from open_inference.openapi.errors import BadRequestError, NotFoundError


def ask(address: str) -> dict[str, Any]:
    """Ask with the client that is made from the protocol's own OpenAPI document: JSON alone, numbers nested."""

    inputs = [
        {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.5, 2.5]},
        {"name": "name", "shape": [2, 1], "datatype": "BYTES", "data": [["a"], ["ö"]]},
        {"name": "weights", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]},
    ]
    client = OpenInferenceClient(base_url=f"http://{address}")
    client.check_server_liveness()
    client.check_server_readiness()
    client.check_model_readiness("predict")
    answer = client.model_infer("predict", request=InferenceRequest(id="42", inputs=inputs))
    found: dict[str, Any] = {
        "model": json.loads(client.read_model_version_metadata("predict", "line.v1.m1").json()),
        "id": answer.id,
        "version": answer.model_version,
        **{output.name: json.loads(output.data.json()) for output in answer.outputs},
    }
    try:
        client.model_infer("predict", request=InferenceRequest(inputs=[{**inputs[0], "data": [1.5, -1]}]))
    except BadRequestError as error:
        found["wrong"] = error.body["error"]
    try:
        client.check_model_version_readiness("predict", "7")
    except NotFoundError as error:
        found["nowhere"] = error.body["error"]
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ask(sys.argv[1])))
