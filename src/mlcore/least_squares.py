"""Least squares from moments: Cholesky's factor in pairs of doubles, rank, condition, the least norm where needed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtri

from . import passes
from .config import kernels
from .moments import TINY, Moments, Table

_EPS = float(np.finfo(np.float64).eps)
# the estimated error of coefficients that is still good enough for nine digits: it is 7 to 1,000 times the true one
_GOOD_ENOUGH = 5e-9
# of plain sums: 128 products are added in doubles
_PLAIN = 32 * _EPS
# of pairs, which have 106 bits, once they have been factored
_PAIRS = 2.0**-100
# what residuals may be of y, both squared: what standard errors need six digits of
_LEAST_RESIDUAL = _PLAIN * 1e6
# an error that counts is more than so small a part of a standard error, or of the largest coefficient
_OF_STANDARD_ERROR, _OF_LARGEST = 1.0, 1e-7
# how far scales may go below 1 over the root of the largest number (with a penalty, which is scaled by their squares)
_MOST_EXPONENT, _MOST_PENALISED = 1000, 400


@dataclass(frozen=True)
class Factor:
    """R with R'R = the moments of (1, x) plus the penalty, and what it makes of y.

    Attributes
    ----------
    moments : Moments
    fit_intercept : bool
    high, low : ndarray of shape (1 + p + q, width)
        R in the first 1 + p rows, Z = R^-T X'y in their last q columns, the residuals' products in the last q rows.
    rank : int
        Of the (centred) columns of X.
    found : ndarray of shape (q (1 + p),)
        The coefficients (q, p) and the intercepts of full rank.
    """

    moments: Moments
    fit_intercept: bool
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    rank: int
    found: NDArray[np.float64]

    @classmethod
    def of(cls, moments: Moments, fit_intercept: bool, alpha: float = 0.0) -> Factor:
        """Factor the moments, `alpha` added to each square of x; without it a column may depend on those before it."""
        if not fit_intercept and moments.shift.any():
            moments = moments.moved(np.zeros_like(moments.shift), moments.scale)
        m, p, q = moments, moments.n_features, moments.n_outputs
        high, low = m.high.copy(), m.low.copy()
        found, work = np.empty(q * (1 + p)), np.empty((1 + p) * (1 + 2 * q))
        rank = kernels().least_squares(
            p, q, high.shape[1], m.n_rows, m.eps, bool(fit_intercept), alpha, m.shift, m.scale, high.reshape(-1),
            low.reshape(-1), found, work,
        )  # fmt: skip
        return cls(m, fit_intercept, high, low, rank, found)

    def solve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients (q, p) and intercepts (q,) in the user's units."""
        p, q = self.moments.n_features, self.moments.n_outputs
        if self.rank < p:
            return self._least_norm()
        return self.found[: q * p].reshape(q, p), self.found[q * p :]

    def _least_norm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        m = self.moments
        p, q = m.n_features, m.n_outputs
        y_scale = m.scale[p:]
        independent = np.flatnonzero(self.triangle.any(axis=1))
        right = self.high[1 + independent, 1 + p : 1 + p + q] / y_scale
        coefficients = np.zeros((p, q))
        if independent.size:
            # R b = z with b in the rows' span: R' = Q L, b = Q (L')^-1 z
            kept = self.triangle.any(axis=0)
            Q, L = scipy.linalg.qr(self.triangle[np.ix_(independent, kept)].T, mode="economic", check_finite=False)
            coefficients[kept] = Q @ scipy.linalg.solve_triangular(L, right, trans="T", check_finite=False)
        if not self.fit_intercept:
            return coefficients.T, np.zeros(q)
        means = self.high[0, 1:] / self.high[0, 0]
        x_mean = means[:p] / m.scale[:p] + m.shift[:p]
        return coefficients.T, means[p : p + q] / y_scale + m.shift[p:] - x_mean @ coefficients

    @cached_property
    def triangle(self) -> NDArray[np.float64]:
        """R of the (centred) columns of X in the user's units, (p, p)."""
        p = self.moments.n_features
        return np.triu(self.high[1 : 1 + p, 1 : 1 + p]) / self.moments.scale[:p]

    @cached_property
    def _unit_triangle(self) -> NDArray[np.float64]:
        p = self.moments.n_features
        R = np.triu(self.high[1 : 1 + p, 1 : 1 + p])
        lengths = np.sqrt(np.einsum("ij,ij->j", R, R))
        return np.asfortranarray(R / np.where(lengths > 0, lengths, 1.0))

    def condition(self) -> float:
        """The largest over the smallest singular value of the (centred) columns of X, each divided by its length."""
        if self.rank < self.moments.n_features:
            return np.inf
        singular = scipy.linalg.svdvals(self._unit_triangle)
        return float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf

    def singular_values(self) -> NDArray[np.float64]:
        """Of the (centred) X, largest first."""
        values: NDArray[np.float64] = scipy.linalg.svdvals(self.triangle)
        return values[: min(self.moments.n_rows, self.moments.n_features)]

    def is_at_risk(self) -> bool:
        """Whether plain sums may have cost digits that are wanted: nine of each coefficient, six of standard errors.

        Rounding G and g of G b = g by a relative eta of the squares before centring moves b by about
        eta |G^-1| (|g| + |G| |b|), here in root mean squares; by how much it moves the intercept follows.
        """
        with np.errstate(all="ignore"):  # what overflows is at risk
            m = self.moments
            p, q = m.n_features, m.n_outputs
            residual, total = self.sums_of_squares()
            R = np.triu(self.high[1 : 1 + p, 1 : 1 + p])
            # a constant column is exactly zero
            constant = np.flatnonzero(m.diagonal[1 : 1 + p] == 0)
            R[constant, constant] = 1.0
            if self.rank < p - len(constant) or (residual < _LEAST_RESIDUAL * total).any():
                return True
            lengths = np.sqrt(np.einsum("ij,ij->j", R, R))
            inverse, info = dtrtri(np.asfortranarray(R / lengths))
            if info != 0:
                return True
            inverse = np.triu(inverse)
            # how much longer columns and answers were before they were centred
            squares = m.diagonal[1:]
            size = np.sqrt(squares)
            grown = size[:p] / lengths
            coefficients, intercept = self.solve()
            found = coefficients / m.scale[:p] * m.scale[p:, np.newaxis] * lengths
            moved = np.sqrt((inverse @ inverse.T) ** 2 @ grown**2)
            moved = _PLAIN * np.outer(np.sqrt(squares[p:] + (found * found) @ grown**2), moved)
            deviation = np.sqrt(
                np.outer(residual * m.scale[p:] ** 2 / max(m.n_rows - p - 1, 1), (inverse**2).sum(axis=1))
            )
            wanted = np.maximum(np.abs(found), _OF_STANDARD_ERROR * deviation)
            wanted = np.maximum(wanted, _OF_LARGEST * np.abs(found).max(axis=1, initial=0.0)[:, np.newaxis])
            good = bool((moved <= _GOOD_ENOUGH * wanted).all())
            if good and self.fit_intercept:
                means = np.abs(m.high[0, 1:] / m.high[0, 0])[: p + q] / m.scale + np.abs(m.shift)
                units = m.scale[:p] / lengths
                error = (moved * units) @ means[:p] / m.scale[p:] + _PLAIN * size[p:] / np.sqrt(m.high[0, 0]) / m.scale[
                    p:
                ]
                spread = (deviation * units) @ means[:p] / m.scale[p:]
                good = bool((error <= _GOOD_ENOUGH * np.maximum(np.abs(intercept), _OF_STANDARD_ERROR * spread)).all())
            return not good

    def sums_of_squares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weighted sums of squares (q,) in the user's units: of the residuals, and of y (about its mean)."""
        p, q = self.moments.n_features, self.moments.n_outputs
        Z = self.high[1 : 1 + p, 1 + p : 1 + p + q]
        # what is left of an exact fit may be below zero by rounding
        residual = np.maximum(self.high[1 + p :, 1 + p : 1 + p + q].diagonal(), 0.0)
        unit = 1.0 / self.moments.scale[p:]
        with np.errstate(over="ignore"):
            return residual * unit * unit, (residual + np.einsum("ij,ij->j", Z, Z)) * unit * unit

    def unscaled_variances(self) -> NDArray[np.float64]:
        """The diagonal of (X'WX)^-1 for (1, x), or for x without intercept."""
        m, p = self.moments, self.moments.n_features
        size = passes.padded(1 + p)
        inverse, low, shift = np.eye(1 + p, size), np.zeros((1 + p, size)), np.zeros(1 + p)
        if self.fit_intercept:
            shift[1:] = m.shift[:p] * m.scale[:p]
        kernels().back_substitute(
            1 + p, self.high.shape[1], self.high.reshape(-1), self.low.reshape(-1), shift, size,
            inverse.reshape(-1), low.reshape(-1),
        )  # fmt: skip
        inverse[1:] *= m.scale[:p, np.newaxis]
        variances: NDArray[np.float64] = np.einsum("ij,ij->i", inverse, inverse)
        return variances if self.fit_intercept else variances[1:]


