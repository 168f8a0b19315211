"""A serving application in this process, as a test client: with fakes, or with the outputs of a running training."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from rung.serving import bind_artifacts, handlers_of
from rung.testing._client import Client, RecordingClient
from rung.testing._features import features_of_datasets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastapi import FastAPI


@contextmanager
def fake_artifacts(app: FastAPI, **fakes: Any) -> Iterator[Client]:
    """Give the application's handlers these fakes, and a client of it.

    A fake is any object that behaves as the artifact does for the handler; an error of the handler is an answer (500),
    as in production.
    """
    with _started(app, fakes) as http:
        yield Client(http, handlers_of(app))


@contextmanager
def serve_in_process(app: FastAPI, artifacts: Mapping[str, Any]) -> Iterator[RecordingClient]:
    """Serve with these artifacts for the length of the block, to a client that records.

    Features come from the datasets, as of the instant of each instance.
    """
    with features_of_datasets(app), _started(app, artifacts) as http:
        yield RecordingClient(http, handlers_of(app))


@contextmanager
def _started(app: FastAPI, artifacts: Mapping[str, Any]) -> Iterator[TestClient]:
    with bind_artifacts(app, artifacts), TestClient(app, raise_server_exceptions=False) as http:
        yield http
