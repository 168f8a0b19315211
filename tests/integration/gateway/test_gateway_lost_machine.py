"""A machine with one of two servers of a revision is lost: nobody is told, and no consumer notices."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from far_machine import FarMachine, far_machine
from gateway_load import Load
from waiting import until

from rung.gateway import Backend, Production, Routing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Site

NAME = "housing.v1.m1"
PORT = 8_000


@pytest.fixture
def machine() -> Iterator[FarMachine]:
    """A machine with a server of the revision."""
    with far_machine(1) as machine:
        server = ["backend.py", "--host", machine.address, "--port", str(PORT)]
        process = subprocess.Popen(
            machine.within(sys.executable, *server), cwd=Path(__file__).parent, env={**os.environ, "REVISION": NAME}
        )
        yield machine
        process.terminate()
        process.wait(60)


def test_no_request_is_lost_with_it(site: Site, machine: FarMachine, capsys: pytest.CaptureFixture[str]):
    here, elsewhere = site.serve("m1", runner="uvicorn on a port").endpoint, f"{machine.address}:{PORT}"
    backend = Backend(revision=NAME, endpoints=(here, elsewhere), timeout_s=30.0)
    production = Production(service="housing", major=1, incumbent=NAME, split=None, shadows=(), standby=None)
    site.gateway.apply(Routing(backends=(backend,), productions=(production,)))
    until(lambda: site.gateway.healthy(NAME) == {here, elsewhere})

    with Load(site) as load:
        load.wait_for(200)
        machine.cut()
        begun = time.monotonic()
        until(lambda: site.gateway.healthy(NAME) == {here})
        out_s = time.monotonic() - begun
        load.wait_for(200)

    with capsys.disabled():
        sys.stdout.write(f"\na machine is lost: out after {out_s:.1f} s, slowest answer {max(load.seconds):.1f} s\n")
    assert load.failures == []
    assert max(load.seconds) < 10.0
