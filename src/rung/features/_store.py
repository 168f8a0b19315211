"""Online stores: where the features of single entities are read from while an instance waits for its prediction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from rung.errors import UnavailableError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["SILENT_S", "OnlineStore", "Put", "Read", "open_store", "unreachable"]

SILENT_S: Final = 2.0
"""A store that says nothing for so long is not there; an instance that waits gets a 503."""
_FILE: Final = "features/online.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a store has of a view, all of one moment."""

    state: str | None  # None: nothing is kept under that name
    entries: list[str | None]  # in the order of the keys that were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What is to be written of a view, all of it or nothing."""

    expected: str | None  # the state that must be there; None: nothing
    state: str  # that follows it
    order: int = 0  # of the entries
    entries: Mapping[str, str] = field(default_factory=dict)  # by key; one that is there is replaced


class OnlineStore(Protocol):
    """Texts by view and key, with one more text for each view, its state. What they mean is no matter of a store.

    Safe between threads and processes. Every method raises UnavailableError when the store does not answer in time, and
    WorkspaceError when it refuses. `rung.features.contract` holds an implementation to what is said here.
    """

    def read(self, view: str, keys: Sequence[str]) -> Read:
        """Give the state and entries in one round trip, as they were at one moment."""
        ...

    def put(self, view: str, change: Put) -> bool:
        """Write all of it if the state is still the expected one; tell whether it was. A reader sees all or nothing."""
        ...

    def remove(self, view: str, *, below: int | None = None) -> None:
        """Remove the entries of a lower order; None: all entries and the state."""
        ...

    def views(self) -> list[str]:
        """Name the views that have a state, sorted."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def open_store(url: str | None, state: Path) -> OnlineStore:
    """Open the online store of a workspace.

    Args:
        url: `online_store` of its settings: redis://, rediss:// or postgresql://. None: a file in the state folder.
        state: The state folder.

    Raises:
        UnavailableError: It does not answer.
        WorkspaceError: The URL cannot be read, or the library for it is not installed.
    """
    if url is None:
        from rung.features._sqlite import SqliteStore  # noqa: PLC0415  one of the three is imported

        return SqliteStore(state / _FILE)
    if urlsplit(url).scheme in {"redis", "rediss"}:
        from rung.features._redis import RedisStore  # noqa: PLC0415  as above, and from an extra

        return RedisStore(url)
    from rung.features._postgresql import PostgresqlStore  # noqa: PLC0415  as above

    return PostgresqlStore(url)


def unreachable(where: str, error: Exception) -> UnavailableError:
    """Say that a store does not answer; `where` holds no secret."""
    told = str(error).partition("\n")[0][:200]
    return UnavailableError(
        f"the online store {where} does not answer ({type(error).__name__}: {told})", hint="is it up? try again then"
    )


def not_installed(where: str, library: str, extra: str) -> WorkspaceError:
    """Say that the library of a store is missing."""
    return WorkspaceError(
        f"the online store is {where}, and {library} is not installed",
        hint=f"install rung[{extra}]; a service that fetches features names {library} in its requirements.txt",
    )
