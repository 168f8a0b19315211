"""SQLite, Redis and PostgreSQL keep to the contract of an online store; what they do when their server is not there."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from rung.errors import UnavailableError, WorkspaceError
from rung.features import Put, open_store
from rung.features._sqlite import SqliteStore
from rung.features.contract import OnlineStoreContract

if TYPE_CHECKING:
    from pathlib import Path

    from postgresql import PostgresServer
    from redis_server import RedisServer


class TestStores(OnlineStoreContract):
    """Each kind, by the fixture `store`."""


def test_two_processes_meet_in_one_store(store_url: str | None, tmp_path: Path):
    with closing(open_store(store_url, tmp_path)) as one, closing(open_store(store_url, tmp_path)) as other:
        one.put("shared:1", Put(expected=None, state="here", entries={"[1]": "a"}))
        assert other.read("shared:1", ["[1]"]).entries == ["a"]
        other.remove("shared:1")


def test_maker_of_the_store_waits_for_another_one(tmp_path: Path):
    path = tmp_path / "features.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE something (number)")
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(0.5, lambda: other.execute("COMMIT"))
        ends.start()
        with closing(SqliteStore(path)) as store:
            assert store.views() == []
        ends.join()


def test_redis_that_went_away_is_told_and_found_again(redis: RedisServer, tmp_path: Path):
    with closing(open_store(redis.url, tmp_path)) as store:
        store.put("away:1", Put(expected=None, state="one"))
        redis.kill()
        with pytest.raises(UnavailableError, match=r"the online store redis://127.0.0.1:\d+/0 does not answer"):
            store.read("away:1", [])
        redis.start()
        assert store.read("away:1", []).state == "one"


def test_redis_that_hangs_is_not_waited_for(redis: RedisServer, tmp_path: Path):
    with closing(open_store(redis.url, tmp_path)) as store:
        store.put("hangs:1", Put(expected=None, state="one"))
        redis.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            with pytest.raises(UnavailableError, match="TimeoutError"):
                store.read("hangs:1", [])
        finally:
            redis.process.send_signal(signal.SIGCONT)
        assert time.monotonic() - began < 10
        assert store.read("hangs:1", []).state == "one"


def test_postgresql_that_is_locked_is_not_waited_for(postgresql: PostgresServer, tmp_path: Path):
    psycopg = pytest.importorskip("psycopg")
    url = postgresql.database(migrated=False)
    with closing(open_store(url, tmp_path)) as store, psycopg.connect(url) as other:
        other.execute("LOCK TABLE rung_feature_states IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="QueryCanceled"):
            store.read("locked:1", [])
        assert time.monotonic() - began < 10
        other.rollback()
        assert store.read("locked:1", []).state is None


def test_lost_connection_to_postgresql_is_made_again(postgresql: PostgresServer, tmp_path: Path):
    url = postgresql.database(migrated=False)
    with closing(open_store(url, tmp_path)) as store:
        store.put("away:1", Put(expected=None, state="one"))
        postgresql.cut_off(url)
        assert store.read("away:1", []).state == "one"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("redis://me:secret@127.0.0.1:1/0", id="redis"),
        pytest.param("postgresql://me:secret@127.0.0.1:1/features", id="postgresql"),
    ],
)
def test_nobody_there_is_told_without_the_password(url: str, tmp_path: Path):
    with pytest.raises(UnavailableError) as caught:
        open_store(url, tmp_path)
    assert "does not answer" in caught.value.message
    assert "secret" not in str(caught.value)


def test_url_that_cannot_be_read_is_refused(tmp_path: Path):
    with pytest.raises(WorkspaceError, match="cannot be read"):
        open_store("redis://host/first", tmp_path)
