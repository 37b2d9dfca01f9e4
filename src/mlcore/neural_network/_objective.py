"""A data set's loss and gradient: of padded parameters, or of the vector that SciPy's optimizers move."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import chosen_kernels
from ..kernels import ids
from ..losses import Loss
from ..memory import aligned_zeros, shared_view
from ._parameter_layout import ParameterLayout


class Objective:
    """Loss and gradient of a whole data set, as one batch."""

    def __init__(
        self,
        layout: ParameterLayout,
        X: NDArray[Any],
        T: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        loss: Loss,
        settings: NDArray[np.float64],
        numerical: bool = False,
    ) -> None:
        weight = np.empty(0, layout.dtype) if sample_weight is None else sample_weight
        self.layout = layout
        self._plan, self._work = layout.work(
            len(X),
            backward=True,
            LOSS=loss.kernel_id(layout.activations[-1].name),
            OPTIMIZER=ids.GRADIENT_ONLY,
            MEAN=int(loss.reduction == "mean"),
            WEIGHTED=int(weight.size > 0),
            NUMERICAL=int(numerical),
        )
        self._settings = settings
        self._state = np.zeros(ids.N_PROGRESS), np.empty(2 * int(self._plan[ids.N_SUMS]))
        self._data = shared_view(X), shared_view(T), shared_view(weight)
        self._gradient = aligned_zeros(layout.n_parameters, layout.dtype)

    @cached_property
    def _flat(self) -> NDArray[Any]:
        return aligned_zeros(self.layout.n_parameters, self.layout.dtype)

    def at(self, flat: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """The loss at padded parameters, and its gradient, padded alike, which the next call overwrites."""
        evaluate = chosen_kernels().difference if self._plan[ids.NUMERICAL] else chosen_kernels().gradient
        value = evaluate(self._plan, self._settings, *self._state, *self._data, flat, self._gradient, self._work)
        return float(value), self._gradient

    def pack(self, flat: NDArray[Any]) -> NDArray[Any]:
        """All weights row by row, then all biases."""
        weights, biases = self.layout.views(flat)
        return np.concatenate([part.ravel() for part in (*weights, *biases)])

    def unpack(self, vector: NDArray[Any], flat: NDArray[Any]) -> None:
        """The vector's numbers into the padded ones."""
        start = 0
        weights, biases = self.layout.views(flat)
        for part in (*weights, *biases):
            part[...] = vector[start : start + part.size].reshape(part.shape)
            start += part.size

    def __call__(self, vector: NDArray[Any]) -> tuple[float, NDArray[np.float64]]:
        """Give the loss and its gradient at the vector."""
        self.unpack(vector, self._flat)
        value, gradient = self.at(self._flat)
        return value, self.pack(gradient).astype(np.float64)
