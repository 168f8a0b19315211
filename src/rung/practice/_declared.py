"""What a service's files declare, read as syntax trees: nothing of an author's code runs. Pure: texts come in."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OWN_LIMITS = frozenset({"latency_p99_ms", "throughput_rps", "error_rate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredLoad:
    """The load test, as `tests/acceptance.py` spells it."""

    stages: tuple[str, ...]
    """Each as `4 users for 4 s`; what is no plain number is a `?`."""
    own_limits: Mapping[str, float]
    """Those that stand in place of the specification's."""
    route: str | None
    """None where it is not spelled as a text, or is the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTests:
    """The tests of a service, by name."""

    serving: tuple[str, ...] = ()
    regression: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    load: DeclaredLoad | None = None


def read_declared(files: Mapping[str, str]) -> DeclaredTests:
    """Read what a service's tests are called.

    Args:
        files: Text by path below the service's folder, as `tests/data.py`; what cannot be parsed declares nothing.
    """
    serving = [
        name
        for path, text in sorted(files.items())
        if path.startswith("tests/serve/") and path.rpartition("/")[2].startswith("test_")
        for name in _functions(text)
        if name.startswith("test_")
    ]
    regression = tuple(name for name in _functions(files.get("tests/regression.py", "")) if name.startswith("test_"))
    return DeclaredTests(
        serving=tuple(serving),
        regression=regression,
        data=tuple(_goals(files.get("tests/data.py", ""))),
        load=_load(files.get("tests/acceptance.py", "")),
    )


def count_metrics(text: str) -> int:
    """Count the business metrics that a `schema/service.py` declares.

    >>> count_metrics("ab_test = ABTest(metrics=[BusinessMetric(name='sold')])")
    1
    """
    return sum(_named(call) == "BusinessMetric" for call in _calls(_parsed(text)))


def _functions(text: str) -> Iterator[str]:
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def _goals(text: str) -> Iterator[str]:
    """Name the functions that `@goal.maximize` or `@goal.minimize` marks."""
    for node in _parsed(text).body:
        if isinstance(node, ast.FunctionDef) and any("goal" in ast.unparse(mark) for mark in node.decorator_list):
            yield node.name


def _load(text: str) -> DeclaredLoad | None:
    calls = list(_calls(_parsed(text)))
    test = next((call for call in calls if _named(call) == "AcceptanceTest"), None)
    if test is None:
        return None
    given = {keyword.arg: keyword.value for keyword in test.keywords if keyword.arg}
    limits = {name: number for name in sorted(_OWN_LIMITS & given.keys()) if (number := _number(given[name]))}
    route = given.get("route")
    return DeclaredLoad(
        stages=tuple(_stage(call) for call in calls if _named(call) == "Stage"),
        own_limits=limits,
        route=route.value if isinstance(route, ast.Constant) and isinstance(route.value, str) else None,
    )


def _stage(call: ast.Call) -> str:
    given = {keyword.arg: _number(keyword.value) for keyword in call.keywords}
    users, duration = (
        ("?" if (number := given.get(name)) is None else f"{number:g}") for name in ("users", "duration")
    )
    return f"{users} users for {duration} s"


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    return None


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _named(call: ast.Call) -> str:
    name = call.func
    return name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])
