"""The access log does not grow for ever, and no line of it is lost on the way."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest
from waiting import until

from rung.control import _access_log
from rung.control._access_log import AccessLog
from rung.errors import GatewayError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Site


@pytest.fixture
def log(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AccessLog:
    monkeypatch.setattr(_access_log, "_LONG_BYTES", 1_000)
    site.gateway.rotate_log()
    site.gateway.old_access_log.unlink(missing_ok=True)
    return AccessLog(gateway=site.gateway, packed=tmp_path / "access")


def fill(site: Site) -> None:
    """Send requests, until all of them are in a log."""
    with site.client() as client:
        last = [client.get("/healthz?mine").headers["x-request-id"] for _ in range(20)][-1]
    logs = (site.gateway.access_log, site.gateway.old_access_log)
    until(lambda: any(path.exists() and last in path.read_text() for path in logs))


def age(site: Site) -> None:
    """Let the old log be one that nobody wrote for a while."""
    os.utime(site.gateway.old_access_log, (0, 0))


def packed(log: AccessLog) -> int:
    """Count the requests in packed logs."""
    return sum(gzip.decompress(path.read_bytes()).count(b"?mine") for path in log.packed.iterdir())


def test_long_log_is_packed(site: Site, log: AccessLog):
    fill(site)
    assert log.look() == 0
    assert site.gateway.old_access_log.exists()
    fill(site)
    assert log.look() == 0  # Envoy may still be writing
    age(site)
    assert log.look() > 1_000
    assert packed(log) == 20
    assert not site.gateway.old_access_log.exists()


def test_short_log_stays(site: Site, log: AccessLog):
    with site.client() as client:
        client.get("/healthz")
    assert log.look() == 0
    assert not site.gateway.old_access_log.exists()
    assert not log.packed.exists()


def test_old_log_is_not_packed_while_envoy_writes_to_it(site: Site, log: AccessLog):
    """Killed between the rename and the order to Envoy, which goes on with the renamed file."""
    fill(site)
    site.gateway.access_log.replace(site.gateway.old_access_log)
    age(site)
    assert log.look() == 0
    assert site.gateway.old_access_log.exists()
    fill(site)
    age(site)
    assert log.look() > 1_000
    assert packed(log) == 20


def test_dead_gateway_is_told(site: Site, log: AccessLog):
    fill(site)
    site.stop_envoy()
    with pytest.raises(GatewayError):
        log.look()
    site.start_envoy()
    fill(site)
    age(site)
    log.look()
    assert packed(log) == 20


def test_oldest_go(site: Site, log: AccessLog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_access_log, "_MOST_PACKED", 2)
    log.packed.mkdir()
    for year in (2023, 2024, 2025):
        (log.packed / f"access-{year}0101T000000.log.gz").write_bytes(gzip.compress(b"{}\n"))
    fill(site)
    log.look()
    fill(site)
    age(site)
    log.look()
    assert [path.name[:11] for path in sorted(log.packed.iterdir())] == ["access-2025", "access-2026"]
