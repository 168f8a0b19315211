"""Most scikit-learn estimators as skops writes them, without importing skops: that takes longer than writing one.

When it is imported, skops lists the estimators of scikit-learn, and so imports all of scikit-learn. Only reading needs
that list. Here those kinds of node are written of which most estimators are made: what skops itself would write, key by
key; a test holds it against skops for all estimators of scikit-learn. All else is left to skops.
Called by the skops format.
"""

from __future__ import annotations

import io
import json
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Node = dict[str, Any]

COMPARED_WITH = "0.16."
"""The versions of skops whose nodes these are; for another, all is left to it."""
_PROTOCOL = 2  # of the skops format
_DEEPEST = 50  # nodes in nodes: skops goes as deep when it reads, and must not reach Python's limit
_BUILT_IN = (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)
_NUMBERS = frozenset(np.sctypeDict.values())
_LOSSES = ("sklearn._loss._loss.Cy", "sklearn.linear_model._sgd_fast.")
_NOT_FOR_SKOPS = "sklearn.cluster._birch.Birch"  # refused there: its tree refers to itself


class _LeftToSkopsError(Exception):
    """There is something in the estimator that is not written here."""


def describe(estimator: Any) -> tuple[Node, dict[str, bytes]] | None:
    """Give the schema and the files that skops would write; None when that is left to skops.

    Raises:
        ImportError: skops, which is to read it, is not installed.
    """
    import skops  # noqa: PLC0415  # an optional library; without `skops.io` it is its version and no more

    if not skops.__version__.startswith(COMPARED_WITH):
        return None
    describer = _Describer()
    try:
        schema = describer.node(estimator)
    except _LeftToSkopsError:
        return None
    return {**schema, "protocol": _PROTOCOL, "_skops_version": skops.__version__}, describer.files


class _Describer:
    """Describes one estimator; holds all that it has seen, so that no other value comes to have the same address."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._seen: list[Any] = []
        self._depth = 0
        self._describers: dict[type, Callable[[Any], Node]] = {
            **dict.fromkeys((str, int, float, bool, type(None)), _plain),
            **dict.fromkeys((list, set, tuple), self._items),
            dict: self._dict,
            slice: _slice,
            type: _type,
            FunctionType: _function,
            np.ufunc: _function,
            np.ndarray: self._array,
            np.random.Generator: self._generator,
            np.random.RandomState: self._random_state,
        }

    def node(self, value: Any) -> Node:
        """Describe a value, and what is in it."""
        kind = type(value)
        describer = self._describers.get(kind)
        if describer is None:
            describer = self._describers[kind] = self._choose(kind)
        if describer is _plain:
            return _plain(value)
        if self._depth == _DEEPEST:
            raise _LeftToSkopsError
        self._seen.append(value)
        self._depth += 1
        described = describer(value)
        self._depth -= 1
        return {**described, "__id__": id(value)}

    def _choose(self, kind: type) -> Callable[[Any], Node]:
        path = f"{kind.__module__}.{kind.__qualname__}"
        if kind in _NUMBERS:
            return self._file
        if issubclass(kind, np.dtype):
            return self._dtype
        if path == "sklearn.utils._bunch.Bunch":
            return self._dict
        if path == "sklearn.tree._tree.Tree":
            return self._tree
        if path.startswith(_LOSSES):
            return self._loss
        is_ordinary = kind.__reduce__ is object.__reduce__ and not issubclass(kind, _BUILT_IN)
        if path.startswith("sklearn.") and is_ordinary and path != _NOT_FOR_SKOPS:
            return self._object
        raise _LeftToSkopsError

    def _object(self, value: Any) -> Node:
        state = value.__getstate__()
        if type(state) not in (dict, type(None)):
            raise _LeftToSkopsError
        return _start(value, "ObjectNode", content=self.node(state))

    def _tree(self, value: Any) -> Node:
        _, arguments, state = value.__reduce__()
        return self._reduced(value, "TreeNode", arguments, state)

    def _loss(self, value: Any) -> Node:
        made_by, arguments, *rest = value.__reduce__()
        if made_by is not type(value) or rest:
            raise _LeftToSkopsError
        return self._reduced(value, "LossNode", arguments, {})

    def _reduced(self, value: Any, loader: str, arguments: tuple[Any, ...], state: dict[str, Any]) -> Node:
        node = _start(value, loader, __reduce__={"args": self.node(arguments)}, content=self.node(state))
        node["__loader__"] = node.pop("__loader__")  # skops adds it last
        return node

    def _dict(self, value: dict[Any, Any]) -> Node:
        if any(type(key) is not str for key in value):
            raise _LeftToSkopsError
        content = {key: self.node(item) for key, item in value.items()}
        return _start(value, "DictNode", content=content, key_types=self.node([str for _ in value]))

    def _items(self, value: list[Any] | set[Any] | tuple[Any, ...]) -> Node:
        loader = f"{type(value).__name__.capitalize()}Node"
        return _start(value, loader, content=[self.node(item) for item in value])

    def _array(self, value: Any) -> Node:
        """Describe an array; one of objects item by item."""
        if value.dtype.kind != "O":
            return self._file(value)
        if value.ndim == 0:
            raise _LeftToSkopsError
        items = self.node(value.tolist())["content"]
        return _start(value, "NdArrayNode", content=items, type="json", shape=self.node(value.shape))

    def _file(self, value: Any) -> Node:
        if value.dtype.hasobject:
            raise _LeftToSkopsError
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        name = f"{id(value)}.npy"
        self.files[name] = file.getvalue()
        return _start(value, "NdArrayNode", type="numpy", file=name)

    def _dtype(self, value: Any) -> Node:
        content = self.node(np.ndarray(0, dtype=value))
        return {"__class__": "dtype", "__module__": "numpy", "__loader__": "DTypeNode", "content": content}

    def _generator(self, value: Any) -> Node:
        bits = value.bit_generator
        content = {"bit_generator": self.node(bits.state), "seed_seq": self.node(bits.seed_seq.state)}
        return _start(value, "RandomGeneratorNode", content=content)

    def _random_state(self, value: Any) -> Node:
        return _start(value, "RandomStateNode", content=self.node(value.get_state(legacy=False)))


def _start(value: Any, loader: str, **rest: Any) -> Node:
    kind = type(value)
    return {"__class__": kind.__name__, "__module__": kind.__module__, "__loader__": loader, **rest}


def _plain(value: Any) -> Node:
    return _start("", "JsonNode", content=json.dumps(value), is_json=True)


def _slice(value: slice) -> Node:
    content = {"start": value.start, "stop": value.stop, "step": value.step}
    if not all(type(end) in (int, type(None)) for end in content.values()):
        raise _LeftToSkopsError
    return _start(value, "SliceNode", content=content)


def _type(value: type) -> Node:
    if value not in _NUMBERS and value not in (bool, float, int, str):
        raise _LeftToSkopsError
    return _named(value, "TypeNode")


def _function(value: Any) -> Node:
    """Name a function of scikit-learn, or one of NumPy's that are for every number alone."""
    module = getattr(value, "__module__", None) or ""
    is_ours = module.startswith("sklearn.") and value.__qualname__ == value.__name__
    if not is_ours and (module != "numpy" or getattr(np, value.__name__, None) is not value):
        raise _LeftToSkopsError
    return _named(value, "FunctionNode")


def _named(value: Any, loader: str) -> Node:
    return {"__class__": value.__name__, "__module__": value.__module__, "__loader__": loader}
