"""The specification of a revision as it was then: what it says on top, and its sections."""

from __future__ import annotations

import re
import tomllib
from typing import Any

_FENCE = re.compile(r"^\+\+\+\s*$", re.MULTILINE)
_HEADING = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)
_BULLET = re.compile(r"^- +(.+?)(?=^- |^\S|\Z)", re.MULTILINE | re.DOTALL)


def read_front(text: str) -> dict[str, Any]:
    """Give the front matter; nothing, where there is none that can be read."""
    parts = _FENCE.split(text, maxsplit=2)
    if len(parts) < 3:  # noqa: PLR2004  before, between and behind the fences
        return {}
    try:
        return tomllib.loads(parts[1])
    except tomllib.TOMLDecodeError:
        return {}


def read_sections(text: str) -> dict[str, str]:
    r"""Give the text below each heading of the first level.

    >>> read_sections("+++\n+++\n# Problem\n\nHouses.\n\n# Pitfalls\n\n- One.")
    {'Problem': 'Houses.', 'Pitfalls': '- One.'}
    """
    body = _FENCE.split(text, maxsplit=2)[-1]
    parts = _HEADING.split(body)
    return {heading: content.strip() for heading, content in zip(parts[1::2], parts[2::2], strict=True)}


def bullets(text: str) -> list[str]:
    r"""Give the points of a list, each on one line; the whole text where there is no list.

    >>> bullets("- **One.** Two\n  three.\n- Four.")
    ['**One.** Two three.', 'Four.']
    """
    found = [" ".join(point.split()) for point in _BULLET.findall(text)]
    return found or ([" ".join(text.split())] if text.strip() else [])
