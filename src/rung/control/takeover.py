"""Puts an Envoy with the settings of now in the place of the control plane's own, while requests come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from rung.control.servers import GATEWAY, GATEWAY_BEFORE
from rung.errors import GatewayError

if TYPE_CHECKING:
    from rung.control.servers import Servers
    from rung.gateway import Gateway

__all__ = ["replace_gateway"]

_log = structlog.get_logger("rung.control")


def replace_gateway(servers: Servers, gateway: Gateway) -> bool:
    """Let an Envoy of these settings take over from the one that runs, if that was started for others.

    Returns:
        Whether one did. Otherwise the one that runs goes on, if one does.
    """
    before = servers.registry.processes().get(GATEWAY)
    if before is None or servers.running(GATEWAY) is None or not gateway.is_outdated():
        return False

    def start(argv: list[str]) -> None:
        work = servers.gateway_work(gateway)
        work = replace(work, command=replace(work.command, argv=tuple(argv)))
        servers.machines.here.start(work, record=lambda handle: servers.registry.keep_process(GATEWAY, handle))

    servers.registry.keep_process(GATEWAY_BEFORE, before)  # it ends by itself, unless its successor is killed first
    try:
        gateway.replace(start)
    except GatewayError as error:
        servers.registry.keep_process(GATEWAY, before)
        servers.registry.forget_process(GATEWAY_BEFORE)
        told = "it was started for other settings: `rung down`, then `rung up`"
        _log.warning("gateway_outdated", because=error.message, hint=told)
        return False
    _log.info("gateway_replaced")
    return True
