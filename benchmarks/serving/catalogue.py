"""The servers that are compared, each as its own documentation recommends for one core: one worker, no access log.

Where a tool can batch, it runs with and without. `linear` and `forest` are the models; a `frame` handler builds a
DataFrame, an `array` handler a NumPy array. The peers serve the forest from arrays, which is the fastest for all.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import rung_service
from contender import PORT, Contender, Place

if TYPE_CHECKING:
    from process import Command

__all__ = ["BASELINES", "CONTENDERS", "PEERS"]

BOTH = (1, 32)
ONNX_TOLERANCE = 1e-4  # relative: ONNX computes with 32 bits
UVICORN = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
WINDOW_S = 0.001  # that MLServer waits for a batch; it recommends none
BATCH = 64  # requests of one call at the most; tools that count instances are given 64 requests of 32


def _rung(name: str, title: str, program: str, **more: Any) -> Contender:
    def prepare(place: Place) -> None:
        rung_service.lay_source(place.lab, name, program)

    def command(place: Place) -> Command:
        return rung_service.server(place.lab, name, python=place.python, port=place.port)

    return Contender(
        name=f"rung-{name}",
        title=f"Rung, {title}",
        tool="Rung",
        environment="rung",
        distribution="rung",
        model=more.pop("model", name),
        files=(),
        command=command,
        prepare=prepare,
        **more,
    )


def _fastapi(name: str, title: str, program: str, **more: Any) -> Contender:
    return Contender(
        name=f"fastapi-{name}",
        title=f"FastAPI, {title}",
        tool="FastAPI",
        environment="fastapi",
        distribution="fastapi",
        model=more.pop("model", name),
        files=(f"{program}.py",),
        command=lambda place: (place.script("uvicorn"), f"{program}:app", "--port", PORT, *UVICORN),
        **more,
    )


def _floor() -> Contender:
    """What is left when nothing is validated, predicted or logged: no server on uvicorn can be faster."""
    return Contender(
        name="floor",
        title="uvicorn alone, constant bytes",
        tool="uvicorn",
        environment="fastapi",
        distribution="uvicorn",
        model="constant",
        files=("asgi_constant.py",),
        command=lambda place: (place.script("uvicorn"), "asgi_constant:app", "--port", PORT, *UVICORN),
    )


def _bentoml(name: str, title: str, service: str) -> Contender:
    def command(place: Place) -> tuple[str, ...]:
        return (place.script("bentoml"), "serve", f"bentoml_forest:{service}", "--host", "127.0.0.1", "--port", PORT)

    return Contender(
        name=name,
        title=title,
        tool="BentoML",
        environment="bentoml",
        distribution="bentoml",
        model="forest_array",
        files=("bentoml_forest.py",),
        command=command,
        sizes=BOTH,
        read=lambda answer: [prediction["price"] for prediction in answer],
        variables={"BENTOML_DO_NOT_TRACK": "True"},
    )


def _litserve(name: str, title: str, size: int) -> Contender:
    return Contender(
        name=name,
        title=title,
        tool="LitServe",
        environment="litserve",
        distribution="litserve",
        model="forest_array",
        files=("litserve_forest.py",),
        command=lambda place: (str(place.python), "litserve_forest.py", PORT, str(size)),
        sizes=BOTH,
    )


def _mlserver(name: str, title: str, *, batching: bool) -> Contender:
    def prepare(place: Place) -> None:
        _lay_mlserver(place, batching=batching)

    return Contender(
        name=name,
        title=title,
        tool="MLServer",
        environment="mlserver",
        distribution="mlserver",
        model="forest_array",
        files=(),
        command=lambda place: (place.script("mlserver"), "start", "."),
        sizes=BOTH,
        payload="tensor",
        path="/v2/models/forest/infer",
        read=lambda answer: answer["outputs"][0]["data"],
        prepare=prepare,
    )


def _lay_mlserver(place: Place, *, batching: bool) -> None:
    """Write MLServer's settings: its own runtime for scikit-learn, which takes the features as one tensor."""
    shutil.copy(place.lab.folder / "forest_array.joblib", place.folder / "model.joblib")
    settings = {
        "host": "127.0.0.1",
        "http_port": place.port,
        "grpc_port": place.port + 1,
        "metrics_port": place.port + 2,
        "metrics_endpoint": None,
        "parallel_workers": 0,  # one core: a second process would only be one more to talk to
        "gzip_enabled": False,
        "debug": False,
    }
    model: dict[str, Any] = {
        "name": "forest",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    if batching:
        model |= {"max_batch_size": BATCH, "max_batch_time": WINDOW_S}
    (place.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (place.folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")


# A server and the one that it is compared with stand side by side: both then run within the same minute.
CONTENDERS = (
    _rung("constant", "no model", "rung_constant.py"),
    _fastapi("constant", "no model", "fastapi_constant"),
    _floor(),
    _rung("linear_frame", "linear, DataFrame", "rung_frame.py"),
    _fastapi("linear_frame", "linear, DataFrame", "fastapi_frame"),
    _rung("linear_array", "linear, NumPy", "rung_array.py"),
    _fastapi("linear_array", "linear, NumPy", "fastapi_array"),
    _rung("forest_array", "forest, NumPy", "rung_array.py", sizes=BOTH),
    _fastapi("forest_array", "forest, NumPy", "fastapi_array", sizes=BOTH),
    _fastapi("async", "forest, NumPy, async", "fastapi_async", model="forest_array", sizes=BOTH),
    _bentoml("bentoml", "BentoML, forest", "Forest"),
    _bentoml("bentoml-batching", "BentoML, forest, batching", "BatchedForest"),
    _litserve("litserve", "LitServe, forest", 1),
    _litserve("litserve-batching", "LitServe, forest, batching", BATCH),
    _mlserver("mlserver", "MLServer, forest", batching=False),
    _mlserver("mlserver-batching", "MLServer, forest, batching", batching=True),
    _rung("forest_onnx", "forest as ONNX", "rung_onnx.py", model="forest_array", sizes=BOTH, tolerance=ONNX_TOLERANCE),
    _fastapi("forest_frame", "forest, DataFrame", "fastapi_frame"),
)

PEERS = {
    "FastAPI": ("fastapi-forest_array", "fastapi-async"),
    "BentoML": ("bentoml", "bentoml-batching"),
    "LitServe": ("litserve", "litserve-batching"),
    "MLServer": ("mlserver", "mlserver-batching"),
}
"""Each tool's configurations of the forest; Rung's `rung-forest_array` is held against the best of them."""

BASELINES = {
    "linear model, same DataFrame handler": ("rung-linear_frame", "fastapi-linear_frame", (1.25, 5.5, 14.0)),
    "linear model, same NumPy handler": ("rung-linear_array", "fastapi-linear_array", (1.5, 5.5, 9.0)),
    "forest, same NumPy handler": ("rung-forest_array", "fastapi-forest_array", (1.1, 8.0, 20.0)),
    "framework alone": ("rung-constant", "fastapi-constant", (2.8, 5.0, 6.0)),
    "forest as ONNX, to the native forest on a DataFrame": ("rung-forest_onnx", "fastapi-forest_frame", (20, 60, 100)),
}
"""What is promised against plain FastAPI: Rung's server, the baseline, the least ratio at c = 1, 16 and 64."""
