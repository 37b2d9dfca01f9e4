"""Linear regressions of many groups: products, factor and solution of each in the compiled loop over groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from ..config import chosen_kernels
from ..linear_model import _double_double, _row_passes
from ..linear_model._cross_products import SMALL, CrossProducts, is_small, operations_of_row
from ..linear_model._least_squares import Factor, without_rounding
from ..linear_model._linear import RANK_WARNING
from ..memory import aligned_empty
from ..threads import threads_of_jobs
from ..validation import check_choice
from ._rows import GroupedRows
from ._scores import r_squared, sums_about_mean
from ._turns import in_turns, largest_first
from ._variants import Variants

# numbers of inverses at once, and what a column's variance may be of that if it were alone
_PART, _CLOSE = 2**20, 1e6


@dataclass
class LinearModels:
    """Solutions and sums of products of linear models of one shape.

    Attributes
    ----------
    found : ndarray of shape (m, q (p + 1))
        Each one's coefficients (q, p) and intercepts (q,).
    rank, n_rows : ndarray of intp, shape (m,)
    log_weight : ndarray of shape (m,), or None
    shift : ndarray of shape (m, p + q)
    in_pairs : ndarray of intp, shape (m,)
        Whether products were summed in pairs throughout.
    packed : ndarray of shape (m, 2 t)
        The upper triangles of the high and low halves of the products of (1, x, y), t = (1 + p + q) (2 + p + q) / 2.
    p, q, ndim : int
        Columns of X and of y, and the dimensions of y.
    dtype : dtype
    fit_intercept : bool
    residuals : ndarray of shape (m, q)
        Sums of squares.
    scores : ndarray of shape (m,)
        R^2.
    """

    found: NDArray[np.float64]
    rank: NDArray[np.intp]
    n_rows: NDArray[np.intp]
    log_weight: NDArray[np.float64] | None
    shift: NDArray[np.float64]
    in_pairs: NDArray[np.intp]
    packed: NDArray[np.float64]
    p: int
    q: int
    ndim: int
    dtype: Any
    fit_intercept: bool
    residuals: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def losses(self) -> NDArray[np.float64]:
        """Mean squared errors."""
        with np.errstate(all="ignore"):
            found: NDArray[np.float64] = (self.residuals / self.packed[:, :1]).mean(axis=1)
        return found

    def estimator(self, index: int, unfitted: Any) -> Any:
        """One of them as an estimator: what `fit` would have made."""
        p, q = self.p, self.q
        log_weight = 0.0 if self.log_weight is None else float(self.log_weight[index])
        moments = _unpacked(
            self.packed[index], self.shift[index], int(self.n_rows[index]), log_weight, p, q, self.dtype,
            bool(self.in_pairs[index]),
        )  # fmt: skip
        unfitted.n_features_in_ = p
        unfitted._take_solution(
            self.found[index, : q * p].reshape(q, p).copy(), self.found[index, q * p :].copy(), int(self.rank[index]),
            moments, unfitted._alphas(q), self.dtype, self.ndim,
        )  # fmt: skip
        return unfitted

    def stacked(self, name: str, template: Any) -> list[tuple[NDArray[np.intp], Any]]:
        """An attribute of all of them, along a first axis; nothing if they do not have it."""
        m, p, q = len(self.found), self.p, self.q
        found: NDArray[Any]
        if name == "n_iter_":
            found = np.ones(m, np.intp)
        elif name == "coef_":
            flat = self.ndim == 1 or (template._flattens and q == 1)
            found = self.found[:, : q * p].reshape((m, p) if flat else (m, q, p)).astype(self.dtype, copy=False)
        elif name == "intercept_":
            found = self.found[:, q * p] if self.ndim == 1 else self.found[:, q * p :]
            found = found.astype(self.dtype, copy=False) if self.fit_intercept else np.zeros(m)
        else:
            return []
        return [(np.arange(m), found)]

    def standard_errors(self, chosen: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Those of the coefficients (c, k, q) of some models without penalty, the intercept first.

        NaN where `summary` refuses, as columns depend on each other or no row is left over; and where doubles would
        leave too few digits: the places of these are told too.
        """
        found = np.full((len(chosen), self.p + self.fit_intercept, self.q), np.nan)
        left = self.n_rows[chosen] - found.shape[1]
        usual: NDArray[np.intp] = np.flatnonzero((self.rank[chosen] == self.p) & (left > 0))
        for part in np.array_split(usual, 1 + len(usual) * (1 + self.p) ** 2 // _PART):
            variances = self._unscaled_variances(chosen[part])
            with np.errstate(all="ignore"):
                noise = self.residuals[chosen[part]] / left[part, np.newaxis]
                found[part] = np.sqrt(variances[:, :, np.newaxis] * noise[:, np.newaxis])
        return found, usual[np.isnan(found[usual, -1, 0])]

    def _unscaled_variances(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        """The diagonal of (X'WX)^-1, that of the ones first; NaN if columns nearly depend on each other."""
        p, size = self.p, 1 + self.p + self.q
        high, low = np.split(self.packed[chosen], 2, axis=1)
        places = np.zeros((size, size), np.intp)
        places[np.triu_indices(size)] = np.arange(high.shape[1])
        square = np.maximum(places, places.T)[1 : 1 + p, 1 : 1 + p]
        weight, sums = (high[:, :1], low[:, :1]), (high[:, 1 : 1 + p], low[:, 1 : 1 + p])
        with np.errstate(all="ignore"):
            products = high[:, square], low[:, square]
            if self.fit_intercept:
                one, other = ([part[:, :, np.newaxis] for part in sums], [part[:, np.newaxis] for part in sums])
                outer = _double_double.multiply((one[0], one[1]), (other[0], other[1]))
                whole = _double_double.multiply(products, (weight[0][..., np.newaxis], weight[1][..., np.newaxis]))
                about_mean = _double_double.add(whole, (-outer[0], -outer[1]))[0] / weight[0][..., np.newaxis]
            else:
                about_mean = products[0]
            scale = np.sqrt(about_mean.diagonal(axis1=1, axis2=2))
            try:
                inverse = np.linalg.inv(about_mean / (scale[:, :, np.newaxis] * scale[:, np.newaxis]))
            except np.linalg.LinAlgError:
                inverse = np.full_like(about_mean, np.nan)
            inflation = inverse.diagonal(axis1=1, axis2=2)
            inverse /= scale[:, :, np.newaxis] * scale[:, np.newaxis]
            found = inverse.diagonal(axis1=1, axis2=2)
            if self.fit_intercept:
                mean = self.shift[chosen, :p] + sums[0] / weight[0]
                ones = 1.0 / weight[0] + np.einsum("mi,mij,mj->m", mean, inverse, mean)[:, np.newaxis]
                found = np.concatenate([ones, found], axis=1)
            close = np.logical_or.reduce(~((inflation > 0.0) & (inflation < _CLOSE)), axis=1)
        return np.where(close[:, np.newaxis], np.nan, found)

    def predict(self, X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[Any]:
        """Predictions of rows, each by the model at its index."""
        p, q = self.p, self.q
        X = X.astype(self.dtype, copy=False)
        found = np.empty((len(X), q), self.dtype)
        coefficients = self.found.astype(self.dtype, copy=False)
        for c in range(q):
            found[:, c] = np.einsum("ij,ij->i", X, coefficients[index, c * p : (c + 1) * p])
            found[:, c] += coefficients[index, q * p + c]
        return found[:, 0] if self.ndim == 1 else found


def _suits(estimator: Any) -> bool:
    """Whether the compiled fit is the one that these parameters ask for, and all of them are in order."""
    try:
        check_choice(estimator.solver, "solver", estimator._solvers)
        threads_of_jobs(getattr(estimator, "n_jobs", None))
    except (ValueError, TypeError):
        return False
    return bool(estimator.solver == "auto" and not estimator.positive)


def fit_linear(
    rows: GroupedRows, variants: Variants, n_threads: int | None, report: Any
) -> Iterator[tuple[NDArray[np.intp], LinearModels, dict[int, tuple[str, ...]]]]:
    """For each kind of models: the groups that were fitted, their models, and warnings by group."""
    if scipy.sparse.issparse(rows.X):
        return
    q = 1 if rows.y.ndim == 1 else rows.y.shape[1]
    kinds: dict[bool, dict[int, float]] = {}
    for variant in range(len(variants)):
        estimator = variants.estimator(variant)
        if not _suits(estimator):
            continue
        try:
            alphas = estimator._alphas(q)
        except ValueError:
            continue
        if (alphas == alphas[0]).all():
            kinds.setdefault(bool(estimator.fit_intercept), {})[variant] = float(alphas[0])
    y = rows.y.astype(np.float64, copy=False)
    n, p = rows.groups.count, rows.X.shape[1]
    # more rows are read in segments, and wide tables otherwise
    small = is_small(n, p + q) | (_row_passes.is_one_segment(n, operations_of_row(p + q, in_pairs=False)) & (n > p))
    small &= n > 0
    for fit_intercept, penalties in kinds.items():
        table = np.full(len(variants), np.nan)
        table[list(penalties)] = list(penalties.values())
        alpha = table[variants.of_group]
        groups = np.flatnonzero(small & (alpha == alpha))
        if len(groups):
            yield _fit(rows, y, groups, fit_intercept, alpha[groups], n_threads, report)


def _fit(
    rows: GroupedRows,
    y: NDArray[np.float64],
    groups: NDArray[np.intp],
    fit_intercept: bool,
    alphas: NDArray[np.float64],
    n_threads: int | None,
    report: Any,
) -> tuple[NDArray[np.intp], LinearModels, dict[int, tuple[str, ...]]]:
    p, q = rows.X.shape[1], 1 if y.ndim == 1 else y.shape[1]
    size = 1 + p + q
    width, triangle = _row_passes.padded(size), size * (size + 1) // 2
    count = rows.groups.count[groups]
    order = largest_first(count)
    groups, count, alphas = groups[order], count[order], alphas[order]
    first = rows.groups.first[groups]
    m = len(groups)
    x, x_row, x_column = _row_passes.strided(rows.X)
    answers, y_row, y_column = _row_passes.strided(y)
    weight = np.empty(0) if rows.sample_weight is None else _row_passes.strided(rows.sample_weight)[0]
    passing = 4 * _row_passes.BLOCK * width
    plan = _row_passes.segment_plans(
        np.array([0, 0]), FEATURES=p, OUTPUTS=q, WIDTH=width, INTERCEPT=1, WEIGHTED=weight.size > 0, IN_PAIRS=1,
        X_ROW=x_row, X_COLUMN=x_column, Y_ROW=y_row, Y_COLUMN=y_column, WORK=passing,
    )[0]  # fmt: skip
    rank, n_rows, in_pairs = np.empty((3, m), np.intp)
    found, residuals = np.empty((m, q * (p + 1))), np.empty((m, q))
    shift, packed = np.zeros((m, p + q)), np.empty((m, 2 * triangle))
    eps = float(np.finfo(rows.X.dtype).eps)
    kernel = chosen_kernels().many_linear
    # rows that a fit alone reads in one pass, in pairs of doubles
    one_pass = int(2 * _row_passes.LEAST_SEGMENT * width * width / operations_of_row(p + q, in_pairs=True))

    def make_room() -> Any:
        numbers = 3 * width * width + (1 + p) * (1 + 2 * q) + 2 * (p + q) + 1 + p * (2 * p + 3) + passing
        return plan.copy(), np.empty(p, np.intp), aligned_empty(numbers, np.float64)

    def task(start: int, stop: int, room: Any) -> None:
        part = slice(start, stop)
        own_plan, places, work = room
        kernel(
            own_plan, x, answers, weight, first[part], count[part], SMALL, one_pass, eps, fit_intercept, alphas[part],
            rank[part], n_rows[part], in_pairs[part], found[part].reshape(-1), residuals[part].reshape(-1),
            shift[part].reshape(-1), packed[part].reshape(-1), places, work,
        )  # fmt: skip

    operations = count * (width * width * 8.0) + 40.0 * width**3
    done = in_turns(task, make_room, operations, n_threads, report, rows.note(groups, operations))
    dtype = rows.X.dtype
    for i in np.flatnonzero(done & (rank == -2) & (alphas == 0)).tolist():
        products = _unpacked(packed[i], shift[i], int(n_rows[i]), 0.0, p, q, dtype, True)
        factor = Factor.of(products, fit_intercept)
        coefficients, intercept = factor.solve()
        found[i, : q * p], found[i, q * p :] = coefficients.ravel(), without_rounding(intercept, products)
        rank[i] = factor.rank
    with np.errstate(over="ignore", invalid="ignore"):
        done &= (rank >= 0) & np.isfinite(found.astype(dtype, copy=False)).all(axis=1)
    if not done.all():
        groups, alphas, rank, n_rows, in_pairs = groups[done], alphas[done], rank[done], n_rows[done], in_pairs[done]
        found, residuals, shift, packed = found[done], residuals[done], shift[done], packed[done]
    least = np.minimum(n_rows - fit_intercept, p)
    warned = np.flatnonzero((rank < least) & (alphas == 0))
    residuals = _of_rows(found, residuals, alphas)
    scores = r_squared(residuals, _totals(packed, p, q), rows.groups.count[groups])
    models = LinearModels(
        found, rank, n_rows, None, shift, in_pairs, packed, p, q, rows.y.ndim, dtype, fit_intercept, residuals, scores
    )  # fmt: skip
    if rows.sample_weight is not None:
        models.log_weight = _log_weights(rows, groups)
    return groups, models, {int(groups[i]): (RANK_WARNING.format(rank=rank[i], p=p),) for i in warned}


def _unpacked(
    packed: NDArray[np.float64],
    shift: NDArray[np.float64],
    n_rows: int,
    log_weight: float,
    p: int,
    q: int,
    dtype: Any,
    in_pairs: bool,
) -> CrossProducts:
    """The sums of products of one group, as a fit alone would have them."""
    size = 1 + p + q
    products = []
    upper = np.triu_indices(size)
    for half in np.split(packed, 2):
        whole = np.zeros((size, _row_passes.padded(size)))
        whole[upper] = half
        whole[:, :size] += np.triu(whole[:, :size], 1).T
        products.append(whole)
    eps = float(np.finfo(dtype).eps)
    return CrossProducts(n_rows, log_weight, p, q, eps, in_pairs, shift.copy(), np.ones(p + q), *products)


def _of_rows(
    found: NDArray[np.float64], residuals: NDArray[np.float64], alphas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The residuals' sums of squares, without the penalty's part that the factor's have."""
    m, q = residuals.shape
    p = found.shape[1] // q - 1
    coefficients = found[:, : q * p].reshape(m, q, p)
    with np.errstate(all="ignore"):
        return np.maximum(residuals - (coefficients**2).sum(axis=2) * alphas[:, np.newaxis], 0.0)


def _totals(packed: NDArray[np.float64], p: int, q: int) -> NDArray[np.float64]:
    """Sums of squares of y (m, q) about its mean, from the packed products."""
    size, triangle = 1 + p + q, packed.shape[1] // 2
    answers = np.arange(1 + p, size)
    # line i of a triangle begins with its diagonal
    squares = answers * size - answers * (answers - 1) // 2
    pairs = [(packed[:, places], packed[:, triangle + places]) for places in (np.zeros(1, np.intp), answers, squares)]
    return sums_about_mean(pairs[0], pairs[1], pairs[2])


def _log_weights(rows: GroupedRows, groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Half the sum of the logarithms of each group's weights."""
    assert rows.sample_weight is not None
    weighted = rows.sample_weight > 0
    logarithms = np.log(rows.sample_weight[weighted])
    # sums of as many numbers at once, each added up as it would be alone
    before = np.append(0, np.cumsum(weighted))
    first = before[rows.groups.first[groups]]
    count = before[rows.groups.first[groups] + rows.groups.count[groups]] - first
    found = np.zeros(len(groups))
    for n in np.unique(count).tolist():
        same = np.flatnonzero(count == n)
        found[same] = 0.5 * logarithms[first[same][:, np.newaxis] + np.arange(n)].sum(axis=1)
    return found
