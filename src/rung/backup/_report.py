"""What a backup, a check or a restoration did, and is doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True, kw_only=True)
class Report:
    """Counts as the work goes on."""

    files: int = 0
    """That are in the backup."""
    bytes: int = 0
    """Of these files."""
    done: int = 0
    """Files that were looked at so far."""
    copied_files: int = 0
    """That were not there yet."""
    copied_bytes: int = 0
    seconds: float = 0.0
    missing: list[str] = field(default_factory=list)
    """What should be there and is not, in sentences."""
    tell: Callable[[Report], None] = field(default=lambda _: None, repr=False)
    """Is called after each file."""

    def copied(self, size: int) -> None:
        """Count a file that was copied."""
        self.copied_files += 1
        self.copied_bytes += size

    def one_done(self) -> None:
        """Count a file that was dealt with, and tell."""
        self.done += 1
        self.tell(self)
