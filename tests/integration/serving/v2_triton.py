"""Triton's client against the service `line`; prints what it got as JSON. Runs where `v2_clients.txt` is installed."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException


def ask(address: str) -> dict[str, Any]:
    """Ask as Triton's client does: tensors in binary form unless told otherwise."""

    def inputs(*, is_binary: bool) -> list[InferInput]:
        arrays = {
            "x": ("FP32", np.array([[1.5], [2.5]], dtype=np.float32)),
            "name": ("BYTES", np.array(["a", "ö"], dtype=np.object_)),
            "weights": ("FP64", np.array([[1, 2], [3, 4]], dtype=np.float64)),
        }
        made = []
        for name, (datatype, array) in arrays.items():
            made.append(InferInput(name, list(array.shape), datatype))
            made[-1].set_data_from_numpy(array, binary_data=is_binary)
        return made

    def said(*arguments: Any) -> list[str]:
        try:
            client.infer(*arguments)
        except InferenceServerException as error:
            return [error.status(), error.message()]
        return []

    wrong = InferInput("x", [1], "FP64").set_data_from_numpy(np.array([-1.0]))
    wanted = [InferRequestedOutput("y", binary_data=False), InferRequestedOutput("label")]
    with InferenceServerClient(address) as client:
        plain = client.infer("predict", inputs(is_binary=True), request_id="42")
        told = client.infer("predict", inputs(is_binary=False), "1", outputs=wanted, parameters={"seconds": 0.01})
        return {
            "is live": client.is_server_live(),
            "is ready": client.is_server_ready(),
            "model is ready": client.is_model_ready("predict") and client.is_model_ready("predict", "line.v1.m1"),
            "other is ready": client.is_model_ready("predict", "line.v1.m2"),
            "server": client.get_server_metadata(),
            "model": client.get_model_metadata("predict", "m1"),
            "id": plain.get_response()["id"],
            "version": plain.get_response()["model_version"],
            "y": plain.as_numpy("y").tolist(),
            "label": [text.decode() for text in plain.as_numpy("label")],
            "y as told": told.as_numpy("y").tolist(),
            "label as told": [text.decode() for text in told.as_numpy("label")],
            "outputs as told": [output["name"] for output in told.get_response()["outputs"]],
            "wrong": said("predict", [wrong]),
            "nowhere": said("nope", [wrong]),
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ask(sys.argv[1])))
