"""What a hyperparameter model declares to be tuned: bounds, choices and `Range` become parameters. Pure.

A field without a range is left out, and it is said why: a search that guessed ranges would find values that nobody
meant to allow.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, get_origin

from rung.errors import CallError
from rung.training import NotTuned, Range

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from optuna.distributions import BaseDistribution

__all__ = ["SEED", "Parameter", "Space", "Value", "declared"]

SEED = "seed"
"""The hyperparameter by which runs differ in chance alone; never tuned."""
_DIGITS = 4

Value: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One hyperparameter, and where better values of it are looked for."""

    name: str
    kind: Literal["float", "int", "choice"]
    default: Any
    low: float = 0.0  # included, as all of these for numbers only
    high: float = 0.0  # included
    log: bool = False
    step: float | None = None
    choices: tuple[Value, ...] = ()

    def distribution(self) -> BaseDistribution:
        """Give it as Optuna takes it."""
        from optuna import distributions  # noqa: PLC0415  the extra `tune`

        if self.kind == "choice":
            return distributions.CategoricalDistribution(self.choices)
        if self.kind == "int":
            step = 1 if self.step is None else int(self.step)
            return distributions.IntDistribution(int(self.low), int(self.high), log=self.log, step=step)
        return distributions.FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def holds(self, value: Any) -> bool:
        """Tell whether a value lies in the range."""
        if self.kind == "choice":
            return value in self.choices
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def rounded(self, value: Any) -> Any:
        """Give a number with the digits that a person would write, within the range."""
        if self.kind != "float":
            return value
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)

    def place(self, value: Any) -> float:
        """Tell where in the range a value lies, from 0 to 1."""
        if self.kind == "choice":
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return min(max((at - low) / (high - low), 0.0), 1.0)

    def told(self) -> str:
        """Spell the range."""
        if self.kind == "choice":
            return " | ".join(map(str, self.choices))
        more = ", logarithmic" if self.log else f", in steps of {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All parameters of a model, and why the others are none."""

    parameters: tuple[Parameter, ...]
    left_out: dict[str, str]  # by name, a sentence

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Space:
        """Read what `to_json` gave."""
        found = (Parameter(**{**one, "choices": tuple(one["choices"])}) for one in value["parameters"])
        return cls(parameters=tuple(found), left_out=dict(value["left_out"]))


def declared(model: Any, *, fixed: Collection[str] = ()) -> Space:
    """Read what a hyperparameter model declares.

    Args:
        model: The Pydantic model, a class.
        fixed: Names that are set for the whole study.

    Raises:
        CallError: Nothing can be tuned, or a range does not fit.
    """
    if model is None:
        raise CallError("the experiment has no hyperparameters", hint="give it a model: docs/tuning.md shows one")
    parameters, left_out = [], {}
    for name, field in model.model_fields.items():
        found = "it is set for the whole study" if name in fixed else _parameter(name, field)
        if isinstance(found, str):
            left_out[name] = found
        else:
            parameters.append(found)
    if not parameters:
        told = "; ".join(f"{name}: {because}" for name, because in left_out.items())
        raise CallError(f"no hyperparameter can be tuned ({told})", hint="declare ranges: docs/tuning.md tells how")
    return Space(parameters=tuple(parameters), left_out=left_out)


def _parameter(name: str, field: Any) -> Parameter | str:
    """Give a field as a parameter, or say why it is none."""
    if name == SEED:
        return "a seed is no setting: runs with other seeds show the spread"
    if any(one is NotTuned or isinstance(one, NotTuned) for one in field.metadata):
        return "it is declared NotTuned"
    choices = _choices(field.annotation)
    if choices is not None:
        if len(choices) < 2:  # noqa: PLR2004  one choice is none
            return "it has one value"
        return Parameter(name=name, kind="choice", default=field.default, choices=choices)
    if field.annotation not in {int, float}:
        return f"no range can be declared for {_spelled(field.annotation)}"
    return _number(name, field)


def _choices(annotation: Any) -> tuple[Value, ...] | None:
    if annotation is bool:
        return (False, True)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return None


def _number(name: str, field: Any) -> Parameter | str:
    whole = field.annotation is int
    wanted = next((one for one in field.metadata if isinstance(one, Range)), Range())
    low, high = _bounds(field.metadata, whole=whole)
    low = low if wanted.low is None else wanted.low
    high = high if wanted.high is None else wanted.high
    if low is None or high is None:
        side = "ends" if low is None and high is None else "lower end" if low is None else "upper end"
        return f"its range has no {side}"
    if wanted.log and not low > 0:
        raise CallError(f"{name}: a logarithmic range begins at {low:g}", hint="say Range(low=...), above 0")
    if not low < high or (whole and not (float(low).is_integer() and float(high).is_integer())):
        raise CallError(f"{name}: its range is {low:g} to {high:g}", hint="low is below high; whole for an int")
    kind: Literal["int", "float"] = "int" if whole else "float"
    return Parameter(name=name, kind=kind, default=field.default, low=low, high=high, log=wanted.log, step=wanted.step)


def _bounds(metadata: Collection[Any], *, whole: bool) -> tuple[float | None, float | None]:
    """Give the smallest and the largest value that the bounds of a field allow."""
    low = high = None
    for one in metadata:
        if (least := getattr(one, "ge", None)) is not None:
            low = least
        if (above := getattr(one, "gt", None)) is not None:
            low = above + 1 if whole else math.nextafter(above, math.inf)
        if (most := getattr(one, "le", None)) is not None:
            high = most
        if (under := getattr(one, "lt", None)) is not None:
            high = under - 1 if whole else math.nextafter(under, -math.inf)
    return low, high


def _spelled(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
