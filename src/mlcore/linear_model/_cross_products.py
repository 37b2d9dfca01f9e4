"""Sufficient statistics of a linear model: weighted products of (1, x, y), gathered in one pass, shifted and merged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import chosen_kernels
from ..kernels.thresholds import SMALLEST_SQUARE
from ..memory import aligned_empty
from ..validation import FLOATS
from . import _double_double, _row_passes

# products of so few numbers are gathered in pairs of doubles from the start: that costs less than the call around it
SMALL = 2**17
# rows at a time where NumPy makes arrays of them
_ROWS = 2**16


@dataclass  # freezing takes a small fit a microsecond
class CrossProducts:
    """The products sum_i w_i u_i u_i' of u = (1, (x - shift) scale, (y - shift) scale), as pairs high + low.

    Attributes
    ----------
    n_rows : int
        Those whose weight is not zero.
    log_weight : float
        Half the sum of the weights' logarithms.
    n_features, n_outputs : int
        p and q.
    eps : float
        How finely the rows' numbers are rounded.
    in_pairs : bool
        Whether products are summed in pairs throughout: 106 bits, not some 48.
    shift, scale : ndarray of shape (p + q,)
        Of each column of x, then y. Scales are powers of two.
    high, low : ndarray of shape (1 + p + q, width)
        `width` is 1 + p + q up to whole vectors.
    """

    n_rows: int
    log_weight: float
    n_features: int
    n_outputs: int
    eps: float
    in_pairs: bool
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """The sum of weights, then of each column's squares."""
        return self.high.ravel()[:: self.high.shape[1] + 1]

    def pair(self) -> _double_double.Pair:
        """High and low."""
        return self.high, self.low

    def moved(self, shift: NDArray[np.float64], scale: NDArray[np.float64]) -> CrossProducts:
        """The same statistics about another shift and in other scales."""
        if np.array_equal(shift, self.shift) and np.array_equal(scale, self.scale):
            return self
        size, width = self.high.shape
        # a column that is zero is so in every scale
        ratio = np.ones(width)
        ratio[1:size] = np.where(self.diagonal[1:] > 0, scale / self.scale, 1.0)
        products = self.high * ratio[:size, np.newaxis] * ratio, self.low * ratio[:size, np.newaxis] * ratio
        # u becomes u + (0, d), d = (old shift - new shift) scale: add d s' + s d' + w d d', s the sums, w the weights'
        d = np.zeros(width), np.zeros(width)
        d[0][1:size], d[1][1:size] = (part * scale for part in _double_double.two_sum(self.shift, -shift))
        rows = d[0][:size, np.newaxis], d[1][:size, np.newaxis]
        sums = products[0][0], products[1][0]
        sums_of_rows = sums[0][:size, np.newaxis], sums[1][:size, np.newaxis]
        weight = sums[0][0], sums[1][0]
        for term in (
            _double_double.multiply(rows, sums),
            _double_double.multiply(sums_of_rows, d),
            _double_double.multiply(_double_double.multiply(rows, d), weight),
        ):
            products = _double_double.add(products, term)
        return replace(self, shift=shift, scale=scale, high=products[0], low=products[1])

    def __add__(self, other: CrossProducts) -> CrossProducts:
        """The statistics of both sets of rows, about the shift of the heavier one."""
        shift = self.shift if self.high[0, 0] >= other.high[0, 0] else other.shift
        # a column that is zero is so in every scale
        scale = np.minimum(
            np.where(self.diagonal[1:] > 0, self.scale, np.inf), np.where(other.diagonal[1:] > 0, other.scale, np.inf)
        )
        scale = np.where(scale < np.inf, scale, self.scale)
        mine, others = self.moved(shift, scale), other.moved(shift, scale)
        products = _double_double.add(mine.pair(), others.pair())
        return replace(
            self,
            n_rows=self.n_rows + other.n_rows,
            eps=max(self.eps, other.eps),
            log_weight=self.log_weight + other.log_weight,
            in_pairs=self.in_pairs and other.in_pairs,
            shift=shift,
            scale=scale,
            high=products[0],
            low=products[1],
        )

    def check(self, n_features: int, n_outputs: int) -> None:
        """``ValueError`` unless all parts go together."""
        size = 1 + n_features + n_outputs
        wanted = ((size - 1,),) * 2 + ((size, _row_passes.padded(size)),) * 2
        arrays = self.shift, self.scale, self.high, self.low
        good = all(
            a.shape == shape and a.dtype == np.float64 and np.isfinite(a).all()
            for a, shape in zip(arrays, wanted, strict=True)
        )
        kinds = (self.n_rows, int), (self.log_weight, float), (self.eps, float), (self.in_pairs, bool)
        good = good and all(type(value) is kind for value, kind in kinds) and np.isfinite(self.log_weight)
        good = good and (self.n_features, self.n_outputs) == (n_features, n_outputs)
        good = good and self.eps in [float(np.finfo(dtype).eps) for dtype in FLOATS]
        if not good or self.n_rows < 1 or (self.scale <= 0).any() or (self.diagonal < 0).any():
            raise ValueError("the sums of products do not fit the coefficients")


