"""A deployed training that fetches a file: in its own environment, which has what its requirements pin and no more."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import tiny_service

from rung.schema import RevisionName

if TYPE_CHECKING:
    from pathlib import Path

    from live_platform import LivePlatform

LOADED = """
    return list(range(1, 201))
"""
FETCHED = """
    from rung.training import fetched

    return [int(word) for word in fetched("{url}", sha256="{sha256}").read_text().split()]
"""


def test_a_deployed_training_fetches_a_file(platform: LivePlatform, tmp_path: Path):
    text = " ".join(map(str, range(1, 301)))
    (tmp_path / "numbers.txt").write_text(text)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given: object) -> None:
            super().__init__(*given, directory=str(tmp_path))  # type: ignore[arg-type]  # as the server hands it on

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/numbers.txt"
        loaded = FETCHED.format(url=url, sha256=hashlib.sha256(text.encode()).hexdigest())
        tiny_service.change(platform.root, LOADED, loaded)
        platform.commit()
        name = platform.ask("deploy", "training", "tiny")["id"]
        server.shutdown()
    assert platform.revision(name)["state"] == "trained"
    found = platform.ask("lineage", name, "--up")["nodes"]
    assert url in {node["name"] for node in found if node["kind"] == "file"}
    job = platform.place.revision(RevisionName.parse(name)) / "jobs" / "training" / "job.json"
    python = json.loads(job.read_text())["argv"][0]
    assert subprocess.run([python, "-c", "import polars"], check=False, capture_output=True).returncode == 1
