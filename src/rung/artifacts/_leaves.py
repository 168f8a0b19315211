"""Small values of the standard library as JSON, both directions side by side.

A leaf is written only when reading gives it back exactly; its writer says None otherwise, and the value is pickled.
Called by the packer and the unpacker.
"""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_INLINE_BYTES = 256  # longer ones become a part of their own


class Leaf(NamedTuple):
    """How values of one kind become the JSON in `{"$tag": ...}` and come back."""

    tag: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def leaf_of(kind: type) -> Leaf | None:
    """Give the leaf for values of exactly this class."""
    return _BY_CLASS.get(f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}")


def reader_of(tag: str) -> Callable[[Any], Any] | None:
    """Give the reader of `{"$tag": ...}`."""
    return _READERS.get(tag)


def _write_bytes(value: bytes) -> str | None:
    return base64.b64encode(value).decode() if len(value) <= _INLINE_BYTES else None


def _write_complex(value: complex) -> list[str]:
    return [repr(value.real), repr(value.imag)]


def _read_complex(parts: list[str]) -> complex:
    return complex(*map(float, parts))


def _write_moment(value: dt.datetime | dt.time) -> list[Any] | None:
    zone = _write_zone(value.tzinfo)
    return None if zone is None else [value.replace(tzinfo=None).isoformat(), value.fold, *zone]


def _read_datetime(parts: list[Any]) -> dt.datetime:
    text, fold, *zone = parts
    return dt.datetime.fromisoformat(text).replace(tzinfo=_read_zone(zone), fold=fold)


def _read_time(parts: list[Any]) -> dt.time:
    text, fold, *zone = parts
    return dt.time.fromisoformat(text).replace(tzinfo=_read_zone(zone), fold=fold)


def _write_timedelta(value: dt.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _read_timedelta(parts: list[int]) -> dt.timedelta:
    return dt.timedelta(*parts)


def _write_zone(zone: dt.tzinfo | None) -> list[Any] | None:
    """Name a time zone: [], [kind, key]; None when there is no exact name."""
    if zone is None:
        return []
    kind = f"{type(zone).__module__.partition('.')[0]}.{type(zone).__qualname__}"
    if kind == "datetime.timezone":
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]  # what pickle asks of a timezone
        return ["timezone", _write_timedelta(offset), *name]
    if kind == "zoneinfo.ZoneInfo":
        key = getattr(zone, "key", None)
        return None if key is None else ["ZoneInfo", key]
    if kind == "pydantic_core.TzInfo":
        offset = zone.utcoffset(None)
        return None if offset is None else ["TzInfo", offset.total_seconds()]
    return None


def _read_zone(parts: list[Any]) -> dt.tzinfo | None:
    if not parts:
        return None
    kind, key, *name = parts
    if kind == "timezone":
        return _read_timezone(_read_timedelta(key), name)
    if kind == "ZoneInfo":
        import zoneinfo  # noqa: PLC0415  # start-up time: few artifacts hold a named zone

        return zoneinfo.ZoneInfo(key)
    from pydantic_core import TzInfo  # noqa: PLC0415  # start-up time: as above

    return TzInfo(key)


def _read_timezone(offset: dt.timedelta, name: list[str]) -> dt.timezone:
    """Give the one UTC object for UTC: libraries compare it by identity."""
    return dt.timezone(offset, *name) if offset or name else dt.UTC


def _read_decimal(text: str) -> Any:
    import decimal  # noqa: PLC0415  # start-up time

    return decimal.Decimal(text)


def _read_uuid(text: str) -> Any:
    import uuid  # noqa: PLC0415  # start-up time

    return uuid.UUID(text)


def _write_path(value: Any) -> list[str]:
    name = type(value).__name__
    return [name if name.startswith("Pure") else "Path", str(value)]


def _read_path(parts: list[str]) -> Any:
    import pathlib  # noqa: PLC0415  # start-up time

    name, text = parts
    kinds = {"Path": pathlib.Path, "PurePosixPath": pathlib.PurePosixPath, "PureWindowsPath": pathlib.PureWindowsPath}
    return kinds[name](text)


_TIMEDELTA = Leaf("timedelta", _write_timedelta, _read_timedelta)
_PATH = Leaf("path", _write_path, _read_path)

_BY_CLASS = {
    "builtins.bytes": Leaf("bytes", _write_bytes, base64.b64decode),
    "builtins.complex": Leaf("complex", _write_complex, _read_complex),
    "datetime.date": Leaf("date", dt.date.isoformat, dt.date.fromisoformat),
    "datetime.datetime": Leaf("datetime", _write_moment, _read_datetime),
    "datetime.time": Leaf("time", _write_moment, _read_time),
    "datetime.timedelta": _TIMEDELTA,
    "datetime.timezone": Leaf("timezone", _write_zone, _read_zone),
    "decimal.Decimal": Leaf("decimal", str, _read_decimal),
    "pathlib.PosixPath": _PATH,
    "pathlib.PurePosixPath": _PATH,
    "pathlib.PureWindowsPath": _PATH,
    "pathlib.WindowsPath": _PATH,
    "uuid.UUID": Leaf("uuid", str, _read_uuid),
    "zoneinfo.ZoneInfo": Leaf("timezone", _write_zone, _read_zone),
}
_READERS = {leaf.tag: leaf.read for leaf in _BY_CLASS.values()}
