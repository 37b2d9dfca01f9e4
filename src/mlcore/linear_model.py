"""LinearRegression, Ridge and LogisticRegression with scikit-learn's interface.

``solver="auto"`` is mlcore's own: orthogonal factorisations for the linear models, L-BFGS over the compiled loss and
gradient for the logistic one. ``solver="gradient_descent"`` trains as the course does, by back-propagation or by
central differences, in one compiled loop. A solver name of scikit-learn's, sparse X, ``positive=True`` and the L1
penalties are solved by scikit-learn's own code.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray
from sklearn import linear_model as sklearn_linear_model
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from .activations import get_activation
from .estimators import Estimator, unchanged_on_failure, weighted_by_class
from .kernels import layout as kernel_layout
from .losses import LOSSES, Loss
from .network import forward
from .objective import Objective
from .plan import Layout, aligned_zeros
from .training import Training
from .validation import FLOATS, check_choice, check_positive

_layout = kernel_layout()


def _single_layer(
    coefficients: NDArray[Any], intercept: NDArray[Any] | float, activation: str = "identity"
) -> tuple[Layout, NDArray[Any]]:
    """The model as a network without hidden layer: coefficients (q, p) and one intercept an output."""
    q, p = coefficients.shape
    layout = Layout([p, q], [get_activation(activation)], coefficients.dtype)
    flat = aligned_zeros(layout.n_parameters, layout.dtype)
    weights, biases = layout.views(flat)
    weights[0][:] = coefficients.T
    biases[0][:] = intercept
    return layout, flat


def _descend(
    estimator: Any,
    X: NDArray[Any],
    T: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    loss: Loss,
    activation: str,
    alpha: float,
    max_iter: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Full-batch gradient descent from zero: coefficients (q, p) and intercepts (q,)."""
    numerical = check_choice(estimator.gradient, "gradient", ("backprop", "numerical")) == "numerical"
    dtype = np.dtype(np.float64) if numerical else X.dtype
    X, T = np.ascontiguousarray(X, dtype), np.ascontiguousarray(T, dtype)
    layout, flat = _single_layer(np.zeros((T.shape[1], X.shape[1]), dtype), 0.0, activation)
    training = Training(
        layout,
        flat,
        X,
        T,
        np.empty(0, dtype) if sample_weight is None else np.ascontiguousarray(sample_weight, dtype),
        loss_id=loss.kernel_id(activation),
        mean=True,
        settings={
            "VALUE_FACTOR": 1.0,
            "GRADIENT_FACTOR": 1.0,
            "ALPHA": alpha,
            "LEARNING_RATE": float(check_positive(estimator.learning_rate, "learning_rate")),
            "N_ITER_NO_CHANGE": np.inf,
            "DIFFERENCE_STEP": 1e-4,
        },
        optimizer=_layout.SGD,
        batch_size=len(X),
        numerical=numerical,
        fixed_bias=not estimator.fit_intercept,
    )
    for _ in training.epochs(max_iter, np.arange(len(X)), None):
        pass
    if training.stopped == _layout.DIVERGED:
        step = training.bad_step or int(training.progress[_layout.STEPS])
        warnings.warn(
            f"Gradient descent diverged at step {step}. Scale the data (for example with StandardScaler) or lower "
            f"learning_rate (now {estimator.learning_rate}).",
            ConvergenceWarning,
            stacklevel=4,
        )
        raise ValueError("Solver produced non-finite parameter weights. Scale the input data, or lower learning_rate.")
    estimator.n_iter_ = int(training.progress[_layout.EPOCHS])
    weights, biases = layout.views(training.parameters)
    return weights[0].T.copy(), biases[0].copy()


