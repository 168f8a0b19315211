"""The work that every program of the comparison does: the same rows, the same forest, the same ten figures.

It is laid beside each program, so that all of them import it in the same way.
"""

from __future__ import annotations

from typing import Any

ROWS = 20_000
COLUMNS = 9
TREES = 50
HELD_OUT = 4_000  # rows, of ROWS


def load_rows(seed: int) -> dict[str, Any]:
    """Draw `x` (ROWS x COLUMNS) and `y` (ROWS): smooth in some columns, stepped in others, with noise."""
    import numpy as np  # noqa: PLC0415 - a chain of no-op tasks must not pay for it

    random = np.random.default_rng(seed)
    x = random.normal(size=(ROWS, COLUMNS))
    y = 3 * x[:, 0] + np.sin(3 * x[:, 1]) + x[:, 2] * (x[:, 3] > 0) + 0.3 * random.normal(size=ROWS)
    return {"x": x, "y": y}


def split_rows(rows: dict[str, Any]) -> dict[str, Any]:
    """Hold the last HELD_OUT rows out."""
    kept = ROWS - HELD_OUT
    x, y = rows["x"], rows["y"]
    return {"x_train": x[:kept], "y_train": y[:kept], "x_test": x[kept:], "y_test": y[kept:]}


def fit_forest(parts: dict[str, Any], seed: int) -> Any:
    """Fit a forest of TREES trees on one core."""
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415 - a chain of no-op tasks must not pay for it

    forest = RandomForestRegressor(TREES, max_features=3, min_samples_leaf=5, random_state=seed, n_jobs=1)
    return forest.fit(parts["x_train"], parts["y_train"])


def score(parts: dict[str, Any], forest: Any) -> dict[str, float]:
    """Give ten figures of the forest on the held-out rows."""
    import numpy as np  # noqa: PLC0415 - a chain of no-op tasks must not pay for it

    truth = parts["y_test"]
    error = forest.predict(parts["x_test"]) - truth
    size = np.abs(error)
    figures = {
        "mae": size.mean(),
        "rmse": np.sqrt((error**2).mean()),
        "r2": 1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum(),
        "bias": error.mean(),
        "worst": size.max(),
        "p50": np.quantile(size, 0.5),
        "p90": np.quantile(size, 0.9),
        "p99": np.quantile(size, 0.99),
        "within_half": (size < 0.5).mean(),
        "within_one": (size < 1).mean(),
    }
    return {name: float(value) for name, value in figures.items()}
