"""The file format of an artifact: a plain ZIP, stored without compression, with nothing in it that changes by itself.

Times, attributes and order are fixed, so that equal parts make equal bytes and equal digests. Any ZIP tool can open the
file. Reading accepts only the bytes that `pack` would write: no other entry, no gap, no overlap, no odd name.
Called by the encoder for `<task>.artifact` and by the skops format for the archive inside.

Layout: APPNOTE.TXT 6.3.10 (PKWARE), with the ZIP64 fields always present: one path for small and for huge parts.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from rung.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_EXTRA = struct.Struct("<2H2Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_CENTRAL_EXTRA = struct.Struct("<2H3Q")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")
_TAIL = _END_64.size + _LOCATOR_64.size + _END.size

_VERSION = 45  # the first with ZIP64
_UNIX = 3 << 8 | _VERSION
_UTF8 = 0x800
_FIRST_OF_1980 = 33  # the earliest date that a ZIP can hold
_REGULAR_FILE = 0o100644 << 16
_IN_EXTRA = 0xFFFFFFFF
_IN_EXTRA_16 = 0xFFFF


Bytes = bytes | bytearray | memoryview


class Part(NamedTuple):
    """One file of a container: its name and its bytes, in one or several pieces."""

    name: str
    data: Bytes | tuple[Bytes, ...]


def pack(parts: Sequence[Part]) -> bytes:
    """Put the parts into one file, in their order.

    >>> pack([Part("a", b"1")]) == pack([Part("a", b"1")])
    True
    """
    return b"".join(pieces(parts))


def pieces(parts: Sequence[Part]) -> tuple[Bytes, ...]:
    """Give what `pack` gives, not yet put together: a part of another container, without a copy of a large model."""
    return tuple(piece for section in _sections(parts) for piece in section)


def unpack(data: bytes) -> list[tuple[str, memoryview]]:
    """Take a container apart; the parts are views of its bytes.

    Raises:
        IntegrityError: the bytes are not exactly what `pack` writes.
    """
    view = memoryview(data).toreadonly()
    parts = _directory(view)
    at = 0
    for header, content in _sections([Part(name, content) for name, content in parts]):
        if view[at : at + len(header)] != header:
            raise _damaged(f"byte {at} or one soon after it is not what was written")
        at += len(header) + len(content)
    if at != len(view):
        raise _damaged(f"it has {len(view)} bytes where {at} were written")
    return parts


def first_part(start: bytes) -> tuple[int, int]:
    """Say where the first part lies, from the first bytes of a file: its offset, and its size in bytes.

    Raises:
        IntegrityError: the file does not start as a container does.
    """
    try:
        signature, *_, name_size, extra_size = _LOCAL.unpack_from(start)
        _, _, size, _ = _LOCAL_EXTRA.unpack_from(start, _LOCAL.size + name_size)
    except struct.error as error:
        raise _damaged("it ends too early") from error
    if signature != b"PK\3\4" or extra_size != _LOCAL_EXTRA.size:
        raise _damaged("it does not start as an artifact does")
    return _LOCAL.size + name_size + extra_size, size


def _sections(parts: Sequence[Part]) -> Iterator[tuple[bytes, Bytes]]:
    """Give every stretch of the file as what Rung decides (a header) and what it is given (the content)."""
    directory = []
    at = 0
    for name, data in parts:
        chunks = data if isinstance(data, tuple) else (data,)
        encoded, size, checksum = name.encode(), sum(map(len, chunks)), 0
        for chunk in chunks:
            checksum = zlib.crc32(chunk, checksum)
        common = (_VERSION, _UTF8, 0, 0, _FIRST_OF_1980, checksum, _IN_EXTRA, _IN_EXTRA, len(encoded))
        header = _LOCAL.pack(b"PK\3\4", *common, _LOCAL_EXTRA.size) + encoded + _LOCAL_EXTRA.pack(1, 16, size, size)
        attributes = (_CENTRAL_EXTRA.size, 0, 0, 0, _REGULAR_FILE, _IN_EXTRA)
        directory.append(_CENTRAL.pack(b"PK\1\2", _UNIX, *common, *attributes) + encoded)
        directory.append(_CENTRAL_EXTRA.pack(1, 24, size, size, at))
        yield header, b""
        for chunk in chunks:
            yield b"", chunk
        at += len(header) + size
    listing = b"".join(directory)
    count = len(parts)
    yield (
        listing
        + _END_64.pack(b"PK\6\6", _END_64.size - 12, _UNIX, _VERSION, 0, 0, count, count, len(listing), at)
        + _LOCATOR_64.pack(b"PK\6\7", 0, at + len(listing), 1)
        + _END.pack(b"PK\5\6", 0, 0, _IN_EXTRA_16, _IN_EXTRA_16, _IN_EXTRA, _IN_EXTRA, 0),
        b"",
    )


def _directory(view: memoryview) -> list[tuple[str, memoryview]]:
    """Read what the file says of its parts; `unpack` then checks that it says the truth."""
    try:
        *_, count, size, start = _END_64.unpack_from(view, len(view) - _TAIL)
        if start + size + _TAIL != len(view):
            raise _damaged("its directory is not where it should be")
        parts, at = [], start
        for _ in range(count):
            name_size = _CENTRAL.unpack_from(view, at)[10]
            at += _CENTRAL.size
            name = bytes(view[at : at + name_size]).decode()
            _, _, length, _, offset = _CENTRAL_EXTRA.unpack_from(view, at + name_size)
            at += name_size + _CENTRAL_EXTRA.size
            content = offset + _LOCAL.size + name_size + _LOCAL_EXTRA.size
            parts.append((name, view[content : content + length]))
    except (struct.error, UnicodeDecodeError) as error:
        raise _damaged("its directory cannot be read") from error
    return parts


def _damaged(reason: str) -> IntegrityError:
    return IntegrityError(
        f"this is not an artifact as Rung writes it: {reason}", hint="run the task that made it again"
    )
