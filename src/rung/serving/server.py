"""The serving process: gunicorn with uvicorn workers, on the application of one revision.

The control plane starts `python -m rung.serving.server --application experiments.housing.serve.app:app ...` in the
revision's own environment and source snapshot; settings of the deployment come through `RUNG_*` variables.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from gunicorn.app.base import BaseApplication
from prometheus_client.multiprocess import mark_process_dead
from uvicorn_worker import UvicornWorker

__all__ = ["main"]


_KEEP_ALIVE_S = 75  # longer than the gateway keeps an idle connection, so that it never writes to a closed one


class Worker(UvicornWorker):  # type: ignore[misc]
    """A uvicorn worker on uvloop and httptools that runs the application's start-up."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": "httptools",
        "lifespan": "on",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
    }


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn configured by values, not by its command line."""

    def __init__(self, application: str, settings: dict[str, Any]) -> None:
        self._application = application
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from gunicorn.util import import_app  # noqa: PLC0415  in the worker: a broken import is the worker's error

        return import_app(self._application)


def _forget_worker(_server: object, worker: Any) -> None:
    """Take a dead worker's gauges out of the shared metrics."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM, then finish what is in flight."""
    parser = argparse.ArgumentParser(prog="python -m rung.serving.server", description=__doc__)
    parser.add_argument("--application", required=True, help="module:attribute")
    parser.add_argument("--bind", required=True, help="unix:/path/of/socket or host:port")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--timeout", type=float, default=30, help="seconds after which a silent worker is replaced")
    parser.add_argument("--grace", type=float, default=10, help="seconds for requests in flight at the end")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(Path.cwd()))
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)
    settings = {
        "bind": options.bind,
        "workers": options.workers,
        "worker_class": "rung.serving.server.Worker",
        "timeout": int(max(options.timeout, 1)),
        "graceful_timeout": int(max(options.grace, 1)),
        "child_exit": _forget_worker,
        "keepalive": _KEEP_ALIVE_S,
        "umask": 0o077,
        "proc_name": f"rung {os.environ.get('RUNG_REVISION', '')}".strip(),
        "control_socket_disable": True,
    }
    _Server(options.application, settings).run()


if __name__ == "__main__":
    main()
