"""`python -m rung.control`: the control plane as a process. `rung up` starts it.

It ends in one of two ways. Told to stop (`rung down`, Ctrl-C in `rung up`), it stops everything that it started.
Killed, it leaves gateway and servers running, and the next control plane adopts them. With a registry on PostgreSQL
further ones stand by, and the first of them goes on when the one that leads is gone.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import uvicorn

from rung.control._encryption import Encryption, address_of
from rung.control._lead import Lead
from rung.control._platform import Platform
from rung.control.api.app import create_api
from rung.control.api.door import Guard
from rung.control.api.patience import MAX_CONNECTIONS, PatientProtocol
from rung.control.dashboard.app import add_dashboard
from rung.control.place import Address, Place, read_address
from rung.control.promotion.gates import stop_jobs
from rung.control.servers import GATEWAY, Servers
from rung.errors import ConflictError, ControlPlaneError, RungError
from rung.registry import open_registry
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from rung.registry import Registry
    from rung.settings import Settings

__all__ = ["main"]

_LEAVE_S = 3
"""For whoever is connected: a client that sleeps does not close its side, and TLS would wait for half a minute."""


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
    """Run the control plane of a workspace, or stand by while another leads.

    Raises:
        ConflictError: One runs already and the registry is not shared, or a port is in use.
    """
    place.make()
    settings = place.workspace.settings()
    with ExitStack() as stack:
        url = place.workspace.registry_url()
        if url is None:
            stack.enter_context(_only_one(place))
        registry = stack.enter_context(open_registry(place.workspace.state, url))
        lead = Lead(place, registry)
        with _stop_on_signals() as stop:
            if not lead.take(stop):
                return 0
        gateway_port = _adopted_gateway_port(place, registry) or _gateway_port(place, settings.gateway_port)
        listener = _listen(settings.listen.control, settings.control_port, or_any=lead.has_waited)
        platform = Platform.open(place, registry=registry, fence=lead.fence, gateway_port=gateway_port)
        _run(lead, platform, listener, settings)
    return 0


def _run(lead: Lead, platform: Platform, listener: socket.socket, settings: Settings) -> None:
    log = structlog.get_logger("rung.control")
    place = lead.place
    token = secrets.token_urlsafe(32)
    encryption = Encryption.of(place.workspace.root, settings.listen)
    url = address_of(settings.listen.control, listener.getsockname()[1], is_encrypted=encryption is not None)
    stop_all = threading.Event()

    def shut_down() -> None:
        stop_all.set()
        server.should_exit = True

    guard = Guard.of(platform.registry, owner_token=token, login=settings.login)
    app = create_api(platform, guard=guard, shut_down=shut_down)
    end_pages = add_dashboard(app, platform, guard, is_stopping=lambda: server.should_exit)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        http=PatientProtocol,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=_LEAVE_S,
        proxy_headers=False,  # who asks from where is not for the asker to say
        ssl_context_factory=None if encryption is None else encryption.context,
    )
    server = uvicorn.Server(config)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        shut_down()

    loop = threading.Thread(target=platform.loop.run, name="loop")
    loop.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    certificate = None if encryption is None else str(encryption.chain)
    gateway_url = platform.view.gateway_url
    Address(url=url, token=token, pid=os.getpid(), gateway=gateway_url, certificate=certificate).write(place)
    log.info("up", control=url, gateway=gateway_url)
    try:
        server.run(sockets=[listener])  # signals end it first, and are raised again for `on_signal` afterwards
    finally:
        end_pages()
        platform.loop.end()
        loop.join()
        if stop_all.is_set():
            log.info("stopping")
            stop_jobs(place, platform.registry)
            for name, because in platform.deployments.servers.stop_all().items():
                log.warning("not_stopped", process=name, because=because)
            lead.give_back()
            place.address_file.unlink(missing_ok=True)
        log.info("down")


@contextmanager
def _only_one(place: Place) -> Iterator[None]:
    """Hold a lock for as long as the process lives: with SQLite, one control plane for a workspace."""
    with (place.workspace.state / "control.lock").open("w") as lock:
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"a control plane runs for {place.workspace.root}", hint="`rung status` asks it, `rung down` stops it"
            ) from None
        yield


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set: who stands by has nothing to stop but itself."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _adopted_gateway_port(place: Place, registry: Registry) -> int | None:
    """Give the port of the gateway that an earlier control plane left running; another's on that port is not ours."""
    gateway = Servers(place=place, registry=registry).running(GATEWAY)
    return _known_gateway_port(place) if gateway is not None else None


def _gateway_port(place: Place, wanted: int) -> int:
    """Give the port that is set; where any will do, that which consumers know already, if it is free."""
    known = _known_gateway_port(place) if wanted == 0 else None
    if known is not None:
        with suppress(ConflictError):
            return _free_port(known, "gateway_port")
    return _free_port(wanted, "gateway_port")


def _known_gateway_port(place: Place) -> int | None:
    try:
        return int(read_address(place).gateway.rpartition(":")[2])
    except ControlPlaneError:
        return None


def _free_port(wanted: int, setting: str) -> int:
    with _bound("127.0.0.1", wanted, setting) as probe:
        port: int = probe.getsockname()[1]
        return port


def _listen(host: str, wanted: int, *, or_any: bool) -> socket.socket:
    """Listen on the port that is set; after a takeover on any, since a frozen leader still has that one."""
    try:
        listener = _bound(host, wanted, "control_port")
    except ConflictError:
        if not or_any:
            raise
        listener = _bound(host, 0, "control_port")
    listener.listen(128)
    return listener


def _bound(host: str, port: int, setting: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        told = "is in use" if error.errno == errno.EADDRINUSE else "cannot be listened on"
        raise ConflictError(
            f"port {port} on {host} {told} ({error.strerror})",
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
