"""Fit the models, and write what every server of the comparison is given. `python fit.py STATE FOLDER`.

Runs in Rung's environment, once: FOLDER gets the models (joblib), the payloads and the native models' own answers;
STATE gets Rung's revisions, whose bundles name the same models.
"""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from contract import Instance, Prediction
from features import NAMES, to_array, to_frame, to_rows
from pydantic import BaseModel
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rung.artifacts import LocalStore, encode
from rung.conversion import MAX_DIFFERENCE, Recorder, artifact_name, candidates, load
from rung.infrastructure import Batching, Infrastructure, ServingHardware
from rung.schema import Contract, route_contract
from rung.serving import Bundle, write_bundle

ROWS = 4_000
SIZES = (1, 32)  # instances in one request
# Revision of the service `bench`: the model that its handler is given; None where it takes none.
REVISIONS = {
    "linear_frame": "linear_frame",
    "linear_array": "linear_array",
    "forest_array": "forest_array",
    "forest_frame": "forest_frame",
    "forest_onnx": "forest_array",
    "constant": None,
}
CONVERTED = "forest_onnx"
PROVEN = 1_000  # rows for which the converted model must give what the native one gives


class Parameters(BaseModel):
    """Nothing that a consumer may tune."""


def draw_houses(count: int) -> list[Instance]:
    """Draw houses at random, the same ones every time."""
    rng = np.random.default_rng(7)

    def words(name: str) -> np.ndarray:
        return rng.choice(Instance.model_json_schema()["properties"][name]["enum"], count)

    columns = {
        "year_built": rng.integers(1880, 1999, count),
        "living_area_sqft": rng.integers(500, 5_000, count),
        "rooms": rng.integers(2, 14, count),
        "bedrooms": rng.integers(1, 7, count),
        "full_baths": rng.integers(1, 5, count),
        "half_baths": rng.integers(0, 3, count),
        "garage_area_sqft": rng.integers(0, 900, count),
        "lot_area_sqft": rng.integers(1_000, 60_000, count),
        "easting_m": rng.integers(485_000, 540_000, count),
        "northing_m": rng.integers(195_000, 230_000, count),
        "stories": words("stories"),
        "wall": words("wall"),
        "garage": words("garage"),
    }
    table = {name: values.tolist() for name, values in columns.items()}
    return [Instance(**{name: values[row] for name, values in table.items()}) for row in range(count)]


def fit(houses: list[Instance]) -> dict[str, object]:
    """Fit a linear model and a forest of 50 trees, each to a frame and to an array."""
    frame, array = to_frame(houses), to_array(houses)
    noise = np.random.default_rng(8).normal(0, 5_000, len(houses))
    prices = 60 * frame["living_area_sqft"] + 900 * (frame["year_built"] - 1800) + 8_000 * frame["wall"] + noise
    linear = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    forest = RandomForestRegressor(n_estimators=50, min_samples_leaf=3, random_state=0)
    target = prices.to_numpy()
    return {
        "linear_frame": clone(linear).fit(frame, target),
        "linear_array": clone(linear).fit(array, target),
        "forest_frame": clone(forest).fit(frame, target),
        "forest_array": clone(forest).fit(array, target),
    }


def write_payloads(folder: Path, houses: list[Instance], models: dict[str, object]) -> None:
    """Write the bodies of requests, and what the native models answer to them."""
    answers: dict[str, dict[int, list[float]]] = {"constant": {size: [1.0] * size for size in SIZES}}
    for size in SIZES:
        asked = houses[:size]
        body = {"instances": [house.model_dump() for house in asked]}
        (folder / f"rows.{size}.json").write_text(json.dumps(body))
        data = [value for row in to_rows(asked) for value in row]
        tensor = {"name": "houses", "shape": [size, len(NAMES)], "datatype": "FP64", "data": data}
        (folder / f"tensor.{size}.json").write_text(json.dumps({"inputs": [tensor]}))
        for name, model in models.items():
            features = to_frame(asked) if name.endswith("_frame") else to_array(asked)
            answers.setdefault(name, {})[size] = model.predict(features).tolist()
    (folder / "answers.json").write_text(json.dumps(answers))


def convert(model: RandomForestRegressor, rows: np.ndarray) -> dict[str, object]:
    """Convert the model as a training does, and hold it against the native one."""
    recorder = Recorder(model)
    owed = recorder.predict(rows)
    for attempt in candidates(model, recorder.use):
        made = attempt().to_artifact()
        given = load(made, native=lambda: model, name="forest").predict(rows)
        if np.allclose(given, owed, rtol=MAX_DIFFERENCE, atol=0):
            return made
    raise SystemExit("no conversion of the forest gives what the forest gives")


def write_revisions(state: Path, houses: list[Instance], models: dict[str, object]) -> None:
    """Write each revision's bundle and the artifact that it names, as a training does."""
    store = LocalStore(state / "artifacts")
    route = route_contract(instance=Instance, parameters=Parameters, prediction=Prediction)
    # Every house is valued on its own, so requests may share a call: 64 of the largest, as for every tool.
    serving = ServingHardware(batching=Batching(max_instances=64 * max(SIZES)))
    for minor, (name, model) in enumerate(REVISIONS.items()):
        artifacts = {"build_model": models[model]} if model else {}
        if name == CONVERTED:
            artifacts[artifact_name("build_model")] = convert(models[model], to_array(houses[:PROVEN]))
        bundle = Bundle(
            revision=f"bench.v1.m{minor}",
            run="bench",
            artifacts={task: store.put(encode(value)) for task, value in artifacts.items()},
            contract=Contract(major=1, routes={"predict": route}).to_json(),
            infrastructure=Infrastructure(serving=serving).model_dump(mode="json"),
            example={"predict": {"instances": [houses[0].model_dump()]}},
        )
        write_bundle(state, bundle)


if __name__ == "__main__":
    state, folder = map(Path, sys.argv[1:])
    houses = draw_houses(ROWS)
    models = fit(houses)
    for name, model in models.items():
        joblib.dump(model, folder / f"{name}.joblib")
    write_payloads(folder, houses, models)
    write_revisions(state, houses, models)
