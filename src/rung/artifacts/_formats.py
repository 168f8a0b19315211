"""The formats of an artifact's parts, chosen by the library that a value's class comes from.

| value | format |
|---|---|
| polars and pandas frames | parquet |
| NumPy arrays, dicts of them | npy, safetensors where installed |
| SciPy sparse matrices | npz |
| torch tensors | safetensors |
| scikit-learn estimators | skops, when that brings back the same |
| ONNX models | onnx |
| bytes | bytes |
| all else | cloudpickle, marked |

Called by the packer and the unpacker. No library is imported to find out that a value is not its own.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from rung.artifacts import _classes, _container, _skops
from rung.errors import CallError, IntegrityError, RungError, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PICKLED = "cloudpickle"
_TENSOR_TYPES = frozenset(
    ("bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
)


class Dumped(NamedTuple):
    """A part of an artifact, about to be written."""

    format: str
    type: str  # module:QualName
    data: _container.Bytes | tuple[_container.Bytes, ...]  # in pieces when it was just written
    libraries: tuple[str, ...] = ()  # import names; what reading depends on
    trusted: tuple[str, ...] = ()  # classes that skops was told to trust when it was written


class Stored(NamedTuple):
    """A part of an artifact, as it was read."""

    format: str
    type: str  # module:QualName
    data: memoryview
    trusted: tuple[str, ...]


def library_of(kind: type) -> str:
    """Name the library whose format may fit the class: its own, or that of the nearest class that it extends."""
    roots = (base.__module__.partition(".")[0] for base in kind.__mro__)
    return next(root for root in roots if root in _DUMPERS)


def dump(value: Any) -> Dumped:
    """Write the value in the format of its library, or pickle it when that format cannot hold all of it.

    Raises:
        TaskError: it cannot be written at all.
    """
    try:
        dumped = _DUMPERS[library_of(type(value))](value)
    except RungError:
        raise
    except Exception:  # noqa: BLE001  # libraries raise anything for what their format cannot hold; pickle may hold it
        dumped = None
    return dumped or pickle(value)


def load(part: Stored, *, trusted: bool) -> Any:
    """Read a part.

    Args:
        part: what was written.
        trusted: its digest was checked: it may hold what runs code when it is read.

    Raises:
        CallError: it is pickled, or holds classes that skops does not trust, and its digest was not checked.
        IntegrityError: there is no such format.
        TaskError: its library cannot read it, or is another version than it was.
    """
    if part.format not in _LOADERS:
        raise IntegrityError(f"the artifact holds the format {part.format!r}, which this version of Rung does not know")
    if part.format == PICKLED and not trusted:
        raise CallError(
            f"a pickled {part.type} is not read without its digest: reading it runs code",
            hint="give the digest that the run recorded",
        )
    return _LOADERS[part.format](part if trusted else part._replace(trusted=()))


def pickle(value: Any) -> Dumped:
    """Write the value with cloudpickle: the last resort.

    Raises:
        TaskError: it cannot be pickled.
    """
    import cloudpickle  # noqa: PLC0415  # start-up time: few artifacts need it

    kind = type(value)
    if f"{kind.__module__.partition('.')[0]}.{kind.__name__}" == "polars.LazyFrame":
        raise TaskError("a LazyFrame is a plan, not data, and cannot be stored", hint="return frame.collect()")
    try:
        data = cloudpickle.dumps(value, protocol=5)
    except Exception as error:
        raise TaskError(
            f"a {_classes.path_of(kind)} cannot be stored: {error}",
            hint="return data or models from a task; open connections, files, locks and generators inside it",
        ) from error
    return Dumped(PICKLED, _classes.path_of(kind), data, ("cloudpickle", kind.__module__.partition(".")[0]))


def are_tensors(value: dict[Any, Any]) -> bool:
    """Say whether safetensors can hold the dict: names and plain arrays, at least one."""
    first = next(iter(value.values()), None)
    if type(first).__module__ != "numpy" or not all(map(_is_tensor, value.values())):
        return False
    return all(type(name) is str and name != "__metadata__" for name in value) and _has_safetensors()


def dump_tensors(tensors: dict[str, Any]) -> Dumped:
    """Write named arrays. They are laid out in C order first: safetensors writes the memory of others as it lies."""
    from safetensors.numpy import save  # noqa: PLC0415  # an optional library

    data = save({name: array.copy(order="C") for name, array in tensors.items()})
    return Dumped("safetensors", "builtins:dict", data, ("numpy", "safetensors"))


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Look up the versions of those libraries that are imported."""
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in sorted(names)}
    return {name: version for name, version in found.items() if isinstance(version, str)}


def _is_tensor(value: Any) -> bool:
    if type(value).__module__ != "numpy" or type(value).__name__ != "ndarray":
        return False
    return value.dtype.name in _TENSOR_TYPES and value.dtype.isnative


def _has_safetensors() -> bool:
    try:
        import safetensors.numpy  # noqa: F401, PLC0415  # an optional library
    except ImportError:
        return False
    return True


def _dump_bytes(value: Any) -> Dumped | None:
    return Dumped("bytes", "builtins:bytes", value) if type(value) is bytes else None


def _dump_numpy(value: Any) -> Dumped | None:
    """Write an array or a scalar; nothing of either is pickled."""
    import numpy as np  # noqa: PLC0415  # start-up time: the value's own library

    if type(value) is not np.ndarray and not isinstance(value, np.generic):
        return None
    if value.dtype.hasobject or value.dtype.metadata:
        return None
    from rung.artifacts import _arrays  # noqa: PLC0415  # start-up time: imports NumPy

    return Dumped("npy", _classes.path_of(type(value)), _arrays.to_npy(value), ("numpy",))


