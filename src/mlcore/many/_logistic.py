"""Logistic regressions of two classes for many groups: Newton's method of each in the compiled loop over groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import scipy.special
from numpy.typing import NDArray

from ..config import chosen_kernels
from ..kernels import ids
from ..linear_model import _row_passes
from ..linear_model._likelihood import operations_of_row, work_of_pass
from ..linear_model._logistic import MANY, Units, convergence_warning, most_exponent, strength
from ..linear_model._newton import NEGLIGIBLE, value_at_zero
from ..memory import aligned_empty
from ..threads import threads_of_jobs
from ._rows import GroupedRows
from ._turns import in_turns, largest_first
from ._variants import Variants

# quartiles are those of fewer rows than this: of one in count // 256
_MOST_ORDERED = 512


@dataclass
class LogisticModels:
    """Coefficients of logistic regressions of two classes.

    Attributes
    ----------
    coefficients : ndarray of shape (m, p)
    intercept : ndarray of shape (m,)
    n_iter : ndarray of int32, shape (m,)
    places : ndarray of intp, shape (m, 2)
        Of each model's classes among all.
    classes : ndarray
        Those of all groups.
    scores, losses : ndarray of shape (m,)
        The part of rows, by weight, that is predicted right, and the mean log loss.
    """

    coefficients: NDArray[Any]
    intercept: NDArray[Any]
    n_iter: NDArray[np.int32]
    places: NDArray[np.intp]
    classes: NDArray[Any]
    scores: NDArray[np.float64]
    losses: NDArray[np.float64]

    def estimator(self, index: int, unfitted: Any) -> Any:
        """One of them as an estimator: what `fit` would have made."""
        unfitted.n_features_in_ = self.coefficients.shape[1]
        unfitted.classes_ = self.classes[self.places[index]]
        unfitted.coef_ = self.coefficients[index : index + 1].copy()
        unfitted.intercept_ = self.intercept[index : index + 1].copy()
        unfitted.n_iter_ = self.n_iter[index : index + 1].copy()
        unfitted._information = None
        return unfitted

    def stacked(self, name: str, template: Any) -> list[tuple[NDArray[np.intp], Any]]:
        """An attribute of all of them, along a first axis; nothing if they do not have it."""
        found = {"coef_": self.coefficients, "intercept_": self.intercept, "n_iter_": self.n_iter}.get(name)
        return [] if found is None else [(np.arange(len(found)), found[:, np.newaxis])]

    def _raw(self, X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[Any]:
        X = X.astype(self.coefficients.dtype, copy=False)
        return np.einsum("ij,ij->i", X, self.coefficients[index]) + self.intercept[index]

    def predict(self, X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[Any]:
        """The likelier class of rows, each by the model at its index."""
        return self.classes[self.places[index, (self._raw(X, index) > 0).astype(np.intp)]]

    def predict_proba(self, X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[Any]:
        """Probabilities of all classes, 0 of those that a model does not know."""
        raw = self._raw(X, index)
        found = np.zeros((len(raw), len(self.classes)))
        rows = np.arange(len(raw))
        found[rows, self.places[index, 0]] = scipy.special.expit(-raw)
        found[rows, self.places[index, 1]] = scipy.special.expit(raw)
        return found


def _suits(estimator: Any) -> bool:
    """Whether the compiled fit is the one that these parameters ask for, and all of them are in order."""
    try:
        estimator._check_parameters()
        threads_of_jobs(estimator.n_jobs)
    except (ValueError, TypeError):
        return False
    return bool(
        estimator.solver == "auto"
        and estimator.penalty in ("deprecated", "l2")
        and not estimator.l1_ratio
        and estimator.C < np.inf
        and estimator.class_weight is None
    )


def places_of_classes(
    places: NDArray[np.intp], of_row: NDArray[np.intp], n_groups: int, n_classes: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """What classes groups have: how many each, all of them in turn, and of each row the place among its group's own.

    Parameters
    ----------
    places : ndarray of shape (n,)
        Of each row's class among all.
    of_row : ndarray of shape (n,)
        Each row's group.
    """
    label = of_row * n_classes + places
    if n_groups * n_classes <= 4 * len(label):
        known = np.bincount(label, minlength=n_groups * n_classes) > 0
        local = np.cumsum(known.reshape(n_groups, n_classes), axis=1).ravel() - 1
        found = np.flatnonzero(known)
        own = local[label]
    else:
        found, inverse = np.unique(label, return_inverse=True)
        starts = np.searchsorted(found // n_classes, np.arange(n_groups))
        own = inverse - starts[of_row]
    return np.bincount(found // n_classes, minlength=n_groups), found % n_classes, own


def fit_logistic(
    rows: GroupedRows, variants: Variants, n_threads: int | None, report: Any
) -> Iterator[tuple[NDArray[np.intp], LogisticModels, dict[int, tuple[str, ...]]]]:
    """For each kind of models: the groups that were fitted, their models, and warnings by group."""
    if scipy.sparse.issparse(rows.X) or rows.y.ndim != 1:
        return
    kinds: dict[tuple[bool, float, int], dict[int, float]] = {}
    for variant in range(len(variants)):
        estimator = variants.estimator(variant)
        if _suits(estimator):
            kind = bool(estimator.fit_intercept), float(estimator.tol), int(estimator.max_iter)
            kinds.setdefault(kind, {})[variant] = strength(float(estimator.C))
    if not kinds:
        return
    groups = rows.groups
    classes, places = rows.classes
    of_row = rows.of_rows()
    n_classes, of_group, own = places_of_classes(places, of_row, rows.n_sets, len(classes) + 1)
    starts = rows.by_group(np.cumsum(n_classes) - n_classes)
    n, p = groups.count, rows.X.shape[1]
    one_call = (n * operations_of_row(p, 1) < 2.0 * _row_passes.LEAST_SEGMENT) & (n < MANY)
    usual = (rows.by_group(n_classes) == 2) & one_call & (1 + p <= ids.WHOLE * 128)
    weight = None if rows.sample_weight is None else rows.sample_weight.astype(rows.X.dtype).astype(np.float64)
    mass = rows.by_group(_masses(own, of_row, weight, rows.n_sets))
    usual &= ~rows.odd_labels
    usual &= np.isfinite(mass) & (mass > 0)
    if weight is not None:
        usual &= rows.by_group(np.bincount(of_row, weight < 0, rows.n_sets)) == 0
    for (fit_intercept, tol, max_iter), penalties in kinds.items():
        table = np.full(len(variants), np.nan)
        table[list(penalties)] = list(penalties.values())
        alpha = table[variants.of_group]
        chosen = np.flatnonzero(usual & (alpha == alpha))
        if not len(chosen):
            continue
        chosen = chosen[largest_first(n[chosen])]
        part = _fit(
            rows, weight, own, chosen, alpha[chosen], mass[chosen], fit_intercept, tol, max_iter, n_threads, report
        )
        done, theta_numbers, n_iter, scores, texts = part
        chosen = chosen[done]
        where = starts[chosen][:, np.newaxis] + np.arange(2)
        models = LogisticModels(*theta_numbers, n_iter, of_group[where], classes, *scores)
        yield chosen, models, {int(chosen[i]): (text,) for i, text in texts.items()}


def _masses(
    own: NDArray[np.intp], of_row: NDArray[np.intp], weight: NDArray[np.float64] | None, n_groups: int
) -> NDArray[np.float64]:
    """The weight of each group's rows, summed as a fit alone does: class by class, then both."""
    both = np.bincount(2 * of_row + np.minimum(own, 1), weight, 2 * n_groups).astype(np.float64)
    return both[::2] + both[1::2]


