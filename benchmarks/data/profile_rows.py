"""The rows that `profile.py` measures on, and their contract."""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import polars as pl
from pydantic import AwareDatetime, BaseModel, Field

CITIES = 5_000
CATEGORIES = 40


class Row(BaseModel):
    """Ten rules of what a row must be."""

    n0: float | None = Field(ge=-100, le=100)
    f1: float = Field(gt=0, allow_inf_nan=False)
    i1: int = Field(ge=0, lt=100)
    day: date = Field(ge=date(1990, 1, 1))
    at: AwareDatetime
    kind: Literal["a", "b", "c"]
    id: str = Field(pattern=r"^id-\d+$", max_length=24)
    is_new: bool


def write(file: str, rows: int) -> None:
    """Write numbers of several distributions, whole numbers, times, truths and texts of few and of many values."""
    draw = np.random.default_rng(7)
    names = [f"city {number}" for number in range(CITIES)]
    kinds = [f"category {number}" for number in range(CATEGORIES)]
    pl.DataFrame(
        {
            **{f"f{number}": draw.lognormal(size=rows) for number in range(3)},
            **{f"g{number}": draw.normal(size=rows) for number in range(3)},
            "n0": pl.Series(draw.normal(size=rows)).set(pl.Series(draw.random(rows) < 0.1), None),
            **{f"i{number}": draw.integers(0, 10 ** (number + 1), rows) for number in range(4)},
            "large": draw.integers(0, 2**60, rows),
            "day": pl.Series(draw.integers(10_000, 20_000, rows).astype(np.int32)).cast(pl.Date),
            "at": pl.Series(draw.integers(16 * 10**14, 17 * 10**14, rows)).cast(pl.Datetime("us", "UTC")),
            "is_new": draw.random(rows) < 0.3,
            "id": [f"id-{number}" for number in draw.integers(0, 2**60, rows)],
            "city": draw.choice(names, rows),
            "kind": draw.choice(["a", "b", "c"], rows),
            "category": draw.choice(kinds, rows),
            "note": pl.Series(draw.choice(["", "seen", "sold "], rows)),
        }
    ).write_parquet(file)
