"""What these tests share."""

from __future__ import annotations

from object_store import object_store, storage

__all__ = ["object_store", "storage"]
