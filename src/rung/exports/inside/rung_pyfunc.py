"""A revision as a pyfunc model of MLflow: `loader_module` of the models that `rung export --to mlflow` writes.

It runs wherever such a model is loaded, in an environment that the model's requirements made, with the Rung that lies
beside it. https://mlflow.org/docs/latest/ml/traditional-ml/pyfunc
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.exports.inside.rung_handlers import Handlers, Refused
else:
    from rung_handlers import Handlers, Refused

__all__ = ["Model"]

_SHOWN = 5  # refused rows in one error


class Model:
    """A revision that was started in this process; it keeps no log of predictions.

    Args:
        folder: The model's data: `revision.json`, and `state/` with bundle and artifacts.
    """

    def __init__(self, folder: Path) -> None:
        self._told: dict[str, Any] = json.loads((folder / "revision.json").read_bytes())
        os.environ.pop("RUNG_LOG", None)
        os.environ.update(
            RUNG_STATE=str(folder / "state"),
            RUNG_REVISION=self._told["revision"],
            RUNG_BUNDLES=json.dumps(self._told["bundles"]),
        )
        with contextlib.chdir(Path(__file__).parent):  # the snapshot's settings are found from there
            self._handlers = Handlers(self._told["application"])

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Predict: one row for each row, in their order.

        Raises:
            ValueError: Rows were refused; the message names the first of them.
        """
        frame = model_input if isinstance(model_input, pd.DataFrame) else pd.DataFrame(model_input)
        lines = [self._instance(row) for row in frame.to_dict(orient="records")]
        parameters = json.dumps(params, default=_plain).encode() if params else None
        size = self._told["rows"]
        answered = [
            one
            for start in range(0, len(lines), size)
            for one in self._handlers.predict(self._told["route"], lines[start : start + size], parameters)
        ]
        refused = [f"row {place}: {one.reason}" for place, one in enumerate(answered) if isinstance(one, Refused)]
        if refused:
            raise ValueError(f"{self._told['revision']} refused {len(refused)} rows: {'; '.join(refused[:_SHOWN])}")
        columns = self._told["outputs"]
        if not columns:
            return pd.DataFrame({"prediction": answered}, index=frame.index)
        return pd.DataFrame.from_records(answered, columns=columns, index=frame.index)

    def _instance(self, row: Mapping[Any, Any]) -> bytes:
        """Spell a row as an instance: what is missing is no field, unless the field may be null."""
        kinds, nullable = self._told["fields"], self._told["nullable"]
        told = {}
        for name, value in row.items():
            plain = _plain(value)
            if plain is None and name not in nullable:
                continue
            if kinds.get(name) == "integer" and isinstance(plain, float) and plain.is_integer():
                plain = int(plain)  # a table of pandas has floats where a whole number is missing
            told[name] = plain
        return json.dumps(told, default=_plain).encode()


def _plain(value: Any) -> Any:
    """Give a value of numpy or pandas as JSON has it; None for what stands for no value."""
    if hasattr(value, "tolist"):  # a number or an array of numpy
        value = value.tolist()
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (bool, int, float, str, list, dict)):
        return value
    return str(value)


def _load_pyfunc(path: str) -> Model:
    """Load a model, as MLflow asks for it."""
    return Model(Path(path))
