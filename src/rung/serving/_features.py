"""Features as dependencies of handlers, and where their values come from.

`Depends(Features("house_stats"))` names a view of the service's `features.py`. Values come from what is bound (the
datasets in an evaluation, a test's fakes), else from the online store. A consumer is told which instance lacks what.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rung.errors import FeaturesBrokenError, FeaturesMissingError, NotFoundError, SchemaError, UnavailableError
from rung.features import Features, OnlineSource, Reader, Recorded, Served, ViewOf, open_store, views_of
from rung.serving._fetches import WatchedSource
from rung.serving._problems import LONGEST, SHOWN, ProblemError, pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fastapi import FastAPI

    from rung.features import FeatureView, Fetch, OnlineStore, Source
    from rung.features._recorded import RecordedReader
    from rung.serving._handler import Handler
    from rung.serving._tracing import Tracer


class ServedViews:
    """The views that an application's handlers take, by name."""

    def __init__(self, views: Mapping[str, FeatureView]) -> None:
        self.views = views
        self._bound: dict[str, ViewOf] = {}
        self._store: OnlineStore | None = None
        self.tracer: Tracer | None = None
        """None where requests are not traced."""
        self._recorded: Recorded | None = None
        self.is_awaited = False
        """The online store did not have them, and may have them later."""
        self.is_remote = False
        """They come over a network: no event loop is to wait for that."""

    def readers(self, taken: Mapping[str, Features], notes: list[Fetch]) -> dict[str, Reader | RecordedReader]:
        """Give a handler what it takes, by parameter, for one call of it.

        Args:
            taken: Of the handler.
            notes: Gets what is fetched in the call.

        Raises:
            NotFoundError: Nothing is bound, and there is no online store.
        """
        if self._recorded is not None:
            return {parameter: self._recorded.reader(self.views[mark.name]) for parameter, mark in taken.items()}
        try:
            return {parameter: Reader(self._bound[mark.name], notes) for parameter, mark in taken.items()}
        except KeyError as error:
            raise NotFoundError(
                f"the features {error.args[0]!r} are not there", hint="bind fakes in tests: fake_features"
            ) from None

    def missing(self) -> list[str]:
        """Name those that come from nowhere yet, sorted."""
        return [] if self._recorded is not None else sorted(self.views.keys() - self._bound.keys())

    @contextmanager
    def bound(self, sources: Mapping[str, Source]) -> Iterator[None]:
        """Take the entries of these views from there inside the block."""
        before = self._bound
        self._bound = {**before, **{name: ViewOf(self.views[name], source) for name, source in sources.items()}}
        try:
            yield
        finally:
            self._bound = before

    def replay(self, recorded: Recorded) -> None:
        """Give what was fetched for one prediction, in place of what a store has now."""
        self._recorded = recorded

    def open(self, url: str | None, state: Path) -> None:
        """Take all entries from the online store.

        Raises:
            UnavailableError: It does not answer, or does not have the views as they are defined here.
            WorkspaceError: Its URL cannot be read, or its library is not installed.
        """
        self.close()
        self.is_awaited = True
        self._store = open_store(url, state)
        sources = {name: OnlineSource(self._store, view) for name, view in self.views.items()}
        for source in sources.values():
            source.read([])
        self._bound = {
            name: ViewOf(self.views[name], WatchedSource(source, name, self.tracer)) for name, source in sources.items()
        }
        self.is_awaited, self.is_remote = False, url is not None

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()
            self._store = None


def read_views(handlers: Iterable[Handler], package: str | None) -> dict[str, FeatureView]:
    """Find the views that handlers take.

    Args:
        handlers: Of one application.
        package: Of its service, as `experiments.housing`; None: it is outside of one.

    Raises:
        SchemaError: There is no such view in the service's `features.py`.
        TaskError: That file cannot be imported.
    """
    taken = [mark for handler in handlers for mark in handler.features.values()]
    own = views_of(package) if taken and package is not None else {}
    return {mark.name: _view(mark, own, package) for mark in taken}


def _view(mark: Features, own: Mapping[str, FeatureView], package: str | None) -> FeatureView:
    if isinstance(mark.view, str):
        found = own.get(mark.name)
    else:
        found = mark.view if package is None or own.get(mark.name) is mark.view else None
    if found is None:
        place = f"{package}.features" if package is not None else "an application outside of a service"
        raise SchemaError(
            f"a handler takes {mark!r}, and {place} has no such view",
            hint=f"its views are {', '.join(sorted(own))}" if own else "define it in features.py, or import it there",
        )
    return found


def refuse_nested(app: FastAPI) -> None:
    """Refuse features that a dependency takes in place of a handler: what is fetched there would be on no record.

    Raises:
        SchemaError: One does.
    """
    queue = [route.dependant for route in app.routes if hasattr(route, "dependant")]
    while queue:
        dependant = queue.pop()
        if isinstance(dependant.call, Features):
            raise SchemaError(
                f"a dependency takes {dependant.call!r}", hint="let the handler itself take it, and hand it on"
            )
        queue.extend(dependant.dependencies)


def views_of_app(app: Any) -> ServedViews:
    """Give the views of an application made by `create_serving_app`."""
    found: ServedViews = app.state.rung_features
    return found


def needed_features(app: FastAPI) -> dict[str, FeatureView]:
    """Give the views that the handlers of an application take, by name."""
    return dict(views_of_app(app).views)


def missing_features(app: FastAPI) -> list[str]:
    """Name the views that come from nowhere yet, sorted."""
    return views_of_app(app).missing()


def bind_features(app: FastAPI, sources: Mapping[str, Source]) -> Any:
    """Take the entries of views from these sources inside a `with` block."""
    return views_of_app(app).bound(sources)


def feature_problem(error: Exception, count: int) -> ProblemError | None:
    """Tell a consumer which instances lack features, or have broken ones; None when that is not what the error says.

    Args:
        error: That a handler raised.
        count: Instances of the request.
    """
    if isinstance(error, FeaturesMissingError | FeaturesBrokenError):
        aligned = error.asked == count
        errors = [
            {"pointer": pointer(["instances", index] if aligned else ["instances"]), "detail": because[:LONGEST]}
            for index, because in error.places[:SHOWN]
        ]
        if isinstance(error, FeaturesMissingError):
            return ProblemError(status=422, detail=error.message, errors=errors)
        broken = ProblemError(status=500, detail=error.message, errors=errors)
        broken.__cause__ = error
        return broken
    if isinstance(error, UnavailableError):
        problem = ProblemError(status=503, detail="features cannot be fetched now", headers={"retry-after": "1"})
        problem.__cause__ = error
        return problem
    return None


def note(calls: Sequence[Any], notes: list[Fetch]) -> None:
    """Let the requests of a call know what it fetches, each its part."""
    together = sum(len(call.items) for call in calls)
    start = 0
    for call in calls:
        if call.observation is not None:
            served = Served(notes=notes, start=start, count=len(call.items), together=together)
            call.observation.features = served
        start += len(call.items)
