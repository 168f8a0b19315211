"""Names of datasets, and references to their versions: `houses`, `housing.predictions`, `houses@3`. Pure."""

from __future__ import annotations

import re
from typing import Final

from rung.errors import CallError

__all__ = ["check_dataset_name", "parse_reference", "reference"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?")


def check_dataset_name(name: str) -> str:
    """Give the name back when it can name a dataset.

    Raises:
        CallError: It cannot.

    >>> check_dataset_name("housing.predictions")
    'housing.predictions'
    """
    if not _NAME.fullmatch(name):
        raise CallError(
            f"{name!r} cannot name a dataset",
            hint="use small letters, digits and _, beginning with a letter, as houses or housing.predictions",
        )
    return name


def reference(name: str, number: int) -> str:
    """Spell a version of a dataset.

    >>> reference("houses", 3)
    'houses@3'
    """
    return f"{name}@{number}"


def parse_reference(text: str) -> tuple[str, int | None]:
    """Read `houses@3`, or `houses` for the newest version.

    Raises:
        CallError: It is neither.

    >>> parse_reference("houses@3"), parse_reference("houses")
    (('houses', 3), ('houses', None))
    """
    name, at, number = text.partition("@")
    check_dataset_name(name)
    if at and not re.fullmatch(r"[1-9][0-9]{0,8}", number):
        raise CallError(f"{text!r} names no version", hint=f"versions count from 1: {name}@1")
    return name, int(number) if at else None
