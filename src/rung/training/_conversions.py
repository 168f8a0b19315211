"""The parity gate: a converted model is kept only where the service's own handlers predict the same with it.

Called by `evaluate_models`, before the tests: those judge what will be served. It records how the handlers use each
model for the held-out rows, converts it for these uses, lets the same handlers predict the same rows with the converted
one, and compares the two lists.
"""

from __future__ import annotations

import statistics
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from rung import artifacts
from rung.conversion import NotConvertibleError, Recorder, Verdict, artifact_name, candidates, compare, load
from rung.errors import RungError
from rung.serving import handlers_of
from rung.testing import Client, serve_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rung.conversion import Converted, Difference
    from rung.serving import Artifact, Handler
    from rung.testing import ServiceTests

_LIBRARIES = ("onnx", "onnxruntime", "onnxscript", "scikit-learn", "skl2onnx", "torch")
_CALLS = 21  # of one row, to time it
_SECONDS = 0.25  # for all of them at most


@dataclass(slots=True, kw_only=True)
class Conversions:
    """What became of all conversions of one evaluation."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By artifact."""
    models: dict[str, Any] = field(default_factory=dict)
    """The converted models that may be served, by artifact."""
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The same as data, by the name under which they are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proven:
    """A converted model while it is judged."""

    converted: Converted
    model: Any
    left: list[str]
    """Holds something when a call was left to the native model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gate:
    """All that one comparison needs."""

    tests: ServiceTests
    values: Mapping[str, Any]
    """All artifacts that the handlers take, by name; of those proven before, the converted one."""
    instances: Sequence[Any]
    """Held-out instances."""

    def predict(self, routes: Sequence[str], values: Mapping[str, Any]) -> list[Any]:
        """Give what consumers of these routes get for all instances, one route after the other."""
        with serve_in_process(self.tests.app, {**self.values, **values}) as client:
            plain = Client(client.http, handlers_of(self.tests.app))  # the recording one would ask for equal rows once
            return [prediction for route in routes for prediction in plain.predict(self.instances, route=route)]


def prove_conversions(
    tests: ServiceTests, values: Mapping[str, Any], wanted: Mapping[str, Artifact], instances: Sequence[Any]
) -> Conversions:
    """Convert the artifacts for which handlers ask for another runtime, and say of each whether it may be served.

    Whatever stands against it, the training goes on: then the native model is served, and the verdict says why.

    Args:
        tests: The service.
        values: All artifacts that its handlers take, by name.
        wanted: Those to convert, by name.
        instances: Held-out instances.
    """
    found = Conversions()
    for name, artifact in sorted(wanted.items()):
        gate = _Gate(tests=tests, values={**values, **found.models}, instances=instances)
        try:
            verdict, proven = _prove(gate, artifact)
        except NotConvertibleError as error:
            verdict, proven = _verdict(artifact, because=str(error)), None
        found.verdicts[name] = verdict
        if proven is not None:
            found.kept[artifact_name(name)] = proven.converted.to_artifact()
            found.models[name] = proven.model
    return found


def _prove(gate: _Gate, artifact: Artifact) -> tuple[Verdict, _Proven | None]:
    """Try one way of converting after the other; the first with which the handlers predict the same is taken.

    Raises:
        NotConvertibleError: There is no way, or nothing to compare.
    """
    native = gate.values[artifact.name]
    recorder = Recorder(native)
    routes = _routes(gate.tests.handlers, artifact.name)
    expected = _natively(gate, routes, {artifact.name: recorder})
    different: list[Verdict] = []
    failures: list[NotConvertibleError] = []
    for convert in candidates(native, recorder.use):
        try:
            proven = _load(convert(), native, artifact.name)
            verdict = _judge(artifact, proven, expected, _predicted(gate, routes, artifact.name, proven))
        except NotConvertibleError as error:
            failures.append(error)
            continue
        if verdict.verdict == "equal":
            return replace(verdict, **_measures(native, proven, recorder)), proven
        different.append(verdict)
    if different:
        return min(different, key=lambda one: (one.difference, one.flips)), None
    raise failures[0]


def _load(converted: Converted, native: Any, name: str) -> _Proven:
    left: list[str] = []

    def fall_back() -> Any:
        left.append("asked")
        return native

    try:
        model = load(converted.to_artifact(), native=fall_back, name=name)
    except Exception as error:  # onnxruntime raises classes of its own for each reason
        raise NotConvertibleError(f"onnxruntime does not take the converted model ({_brief(error)})") from error
    return _Proven(converted=converted, model=model, left=left)


def _natively(gate: _Gate, routes: Sequence[str], values: Mapping[str, Any]) -> list[Any]:
    if not gate.instances:
        raise NotConvertibleError("there are no held-out instances to compare predictions on")
    try:
        return gate.predict(routes, values)
    except RungError as error:
        raise NotConvertibleError(f"with the native model there is nothing to compare with: {error.message}") from error


def _predicted(gate: _Gate, routes: Sequence[str], name: str, proven: _Proven) -> list[Any]:
    try:
        predictions = gate.predict(routes, {name: proven.model})
    except RungError as error:
        raise NotConvertibleError(f"with the converted model, {error.message}") from error
    if proven.left:
        raise NotConvertibleError(
            "for some held-out rows the handlers use the model in a way that is not converted",
            hint="missing texts and columns of changing types are none of what is converted",
        )
    return predictions


def _judge(artifact: Artifact, proven: _Proven, native: list[Any], converted: list[Any]) -> Verdict:
    found: Difference = compare(native, converted)
    refused = artifact.tolerance.refuses(found)
    return _verdict(
        artifact,
        verdict="different" if refused else "equal",
        because=refused or f"the handlers predict the same for {found.rows:,} held-out rows",
        rows=found.rows,
        difference=found.number,
        flips=found.flips,
        precision=proven.converted.precision,
    )


def _verdict(artifact: Artifact, **facts: Any) -> Verdict:
    return Verdict(
        **{"verdict": "failed", **facts},
        runtime=artifact.runtime,
        max_difference=artifact.tolerance.max_difference,
        max_flips=artifact.tolerance.max_flips,
        libraries=_versions(),
    )


def _measures(native: Any, proven: _Proven, recorder: Recorder) -> dict[str, Any]:
    """Compare sizes, and the times of one row: what consumers send most often."""
    method, call = next((method, call) for method, call in recorder.use.calls.items() if call.arguments)
    row = tuple(argument[:1] for argument in call.arguments)
    return {
        "native_bytes": len(artifacts.encode(native)),
        "converted_bytes": len(proven.converted.content),
        "native_seconds": _seconds(getattr(native, method), row),
        "converted_seconds": _seconds(getattr(proven.model, method), row),
    }


def _seconds(call: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    taken: list[float] = []
    while len(taken) < _CALLS and sum(taken) < _SECONDS:
        started = time.perf_counter()
        call(*arguments)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _routes(handlers: Mapping[str, Handler], name: str) -> list[str]:
    """Name the routes that may use the artifact: those that take it, or dependencies, which may take it for them."""
    return [
        route
        for route, handler in handlers.items()
        if handler.others or name in {artifact.name for artifact in handler.artifacts.values()}
    ]


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _brief(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
