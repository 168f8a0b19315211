"""The serving process: gunicorn with uvicorn workers, on the application of one revision.

The control plane starts `python -m rung.serving.server --application experiments.housing.serve.app:app ...` in the
revision's own environment and source snapshot; settings of the deployment come through `RUNG_*` variables.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from rung.serving._logs import configure
from rung.serving._protocol import WholeAnswers

if TYPE_CHECKING:
    from socket import socket

__all__ = ["main"]


_KEEP_ALIVE_S = 75  # longer than the gateway keeps an idle connection, so that it never writes to a closed one


_ORPHANED_S = 1.0
"""How long a process goes on without noticing that gunicorn is gone."""
_LINGER_S = 1.0
"""How long an ending process serves connections that were open, so that their callers learn to open others."""


class _DrainingServer(Server):
    """A uvicorn server that loses no request when it ends.

    A connection that is closed while its caller sends takes the request with it. So new connections are refused first,
    open ones are told `connection: close` with their next answer, and only the idle rest is closed.
    """

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Refuse, finish, close."""
        for server in self.servers:
            server.close()
        self.config.app.is_draining = True  # type: ignore[union-attr]
        deadline = time.monotonic() + _LINGER_S
        while self.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110  uvicorn tells nobody
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


class Worker(UvicornWorker):  # type: ignore[misc]
    """A uvicorn worker on uvloop and httptools that runs the application's start-up."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "http": WholeAnswers,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        logging.getLogger("uvicorn.error").propagate = True  # its lines go to gunicorn's handlers, which has none here

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = _DrainingServer(config=self.config)
        self._install_sigquit_handler()
        watch = asyncio.create_task(self._end_with_parent(server))
        await server.serve(sockets=self.sockets)
        watch.cancel()
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def _end_with_parent(self, server: Server) -> None:
        """End when gunicorn was killed: nobody would ever stop or replace this process, and its socket is gone."""
        while os.getppid() == self.ppid:  # noqa: ASYNC110  the system tells nobody
            await asyncio.sleep(_ORPHANED_S)
        server.should_exit = True


class GunicornLog(Logger):  # type: ignore[misc]
    """Gunicorn's own lines, in the same form as all others."""

    def setup(self, cfg: Any) -> None:
        """Let them pass to the handler of all lines."""
        super().setup(cfg)
        self.error_log.handlers = []
        self.error_log.propagate = True


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn configured by values, not by its command line."""

    def __init__(self, application: str, settings: dict[str, Any]) -> None:
        self._application = application
        self._settings = settings
        token = os.environ.pop("RUNG_SERVER_TOKEN", None)  # the author's code does not need it
        self._token = None if token is None else token.encode()
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from gunicorn.util import import_app  # noqa: PLC0415  in the worker: a broken import is the worker's error

        app = import_app(self._application)
        app.token = self._token
        return app


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
        "logger_class": GunicornLog,
    }
    configure(os.environ.get("RUNG_REVISION", "undeployed"))
    _Server(options.application, settings).run()


if __name__ == "__main__":
    main()
