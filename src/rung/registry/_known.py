"""The registry for those who can do without: where there is one, and what reads it is installed."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.registry._registry import Registry


@contextmanager
def known_registry(state: Path, url: str | None = None) -> Iterator[Registry | None]:
    """Give the registry of a workspace while the block lasts; None where there is none, or no `rung[platform]`.

    Args:
        state: As `open_registry` takes it; nothing is made there.
        url: As `open_registry` takes it.

    Raises:
        RungError: As `open_registry`.
    """
    is_there = url is not None or (state / "registry.db").exists()
    if not is_there or find_spec("sqlalchemy") is None:
        yield None
        return
    from rung.registry._registry import open_registry  # noqa: PLC0415  the author's side does without SQLAlchemy

    with open_registry(state, url) as registry:
        yield registry
