"""Where a network's numbers stand: the padded parameters, the plan that tells the kernels, their work arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
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

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("described", None)
        state.pop("_others", None)
        return state

    @cached_property
    def _others(self) -> dict[Any, ParameterLayout]:
        """The same network's in other dtypes, as far as they were asked for."""
        return {}

    @property
    def strides(self) -> tuple[int, ...]:
        """How far apart the rows of a layer's outputs are: the last layer's stand without padding."""
        return (*self.padded[:-1], self.sizes[-1])

    @cached_property
    def described(self) -> NDArray[np.intp]:
        """What every plan says of this network: its sizes and activations, where its weights are, and their blocks."""
        plan = np.zeros(ids.LAYERS + (self.n_layers + 1) * ids.RECORD, np.intp)
        plan[ids.N_LAYERS], plan[ids.N_PARAMETERS] = self.n_layers, self.n_parameters
        layers = plan[ids.LAYERS :].reshape(-1, ids.RECORD)
        layers[:, ids.SIZE], layers[:, ids.PADDED], layers[:, ids.STRIDE] = self.sizes, self.padded, self.strides
        layers[1:, ids.ACTIVATION] = [activation.id for activation in self.activations]
        layers[1:, ids.WEIGHTS] = self.offsets
        columns = min(_BLOCK_BYTES // self.dtype.itemsize, max(self.padded[1:]))
        plan[ids.BLOCK_ROWS], plan[ids.BLOCK_COLUMNS] = _BLOCK_ROWS, columns
        plan[ids.BLOCK_ROOM] = (_BLOCK_ROWS + 1) * columns
        # a sum for each block of a layer's weights, and for its bias
        for layer, (below, padded) in enumerate(zip(self.sizes, self.padded[1:], strict=False), start=1):
            layers[layer, ids.SUMS] = plan[ids.N_SUMS]
            plan[ids.N_SUMS] += (-(-below // _BLOCK_ROWS) + 1) * -(-padded // columns)
        return plan

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
        if dtype == self.dtype:
            copy = aligned_zeros(self.n_parameters, dtype)
            copy[:] = flat
            return self, copy
        other = self._others.get(dtype)
        if other is None:
            other = self._others[dtype] = ParameterLayout(self.sizes, self.activations, dtype)
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
        work = _WorkPlan(self, n_rows, batch_size or n_rows, n_threads, entries)
        numerical = bool(entries.get("NUMERICAL"))
        for layer in range(self.n_layers + 1):
            if layer > 0 or gather:
                work.give_outputs(layer)
            if layer > 0 and (raw or numerical or (backward and self._needs_raw(layer))):
                work.give_raw(layer)
            if dropout and 0 < layer < self.n_layers:
                work.give_mask(layer, dropout[layer - 1])
            if backward:
                work.give_deltas(layer, inputs)
            if numerical and layer > 0:
                work.give_moved(layer)
        work.give_scratch()
        if backward:
            work.give_gradient(n_threads)
        if numerical:
            work.give_differences()
        if gather:
            work.give_batch()
        return work.plan, aligned_zeros(work.size, self.dtype)

    def _needs_raw(self, layer: int) -> bool:
        """Whether the way back needs a layer's Z: the last one's is the loss's."""
        return layer == self.n_layers or self.activations[layer - 1].needs_raw

    def forward_work(self, n_rows: int) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """The plan and work array of a prediction."""
        return self.work(n_rows, batch_size=_FORWARD_ROWS)


class _WorkPlan:
    """A work array that grows by one part after another, and the plan that says where each of them begins."""

    def __init__(
        self, layout: ParameterLayout, n_rows: int, batch_size: int, n_threads: int, entries: dict[str, int]
    ) -> None:
        rows = max(1, min(batch_size, n_rows))
        self.layout = layout
        self.plan = layout.described.copy()
        self.size = 0
        self._lanes = VECTOR_BYTES // layout.dtype.itemsize
        # products write whole tiles of rows
        self._rows = -(-rows // _TILE_ROWS) * _TILE_ROWS
        # a weight is moved up and down
        self._variants = max(2 * self._rows, _VARIANTS)
        self._strides = layout.strides
        self.plan[ids.N_ROWS] = n_rows
        self.plan[ids.BATCH_SIZE] = rows
        self.plan[ids.N_THREADS] = n_threads
        for name, value in entries.items():
            self.plan[getattr(ids, name)] = value

    def _room(self, n: int) -> int:
        place = self.size
        self.size += -(-n // self._lanes) * self._lanes
        return place

    def give_outputs(self, layer: int) -> None:
        """One place for Z, A and what goes on to the next layer, until some of them need places of their own."""
        record = ids.LAYERS + layer * ids.RECORD
        place = self._room(self._rows * self._strides[layer])
        self.plan[record + ids.ACTIVATED] = self.plan[record + ids.RAW] = self.plan[record + ids.OUTPUT] = place

    def give_raw(self, layer: int) -> None:
        self.plan[ids.LAYERS + layer * ids.RECORD + ids.RAW] = self._room(self._rows * self._strides[layer])

    def give_mask(self, layer: int, dropout: float) -> None:
        """Room for what dropout leaves, unless it leaves everything: the stream has 24 bits."""
        record = ids.LAYERS + layer * ids.RECORD
        self.plan[record + ids.DROPOUT] = round(dropout * 2**24)
        if self.plan[record + ids.DROPOUT]:
            for what in (ids.OUTPUT, ids.MASK):
                self.plan[record + what] = self._room(self._rows * self._strides[layer])

    def give_deltas(self, layer: int, inputs: bool) -> None:
        """Room for deltas, and for transposed weights, by which they reach the layer below (the inputs: if wanted)."""
        layout, record = self.layout, ids.LAYERS + layer * ids.RECORD
        if layer > 0 or inputs:
            self.plan[record + ids.DELTA] = self._room(self._rows * layout.padded[layer])
        if layer > 1 or (inputs and layer == 1):
            self.plan[record + ids.TRANSPOSED] = self._room(layout.sizes[layer] * layout.padded[layer - 1])

    def give_moved(self, layer: int) -> None:
        """Room for the layer's Z and A with one parameter moved."""
        for what in (ids.MOVED_RAW, ids.MOVED):
            self.plan[ids.LAYERS + layer * ids.RECORD + what] = self._room(self._variants * self._strides[layer])

    def give_scratch(self) -> None:
        self.plan[ids.SCRATCH] = self._room(self._rows * self.layout.padded[-1])

    def give_gradient(self, n_threads: int) -> None:
        """Room for a block of gradient for each thread, and for each output's part of the loss and its slope."""
        plan = self.plan
        plan[ids.BLOCK] = self._room(n_threads * int(plan[ids.BLOCK_ROOM]))
        for what in (ids.VALUES, ids.SLOPES):
            plan[what] = self._room(self._rows * self.layout.sizes[-1])

    def give_differences(self) -> None:
        """Room for what central differences keep beside the moved layers."""
        plan, layout = self.plan, self.layout
        plan[ids.VARIANTS] = self._variants
        plan[ids.COLUMNS] = self._room((6 + 3 * layout.sizes[-1]) * self._variants)
        plan[ids.VARIANT_SCRATCH] = self._room(self._variants * layout.padded[-1])
        plan[ids.SLOTS] = self._room(max(layout.sizes) + 2)

    def give_batch(self) -> None:
        """Room for a batch's targets and row weights; its inputs are the outputs of layer 0."""
        self.plan[ids.GATHERED] = 1
        self.plan[ids.TARGETS] = self._room(self._rows * self.layout.sizes[-1])
        self.plan[ids.ROW_WEIGHTS] = self._room(self._rows)


def bounds_of_draws(layout: ParameterLayout, first_activation: str | None = None) -> list[float]:
    """How far from zero `initial_parameters` draws, layer by layer."""
    factor = 2.0 if (first_activation or layout.activations[0].name) == "sigmoid" else 6.0
    return [math.sqrt(factor / (below + size)) for below, size in zip(layout.sizes, layout.sizes[1:], strict=False)]


def initial_parameters(
    layout: ParameterLayout, random_state: np.random.RandomState, first_activation: str | None = None
) -> NDArray[Any]:
    """Uniform draws within sqrt(6 / (n_in + n_out)), weights then bias, layer by layer: scikit-learn's, draw for draw.

    With a sigmoid as the first activation the bound is sqrt(2 / (n_in + n_out)) in every layer (Glorot, Bengio 2010).
    """
    flat = aligned_zeros(layout.n_parameters, layout.dtype)
    for weights, bias, bound in zip(*layout.views(flat), bounds_of_draws(layout, first_activation), strict=True):
        weights[:] = random_state.uniform(-bound, bound, weights.shape)
        bias[:] = random_state.uniform(-bound, bound, bias.shape)
    return flat
