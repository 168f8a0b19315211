"""The real pipeline as Hamilton functions, run by `hamilton_run.py`."""

# Hamilton compares the annotations themselves: they may not be postponed.
import json
from pathlib import Path
from typing import Any

import workload


def rows(seed: int) -> dict[str, Any]:
    """Make the rows."""
    return workload.load_rows(seed)


def parts(rows: dict[str, Any]) -> dict[str, Any]:
    """Hold some rows out."""
    return workload.split_rows(rows)


def forest(parts: dict[str, Any], seed: int) -> Any:
    """Fit the forest."""
    return workload.fit_forest(parts, seed)


def figures(parts: dict[str, Any], forest: Any) -> dict[str, float]:
    """Score the forest and log its figures: Hamilton has no metrics, so they go to a file."""
    found = workload.score(parts, forest)
    Path("figures.json").write_text(json.dumps(found), encoding="utf-8")
    return found
