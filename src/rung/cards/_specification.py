"""The specification of a revision as it was then: what it says on top, its sections, and the points of a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rung.practice import read_front, read_sections

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["bullets", "consumer_names", "read_front", "read_sections"]

_BULLET = re.compile(r"^- +(.+?)(?=^- |^\S|\Z)", re.MULTILINE | re.DOTALL)


def consumer_names(front: Mapping[str, Any]) -> list[str]:
    """Name the consumers of a specification, whether more is said of them or not.

    >>> consumer_names({"consumers": ["desk", {"name": "form", "needs": ["price"]}]})
    ['desk', 'form']
    """
    return [str(one.get("name", "")) if isinstance(one, dict) else str(one) for one in front.get("consumers", ())]


def bullets(text: str) -> list[str]:
    r"""Give the points of a list, each on one line; the whole text where there is no list.

    >>> bullets("- **One.** Two\n  three.\n- Four.")
    ['**One.** Two three.', 'Four.']
    """
    found = [" ".join(point.split()) for point in _BULLET.findall(text)]
    return found or ([" ".join(text.split())] if text.strip() else [])
