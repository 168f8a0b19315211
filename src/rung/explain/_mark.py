"""`@explained`: the author's word that the answers of a handler may be explained to consumers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")

_MARK = "__rung_explained__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What an author says of a handler's explanations."""

    artifact: str | None
    """The model that is explained; None: the only artifact that the handler takes."""


@overload
def explained(function: FunctionT, /) -> FunctionT: ...
@overload
def explained(*, artifact: str) -> Callable[[FunctionT], FunctionT]: ...
def explained(function: Any = None, /, *, artifact: str | None = None) -> Any:
    """Allow `?explain=true` on a handler's route, and keep a global explanation with each run.

    It is written bare, `@explained`, or with the model where the handler takes several artifacts,
    `@explained(artifact="build_model")`.

    >>> @explained
    ... def predict(request): ...
    >>> explained_of(predict)
    Explained(artifact=None)
    """

    def mark(marked: FunctionT) -> FunctionT:
        setattr(marked, _MARK, Explained(artifact=artifact))
        return marked

    return mark if function is None else mark(function)


def explained_of(function: Any) -> Explained | None:
    """Tell what was said of a handler; None: its answers are not explained."""
    found: Explained | None = getattr(function, _MARK, None)
    return found
