"""Stands in for a model while the service's handlers run, and notes how they use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The first call of one method."""

    arguments: tuple[Any, ...]
    named: dict[str, Any]
    output: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How handlers used a model."""

    calls: dict[str, Call] = field(default_factory=dict)
    """By method; `__call__` is the model called itself."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Values that were read."""


class Recorder:
    """Forwards everything to the model, and notes it in `use`.

    `isinstance` sees the model's class. What Python looks up on the class itself (`len`, indexing, operators) is not
    forwarded: a handler that relies on it raises, and its model stays native.
    """

    def __init__(self, model: Any) -> None:
        self.__dict__["model"] = model
        self.__dict__["use"] = Use()

    @property  # type: ignore[misc]  # object declares that it may be set, too
    def __class__(self) -> Any:
        """Give the model's."""
        return type(self.__dict__["model"])

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["model"], name)
        if getattr(value, "__self__", None) is self.__dict__["model"]:
            return self._noted(name, value)
        self.__dict__["use"].attributes.setdefault(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError(f"a handler must not change the model that it is given: it set {name}")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the model, as torch modules are called."""
        return self._noted("__call__", self.__dict__["model"])(*arguments, **named)

    def _noted(self, name: str, method: Any) -> Any:
        calls = self.__dict__["use"].calls

        def call(*arguments: Any, **named: Any) -> Any:
            output = method(*arguments, **named)
            calls.setdefault(name, Call(arguments=arguments, named=named, output=output))
            return self if output is self.__dict__["model"] else output  # as `model.eval()` does

        return call
