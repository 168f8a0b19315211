"""scikit-learn estimators as skops archives that are the same bytes in every process.

skops writes the address of every object into its schema and its file names, and the time into its archive. Here
addresses become numbers in order of appearance, kept only where two places share one object that can change; sets are
sorted; the archive is Rung's own container. What comes out is a skops file that skops reads.
Called by the formats. Reading is skops' alone: what may be loaded is its decision.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from rung.artifacts import _container
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Node = dict[str, Any]

_FAMILIAR_LIBRARIES = frozenset(("builtins", "collections", "numpy", "scipy", "sklearn", None))
_FAMILIAR_KEYS = frozenset(("float", "int", "int32", "int64", "str"))
_UNCHANGING = frozenset(("BytesNode", "DTypeNode", "FunctionNode", "JsonNode", "SliceNode", "TupleNode", "TypeNode"))
_STRUCTURED_ARRAY = b"\x93NUMPY"
_HEADERS_END = 4096
_ADDRESSES = frozenset(("_stop_words_id",))  # scikit-learn's text vectorizers keep the id() of their list of stop words


class Written(NamedTuple):
    """An archive, in pieces, and what of it may be loaded when its digest fits.

    That is everything of scikit-learn, and what else skops does not trust by itself.
    """

    data: tuple[_container.Bytes, ...]
    trusted: tuple[str, ...]


def dump(estimator: Any) -> Written | None:
    """Write an estimator; None when skops would bring it back otherwise. What skops cannot write at all, it raises for.

    An estimator of the author's own classes or functions is read back and written again: equal bytes are the proof.
    scikit-learn's own need none; skops tests them.
    """
    from rung.artifacts import _skops_schema  # noqa: PLC0415  # start-up time: imports NumPy

    described = _skops_schema.describe(estimator)
    if described is not None:
        schema, files = described
        return Written(_write(schema, files), tuple(sorted(_of_scikit_learn(schema))))
    import skops.io  # noqa: PLC0415  # start-up time: loads all of scikit-learn

    schema, files = _read(skops.io.dumps(estimator))
    data = _write(schema, files)
    trusted = tuple(sorted({*skops.io.get_untrusted_types(data=_without_arrays(schema)), *_of_scikit_learn(schema)}))
    if not _is_familiar(schema) and _write(*_read(skops.io.dumps(load(b"".join(data), trusted)))) != data:
        return None
    return Written(data, trusted)


def load(data: bytes | memoryview, trusted: Sequence[str]) -> Any:
    """Read an estimator, trusting these classes and those that skops trusts by itself.

    Raises:
        CallError: it holds others.
    """
    import skops.io  # noqa: PLC0415  # start-up time
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415  # as above

    try:
        return skops.io.loads(data, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        raise CallError(
            f"an estimator is not read without its digest: {error}", hint="give the digest that the run recorded"
        ) from error


def _read(archive: bytes) -> tuple[Node, dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        files = {name: opened.read(name) for name in opened.namelist() if name != "schema.json"}
        return json.loads(opened.read("schema.json")), files


def _write(schema: Node, files: dict[str, bytes]) -> tuple[_container.Bytes, ...]:
    """Write the archive with the schema made the same in every process; changes the schema."""
    nodes = _settled(schema)
    shared = Counter(node["__id__"] for node in nodes if "__id__" in node)
    ids: dict[int, int] = {}
    names: dict[str, str] = {}
    for node in nodes:
        address = node.pop("__id__", None)
        if shared[address] > 1:
            node["__id__"] = ids.setdefault(address, len(ids) + 1)
        if "file" in node:
            extension = node["file"].rpartition(".")[2]
            node["file"] = names.setdefault(node["file"], f"{len(names)}.{extension}")
    text = json.dumps(schema, separators=(",", ":")).encode()
    contents = [_container.Part(new, _without_chance(files[old])) for old, new in names.items()]
    return _container.pieces([_container.Part("schema.json", text), *contents])


def _without_arrays(schema: Node) -> bytes:
    """Write the schema beside empty arrays: enough to list the classes, and no second reading of a large forest."""
    names = dict.fromkeys(node["file"] for node in _nodes(schema) if "file" in node)
    text = json.dumps(schema).encode()
    return _container.pack([_container.Part("schema.json", text), *(_container.Part(name, b"") for name in names)])


def _without_chance(file: bytes) -> bytes | bytearray:
    """Clear what lies between the fields of a structured array: it differs between processes."""
    if not file.startswith(_STRUCTURED_ARRAY) or b"|V" not in file[:_HEADERS_END]:
        return file
    from rung.artifacts import _arrays  # noqa: PLC0415  # start-up time: imports NumPy

    return _arrays.without_chance(file)


def _settled(schema: Node) -> list[Node]:
    """List the nodes, without what differs between processes; shared addresses and file names are still theirs."""
    nodes = _nodes(schema)
    for node in nodes:
        if node["__loader__"] in _UNCHANGING:
            node.pop("__id__", None)
        elif node["__loader__"] == "DictNode":
            for name in _ADDRESSES & node["content"].keys():
                node["content"][name]["content"] = "null"
    sets = [node for node in nodes if node["__loader__"] == "SetNode"]
    for node in reversed(sets):  # inner ones first
        node["content"].sort(key=_sort_key)
    return _nodes(schema) if sets else nodes


def _sort_key(node: Node) -> str:
    return json.dumps({key: value for key, value in node.items() if key != "__id__"}, sort_keys=True)


def _nodes(schema: Node) -> list[Node]:
    """List every node of a schema, outer ones first, in the order of the file."""
    found: list[Node] = []
    _collect(schema, found)
    return found


def _collect(value: Any, found: list[Node]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("__loader__"), str):
            found.append(value)
        children: Iterable[Any] = value.values()
    else:
        children = value
    for child in children:
        if isinstance(child, dict | list):
            _collect(child, found)


def _of_scikit_learn(schema: Node) -> set[str]:
    """Name what is of scikit-learn, all of it: how much of that skops trusts depends on what else is imported."""
    names = {f"{node['__module__']}.{node['__class__']}" for node in _nodes(schema)}
    return {name for name in names if name.startswith("sklearn.") or name == "numpy.dtype"}


def _is_familiar(schema: Node) -> bool:
    return all(
        (node["__module__"] or "").partition(".")[0] in _FAMILIAR_LIBRARIES and _has_familiar_keys(node)
        for node in _nodes(schema)
    )


def _has_familiar_keys(node: Node) -> bool:
    """Say whether skops restores the keys: it makes False and None of a dict's keys into something else."""
    if node["__loader__"] != "DictNode":
        return True
    return all(kind["__class__"] in _FAMILIAR_KEYS for kind in node["key_types"]["content"])
