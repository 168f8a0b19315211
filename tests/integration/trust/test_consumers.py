"""Keys of consumers on a platform: made by a command, known at the gateway at once, and gone at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import tiny_service
from live_platform import live_platform

from rung.client import Client
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_platform import LivePlatform

KEYED = "gateway_port = 0\ncontrol_port = 0\n[services.tiny]\napi_keys = true\n"
RATE = "from rung.infrastructure import Autoscaling, RateLimit,"
OUTCOME = {"service": "tiny", "metric": "right", "value": 1, "unit": "customer-1"}


@pytest.fixture(scope="module")
def platform() -> Iterator[LivePlatform]:
    """A platform whose service demands keys and allows two requests in a while."""
    with live_platform() as platform:
        (platform.root / "rung.toml").write_text(KEYED)
        tiny_service.write(platform.root)
        file = "infrastructure/hardware.py"
        tiny_service.change(platform.root, "from rung.infrastructure import Autoscaling,", RATE, file=file)
        limit = "request_timeout_s=5, max_body_mib=0.01, rate_limit=RateLimit(requests_per_s=0.02, burst=6),"
        tiny_service.change(platform.root, "request_timeout_s=5,", limit, file=file)
        platform.rung("up", "--detach")
        platform.deploy("tiny")
        tiny_service.change(platform.root, "slope: float = 0.0", "slope: float = 1.0")
        tiny_service.document(platform.root, 1)
        platform.deploy("tiny")
        platform.rung("promote", "tiny.v1.m1")  # its gates send more than consumers may, and have no key
        platform.wait(lambda: ask(platform, None).status_code != 503)
        yield platform


def ask(platform: LivePlatform, key: str | None, path: str = "/tiny/v1/predict", body: Any = None) -> httpx2.Response:
    headers = {} if key is None else {"x-api-key": key}
    body = {"instances": [{"x": 1}]} if body is None else body
    return httpx2.post(f"{platform.gateway}{path}", json=body, headers=headers, timeout=10, verify=False)


def test_a_key_is_shown_once_and_works_at_once(platform: LivePlatform):
    assert ask(platform, None).status_code == 401
    made = platform.ask("consumer", "create", "shop", "--service", "tiny", "--because", "they asked")
    assert ask(platform, made["key"]).status_code == 200
    assert ask(platform, made["key"], "/tiny/v1/m1/predict").status_code == 200
    listed = platform.rung("consumer", "list").stdout
    assert "shop" in listed
    assert made["key"] not in listed + platform.rung("audit", "--json").stdout
    platform.rung("consumer", "revoke", made["id"])
    assert ask(platform, made["key"]).status_code == 401


def test_a_key_is_kept_nowhere(platform: LivePlatform):
    key = platform.ask("consumer", "create", "press")["key"].encode()
    assert ask(platform, key.decode()).status_code == 200
    kept = [path for path in platform.folder.rglob("*") if path.is_file() and key in path.read_bytes()]
    assert kept == []


def test_keys_are_for_one_service(platform: LivePlatform):
    key = platform.ask("consumer", "create", "other", "--service", "elsewhere")["key"]
    assert ask(platform, key).status_code == 403
    refused = ask(platform, key, "/outcomes", OUTCOME)
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "the key in the header x-api-key is for elsewhere alone",
    )
    assert ask(platform, None, "/outcomes", OUTCOME).status_code == 401
    mine = platform.ask("consumer", "create", "mine", "--service", "tiny")["key"]
    assert ask(platform, mine, "/outcomes", OUTCOME).status_code == 202


def test_limits_of_the_specification_hold_at_the_gateway(platform: LivePlatform):
    key = platform.ask("consumer", "create", "eager")["key"]
    large = ask(platform, key, "/tiny/v1/m0/predict", {"instances": [{"x": 1}] * 2_000})
    assert (large.status_code, large.json()["detail"]) == (413, "the body is larger than 10485 bytes")
    statuses = [ask(platform, key).status_code for _ in range(8)]
    assert statuses[-1] == 429
    assert set(statuses) <= {200, 429}


def test_the_client_sends_the_key(platform: LivePlatform):
    key = platform.ask("consumer", "create", "client", "--service", "tiny")["key"]
    with Client(platform.gateway, api_key=key) as client:
        client.report("tiny", "right", 1.0, unit="customer-2")
        assert key not in repr(client)
    with Client(platform.gateway) as client, pytest.raises(CallError, match="asks for a key"):
        client.report("tiny", "right", 1.0, unit="customer-2")


def test_names_of_consumers_are_checked(platform: LivePlatform):
    for name in ("Shop", "a b", "x" * 64):
        platform.rung("consumer", "create", name, expect=2)
    platform.rung("consumer", "revoke", "nobody", expect=2)


def test_access_log_names_the_consumer(platform: LivePlatform):
    key = platform.ask("consumer", "create", "named")["key"]
    mine = ask(platform, key, "/tiny/v1/m0/predict").headers["x-request-id"]
    log = next(platform.sockets.rglob("access.log"))
    platform.wait(lambda: mine in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["consumer"] for line in lines if line["request_id"] == mine] == ["named"]
