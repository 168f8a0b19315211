"""How Rung's own clients connect: TLS only where there is TLS, and servers by their endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from httpx2 import Client


def verify(url: str) -> bool:
    """Tell whether a client of this URL checks certificates: what it needs for that takes up to a tenth of a second.

    >>> verify("https://models.example.org"), verify("http://127.0.0.1:4780")
    (True, False)
    """
    return url.lower().startswith("https:")


def connect(endpoint: str, *, headers: Mapping[str, str], token: str | None = None, timeout_s: float = 5.0) -> Client:
    """Give a client of a revision's server; each request has a connection of its own, so that they reach all workers.

    Args:
        endpoint: `unix:/...` or `address:port`.
        headers: Of every request.
        token: That a server with an address demands.
        timeout_s: Of each step of a request.
    """
    from httpx2 import Client, HTTPTransport, Limits  # noqa: PLC0415  most commands ask no server

    socket = endpoint.removeprefix("unix:") if endpoint.startswith("unix:") else None
    transport = HTTPTransport(uds=socket, verify=False, limits=Limits(max_keepalive_connections=0))
    url = "http://server" if socket else f"http://{endpoint}"
    return Client(transport=transport, base_url=url, headers={**headers, **bearing(token)}, timeout=timeout_s)


def bearing(token: str | None) -> dict[str, str]:
    """Give the header that a server with an address demands; one with a socket file demands none."""
    return {} if token is None else {"x-rung-server-token": token}
