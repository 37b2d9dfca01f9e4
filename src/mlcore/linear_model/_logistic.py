"""LogisticRegression with scikit-learn's interface.

``solver="auto"`` is mlcore's own: Newton's method, whose every step is one read of X. ``solver="gradient_descent"``
trains as the course does. A solver name of scikit-learn's and sparse X are solved by scikit-learn's own code.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.special
from numpy.typing import NDArray
from sklearn import linear_model as sklearn_linear_model
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ..estimator_base import (
    Estimator,
    Scored,
    adopt_solution,
    check_times,
    finite_numbers,
    one_column,
    unchanged_on_failure,
    validate_data,
    weighted_by_class,
)
from ..losses import LOSSES, Loss
from ..names import GradientName, LogisticSolverName
from ..neural_network._linear_network import descend, single_layer
from ..neural_network._objective import Objective
from ..neural_network._settings import settings_of
from ..threads import threads_of_jobs
from ..validation import FLOATS, check_choice, check_fraction, check_positive, is_finite, warn_caller
from ._likelihood import Curvature, LabelledRows, total
from ._newton import EXACT, WIDEST, Minimum, Penalty, at_minimum, minimise, minimise_rows, reuse_of, tied_basis
from ._streaming import chunks_of
from ._summary import Summary, logistic_summary

# with L1 a Hessian costs more than it saves of more coefficients that may not be 0, or if its work is more than that of
# so many by as many rows
_MOST_ACTIVE = 4000
# rows from which on parts of them are fitted first: those of these parts that have enough rows, for each column too
MANY = 2**15
_EVERY = (64, 16, 4)
_LEAST_PART, _LEAST_PER_COLUMN = 2**11, 32
# columns so many times as far from zero as they vary
_FAR = 16.0
# how far columns may be scaled up, and how far the penalty on what they are then
_MOST_EXPONENT, _MOST_PENALTY = 1000, 2.0**1000


def strength(C: float) -> float:
    """1 / C."""
    return 0.0 if C == np.inf else 1.0 / max(C, 1.0 / _MOST_PENALTY)


def most_exponent(alpha: Any) -> Any:
    """How far columns may be scaled up: the penalty takes the square of that; of one penalty, or of many."""
    if isinstance(alpha, float):  # a tenth of the time
        return int((_MOST_EXPONENT - max(math.log2(alpha), 200.0)) / 2) if alpha > 0 else _MOST_EXPONENT
    with np.errstate(divide="ignore"):
        taken = (_MOST_EXPONENT - np.maximum(np.log2(alpha), 200.0)) / 2
    return np.where(np.asarray(alpha) > 0, taken, _MOST_EXPONENT).astype(np.intp)


def _is_wide(n_rows: int, n_columns: int, outputs: int, l1: bool) -> bool:
    """Whether a Hessian of the coefficients that may not be 0 would cost more than it saves.

    With L1 no more columns count than there are rows, or about so, and coordinates come and go without one of all.
    """
    if not l1:
        return outputs * (1 + n_columns) > WIDEST
    active = outputs * min(n_rows, 1 + n_columns)
    return active > WIDEST and (active > _MOST_ACTIVE or n_rows * active**2 > _MOST_ACTIVE**3)


def _places(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The classes in order, and the place of each row's among them; small whole numbers are not sorted."""
    if y.dtype.kind in "iu" and y.size:
        low, high = int(y.min()), int(y.max())
        if high - low < 2**16 and high <= sys.maxsize:
            same = low == 0 and y.dtype == np.intp
            shifted = np.ascontiguousarray(y) if same else np.subtract(y, low, dtype=np.intp)
            if high - low == 1:  # both are there
                return np.array([low, high], y.dtype), shifted
            found = np.flatnonzero(np.bincount(shifted))
            if len(found) == high - low + 1:
                return (found + low).astype(y.dtype), shifted
            place = np.zeros(high - low + 1, np.intp)
            place[found] = np.arange(len(found))
            return (found + low).astype(y.dtype), place[shifted]
    classes, places = np.unique(y, return_inverse=True)
    return classes, places.astype(np.intp, copy=False)


def _class_weights(places: NDArray[np.intp], weight: NDArray[np.float64] | None, n: int) -> NDArray[np.float64]:
    """The weight of each class's rows."""
    if n == 2 and weight is None:  # a tenth of the time
        ones = np.count_nonzero(places)
        return np.array([len(places) - ones, ones], np.float64)
    return np.bincount(places, weight, n).astype(np.float64)