def _from_scikit_learn(estimator: Any, twin: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    """Fit scikit-learn's twin and take over what it found."""
    twin.fit(X, y, sample_weight=sample_weight)
    for name, value in vars(twin).items():
        if name.endswith("_") and not name.startswith("_"):
            setattr(estimator, name, value)
    if getattr(estimator, "n_iter_", None) is None:
        estimator.n_iter_ = 1
    return estimator


class _LinearRegressor(MultiOutputMixin, RegressorMixin, Estimator):
    """What LinearRegression and Ridge share."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _validated(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc", "coo"],
            multi_output=True,
            y_numeric=True,
            dtype=FLOATS[::-1],
        )
        return X, y

    def _set(self, coefficients: NDArray[Any], intercept: NDArray[Any], y: NDArray[Any], dtype: Any) -> None:
        coefficients, intercept = coefficients.astype(dtype), intercept.astype(dtype)
        self.coef_ = coefficients[0] if y.ndim == 1 else coefficients
        self.intercept_ = intercept[0] if y.ndim == 1 else intercept
        if not self.fit_intercept:
            self.intercept_ = 0.0

    def predict(self, X: Any) -> NDArray[Any]:
        """X coef_' + intercept_ for rows X.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n, p)

        Returns
        -------
        ndarray of shape (n,) or (n, q)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For another width, NaN or infinity.
        """
        if scipy.sparse.issparse(X):
            X = validate_data(self, X, accept_sparse=["csr", "csc", "coo"], dtype=FLOATS[::-1], reset=False)
            return np.asarray(X @ self.coef_.T) + self.intercept_
        rows = self._rows(X)
        coefficients = np.atleast_2d(self.coef_)
        rows = rows.astype(coefficients.dtype, copy=False)
        predicted = forward(*_single_layer(coefficients, self.intercept_), rows)
        return predicted[:, 0] if self.coef_.ndim == 1 else predicted

    def _check_loaded(self) -> None:
        coefficients, intercept = np.asarray(self.coef_), np.asarray(self.intercept_)
        outputs = 1 if coefficients.ndim == 1 else len(coefficients)
        if coefficients.ndim > 2 or coefficients.shape[-1] != self.n_features_in_ or intercept.size not in (1, outputs):
            raise ValueError("the coefficients do not fit the inputs")
        if coefficients.dtype not in FLOATS or intercept.dtype.kind != "f":
            raise ValueError("the coefficients are no numbers")


def _centred(
    X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None, fit_intercept: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """X and y (n, q) in float64, centred on their (weighted) means and rows scaled by root weights; and the means."""
    X = X.astype(np.float64)
    T = y.astype(np.float64).reshape(len(y), -1)
    x_mean, t_mean = np.zeros(X.shape[1]), np.zeros(T.shape[1])
    if fit_intercept:
        x_mean = np.average(X, axis=0, weights=sample_weight)
        t_mean = np.average(T, axis=0, weights=sample_weight)
        X, T = X - x_mean, T - t_mean
        # the mean of what is left is rounding; without it a constant column is zero far below its own rounding
        again = np.average(X, axis=0, weights=sample_weight)
        x_mean, X = x_mean + again, X - again
    if sample_weight is not None:
        root = np.sqrt(sample_weight.astype(np.float64))[:, np.newaxis]
        X, T = X * root, T * root
    return X, T, x_mean, t_mean


def _lengths(A: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lengths of the columns, 1 where a column is zero; squares do not overflow."""
    largest = np.abs(A).max(axis=0)
    largest[largest == 0.0] = 1.0
    lengths: NDArray[np.float64] = largest * np.sqrt(((A / largest) ** 2).sum(axis=0))
    lengths[lengths == 0.0] = 1.0
    return lengths


class LinearRegression(_LinearRegressor):
    """Least squares: the coefficients that minimise sum_i w_i (y_i - x_i b - b_0)^2.

    Parameters
    ----------
    fit_intercept : bool, default=True
    copy_X : bool, default=True
        X is never overwritten, whatever this says.
    tol : float, default=1e-6
        Stops sparse solves only. Dense rank is judged on the centred X, its columns divided by their lengths before
        centring, at max(n, p) eps (and the rounding of X itself, if it is float32).
    n_jobs : int, optional
        For sparse X and ``positive=True``, as in scikit-learn.
    positive : bool, default=False
        Coefficients of at least 0 (scikit-learn's own code).
    solver : {"auto", "gradient_descent"}, default="auto"
        An orthogonal factorisation of X, or the course's gradient descent on the mean squared error from zero.
    learning_rate : float, default=0.01
        Of gradient descent.
    max_iter : int, default=1000
        Steps of gradient descent.
    gradient : {"backprop", "numerical"}, default="backprop"
        Its gradient: back-propagation, or central differences (delta 1e-4, in float64).

    Attributes
    ----------
    coef_ : ndarray of shape (p,) or (q, p)
    intercept_ : float or ndarray of shape (q,)
    rank_ : int
        Of the centred X; dense "auto" only.
    singular_ : ndarray
        Singular values of the centred X; dense "auto" only.
    n_iter_ : int
        Steps; 1 after a direct solve.
    n_features_in_ : int

    Notes
    -----
    Costs O(n p^2). A rank-deficient X gives the solution of least norm, with a warning.

    References
    ----------
    Golub and Van Loan, Matrix Computations, 4th ed., section 5.5.

    Examples
    --------
    >>> import mlcore
    >>> model = mlcore.LinearRegression().fit([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0])
    >>> round(float(model.coef_[0]), 12), round(float(model.intercept_), 12)
    (2.0, 1.0)
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
        solver: str = "auto",
        learning_rate: float = 0.01,
        max_iter: int = 1000,
        gradient: str = "backprop",
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.gradient = gradient

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LinearRegression:
        """Fit to rows X with answers y.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n, p)
        y : array_like of shape (n,) or (n, q)
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        LinearRegression
            Itself.

        Raises
        ------
        ValueError
            For shapes that do not fit, NaN or infinity, negative weights, and gradient descent that diverges.
        """
        with unchanged_on_failure(self):
            check_choice(self.solver, "solver", ("auto", "gradient_descent"))
            X, y = self._validated(X, y)
            sample_weight = self._row_weights(sample_weight, X)
            if scipy.sparse.issparse(X) or self.positive:
                options: dict[str, Any] = {n: getattr(self, n) for n in ("fit_intercept", "n_jobs", "positive")}
                if "tol" in inspect.signature(sklearn_linear_model.LinearRegression).parameters:
                    options["tol"] = self.tol
                twin = sklearn_linear_model.LinearRegression(**options)
                return _from_scikit_learn(self, twin, X, y, sample_weight)
            if self.solver == "gradient_descent":
                T = y.reshape(len(y), -1)
                loss = LOSSES["mean_squared_error"]
                check_positive(self.max_iter, "max_iter", integer=True)
                self._set(*_descend(self, X, T, sample_weight, loss, "identity", 0.0, self.max_iter), y, X.dtype)
                return self
            A, T, x_mean, t_mean = _centred(X, y, sample_weight, self.fit_intercept)
            # the rank is judged on columns whose rounding is of one size, so that neither units nor offsets decide it
            whole = A if not self.fit_intercept else _centred(X, y, sample_weight, False)[0]
            judged = scipy.linalg.svdvals(A / _lengths(whole), check_finite=False)
            limit = max(A.shape) * np.finfo(np.float64).eps + 2 * np.sqrt(A.shape[1]) * np.finfo(X.dtype).eps
            rank = int((judged > limit).sum())
            scale = _lengths(A)
            solution = scipy.linalg.lstsq(A / scale, T, cond=np.finfo(np.float64).tiny, check_finite=False)[0]
            solution /= scale[:, np.newaxis]
            left, singular, right = scipy.linalg.svd(A, full_matrices=False, check_finite=False)
            if rank < A.shape[1]:
                solution = right[:rank].T @ ((left[:, :rank].T @ T) / singular[:rank, np.newaxis])
                if rank < min(len(A) - bool(self.fit_intercept), A.shape[1]):
                    warnings.warn(
                        f"X has rank {rank} of {A.shape[1]} columns (constant or dependent columns): the solution of "
                        "least norm is given.",
                        UserWarning,
                        stacklevel=2,
                    )
            self.rank_ = int(rank)
            self.singular_ = singular.astype(X.dtype)
            self.n_iter_ = 1
            self._set(solution.T, t_mean - x_mean @ solution, y, X.dtype)
        return self


class Ridge(_LinearRegressor):
    """Least squares with an L2 penalty: minimises sum_i w_i (y_i - x_i b - b_0)^2 + alpha |b|^2.

    Parameters
    ----------
    alpha : float or array_like of shape (q,), default=1.0
        One for all outputs, or one for each.
    fit_intercept : bool, default=True
        The intercept is not penalised.
    copy_X : bool, default=True
        X is never overwritten, whatever this says.
    max_iter : int, optional
        Steps of gradient descent (default 1000), or of scikit-learn's iterative solvers.
    tol : float, default=1e-4
        Of scikit-learn's iterative solvers.
    solver : str, default="auto"
        "auto": an orthogonal factorisation of X over the root of alpha. "gradient_descent": the course's, from zero, on
        the objective divided by the rows. Or a name of scikit-learn's, solved by scikit-learn's own code.
    positive : bool, default=False
        Coefficients of at least 0 (scikit-learn's own code).
    random_state : int, RandomState or None
        Of scikit-learn's "sag" and "saga".
    learning_rate : float, default=0.01
        Of gradient descent.
    gradient : {"backprop", "numerical"}, default="backprop"
        Of gradient descent.

    Attributes
    ----------
    coef_ : ndarray of shape (p,) or (q, p)
    intercept_ : float or ndarray of shape (q,)
    n_iter_ : int or ndarray
        Steps; 1 after a direct solve.
    n_features_in_ : int

    References
    ----------
    Hoerl and Kennard 1970, Ridge Regression: Biased Estimation for Nonorthogonal Problems.
    """

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
        learning_rate: float = 0.01,
        gradient: str = "backprop",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.gradient = gradient

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Ridge:
        """Fit to rows X with answers y.

        Parameters
        ----------
        X : {array_like, sparse matrix} of shape (n, p)
        y : array_like of shape (n,) or (n, q)
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        Ridge
            Itself.

        Raises
        ------
        ValueError
            For shapes that do not fit, NaN or infinity, negative weights or alpha, and gradient descent that diverges.
        """
        names = ("auto", "gradient_descent", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs")
        with unchanged_on_failure(self):
            check_choice(self.solver, "solver", names)
            X, y = self._validated(X, y)
            sample_weight = self._row_weights(sample_weight, X)
            if y.ndim == 2 and y.shape[1] == 1:
                y = y[:, 0]
            alpha = np.asarray(self.alpha, np.float64)
            if not np.isfinite(alpha).all() or (alpha < 0).any():
                raise ValueError(f"alpha is {self.alpha!r}, but must be finite and at least 0.")
            T = y.reshape(len(y), -1)
            if alpha.ndim and alpha.shape != (T.shape[1],):
                raise ValueError(f"alpha has shape {alpha.shape}, but one for each of {T.shape[1]} outputs is wanted.")
            if scipy.sparse.issparse(X) or self.positive or self.solver not in names[:2]:
                options = self.get_params(deep=False)
                del options["learning_rate"], options["gradient"]
                if self.solver == "gradient_descent":
                    raise ValueError("solver='gradient_descent' needs dense X and positive=False.")
                return _from_scikit_learn(self, sklearn_linear_model.Ridge(**options), X, y, sample_weight)
            if self.solver == "gradient_descent":
                if alpha.ndim:
                    raise ValueError("solver='gradient_descent' takes one alpha for all outputs.")
                steps = check_positive(self.max_iter or 1000, "max_iter", integer=True)
                loss = LOSSES["mean_squared_error"]
                found = _descend(self, X, T, sample_weight, loss, "identity", 2.0 * float(alpha), steps)
                self._set(*found, y, X.dtype)
                return self
            A, T, x_mean, t_mean = _centred(X, y, sample_weight, self.fit_intercept)
            left, singular, right = scipy.linalg.svd(A, full_matrices=False, check_finite=False)
            projected = left.T @ T
            penalty = np.broadcast_to(alpha, T.shape[1])
            # b = V s / (s^2 + alpha) U'y; where alpha is 0, singular values that are rounding are left out
            power = singular[:, np.newaxis] ** 2 + penalty
            kept = singular[:, np.newaxis] > max(A.shape) * np.finfo(np.float64).eps * singular.max(initial=0.0)
            kept = kept | (penalty > 0)
            ratio = np.divide(singular[:, np.newaxis], power, out=np.zeros_like(power), where=kept & (power > 0))
            solution = right.T @ (ratio * projected)
            self.n_iter_ = 1
            self._set(solution.T, t_mean - x_mean @ solution, y, X.dtype)
        return self


class LogisticRegression(ClassifierMixin, Estimator):
    """Logistic regression: minimises C sum_i w_i log loss_i + |b|^2 / 2, for two classes or more (softmax).

    Parameters
    ----------
    penalty : str or None, optional
        Of older scikit-learn: None means ``C=inf``, "l1" and "elasticnet" set ``l1_ratio``; leave it alone otherwise.
    C : float, default=1.0
        Inverse strength of the penalty; ``inf`` for none.
    l1_ratio : float, default=0.0
        0 is L2; above 0 mixes in L1 (scikit-learn's "saga" then).
    dual, intercept_scaling, n_jobs, random_state
        Handed to scikit-learn's solvers.
    tol : float, default=1e-4
        Largest entry of the mean gradient at which L-BFGS stops.
    fit_intercept : bool, default=True
        The intercept is not penalised.
    class_weight : dict or "balanced", optional
        Multiplies the weights of each class's rows.
    solver : str, default="auto"
        "auto": L-BFGS over the compiled loss and gradient. "gradient_descent": the course's, from zero, on the
        objective divided by C and the rows. Or a name of scikit-learn's, with its objective,
        solved by scikit-learn's own code.
    max_iter : int, default=100
    verbose : int, default=0
    warm_start : bool, default=False
        Start from the last fit's coefficients ("auto").
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

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd ed., section 4.4.
    """

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "auto",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
        learning_rate: float = 0.01,
        gradient: str = "backprop",
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

    def _penalty(self) -> tuple[float, float]:
        """(C, l1_ratio), older spellings translated."""
        ratio = self.l1_ratio or 0.0
        if self.C != np.inf:
            check_positive(self.C, "C")
        if not 0 <= ratio <= 1:
            raise ValueError(f"l1_ratio is {self.l1_ratio!r}, but must lie in [0, 1].")
        if self.penalty is None:
            return np.inf, 0.0
        if self.penalty == "deprecated":
            return self.C, ratio
        check_choice(self.penalty, "penalty", ("l1", "l2", "elasticnet", "deprecated"))
        return self.C, {"l1": 1.0, "l2": 0.0}.get(self.penalty, ratio)

    def _twin(self, C: float, ratio: float) -> Any:
        """scikit-learn's estimator of the same objective."""
        options = self.get_params(deep=False)
        for name in ("penalty", "learning_rate", "gradient"):
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
        own = ("auto", "gradient_descent")
        with unchanged_on_failure(self):
            names = ("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")
            check_choice(self.solver, "solver", own + names)
            check_positive(self.max_iter, "max_iter", integer=True)
            check_positive(self.tol, "tol", zero=True)
            C, ratio = self._penalty()
            X, y = validate_data(self, X, y, accept_sparse="csr", dtype=FLOATS[::-1], order="C")
            check_classification_targets(y)
            sample_weight = self._row_weights(sample_weight, X)
            classes, places = np.unique(y, return_inverse=True)
            if len(classes) < 2:
                raise ValueError(
                    "This solver needs samples of at least 2 classes in the data, but the data contains only one "
                    f"class: {classes[0]!r}"
                )
            if scipy.sparse.issparse(X) or self.solver not in own or ratio > 0:
                if self.solver == "gradient_descent":
                    raise ValueError("solver='gradient_descent' needs dense X and l1_ratio=0.")
                return _from_scikit_learn(self, self._twin(C, ratio), X, y, sample_weight)
            if self.class_weight is not None:
                sample_weight = weighted_by_class(self.class_weight, y, sample_weight, X.dtype)
            check_random_state(self.random_state)
            binary = len(classes) == 2
            q = 1 if binary else len(classes)
            T = np.zeros((len(X), q), X.dtype)
            T[np.arange(len(X)), 0 if binary else places] = places if binary else 1.0
            loss = LOSSES["binary_cross_entropy" if binary else "categorical_cross_entropy"]
            activation = "sigmoid" if binary else "softmax"
            alpha = 0.0 if np.isinf(C) else 1.0 / C
            if self.solver == "gradient_descent":
                coefficients, intercept = _descend(self, X, T, sample_weight, loss, activation, alpha, self.max_iter)
                self.n_iter_ = np.array([self.max_iter])
            else:
                coefficients, intercept = self._quasi_newton(X, T, sample_weight, loss, activation, alpha)
            self.classes_ = classes
            self.coef_, self.intercept_ = coefficients.astype(X.dtype), intercept.astype(X.dtype)
        return self

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
        layout, flat = _single_layer(start[0].astype(np.float64), start[1], activation)
        settings = {"VALUE_FACTOR": 1.0, "GRADIENT_FACTOR": 1.0, "ALPHA": alpha}
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
            warnings.warn(
                f"lbfgs failed to converge after {result.nit} iteration(s) ({result.message}). Increase max_iter (now "
                f"{self.max_iter}), or scale the data; classes that a plane separates have no best fit "
                "without penalty.",
                ConvergenceWarning,
                stacklevel=3,
            )
        full = np.zeros(layout.n_free)
        full[:free] = result.x
        objective.unpack(full, flat)
        weights, biases = layout.views(flat)
        return weights[0].T.copy(), biases[0].copy()

    def _scores(self, X: Any, activation: str) -> NDArray[Any]:
        if scipy.sparse.issparse(X):
            X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS[::-1], reset=False)
            rows = np.asarray(X @ self.coef_.T) + self.intercept_
            identity = np.eye(len(self.coef_), dtype=rows.dtype)
            return forward(*_single_layer(identity, 0.0, activation), np.ascontiguousarray(rows))
        rows = self._rows(X).astype(self.coef_.dtype, copy=False)
        return forward(*_single_layer(self.coef_, self.intercept_, activation), rows)

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Scores X coef_' + intercept_, (n,) for two classes, else (n, classes); parameters and errors as `predict`."""
        scores = self._scores(X, "identity")
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
        two = self._is_binary()
        probabilities = self._scores(X, "sigmoid" if two else "softmax")
        return np.column_stack([1 - probabilities, probabilities]) if two else probabilities

    def _is_binary(self) -> bool:
        check_is_fitted(self)
        return len(self.coef_) == 1

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _check_loaded(self) -> None:
        outputs = 1 if len(self.classes_) == 2 else len(self.classes_)
        if self.coef_.shape != (outputs, self.n_features_in_) or np.shape(self.intercept_) not in ((outputs,), (1,)):
            raise ValueError("the coefficients do not fit the classes")
        if self.coef_.dtype not in FLOATS or len(self.classes_) < 2:
            raise ValueError("the coefficients are no numbers")
