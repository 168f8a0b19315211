"""Sources that lie elsewhere: web servers, object stores, databases. Real servers, and no secret in anything kept."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rung.data import Catalogue, Ingested, ingest
from rung.errors import CallError, NotFoundError, UnavailableError
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postgresql import PostgresServer

CSV = b"id,price\n1,10\n2,20\n"


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "datasets")


@pytest.fixture
def take(catalogue: Catalogue) -> Callable[..., Ingested]:
    def take(source: str, **options: Any) -> Ingested:
        return ingest(source, **{"name": "houses", "catalogue": catalogue, **options})

    return take


@pytest.fixture
def web() -> Iterator[tuple[str, dict[str, tuple[int, str, bytes]]]]:
    """A web server: its address, and what it answers by path: status, type, content."""
    pages: dict[str, tuple[int, str, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, content = pages.get(self.path.partition("?")[0], (404, "text/plain", b""))
            self.send_response(status)
            self.send_header("location" if status == 302 else "content-type", kind)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815  as the library names it

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", pages
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rows_of(catalogue: Catalogue) -> list[tuple[Any, ...]]:
    return sorted(catalogue.scan(catalogue.version("houses")).collect().rows())


def kept(catalogue: Catalogue, folder: Path) -> str:
    """All that is kept beside the rows, as one text."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    refused = catalogue.quarantine("houses").collect().write_csv()
    return refused + "".join(path.read_bytes().decode(errors="replace") for path in files)


def test_a_file_of_a_web_server_is_taken_once(
    take: Callable[..., Ingested], web: tuple[str, dict[str, tuple[int, str, bytes]]], catalogue: Catalogue
):
    url, pages = web
    pages["/a.csv"] = (200, "text/csv", CSV)
    pages["/moved"] = (302, "/a.csv", b"")

    assert take(f"{url}/a.csv").added == 2
    assert take(f"{url}/a.csv").version is None
    assert take(f"{url}/moved", format="csv").version is None
    assert rows_of(catalogue) == [(1, 10), (2, 20)]


def test_a_type_tells_what_a_name_does_not(
    take: Callable[..., Ingested], web: tuple[str, dict[str, tuple[int, str, bytes]]]
):
    url, pages = web
    pages["/export"] = (200, "text/csv; charset=utf-8", CSV)
    pages["/page"] = (200, "text/html", b"")

    assert take(f"{url}/export").added == 2
    with pytest.raises(CallError, match="'text/html' tells what it is"):
        take(f"{url}/page")


def test_no_secret_of_a_url_is_kept_or_told(
    take: Callable[..., Ingested],
    web: tuple[str, dict[str, tuple[int, str, bytes]]],
    catalogue: Catalogue,
    tmp_path: Path,
):
    url, pages = web
    pages["/a.csv"] = (200, "text/csv", CSV + b"x,1\n")
    pages["/closed.csv"] = (403, "text/plain", b"")
    secret = url.replace("http://", "http://ann:pass-word@")

    steps: list[str] = []
    take(f"{secret}/a.csv?token=to-ken", max_bad=0.5, key=["price"], tell=lambda step: steps.append(step.what))
    messages = [str(step) for step in steps]
    for path in ("closed.csv", "none.csv"):
        with pytest.raises(CallError) as caught:
            take(f"{secret}/{path}?token=to-ken")
        messages.append(repr(caught.value))

    everything = kept(catalogue, tmp_path) + "".join(messages)
    assert "a.csv?token" in everything
    assert not any(secret in everything for secret in ("pass-word", "to-ken", "ann:"))


def test_a_server_that_is_away_is_told(take: Callable[..., Ingested], web: tuple[str, Any]):
    url, pages = web
    pages["/a.csv"] = (503, "text/plain", b"")

    with pytest.raises(UnavailableError, match="status 503"):
        take(f"{url}/a.csv")
    with pytest.raises(NotFoundError):
        take(f"{url}/b.csv")
    with pytest.raises(UnavailableError, match=r"http://127.0.0.1:9/a.csv was not sent"):
        take("http://ann:pw@127.0.0.1:9/a.csv")


def test_objects_of_a_store_are_taken_by_key_prefix_and_pattern(
    take: Callable[..., Ingested], catalogue: Catalogue, storage: str
):
    objects = open_objects(f"{storage}/in")
    objects.replace("year=2025/a.csv", CSV)
    objects.replace("year=2026/b.csv", CSV.replace(b"1,", b"3,").replace(b"2,", b"4,"))
    objects.replace("notes.md", b"hi")

    one = take(f"{storage}/in/year=2025/a.csv", name="one")
    whole = take(f"{storage}/in/")

    assert (one.added, one.columns) == (2, {"id": "Int64", "price": "Int64"})
    assert (whole.added, len(whole.passed_over)) == (4, 1)
    assert rows_of(catalogue)[-1] == (4, 20, 2026)
    assert take(f"{storage}/in/*/b.csv").pieces_known == [f"{storage}/in/year=2026/b.csv"]
    with pytest.raises(NotFoundError):
        take(f"{storage}/in/none.csv")
    with pytest.raises(CallError, match=r"credentials have no place in s3://bucket/a\.csv"):
        take("s3://key:secret@bucket/a.csv")


