"""The gateway as the settings want it: where it listens, encrypted or not, and whom it asks for a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.gateway import Certificate, Gateway
from rung.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rung.control.place import Place
    from rung.settings import Settings

    Guard = Callable[[], AbstractContextManager[None]]

__all__ = ["gateway_of", "guarded_services", "open_services"]


def gateway_of(place: Place, settings: Settings, *, port: int, guard: Guard) -> Gateway:
    """Give the gateway of a workspace; on loopback it speaks plain HTTP, elsewhere TLS.

    Args:
        place: The workspace.
        settings: Of the workspace.
        port: TCP.
        guard: Around each file that is written: refuses who leads no more.
    """
    listen, certificate = settings.listen, None
    if listen.gateway not in LOOPBACK and listen.certificate is not None and listen.key is not None:
        root = place.workspace.root
        certificate = Certificate(chain=root / listen.certificate, key=root / listen.key)
    host = "127.0.0.1" if listen.gateway == "localhost" else listen.gateway
    return Gateway(folder=place.gateway, port=port, host=host, certificate=certificate, guard=guard)


def guarded_services(settings: Settings) -> tuple[str, ...]:
    """Name the services whose consumers need a key, sorted."""
    return tuple(sorted(name for name, policy in settings.services.items() if policy.api_keys))


def open_services(settings: Settings, services: list[str]) -> list[str]:
    """Name the services that anybody may ask who reaches the gateway, when others than this machine do."""
    if settings.listen.gateway in LOOPBACK:
        return []
    return [name for name in services if not settings.policy(name).api_keys]
