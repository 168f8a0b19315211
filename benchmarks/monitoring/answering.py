"""Answers every request on a unix socket with 200 and a few bytes: for servers whose answers do not matter.

Started by `tick.py` and by benchmarks/scale: `python answering.py SOCKET`. Many revisions can share it by links.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from subprocess import Popen
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_WITHIN_S = 20.0


@contextmanager
def answering(socket: Path) -> Iterator[Popen[bytes]]:
    """Give the process that answers there for as long as the block lasts."""
    with Popen([sys.executable, __file__, str(socket)]) as process:
        try:
            deadline = monotonic() + _WITHIN_S
            while not socket.exists():
                if monotonic() > deadline:
                    raise RuntimeError(f"nobody answers at {socket} within {_WITHIN_S} s")
                sleep(0.02)
            yield process
        finally:
            process.terminate()


class _Answers(asyncio.Protocol):
    def __init__(self) -> None:
        self._left = 0  # bytes of a body that are still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            head, _, body = data.partition(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            self._left = int(length.rpartition(b":")[2]) - len(body)
        if self._left <= 0:
            self._left = 0
            assert isinstance(self._transport, asyncio.Transport)  # noqa: S101  it is one of a stream
            self._transport.write(ANSWER)


async def _serve(socket: str) -> None:
    server = await asyncio.get_running_loop().create_unix_server(_Answers, socket, backlog=4_096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
