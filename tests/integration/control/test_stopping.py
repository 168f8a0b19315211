"""The end of a platform whose cluster has gone: what is on this machine ends, and nothing else is forgotten."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rung.compute import local
from rung.compute.here import LocalCompute
from rung.compute.protocol import Work
from rung.control.machines import process_of
from rung.control.place import Place
from rung.control.servers import GATEWAY, Servers
from rung.registry import open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_lost_cluster_runs_keeps_nothing_else_up(tmp_path: Path):
    (tmp_path / "rung.toml").write_text('compute_address = "127.0.0.1:1"\n')
    place = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
    with open_registry(place.workspace.state) as registry:
        away = {"actor": "tiny.v1.m1-0", "machine": {}, "exit_file": None}
        registry.keep_process("tiny.v1.m1", away)
        command = local.Command(
            argv=(sys.executable, "-c", "import time; time.sleep(600)"), folder=tmp_path, environment={}
        )
        handle = LocalCompute().start(
            Work(name=GATEWAY, command=command), record=lambda found: registry.keep_process(GATEWAY, found)
        )
        left = Servers.of(place, registry).stop_all()
        assert left.keys() == registry.processes().keys() == {"tiny.v1.m1"}
        assert "127.0.0.1:1" in left["tiny.v1.m1"]
        process = process_of(handle)
        assert process is not None
        assert not local.alive(process)