def _fit(
    rows: GroupedRows,
    weight: NDArray[np.float64] | None,
    labels: NDArray[np.intp],
    groups: NDArray[np.intp],
    alpha: NDArray[np.float64],
    mass: NDArray[np.float64],
    fit_intercept: bool,
    tol: float,
    max_iter: int,
    n_threads: int | None,
    report: Any,
) -> tuple[NDArray[np.bool_], tuple[NDArray[Any], NDArray[Any]], NDArray[np.int32], tuple[Any, Any], dict[int, str]]:
    m, p = len(groups), rows.X.shape[1]
    size = 1 + p
    width, padded = _row_passes.padded(size), _row_passes.padded(1)
    first, count = rows.groups.first[groups], rows.groups.count[groups]
    x, x_row, x_column = _row_passes.strided(rows.X)
    passing = work_of_pass(width, padded)
    plan = _row_passes.segment_plans(
        np.array([0, 0]), FEATURES=p, CLASSES=1, WIDTH=width, PADDED=padded, INTERCEPT=fit_intercept,
        WEIGHTED=weight is not None, X_ROW=x_row, X_COLUMN=x_column, WORK=passing,
    )[0]  # fmt: skip
    # of this thread's context, which others do not have
    kernels = chosen_kernels()
    step = np.maximum(1, count // (_MOST_ORDERED // 2))
    five = np.zeros((m, p, 5))
    operations = count * operations_of_row(p, 1)

    def quartiles(start: int, stop: int, room: Any) -> None:
        part = slice(start, stop)
        kernels.many_quartiles(
            plan, x, first[part], count[part], step[part], _MOST_ORDERED, five[part].reshape(-1), room
        )  # fmt: skip

    known = in_turns(quartiles, lambda: np.empty(3 * _MOST_ORDERED), operations, n_threads, report, counted=False)
    units = Units.of_quartiles(np.moveaxis(five, 2, 0), fit_intercept, most_exponent(alpha))
    l2 = np.zeros((m, size))
    l2[:, :-1] = alpha[:, np.newaxis] * units.scale**2
    limits = np.column_stack([tol * mass, value_at_zero(1, mass)])
    theta, sums, status = np.empty((m, size)), np.zeros((m, 3)), np.full(m, ids.UNUSUAL)
    across = _row_passes.padded(size + 1)
    numbers = 2 * width * padded + (2 * size + 5) * across + 2 * width + width * width + passing

    def task(start: int, stop: int, room: Any) -> None:
        part = slice(start, stop)
        own_plan, work = room
        kernels.many_logistic(
            own_plan, x, labels, np.empty(0) if weight is None else weight, first[part], count[part],
            units.shift[part].reshape(-1), units.scale[part].reshape(-1), l2[part].reshape(-1),
            limits[part].reshape(-1), NEGLIGIBLE, max_iter, theta[part].reshape(-1), sums[part].reshape(-1),
            status[part], work,
        )  # fmt: skip

    done = in_turns(
        task, lambda: (plan.copy(), aligned_empty(numbers, np.float64)), 8 * operations, n_threads, report,
        rows.note(groups, operations),
    )  # fmt: skip
    done &= known & (status != ids.UNUSUAL) & ~units.tied & np.isfinite(theta).all(axis=1)
    n_iter = sums[:, 2].astype(np.int32)
    converged = (status == ids.CONVERGED) | (status == ids.SEPARATED)
    n_iter[converged & (n_iter < 1)] = min(1, max_iter)
    with np.errstate(over="ignore", invalid="ignore"):
        coefficients = theta[:, :-1] * units.scale
        # as a fit alone: one row times a vector is BLAS's dot product
        moved = np.vecdot(coefficients, units.shift)
        intercept: NDArray[Any] = theta[:, -1] - moved if fit_intercept else np.zeros(m)
        dtype = rows.X.dtype
        coefficients, intercept = coefficients.astype(dtype, copy=False), intercept.astype(dtype, copy=False)
    done &= np.isfinite(coefficients).all(axis=1) & np.isfinite(intercept)
    texts: dict[int, str] = {}
    place = np.cumsum(done) - 1
    for i in np.flatnonzero(done & (status != ids.CONVERGED)).tolist():
        texts[int(place[i])] = convergence_warning(int(n_iter[i]), bool(status[i] == ids.SEPARATED), max_iter, tol)
    scores = sums[done, 1] / mass[done], sums[done, 0] / mass[done]
    return done, (coefficients[done], intercept[done]), n_iter[done], scores, texts
