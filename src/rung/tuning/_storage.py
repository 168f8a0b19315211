"""Where studies are kept: a journal in `.rung/studies/NAME/`, or beside a registry in PostgreSQL.

Optuna keeps the version of its tables under the same name as the registry does, so there they have a schema of their
own.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rung.errors import ConflictError, UnavailableError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optuna.storages import BaseStorage

    from rung.workspace import Workspace

__all__ = ["STUDIES", "folder_of", "locked", "names", "open_storage"]

STUDIES: Final = "studies"
"""The folder of all studies, below the platform's and in the storage."""
_SCHEMA: Final = "rung_studies"


def folder_of(workspace: Workspace, study: str) -> Path:
    """Name the folder of a study: its journal, what its trials were told and what they wrote."""
    return workspace.state / STUDIES / study


def names(workspace: Workspace) -> list[str]:
    """Name all studies, sorted."""
    if workspace.registry_url() is not None:
        return sorted(_optuna().get_all_study_names(open_storage(workspace, "")))
    return sorted(path.parent.name for path in (workspace.state / STUDIES).glob("*/journal"))


def open_storage(workspace: Workspace, study: str) -> BaseStorage:
    """Open what keeps a study.

    Raises:
        WorkspaceError: Optuna is not installed.
        UnavailableError: The database does not answer.
    """
    optuna, url = _optuna(), workspace.registry_url()
    if url is not None:
        return _in_postgresql(optuna, url)
    path = folder_of(workspace, study) / "journal"
    path.parent.mkdir(parents=True, exist_ok=True)
    from optuna.storages import journal  # noqa: PLC0415  the extra `tune`

    return optuna.storages.JournalStorage(journal.JournalFileBackend(str(path)))  # type: ignore[no-any-return]


@contextmanager
def locked(workspace: Workspace, study: str) -> Iterator[None]:
    """Be the only one on this machine who goes on with a study for the length of the block.

    Raises:
        ConflictError: Another process does.
    """
    path = folder_of(workspace, study) / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another `rung tune` goes on with {study}", hint=f"`rung tune show {study}` shows how far it is"
            ) from None
        yield


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415  the extra `tune`
    except ModuleNotFoundError as error:
        raise WorkspaceError("Optuna is not installed", hint="install rung[platform,tune]") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _in_postgresql(optuna: Any, url: str) -> BaseStorage:
    import sqlalchemy  # noqa: PLC0415  only with PostgreSQL

    parsed = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
    try:
        engine = sqlalchemy.create_engine(parsed)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
        engine.dispose()
        connections = {"poolclass": sqlalchemy.pool.NullPool}  # a storage has no end at which it could close others
        own = parsed.update_query_dict({"options": f"-csearch_path={_SCHEMA}"})
        return optuna.storages.RDBStorage(own.render_as_string(hide_password=False), connections)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        raise WorkspaceError("psycopg is not installed", hint="install rung[platform,postgresql,tune]") from error
    except sqlalchemy.exc.OperationalError as error:
        raise UnavailableError(
            f"the studies are in PostgreSQL, which does not answer ({error.orig})", hint="is the database up?"
        ) from error
