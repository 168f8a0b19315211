"""Logged requests -> columns whose statistics are kept: fields of instances and predictions, and the words of texts.

Called for what was shipped into the lake, and for what a training kept, so that both come the same way.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data.feedback._rows import PLAIN, to_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["READ", "UNKNOWN_WORDS", "columns_of", "of_values", "vocabulary_of"]

READ: Final = (*PLAIN, "instances", "parameters", "predictions")
"""Columns of the log that are read."""
UNKNOWN_WORDS: Final = ".unknown_words"
"""Ends the name of the column that tells which share of a text's words the reference does not know."""
_WORD: Final = re.compile(r"\w+")
_MOST_WORDS: Final = 200_000
_DAY: Final = r"^\d{4}-\d{2}-\d{2}$"
_MOMENT: Final = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"
_FREE: Final = 0.5
"""A column of texts is prose when more than this share of them has a blank in it."""


def columns_of(answers: pl.DataFrame, vocabularies: Mapping[str, frozenset[int]]) -> pl.DataFrame:
    """Take logged requests apart into a row for each instance.

    Args:
        answers: Rows of the log, with the columns `READ`.
        vocabularies: Words that are known, by column of texts.

    Returns:
        `instance.FIELD` and `prediction.FIELD`, days and moments as such, and for each text with a vocabulary the share
        of its words that are unknown.
    """
    rows = to_rows(answers, None)
    rows = rows.select(name for name in rows.columns if name.startswith(("instance", "prediction")))
    rows = rows.with_columns(_timed(rows[name]) for name, kind in rows.schema.items() if kind == pl.String)
    texts = [name for name in vocabularies if rows.schema.get(name) == pl.String]
    return rows.with_columns(_unknown(rows[name], vocabularies[name]) for name in texts)


def of_values(
    instances: Sequence[Any], predictions: Sequence[Any] | None, vocabularies: Mapping[str, frozenset[int]]
) -> pl.DataFrame:
    """Take instances, and predictions for each, apart as if they had been logged."""
    import json  # noqa: PLC0415  only where a reference is read

    spelled = [json.dumps([instance]) for instance in instances]
    told = ["[]"] * len(spelled) if predictions is None else [json.dumps([one]) for one in predictions]
    plain = {name: pl.Series(name, [None] * len(spelled), dtype=pl.String) for name in PLAIN}
    plain |= {"id": pl.Series("id", [f"{place:09}" for place in range(len(spelled))], dtype=pl.String)}
    rest = {"instances": spelled, "parameters": [None] * len(spelled), "predictions": told}
    schema = {"instances": pl.String, "parameters": pl.String, "predictions": pl.String}
    return columns_of(pl.DataFrame(plain).hstack(pl.DataFrame(rest, schema=schema)), vocabularies)


def vocabulary_of(rows: pl.DataFrame) -> dict[str, frozenset[int]]:
    """Give the words of each column of prose, as hashes."""
    found = {}
    for name, kind in rows.schema.items():
        if kind == pl.String and name.startswith("instance"):
            texts = rows[name].drop_nulls()
            if texts.str.contains(r"\s").sum() > _FREE * texts.len():
                words: set[int] = set()
                for text in texts:
                    words.update(_words(text))
                    if len(words) > _MOST_WORDS:
                        break
                found[name] = frozenset(words)
    return found


def _words(text: str) -> Iterable[int]:
    return (zlib.crc32(word.lower().encode()) for word in _WORD.findall(text))


def _unknown(texts: pl.Series, known: frozenset[int]) -> pl.Series:
    def share(text: str | None) -> float | None:
        words = [] if text is None else list(_words(text))
        return sum(word not in known for word in words) / len(words) if words else None

    return pl.Series(f"{texts.name}{UNKNOWN_WORDS}", [share(text) for text in texts], dtype=pl.Float64)


def _timed(texts: pl.Series) -> pl.Series:
    """Read days and moments, where all of a column are."""
    there = texts.drop_nulls()
    if not there.len():
        return texts
    if there.str.contains(_DAY).all():
        days = texts.str.to_date("%Y-%m-%d", strict=False)
        return days if days.null_count() == texts.null_count() else texts
    if there.str.contains(_MOMENT).all():
        moments = texts.str.to_datetime(time_zone="UTC", strict=False)
        return moments if moments.null_count() == texts.null_count() else texts
    return texts
