"""The platform that these tests share."""

from __future__ import annotations

from tiny_platform import platform

__all__ = ["platform"]
