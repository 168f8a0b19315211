"""A gateway that others can reach: 127.0.0.2 counts as such, and is still this machine."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import certificates
import httpx2
import pytest
import tiny_service
from live_platform import live_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_platform import LivePlatform

OPEN = """
gateway_port = 0
control_port = 0
[listen]
gateway = "127.0.0.2"
certificate = "tls/chain.pem"
key = "tls/key.pem"
"""


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What `rung up` said."""
    return []


@pytest.fixture(scope="module")
def platform(told: list[str]) -> Iterator[LivePlatform]:
    with live_platform() as platform:
        (platform.root / "rung.toml").write_text(OPEN)
        (platform.root / "tls").mkdir()
        certificates.write(*files(platform))
        tiny_service.write(platform.root)
        told.append(platform.rung("up", "--detach").stderr)
        yield platform


def files(platform: LivePlatform) -> tuple[Path, Path]:
    return platform.root / "tls" / "chain.pem", platform.root / "tls" / "key.pem"


def shown(platform: LivePlatform) -> str:
    url = httpx2.URL(platform.gateway)
    return ssl.get_server_certificate((str(url.host), int(url.port or 0)))


def test_consumers_are_answered_encrypted(platform: LivePlatform):
    assert platform.gateway.startswith("https://127.0.0.2:")
    context = ssl.create_default_context(cafile=str(files(platform)[0]))
    context.check_hostname = False  # the test's certificate is for 127.0.0.1
    platform.wait(lambda: httpx2.get(f"{platform.gateway}/healthz", verify=context).is_success)
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(platform.gateway.replace("https", "http"), verify=False)


def test_open_services_are_warned_of(platform: LivePlatform, told: list[str]):
    assert "whoever reaches 127.0.0.2 may ask tiny" in told[0]


def test_renewed_certificate_is_shown(platform: LivePlatform):
    chain, key = files(platform)
    platform.wait(lambda: shown(platform) == chain.read_text())
    certificates.write(chain, key, name="renewed")
    platform.wait(lambda: shown(platform) == chain.read_text())
