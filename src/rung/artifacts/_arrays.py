"""NumPy arrays as `.npy` files that are the same bytes in every process.

Called by the formats, and by the skops format for the arrays inside estimators.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_npy(array: Any) -> bytes | bytearray:
    """Write an array or a scalar; nothing is pickled."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return without_chance(file.getvalue()) if array.dtype.names else file.getvalue()


def from_npy(data: bytes | memoryview) -> Any:
    """Read what `to_npy` wrote."""
    return np.load(io.BytesIO(data), allow_pickle=False)


def without_chance(npy: bytes) -> bytes | bytearray:
    """Write zeros between the fields of a structured array: what lies there is chance.

    The nodes of scikit-learn's trees have such gaps.
    """
    file = io.BytesIO(npy)
    read_header = _HEADER_READERS[np.lib.format.read_magic(file)]
    dtype = read_header(file)[2]
    gaps = ~_used(dtype)
    if not gaps.any():
        return npy
    clean = bytearray(npy)
    np.frombuffer(clean, np.uint8, offset=file.tell()).reshape(-1, dtype.itemsize)[:, gaps] = 0
    return clean


_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _used(dtype: Any) -> NDArray[np.bool_]:
    """Mark the bytes of one item that belong to a field."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.tile(_used(base), int(np.prod(shape)))
    if dtype.names is None:
        return np.ones(dtype.itemsize, dtype=np.bool_)
    used = np.zeros(dtype.itemsize, dtype=np.bool_)
    for name in dtype.names:
        field, offset = dtype.fields[name][:2]
        used[offset : offset + field.itemsize] = _used(field)
    return used