def _load_numpy(part: Stored) -> Any:
    from rung.artifacts import _arrays  # noqa: PLC0415  # start-up time: imports NumPy

    return _arrays.from_npy(part.data)


def _dump_polars(value: Any) -> Dumped | None:
    import polars as pl  # noqa: PLC0415  # start-up time: the value's own library

    if type(value) is not pl.DataFrame:
        return None
    file = io.BytesIO()
    value.write_parquet(file)
    file.seek(0)
    if pl.read_parquet_schema(file) != value.schema:
        return None
    return Dumped("parquet", "polars:DataFrame", file.getvalue(), ("polars",))


def _dump_pandas(value: Any) -> Dumped | None:
    """Write a frame through pyarrow, and look whether the same comes back: not every index and column does."""
    import pandas as pd  # noqa: PLC0415  # start-up time: the value's own library

    if type(value) is not pd.DataFrame:
        return None
    try:
        import pyarrow  # noqa: F401, ICN001, PLC0415  # an optional library
    except ImportError as error:
        raise TaskError(
            "a pandas frame is stored as parquet, and pyarrow is not installed",
            hint="add pyarrow to infrastructure/requirements.txt",
        ) from error
    file = io.BytesIO()
    value.to_parquet(file, engine="pyarrow")
    if not _are_same_frames(value, pd.read_parquet(io.BytesIO(file.getvalue()), engine="pyarrow")):
        return None
    return Dumped("parquet", "pandas:DataFrame", file.getvalue(), ("pandas", "pyarrow"))


def _are_same_frames(one: Any, other: Any) -> bool:
    indexes = ((one.index, other.index), (one.columns, other.columns))
    return (
        all(
            a.equals(b) and list(a.names) == list(b.names) and type(a) is type(b) and a.dtype == b.dtype
            for a, b in indexes
        )
        and one.equals(other)
        and one.attrs == other.attrs
        and all(_are_same_objects(one[name], other[name]) for name in one.columns if one[name].dtype == "object")
    )


def _are_same_objects(one: Any, other: Any) -> bool:
    """Compare the types in a column of objects: pandas takes None for NaN."""
    return [type(item) for item in one] == [type(item) for item in other]


def _load_parquet(part: Stored) -> Any:
    if part.type == "pandas:DataFrame":
        import pandas as pd  # noqa: PLC0415  # start-up time

        return pd.read_parquet(io.BytesIO(part.data), engine="pyarrow")
    import polars as pl  # noqa: PLC0415  # start-up time

    return pl.read_parquet(io.BytesIO(part.data))


def _dump_scipy(value: Any) -> Dumped | None:
    from scipy import sparse  # noqa: PLC0415  # start-up time: the value's own library

    if not sparse.issparse(value) or value.format not in ("bsr", "coo", "csc", "csr", "dia"):
        return None
    file = io.BytesIO()
    sparse.save_npz(file, value, compressed=False)
    return Dumped("npz", _classes.path_of(type(value)), file.getvalue(), ("numpy", "scipy"))


def _load_scipy(part: Stored) -> Any:
    from scipy import sparse  # noqa: PLC0415  # start-up time

    return sparse.load_npz(io.BytesIO(part.data))


def _dump_sklearn(value: Any) -> Dumped | None:
    written = _skops.dump(value)
    if written is None:
        return None
    return Dumped("skops", _classes.path_of(type(value)), written.data, ("sklearn", "skops"), written.trusted)


def _load_sklearn(part: Stored) -> Any:
    return _skops.load(part.data, part.trusted)


def _dump_onnx(value: Any) -> Dumped | None:
    if type(value).__name__ != "ModelProto":
        return None
    return Dumped("onnx", "onnx:ModelProto", value.SerializeToString(deterministic=True), ("onnx",))


def _load_onnx(part: Stored) -> Any:
    import onnx  # noqa: PLC0415  # an optional library

    return onnx.ModelProto.FromString(bytes(part.data))


def _dump_torch(value: Any) -> Dumped | None:
    """Write a tensor; modules, parameters and what lies on a device are none."""
    import torch  # noqa: PLC0415  # start-up time: the value's own library

    is_plain = type(value) is torch.Tensor and value.layout is torch.strided and value.device.type == "cpu"
    if not is_plain or value.requires_grad or not _has_safetensors():
        return None
    from safetensors.torch import save  # noqa: PLC0415  # an optional library

    return Dumped("safetensors", "torch:Tensor", save({"": value.contiguous()}), ("torch", "safetensors"))


def _load_tensors(part: Stored) -> Any:
    if part.type == "torch:Tensor":
        from safetensors.torch import load as load_torch  # noqa: PLC0415  # an optional library

        return load_torch(bytes(part.data))[""]
    from safetensors.numpy import load as load_tensors  # noqa: PLC0415  # an optional library

    return load_tensors(bytes(part.data))


def _load_pickle(part: Stored) -> Any:
    import cloudpickle  # noqa: PLC0415  # start-up time

    return cloudpickle.loads(part.data)


_DUMPERS: dict[str, Callable[[Any], Dumped | None]] = {
    "builtins": _dump_bytes,
    "numpy": _dump_numpy,
    "onnx": _dump_onnx,
    "pandas": _dump_pandas,
    "polars": _dump_polars,
    "scipy": _dump_scipy,
    "sklearn": _dump_sklearn,
    "torch": _dump_torch,
}
_LOADERS: dict[str, Callable[[Stored], Any]] = {
    "bytes": lambda part: bytes(part.data),
    PICKLED: _load_pickle,
    "npy": _load_numpy,
    "npz": _load_scipy,
    "onnx": _load_onnx,
    "parquet": _load_parquet,
    "safetensors": _load_tensors,
    "skops": _load_sklearn,
}
