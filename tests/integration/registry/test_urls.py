"""URLs of registries: what is wrong with one is told, and its password is told to nobody."""

from __future__ import annotations

import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from rung.errors import RungError, UnavailableError, WorkspaceError
from rung.registry import open_registry

if TYPE_CHECKING:
    from pathlib import Path

    from postgresql import PostgresServer

SECRET = "s3cr3t-w0rd"  # noqa: S105  stands for a password


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@127.0.0.1:1/shop",
        f"postgresql://ada@127.0.0.1:1/shop?password={SECRET}",
        f"postgresql://ada:{SECRET}@127.0.0.1:one/shop",
        f"postgresql://ada:{SECRET}@/shop?host=/nowhere/at/all",
        f"postgresql://ada:{SECRET}@127.0.0.1:1/shop?nonsense={SECRET}",
        f"mysql://ada:{SECRET}@127.0.0.1/shop",
        f"{SECRET}",
    ],
)
def test_password_is_never_told(tmp_path: Path, url: str):
    with pytest.raises(RungError) as caught:
        open_registry(tmp_path, url)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert SECRET not in told
    assert isinstance(caught.value, UnavailableError | WorkspaceError)


def test_server_that_is_not_there_is_named(tmp_path: Path):
    wanted = r"the registry postgresql://ada@127\.0\.0\.1:1/shop cannot be opened .*is the server up"
    with pytest.raises(UnavailableError, match=wanted):
        open_registry(tmp_path, f"postgresql://ada:{SECRET}@127.0.0.1:1/shop")


def test_user_without_rights_is_told(tmp_path: Path, postgresql: PostgresServer):
    url = postgresql.database(migrated=False)
    postgresql.execute("DROP ROLE IF EXISTS guest")
    postgresql.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(WorkspaceError, match=r"permission denied for schema public.*may its user make and change"):
        open_registry(tmp_path, url.replace("postgres@", "guest@"))


def test_other_tables_of_the_database_are_left_alone(tmp_path: Path, postgresql: PostgresServer):
    url = postgresql.database(migrated=False)
    name = url.partition("?")[0].rpartition("/")[2]
    postgresql.execute("CREATE TABLE customers (id int PRIMARY KEY)", name)
    postgresql.execute("INSERT INTO customers VALUES (1)", name)
    with open_registry(tmp_path, url) as registry:
        assert registry.check().problems == ()
        assert "customers" not in registry.dump(tmp_path / "dump.jsonl").rows
        registry.downgrade("base")
    assert postgresql.execute("SELECT id FROM customers", name) == [(1,)]


def test_registry_may_have_a_schema_of_its_own(tmp_path: Path, postgresql: PostgresServer):
    url = postgresql.database(migrated=False)
    name = url.partition("?")[0].rpartition("/")[2]
    for shop in ("one", "two"):
        postgresql.execute(f"CREATE SCHEMA {shop}", name)
        with open_registry(tmp_path / shop, f"{url}&options=-csearch_path%3D{shop}") as registry:
            registry.record_event("note", shop, because="it was noted", actor="ada")
            assert registry.check().problems == ()
            assert [event.subject for event in registry.events()] == [shop]
            assert registry.dump(tmp_path / f"{shop}.jsonl").rows["events"] == 1


def test_driver_is_imported_only_for_a_server(tmp_path: Path):
    script = (
        "import sys; from pathlib import Path; from rung.registry import open_registry\n"
        "open_registry(Path(sys.argv[1])).close(); assert 'psycopg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
