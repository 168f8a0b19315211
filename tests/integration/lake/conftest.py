from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from object_store import object_store, storage

from rung.lake import OUTCOMES, AppendLog, Lake, outcome_line, prediction_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Writer", "lake", "object_store", "storage", "writer", "writer_class"]

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def microseconds(minutes: float) -> int:
    """Microseconds since 1970 of an instant, in minutes after START."""
    return round((START + timedelta(minutes=minutes)).timestamp() * 1_000_000)


@dataclass
class Writer:
    """Writes lines as the servers do; minutes are counted from START."""

    lake: Lake
    predictions: AppendLog = field(init=False)
    outcomes: AppendLog = field(init=False)
    numbers: Iterable[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.predictions = AppendLog(self.lake.logs)
        self.outcomes = AppendLog(self.lake.logs, OUTCOMES)

    def predict(self, unit: str | None, arm: Any, minute: float = 0, **changes: Any) -> str:
        revision = "housing.v1.m2" if arm == "challenger" else "housing.v1.m1"
        fields: dict[str, Any] = {
            "id": f"p{next(self.numbers)}",
            "revision": revision,
            "time": microseconds(minute),
            "status": 200,
            "duration_ms": 1.5,
            "kind": "production",
            "instances": b'[{"area":100.0}]',
            "predictions": b"[1.0]",
            "unit": unit,
            "experiment": "e1",
            "arm": arm,
        }
        self.predictions.append(prediction_line(**(fields | changes)))
        return str((fields | changes)["id"])

    def measure(self, value: float, minute: float = 10, **fields: Any) -> None:
        line = outcome_line(
            **{"service": "housing", "metric": "sold", "value": value, "received": microseconds(minute), **fields}
        )
        self.outcomes.append(line)

    def close(self) -> None:
        self.predictions.close()
        self.outcomes.close()


@pytest.fixture
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A lake in a folder; in an object store, where a test asks for `s3` by a parameter."""
    if getattr(request, "param", "folder") == "folder":
        return Lake(tmp_path)
    storage = request.getfixturevalue("storage")
    return Lake(f"{storage}/lake", logs=tmp_path / "log", kept=tmp_path / "ledgers")


@pytest.fixture
def writer(lake: Lake):
    writer = Writer(lake)
    yield writer
    writer.close()


@pytest.fixture(scope="session")
def writer_class() -> type[Writer]:
    """For tests that make many lakes."""
    return Writer