@dataclass  # freezing takes a small fit a microsecond
class Units:
    """A shift and a power of two, up to 2^most, for each column that bring it about zero and near one: by some rows.

    Without intercept columns stay where they are, unless they are so far from zero that their squares would lose the
    digits in which they differ: then the model has an intercept that is `tied` to its coefficients.
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    fit_intercept: bool
    tied: Any

    @classmethod
    def of(cls, X: NDArray[Any], fit_intercept: bool, most: int) -> Units:
        rows = X[:: max(1, len(X) // 256)].astype(np.float64, copy=False)
        ordered, n = np.sort(rows, axis=0), len(rows)
        return cls.of_quartiles(ordered[[0, n // 4, n // 2, 3 * n // 4, n - 1]], fit_intercept, most)

    @classmethod
    def of_quartiles(cls, ordered: NDArray[np.float64], fit_intercept: bool, most: Any) -> Units:
        """From each column's least, quartiles, median and largest, (5, ..., p), and `most` of shape (...)."""
        most = np.asarray(most)[..., np.newaxis]
        with np.errstate(all="ignore"):
            # median and quartiles: one outlier should not make all others small
            shift = ordered[2]
            scale = cls._scale(ordered, shift, most)
            tied = np.zeros(shift.shape[:-1], np.bool_)
            if not fit_intercept:
                # a column that does not vary has no scale but its size
                varies = ordered[0] != ordered[-1]
                tied = (varies & (np.abs(shift * scale) > _FAR)).any(axis=-1)
                about = tied[..., np.newaxis]
                shift = np.where(about, shift, 0.0)
                scale = np.where(varies & about, scale, cls._scale(ordered, np.zeros_like(shift), most))
            return cls(
                np.where(np.isfinite(shift), shift, 0.0), scale, fit_intercept, tied if tied.ndim else bool(tied)
            )

    @staticmethod
    def _scale(ordered: NDArray[np.float64], shift: NDArray[np.float64], most: Any) -> NDArray[np.float64]:
        spread = np.maximum(ordered[3] - shift, shift - ordered[1])
        if np.count_nonzero(spread) < spread.size:
            spread = np.where(spread == 0, np.maximum(ordered[-1] - shift, shift - ordered[0]), spread)
        usual = (spread > 0) & (spread < np.inf)
        exponent = np.where(usual, -np.frexp(spread)[1], 0)
        return np.ldexp(1.0, np.minimum(np.maximum(exponent, -1000), most))

    @property
    def has_last(self) -> bool:
        """Whether theta has a number behind those of the columns."""
        return self.fit_intercept or self.tied

    @property
    def origin(self) -> NDArray[np.float64] | None:
        """What the last of theta is of the others, where it is tied to them."""
        return self.shift * self.scale if self.tied else None


def convergence_warning(n_iter: int, separated: bool, max_iter: int, tol: float) -> str:
    """What to tell of a fit that has no minimum, or did not reach it."""
    if separated:
        return (
            "The classes, or some rows of them, are perfectly separated by the columns of X. Without a penalty the "
            f"likelihood then has no maximum: the coefficients given are those of iteration {n_iter}, and would go on "
            "growing. Use a finite C."
        )
    return (
        f"Newton's method failed to converge after {n_iter} iteration(s). Increase max_iter (now {max_iter}) or tol "
        f"(now {tol}), or look for columns that nearly depend on each other or nearly separate the classes."
    )