def gather(
    table: Table,
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    check_finite: Callable[[], None],
    *,
    in_pairs: bool,
    penalised: bool = False,
    n_threads: int | None = None,
) -> Moments:
    """The moments of a table, in other scales than `scale` where squares overflow or vanish in it.

    `check_finite` is called if a sum is not finite, and raises if it is not the fault of large numbers.
    """
    moments = table.gather(shift, scale, in_pairs=in_pairs, n_threads=n_threads)
    squares = moments.diagonal[1:]
    if not (squares.min() > TINY and squares.max() < 1 / TINY):
        if not np.isfinite(moments.diagonal).all():
            check_finite()
        needed = table.scales(shift, moments, _MOST_PENALISED if penalised else _MOST_EXPONENT)
        if (needed != 1.0).any():
            scale = np.where(needed != 1.0, needed, scale)
            moments = table.gather(shift, scale, in_pairs=in_pairs, n_threads=n_threads)
        if not np.isfinite(moments.diagonal).all():
            raise ValueError("X, y or sample_weight holds numbers too large to be squared and summed; scale them.")
    return moments


def gather_and_factor(
    table: Table,
    fit_intercept: bool,
    alpha: float,
    check_finite: Callable[[], None],
    n_threads: int | None,
) -> tuple[Moments, Factor]:
    """The moments of a table and their factor, in pairs of doubles if the factor says that plain ones cost digits."""
    shift, scale = table.origin(fit_intercept)
    small = table.is_small
    moments = gather(
        table, shift, scale, check_finite, in_pairs=small, penalised=alpha > 0, n_threads=n_threads
    )  # fmt: skip
    factor = Factor.of(moments, fit_intercept, alpha)
    if not small and factor.is_at_risk():
        moments = table.gather(shift, moments.scale, in_pairs=True, n_threads=n_threads)
        factor = Factor.of(moments, fit_intercept, alpha)
    return moments, factor


