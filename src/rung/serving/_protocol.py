"""HTTP as the servers of consumers speak it: an answer leaves in one piece.

uvicorn writes the head of an answer and its body one after the other, and each wakes the gateway. A server that is
killed between them, or whose machine is lost, leaves its caller with a head alone, which no gateway can take back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["WholeAnswers"]


class WholeAnswers(HttpToolsProtocol):
    """HTTP/1.1 by httptools; an answer that is there at once is one write."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to listen to a caller."""
        super().connection_made(cast("asyncio.Transport", _InPairs(transport, self.loop)))


class _InPairs:
    """A transport that sends two writes of one moment together.

    A write waits for the next one, or for the loop's next turn. It never waits for a third: what streams faster than
    its caller reads is held back by the transport's own limits.
    """

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send what waits and this, or let this wait."""
        if self._held is None:
            self._held = data
            self._loop.call_soon(self._send)
        else:
            held, self._held = self._held, None
            self._transport.writelines((held, data))

    def close(self) -> None:
        """Send what waits, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held = self._held, None
        if held is not None and not self._transport.is_closing():
            self._transport.write(held)
