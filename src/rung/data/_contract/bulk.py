"""Many rows against a contract at once: where its rules are broken, and lines that say so. Called by `_contract`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rung.data._contract import Refusal
    from rung.data._contract.rules import Rule

__all__ = ["LINES", "LONGEST_VALUE", "any_of", "lines", "lines_of", "ordered", "where_broken"]

LINES: Final = pl.Schema({"row": pl.Int64(), "column": pl.String(), "reason": pl.String(), "value": pl.String()})
"""Columns of what tells why rows are refused."""
LONGEST_VALUE: Final = 200
"""Characters of a value that are shown."""


def where_broken(rows: pl.DataFrame, rules: Sequence[Rule]) -> list[pl.Series]:
    """Tell for each rule which rows break it; no nulls."""
    if not rules or not rows.width:
        return [pl.Series([rule.is_of_all], dtype=pl.Boolean).new_from_index(0, rows.height) for rule in rules]
    number = pl.int_range(pl.len())
    masks = {str(place): rule.broken.fill_null(value=False) for place, rule in enumerate(rules)}
    return rows.lazy().select(number.alias("number"), **masks).drop("number").collect().get_columns()


def any_of(masks: Iterable[pl.Series], height: int) -> pl.Series:
    """Tell which rows break any rule."""
    none = pl.Series([False], dtype=pl.Boolean).new_from_index(0, height)
    for mask in masks:
        none |= mask
    return none


def lines_of(rows: pl.DataFrame, rules: Sequence[Rule], masks: Sequence[pl.Series]) -> pl.DataFrame:
    """Give a line for each row and rule that it breaks."""
    parts = [LINES.to_frame()]
    for rule, mask in zip(rules, masks, strict=True):
        places = mask.arg_true()
        if not places.len():
            continue
        values = (
            _spelled(rows.get_column(rule.column).alias("value").gather(places)) if not rule.is_of_all else pl.lit("")
        )
        constant = {"column": pl.lit(rule.column), "reason": pl.lit(rule.reason), "value": values}
        parts.append(pl.select(row=places.cast(pl.Int64)).with_columns(**constant))
    return pl.concat(parts)


def lines(refusals: Iterable[Refusal]) -> pl.DataFrame:
    """Give the same of what Pydantic said."""
    return pl.DataFrame([asdict(one) for one in refusals], schema=LINES)


def ordered(told: pl.DataFrame) -> pl.DataFrame:
    """Order lines by row, and keep the first of each row and column."""
    return told.unique(["row", "column"], keep="first", maintain_order=True).sort("row", maintain_order=True)


def _spelled(values: pl.Series) -> pl.Series:
    if values.dtype.is_nested() or values.dtype in {pl.Binary, pl.Object}:
        texts = pl.Series([None if value is None else repr(value) for value in values.to_list()], dtype=pl.String)
    else:
        texts = values.cast(pl.String)
    return texts.str.slice(0, LONGEST_VALUE).fill_null("")
