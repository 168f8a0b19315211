"""Where one dataset lies: its folder or prefix, the files in it, and its manifests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rung.data._version import Version
from rung.objects import Objects, open_objects

__all__ = ["Shelf"]

_OWN: Final = "_rung"
"""Folder in a dataset's folder; other programs leave alone what begins with _."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One dataset's place."""

    root: str  # folder or URI of all datasets
    name: str

    @property
    def uri(self) -> str:
        """The dataset's folder, or its URI: that of its Delta table."""
        return f"{self.root}/{self.name}"

    @property
    def is_remote(self) -> bool:
        """Whether it lies in an object store."""
        return "://" in self.root

    @cached_property
    def files(self) -> Objects:
        """The files of the table."""
        return open_objects(self.uri)

    @cached_property
    def objects(self) -> Objects:
        """What Rung keeps beside the table."""
        return open_objects(f"{self.uri}/{_OWN}")

    def manifest(self, number: int) -> str:
        """Give the key of a version's manifest."""
        return f"versions/{number:08}.json"

    def numbers(self) -> list[int]:
        """Name the versions that are there, ascending."""
        keys = (entry.key for entry in self.objects.entries("versions"))
        return sorted(int(key.removeprefix("versions/").removesuffix(".json")) for key in keys if key.endswith(".json"))

    def read(self, number: int) -> Version | None:
        """Read a version; None when there is none of that number."""
        data = self.objects.read(self.manifest(number))
        return None if data is None else Version.from_bytes(data, f"{self.uri}/{_OWN}/{self.manifest(number)}")

    def newest(self) -> Version | None:
        """Read the newest version; None when there is none."""
        numbers = self.numbers()
        return self.read(numbers[-1]) if numbers else None
