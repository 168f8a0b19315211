"""How many different values a column has, of parts that were counted one by one: a sketch of 4,096 registers. Pure.

P. Flajolet et al., "HyperLogLog", 2007, with the estimator of O. Ertl, arXiv 1702.01284, 2017, which needs no
correction: the standard error is 1.6 %.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["INDEX_BITS", "REGISTERS", "Distinct", "added", "estimate", "registers_of"]

INDEX_BITS: Final = 12
REGISTERS: Final = 2**INDEX_BITS
_RANK_BITS: Final = 64 - INDEX_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct:
    """How many different values there are, nulls left out."""

    count: int
    is_exact: bool  # else it is estimated, with a standard error of 1.6 %
    registers: bytes  # for adding up; empty where nothing was hashed
    hashed: str  # by which function: only registers of the same one are added

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        packed = base64.b64encode(zlib.compress(self.registers, 9)).decode() if self.registers else ""
        return {"count": self.count, "is_exact": self.is_exact, "registers": packed, "hashed": self.hashed}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Distinct:
        """Read what `to_json` gave."""
        packed = data["registers"]
        registers = zlib.decompress(base64.b64decode(packed)) if packed else b""
        return cls(count=data["count"], is_exact=data["is_exact"], registers=registers, hashed=data["hashed"])


def registers_of(ranks: Iterable[tuple[int, int]]) -> bytes:
    """Keep the highest rank of each register."""
    registers = bytearray(REGISTERS)
    for register, rank in ranks:
        if rank > registers[register]:  # noqa: PLR1730  twice as fast as max
            registers[register] = rank
    return bytes(registers)


def added(one: Distinct, other: Distinct, *, exact: int | None) -> Distinct:
    """Give what two parts have together.

    Args:
        one: Of the first part.
        other: Of the second part.
        exact: The number, where it is known otherwise.
    """
    if not (one.registers and other.registers) or one.hashed != other.hashed:
        count = exact if exact is not None else max(one.count, other.count)
        return Distinct(count=count, is_exact=exact is not None, registers=b"", hashed="")
    registers = bytes(map(max, one.registers, other.registers))
    count = exact if exact is not None else max(one.count, other.count, round(estimate(registers)))
    return Distinct(count=count, is_exact=exact is not None, registers=registers, hashed=one.hashed)


def estimate(registers: bytes) -> float:
    """Estimate how many different values were hashed.

    >>> round(estimate(registers_of((hash_ * 2654435761 % REGISTERS, 1) for hash_ in range(100))))
    101
    """
    counts = Counter(registers)
    total = REGISTERS * _tau(1 - counts[_RANK_BITS + 1] / REGISTERS)
    for rank in range(_RANK_BITS, 0, -1):
        total = (total + counts[rank]) / 2
    total += REGISTERS * _sigma(counts[0] / REGISTERS)
    return REGISTERS**2 / (2 * math.log(2)) / total


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    total, power, before = x, 1.0, -1.0
    while total != before:
        x, before = x * x, total
        total, power = total + x * power, power * 2
    return total


def _tau(x: float) -> float:
    if x in {0.0, 1.0}:
        return 0.0
    total, power, before = 1 - x, 1.0, math.inf
    while total != before:
        x, before, power = math.sqrt(x), total, power / 2
        total -= (1 - x) ** 2 * power
    return total / 3
