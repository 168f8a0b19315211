"""What a server writes to its log: one JSON object a line, each naming the revision and, in a handler, the request.

Whatever an author logs with `logging` comes through here too. Nothing of an instance is in a line unless the author put
it there. `rung logs REVISION --server` prints them for people. Called by the server's process, before workers begin.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.serving._observe import Observation

REQUESTS: Final[ContextVar[Sequence[Observation]]] = ContextVar("rung_requests", default=())
"""The requests that are served now: several while a handler answers them together."""

_SHOWN: Final = 20  # requests of one call that a line names


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, event, logger, revision, pid, request, trace."""

    def __init__(self, revision: str) -> None:
        super().__init__()
        self._revision = revision

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            "revision": self._revision,
            "pid": record.process,
            **_requests(),
        }
        if given := getattr(record, "request_id", None):
            line["request_id"] = given
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(revision: str) -> None:
    """Write all lines of this process, and of those that it forks, as JSON to the standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(revision))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(capture=True)


def _requests() -> dict[str, Any]:
    seen = REQUESTS.get()
    if not seen:
        return {}
    found: dict[str, Any] = {"request_id": seen[0].id}
    if len(seen) > 1:
        found = {"request_ids": [one.id for one in seen[:_SHOWN]]}
    traces = {one.span.trace_id for one in seen if one.span is not None}
    if len(traces) == 1:
        found["trace_id"] = traces.pop()
    return found
