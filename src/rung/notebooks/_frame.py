"""`rung.runs`: what is on record of trainings, notebooks and imported runs, as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rung.registry import open_registry
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

__all__ = ["runs", "to_rows"]

_COLUMNS: Final = ("id", "service", "kind", "source", "status", "started", "seconds", "revision", "commit", "user")
_LARGEST: Final = 2**63


def runs(service: str | None = None, *, kind: str | None = None, limit: int = 1_000) -> pl.DataFrame:
    """Give runs as a polars frame, the newest first: `rung.runs("housing").sort("metrics.r2")`.

    The columns are id, service, kind, source, status, started, seconds, revision, commit and user; then one for each
    parameter (`parameters.NAME`) and each metric (`metrics.NAME`), null where a run has none. `.to_pandas()` gives the
    same as a pandas frame. Where one parameter has values of several kinds, its column is text.

    Args:
        service: Of this service; None: of all.
        kind: `training`, `notebook` or `imported`; None: all.
        limit: The newest ones at most.

    Raises:
        WorkspaceError: The folder is not in a workspace.
    """
    import polars as pl  # noqa: PLC0415  with the first frame

    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        rows = to_rows(registry.runs(service, kind=kind, limit=limit))
    names = dict.fromkeys([*_COLUMNS, *(name for row in rows for name in row)])
    columns = [_column(pl, name, [row.get(name) for row in rows]) for name in names]
    return pl.DataFrame(columns).with_columns(pl.col("started").str.to_datetime(time_zone="UTC"))


def to_rows(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each record as one flat row; pure."""
    return [
        {
            **{name: record.get(name) for name in _COLUMNS},
            "kind": record.get("kind", "training"),
            **_named("parameters", record["hyperparameters"]),
            **_named("metrics", record["metrics"]),
        }
        for record in records
    ]


def _named(group: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{group}.{name}": value for name, value in values.items()}


def _column(pl: Any, name: str, values: list[Any]) -> Any:
    kinds = {type(value) for value in values} - {type(None)}
    if name in _COLUMNS:
        return pl.Series(name, values, dtype=pl.Float64 if name == "seconds" else pl.String)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(abs(value or 0) < _LARGEST for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    spelled = [value if value is None or isinstance(value, str) else repr(value) for value in values]
    return pl.Series(name, spelled, dtype=pl.String)
