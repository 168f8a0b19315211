"""Online stores: a file, and real servers of Redis and PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from redis_server import RedisServer, redis_server

from rung.features import OnlineStore, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgresql import PostgresServer


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A server of Redis for the session."""
    with redis_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "redis", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str | None:
    """Each kind of online store in turn."""
    if request.param == "sqlite":
        return None
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.empty()
        return server.url
    database: PostgresServer = request.getfixturevalue("postgresql")
    return database.database(migrated=False)


@pytest.fixture
def store(store_url: str | None, tmp_path: Path) -> Iterator[OnlineStore]:
    with closing(open_store(store_url, tmp_path / "state")) as store:
        yield store
