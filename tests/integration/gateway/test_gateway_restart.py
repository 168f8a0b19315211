"""One Envoy takes over from another, and one ends, under load: no consumer notices."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from waiting import until

from rung.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site


@pytest.fixture
def quick(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose Envoys have two seconds to finish, since its requests take milliseconds."""
    site.stop_envoy()
    monkeypatch.setattr(site, "gateway", replace(site.gateway, drain_s=2.0))
    site.start_envoy()
    site.serve("m2")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    yield site
    site.stop_envoy()


def test_envoy_with_other_settings_takes_over_without_a_failed_request(quick: Site, capsys: pytest.CaptureFixture[str]):
    version, sent = quick.gateway.version(), quick.gateway.requests()
    with quick.load() as load:
        for threads in (1, 2, 1):
            load.wait_for(100)
            old = quick.envoy
            quick.gateway = replace(quick.gateway, threads=threads)
            quick.gateway.replace(lambda command: setattr(quick, "envoy", subprocess.Popen(command)))
            load.wait_for(300)
            assert old is not None
            until(lambda old=old: old.poll() == 0)
            load.wait_for(100)
    assert load.failures == []
    assert quick.gateway.version() == version
    total = sum(quick.gateway.requests().values()) - sum(sent.values())
    assert total > 0.95 * load.answered.total()  # the counters are handed over, but for those of the last moment
    with capsys.disabled():
        print(f"\n3 Envoys took over, {load.answered.total()} requests, 0 failed")  # noqa: T201  # the figure is the point


def test_envoy_that_does_not_start_leaves_the_old_one_be(quick: Site):
    before = (quick.gateway.folder / "bootstrap.json").read_bytes()
    other = replace(quick.gateway, port=1 if quick.gateway.port != 1 else 2, deadline_s=0.5)
    with pytest.raises(GatewayError, match=r"no new gateway took over within 0\.5 s"):
        other.replace(lambda _: None)
    assert (quick.gateway.folder / "bootstrap.json").read_bytes() == before
    with quick.client() as client:
        assert client.get("/housing/v1/predict").is_success


def test_drained_gateway_ends_without_a_failed_request(quick: Site):
    with quick.client() as client:
        assert client.get("/housing/v1/predict").is_success
        quick.gateway.drain()
        answer = client.get("/housing/v1/predict")
        assert answer.is_success
        assert answer.headers["connection"] == "close"
