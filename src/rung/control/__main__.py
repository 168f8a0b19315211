"""`python -m rung.control`: the control plane as a process. `rung up` starts it.

It ends in one of two ways. Told to stop (`rung down`, Ctrl-C in `rung up`), it stops everything that it started.
Killed, it leaves gateway and servers running, and the next control plane adopts them.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import uvicorn

from rung.control._api import create_api
from rung.control._platform import Platform
from rung.control.place import Address, Place, read_address
from rung.control.servers import GATEWAY, Servers
from rung.errors import ConflictError, ControlPlaneError, RungError
from rung.registry import open_registry
from rung.workspace import find

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m rung.control", description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path.cwd())
    options = parser.parse_args(arguments)
    _configure_logs()
    try:
        return serve(Place(workspace=find(options.workspace)))
    except RungError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def serve(place: Place) -> int:
    """Run the control plane of a workspace.

    Raises:
        ConflictError: One runs already, or a port is in use.
    """
    place.make()
    settings = place.workspace.settings()
    with (place.workspace.state / "control.lock").open("w") as lock:
        _lock(lock.fileno(), place)
        adopted = _adopted_gateway_port(place)
        gateway_port = adopted or _free_port(settings.gateway_port, "gateway_port")
        listener = _listen(settings.control_port)
        platform = Platform.open(place, gateway_port=gateway_port)
        _run(place, platform, listener)
    return 0


def _run(place: Place, platform: Platform, listener: socket.socket) -> None:
    log = structlog.get_logger("rung.control")
    token = secrets.token_urlsafe(32)
    port = listener.getsockname()[1]
    stop_all = threading.Event()

    def shut_down() -> None:
        stop_all.set()
        server.should_exit = True

    app = create_api(platform, token=token, shut_down=shut_down)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        shut_down()

    loop = threading.Thread(target=platform.loop.run, name="loop")
    loop.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    Address(url=f"http://127.0.0.1:{port}", token=token, pid=os.getpid(), gateway=platform.view.gateway_url).write(
        place
    )
    log.info("up", control=f"http://127.0.0.1:{port}", gateway=platform.view.gateway_url)
    try:
        server.run(sockets=[listener])  # signals end it first, and are raised again for `on_signal` afterwards
    finally:
        platform.loop.end()
        loop.join()
        if stop_all.is_set():
            log.info("stopping")
            platform.deployments.servers.stop_all()
            place.address_file.unlink(missing_ok=True)
        platform.registry.close()
        log.info("down")


def _lock(handle: int, place: Place) -> None:
    """Hold a lock for as long as the process lives: one control plane for a workspace."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConflictError(
            f"a control plane runs for {place.workspace.root}", hint="`rung status` asks it, `rung down` stops it"
        ) from None


def _adopted_gateway_port(place: Place) -> int | None:
    """Give the port of the gateway that an earlier control plane left running; another's on that port is not ours."""
    try:
        address = read_address(place)
    except ControlPlaneError:
        return None
    with open_registry(place.workspace.state) as registry:
        gateway = Servers(place=place, registry=registry).running(GATEWAY)
    return int(address.gateway.rpartition(":")[2]) if gateway is not None else None


def _free_port(wanted: int, setting: str) -> int:
    with _bound(wanted, setting) as probe:
        port: int = probe.getsockname()[1]
        return port


def _listen(wanted: int) -> socket.socket:
    listener = _bound(wanted, "control_port")
    listener.listen(128)
    return listener


def _bound(port: int, setting: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise ConflictError(
            f"port {port} on 127.0.0.1 is in use ({error.strerror})",
            hint=f"set {setting} in rung.toml to another, or to 0 for any free one",
        ) from error
    return listener


def _configure_logs() -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
