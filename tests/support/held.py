"""A dataset that is held in memory: what a view takes of `rung.data.Dataset`, without a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


class Held:
    """Rows under a name."""

    asked_version = None
    asked_as_of = None
    contract = None
    number = 1

    def __init__(self, rows: pl.DataFrame, name: str = "held") -> None:
        self.rows = rows
        self.name = name

    def scan(self) -> Any:
        return self.rows.lazy()
