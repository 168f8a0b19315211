"""Artifacts as dependencies of handlers, and where their values come from.

`Depends(Artifact("build_model"))` names an output of this revision's training, `Artifact("housing.v1.m0.build_model")`
one of another revision's. Values come from what is bound (a running training, a test's fakes), else from the store:
there a converted model lies beside the native one where training proved it equal.
"""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from starlette.requests import Request  # noqa: TC002  FastAPI resolves the annotation of __call__ at run time

from rung import artifacts, conversion
from rung.errors import IntegrityError, NotFoundError
from rung.schema import RevisionName
from rung.serving._bundle import read_bundle
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from fastapi import FastAPI

    from rung.serving._handler import Handler


_logger = logging.getLogger("rung.serving")


class Artifact:
    """An output of a training, given to a handler: `model=Depends(Artifact("build_model"))`.

    With `runtime="onnx"` training converts the model, and serving uses the converted one where the handlers predict the
    same with it on the held-out rows; else the native one. An application has one runtime for each artifact: where one
    handler asks for it, all get it, and all are compared.

    Args:
        name: Of a task, or `REVISION.TASK` for another revision's.
        runtime: `onnx` for a scikit-learn estimator or a torch module.
        max_difference: How far a number of a prediction may be off: absolute up to a native value of 1, relative above.
            A label that is a whole number counts as a number.
        max_flips: Share of rows, 0 to 1, in which a label, a text or a boolean may be another one.
    """

    __slots__ = ("name", "revision", "runtime", "tolerance")

    def __init__(
        self,
        name: str,
        *,
        runtime: Literal["native", "onnx"] = "native",
        max_difference: float = conversion.MAX_DIFFERENCE,
        max_flips: float = 0.0,
    ) -> None:
        owner, _, task = name.rpartition(".")
        if not task.isidentifier():
            raise ValueError(
                f"Artifact({name!r}) names no task: write Artifact('build_model') or "
                "Artifact('housing.v1.m0.build_model')"
            )
        if runtime not in ("native", "onnx"):
            raise ValueError(f"Artifact({name!r}) has the runtime {runtime!r}: write 'native' or 'onnx'")
        if owner and runtime != "native":
            raise ValueError(
                f"Artifact({name!r}) is of another revision, whose handlers it was proven for: leave runtime= away"
            )
        if not (0 <= max_difference < math.inf and 0 <= max_flips <= 1):
            raise ValueError(
                f"Artifact({name!r}) has max_difference={max_difference} and max_flips={max_flips}: write a finite "
                "number from 0 on, and a share from 0 to 1"
            )
        self.revision = str(RevisionName.parse(owner)) if owner else None
        self.name = name
        self.runtime = runtime
        self.tolerance = conversion.Tolerance(max_difference=max_difference, max_flips=max_flips)

    def narrowed(self, other: Artifact) -> Artifact:
        """Give the same artifact with the narrower tolerances of both."""
        both = (self.tolerance, other.tolerance)
        return Artifact(
            self.name,
            runtime=self.runtime,
            max_difference=min(one.max_difference for one in both),
            max_flips=min(one.max_flips for one in both),
        )

    @property
    def _asked(self) -> tuple[str, str, conversion.Tolerance]:
        """Give all of it: typing gives one `Annotated` for two whose marks are equal."""
        return self.name, self.runtime, self.tolerance

    async def __call__(self, request: Request) -> Any:
        """Resolve as an ordinary FastAPI dependency, for dependencies that take artifacts themselves."""
        try:
            return artifacts_of(request.app).get(self.name)
        except NotFoundError as error:
            raise ProblemError(status=503, detail=str(error)) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and other._asked == self._asked

    def __hash__(self) -> int:
        return hash(self._asked)

    def __repr__(self) -> str:
        runtime = f", runtime={self.runtime!r}" if self.runtime != "native" else ""
        return f"Artifact({self.name!r}{runtime})"


class Artifacts:
    """The values that an application's handlers get, by name."""

    def __init__(self) -> None:
        self._bound: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """Give the value.

        Raises:
            NotFoundError: Nothing of that name is bound.
        """
        try:
            return self._bound[name]
        except KeyError:
            raise NotFoundError(
                f"the artifact {name!r} is not there", hint="train the service, or bind a fake in tests"
            ) from None

    def missing(self, names: frozenset[str]) -> list[str]:
        """Name those that are not there, sorted."""
        return sorted(names - self._bound.keys())

    @contextmanager
    def bound(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Give these values inside the block, and what was there before after it."""
        before = self._bound
        self._bound = {**before, **values}
        try:
            yield
        finally:
            self._bound = before

    @property
    def runtimes(self) -> dict[str, str]:
        """Say what answers for each artifact: `native`, or the runtime that it was converted to."""
        return {name: getattr(value, "__rung_runtime__", "native") for name, value in self._bound.items()}

    def load(
        self, names: frozenset[str], *, state: Path, revision: str, signed: Mapping[str, str] | None = None
    ) -> None:
        """Load from the store, each checked against its digest; the converted form where training proved one equal.

        Args:
            names: As handlers name them.
            state: The workspace's state folder.
            revision: That is served.
            signed: Digests of the bundles that were verified, by revision: a pickle of no other is loaded. None: nobody
                has looked, as outside a deployment.

        Raises:
            NotFoundError: A revision is not trained, or its training has no such output.
            IntegrityError: Bytes are not those that the training wrote, or run code and are signed by nobody.
        """
        store = artifacts.LocalStore(state / "artifacts")
        loaded: dict[str, Any] = {}
        for name in sorted(names):
            owner, _, task = name.rpartition(".")
            owning = owner or revision
            bundle = read_bundle(state, owning, digest=(signed or {}).get(owning))
            trusts = signed is None or owning in signed
            if task not in bundle.artifacts:
                raise NotFoundError(
                    f"the training of {bundle.revision} has no output {task!r}",
                    hint=f"its outputs are {', '.join(sorted(bundle.artifacts))}",
                )
            read = partial(_load, store, name=name, trusts=trusts)
            native = partial(read, bundle.artifacts[task])
            may_convert = not owner and store.has(bundle.artifacts[task])  # the native one stands behind it
            converted = bundle.artifacts.get(conversion.artifact_name(task)) if may_convert else None
            loaded[name] = native() if converted is None else _load_converted(partial(read, converted), name, native)
        self._bound.update(loaded)


def _load(store: artifacts.Store, digest: str, *, name: str, trusts: bool) -> Any:
    """Read an artifact; one that runs code only of a revision that was signed."""
    try:
        data = store.get(digest)
        is_refused = not trusts and artifacts.describe(data).marked_unsafe
        value = None if is_refused else artifacts.decode(data, digest=digest)
    except IntegrityError as error:
        raise IntegrityError(f"the artifact {name!r}: {error.message}", hint=error.hint) from error
    if is_refused:
        raise IntegrityError(
            f"the artifact {name!r} is pickled, and signed by nobody", hint="`rung verify` tells of its revision"
        )
    return value


def _load_converted(load: Callable[[], Any], name: str, native: Callable[[], Any]) -> Any:
    """Load a converted model; the native one when anything stands against it."""
    try:
        model = conversion.load(load(), native=native, name=name)
    except Exception as error:  # noqa: BLE001  a missing library, a broken file, a refusing runtime: all end the same way
        _logger.warning("conversion_refused: %s is served natively (%s: %s)", name, type(error).__name__, error)
        return native()
    return model


def artifacts_of(app: Any) -> Artifacts:
    """Give the artifacts of an application made by `create_serving_app`."""
    found: Artifacts = app.state.rung_artifacts
    return found


def asked_artifacts(app: FastAPI, handlers: Iterable[Handler]) -> list[Artifact]:
    """Give what handlers, and dependencies of theirs, ask for; one that several ask for as often as it is asked for."""
    asked = [one for handler in handlers for one in handler.artifacts.values()]
    queue = [route.dependant for route in app.routes if hasattr(route, "dependant")]
    while queue:
        dependant = queue.pop()
        asked += [dependant.call] if isinstance(dependant.call, Artifact) else []
        queue.extend(dependant.dependencies)
    return asked


def converted_artifacts(app: FastAPI, handlers: Iterable[Handler]) -> dict[str, Artifact]:
    """Give the artifacts for which another runtime than the native one is asked.

    Where several ask for the same one, the narrowest tolerance counts.
    """
    found: dict[str, Artifact] = {}
    for one in asked_artifacts(app, handlers):
        if one.runtime != "native":
            found[one.name] = one.narrowed(found.get(one.name, one))
    return found


def bind_artifacts(app: FastAPI, values: Mapping[str, Any]) -> Any:
    """Give handlers these values inside a `with` block: fakes in tests, this run's outputs in an evaluation."""
    return artifacts_of(app).bound(values)
