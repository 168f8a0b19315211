"""A revision of a real platform, taken elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from live_platform import LivePlatform

REVISION = "tiny.v1.m1"


def test_openapi_is_that_of_the_server(platform: LivePlatform):
    platform.rung("export", REVISION, "--to", "openapi", "--output", "tiny.json")
    exported = json.loads((platform.root / "tiny.json").read_text())
    assert exported == httpx2.get(f"{platform.gateway}/tiny/v1/m1/openapi.json").json()
    assert platform.ask("export", REVISION, "--to", "openapi")["openapi"] == exported


def test_what_was_changed_is_not_exported(platform: LivePlatform):
    bundle = platform.place.workspace.state / "revisions" / "tiny.v1.m0" / "bundle.json"
    signed = bundle.read_bytes()
    bundle.write_bytes(signed + b"\n")
    try:
        refused = platform.ask("export", "tiny.v1.m0", "--to", "openapi", expect=4)
    finally:
        bundle.write_bytes(signed)
    assert refused["error"]["code"] == "integrity"
    assert "bundle.json of tiny.v1.m0 is sha256:" in refused["error"]["message"]
