"""The control plane's API and dashboard of a workspace, in a process of its own; the loop does not run.

    python benchmarks/pages/server.py WORKSPACE TOKEN

It prints its address, and ends with its standard input.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from pathlib import Path

import structlog
import uvicorn

from rung.control._lead import Lead
from rung.control._platform import Platform
from rung.control.api.app import create_api
from rung.control.api.door import Guard
from rung.control.api.patience import PatientProtocol
from rung.control.dashboard.app import add_dashboard
from rung.control.place import Place
from rung.registry import open_registry
from rung.workspace import find


def main() -> None:
    """Serve until the input ends."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    place = Place(workspace=find(Path(sys.argv[1])))
    place.make()
    with open_registry(place.workspace.state, place.workspace.registry_url()) as registry:
        lead = Lead(place, registry)
        lead.take(threading.Event())
        platform = Platform.open(place, registry=registry, fence=lead.fence, gateway_port=1)
        guard = Guard.of(registry, owner_token=sys.argv[2], login=None)
        app = create_api(platform, guard=guard, shut_down=lambda: None)
        add_dashboard(app, platform, guard)
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", http=PatientProtocol)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        sys.stdin.read()
        server.should_exit = True
        thread.join()
        lead.give_back()


if __name__ == "__main__":
    main()
