"""The online store in Redis, for servers on several machines: one hash for each view, its state in the field "".

Scripts make a write one step; a read is one HMGET, which is one step by itself.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from rung.errors import WorkspaceError
from rung.features._store import SILENT_S, Put, Read, not_installed, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["RedisStore"]

_PREFIX: Final = "rung:features:"
_STATE: Final = ""  # keys of entries are never empty
_PUT: Final = """
local state = redis.call('HGET', KEYS[1], '')
if ARGV[1] == '0' and state or ARGV[1] == '1' and state ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], '', ARGV[3])
for at = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
return 1
"""
_REMOVE: Final = """
for at = 2, #ARGV do
    local entry = redis.call('HGET', KEYS[1], ARGV[at])
    if entry and tonumber(string.match(entry, '^(%d+)')) < tonumber(ARGV[1]) then
        redis.call('HDEL', KEYS[1], ARGV[at])
    end
end
return 1
"""
_SCANNED: Final = 1_000  # fields at a time


class RedisStore:
    """Entries in Redis 6 or newer. An entry is `ORDER`, a line feed, and its text."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._where = f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
        try:
            import redis  # noqa: PLC0415  from an extra
            from redis.backoff import NoBackoff  # noqa: PLC0415  as above
            from redis.retry import Retry  # noqa: PLC0415  as above
        except ModuleNotFoundError:
            raise not_installed(self._where, "redis", "redis") from None
        self._errors = redis.exceptions
        # A lost connection is made again at once; a server that says nothing is not waited for a second time.
        once = Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,))
        if not re.fullmatch(r"(/[0-9]*)?", parts.path):
            raise _unreadable()
        try:
            self._client: Any = redis.Redis.from_url(
                url, decode_responses=True, socket_timeout=SILENT_S, socket_connect_timeout=SILENT_S, retry=once
            )
        except ValueError:  # which may repeat a password
            raise _unreadable() from None
        self._put = self._client.register_script(_PUT)
        self._remove = self._client.register_script(_REMOVE)
        with self._told():
            self._client.ping()

    def read(self, view: str, keys: Sequence[str]) -> Read:
        """Give the state and entries."""
        with self._told():
            state, *entries = self._client.hmget(_PREFIX + view, [_STATE, *keys])
        return Read(state=state, entries=[entry and entry.partition("\n")[2] for entry in entries])

    def put(self, view: str, change: Put) -> bool:
        """Write all of it if the state is still the expected one."""
        pairs = [text for key, entry in change.entries.items() for text in (key, f"{change.order}\n{entry}")]
        expected = ("0", "") if change.expected is None else ("1", change.expected)
        with self._told():
            return bool(self._put(keys=[_PREFIX + view], args=[*expected, change.state, *pairs]))

    def remove(self, view: str, *, below: int | None = None) -> None:
        """Remove the entries of a lower order; None: all, and the state."""
        with self._told():
            if below is None:
                self._client.delete(_PREFIX + view)
                return
            cursor = -1
            while cursor:
                cursor, found = self._client.hscan(_PREFIX + view, max(cursor, 0), count=_SCANNED)
                old = [key for key, entry in found.items() if key and int(entry.partition("\n")[0]) < below]
                if old:
                    self._remove(keys=[_PREFIX + view], args=[below, *old])

    def views(self) -> list[str]:
        """Name the views that have a state."""
        with self._told():
            return sorted(key.removeprefix(_PREFIX) for key in self._client.scan_iter(f"{_PREFIX}*", count=_SCANNED))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (self._errors.ConnectionError, self._errors.TimeoutError) as error:
            raise unreachable(self._where, error) from error
        except self._errors.RedisError as error:
            raise WorkspaceError(f"the online store {self._where} refuses ({error})") from error


def _unreadable() -> WorkspaceError:
    return WorkspaceError("the URL of the online store cannot be read", hint="it is redis://HOST:PORT/NUMBER")
