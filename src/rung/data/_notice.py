"""Who is told when a dataset is read: a training, which puts the version on record. Imports nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.data._dataset import Dataset

_noticed: list[Callable[[Dataset], None]] = []


@contextlib.contextmanager
def noticing(notice: Callable[[Dataset], None]) -> Iterator[None]:
    """Tell of every dataset that is read inside the block, by any thread."""
    _noticed.append(notice)
    try:
        yield
    finally:
        _noticed.remove(notice)


def tell(dataset: Dataset) -> None:
    """Tell that a dataset is read."""
    for notice in tuple(_noticed):
        notice(dataset)
