"""Least squares from cross products: Cholesky's factor in pairs of doubles, rank, condition, the least norm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ..config import chosen_kernels
from ..kernels.thresholds import LEAST_PENALTY, ROUNDING_OF_PAIRS, SMALLEST_SQUARE
from . import _row_passes
from ._cross_products import CrossProducts, WeightedRows

_EPS = float(np.finfo(np.float64).eps)
# binary orders of magnitude by which columns' units may differ where columns are chosen by their size
_FARTHEST = 900
# how far scales may go below 1 over the root of the largest number (with a penalty, which is scaled by their squares)
_MOST_EXPONENT, _MOST_PENALISED = 1000, 400


@dataclass  # freezing takes a small fit a microsecond
class Factor:
    """R with R'R = the cross products of (1, x) plus the penalty, and what it makes of y.

    Attributes
    ----------
    products : CrossProducts
    fit_intercept : bool
    alpha : float
        A penalty that R does not hold: one that is too small for Cholesky's factor where columns depend on each other.
    high, low : ndarray of shape (1 + p + q, width)
        R in the first 1 + p rows, Z = R^-T X'y in their last q columns, the residuals' products in the last q rows.
    rank : int
        Of the (centred) columns of X.
    places : ndarray of shape (p,)
        Which column of X each of R's is, behind the ones.
    found : ndarray of shape (q (1 + p),)
        The coefficients (q, p) and the intercepts, 0 for columns that depend on others.
    """

    products: CrossProducts
    fit_intercept: bool
    alpha: float
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    rank: int
    places: NDArray[np.intp]
    found: NDArray[np.float64]

    @classmethod
    def of(cls, products: CrossProducts, fit_intercept: bool, alpha: float = 0.0) -> Factor:
        """Factor the products, `alpha` added to each square of x; without it columns may depend on each other."""
        if not fit_intercept and products.shift.any():
            products = products.moved(np.zeros_like(products.shift), products.scale)
        if alpha > 0:
            p = products.n_features
            columns = zip(products.scale[:p].tolist(), products.diagonal[1 : 1 + p].tolist(), strict=True)
            if any([alpha * scale * scale < LEAST_PENALTY * square for scale, square in columns]):
                plain = cls._of(products, fit_intercept, 0.0)
                if plain.rank < p:
                    return replace(plain, alpha=alpha)
        return cls._of(products, fit_intercept, alpha)

    @classmethod
    def _of(cls, m: CrossProducts, fit_intercept: bool, alpha: float) -> Factor:
        p, q = m.n_features, m.n_outputs
        high, low, places = m.high.copy(), m.low.copy(), np.empty(p, np.intp)
        found, work = np.empty(q * (1 + p)), np.empty((1 + p) * (1 + 2 * q))
        rank = chosen_kernels().least_squares(
            p, q, high.shape[1], m.n_rows, m.eps, bool(fit_intercept), alpha, m.shift, m.scale, high.reshape(-1),
            low.reshape(-1), places, found, work,
        )  # fmt: skip
        return cls(m, fit_intercept, 0.0, high, low, rank, places, found)

    def solve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients (q, p) and intercepts (q,) in the user's units."""
        m = self.products
        p, q = m.n_features, m.n_outputs
        r = self.rank
        # columns of zeros have a coefficient of zero, and leave the others alone
        if r == p or not self.high[1 : 1 + r, 1 + r : 1 + p].any() and self.alpha == 0:
            return self.found[: q * p].reshape(q, p), self.found[q * p :]
        coefficients = self._least_norm()
        if not self.fit_intercept:
            return coefficients, np.zeros(q)
        means = m.high[0, 1 : 1 + p + q] / m.high[0, 0] / m.scale + m.shift
        return coefficients, means[p:] - coefficients @ means[:p]

    def _least_norm(self) -> NDArray[np.float64]:
        """The coefficients (q, p) that, of all that fit as well, have the least norm in the user's units.

        With x_1 the columns that determine the others, (1 W) b = c: W what they make of the others, c what they make of
        y, both in pairs. Then b = (1 W)' ((1 W) (1 W)')^-1 c. Where x_1 are the columns of the largest units, the
        entries of W are of order one in them, and doubles do.
        """
        m, r = self.products, self.rank
        p, q = m.n_features, m.n_outputs
        exponents = np.frexp(m.scale)[1].astype(np.int64) - 1
        units = exponents[self.places]
        # entries far below the largest would vanish
        rows = np.ldexp(np.triu(self.high[1 : 1 + r, 1 : 1 + p]), -np.minimum(units - units.min(), _FARTHEST))
        order = self.places[_by_size(rows)]
        width = m.high.shape[1]
        index = np.arange(width)
        index[1 : 1 + p] = 1 + order
        high, low = (np.ascontiguousarray(half[index[: 1 + p + q, np.newaxis], index]) for half in m.pair())
        tolerance = np.zeros(1 + r)
        tolerance[0] = 0.0 if self.fit_intercept else np.inf
        chosen_kernels().factor(1 + r, 1 + p + q, width, tolerance, high.reshape(-1), low.reshape(-1))
        right, right_low = (np.ascontiguousarray(half[: 1 + r, 1 + r : 1 + p + q]) for half in (high, low))
        if self.alpha > 0:
            right, right_low = np.hstack([right, np.eye(1 + r)]), np.hstack([right_low, np.zeros((1 + r, 1 + r))])
        chosen_kernels().back_substitute(
            1 + r, width, np.zeros(1 + r), high.reshape(-1), low.reshape(-1), right.shape[1], right.reshape(-1),
            right_low.reshape(-1),
        )  # fmt: skip
        first, others = exponents[order[:r], np.newaxis], exponents[order[r:]]
        with np.errstate(all="ignore"):
            solution = np.ldexp(right[1:, p - r : p - r + q], first - exponents[p:])
            rows = np.vstack([np.eye(r), np.ldexp(right[1:, : p - r], first - others).T])
            if self.alpha > 0:
                rows = np.vstack([rows, np.sqrt(self.alpha) * np.ldexp(right[1:, p + q - r + 1 :], first).T])
            coefficients = np.empty((p, q))
            coefficients[order] = _shortest(rows, solution)[0][:p]
        return coefficients.T

    @cached_property
    def triangle(self) -> NDArray[np.float64]:
        """R of the (centred) columns of X in the user's units and in their new order, (p, p)."""
        p = self.products.n_features
        return np.triu(self.high[1 : 1 + p, 1 : 1 + p]) / self.products.scale[self.places]

    @cached_property
    def _unit_triangle(self) -> NDArray[np.float64]:
        p = self.products.n_features
        R = np.triu(self.high[1 : 1 + p, 1 : 1 + p])
        lengths = np.sqrt(np.einsum("ij,ij->j", R, R))
        return np.asfortranarray(R / np.where(lengths > 0, lengths, 1.0))

    def condition(self) -> float:
        """The largest over the smallest singular value of the (centred) columns of X, each divided by its length."""
        if self.rank < self.products.n_features:
            return np.inf
        singular = scipy.linalg.svdvals(self._unit_triangle)
        return float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf

    def singular_values(self) -> NDArray[np.float64]:
        """Of the (centred) X, largest first."""
        values: NDArray[np.float64] = scipy.linalg.svdvals(self.triangle)
        return values[: min(self.products.n_rows, self.products.n_features)]

    def is_at_risk(self) -> bool:
        """Whether plain sums may have cost digits that are wanted: nine of each coefficient, six of standard errors."""
        m = self.products
        p, q = m.n_features, m.n_outputs
        return bool(
            chosen_kernels().at_risk(
                p,
                q,
                self.high.shape[1],
                m.n_rows,
                self.rank,
                bool(self.fit_intercept),
                m.shift,
                m.scale,
                m.high[0],
                m.diagonal.copy(),
                self.high.reshape(-1),
                self.places,
                self.found,
                np.empty(p * (2 * p + 3)),
            )  # fmt: skip
        )

    def sums_of_squares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weighted sums of squares (q,) of y times its scale: of the residuals, and of y (about its mean)."""
        p, q = self.products.n_features, self.products.n_outputs
        Z = self.high[1 : 1 + p, 1 + p : 1 + p + q]
        # what is left of an exact fit may be below zero by rounding
        residual = np.maximum(self.high[1 + p :, 1 + p : 1 + p + q].diagonal(), 0.0)
        return residual, residual + np.einsum("ij,ij->j", Z, Z)

    def rounding(self) -> NDArray[np.float64]:
        """What the rounding of doubles may add to the sums of squares (q,): (4 eps)^2 of y and of what makes it up."""
        m, p = self.products, self.products.n_features
        size = 1 + p + m.n_outputs
        shift = m.shift * m.scale
        # about zero
        squares = np.maximum(m.diagonal[1:size] + shift * (2.0 * m.high[0, 1:size] + m.high[0, 0] * shift), 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.solve()[0] / m.scale[:p] * m.scale[p:, np.newaxis]
            return (4.0 * _EPS) ** 2 * (squares[p:] + found**2 @ squares[:p])

    def unscaled_variances(self) -> NDArray[np.float64]:
        """The diagonal of (X'WX)^-1 for (1, x), or for x without intercept."""
        m, p = self.products, self.products.n_features
        size = _row_passes.padded(1 + p)
        inverse, low, shift = np.eye(1 + p, size), np.zeros((1 + p, size)), np.zeros(1 + p)
        if self.fit_intercept:
            shift[1:] = (m.shift[:p] * m.scale[:p])[self.places]
        chosen_kernels().back_substitute(
            1 + p, self.high.shape[1], shift, self.high.reshape(-1), self.low.reshape(-1), size,
            inverse.reshape(-1), low.reshape(-1),
        )  # fmt: skip
        variances: NDArray[np.float64] = np.einsum("ij,ij->i", inverse, inverse)
        variances[1 + self.places] = variances[1:] * m.scale[self.places] ** 2
        return variances if self.fit_intercept else variances[1:]


def gather(
    rows: WeightedRows,
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    check_finite: Callable[[], None],
    *,
    in_pairs: bool,
    penalised: bool = False,
    n_threads: int | None = None,
) -> CrossProducts:
    """The cross products of rows, in other scales than `scale` where squares overflow or vanish in it.

    `check_finite` is called if a sum is not finite, and raises if it is not the fault of large numbers.
    """
    products = rows.gather(shift, scale, in_pairs=in_pairs, n_threads=n_threads)
    if not all([SMALLEST_SQUARE < square < 1 / SMALLEST_SQUARE for square in products.diagonal[1:].tolist()]):
        if not np.isfinite(products.diagonal).all():
            check_finite()
        needed = rows.scales(shift, products, _MOST_PENALISED if penalised else _MOST_EXPONENT)
        if (needed != 1.0).any():
            scale = np.where(needed != 1.0, needed, scale)
            products = rows.gather(shift, scale, in_pairs=in_pairs, n_threads=n_threads)
        if not np.isfinite(products.diagonal).all():
            raise ValueError("X, y or sample_weight holds numbers too large to be squared and summed; scale them.")
    return products


def gather_and_factor(
    rows: WeightedRows,
    fit_intercept: bool,
    alpha: float,
    check_finite: Callable[[], None],
    n_threads: int | None,
) -> tuple[CrossProducts, Factor]:
    """The cross products of rows and their factor; in pairs of doubles if it says that plain ones cost digits."""
    shift, scale = rows.origin(fit_intercept)
    small = rows.is_small
    products = gather(
        rows, shift, scale, check_finite, in_pairs=small, penalised=alpha > 0, n_threads=n_threads
    )  # fmt: skip
    factor = Factor.of(products, fit_intercept, alpha)
    if not small and factor.is_at_risk():
        products = rows.gather(shift, products.scale, in_pairs=True, n_threads=n_threads)
        factor = Factor.of(products, fit_intercept, alpha)
    return products, factor


def _by_size(rows: NDArray[np.float64]) -> NDArray[np.intp]:
    """The columns of rows of full rank in the order of how much the ones before leave of each.

    What rounding leaves of a column that depends on those before may be longer than a whole column of a small unit. It
    does not count: such columns come last.
    """
    r, p = rows.shape
    rounding = 8 * p * _EPS * np.linalg.norm(rows, axis=0)
    others, found = np.arange(p), np.empty(0, np.intp)
    while len(rows) and len(others):
        R, places = scipy.linalg.qr(rows, mode="r", pivoting=True, check_finite=False)
        others = others[places]
        good = np.append(np.abs(R.diagonal()) > rounding[others[: len(R)]], False)
        count = min(int(good.argmin()), r - len(found))
        found, others, rows = np.append(found, others[:count]), others[count:], R[count:, count:]
        left = np.linalg.norm(rows, axis=0) > rounding[others]
        others, rows = others[left], rows[:, left]
    return np.append(found, np.setdiff1d(np.arange(p), found))


def _shortest(rows: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The shortest v of rows' v = right, which is rows (rows' rows)^-1 right, and the factor of rows' rows.

    With the largest row first, and columns in the order of what is left of them, rounding in large rows does not reach
    the small ones (Cox and Higham 1998, Stability of Householder QR factorization for weighted least squares problems).
    """
    places = np.argsort(-np.abs(rows).max(axis=1), kind="stable")
    Q, L, columns = scipy.linalg.qr(rows[places], mode="economic", pivoting=True, check_finite=False)
    shortest = np.empty((len(rows), right.shape[1]))
    shortest[places] = Q @ scipy.linalg.solve_triangular(L, right[columns], trans="T", check_finite=False)
    return shortest, L


def solve_wide(
    rows: WeightedRows, fit_intercept: bool, alphas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, NDArray[np.float64] | None]:
    """Coefficients (q, p), intercepts and rank where p is far above n, from X itself; singular values unless penalised.

    X = Q R, the columns in the order in which `factor_by_size` of the kernels takes them, tells the rank. With A the
    rows of R that count, in the user's units, (A' sqrt(alpha) I)' = Q L gives b = A' (A A' + alpha)^-1 z = Q_A L'^-1 z.
    """
    weight = rows.sample_weight
    X, T = rows.X.astype(np.float64), rows.y.reshape(len(rows.y), -1)
    square_unit = 0
    if weight is not None:
        kept = weight > 0
        X, T, weight = X[kept], T[kept], weight[kept]
        square_unit = 2 * (int(np.frexp(weight.max())[1]) // 2)
        weight = np.ldexp(weight, -square_unit)
    n, p = X.shape
    units, t_units = (np.frexp(np.abs(part).max(axis=0))[1].astype(np.int64) for part in (X, T))
    X, T = np.ldexp(X, -units), np.ldexp(T, -t_units)
    root = 1.0 if weight is None else np.sqrt(weight)[:, np.newaxis]
    lengths = np.linalg.norm(X * root, axis=0)
    x_mean, t_mean = np.zeros(p), np.zeros(T.shape[1])
    # the second time takes away what rounding left of columns far from zero
    for _ in range(2 if fit_intercept else 0):
        x_more, t_more = (np.average(part, axis=0, weights=weight) for part in (X, T))
        X, T, x_mean, t_mean = X - x_more, T - t_more, x_mean + x_more, t_mean + t_more
    X, T = X * root, T * root
    tolerance = np.maximum(
        max(n, p) * _EPS * np.linalg.norm(X, axis=0), 2 * float(np.finfo(rows.X.dtype).eps) * lengths
    )
    exponents = np.frexp(tolerance)[1]
    X, tolerance, units = np.ldexp(X, -exponents), np.ldexp(tolerance, -exponents), units + exponents
    Q, R, order = scipy.linalg.qr(X, mode="economic", pivoting=True, overwrite_a=True, check_finite=False)
    counts = np.append(np.abs(R.diagonal()) > tolerance[order[:n]], False)
    rank = min(int(counts.argmin()), n - bool(fit_intercept))
    common = units.max()
    A, z = np.ldexp(R[:rank], units[order] - common), Q[:, :rank].T @ T
    coefficients, singular = np.zeros((p, T.shape[1])), None if alphas.all() else np.zeros(n)
    with np.errstate(all="ignore"):
        for alpha in np.unique(alphas) if rank else ():
            penalty = np.ldexp(np.sqrt(alpha), -common - square_unit // 2)
            alike = alphas == alpha
            solution, L = _shortest(np.vstack([A.T, penalty * np.eye(rank)]), z[:, alike])
            coefficients[order[:, np.newaxis], np.flatnonzero(alike)] = solution[:p]
            if singular is not None and alpha == 0:
                singular[:rank] = np.ldexp(scipy.linalg.svdvals(L), common + square_unit // 2)
        coefficients = np.ldexp(coefficients, t_units - common)
        x_mean, t_mean = np.ldexp(x_mean, units - exponents), np.ldexp(t_mean, t_units)
        return coefficients.T, t_mean - x_mean @ coefficients, rank, singular


def without_rounding(intercept: NDArray[np.float64], products: CrossProducts) -> NDArray[np.float64]:
    """Intercepts, 0 in place of those that are no more than the rounding of pairs of doubles, of y's size."""
    p, square = products.n_features, products.high.item
    for c, value in enumerate(intercept.tolist(), p):
        # what is left of so large numbers; the sizes themselves may overflow
        rounding = ROUNDING_OF_PAIRS * math.sqrt(max(square(1 + c, 1 + c), 0.0) / square(0, 0)) / products.scale.item(c)
        if abs(value) <= rounding + ROUNDING_OF_PAIRS * abs(products.shift.item(c)):
            intercept[c - p] = 0.0
    return intercept
