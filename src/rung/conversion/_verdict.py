"""What a conversion came to: the evidence that training keeps and people read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rung.errors import RungError


class NotConvertibleError(RungError):
    """The model, or the way in which handlers use it, cannot be converted; the text says what stands against it."""

    code = "not_convertible"


MAX_DIFFERENCE = 1e-4
"""Floats hold seven digits; what a forest or a sum of thousands of terms makes of them holds four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far the predictions of the converted model may be from those of the native one.

    >>> Tolerance().refuses(Difference(rows=200, number=2e-7, flips=0.0))
    ''
    >>> Tolerance(max_flips=0.01).refuses(Difference(rows=200, number=0.0, flips=0.015))
    '1.5 % of the rows have another label, text or boolean (at most 1 % may)'
    """

    max_difference: float = MAX_DIFFERENCE
    """Of any two numbers: absolute up to a native value of 1, relative above."""
    max_flips: float = 0.0
    """Share of rows, 0 to 1, in which any label, text or boolean may be another one."""

    def refuses(self, found: Difference) -> str:
        """Say in which way a difference is too large; nothing when it is not."""
        if not found.number <= self.max_difference:  # in this form NaN is refused
            return f"a number differs by {found.number:.3g} (at most {self.max_difference:g})"
        if found.flips > self.max_flips:
            share, most = f"{found.flips:.3%}", f"{self.max_flips:.3%}"
            told, allowed = (f"{float(text.rstrip('%')):g} %" for text in (share, most))
            return f"{told} of the rows have another label, text or boolean (at most {allowed} may)"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far two lists of predictions are apart."""

    rows: int
    number: float
    """The largest difference of two numbers: absolute up to a native value of 1, relative above."""
    flips: float
    """Share of rows, 0 to 1, in which anything that is not a number differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the converted model of one artifact may answer instead of the native one."""

    runtime: str
    verdict: Literal["equal", "different", "failed"]
    """`equal`: it is served. `different`, `failed` (it could not be converted or compared): the native one is."""
    because: str
    rows: int = 0
    """Held-out rows that were compared, over all routes."""
    difference: float | None = None
    """The largest that was found, as `max_difference` counts it."""
    flips: float | None = None
    """The share that was found, 0 to 1."""
    max_difference: float
    max_flips: float
    precision: str = ""
    """Of the converted model's numeric inputs."""
    native_bytes: int = 0
    converted_bytes: int = 0
    native_seconds: float | None = None
    """One row through the native model: the median of some calls."""
    converted_seconds: float | None = None
    """As above, through the converted one."""
    libraries: dict[str, str] = field(default_factory=dict)
    """Versions that converted it and ran it."""

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)


def artifact_name(task: str, runtime: str = "onnx") -> str:
    """Name the artifact that holds the converted model of a task's output: a run has it when the verdict was `equal`.

    >>> artifact_name("build_model")
    'build_model.onnx'
    """
    return f"{task}.{runtime}"
