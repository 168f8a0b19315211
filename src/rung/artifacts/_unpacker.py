"""The way back from an artifact's JSON and parts to the Python value. Called by `decode`.

Values are put together without running constructors or validators: what was stored is what comes back. A class whose
fields have changed since is refused, by name.
"""

from __future__ import annotations

import enum
import json
from typing import TYPE_CHECKING, Any

from rung.artifacts import _classes, _formats, _leaves
from rung.errors import IntegrityError, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rung.artifacts._packer import KnownClass


def from_json(data: memoryview) -> Any:
    """Read what the packer's `to_json` wrote."""
    return json.loads(str(data, "utf-8", "surrogatepass"))


class Unpacker:
    """Turns JSON into the value that it stands for."""

    def __init__(self, parts: Sequence[_formats.Stored], classes: Sequence[KnownClass], *, trusted: bool) -> None:
        self._parts = parts
        self._known = classes
        self._trusted = trusted
        self._found: dict[int, Any] = {}
        self._readers: dict[str, Callable[[Any], Any]] = {
            "$dict": lambda pairs: {self.unpack(key): self.unpack(item) for key, item in pairs},
            "$enum": self._read_enum,
            "$float": float,
            "$frozenset": lambda items: frozenset(map(self.unpack, items)),
            "$int": lambda text: int(text, 16),
            "$numpy": self._read_number,
            "$object": self._read_object,
            "$objects": self._read_objects,
            "$part": self._read_part,
            "$scalar": lambda part: self.unpack(part)[()],
            "$series": self._read_series,
            "$set": lambda items: set(map(self.unpack, items)),
            "$tensors": self._read_tensors,
            "$tuple": lambda items: tuple(map(self.unpack, items)),
        }

    def unpack(self, packed: Any) -> Any:
        """Give the value that the JSON stands for.

        Raises:
            CallError: it needs code to run or a module to be imported, and the digest was not checked.
            IntegrityError: no such JSON is ever written.
            TaskError: a class or a library has changed since.
        """
        kind = type(packed)
        if kind is not dict:
            return [self.unpack(item) for item in packed] if kind is list else packed
        if len(packed) == 1:
            ((tag, content),) = packed.items()
            if tag[:1] == "$":
                return self._reader(tag)(content)
        return {key: self.unpack(item) for key, item in packed.items()}

    def _reader(self, tag: str) -> Callable[[Any], Any]:
        reader = self._readers.get(tag) or _leaves.reader_of(tag[1:])
        if reader is None:
            raise IntegrityError(f"the artifact holds {tag!r}, which this version of Rung does not know")
        self._readers[tag] = reader
        return reader

    def _class(self, index: int) -> Any:
        """Find a class once, and check that its values still have the same fields."""
        if index not in self._found:
            known = self._known[index]
            kind = _classes.find(known.path, trusted=self._trusted)
            _check_class(kind, known)
            self._found[index] = kind
        return self._found[index]

    def _read_enum(self, content: Any) -> Any:
        index, name = content
        members = self._class(index).__members__
        if name not in members:
            raise _changed(self._known[index], f"{name!r} is not one of {', '.join(members)}")
        return members[name]

    def _read_object(self, content: Any) -> Any:
        index, fields, *rest = content
        kind, form = self._class(index), self._known[index].kind
        values = {name: self.unpack(item) for name, item in fields.items()}
        if form == "namedtuple":
            return tuple.__new__(kind, values.values())
        if form == "model":
            return _make_model(kind, values, list(map(self.unpack, rest)))
        made = object.__new__(kind)
        for name, item in values.items():
            object.__setattr__(made, name, item)
        return made

    def _read_number(self, content: Any) -> Any:
        import numpy as np  # noqa: PLC0415  # start-up time: only where an artifact holds NumPy's

        code, item = content
        return np.dtype(code).type(self.unpack(item))

    def _read_objects(self, content: Any) -> Any:
        import numpy as np  # noqa: PLC0415  # start-up time: as above

        shape, items = content
        array = np.empty(len(items), dtype=object)
        for at, item in enumerate(items):
            array[at] = self.unpack(item)
        return array.reshape(shape)

    def _read_series(self, content: Any) -> Any:
        frame, name = map(self.unpack, content)
        return frame["value"].rename(name)

    def _read_tensors(self, content: Any) -> Any:
        part, names = content
        tensors = self.unpack(part)
        return {name: tensors[name] for name in names}

    def _read_part(self, index: int) -> Any:
        return _formats.load(self._parts[index], trusted=self._trusted)


def _check_class(kind: Any, known: KnownClass) -> None:
    """Refuse what is no such class, or one with other fields: its values would be half made."""
    if not isinstance(kind, type) or not _IS_FORM[known.kind](kind):
        raise _changed(known, f"it is no {known.kind} now")
    now = _classes.fields_of(kind, known.kind)
    if now != known.fields:
        raise _changed(known, f"its fields were {', '.join(known.fields)} and are {', '.join(now)}")


_IS_FORM: dict[str, Callable[[Any], bool]] = {
    "dataclass": lambda kind: hasattr(kind, "__dataclass_fields__"),
    "enum": lambda kind: issubclass(kind, enum.Enum),
    "model": lambda kind: hasattr(kind, "__pydantic_complete__"),
    "namedtuple": lambda kind: issubclass(kind, tuple) and hasattr(kind, "_fields"),
}


def _make_model(kind: Any, values: dict[str, Any], rest: Sequence[Any]) -> Any:
    """Make a Pydantic model the way unpickling does."""
    fields_set, extra, private = rest or (None, None, None)
    model = kind.__new__(kind)
    model.__setstate__(
        {
            "__dict__": values,
            "__pydantic_fields_set__": set(kind.model_fields if fields_set is None else fields_set),
            "__pydantic_extra__": extra,
            "__pydantic_private__": private or ({} if kind.__private_attributes__ else None),
        }
    )
    return model


def _changed(known: KnownClass, how: str) -> TaskError:
    return TaskError(
        f"the artifact holds a {known.path}, and that has changed: {how}",
        hint="run the task again, or go back to the code that made the artifact",
    )
