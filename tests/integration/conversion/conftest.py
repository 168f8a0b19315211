"""Models and handlers of a small service, in process and as a package that is trained and served."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import polars as pl
import pytest
from fastapi import Depends
from pydantic import BaseModel
from tests.integration.serving.conftest import lay_line

from rung.schema import Request
from rung.serving import Artifact, converted_artifacts, create_serving_app, handlers_of
from rung.testing import ServiceTests
from rung.training._conversions import Conversions, prove_conversions
from rung.workspace import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conftest import Place
    from rung.conversion import Verdict


class Instance(BaseModel):
    wall: str = "brick"
    area: float = 100.0
    floors: int = 1
    text: str = ""


class Parameters(BaseModel):
    pass


class Prediction(BaseModel):
    price: float = 0.0
    label: str = ""


drawn = np.random.default_rng(0)
ROWS = [
    Instance(wall=str(wall), area=area, floors=int(floors), text=" ".join(words))
    for wall, area, floors, words in zip(
        drawn.choice(["brick", "wood", "stone"], 300),
        drawn.normal(150, 40, 300),
        drawn.integers(1, 4, 300),
        drawn.choice(["good", "Bad", "don't", "naïve", "Ärger", "film"], (300, 5)),
        strict=True,
    )
]
TEXTS = [row.text for row in ROWS]
PRICES = np.array([row.area * 3 + row.floors * 50 + (row.wall == "brick") * 70 for row in ROWS])
IS_DEAR = np.where(np.median(PRICES) < PRICES, "dear", "cheap")


def to_frame(rows: Sequence[Instance]) -> pl.DataFrame:
    return pl.DataFrame([row.model_dump(exclude={"text"}) for row in rows])


def to_array(rows: Sequence[Instance]) -> np.ndarray:
    return np.array([[row.area, row.floors] for row in rows], dtype=float)


def prove(
    model: Any, predict: Callable[[list[Instance], Any], list[Prediction]], *, rows: Sequence[Any] = ROWS, **wanted: Any
) -> Conversions:
    """Put a model through the gate, with a handler that predicts so; `wanted` goes to `Artifact`."""

    def handler(request, model):  # noqa: ANN001, ANN202  annotated below, with what is known only here
        return predict(request.instances, model)

    handler.__annotations__ = {
        "request": Request[Instance, Parameters],
        "model": Annotated[Any, Depends(Artifact("fit", runtime="onnx", **wanted))],
        "return": list[Prediction],
    }
    app = create_serving_app(predict=handler)
    handlers = handlers_of(app)
    service = Service(name="line", folder=Path())
    tests = ServiceTests(service=service, app=app, handlers=handlers, data={}, regression={})
    return prove_conversions(tests, {"fit": model}, converted_artifacts(app, handlers.values()), rows)


def verdict(*arguments: Any, **named: Any) -> Verdict:
    """Give the verdict of `prove`."""
    return prove(*arguments, **named).verdicts["fit"]


def lay_model(place: Place, *, model: str, handler: str, tolerance: str = "") -> None:
    """Write a service whose task `fit` and handler have these bodies; `rows` are the instances of a request."""
    lay_line(place)
    place.edit("experiments/line/serve/app.py", "import os", "import os\nimport numpy as np\nimport sklearn.ensemble")
    place.edit("experiments/line/serve/app.py", 'Artifact("fit")', f'Artifact("fit", runtime="onnx"{tolerance})')
    text = (place.root / "experiments/line/serve/app.py").read_text()
    body = indent(dedent(handler).strip("\n"), "    ")
    start, end = text.index("    if request.parameters.seconds"), text.index("\napp = ")
    text = f"{text[:start]}    rows, model = request.instances, slope\n{body}\n{text[end:]}"
    place.write("experiments/line/serve/app.py", text)
    fit = indent(dedent(model).strip("\n"), "    ")
    place.edit("experiments/line/train/main.py", "def fit() -> float:\n    return 3.0", f"def fit() -> object:\n{fit}")
    place.edit("experiments/line/train/main.py", "fit: float", "fit: object")


def import_torch() -> Any:
    """Give torch; where it is not installed skip the module, or fail in CI."""
    if importlib.util.find_spec("torch") is None and os.environ.get("CI") != "true":
        pytest.skip("torch is not installed: `make test TORCH=1` installs it", allow_module_level=True)
    return importlib.import_module("torch")
