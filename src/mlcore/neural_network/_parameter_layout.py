"""Where a network's numbers stand: the padded parameters, the plan that tells the kernels, their work arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..activations import Activation
from ..kernels import ids
from ..memory import VECTOR_BYTES, aligned_zeros

# products work in whole tiles of rows: this is a multiple of every tile's
_TILE_ROWS = 8
# a block of weights, its gradient (16 KiB) and its moments stay in L1 while they are worked on
_BLOCK_ROWS = 32
_BLOCK_BYTES = 512
# predictions go through the network in blocks of rows that stay in the cache
_FORWARD_ROWS = 256
# rows that central differences make at once: long loops, within the first-level cache
_VARIANTS = 128


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


class ParameterLayout:
    """The places of one network's parameters in one flat vector of one dtype.

    Per layer: its weights row by row, each row padded with zeros to the vector width, then its bias, padded alike.
    """

    def __init__(self, sizes: Sequence[int], activations: Sequence[Activation], dtype: Any) -> None:
        self.sizes = tuple(int(size) for size in sizes)
        self.activations = tuple(activations)
        self.dtype = np.dtype(dtype)
        self.padded = tuple(self._padded(size) for size in self.sizes)
        self.n_layers = len(self.sizes) - 1
        self.offsets = []
        offset = 0
        for below, width in zip(self.sizes, self.padded[1:], strict=False):
            self.offsets.append(offset)
            offset += (below + 1) * width
        self.n_parameters = offset

    def _padded(self, size: int) -> int:
        # rows a power of two apart would all fall into the same few sets of the cache
        size = -(-size * self.dtype.itemsize // VECTOR_BYTES) * VECTOR_BYTES
        return (size + VECTOR_BYTES * (size >= 1024 and size % 512 == 0)) // self.dtype.itemsize

    @property
    def n_free(self) -> int:
        """How many weights and biases there are, padding not counted."""
        return sum((below + 1) * size for below, size in zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def difference_operations(self) -> float:
        """Multiply-adds of a row's central differences, about: what lies behind the layer above each weight, twice."""
        free = [(below + 1) * size for below, size in zip(self.sizes, self.sizes[1:], strict=False)]
        loss = 20 * self.sizes[-1]  # exp and log and what else there is, by output
        return float(sum(2 * own * (sum(free[layer + 2 :]) + loss) for layer, own in enumerate(free)))

    def views(self, flat: NDArray[Any]) -> tuple[Views, Views]:
        """The weights (n_in, n_out) and biases (n_out,) of every layer as views of the flat vector."""
        weights, biases = [], []
        for layer, offset in enumerate(self.offsets):
            below, size, width = self.sizes[layer], self.sizes[layer + 1], self.padded[layer + 1]
            end = offset + below * width
            weights.append(flat[offset:end].reshape(below, width)[:, :size])
            biases.append(flat[end : end + size])
        return Views(weights), Views(biases)

    def astype(self, flat: NDArray[Any], dtype: Any) -> tuple[ParameterLayout, NDArray[Any]]:
        """The same network in another dtype: its layout and a copy of its parameters."""
        other = ParameterLayout(self.sizes, self.activations, dtype)
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
        raw: bool = False,
        dropout: Sequence[float] = (),
        n_threads: int = 1,
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
        raw : bool
            Keep every layer's Z.
        dropout : sequence of float
            Each hidden layer's probability of a unit to be dropped; empty: none.
        n_threads : int
            How many share the work.
        **entries : int
            Further entries of the plan by their names in the kernels' layout.
        """
        plan = np.zeros(ids.LAYERS + (self.n_layers + 1) * ids.RECORD, np.intp)
        rows = max(1, min(batch_size or n_rows, n_rows))
        plan[ids.N_LAYERS] = self.n_layers
        plan[ids.N_ROWS] = n_rows
        plan[ids.BATCH_SIZE] = rows
        plan[ids.N_PARAMETERS] = self.n_parameters
        plan[ids.N_THREADS] = n_threads
        plan[ids.GATHERED] = gather
        for name, value in entries.items():
            plan[getattr(ids, name)] = value
        size = 0
        lanes = VECTOR_BYTES // self.dtype.itemsize
        # products write whole tiles of rows
        rows = -(-rows // _TILE_ROWS) * _TILE_ROWS

        def room(n: int) -> int:
            nonlocal size
            place = size
            size += -(-n // lanes) * lanes
            return place

        block_columns = min(_BLOCK_BYTES // self.dtype.itemsize, max(self.padded[1:]))
        n_sums = 0
        numerical = bool(entries.get("NUMERICAL"))
        # a weight is moved up and down
        variants = max(2 * rows, _VARIANTS)
        for layer in range(self.n_layers + 1):
            record = plan[ids.LAYERS + layer * ids.RECORD :][: ids.RECORD]
            inside = 0 < layer < self.n_layers
            stride = self.sizes[layer] if layer == self.n_layers else self.padded[layer]
            block = rows * stride
            record[ids.SIZE], record[ids.PADDED] = self.sizes[layer], self.padded[layer]
            record[ids.STRIDE] = stride
            if layer > 0 or gather:
                record[ids.ACTIVATED] = record[ids.RAW] = record[ids.OUTPUT] = room(block)
            if layer > 0:
                activation = self.activations[layer - 1]
                record[ids.ACTIVATION] = activation.id
                record[ids.WEIGHTS] = self.offsets[layer - 1]
                record[ids.SUMS] = n_sums
                n_sums += (-(-self.sizes[layer - 1] // _BLOCK_ROWS) + 1) * -(-self.padded[layer] // block_columns)
                if raw or numerical or (backward and (activation.needs_raw or not inside)):
                    record[ids.RAW] = room(block)
            if inside and dropout:
                record[ids.DROPOUT] = round(dropout[layer - 1] * 2**24)
                if record[ids.DROPOUT]:
                    record[ids.OUTPUT], record[ids.MASK] = room(block), room(block)
            if backward and (layer > 0 or inputs):
                record[ids.DELTA] = room(rows * self.padded[layer])
            if backward and (layer > 1 or (inputs and layer == 1)):
                record[ids.TRANSPOSED] = room(self.sizes[layer] * self.padded[layer - 1])
            if layer > 0 and numerical:
                record[ids.MOVED_RAW], record[ids.MOVED] = room(variants * stride), room(variants * stride)
        plan[ids.SCRATCH] = room(rows * self.padded[-1])
        if backward:
            plan[ids.N_SUMS] = n_sums
            plan[ids.BLOCK_ROWS], plan[ids.BLOCK_COLUMNS] = _BLOCK_ROWS, block_columns
            plan[ids.BLOCK_ROOM] = (_BLOCK_ROWS + 1) * block_columns
            plan[ids.BLOCK] = room(n_threads * int(plan[ids.BLOCK_ROOM]))
            plan[ids.VALUES], plan[ids.SLOPES] = room(rows * self.sizes[-1]), room(rows * self.sizes[-1])
        if numerical:
            plan[ids.VARIANTS] = variants
            plan[ids.COLUMNS] = room((6 + 3 * self.sizes[-1]) * variants)
            plan[ids.VARIANT_SCRATCH] = room(variants * self.padded[-1])
            plan[ids.SLOTS] = room(max(self.sizes) + 2)
        if gather:
            plan[ids.TARGETS] = room(rows * self.sizes[-1])
            plan[ids.ROW_WEIGHTS] = room(rows)
        return plan, aligned_zeros(size, self.dtype)

    def forward_work(self, n_rows: int) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """The plan and work array of a prediction."""
        return self.work(n_rows, batch_size=_FORWARD_ROWS)


def initial_parameters(
    layout: ParameterLayout, random_state: np.random.RandomState, first_activation: str | None = None
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