def test_a_catalogue_in_a_store_is_ingested_into(tmp_path: Path, storage: str):
    catalogue = Catalogue(f"{storage}/lake/datasets", locks=tmp_path / "locks")
    (tmp_path / "a.csv").write_bytes(CSV)
    options: Any = {"name": "houses", "catalogue": catalogue, "max_bad": 0.5}

    assert ingest(str(tmp_path / "a.csv"), **options, key=["price"]).added == 2
    (tmp_path / "a.csv").write_bytes(CSV.replace(b"10", b"11") + b"x,1\n")
    assert ingest(str(tmp_path / "a.csv"), **options).added == 1
    assert rows_of(catalogue) == [(1, 10), (1, 11), (2, 20)]
    assert catalogue.quarantine("houses").collect().height == 1


def test_a_query_of_sqlite_is_taken_without_writing(
    take: Callable[..., Ingested], catalogue: Catalogue, tmp_path: Path
):
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE house (id INTEGER, price, size REAL)")
        connection.executemany("INSERT INTO house VALUES (?, ?, ?)", [(1, 10, 1), (2, "cheap", 2.5), (3, None, None)])
        connection.commit()
    url = f"sqlite:///{tmp_path}/a.db"

    done = take(url, query="SELECT * FROM house")

    assert done.version is not None
    assert done.version.source.split(" ", 1) == [url, "SELECT * FROM house"]
    assert rows_of(catalogue) == [(1, "10", 1.0), (2, "cheap", 2.5), (3, None, None)]
    assert take(url, query="SELECT * FROM house").version is None
    for query in ("DELETE FROM house", "SELECT * FROM home", "PRAGMA user_version = 7"):
        with pytest.raises(CallError, match=r"(does not take the query|gives no rows)"):
            take(url, query=query)
    with pytest.raises(NotFoundError, match="there is no database"):
        take("sqlite:///none.db", query="SELECT 1")
    with pytest.raises(CallError, match="is no URL of a database"):
        take("none.db", query="SELECT 1")


def test_a_query_of_postgresql_is_taken_by_its_key_and_never_writes(
    take: Callable[..., Ingested], catalogue: Catalogue, postgresql: PostgresServer
):
    url = postgresql.database(migrated=False)
    name = url.partition("?")[0].rpartition("/")[2]
    postgresql.execute(
        "CREATE TABLE house AS SELECT n AS id, n * 1.5 AS price, 'h' || n AS name, now() AS seen, "
        "gen_random_uuid() AS tag, CASE WHEN n > 60000 THEN n END AS late FROM generate_series(1, 70000) n",
        name,
    )
    query = "SELECT id, price, name, seen, tag, late FROM house WHERE name LIKE 'h%' ORDER BY id"

    first = take(url, query=query, key=["id"])
    postgresql.execute("UPDATE house SET price = 0 WHERE id = 7", name)
    second = take(url, query=query)

    assert (first.added, second.changed, second.known) == (70_000, 1, 69_999)
    assert {**second.columns, "price": ""} == {
        "id": "Int64",
        "price": "",
        "name": "String",
        "seen": "Datetime(time_unit='us', time_zone='UTC')",
        "tag": "String",
        "late": "Int64",
    }
    seventh = catalogue.scan(catalogue.version("houses")).filter(pl.col("id") == 7).collect()
    assert float(seventh["price"][0]) == 0
    with pytest.raises(CallError, match="does not take the query"):
        take(url, query="WITH gone AS (DELETE FROM house RETURNING id) SELECT * FROM gone")
    assert postgresql.execute("SELECT count(*) FROM house", name) == [(70_000,)]


def test_other_databases_are_read_through_sqlalchemy(
    take: Callable[..., Ingested], catalogue: Catalogue, postgresql: PostgresServer
):
    url = postgresql.database(migrated=False).replace("postgresql://", "postgresql+psycopg://")

    assert take(url, query="SELECT n AS id, n * 10 AS price FROM generate_series(1, 3) n").added == 3
    assert rows_of(catalogue) == [(1, 10), (2, 20), (3, 30)]
    with pytest.raises(CallError, match="does not take the query"):
        take(url, query="SELECT * FROM home")


def test_a_database_that_is_away_is_told_without_its_password(take: Callable[..., Ingested]):
    for scheme in ("postgresql", "postgresql+psycopg"):
        with pytest.raises(UnavailableError, match=f"{scheme.replace('+', '.')}://127.0.0.1:9/sales did not") as caught:
            take(f"{scheme}://ann:pass-word@127.0.0.1:9/sales", query="SELECT 1")
        assert "pass-word" not in repr(caught.value)
