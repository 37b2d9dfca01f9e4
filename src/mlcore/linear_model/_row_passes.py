"""One pass over rows of X by several threads: fixed segments of rows, whose sums are added in their order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import available, fixed_threads, requested_threads
from ..kernels import ids
from ..memory import aligned_empty, shared_view
from ..threads import pays, run_together, threads_for

_PLACES = {name.removeprefix("PASS_"): place for name, place in vars(ids).items() if name.startswith("PASS_")}

BLOCK: int = ids.BLOCK_OF_ROWS
_WHOLE: int = ids.WHOLE
# a segment is at least so many multiply-adds, since a thread takes it from Python ...
LEAST_SEGMENT = 2**22
# ... and all of them together hold at most so many numbers
_MOST_NUMBERS = 2**21
_MOST_SEGMENTS = 64


def padded(n: int) -> int:
    """The next number of whole vectors."""
    return -(-n // _WHOLE) * _WHOLE


def strided(array: NDArray[Any]) -> tuple[NDArray[Any], int, int]:
    """The memory of a matrix as one dimension, and the distances of its rows and of its columns in it; no copy.

    Only a matrix whose memory runs backwards, or is not aligned, is copied.
    """
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    n, p = array.shape
    size = array.itemsize
    if array.flags.c_contiguous and array.flags.aligned:
        return shared_view(array), p, 1
    steps = [stride // size if count > 1 else 0 for stride, count in zip(array.strides, array.shape, strict=True)]
    exact = all(stride % size == 0 or count == 1 for stride, count in zip(array.strides, array.shape, strict=True))
    if not array.flags.aligned or not exact or min(steps) < 0 or array.size == 0:
        return shared_view(np.ascontiguousarray(array)), p, 1
    extent = 1 + (n - 1) * steps[0] + (p - 1) * steps[1]
    return shared_view(np.lib.stride_tricks.as_strided(array, (extent,), (size,))), steps[0], steps[1]


@lru_cache(4)
def below_diagonal(n: int) -> NDArray[np.bool_]:
    """Which entries of an n x n matrix are."""
    return np.tri(n, k=-1, dtype=np.bool_)


def symmetric(products: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The symmetric matrices of which `add_products` of the kernels gives a half, (..., size, size)."""
    found = products[..., :size, :size].copy()
    whole = size // _WHOLE * _WHOLE
    if whole:
        block = found[..., :whole, :whole]
        np.copyto(block, block.swapaxes(-2, -1).copy(), where=below_diagonal(whole))
        found[..., :whole, whole:] = found[..., whole:, :whole].swapaxes(-2, -1)
    return found


def segments(n_rows: int, operations_per_row: float, numbers: int) -> NDArray[np.intp]:
    """Bounds of segments of whole blocks: by the work and the room for `numbers` sums each, never by the threads."""
    most = min(_MOST_SEGMENTS, max(2, _MOST_NUMBERS // max(numbers, 1)))
    count = int(min(most, max(1.0, n_rows * operations_per_row / LEAST_SEGMENT)))
    if count == 1:
        return np.array([0, n_rows], np.intp)
    blocks = -(-n_rows // BLOCK)
    bounds = np.arange(count + 1, dtype=np.intp) * blocks // count * BLOCK
    bounds[-1] = n_rows
    return bounds


def is_one_segment(n_rows: Any, operations_per_row: float) -> Any:
    """Whether `segments` leaves so many rows together, (an array of) whole numbers."""
    return n_rows * operations_per_row < 2 * LEAST_SEGMENT


def segment_plans(bounds: NDArray[np.intp], **sizes: int) -> NDArray[np.intp]:
    """The kernels' plan of each segment; `sizes` are the rest of it by their names in the layout."""
    row = [0] * ids.N_PASS
    row[ids.PASS_STEP] = BLOCK
    for name, size in sizes.items():
        row[_PLACES[name]] = size
    rows = []
    for row[ids.PASS_FIRST], row[ids.PASS_LAST] in itertools.pairwise(bounds.tolist()):
        rows.append(row.copy())
    return np.array(rows, np.intp)


def run(
    task: Callable[[int, NDArray[np.float64]], None],
    count: int,
    work_size: int,
    operations: float,
    n_threads: int | None,
) -> None:
    """Call ``task(segment, workspace)`` for each of `count` segments, in as many threads as pay and are allowed."""
    if count == 1 or not (
        pays(operations) or fixed_threads(n_threads)
    ):  # to ask how many CPUs there are would take longer
        work = aligned_empty(work_size, np.float64)
        for segment in range(count):
            task(segment, work)
        return
    asked = requested_threads(n_threads)
    turn = itertools.count()

    def share(_thread: int) -> None:
        work = aligned_empty(work_size, np.float64)
        while (segment := next(turn)) < count:
            task(segment, work)

    with threads_for(min(count, available() if asked is None else asked), n_threads, operations) as threads:
        if threads == 1 or not run_together(share, threads, lambda: None):
            share(0)