class _LabelledChunks:
    """A source's rows, read anew for each evaluation of the loss; the first reading tells what all must agree with.

    Attributes
    ----------
    classes : ndarray
    units : Units
        By the first chunk.
    dtype : dtype
        That of the first chunk.
    """

    def __init__(self, estimator: LogisticRegression, read: Callable[[], Iterable[Any]], most: int) -> None:
        self._estimator, self._read = estimator, read
        self._n_rows = 0
        self.classes: NDArray[Any] = np.empty(0)
        for X, y, _ in read():
            X, y = validate_data(estimator, X, one_column(y), dtype=FLOATS[::-1], reset=not self._n_rows)
            check_classification_targets(y)
            check_times(y)
            if self._n_rows:
                self.classes = np.union1d(self.classes, y)
            else:
                self.classes, self.dtype = np.unique(y), X.dtype
                self.units = Units.of(X, bool(estimator.fit_intercept), most)
            self._n_rows += len(X)
        if not self._n_rows:
            raise ValueError("The source has no chunks.")
        estimator._classes(self.classes)
        self._outputs = 1 if len(self.classes) == 2 else len(self.classes)
        size = self._outputs * (1 + estimator.n_features_in_)
        if size > WIDEST:
            raise ValueError(f"{size} coefficients are more than {WIDEST}; use fit.")

    def _labelled(self) -> Iterator[tuple[NDArray[Any], NDArray[np.intp], NDArray[np.float64] | None]]:
        """Chunk by chunk: rows, the places of their classes, and weights; chunks without any weight are left out."""
        seen = 0
        for X, y, sample_weight in self._read():
            X, y = validate_data(self._estimator, X, y, dtype=FLOATS[::-1], reset=False)
            seen += len(X)
            if sample_weight is not None and not np.any(sample_weight):
                continue
            weight = self._estimator._row_weights(sample_weight, X, dtype=np.float64)
            places = np.searchsorted(self.classes, y).clip(0, len(self.classes) - 1).astype(np.intp)
            if seen > self._n_rows or not (self.classes[places] == y).all():
                break
            yield X, places, weight
        if seen != self._n_rows:
            raise ValueError(f"The source had {self._n_rows} rows when it was first read, and others now.")

    def class_weights(self) -> NDArray[np.float64]:
        """The weight of each class's rows."""
        counts = np.zeros(len(self.classes))
        for _, places, weight in self._labelled():
            counts += _class_weights(places, weight, len(counts))
        if not counts.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return counts

    def evaluate(self, theta: NDArray[np.float64], hessian: bool = True) -> Curvature:
        """The loss of all rows."""
        units, n_threads = self.units, threads_of_jobs(self._estimator.n_jobs)
        return total(
            LabelledRows(*rows, self._outputs, units.shift, units.scale, units.has_last, n_threads)
            .evaluate(theta, hessian)
            for rows in self._labelled()
        )  # fmt: skip


