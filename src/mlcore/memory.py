"""Arrays as kernels want them: room that begins on a cache line, and inputs as flat memory of one type."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The widest vector, and a cache line. Rows of weights end on a multiple of it in every backend and on every CPU, so
# that no inner loop has a remainder and a plan means the same everywhere.
VECTOR_BYTES = 64


def aligned_zeros(size: int, dtype: Any) -> NDArray[Any]:
    """Zeros that begin on a cache line."""
    return _aligned(np.zeros, size, dtype)


def aligned_empty(size: int, dtype: Any) -> NDArray[Any]:
    """Room that begins on a cache line; what is in it, a kernel has to write."""
    return _aligned(np.empty, size, dtype)


def _aligned(make: Callable[[int, Any], NDArray[Any]], size: int, dtype: Any) -> NDArray[Any]:
    itemsize = np.dtype(dtype).itemsize
    buffer = make(size + VECTOR_BYTES // itemsize, dtype)
    # a quarter of what NumPy takes to tell the address
    start = (-ctypes.addressof(ctypes.c_char.from_buffer(buffer.data)) % VECTOR_BYTES) // itemsize
    return buffer[start : start + size]


def shared_view(array: NDArray[Any]) -> NDArray[Any]:
    """The array flat, and writable in name: kernels read inputs through one type, read-only memory maps included.

    No kernel writes to its inputs; the alias spares a copy, and a compilation of its own for read-only arrays. Only
    memory that is not aligned to its numbers, which no pointer may read, is copied.
    """
    flat = array.reshape(-1)
    if not flat.flags.aligned:
        return flat.copy()
    if flat.flags.writeable:
        return flat
    return np.asarray(_Alias(flat))


class _Alias:
    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array  # keeps the memory alive
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface
