"""Artifacts as dependencies of handlers, and where their values come from.

`Depends(Artifact("build_model"))` names an output of this revision's training, `Artifact("housing.v1.m0.build_model")`
one of another revision's. Values come from what is bound (a running training, a test's fakes), else from the store.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.requests import Request  # noqa: TC002  FastAPI resolves the annotation of __call__ at run time

from rung import artifacts
from rung.errors import IntegrityError, NotFoundError
from rung.schema import RevisionName
from rung.serving._bundle import read_bundle
from rung.serving._problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from fastapi import FastAPI


class Artifact:
    """An output of a training, given to a handler: `model=Depends(Artifact("build_model"))`."""

    __slots__ = ("name", "revision")

    def __init__(self, name: str) -> None:
        owner, _, task = name.rpartition(".")
        if not task.isidentifier():
            raise ValueError(
                f"Artifact({name!r}) names no task: write Artifact('build_model') or "
                "Artifact('housing.v1.m0.build_model')"
            )
        self.revision = str(RevisionName.parse(owner)) if owner else None
        self.name = name

    async def __call__(self, request: Request) -> Any:
        """Resolve as an ordinary FastAPI dependency, for dependencies that take artifacts themselves."""
        try:
            return artifacts_of(request.app).get(self.name)
        except NotFoundError as error:
            raise ProblemError(status=503, detail=str(error)) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Artifact({self.name!r})"


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

    def load(self, names: frozenset[str], *, state: Path, revision: str) -> None:
        """Load from the store, each checked against its digest.

        Raises:
            NotFoundError: A revision is not trained, or its training has no such output.
            IntegrityError: Bytes are not those that the training wrote.
        """
        store = artifacts.LocalStore(state / "artifacts")
        loaded: dict[str, Any] = {}
        for name in sorted(names):
            owner, _, task = name.rpartition(".")
            bundle = read_bundle(state, owner or revision)
            if task not in bundle.artifacts:
                raise NotFoundError(
                    f"the training of {bundle.revision} has no output {task!r}",
                    hint=f"its outputs are {', '.join(sorted(bundle.artifacts))}",
                )
            loaded[name] = _load(store, bundle.artifacts[task], name)
        self._bound.update(loaded)


def _load(store: artifacts.Store, digest: str, name: str) -> Any:
    try:
        return artifacts.decode(store.get(digest), digest=digest)
    except IntegrityError as error:
        raise IntegrityError(f"the artifact {name!r}: {error.message}", hint=error.hint) from error


def artifacts_of(app: Any) -> Artifacts:
    """Give the artifacts of an application made by `create_serving_app`."""
    found: Artifacts = app.state.rung_artifacts
    return found


def bind_artifacts(app: FastAPI, values: Mapping[str, Any]) -> Any:
    """Give handlers these values inside a `with` block: fakes in tests, this run's outputs in an evaluation."""
    return artifacts_of(app).bound(values)