def _ones_first(products: NDArray[np.float64], size: int, width: int, weighted: bool) -> NDArray[np.float64]:
    """The kernel's matrices of products of (x, y, 1) as those of (1, x, y)."""
    whole = _row_passes.symmetric(products.reshape(-1, width, width), size)
    found = np.zeros((2, size, width))
    found[:, 0, 1:size], found[:, 0, 0] = whole[:, -1, :-1], whole[:, -1, -1]
    found[:, 1:, 1:size], found[:, 1:, 0] = whole[:, :-1, :-1], whole[:, :-1, -1]
    if weighted:  # (w x) y need not be (w y) x
        square = found[:, :, :size]
        np.copyto(square, square.swapaxes(1, 2).copy(), where=_row_passes.below_diagonal(size))
    return found


def is_small(n_rows: Any, n_columns: int) -> Any:
    """Whether pairs of doubles cost next to nothing for so many rows of x and y, (an array of) whole numbers."""
    return n_rows * _row_passes.padded(1 + n_columns) ** 2 <= SMALL


def operations_of_row(n_columns: int, *, in_pairs: bool) -> float:
    """Multiply-adds that a row of x and y costs, with what there is around them."""
    width = _row_passes.padded(1 + n_columns)
    return width * width * (8.0 if in_pairs else 0.6)


@dataclass(frozen=True)
class WeightedRows:
    """Rows as the kernels read them: no copy of X, y in float64, weights or nothing."""

    X: NDArray[Any]
    y: NDArray[np.float64]
    sample_weight: NDArray[np.float64] | None

    @property
    def n_outputs(self) -> int:
        """How many columns y has; 1 if it is a vector."""
        return 1 if self.y.ndim == 1 else self.y.shape[1]

    def origin(self, fit_intercept: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shift and scale to begin with: about one of the rows a constant column is exactly zero."""
        p = self.X.shape[1]
        shift, scale = np.zeros(p + self.n_outputs), np.ones(p + self.n_outputs)
        if fit_intercept:
            first = 0 if self.sample_weight is None else int(self.sample_weight.argmax())
            shift[:p], shift[p:] = self.X[first], self.y[first]
        return shift, scale

    def gather(
        self,
        shift: NDArray[np.float64],
        scale: NDArray[np.float64],
        *,
        in_pairs: bool,
        n_threads: int | None = None,
    ) -> CrossProducts:
        """Read all rows once."""
        n, p = self.X.shape
        q = shift.size - p
        size, width = 1 + p + q, _row_passes.padded(1 + p + q)
        x, x_row, x_column = _row_passes.strided(self.X)
        y, y_row, y_column = _row_passes.strided(self.y)
        weight = np.empty(0) if self.sample_weight is None else _row_passes.strided(self.sample_weight)[0]
        operations = operations_of_row(p + q, in_pairs=in_pairs)
        bounds = _row_passes.segments(n, operations, 2 * width * width)
        count = len(bounds) - 1
        work_size = (4 if in_pairs or weight.size else 2) * _row_passes.BLOCK * width
        plans = _row_passes.segment_plans(
            bounds, FEATURES=p, OUTPUTS=q, WIDTH=width, INTERCEPT=1, WEIGHTED=weight.size > 0, IN_PAIRS=in_pairs,
            X_ROW=x_row, X_COLUMN=x_column, Y_ROW=y_row, Y_COLUMN=y_column, WORK=work_size,
        )  # fmt: skip
        sums = aligned_empty(count * 2 * width * width, np.float64).reshape(count, 2, -1)
        kernel = chosen_kernels().cross_products

        def task(segment: int, work: NDArray[np.float64]) -> None:
            kernel(plans[segment], x, y, weight, shift, scale, *sums[segment], work)

        _row_passes.run(task, count, work_size + width * width, n * operations, n_threads)
        if count > 1:
            chosen_kernels().sum_pairs(count, width * width, sums.reshape(-1))
        eps = float(np.finfo(self.X.dtype).eps)
        return CrossProducts(
            *self._counted(), p, q, eps, in_pairs, shift, scale, *_ones_first(sums[0], size, width, weight.size > 0)
        )  # fmt: skip

    def _counted(self) -> tuple[int, float]:
        """How many rows have a weight, and half the sum of the weights' logarithms."""
        if self.sample_weight is None:
            return len(self.X), 0.0
        count, logarithms = 0, 0.0
        for start in range(0, len(self.X), _ROWS):
            weights = self.sample_weight[start : start + _ROWS]
            weights = weights[weights > 0]
            count, logarithms = count + len(weights), logarithms + float(np.log(weights).sum())
        return count, 0.5 * logarithms

    @property
    def is_small(self) -> bool:
        """Whether pairs of doubles cost next to nothing."""
        return bool(is_small(self.X.shape[0], self.X.shape[1] + self.n_outputs))

    def scales(self, shift: NDArray[np.float64], products: CrossProducts, most: int) -> NDArray[np.float64]:
        """Powers of two, up to 2^most, that bring columns near one whose squares overflow or vanish; 1 for others."""
        scale = np.ones(shift.size)
        squares = products.diagonal[1:]
        for j in np.flatnonzero(~((squares > SMALLEST_SQUARE) & (squares < 1 / SMALLEST_SQUARE))):
            column = self.X[:, j] if j < self.X.shape[1] else self.y.reshape(len(self.y), -1)[:, j - self.X.shape[1]]
            # halves, so that no difference overflows
            largest = float(np.abs(column * 0.5 - shift[j] * 0.5).max())
            if largest > 0 and np.isfinite(largest):
                scale[j] = np.ldexp(1.0, -int(np.clip(np.frexp(largest)[1], -most, 1000)))
        return scale
