"""Python values as JSON, exactly: what comes back is equal in value and in type, at every level.

JSON's own values stand for themselves. Everything else is an object with one key that starts with `$`:
`{"$tuple": [...]}`, `{"$object": [class, {field: value}]}`. What has a format of its own (frames, arrays, models)
becomes a numbered part of the file, `{"$part": 0}`; what has none is pickled.
Called by `encode`; `_unpacker` is the way back.

Two references to one object become two equal objects.
"""

from __future__ import annotations

import enum
import functools
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from rung.artifacts import _classes, _formats, _leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_JSON_INT_BITS = 64  # larger ones are written in hexadecimal: Python refuses long decimal ones
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class KnownClass(NamedTuple):
    """A class that the JSON names: `module:QualName`, what it is, and its fields when it was written."""

    path: str
    kind: str  # dataclass | enum | model | namedtuple
    fields: list[str]


def to_json(packed: Any) -> bytes:
    """Write JSON as UTF-8; lone halves of surrogate pairs, which Python's strings may hold, are kept."""
    return _encoder.encode(packed).encode("utf-8", "surrogatepass")


class Packer:
    """Turns one value into JSON, and collects the parts and classes that the JSON refers to."""

    def __init__(self) -> None:
        self.parts: list[_formats.Dumped] = []
        self.classes: list[KnownClass] = []
        self._packers: dict[type, Callable[[Any], Any]] = {
            int: _pack_int,
            float: _pack_float,
            list: self._pack_list,
            dict: self._pack_dict,
            tuple: self._pack_tuple,
            set: functools.partial(self._pack_set, "$set"),
            frozenset: functools.partial(self._pack_set, "$frozenset"),
        }

    def pack(self, value: Any) -> Any:
        """Give the JSON that stands for the value.

        Raises:
            TaskError: no format, and not even pickle, can hold the value.
        """
        kind = type(value)
        if value is None or kind is str or kind is bool:
            return value
        packer = self._packers.get(kind)
        if packer is None:
            packer = self._packers[kind] = self._choose(kind)
        return packer(value)

    def pickle(self, value: Any) -> dict[str, int]:
        """Make the value a pickled part."""
        return self._add(_formats.pickle(value))

    def _choose(self, kind: type) -> Callable[[Any], Any]:
        """Choose once per class how its values are packed."""
        leaf = _leaves.leaf_of(kind)
        if leaf is not None:
            return functools.partial(self._pack_leaf, leaf)
        described = _describe(kind)
        if described is not None:
            self.classes.append(described)
            packer = {"enum": self._pack_enum, "model": self._pack_model}.get(described.kind, self._pack_fields)
            return functools.partial(packer, len(self.classes) - 1, described)
        name = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
        chosen: Callable[[Any], Any] = getattr(self, _LIBRARY_PACKERS.get(name, "_pack_part"))
        return chosen

    def _pack_list(self, value: list[Any]) -> Any:
        return [self.pack(item) for item in value]

    def _pack_tuple(self, value: tuple[Any, ...]) -> Any:
        return {"$tuple": [self.pack(item) for item in value]}

    def _pack_dict(self, value: dict[Any, Any]) -> Any:
        if _formats.are_tensors(value):
            return {"$tensors": [self._add(_formats.dump_tensors(value)), list(value)]}
        plain = all(type(key) is str for key in value) and not (len(value) == 1 and next(iter(value))[:1] == "$")
        if plain:
            return {key: self.pack(item) for key, item in value.items()}
        return {"$dict": [[self.pack(key), self.pack(item)] for key, item in value.items()]}

    def _pack_set(self, tag: str, value: Iterable[Any]) -> Any:
        """Sort the items by how each is written alone: the order of a set differs between processes."""
        if all(type(item) in _PLAIN for item in value):
            return {tag: sorted((self.pack(item) for item in value), key=to_json)}
        alone = [(_pack_alone(item), item) for item in value]
        if any(packer.parts for (_, packer), _ in alone):
            return self.pickle(value)
        alone.sort(key=lambda pair: to_json([pair[0][0], pair[0][1].classes]))
        return {tag: [self.pack(item) for _, item in alone]}

    def _pack_leaf(self, leaf: _leaves.Leaf, value: Any) -> Any:
        written = leaf.write(value)
        return self._pack_part(value) if written is None else {f"${leaf.tag}": written}

    def _pack_enum(self, index: int, _: KnownClass, value: enum.Enum) -> Any:
        """Name the member; a combination of flags has no name."""
        if value.name in type(value).__members__:
            return {"$enum": [index, value.name]}
        return self.pickle(value)

    def _pack_fields(self, index: int, known: KnownClass, value: Any) -> Any:
        """Pack a dataclass or a named tuple; pickle one that holds more, or less, than its fields."""
        if _has_extras(value, known) or not all(hasattr(value, name) for name in known.fields):
            return self.pickle(value)
        return {"$object": [index, {name: self.pack(getattr(value, name)) for name in known.fields}]}

    def _pack_model(self, index: int, known: KnownClass, value: Any) -> Any:
        """Pack a Pydantic model: its fields, and where they say something, the set ones, extra and private values."""
        if _has_extras(value, known):
            return self.pickle(value)
        held = value.__dict__
        content = {name: self.pack(held[name]) for name in known.fields if name in held}
        some_set = value.__pydantic_fields_set__
        rest = [
            None if len(some_set) == len(known.fields) else sorted(some_set),
            self.pack(value.__pydantic_extra__),
            self.pack(_set_private_values(value)),
        ]
        return {"$object": [index, content] if rest == [None, None, None] else [index, content, *rest]}

    def _pack_array(self, value: Any) -> Any:
        """Pack an array; one of objects item by item, since `.npy` would pickle them."""
        if value.dtype.kind != "O":
            return self._pack_part(value)
        return {"$objects": [list(value.shape), [self.pack(item) for item in value.flat]]}

    def _pack_series(self, value: Any) -> Any:
        return {"$series": [self.pack(value.rename("value").to_frame()), self.pack(value.name)]}

    def _pack_number(self, value: Any) -> Any:
        """Keep a NumPy number in the JSON."""
        return {"$numpy": [value.dtype.str, self.pack(value.item())]}

    def _pack_scalar(self, value: Any) -> Any:
        """Write any other NumPy scalar as an array without dimensions."""
        return {"$scalar": self._pack_part(value)}

    def _pack_part(self, value: Any) -> Any:
        return self._add(_formats.dump(value))

    def _add(self, part: _formats.Dumped) -> dict[str, int]:
        self.parts.append(part)
        return {"$part": len(self.parts) - 1}


