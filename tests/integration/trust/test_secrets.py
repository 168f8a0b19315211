"""Secrets of the environment are passed on to who needs them, and written nowhere."""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from typing import TYPE_CHECKING

import httpx2
import psutil
import pytest
import tiny_service
from live_platform import live_platform

from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_platform import LivePlatform

SECRETS = {
    name: f"{name.lower()}-{secrets.token_hex(8)}"
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DATABASE_PASSWORD", "HF_TOKEN", "PGPASSWORD")
}


@pytest.fixture(scope="module")
def platform() -> Iterator[LivePlatform]:
    """A platform that was started, trained, failed and served with secrets in its environment."""
    with pytest.MonkeyPatch.context() as patch, live_platform() as platform:
        for name, value in SECRETS.items():
            patch.setitem(os.environ, name, value)
        tiny_service.write(platform.root)
        platform.rung("train", "tiny")
        platform.rung("up", "--detach")
        platform.deploy("tiny")
        tiny_service.change(
            platform.root, "def load_data() -> list[int]:\n", "def load_data() -> list[int]:\n    1 / 0\n"
        )
        platform.commit()
        platform.rung("deploy", "training", "tiny", expect=None)
        answer = httpx2.post(
            f"{platform.gateway}/tiny/v1/m0/predict", json={"instances": [{"x": 666}]}, timeout=10, verify=False
        )
        assert answer.status_code == 500
        platform.rung("doctor", expect=None)
        yield platform


def test_no_file_holds_a_secret(platform: LivePlatform):
    found = [
        f"{path} holds {name}"
        for path in platform.folder.rglob("*")
        if path.is_file()
        for name, value in SECRETS.items()
        if value.encode() in path.read_bytes()
    ]
    assert found == []


def test_no_row_and_no_event_holds_a_secret(platform: LivePlatform):
    with open_registry(platform.place.workspace.state) as registry, closing(registry):
        told = str([registry.events(), registry.runs(), registry.processes(), registry.revisions()])
    assert not [name for name, value in SECRETS.items() if value in told]


def test_no_command_shows_a_secret(platform: LivePlatform):
    for words in (("status",), ("why", "tiny.v1.m0"), ("runs", "list"), ("logs", "tiny.v1.m0"), ("audit",)):
        ended = platform.rung(*words, expect=None)
        assert not [name for name, value in SECRETS.items() if value in ended.stdout + ended.stderr]


def test_servers_get_what_they_may_need(platform: LivePlatform):
    environment = psutil.Process(platform.recorded()["tiny.v1.m0"].pid).environ()
    assert environment["DATABASE_PASSWORD"] == SECRETS["DATABASE_PASSWORD"]
    assert not [name for name in environment if name.startswith("RUNG_") and "TOKEN" in name]
