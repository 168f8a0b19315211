"""An explanation as a value: what each input added to what a model said of one row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.errors import RungError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 50  # terms of one output that are told one by one
_DIGITS = 12


class NotExplainableError(RungError):
    """There is no explanation of this model; the message says why."""

    code = "not_explainable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One number that the model gave for one row, as a sum: value = baseline + all terms."""

    name: str | None
    """The class, of a classifier; None: the model has one output."""
    baseline: float
    terms: Mapping[str, float]
    """By input; those of 0 may be left out."""

    @property
    def value(self) -> float:
        """What the model gave, in `Explanation.space`."""
        return self.baseline + math.fsum(self.terms.values())

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data, the largest terms first; beyond 50 they are told as one sum."""
        ordered = sorted(self.terms.items(), key=lambda term: (-abs(term[1]), term[0]))
        told: dict[str, Any] = {
            "value": _rounded(self.value),
            "baseline": _rounded(self.baseline),
            "terms": {name: _rounded(term) for name, term in ordered[:_MOST]},
        }
        if self.name is not None:
            told = {"output": self.name, **told}
        if len(ordered) > _MOST:
            told["others"] = {
                "count": len(ordered) - _MOST,
                "sum": _rounded(math.fsum(term for _, term in ordered[_MOST:])),
            }
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a model said of one row."""

    artifact: str
    method: str
    """`linear terms` or `shap`."""
    space: str
    """What the terms add up to: `prediction`, `log of the prediction`, `log-odds`, ..."""
    outputs: tuple[Output, ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {
            "artifact": self.artifact,
            "method": self.method,
            "space": self.space,
            "outputs": [output.to_json() for output in self.outputs],
        }


def _rounded(number: float) -> float:
    """Leave out digits that change with the order of a sum."""
    return float(f"{number:.{_DIGITS}g}")