def solve_wide(
    table: Table, fit_intercept: bool, alphas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, NDArray[np.float64]]:
    """Coefficients (q, p), intercepts, rank and singular values where p is far above n: from X itself, centred.

    b = V s / (s^2 + alpha) U'y; without penalty singular values that are rounding are left out, for the least norm.
    """
    weight = table.sample_weight
    X, T = table.X.astype(np.float64), table.y.reshape(len(table.y), -1)
    x_mean, t_mean = np.zeros(X.shape[1]), np.zeros(T.shape[1])
    if fit_intercept:
        x_mean, t_mean = (np.average(part, axis=0, weights=weight) for part in (X, T))
        X, T = X - x_mean, T - t_mean
    if weight is not None:
        root = np.sqrt(weight)[:, np.newaxis]
        X, T = X * root, T * root
    unit = float(np.ldexp(1.0, -int(np.frexp(np.abs(X).max(initial=0.0))[1])))
    X *= unit
    left, singular, right = scipy.linalg.svd(X, full_matrices=False, overwrite_a=True, check_finite=False)
    n, p = X.shape
    limit = max(n, p) * max(_EPS, float(np.finfo(table.X.dtype).eps)) * singular.max(initial=0.0)
    kept = (singular[:, np.newaxis] > limit) | (alphas > 0)
    with np.errstate(over="ignore"):
        power = singular[:, np.newaxis] ** 2 + alphas * unit * unit
    ratio = np.divide(singular[:, np.newaxis], power, out=np.zeros_like(power), where=kept & (power > 0))
    solution = right.T @ (ratio * (left.T @ T)) * unit
    singular = singular / unit
    limit = limit / unit
    return solution.T, t_mean - x_mean @ solution, int((singular > limit).sum()), singular


def without_rounding(intercept: NDArray[np.float64], moments: Moments) -> NDArray[np.float64]:
    """Intercepts, 0 in place of those that are no more than the rounding of pairs of doubles, of y's size."""
    p, rows = moments.n_features, moments.high[0, 0]
    for c in range(len(intercept)):
        square = moments.high[1 + p + c, 1 + p + c]
        # what is left of so large numbers; the sizes themselves may overflow
        rounding = _PAIRS * math.sqrt(max(square, 0.0) / rows) / moments.scale[p + c]
        if abs(intercept[c]) <= rounding + _PAIRS * abs(moments.shift[p + c]):
            intercept[c] = 0.0
    return intercept
