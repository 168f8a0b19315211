"""A document in versions: what names a version, what it is made of, and what another version has changed."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.errors import CallError

if TYPE_CHECKING:
    from datetime import datetime

LARGEST = 256 * 1024
"""Bytes of a document that is kept."""

_FENCE = re.compile(r"^\+\+\+\s*$", re.MULTILINE)
_HEADING = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)
_FENCED = 3
"""Parts of a text with two fences: before, between and behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a specification that is kept."""

    digest: str
    text: str
    time: datetime
    """When it was first kept."""
    actor: str
    because: str


def digest_of(text: str) -> str:
    r"""Name a version by its words: how its lines end, and blanks behind them, do not count.

    >>> digest_of("# Problem\r\n") == digest_of("# Problem  \n\n")
    True
    """
    return "sha256:" + hashlib.sha256(_plain(text).encode()).hexdigest()


def check_size(text: str) -> None:
    """Refuse a document that is no document.

    Raises:
        CallError: It is larger than 256 KiB.
    """
    size = len(text.encode())
    if size > LARGEST:
        raise CallError(
            f"a specification of {size:,} bytes, and {LARGEST:,} are kept", hint="keep pictures and tables elsewhere"
        )


def read_front(text: str) -> dict[str, Any]:
    """Give the front matter; nothing, where there is none that can be read."""
    parts = _FENCE.split(text, maxsplit=2)
    if len(parts) < _FENCED:
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


def parts_of(text: str) -> dict[str, Any]:
    """Give all parts of a document by name: the fields of its front matter, then its sections."""
    plain = _plain(text)
    return {**read_front(plain), **{f"# {heading}": section for heading, section in read_sections(plain).items()}}


def changed_parts(old: str, new: str) -> tuple[str, ...]:
    r"""Name what differs between two versions, in the order of the newer one; what is gone comes last.

    >>> changed_parts("+++\na = 1\n+++\n# Problem\n\nHouses.", "+++\na = 2\n+++\n# Problem\n\nHouses.")
    ('a',)
    """
    if digest_of(old) == digest_of(new):
        return ()
    before, after = parts_of(old), parts_of(new)
    changed = [name for name, part in after.items() if name not in before or before[name] != part]
    changed += [name for name in before if name not in after]
    return tuple(changed) or ("words outside of any section, or comments",)


def _plain(text: str) -> str:
    lines = text.removeprefix("\ufeff").splitlines()
    return "\n".join(line.rstrip() for line in lines).strip() + "\n"
