"""Tensors of the Open Inference Protocol: which ones a schema makes, how rows become tensors and back. Pure.

`_v2.py` calls it. A row is what a consumer of a typed route sends for one instance, or gets for it; a tensor is one
field of all rows. A field that no tensor fits (it may be null, its lists differ in length, it has several types) is a
tensor of BYTES with one JSON text for each row.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TEXT: Final = "BYTES"
"""The datatype of strings."""
_OF_TYPES = {"boolean": "BOOL", "integer": "INT64", "number": "FP64", "string": TEXT}  # of JSON Schema
_OF_VALUES = {bool: "BOOL", int: "INT64", float: "FP64", str: TEXT}
_PACKED = dict(
    zip(
        ("BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP16", "FP32", "FP64"),
        "?bhiqBHIQefd",
        strict=True,
    )
)
"""Datatypes of one size, and the letters that `struct` has for them."""
DATATYPES: Final = frozenset((*_PACKED, TEXT))
_PREFIX = struct.Struct("<I")  # the length of each element of BYTES
_Schema = dict[str, Any]


class TensorError(ValueError):
    """A tensor does not fit its field, or its data do not fit its shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One field of a schema as a tensor."""

    name: str
    """The keys that lead to the field, joined by dots."""
    path: tuple[str, ...]
    """These keys; none when the whole row is one value."""
    datatype: str
    shape: tuple[int, ...]
    """Of one row: () for a single value, -1 where a length varies."""
    is_json: bool
    """Each row is a JSON text."""

    @property
    def metadata(self) -> dict[str, Any]:
        """As the protocol describes a tensor, all rows of it."""
        return {"name": self.name, "datatype": self.datatype, "shape": [-1, *self.shape]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A tensor that a client sent."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """All rows first; at least one dimension."""
    values: list[Any]
    """Flat, row-major."""


def tensors_of(schema: _Schema, *, whole: str, is_answer: bool) -> tuple[Tensor, ...]:
    """Derive the tensors of a model from its JSON Schema, in the order of its fields; models in it are flattened.

    Args:
        schema: Of one row.
        whole: Name of the tensor when a row is not an object with known fields.
        is_answer: The tensors are promised: lists whose length varies and fields that may be null are JSON.
    """
    definitions = schema.get("$defs", {})
    reader = _Reader(definitions=definitions, whole=whole, is_answer=is_answer)
    tensors = tuple(reader.flattened(schema))
    if len({tensor.name for tensor in tensors}) == len(tensors):
        return tensors
    return tuple(reader.leaf(inner, (key,)) for key, inner in reader.resolved(schema)["properties"].items())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    definitions: Mapping[str, _Schema]
    whole: str
    is_answer: bool

    def flattened(
        self, schema: _Schema, path: tuple[str, ...] = (), above: frozenset[str] = frozenset()
    ) -> Iterator[Tensor]:
        reference = schema.get("$ref")
        found = self.resolved(schema)
        is_open = self.is_answer and path and found.get("additionalProperties", False) is not False
        if not found.get("properties") or is_open or reference in above:
            yield self.leaf(schema, path)
            return
        for key, inner in found["properties"].items():
            yield from self.flattened(inner, (*path, key), above | {reference} if reference else above)

    def leaf(self, schema: _Schema, path: tuple[str, ...]) -> Tensor:
        inner = self.resolved(schema if self.is_answer else self._not_null(schema))
        lengths: list[int] = []
        while inner.get("type") == "array":
            lengths.append(
                inner["minItems"] if "minItems" in inner and inner["minItems"] == inner.get("maxItems") else -1
            )
            inner = self.resolved(_items(inner))
        datatype = _datatype(inner)
        is_json = datatype is None or (self.is_answer and -1 in lengths)
        return Tensor(
            name=".".join(path) or self.whole,
            path=path,
            datatype=datatype if datatype and not is_json else TEXT,
            shape=() if is_json else tuple(lengths),
            is_json=is_json,
        )

    def resolved(self, schema: _Schema) -> _Schema:
        while "$ref" in schema:
            others = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self.definitions[schema["$ref"].rpartition("/")[2]], **others}
        return schema

    def _not_null(self, schema: _Schema) -> _Schema:
        choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
        return choices[0] if len(choices) == 1 else schema


def _items(array: _Schema) -> _Schema:
    """Give the schema of all elements of a list, or one that nothing is known of."""
    prefix = array.get("prefixItems")
    if prefix is None:
        items: _Schema = array.get("items", {})
        return items
    is_even = len(prefix) == array.get("maxItems") and all(item == prefix[0] for item in prefix)
    return prefix[0] if is_even else {}


def _datatype(schema: _Schema) -> str | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    of_values = {_OF_VALUES.get(type(value)) for value in values}
    if len(of_values) == 1:
        return of_values.pop()
    named = schema.get("type")
    return _OF_TYPES.get(named) if isinstance(named, str) else None


def given(name: str, datatype: str, shape: Sequence[int], data: list[Any], *, most_rows: int) -> Given:
    """Check a tensor's data against its shape.

    Args:
        name: Of the tensor.
        datatype: One of `DATATYPES`.
        shape: All rows first.
        data: Flat or nested, row-major.
        most_rows: Rows at the most; bounds the memory that a shape can ask for.

    Raises:
        TensorError: They do not fit.
    """
    values = list(_flat(data))
    if len(values) != prod(shape) or prod(max(1, size) for size in shape) > max(len(values), most_rows):
        raise TensorError(
            f"the input {name!r} has {len(values)} values in the shape {list(shape)}; "
            f"a shape holds as many as its product, in {most_rows} rows at the most"
        )
    return Given(name=name, datatype=datatype, shape=tuple(shape), values=values)


def _flat(data: list[Any]) -> Iterator[Any]:
    for value in data:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def rows_of(inputs: Sequence[Given], tensors: Sequence[Tensor]) -> list[Any]:
    """Make the rows of these tensors: dicts, ready to be written as JSON.

    Raises:
        TensorError: A tensor belongs to no field or does not fit its field, or they differ in their rows.
    """
    fields = {tensor.name: tensor for tensor in tensors}
    inputs = _columns(inputs, tensors)
    for each in inputs:
        if each.name not in fields:
            raise TensorError(f"there is no input {each.name!r}; there is {', '.join(fields)}")
        if each.shape[0] != inputs[0].shape[0]:
            raise TensorError(
                f"the inputs {inputs[0].name!r} and {each.name!r} have {inputs[0].shape[0]} and {each.shape[0]} rows; "
                "all tensors have one row for each instance"
            )
    rows: list[Any] = [{} for _ in range(inputs[0].shape[0])]
    for each in inputs:
        tensor = fields[each.name]
        values = _of_rows(each, tensor)
        if not tensor.path:
            return values
        for row, value in zip(rows, values, strict=True):
            _put(row, tensor.path, value)
    return rows


_MATRICES = ("input-0", "inputs")


def _columns(inputs: Sequence[Given], tensors: Sequence[Tensor]) -> Sequence[Given]:
    """Take a lone matrix of numbers apart: all fields in their order, or the only field."""
    (first, *others) = inputs
    if others or first.name not in _MATRICES or any(tensor.name == first.name for tensor in tensors):
        return inputs
    if len(tensors) == 1:
        return [Given(name=tensors[0].name, datatype=first.datatype, shape=first.shape, values=first.values)]
    width = len(tensors)
    if any(tensor.shape or tensor.datatype == TEXT for tensor in tensors) or first.shape[1:] != (width,):
        raise TensorError(
            f"the input {first.name!r} has the shape {list(first.shape)}; one matrix holds all fields in their order "
            f"when each is a number, here {[-1, width]}: send a tensor for each field, named as it is"
        )
    return [
        Given(name=tensor.name, datatype=first.datatype, shape=first.shape[:1], values=first.values[at::width])
        for at, tensor in enumerate(tensors)
    ]


def _of_rows(given: Given, tensor: Tensor) -> list[Any]:
    """Give the value of the field in each row."""
    inner = given.shape[1:]
    is_scalar = inner in ((), (1,))
    fits = is_scalar if tensor.shape == () else len(inner) == len(tensor.shape)
    if given.datatype == TEXT and (tensor.datatype != TEXT or tensor.is_json or not fits):
        if is_scalar:
            return [_parsed(value, given.name) for value in given.values]
    elif tensor.is_json:
        return _nested(given.values, given.shape)
    elif fits:
        return _nested(given.values, given.shape[:1] if tensor.shape == () else given.shape)
    raise TensorError(
        f"the input {given.name!r} has the shape {list(given.shape)}; "
        f"it is {tensor.metadata['shape']}, or [-1] of BYTES with a JSON text for each row"
    )


def _parsed(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return from_json(value)
    except ValueError as error:
        raise TensorError(f"the input {name!r} holds {value[:50]!r}, which is not JSON: {error}") from None


def _nested(values: list[Any], shape: tuple[int, ...]) -> list[Any]:
    for axis in range(len(shape) - 1, 0, -1):
        size = shape[axis]
        values = [values[at * size : (at + 1) * size] for at in range(prod(shape[:axis]))]
    return values


def _put(row: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        row = row.setdefault(key, {})
    row[path[-1]] = value


def values_of(rows: Sequence[Any], tensor: Tensor) -> list[Any]:
    """Give the values of one tensor of these rows, flat and row-major.

    Raises:
        TensorError: A row does not have the field, or not in its shape, whatever the schema says.
    """
    try:
        values = [_at(row, tensor.path) for row in rows]
    except (KeyError, TypeError):
        raise TensorError(f"a prediction has no {tensor.name!r}, which its schema promises") from None
    if tensor.is_json:
        return [to_json(value).decode() for value in values]
    for _ in tensor.shape:
        values = list(chain.from_iterable(values))
    if len(values) != len(rows) * prod(tensor.shape):
        raise TensorError(f"a prediction has {tensor.name!r} in another shape than its schema promises")
    return values


def _at(row: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        row = row[key]
    return row


def unpacked(data: bytes, datatype: str, *, name: str) -> list[Any]:
    """Read the binary form of a tensor: little-endian, no padding, strings after their length.

    Raises:
        TensorError: The bytes are cut off, or no text.
    """
    if datatype == TEXT:
        return list(_texts(data, name))
    code = _PACKED[datatype]
    count, rest = divmod(len(data), struct.calcsize(f"<{code}"))
    if rest:
        raise TensorError(f"the input {name!r} has {len(data)} bytes, which is no whole number of {datatype}")
    return list(struct.unpack(f"<{count}{code}", data))


def _texts(data: bytes, name: str) -> Iterator[str]:
    at = 0
    while at < len(data):
        begin = at + _PREFIX.size
        at = begin + _PREFIX.unpack_from(data, at)[0] if begin <= len(data) else begin
        if at > len(data):
            raise TensorError(f"the input {name!r} is cut off: each string stands after its length in 4 bytes")
        try:
            yield data[begin:at].decode()
        except UnicodeDecodeError:
            raise TensorError(f"the input {name!r} holds bytes that are not UTF-8 text") from None


def packed(values: Sequence[Any], tensor: Tensor) -> bytes:
    """Write the binary form of a tensor.

    Raises:
        TensorError: A number is too large for the datatype.
    """
    if tensor.datatype == TEXT:
        texts = [value.encode() for value in values]
        return b"".join(part for text in texts for part in (_PREFIX.pack(len(text)), text))
    try:
        return struct.pack(f"<{len(values)}{_PACKED[tensor.datatype]}", *values)
    except (struct.error, OverflowError):
        raise TensorError(f"a number of {tensor.name!r} does not fit {tensor.datatype}: ask for JSON") from None
