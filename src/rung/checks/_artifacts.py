"""Whether the artifacts that training makes are of the types that handlers take; `rung check` asks.

Annotations are promises of people, and Python holds nobody to them. So two types are refused only where no value has
both: what is not annotated, what only names methods (a Protocol, an abstract class) and what cannot be read fits all.
"""

from __future__ import annotations

import inspect
import types
import typing
from typing import TYPE_CHECKING, Any, Final

from rung.serving import Artifact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.graph import Graph
    from rung.testing import ServiceTests

__all__ = ["differing", "may_be"]

_PROMOTED: Final[dict[type, tuple[type, ...]]] = {float: (int,), complex: (int, float)}
"""What else is a number of a type (PEP 484)."""


def differing(tests: ServiceTests, graph: Graph) -> list[str]:
    """Tell of each parameter whose type is not that of the task's output which it takes."""
    told = []
    for function, parameter, name in _asked(tests):
        if name in graph.tasks:
            taken, given = _annotation(function, parameter), _annotation(graph.tasks[name].function, "return")
            if not may_be(given, taken):
                told.append(
                    f"{function.__name__} takes {parameter}: {inspect.formatannotation(taken)}, and the task {name} "
                    f"gives {inspect.formatannotation(given)}"
                )
    return list(dict.fromkeys(told))


def may_be(given: Any, taken: Any) -> bool:
    """Tell whether a value of one type may be one of the other.

    >>> may_be(list[int], list), may_be(int, float | None), may_be(dict[str, float], list[float])
    (True, True, False)
    """
    values = _classes(given) - {types.NoneType} or {types.NoneType}
    return any(_overlap(one, other) for one in values for other in _classes(taken))


def _asked(tests: ServiceTests) -> Iterator[tuple[Callable[..., Any], str, str]]:
    """Give who takes an artifact of this revision, by which parameter, and its name: handlers, and what they need."""
    asked = [
        (handler.function, parameter, artifact)
        for handler in tests.handlers.values()
        for parameter, artifact in handler.artifacts.items()
    ]
    queue = [route.dependant for route in tests.app.routes if hasattr(route, "dependant")]
    while queue:
        dependant = queue.pop()
        queue += dependant.dependencies
        asked += [(dependant.call, one.name, one.call) for one in dependant.dependencies]
    for function, parameter, artifact in asked:
        if isinstance(artifact, Artifact) and artifact.revision is None:
            yield function, parameter, artifact.name


def _annotation(function: Callable[..., Any], name: str) -> Any:
    """Give one annotation of a function; Any where there is none, or where it cannot be read at run time."""
    written = getattr(function, "__annotations__", {}).get(name, Any)
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(types.SimpleNamespace(__annotations__={name: written}), globalns=names)[name]
    except Exception:  # noqa: BLE001  what stands there may raise anything; types are not for running alone
        return Any


def _classes(annotation: Any) -> set[type | None]:
    """Give the classes that a value may be of, as None those that nobody can tell."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(_classes, typing.get_args(annotation)))
    if isinstance(annotation, typing.NewType):
        return _classes(annotation.__supertype__)
    kind = dict if typing.is_typeddict(annotation) else origin or annotation
    is_known = isinstance(kind, type) and kind is not Any and not inspect.isabstract(kind)
    return {kind if is_known and not getattr(kind, "_is_protocol", False) else None}


def _overlap(given: type | None, taken: type | None) -> bool:
    if given is None or taken is None or issubclass(taken, given):
        return True
    return issubclass(given, (taken, *_PROMOTED.get(taken, ())))
