"""Where a network's numbers stand: the padded parameters, the plan that tells the kernels, their work arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activations import Activation
from .kernels import layout as kernel_layout

_layout = kernel_layout()
# rows of weights end on a multiple of the widest vector, in every backend and on every CPU, so that no inner loop has a
# remainder and a plan means the same everywhere
_VECTOR_BYTES = 64
_TILE_ROWS = 8
# predictions go through the network in blocks of rows that stay in the cache
_FORWARD_ROWS = 256


def aligned_zeros(size: int, dtype: Any) -> NDArray[Any]:
    """Zeros that begin on a cache line."""
    dtype = np.dtype(dtype)
    buffer = np.zeros(size + _VECTOR_BYTES // dtype.itemsize, dtype)
    start = (-buffer.ctypes.data % _VECTOR_BYTES) // dtype.itemsize
    return buffer[start : start + size]


class Views(list[NDArray[Any]]):
    """A list of views into one vector. What is assigned to an entry is copied into its view."""

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(index, slice):
            self[index][...] = value
            return
        views, arrays = self[index], [np.asarray(array) for array in value]
        if [view.shape for view in views] != [array.shape for array in arrays]:
            raise ValueError(f"shapes {[array.shape for array in arrays]} do not fit {[view.shape for view in views]}.")
        for view, array in zip(views, arrays, strict=True):
            view[...] = array


class Layout:
    """The places of one network's parameters in one flat vector of one dtype.

    Per layer: its weights row by row, each row padded with zeros to the vector width, then its bias, padded alike.
    """

    def __init__(self, sizes: Sequence[int], activations: Sequence[Activation], dtype: Any) -> None:
        self.sizes = tuple(int(size) for size in sizes)
        self.activations = tuple(activations)
        self.dtype = np.dtype(dtype)
        lanes = _VECTOR_BYTES // self.dtype.itemsize
        self.padded = tuple(-(-size // lanes) * lanes for size in self.sizes)
        self.n_layers = len(self.sizes) - 1
        self.offsets = []
        offset = 0
        for below, width in zip(self.sizes, self.padded[1:], strict=False):
            self.offsets.append(offset)
            offset += (below + 1) * width
        self.n_parameters = offset

    @property
    def n_free(self) -> int:
        """How many weights and biases there are, padding not counted."""
        return sum((below + 1) * size for below, size in zip(self.sizes, self.sizes[1:], strict=False))

    def views(self, flat: NDArray[Any]) -> tuple[Views, Views]:
        """The weights (n_in, n_out) and biases (n_out,) of every layer as views of the flat vector."""
        weights, biases = [], []
        for layer, offset in enumerate(self.offsets):
            below, size, width = self.sizes[layer], self.sizes[layer + 1], self.padded[layer + 1]
            end = offset + below * width
            weights.append(flat[offset:end].reshape(below, width)[:, :size])
            biases.append(flat[end : end + size])
        return Views(weights), Views(biases)

    def astype(self, flat: NDArray[Any], dtype: Any) -> tuple[Layout, NDArray[Any]]:
        """The same network in another dtype: its layout and a copy of its parameters."""
        other = Layout(self.sizes, self.activations, dtype)
        copy = aligned_zeros(other.n_parameters, dtype)
        for target, source in zip(other.views(copy), self.views(flat), strict=True):
            for to, of in zip(target, source, strict=True):
                to[:] = of
        return other, copy

    def work(
        self,
        n_rows: int,
        *,
        batch_size: int | None = None,
        gather: bool = False,
        backward: bool = False,
        inputs: bool = False,
        **entries: int,
    ) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """The plan for `n_rows` rows and the work array it speaks of.

        Parameters
        ----------
        batch_size : int, optional
            Rows in work at a time; default: all.
        gather : bool
            Room for a batch's inputs, targets and row weights.
        backward : bool
            Room for deltas, transposed weights and a strip of gradient.
        inputs : bool
            Room for the gradient by the inputs.
        **entries : int
            Further entries of the plan by their names in the kernels' layout.
        """
        plan = np.zeros(_layout.LAYERS + (self.n_layers + 1) * _layout.RECORD, np.intp)
        rows = max(1, min(batch_size or n_rows, n_rows))
        plan[_layout.N_LAYERS] = self.n_layers
        plan[_layout.N_ROWS] = n_rows
        plan[_layout.BATCH_SIZE] = rows
        plan[_layout.N_PARAMETERS] = self.n_parameters
        for name, value in entries.items():
            plan[getattr(_layout, name)] = value
        size = 0

        def room(n: int) -> int:
            nonlocal size
            place = size
            lanes = _VECTOR_BYTES // self.dtype.itemsize
            size += -(-n // lanes) * lanes
            return place

        for layer in range(self.n_layers + 1):
            record = plan[_layout.LAYERS + layer * _layout.RECORD :][: _layout.RECORD]
            block = rows * self.padded[layer]
            record[_layout.SIZE], record[_layout.PADDED] = self.sizes[layer], self.padded[layer]
            if layer > 0:
                record[_layout.ACTIVATION] = self.activations[layer - 1].id
                record[_layout.WEIGHTS] = self.offsets[layer - 1]
                record[_layout.RAW] = room(block)
            if layer > 0 or gather:
                record[_layout.ACTIVATED] = room(block)
            if backward and (layer > 0 or inputs):
                record[_layout.DELTA] = room(block)
            if backward and (layer > 1 or (inputs and layer == 1)):
                record[_layout.TRANSPOSED] = room(self.sizes[layer] * self.padded[layer - 1])
            if layer > 0 and entries.get("NUMERICAL"):
                record[_layout.MOVED_RAW] = room(block)
                record[_layout.MOVED] = room(block)
        if backward:
            plan[_layout.STRIP] = room((_TILE_ROWS + 1) * max(self.padded))
            plan[_layout.PACKED] = room(rows * (4 * self.sizes[-1] + 1))
        if gather:
            plan[_layout.TARGETS] = room(rows * self.sizes[-1])
            plan[_layout.ROW_WEIGHTS] = room(rows)
        return plan, aligned_zeros(size, self.dtype)

    def forward_work(self, n_rows: int) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """The plan and work array of a prediction."""
        return self.work(n_rows, batch_size=_FORWARD_ROWS)


def initial_parameters(
    layout: Layout, random_state: np.random.RandomState, first_activation: str | None = None
) -> NDArray[Any]:
    """Uniform draws within sqrt(6 / (n_in + n_out)), weights then bias, layer by layer: scikit-learn's, draw for draw.

    With a sigmoid as the first activation the bound is sqrt(2 / (n_in + n_out)) in every layer (Glorot, Bengio 2010).
    """
    flat = aligned_zeros(layout.n_parameters, layout.dtype)
    factor = 2.0 if (first_activation or layout.activations[0].name) == "sigmoid" else 6.0
    for weights, bias in zip(*layout.views(flat), strict=True):
        bound = np.sqrt(factor / sum(weights.shape))
        weights[:] = random_state.uniform(-bound, bound, weights.shape)
        bias[:] = random_state.uniform(-bound, bound, bias.shape)
    return flat
