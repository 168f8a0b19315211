"""The platform and the object store that these tests share."""

from __future__ import annotations

from object_store import object_store
from tiny_platform import platform

__all__ = ["object_store", "platform"]
