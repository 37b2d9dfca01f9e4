"""The log loss of labelled rows with its gradient and Hessian: one read of X each time it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import chosen_kernels
from ..kernels import ids
from ..memory import aligned_empty, aligned_zeros
from . import _row_passes


@dataclass  # freezing takes a small fit a microsecond
class Curvature:
    """A loss at one point.

    Attributes
    ----------
    value : float
        The sum over rows of weight times log loss.
    wrong : float
        The weight of rows whose own class is not the likeliest.
    gradient : ndarray of shape (outputs, p + 1)
    hessian : ndarray of shape (outputs (p + 1), outputs (p + 1)), or None
        None where it was not asked for.
    reach : ndarray of shape (p + 1,), or None
        The largest size in each column of the rows; None of a part of them.
    """

    value: float
    wrong: float
    gradient: NDArray[np.float64]
    hessian: NDArray[np.float64] | None
    reach: NDArray[np.float64] | None = None

    @property
    def is_finite(self) -> bool:
        """Whether all of it is."""
        good = np.isfinite(self.value) and np.isfinite(self.gradient).all()
        return bool(good and (self.hessian is None or np.isfinite(self.hessian).all()))


def operations_of_row(p: int, outputs: int) -> float:
    """Multiply-adds of a row in a pass with Hessian."""
    width, padded, pairs = _row_passes.padded(1 + p), _row_passes.padded(outputs), max(outputs * (outputs - 1) // 2, 1)
    return width * (2.0 * padded + pairs * (0.6 * width + 8)) + 50.0 * outputs


def work_of_pass(width: int, padded: int) -> int:
    """How many numbers a pass needs room for."""
    return _row_passes.BLOCK * (2 * width + 3 * padded + 7)


class LabelledRows:
    """Rows ((x - shift) scale, 1) with the places of their classes, ready for the kernel; X is not copied.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    labels : ndarray of intp, shape (n,)
    sample_weight : ndarray of float64, shape (n,), or None
    outputs : int
        1 for two classes, else as many as there are classes.
    shift, scale : ndarray of shape (p,)
    fit_intercept : bool
        Without it the row's last number is 0.

    Attributes
    ----------
    n_rows : int
    sizes : tuple of int
        `outputs`; p + 1; the same two up to whole vectors, p + 1 first; and pairs of classes, at least 1.
    plans : ndarray of intp, a row for each segment
    arrays : tuple of ndarray
        What the kernels read behind the plan: X, labels, weights, shift and scale.
    work_size : int
        Of their workspace.
    """

    def __init__(
        self,
        X: NDArray[Any],
        labels: NDArray[np.intp],
        sample_weight: NDArray[np.float64] | None,
        outputs: int,
        shift: NDArray[np.float64],
        scale: NDArray[np.float64],
        fit_intercept: bool,
        n_threads: int | None = None,
    ) -> None:
        n, p = X.shape
        width, padded, pairs = (
            _row_passes.padded(1 + p),
            _row_passes.padded(outputs),
            max(outputs * (outputs - 1) // 2, 1),
        )
        x, x_row, x_column = _row_passes.strided(X)
        weight = np.empty(0) if sample_weight is None else sample_weight
        self.n_rows = n
        self.sizes = outputs, 1 + p, width, padded, pairs
        self._given = X, labels, sample_weight, outputs, shift, scale, fit_intercept, n_threads
        self._n_threads = n_threads
        self._operations = n * operations_of_row(p, outputs)
        self._numbers = outputs * width + pairs * width * width
        bounds = _row_passes.segments(n, self._operations / n, self._numbers)
        self.work_size = work_of_pass(width, padded)
        self.plans = _row_passes.segment_plans(
            bounds, FEATURES=p, CLASSES=outputs, WIDTH=width, PADDED=padded, INTERCEPT=fit_intercept,
            WEIGHTED=weight.size > 0, X_ROW=x_row, X_COLUMN=x_column, WORK=self.work_size,
        )  # fmt: skip
        self.arrays = x, _row_passes.strided(labels)[0], _row_passes.strided(weight)[0], shift, scale
        self._known_reach: NDArray[np.float64] | None = None

    def evaluate(self, theta: NDArray[np.float64], hessian: bool = True, every: int = 1) -> Curvature:
        """The sums over all rows, or over one block of 64 in `every`; theta is (outputs, p + 1), intercepts last.

        Without the Hessian that takes a part of the time: with many classes, or columns, a small one.
        """
        outputs, size, width, padded, pairs = self.sizes
        parameters = aligned_zeros(width * padded, np.float64)
        parameters.reshape(width, padded)[:size, :outputs] = theta.T
        n = self.n_rows
        # fewer segments for a part of the rows
        bounds = _row_passes.segments(n, self._operations / every / n, self._numbers)
        count = len(bounds) - 1
        sums, reaches, gradients = (part[:count] for part in self._results)
        plans = self.plans[:count].copy()
        plans[:, ids.PASS_FIRST], plans[:, ids.PASS_LAST] = bounds[:-1], bounds[1:]
        plans[:, ids.PASS_STEP], plans[:, ids.PASS_GRADIENT_ONLY] = every * _row_passes.BLOCK, not hessian
        # the first pass over all rows tells it once and for all
        plans[:, ids.PASS_REACH] = tells = every == 1 and self._known_reach is None
        kernel = chosen_kernels().logistic_pass
        products = self._products if hessian else np.empty((count, 0))

        def task(segment: int, work: NDArray[np.float64]) -> None:
            kernel(
                plans[segment], *self.arrays, parameters, sums[segment], reaches[segment], gradients[segment],
                products[segment], work,
            )  # fmt: skip

        _row_passes.run(task, count, self.work_size, self._operations / every, self._n_threads)
        if tells:
            self._known_reach = reaches.max(axis=0)[:size]
        reach = self._known_reach if every == 1 else None
        value, wrong = sums.sum(axis=0).tolist()
        gradient = gradients.sum(axis=0).reshape(outputs, width)[:, :size]
        if not hessian:
            return Curvature(value, wrong, gradient, None, reach)
        products = _row_passes.symmetric(products[:count].sum(axis=0).reshape(pairs, width, width), size)
        return Curvature(value, wrong, gradient, _hessian(products, outputs), reach)

    @cached_property
    def _results(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """What each segment's sums, reach and gradient are written to."""
        count, (outputs, _, width, _, _) = len(self.plans), self.sizes
        gradients = aligned_empty(count * outputs * width, np.float64).reshape(count, -1)
        return np.empty((count, 2)), np.empty((count, width)), gradients

    @cached_property
    def _products(self) -> NDArray[np.float64]:
        """The same for its products: much memory, which is not asked for where only few columns will have a Hessian."""
        _, _, width, _, pairs = self.sizes
        return aligned_empty(len(self.plans) * pairs * width * width, np.float64).reshape(len(self.plans), -1)

    def of_columns(self, columns: NDArray[np.intp]) -> LabelledRows:
        """The same rows with these columns alone, copied."""
        X, labels, weight, outputs, shift, scale, fit_intercept, n_threads = self._given
        return LabelledRows(
            X[:, columns], labels, weight, outputs, shift[columns], scale[columns], fit_intercept, n_threads
        )

    @property
    def is_costly(self) -> bool:
        """Whether the Hessian takes most of the time of a pass: many classes, or columns."""
        _, _, width, padded, pairs = self.sizes
        return pairs * (0.6 * width + 8) > 4 * (2 * padded + 8)


@lru_cache(maxsize=1)  # each step of a fit asks for the same
def _pairs(outputs: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places k < l of the products' classes."""
    first, second = np.triu_indices(outputs, 1)
    return first, second


def _hessian(products: NDArray[np.float64], outputs: int) -> NDArray[np.float64]:
    """The Hessian by blocks: -N_kl off the diagonal, the sum over l of N_kl on it."""
    if outputs == 1:
        return products[0]
    size = products.shape[1]
    blocks = np.zeros((outputs, outputs, size, size))
    first, second = _pairs(outputs)
    blocks[first, second] = -products
    blocks[second, first] = -products
    places = np.arange(outputs)
    blocks[places, places] = -blocks.sum(axis=1)
    return blocks.swapaxes(1, 2).reshape(outputs * size, -1)


def total(parts: Iterable[Curvature]) -> Curvature:
    """The sum over several sets of rows, in their order."""
    parts = iter(parts)
    found = next(parts)
    for part in parts:
        found = Curvature(
            found.value + part.value,
            found.wrong + part.wrong,
            found.gradient + part.gradient,
            None if found.hessian is None or part.hessian is None else found.hessian + part.hessian,
            None if found.reach is None or part.reach is None else np.maximum(found.reach, part.reach),
        )
    return found
