"""Which input each column of a transformed row comes from: one-hot columns of `garage` are all of `garage`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.explain._explanation import NotExplainableError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ELEMENTWISE = (
    "StandardScaler",
    "MinMaxScaler",
    "MaxAbsScaler",
    "RobustScaler",
    "OrdinalEncoder",
    "FunctionTransformer",
)


def sources(transformer: Any, inputs: Sequence[str] | None, count: int) -> list[str]:
    """Name the input of each output column of a fitted transformer.

    Args:
        transformer: Of scikit-learn, fitted; pipelines and column transformers are followed into.
        inputs: Names of the columns that it takes; None: it takes no columns (texts).
        count: Columns that it gave.

    Raises:
        NotExplainableError: Its columns have no names, as hashed ones.
    """
    kind = type(transformer).__name__
    found: list[str] | None = None
    if kind == "Pipeline":
        names = inputs
        for _, step in transformer.steps:
            if step not in (None, "passthrough"):
                names = sources(step, names, _width(step, count))
        found = None if names is None else list(names)
    elif kind == "ColumnTransformer":
        found = _of_column_transformer(transformer, inputs, count)
    elif inputs is not None and kind == "OneHotEncoder":
        found = _of_one_hot(transformer, inputs, count)
    elif inputs is not None and len(inputs) == count and (kind in _ELEMENTWISE or kind == "SimpleImputer"):
        found = list(inputs)
    return found if found is not None and len(found) == count else _named(transformer, inputs, count)


def _width(transformer: Any, last: int) -> int:
    """Tell how many columns a fitted step gives; where it does not say, the last one's count is right."""
    try:
        return len(transformer.get_feature_names_out())
    except (AttributeError, TypeError, ValueError):
        return int(getattr(transformer, "n_features_in_", last))


def _of_column_transformer(transformer: Any, inputs: Sequence[str] | None, count: int) -> list[str]:
    known = [str(name) for name in getattr(transformer, "feature_names_in_", inputs or ())]
    found = [""] * count
    for name, part, columns in transformer.transformers_:
        place = transformer.output_indices_.get(name, slice(0, 0))
        width = place.stop - place.start
        if part == "drop" or width == 0:
            continue
        taken = _taken(columns, known)
        is_plain = isinstance(part, str) or type(part).__name__ == "FunctionTransformer"
        found[place] = taken if is_plain and len(taken) == width else sources(part, taken, width)
    return found


def _taken(columns: Any, known: Sequence[str]) -> list[str]:
    """Name the columns that one part of a column transformer takes: given by name, place, slice or mask."""
    if isinstance(columns, str | int):
        columns = [columns]
    if isinstance(columns, slice):
        return list(known[columns])
    values = list(columns)
    if values and all(isinstance(value, bool) or type(value).__name__ == "bool_" for value in values):
        return [name for name, wanted in zip(known, values, strict=True) if wanted]
    return [value if isinstance(value, str) else known[int(value)] for value in values]


def _of_one_hot(encoder: Any, inputs: Sequence[str], count: int) -> list[str] | None:
    """Count the columns of each input: its categories, less one that was dropped, rare ones as one."""
    rare = getattr(encoder, "_n_features_outs", None)
    dropped = encoder.drop_idx_
    widths = (
        list(rare)
        if rare is not None
        else [
            len(categories) - (dropped is not None and dropped[index] is not None)
            for index, categories in enumerate(encoder.categories_)
        ]
    )
    found = [name for name, width in zip(inputs, widths, strict=True) for _ in range(width)]
    return found if len(found) == count else None


def _named(transformer: Any, inputs: Sequence[str] | None, count: int) -> list[str]:
    """Ask the transformer itself: words of a vocabulary, products of columns."""
    try:
        given = transformer.get_feature_names_out(None if inputs is None else list(inputs))
    except (AttributeError, TypeError, ValueError):
        try:
            given = transformer.get_feature_names_out()
        except (AttributeError, TypeError, ValueError) as error:
            raise NotExplainableError(f"the columns that {type(transformer).__name__} makes have no names") from error
    names = [str(name) for name in given]
    if len(names) != count:
        raise NotExplainableError(f"{type(transformer).__name__} names {len(names)} columns and makes {count}")
    return names
