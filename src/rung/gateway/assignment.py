"""Which arm a unit belongs to: the gateway's own arithmetic in Python, so that every assignment can be audited.

Envoy computes xxHash64 (seed 0) of "<salt>:<unit>" and takes it modulo the total weight. The challengers own the lowest
buckets, one after the other: with one of them, a larger share only ever moves units towards it.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from rung.gateway.routing import BUCKETS

if TYPE_CHECKING:
    from rung.gateway.routing import Arm, Production

__all__ = ["UNIT_PATTERN", "assigned", "xxh64"]

UNIT_PATTERN: Final = r"[ -+\--~]{1,256}"
"""What can be assigned: 1 to 256 printable ASCII characters but no comma, by which repeated headers are joined."""

_UNIT = re.compile(UNIT_PATTERN)
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_P1, _P2, _P3 = 0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9
_P4, _P5 = 0x85EB_CA77_C2B2_AE63, 0x27D4_EB2F_1656_67C5
_STRIPE = 32  # bytes that the four lanes take per round


def assigned(production: Production, unit: str | None) -> Arm | None:
    """Return the arm of a unit, in some twenty microseconds; None outside an experiment, where the incumbent answers.

    That is without a split, and without a usable unit.

    >>> from rung.gateway import Production, Split
    >>> split = Split.ab(experiment="e1", challenger="housing.v1.m3", share=0.5)
    >>> production = Production(service="housing", major=1, incumbent="housing.v1.m2", split=split)
    >>> assigned(production, "customer-7").name
    'incumbent'
    >>> assigned(production, None) is None
    True
    """
    if production.split is None or unit is None or not _UNIT.fullmatch(unit):
        return None
    bucket = xxh64(f"{production.split.hash_salt}:{unit}".encode()) % BUCKETS
    arms = production.arms
    ends = accumulate(arm.weight for arm in arms)
    return next(arm for arm, end in zip(arms, ends, strict=True) if bucket < end)


def xxh64(data: bytes) -> int:
    """Return the 64 bit xxHash of `data` with seed 0, after the XXH64 specification (Collet, xxHash, section XXH64).

    >>> hex(xxh64(b""))
    '0xef46db3751d8e999'
    """
    lanes_end = len(data) - len(data) % _STRIPE
    value = _stripes(data[:lanes_end]) if lanes_end else _P5
    value = _tail((value + len(data)) & _MASK, data[lanes_end:])
    value = ((value ^ (value >> 33)) * _P2) & _MASK
    value = ((value ^ (value >> 29)) * _P3) & _MASK
    return value ^ (value >> 32)


def _stripes(data: bytes) -> int:
    lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
    for start in range(0, len(data), 8):
        lane = start // 8 % 4
        lanes[lane] = _round(lanes[lane], int.from_bytes(data[start : start + 8], "little"))
    value = sum(_rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
    for lane in lanes:
        value = ((value ^ _round(0, lane)) * _P1 + _P4) & _MASK
    return value


def _tail(value: int, data: bytes) -> int:
    while len(data) >= 8:  # noqa: PLR2004  # a word of 64 bits
        value = (_rotated(value ^ _round(0, int.from_bytes(data[:8], "little")), 27) * _P1 + _P4) & _MASK
        data = data[8:]
    if len(data) >= 4:  # noqa: PLR2004  # half a word
        value = (_rotated(value ^ (int.from_bytes(data[:4], "little") * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        data = data[4:]
    for byte in data:
        value = _rotated(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    return value


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK
