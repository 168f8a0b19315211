"""The way to a tracking server, or to a database that stands for one."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rung.errors import UnavailableError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.workspace import Workspace

__all__ = ["ARTIFACTS", "answering", "connect", "located"]

ARTIFACTS: Final = "mlflow/artifacts"
"""In the state folder: where MLflow would put artifacts of a tracking store that is a database. We put none there."""
_FILE: Final = "sqlite:///"
_QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


def located(workspace: Workspace, tracking: str) -> str:
    """Give the URI with the path of a SQLite file from the workspace's root on, and its folder made."""
    if not tracking.startswith(_FILE):
        return tracking
    path = workspace.root / tracking.removeprefix(_FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"{_FILE}{path}"


def connect(workspace: Workspace, tracking: str) -> Any:
    """Give a client of MLflow; nothing is told to anybody but the server.

    Args:
        workspace: From whose root a SQLite file is named.
        tracking: `http://...`, `https://...` or `sqlite:///PATH`.

    Raises:
        WorkspaceError: MLflow is not installed.
        UnavailableError: The server does not answer, or its database is one of another MLflow.
    """
    os.environ |= {name: value for name, value in _QUIET.items() if name not in os.environ}
    try:
        from mlflow.tracking import MlflowClient  # noqa: PLC0415  optional, and it takes seconds
    except ImportError as error:
        raise WorkspaceError(f"{error.name} is not installed", hint="pip install 'rung[mlflow,platform]'") from error
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    uri = located(workspace, tracking)
    with answering(tracking):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def answering(tracking: str) -> Iterator[None]:
    """Turn what MLflow says of a server that does not do what it should into an error of ours.

    Raises:
        UnavailableError: It said something.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  as above

    try:
        yield
    except MlflowException as error:
        told = str(error).strip().splitlines()
        raise UnavailableError(
            f"MLflow at {tracking} refused ({told[0] if told else 'no reason'})",
            hint="is it up, and of a version that fits? `rung mlflow sync` tries again",
        ) from error
