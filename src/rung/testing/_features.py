"""Features without an online store: from a mapping in serving tests, from the datasets where models are judged."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rung.errors import NotFoundError
from rung.features import FakeSource
from rung.serving import bind_features, missing_features, needed_features

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastapi import FastAPI


@contextmanager
def fake_features(app: FastAPI, **views: Mapping[Any, Mapping[str, Any]]) -> Iterator[None]:
    """Give the application's handlers these features inside a `with` block.

    `with fake_features(app, house_stats={"h1": {"year_built": 1952}}), fake_artifacts(app, ...) as client:`. A feature
    that is left out is missing, and so is every other entity: defaults and errors are those of production.

    Args:
        app: The application.
        views: For each view that handlers take, from an entity to its features by name.

    Raises:
        NotFoundError: No handler takes such a view.
        CallError: A view has no such feature, or one of another type.
    """
    needed = needed_features(app)
    unknown = sorted(views.keys() - needed.keys())
    if unknown:
        raise NotFoundError(
            f"no handler takes the features {unknown[0]!r}",
            hint=f"they take {', '.join(sorted(needed))}" if needed else "they take none",
        )
    with bind_features(app, {name: FakeSource(needed[name], values) for name, values in views.items()}):
        yield


@contextmanager
def features_of_datasets(app: FastAPI) -> Iterator[None]:
    """Give the application's handlers what an online store would have of the datasets that are read now.

    Views that come from somewhere already are left as they are.

    Raises:
        NotFoundError: A dataset is not there.
        SchemaError: A dataset does not hold what a view declares.
    """
    needed = needed_features(app)
    missing = missing_features(app)
    if not missing:
        yield
        return
    from rung.features import HistoricalSource  # noqa: PLC0415  polars, which services without features do not have

    with bind_features(app, {name: HistoricalSource(needed[name]) for name in missing}):
        yield