class LogisticRegression(Scored, ClassifierMixin, Estimator):
    """Logistic regression: minimises C sum_i w_i log loss_i + |b|^2 / 2, for two classes or more (softmax).

    Parameters
    ----------
    penalty : str or None, optional
        Of older scikit-learn: None means ``C=inf``, "l1" and "elasticnet" set ``l1_ratio``; leave it alone otherwise.
    C : float, default=1.0
        Inverse strength of the penalty; ``inf`` for none.
    l1_ratio : float, default=0.0
        0 is L2, 1 is L1, between them the elastic net.
    dual, intercept_scaling, random_state
        Handed to scikit-learn's solvers.
    tol : float, default=1e-4
        Largest entry of the mean gradient (columns centred and scaled) at which Newton's method stops; the step that is
        known by then is still taken. It also has to promise less than 1e-7 of the objective and less than 0.01, so that
        the end is within some 1e-10 of the minimum.
    fit_intercept : bool, default=True
        The intercept is not penalised.
    class_weight : dict or "balanced", optional
        Multiplies the weights of each class's rows.
    solver : str, default="auto"
        "auto": Newton's method, each step one read of X, with a line search; the L1 part by coordinate descent on each
        step's model, of the columns that matter where columns are many or more than rows. Where the Hessian would be
        wider than 1,000, L-BFGS over the compiled loss and gradient. With L1 no more coefficients count than rows times
        classes: only where those are more than 4,000, or rows times their square more than 4,000^3, scikit-learn's
        "saga". "gradient_descent": the course's, from zero, on the objective divided by C and the rows. Or a name of
        scikit-learn's, with its objective, solved by scikit-learn's own code.
    max_iter : int, default=100
    verbose : int, default=0
    warm_start : bool, default=False
        Start from the last fit's coefficients ("auto").
    n_jobs : int, optional
        Threads, as ``n_threads`` of `config_context`; -1 means all CPUs. No number changes a bit of "auto"'s result.
    learning_rate : float, default=0.01
        Of gradient descent.
    gradient : {"backprop", "numerical"}, default="backprop"
        Of gradient descent.

    Attributes
    ----------
    classes_ : ndarray
    coef_ : ndarray of shape (1, p) or (classes, p)
    intercept_ : ndarray of shape (1,) or (classes,)
    n_iter_ : ndarray of shape (1,)
    n_features_in_ : int

    Notes
    -----
    A step costs n p^2 / 2 multiply-adds, for K > 2 classes K (K - 1) / 2 times as many. Before the first, the same
    method is run on every 64th, 16th and 4th block of a large X, which leaves two or three steps for all of it. With a
    penalty the Hessian is kept from one step to the next where that leaves at most 1e-11 of the objective, and where it
    is most of the work for as long as gains shrink to a third; below ``tol=1e-6`` the last step always has its own.

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd ed., section 4.4. Lee, Sun and Saunders
    2014, Proximal Newton-type methods. Friedman, Hastie and Tibshirani 2010, Regularization paths for generalized
    linear models via coordinate descent.
    """

    __module__ = "mlcore.linear_model"

    sparsify = sklearn_linear_model.LogisticRegression.sparsify
    densify = sklearn_linear_model.LogisticRegression.densify

    _information: dict[str, Any] | None
    coef_: NDArray[Any]
    intercept_: NDArray[Any]

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float | None = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: LogisticSolverName = "auto",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
        learning_rate: float = 0.01,
        gradient: GradientName = "backprop",
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.learning_rate = learning_rate
        self.gradient = gradient

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _check_parameters(self) -> None:
        names = ("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")
        check_choice(self.solver, "solver", ("auto", "gradient_descent", *names))
        check_positive(self.max_iter, "max_iter", integer=True, zero=self.solver != "gradient_descent")
        check_positive(self.tol, "tol", zero=True)
        if self.penalty == "elasticnet" and self.l1_ratio is None:
            raise ValueError("l1_ratio must be specified when penalty is elasticnet: a number in [0, 1].")
        if self.C != np.inf:
            check_positive(self.C, "C")
        if self.l1_ratio is not None:
            check_fraction(self.l1_ratio, "l1_ratio", one=True)
        if self.penalty is not None:
            check_choice(self.penalty, "penalty", ("l1", "l2", "elasticnet", "deprecated"))

    def _penalty(self) -> tuple[float, float]:
        """(C, l1_ratio), older spellings translated."""
        ratio = self.l1_ratio or 0.0
        if self.penalty is None:
            if self.C != 1.0:
                warn_caller("Setting penalty=None will ignore the C and l1_ratio parameters")
            return np.inf, 0.0
        if self.penalty == "deprecated":
            return float(self.C), ratio
        meant = {"l1": 1.0, "l2": 0.0}.get(self.penalty, ratio)
        if meant != ratio:
            warn_caller(
                f"Inconsistent values: penalty={self.penalty} with l1_ratio={self.l1_ratio}. l1_ratio parameter is "
                f"only used when penalty is 'elasticnet'. Got (penalty={self.penalty})"
            )
        return float(self.C), meant

    def _twin(self, C: float, ratio: float) -> Any:
        """scikit-learn's estimator of the same objective."""
        options = self.get_params(deep=False)
        for name in ("penalty", "learning_rate", "gradient", "n_jobs"):
            del options[name]
        default = inspect.signature(sklearn_linear_model.LogisticRegression).parameters["penalty"].default
        if default == "deprecated":
            options |= {"C": C, "l1_ratio": ratio}
        else:  # scikit-learn before 1.8 tells the penalty by name
            kind = "l2" if ratio == 0 else "l1" if ratio == 1 else "elasticnet"
            options |= {"penalty": None if C == np.inf else kind, "C": 1.0 if C == np.inf else C}
            options["l1_ratio"] = ratio if kind == "elasticnet" else None
        if self.solver == "auto":
            options["solver"] = "saga" if ratio > 0 else "lbfgs"
        return sklearn_linear_model.LogisticRegression(**options)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogisticRegression:
        """Fit to rows X with classes y.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n, p)
        y : array_like of shape (n,)
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        LogisticRegression
            Itself.

        Raises
        ------
        ValueError
            For shapes that do not fit, NaN or infinity, one class only, negative weights, parameters out of range, and
            gradient descent that diverges.

        Warns
        -----
        ConvergenceWarning
            If max_iter ends "auto" before its tolerance.
        """
        with unchanged_on_failure(self):
            C, ratio = self._checked()
            self._information = None
            plain = self._is_plain(X, y, sample_weight, True) and y.ndim == 1 and y.dtype.kind in "iu"

            def checked() -> tuple[Any, Any]:
                found = validate_data(self, X, one_column(y), accept_sparse="csr", dtype=FLOATS[::-1])
                check_classification_targets(found[1])
                check_times(found[1])
                return found

            rows, labels = (np.asarray(X), np.asarray(y)) if plain else checked()
            row_weight = self._row_weights(sample_weight, rows)
            classes, places = self._classes(labels)
            if plain:
                self._adopt_width(rows)
            outputs = 1 if len(classes) == 2 else len(classes)
            wide = _is_wide(rows.shape[0], rows.shape[1], outputs, ratio > 0 and C < np.inf)
            builtin = self.solver in ("auto", "gradient_descent") and not (wide and ratio > 0)
            if not builtin or scipy.sparse.issparse(rows) or (self.solver != "auto" and ratio > 0):
                if self.solver == "gradient_descent":
                    raise ValueError("solver='gradient_descent' needs dense X and l1_ratio=0.")
                adopt_solution(self, self._twin(C, ratio), rows, labels, row_weight)
                return self
            if self.class_weight is not None:
                row_weight = weighted_by_class(self.class_weight, labels, row_weight, rows.dtype)
            found: Minimum | None = None
            if self.solver == "auto" and not wide:
                weight = None if row_weight is None else row_weight.astype(np.float64, copy=False)
                start = self._start(len(classes), rows.shape[1])
                units = Units.of(rows, bool(self.fit_intercept), most_exponent(strength(C)))
                data = LabelledRows(
                    rows, places, weight, outputs, units.shift, units.scale,
                    units.has_last, threads_of_jobs(self.n_jobs),
                )  # fmt: skip
                counts = _class_weights(places, weight, len(classes))
                finite = checked if plain else lambda: None
                rough = data if len(rows) >= MANY else None
                found = self._newton(
                    partial(minimise_rows, data), data.evaluate, rough, counts, start, units, C, ratio, finite
                )
            else:
                if plain:
                    checked()
                self._by_network(rows, places, row_weight, len(classes), C)
            self.classes_ = classes
            self._round_to(rows.dtype)
            if found is not None:
                self._warn(found)
        return self

    def _round_to(self, dtype: Any) -> None:
        self.coef_, self.intercept_ = finite_numbers(dtype, self.coef_, self.intercept_)

    def _checked(self) -> tuple[float, float]:
        self._check_parameters()
        return self._penalty()

    def _classes(self, y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
        classes, places = _places(y)
        if len(classes) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only one "
                f"class: {classes[0]!r}"
            )
        return classes, places

    def _start(self, n_classes: int, n_features: int) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """The last fit's coefficients and intercepts, if they are wanted and fit."""
        outputs = 1 if n_classes == 2 else n_classes
        if not self.warm_start or getattr(self, "coef_", np.empty(0)).shape != (outputs, n_features):
            return None
        coefficients: Any = self.coef_
        if scipy.sparse.issparse(coefficients):
            coefficients = coefficients.toarray()
        return coefficients.astype(np.float64), np.broadcast_to(self.intercept_, outputs).astype(np.float64)

    def _newton(
        self,
        minimise: Callable[..., Minimum],
        evaluate: Callable[..., Curvature],
        rough: LabelledRows | None,
        counts: NDArray[np.float64],
        start: tuple[NDArray[Any], NDArray[Any]] | None,
        units: Units,
        C: float,
        ratio: float,
        check_finite: Callable[[], Any],
    ) -> Minimum:
        """Minimise over theta, the model of (x - shift) scale, and take over what it is for x."""
        mass = float(counts.sum())
        penalty = self._penalty_on(units, C, ratio)
        theta, hessian = self._beginning(rough, start, units, penalty, mass, len(counts), ratio)
        free = C == np.inf
        more: dict[str, Any] = {"negligible": EXACT} if free else {"hessian": hessian}
        found = minimise(theta, penalty, mass=mass, tol=self.tol, max_iter=self.max_iter, **more)
        if not ((found.converged or found.last.is_finite) and is_finite(found.theta)):
            check_finite()
            raise ValueError("X or sample_weight holds numbers too large for the Hessian; scale them.")
        if free and ratio == 0 and found.converged and not found.separated:
            found.theta, last = at_minimum(evaluate, found.theta, penalty)
            self._keep_information(found.theta, last, units, counts)
        self._adopt(found, units)
        return found

    @staticmethod
    def _penalty_on(units: Units, C: float, ratio: float) -> Penalty:
        """The penalty on the coefficients of the scaled columns."""
        alpha, scale = strength(C), units.scale
        l2, l1 = np.zeros((2, len(scale) + 1))
        if alpha > 0:
            l2[:-1], l1[:-1] = alpha * (1.0 - ratio) * scale**2, alpha * ratio * scale
        return Penalty(l2, l1, units.origin)

    def _beginning(
        self,
        rough: LabelledRows | None,
        start: tuple[NDArray[Any], NDArray[Any]] | None,
        units: Units,
        penalty: Penalty,
        mass: float,
        n_classes: int,
        ratio: float,
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Where to begin: zero, the last fit, or that of a part of the rows; and the Hessian there if it is known."""
        theta = np.zeros((1 if n_classes == 2 else n_classes, len(units.scale) + 1))
        if start is not None:
            theta[:, :-1] = start[0] / units.scale
            theta[:, -1] = start[0] @ units.shift + (start[1] if self.fit_intercept else 0.0)
            if len(theta) > 1 and ratio == 0:
                theta -= theta.mean(axis=0)  # as at the minimum
        elif rough is not None:
            return self._rough(rough, theta, penalty, mass)
        return theta, None

    def _keep_information(
        self, theta: NDArray[Any], last: Curvature, units: Units, counts: NDArray[np.float64]
    ) -> None:
        """What `summary` needs."""
        self._information = {
            "hessian": last.hessian,
            "shift": units.shift,
            "scale": units.scale,
            "theta": theta,
            "fit_intercept": bool(self.fit_intercept),
            "tied": units.tied,
            "log_likelihood": -last.value,
            "counts": counts,
        }

    def _adopt(self, found: Minimum, units: Units) -> None:
        """Coefficients and intercepts in the user's units."""
        self.n_iter_ = np.array([found.n_iter], dtype=np.int32)
        with np.errstate(over="ignore", invalid="ignore"):
            self.coef_ = found.theta[:, :-1] * units.scale
            if self.fit_intercept:
                self.intercept_ = found.theta[:, -1] - self.coef_ @ units.shift
            else:
                self.intercept_ = np.zeros(len(found.theta))

    def _rough(
        self, rows: LabelledRows, theta: NDArray[Any], penalty: Penalty, mass: float
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Where to begin, and the Hessian there: the minimum for a part of the rows, then for a larger part."""
        hessian = None
        least = max(_LEAST_PART, _LEAST_PER_COLUMN * theta.shape[1])
        for every in (part for part in _EVERY if rows.n_rows >= part * least):
            known = hessian / every if rows.is_costly and hessian is not None else None
            rough = minimise(
                partial(rows.evaluate, every=every), theta, penalty.part(1.0 / every), mass=mass / every, tol=np.inf,
                max_iter=20, negligible=1e-2, absolute=np.inf, reuse=reuse_of(rows), polish=False, hessian=known,
            )  # fmt: skip
            # the last step is no short one, so `separated` alone tells nothing
            separated = rough.separated and rough.last.wrong == 0.0
            if not rough.converged or separated or not np.isfinite(rough.theta).all():
                break
            theta = rough.theta
            hessian = None if rough.last.hessian is None else rough.last.hessian * every
        return theta, hessian

    def _warn(self, found: Minimum) -> None:
        if found.separated or not found.converged:
            text = convergence_warning(found.n_iter, found.separated, self.max_iter, self.tol)
            warn_caller(text, ConvergenceWarning)

    def _by_network(
        self,
        X: NDArray[Any],
        places: NDArray[np.intp],
        sample_weight: NDArray[Any] | None,
        n_classes: int,
        C: float,
    ) -> None:
        """Fit as a network without hidden layer: gradient descent, and L-BFGS where there are very many columns."""
        X = np.ascontiguousarray(X)
        T = np.zeros((len(X), 1 if n_classes == 2 else n_classes), X.dtype)
        T[np.arange(len(X)), 0 if n_classes == 2 else places] = places if n_classes == 2 else 1.0
        loss = LOSSES["binary_cross_entropy" if n_classes == 2 else "categorical_cross_entropy"]
        activation = "sigmoid" if n_classes == 2 else "softmax"
        alpha = strength(C)
        if self.solver == "gradient_descent":
            self.coef_, self.intercept_ = descend(self, X, T, sample_weight, loss, activation, alpha, self.max_iter)
            self.n_iter_ = np.array([self.max_iter])
        else:
            self.coef_, self.intercept_ = self._quasi_newton(X, T, sample_weight, loss, activation, alpha)

    def fit_chunks(self, source: Any, *, target: str | None = None) -> LogisticRegression:
        """Fit to rows that come in chunks: the fit of all of them, with the memory of one.

        The source is read once to see which classes there are, then once for each step of Newton's method.

        Parameters
        ----------
        source : callable, iterable, or path
            A function that returns an iterable of (X, y) or (X, y, sample_weight) each time it is called, such as a
            generator function; a list of such tuples; or a Parquet file.
        target : str, optional
            The column of the Parquet file with the classes; all others are features, ``feature_names_in_``, but for the
            index of a pandas DataFrame.

        Returns
        -------
        LogisticRegression
            Itself.

        Raises
        ------
        ValueError
            As `fit`; for a source that can be read only once, that changes between readings, or whose chunks have other
            columns than the first; for solvers other than "auto", and a class_weight.

        Warns
        -----
        ConvergenceWarning
            As `fit`.
        """
        with unchanged_on_failure(self):
            C, ratio = self._checked()
            self._information = None
            if self.solver != "auto" or self.class_weight is not None:
                raise ValueError(
                    f"fit_chunks needs solver='auto' and no class_weight (weights can be in the chunks), but solver is "
                    f"{self.solver!r} and class_weight is {self.class_weight!r}."
                )
            read, names = chunks_of(source, target)
            chunks = _LabelledChunks(self, read, most_exponent(strength(C)))
            counts = chunks.class_weights()
            start = self._start(len(counts), self.n_features_in_)
            found = self._newton(
                partial(minimise, chunks.evaluate), chunks.evaluate, None, counts, start, chunks.units, C, ratio,
                lambda: None,
            )  # fmt: skip
            self.classes_ = chunks.classes
            if names is not None:
                self.feature_names_in_ = np.array(names, dtype=object)
            self._round_to(chunks.dtype)
            self._warn(found)
        return self

    def summary(self, confidence_level: float = 0.95) -> Summary:
        """Standard errors, z values, p-values and confidence intervals of the coefficients, and measures of the fit.

        For K > 2 classes the coefficients are differences from those of the first class.

        Parameters
        ----------
        confidence_level : float, default=0.95

        Returns
        -------
        Summary
            ``print`` it, or take its arrays.

        Raises
        ------
        ValueError
            Where it would mislead: with a penalty, dependent columns or separated classes; after other solvers than
            "auto".
        sklearn.exceptions.NotFittedError
            Before `fit`.

        Notes
        -----
        The covariance is the inverse of the Hessian at the maximum, which `fit` keeps. Weights count rows.
        """
        check_is_fitted(self)
        known = getattr(self, "_information", None)
        if known is None:
            raise ValueError(
                "summary() is for an unpenalised fit (C=inf) by solver='auto' to dense X with a maximum: a penalty "
                "pulls the coefficients towards zero, separated classes let them grow, and standard errors tell of "
                "neither."
            )
        shift, scale, counts = known["shift"], known["scale"], known["counts"]
        theta, p = known["theta"], len(scale)
        # from theta = (c, c_0) to the user's (intercept, b): b = scale c, intercept = c_0 - shift b
        units = np.diag(np.append(scale, 1.0))
        basis = np.eye(p + 1)
        if known["fit_intercept"]:
            units = np.vstack([np.append(-shift * scale, 1.0), units[:p]])
        else:
            units = units[:p]
            basis = tied_basis(shift * scale, np.arange(p)) if known["tied"] else basis[:, :p]
        hessian = known["hessian"].reshape(len(theta), p + 1, len(theta), p + 1)
        # a class without weight has an intercept far out, and tells nothing of the others
        present = np.flatnonzero(counts) if known["fit_intercept"] else np.arange(len(counts))
        if len(theta) > 1:
            coefficients, others = (theta[present[1:]] - theta[present[0]]) @ units.T, present[1:]
        else:
            coefficients, others = theta @ units.T, np.zeros(1, np.intp)
        binary = len(present) == 2
        hessian = np.einsum("ai,kalb,bj->kilj", basis, hessian[others][:, :, others], basis)
        size = len(others) * basis.shape[1]
        hessian = hessian.reshape(size, size)
        lengths = np.sqrt(hessian.diagonal())
        unit = hessian / np.outer(lengths, lengths) if (lengths > 0).all() else np.zeros((size, size))
        if np.linalg.cond(unit) > 1e14:
            raise ValueError("Columns of X depend on each other: single coefficients are not determined.")
        all_units = np.kron(np.eye(len(others)), units @ basis) / lengths
        covariance = all_units @ np.linalg.inv(unit) @ all_units.T
        mass = float(counts.sum())
        if known["fit_intercept"]:
            null = float(scipy.special.xlogy(counts, counts / mass).sum())
        else:
            null = -mass * float(np.log(len(counts)))
        return logistic_summary(
            names=self._names(),
            coefficients=coefficients[0] if binary else coefficients,
            covariance=covariance,
            log_likelihood=known["log_likelihood"],
            log_likelihood_null=null,
            n_rows=round(mass),
            fit_intercept=known["fit_intercept"],
            condition=float(np.sqrt(np.linalg.cond(unit))),
            class_names=None if binary else [str(self.classes_[place]) for place in present],
            confidence_level=confidence_level,
        )

    def _quasi_newton(
        self,
        X: NDArray[Any],
        T: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        loss: Loss,
        activation: str,
        alpha: float,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        X, T = np.ascontiguousarray(X, np.float64), T.astype(np.float64)
        if sample_weight is not None:
            sample_weight = sample_weight.astype(np.float64)
        start = np.zeros((T.shape[1], X.shape[1])), np.zeros(T.shape[1])
        if self.warm_start and hasattr(self, "coef_") and self.coef_.shape == start[0].shape:
            start = self.coef_, self.intercept_
        layout, flat = single_layer(start[0].astype(np.float64), start[1], activation)
        settings = settings_of(loss, T.shape[1], VALUE_FACTOR=1.0, GRADIENT_FACTOR=1.0, ALPHA=alpha)
        objective = Objective(layout, X, T, sample_weight, loss, settings)
        free = objective.pack(flat).size - (0 if self.fit_intercept else T.shape[1])

        def value_and_gradient(vector: NDArray[Any]) -> tuple[float, NDArray[Any]]:
            full = np.zeros(objective.layout.n_free)
            full[:free] = vector
            value, gradient = objective(full)
            return value, gradient[:free]

        result = scipy.optimize.minimize(
            value_and_gradient,
            objective.pack(flat)[:free],
            method="L-BFGS-B",
            jac=True,
            options={"maxiter": self.max_iter, "gtol": self.tol, "ftol": 64 * np.finfo(float).eps, "maxls": 50},
        )
        self.n_iter_ = np.array([max(1, int(result.nit))])
        if result.status != 0:
            warn_caller(
                f"lbfgs failed to converge after {result.nit} iteration(s) ({result.message}). Increase max_iter (now "
                f"{self.max_iter}), or scale the data; classes that a plane separates have no best fit "
                "without penalty.",
                ConvergenceWarning,
            )
        full = np.zeros(layout.n_free)
        full[:free] = result.x
        objective.unpack(full, flat)
        weights, biases = layout.views(flat)
        return weights[0].T.copy(), biases[0].copy()

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Scores X coef_' + intercept_, (n,) for two classes, else (n, classes); parameters and errors as `predict`."""
        check_is_fitted(self)
        if scipy.sparse.issparse(X) or scipy.sparse.issparse(self.coef_):
            rows = validate_data(self, X, accept_sparse=["csr", "csc", "coo"], dtype=FLOATS[::-1], reset=False)
        else:
            rows = self._rows(X).astype(self.coef_.dtype, copy=False)
        scores = safe_sparse_dot(rows, self.coef_.T, dense_output=True) + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each row.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n, p)

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For another width, NaN or infinity.
        """
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities, (n, classes) in the order of ``classes_``; parameters and errors as in `predict`."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([scipy.special.expit(-scores), scipy.special.expit(scores)])
        return scipy.special.softmax(scores, axis=1)

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Logarithms of `predict_proba`, exact where a probability is below the smallest number."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([scipy.special.log_expit(-scores), scipy.special.log_expit(scores)])
        return scipy.special.log_softmax(scores, axis=1)

    def _check_loaded(self) -> None:
        self._check_parameters()
        check_choice(self.gradient, "gradient", ("backprop", "numerical"))
        for name in ("learning_rate", "intercept_scaling"):
            check_positive(getattr(self, name), name)
        check_positive(self.verbose, "verbose", integer=True, zero=True)
        threads_of_jobs(self.n_jobs)
        p, classes = self.n_features_in_, len(self.classes_)
        outputs = 1 if classes == 2 else classes
        if classes < 2 or self.coef_.shape != (outputs, p):
            raise ValueError("the coefficients do not fit the classes")
        # one number for several classes is the 0 of models without intercept
        if self.intercept_.shape != (outputs,) and (self.intercept_.shape != (1,) or self.intercept_.any()):
            raise ValueError("the intercepts do not fit the classes")
        steps = self.n_iter_
        if steps.dtype.kind not in "iu" or steps.shape not in ((1,), (outputs,)) or (steps < 0).any():
            raise ValueError("n_iter_ holds no counts")
        known = self._information
        if known is not None:
            size = outputs * (p + 1)
            shapes = {"hessian": (size, size), "shift": (p,), "scale": (p,), "theta": (outputs, p + 1)}
            shapes["counts"] = (classes,)
            good = all(known[n].shape == shape and np.isfinite(known[n]).all() for n, shape in shapes.items())
            kinds = {"fit_intercept": bool, "tied": bool, "log_likelihood": float}
            good = good and known.keys() == shapes.keys() | kinds.keys()
            if not good or any(type(known[name]) is not kind for name, kind in kinds.items()):
                raise ValueError("the Hessian does not fit the coefficients")