def _pack_int(value: int) -> Any:
    return value if value.bit_length() <= _JSON_INT_BITS else {"$int": hex(value)}


def _pack_float(value: float) -> Any:
    return value if math.isfinite(value) else {"$float": repr(value)}


_PLAIN = (str, int, float, bool, type(None))
_NUMBERS = ("bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
_OTHER_SCALARS = ("bytes_", "complex64", "complex128", "datetime64", "longdouble", "longlong", "str_", "timedelta64")
_LIBRARY_PACKERS = {
    "numpy.ndarray": "_pack_array",
    "pandas.Series": "_pack_series",
    "polars.Series": "_pack_series",
    **{f"numpy.{name}": "_pack_number" for name in (*_NUMBERS, *_UNSIGNED)},
    **{f"numpy.{name}": "_pack_scalar" for name in _OTHER_SCALARS},
}


def _pack_alone(value: Any) -> tuple[Any, Packer]:
    packer = Packer()
    return packer.pack(value), packer


def _describe(kind: type) -> KnownClass | None:
    """Describe a class whose values can be packed field by field and whose name leads back to it."""
    form = _form_of(kind)
    if form is None or (form != "enum" and _is_pickled_its_own_way(kind)):
        return None
    path = _classes.importable_path(kind)
    return None if path is None else KnownClass(path, form, _classes.fields_of(kind, form))


def _form_of(kind: type) -> str | None:
    if issubclass(kind, enum.Enum):
        return "enum"
    if hasattr(kind, "__pydantic_complete__") and hasattr(kind, "model_fields"):
        return "model"
    if (
        hasattr(kind, "__dataclass_fields__") and kind.__new__ is object.__new__
    ):  # not one that is also a list or an error
        return "dataclass"
    return "namedtuple" if issubclass(kind, tuple) and hasattr(kind, "_fields") else None


def _is_pickled_its_own_way(kind: Any) -> bool:
    """Say whether the author decided what of a value is kept; fields are then not the whole of it."""
    if kind.__reduce__ is not object.__reduce__ or kind.__reduce_ex__ is not object.__reduce_ex__:
        return True
    return str(kind.__getstate__.__qualname__) not in _USUAL_STATES


_USUAL_STATES = ("object.__getstate__", "BaseModel.__getstate__", "_dataclass_getstate")


def _has_extras(value: Any, known: KnownClass) -> bool:
    """Say whether the value holds more than its fields; what a cached property computed is no more."""
    held = getattr(value, "__dict__", {})
    if list(held) == known.fields:
        return False
    names = held.keys() - known.fields
    return any(not isinstance(getattr(type(value), name, None), functools.cached_property) for name in names)


def _set_private_values(model: Any) -> dict[str, Any] | None:
    """Give a model's private attributes, less those that were never set; pickling does the same."""
    private: dict[str, Any] = model.__getstate__()["__pydantic_private__"] if model.__pydantic_private__ else {}
    return private or None
