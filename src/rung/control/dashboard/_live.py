"""Server-sent events: a page that shows a promotion is told when something has happened, and asks for itself again.

A stream tells no more than that. Where there are too many of them a page looks again every few seconds; where the
script does not run it is loaded anew.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, StreamingResponse

from rung.errors import RungError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from rung.registry import Registry
    from rung.schema import RevisionName

__all__ = ["Streams"]

_MOST = 50
_LOOK_EVERY_S = 0.7
_SIGN_EVERY_S = 15.0
"""Of life, so that a browser which went away is noticed."""
_LONGEST_S = 600.0
"""Then the browser asks again, and who asks is looked at again."""


@dataclass(slots=True)
class Streams:
    """The streams of one control plane, few at a time."""

    registry: Registry
    is_stopping: Callable[[], bool] = field(kw_only=True)
    _open: int = 0

    def follow(self, name: RevisionName, request: Request) -> Response:
        """Tell of what happens to a revision from now on."""
        if self._open >= _MOST:
            return PlainTextResponse("too many pages follow events; load this one again", status_code=503)
        return StreamingResponse(self._events(name, request), media_type="text/event-stream")

    async def _events(self, name: RevisionName, request: Request) -> AsyncIterator[str]:
        self._open += 1
        try:
            yield "retry: 2000\n\n"
            begun = signed = time.monotonic()
            seen = await self._newest(name)
            while not self.is_stopping() and time.monotonic() - begun < _LONGEST_S:
                await asyncio.sleep(_LOOK_EVERY_S)
                if await request.is_disconnected():
                    return
                newest = await self._newest(name)
                if newest != seen:
                    seen = newest
                    yield f"id: {newest}\nevent: change\ndata: {newest}\n\n"
                elif time.monotonic() - signed > _SIGN_EVERY_S:
                    signed = time.monotonic()
                    yield ": here\n\n"
        finally:
            self._open -= 1

    async def _newest(self, name: RevisionName) -> int:
        """Give the id of the last event of a revision; 0 while the registry is away."""
        try:
            found = await run_in_threadpool(self.registry.newest_events, name, limit=1)
        except RungError:
            return 0
        return found[-1].id if found else 0
