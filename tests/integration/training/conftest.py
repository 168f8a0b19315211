"""What these tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from object_store import object_store, storage
from toy_training import MAIN

if TYPE_CHECKING:
    from conftest import Place

__all__ = ["object_store", "storage"]


@pytest.fixture
def toy(place: Place, storage: str) -> Place:
    """A workspace with the smallest training, whose runs are kept in a storage."""
    place.service("toy", MAIN)
    place.write("rung.toml", f'storage = "{storage}"\n')
    place.commit()
    return place
