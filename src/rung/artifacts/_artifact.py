"""Any Python value as one self-describing file, and back. Called by the runner of trainings and by serving.

A file holds `artifact.json` (what it is), `value.json` (the structure) and one part per frame, array or model in it.
Equal values give equal bytes, in every process and on every day, except where a part is pickled.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rung.artifacts import _classes, _container, _digests, _formats
from rung.artifacts._packer import KnownClass, Packer, to_json
from rung.artifacts._unpacker import Unpacker, from_json
from rung.errors import IntegrityError, RungError, TaskError

_VERSION = 1
_HEADER = "artifact.json"
_VALUE = "value.json"
_ENOUGH_FOR_MOST_HEADERS = 4096
_TAGS_OF_A_PART = frozenset(("$part", "$series", "$tensors"))
_RUN_AGAIN = "run the task that made it again"
_SUFFIXES = {"bytes": "bin", _formats.PICKLED: "pickle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What an artifact is, without reading its value."""

    format: str  # json | parquet | npy | npz | safetensors | skops | onnx | bytes | cloudpickle | composite
    type: str  # module:QualName of the value's class
    size: int  # bytes of the whole file
    marked_unsafe: bool  # some part is pickled: reading it runs code, and its digest may differ from run to run
    formats: tuple[str, ...] = ()  # of the parts
    classes: tuple[str, ...] = ()  # module:QualName of the classes that the structure names
    libraries: dict[str, str]  # versions that it was written with


def encode(value: Any) -> bytes:
    """Write a value as one file: the content of `<task>.artifact`.

    >>> decode(encode({"rmse": 3.5, "bins": (1, 2)}))
    {'rmse': 3.5, 'bins': (1, 2)}

    Raises:
        TaskError: the value cannot be stored; the hint says what can.
    """
    packer = Packer()
    try:
        packed = packer.pack(value)
    except RecursionError:
        packer = Packer()
        packed = packer.pickle(value)
    names = [f"{at}.{_SUFFIXES.get(part.format, part.format)}" for at, part in enumerate(packer.parts)]
    header = {
        "artifact": _VERSION,
        "format": _format_of(packed, packer.parts),
        "type": _classes.path_of(type(value)),
        "libraries": _formats.versions_of({name for part in packer.parts for name in part.libraries}),
        "classes": packer.classes,
        "parts": [[name, part.format, part.type, part.trusted] for name, part in zip(names, packer.parts, strict=True)],
    }
    contents = [_container.Part(name, part.data) for name, part in zip(names, packer.parts, strict=True)]
    start = [_container.Part(_HEADER, to_json(header)), _container.Part(_VALUE, to_json(packed))]
    return _container.pack([*start, *contents])


def decode(source: bytes | Path, *, digest: str | None = None) -> Any:
    """Read a value.

    With its digest, the file must match it, and may then run what it holds: pickles, the author's classes in an
    estimator, imports of modules. Without, only data is read, into classes whose modules are imported already.

    Raises:
        CallError: reading it would run code, and no digest was given.
        IntegrityError: the file does not match the digest, or is not what Rung writes.
        TaskError: a class or a library that it needs is gone or has changed.
    """
    data = _read(source) if isinstance(source, Path) else source
    if digest is not None:
        _digests.verify(data, digest, name=str(source) if isinstance(source, Path) else "")
    header, value, parts = _take_apart(data)
    unpacker = Unpacker(parts, header.classes, trusted=digest is not None)
    try:
        return unpacker.unpack(value)
    except RungError:
        raise
    except Exception as error:
        raise _unreadable(header, error) from error


def describe(source: bytes | Path) -> Description:
    """Say what an artifact is; of a file, only the first bytes are read.

    Raises:
        IntegrityError: it is not an artifact.
    """
    header, size = _read_header_of_file(source) if isinstance(source, Path) else (_read_header(source), len(source))
    return Description(
        format=header.format,
        type=header.type,
        size=size,
        marked_unsafe=any(part.format == _formats.PICKLED for part in header.parts),
        formats=tuple(part.format for part in header.parts),
        classes=tuple(known.path for known in header.classes),
        libraries=header.libraries,
    )


class _Header(NamedTuple):
    """What `artifact.json` says."""

    format: str
    type: str
    libraries: dict[str, str]
    classes: list[KnownClass]
    parts: list[_HeaderPart]


class _HeaderPart(NamedTuple):
    name: str
    format: str
    type: str
    trusted: tuple[str, ...]


def _format_of(packed: Any, parts: list[_formats.Dumped]) -> str:
    """Name the artifact by its only part when there is nothing else in it."""
    if not parts:
        return "json"
    is_its_part = isinstance(packed, dict) and not packed.keys().isdisjoint(_TAGS_OF_A_PART)
    return parts[0].format if is_its_part and len(parts) == 1 else "composite"


def _take_apart(data: bytes) -> tuple[_Header, Any, list[_formats.Stored]]:
    contents = _container.unpack(data)
    header = _read_header(data)
    if [name for name, _ in contents] != [_HEADER, _VALUE, *(part.name for part in header.parts)]:
        raise IntegrityError("the artifact's parts are not those that it lists", hint=_RUN_AGAIN)
    parts = [
        _formats.Stored(entry.format, entry.type, data, entry.trusted)
        for entry, (_, data) in zip(header.parts, contents[2:], strict=True)
    ]
    try:
        return header, from_json(contents[1][1]), parts
    except ValueError as error:
        raise IntegrityError("the artifact's structure is no JSON", hint=_RUN_AGAIN) from error


def _read(path: Path) -> bytes:
    with _digests.opened(path) as file:
        return file.read()


def _read_header_of_file(path: Path) -> tuple[_Header, int]:
    with _digests.opened(path) as file:
        start = file.read(_ENOUGH_FOR_MOST_HEADERS)
        offset, size = _container.first_part(start)
        start += file.read(max(0, offset + size - len(start)))
        return _read_header(start), os.fstat(file.fileno()).st_size


def _read_header(start: bytes) -> _Header:
    offset, size = _container.first_part(start)
    try:
        said = from_json(memoryview(start)[offset : offset + size])
        version = said["artifact"]
        classes = [KnownClass(*known) for known in said["classes"]]
        parts = [_HeaderPart(name, form, kind, tuple(trusted)) for name, form, kind, trusted in said["parts"]]
        header = _Header(said["format"], said["type"], said["libraries"], classes, parts)
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError("this is not an artifact: its first part does not say what it holds") from error
    if version != _VERSION:
        raise IntegrityError(f"the artifact has version {version}, and this Rung reads {_VERSION}", hint="update Rung")
    return header


def _unreadable(header: _Header, error: Exception) -> TaskError:
    """Say why, and with which versions it was written where those differ from today's."""
    now = _formats.versions_of(header.libraries)
    changed = [
        f"{name} {then} (now {now.get(name, 'not there')})"
        for name, then in header.libraries.items()
        if now.get(name) != then
    ]
    hint = f"it was written with {', '.join(changed)}; use that or run the task again" if changed else _RUN_AGAIN
    return TaskError(f"the artifact, a {header.type}, cannot be read: {error}", hint=hint)
