"""Rows that are too many for the memory, parted by key so that each part can be worked on alone. `_arms` uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHARES", "Spill"]

Ints: TypeAlias = NDArray[np.int64]

SHARES: Final = 16
"""Parts that the rows are in; a power of two. Of ten million rows each fits the processor's caches."""
_MEMORY: Final = 1 << 20
"""Bytes of a part that stay in memory before it goes to a temporary file."""


class Spill:
    """Rows of 64-bit numbers, in shares that are told apart by the lowest bits of the first column, the key."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._shares = [_Share() for _ in range(SHARES)]
        self.rows = 0

    def add(self, *columns: NDArray[np.int64] | NDArray[np.float64]) -> None:
        """Append rows, given as columns of equal length; the bits of their numbers are kept."""
        share = (columns[0].view(np.int64) & (SHARES - 1)).astype(np.uint8)
        order = np.argsort(share, kind="stable")  # bytes are sorted by counting
        counts = np.bincount(share, minlength=SHARES)
        ends = np.cumsum(counts)[:-1]
        for column in columns:
            for part, rows in zip(self._shares, np.split(column[order], ends), strict=True):
                part.file.write(rows.data)
        for part, count in zip(self._shares, counts.tolist(), strict=True):
            part.counts.append(count)
        self.rows += order.size

    def take(self, share: int) -> tuple[Ints, ...]:
        """Return the columns of a share, once."""
        part = self._shares[share]
        with part.file as file:
            file.seek(0)
            numbers = np.frombuffer(file.read(), dtype=np.int64)
        ends = np.cumsum(np.repeat(part.counts, self._columns))
        pieces = np.split(numbers, ends[:-1])
        return tuple(np.concatenate(pieces[column :: self._columns]) for column in range(self._columns))

    def close(self) -> None:
        """Let go of what was not taken."""
        for part in self._shares:
            part.file.close()


@dataclass(slots=True)
class _Share:
    file: SpooledTemporaryFile[bytes] = field(
        default_factory=lambda: SpooledTemporaryFile(max_size=_MEMORY)  # noqa: SIM115  # closed by take or close
    )
    counts: list[int] = field(default_factory=lambda: [0])  # rows of each `add`: its columns lie one after the other
