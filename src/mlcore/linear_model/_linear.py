"""LinearRegression and Ridge with scikit-learn's interface.

``solver="auto"`` is mlcore's own: one read of X for the sums of products, Cholesky's factor of them. Sums of several
sets of rows add up, so `partial_fit` and `merge` give the fit of all rows. ``solver="gradient_descent"`` trains as the
course does, by back-propagation or by central differences, in one compiled loop. A solver name of scikit-learn's,
sparse X and ``positive=True`` are solved by scikit-learn's own code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn import linear_model as sklearn_linear_model
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..estimator_base import (
    Estimator,
    Scored,
    adopt_solution,
    finite_numbers,
    unchanged_on_failure,
    validate_data,
)
from ..losses import LOSSES
from ..names import GradientName, LinearSolverName, RidgeSolverName
from ..neural_network._linear_network import descend
from ..threads import threads_of_jobs
from ..validation import FLOATS, check_choice, check_positive, is_finite, warn_caller
from ._cross_products import CrossProducts, WeightedRows
from ._least_squares import Factor, gather, gather_and_factor, solve_wide, without_rounding
from ._summary import Summary, linear_summary

# wider than this, and with fewer rows than columns, X itself is factored: its products would take more room than it
_WIDE = 1024
RANK_WARNING = "X has rank {rank} of {p} columns (constant or dependent columns): the solution of least norm is given."
_RIDGE_SOLVERS = ("svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs")


class _LinearRegressor(Scored, MultiOutputMixin, RegressorMixin, Estimator):
    """What LinearRegression and Ridge share."""

    _solvers: ClassVar[tuple[str, ...]] = ("auto", "gradient_descent")
    #: whether the coefficients for a y of one column have one dimension
    _flattens: ClassVar[bool] = False
    _statistics: dict[str, Any] | None
    _singular: NDArray[Any] | None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _alphas(self, n_outputs: int) -> NDArray[np.float64]:
        """The penalty of each output."""
        return np.zeros(n_outputs)

    def _validated(self, X: Any, y: Any, reset: bool = True, sparse: bool = False) -> tuple[Any, NDArray[Any]]:
        # sums of numbers near the largest overflow on the way
        with np.errstate(over="ignore", invalid="ignore"):
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse=["csr", "csc", "coo"] if sparse else False,
                multi_output=True,
                y_numeric=True,
                dtype=FLOATS[::-1],
                reset=reset,
            )
        return X, y

    def _weighted_rows(
        self, X: Any, y: Any, sample_weight: Any, reset: bool = True
    ) -> tuple[WeightedRows, Callable[[], None]]:
        """Rows for the kernel, and what raises the right error if it meets numbers that are not finite."""
        plain = self._is_plain(X, y, sample_weight, reset)
        if plain:
            X, y = np.asarray(X), np.asarray(y)
        else:
            X, y = self._validated(X, y, reset)
        weight = self._row_weights(sample_weight, X, dtype=np.float64)

        def check_finite() -> None:
            if plain:
                self._validated(X, y, reset)
                self._row_weights(sample_weight, X)

        if plain and reset:
            self._adopt_width(X)
        return WeightedRows(X, y.astype(np.float64, copy=False), weight), check_finite

    def _solve(
        self, products: CrossProducts, alphas: NDArray[np.float64], factor: Factor, dtype: Any, ndim: int
    ) -> None:
        """Take over what the products say; `factor` is that of the smallest penalty."""
        coefficients, intercept = factor.solve()
        for alpha in sorted(set(alphas.tolist()))[1:]:
            others = Factor.of(products, self.fit_intercept, alpha).solve()
            coefficients[alphas == alpha], intercept[alphas == alpha] = (part[alphas == alpha] for part in others)
        intercept = without_rounding(intercept, products)
        self._take_solution(coefficients, intercept, factor.rank, products, alphas, dtype, ndim)
        self._warn_of_rank(factor.rank, products.n_rows, alphas)

    def _take_solution(
        self,
        coefficients: NDArray[Any],
        intercept: NDArray[Any],
        rank: int,
        products: CrossProducts,
        alphas: NDArray[np.float64],
        dtype: Any,
        ndim: int,
    ) -> None:
        self._adopt(coefficients, intercept, rank, dtype, ndim)
        # parameters may be set anew after the fit; model files call the products moments
        fitted = {"fit_intercept": bool(self.fit_intercept), "alphas": alphas}
        self._statistics, self._singular = {"moments": vars(products).copy(), **fitted}, None

    def _adopt(self, coefficients: NDArray[Any], intercept: NDArray[Any], rank: int, dtype: Any, ndim: int) -> None:
        self._set(coefficients, intercept, dtype, ndim)
        self.n_iter_ = 1
        if self._flattens:
            self.solver_ = "cholesky"

    def _warn_of_rank(self, rank: int, n_rows: int, alphas: NDArray[np.float64]) -> None:
        p = self.n_features_in_
        if rank < min(n_rows - bool(self.fit_intercept), p) and not alphas.all():
            warn_caller(RANK_WARNING.format(rank=rank, p=p))

    def _fit_rows(self, X: Any, y: Any, sample_weight: Any, n_threads: int | None) -> None:
        rows, check_finite = self._weighted_rows(X, y, sample_weight)
        alphas = self._alphas(rows.n_outputs)
        n, p = rows.X.shape
        ndim = rows.y.ndim
        if n < p and p > _WIDE:
            check_finite()
            coefficients, intercept, rank, singular = solve_wide(rows, self.fit_intercept, alphas)
            n = n if rows.sample_weight is None else int(np.count_nonzero(rows.sample_weight))
            self._adopt(coefficients, intercept, rank, rows.X.dtype, ndim)
            self._warn_of_rank(rank, n, alphas)
            self._statistics, self._singular = None, singular
        else:
            smallest = min(alphas.tolist())
            products, factor = gather_and_factor(rows, self.fit_intercept, smallest, check_finite, n_threads)
            self._solve(products, alphas, factor, rows.X.dtype, ndim)

    def _set(self, coefficients: NDArray[Any], intercept: NDArray[Any], dtype: Any, ndim: int) -> None:
        coefficients, intercept = finite_numbers(dtype, coefficients, intercept)
        as_vector = ndim == 1 or (self._flattens and len(coefficients) == 1)
        self.coef_ = coefficients[0] if as_vector else coefficients
        self.intercept_ = intercept[0] if ndim == 1 else intercept
        if not self.fit_intercept:
            self.intercept_ = 0.0

    def _ndim(self) -> int:
        """Of the y that was fitted, as far as it matters."""
        return max(np.ndim(self.coef_), 1 + np.ndim(self.intercept_))

    def _forget(self) -> None:
        """Drop what another kind of fit has left."""
        self._statistics = self._singular = None
        for name in ("rank_", "solver_"):
            self.__dict__.pop(name, None)

    def _products(self) -> CrossProducts:
        check_is_fitted(self)
        if self._statistics is None:
            raise ValueError(
                f"This {type(self).__name__} holds no sums of products. They are kept by fits of solver='auto' to "
                f"dense X, without positive=True, and with at most {_WIDE} columns or at least as many rows."
            )
        return CrossProducts(**self._statistics["moments"])

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Fit to these rows and all rows before them: as one `fit` of all, to the last digits.

        The sums of products are kept in pairs of doubles; memory does not grow with the rows.

        Parameters
        ----------
        X : array_like of shape (n, p)
            A chunk of rows; p is that of the first.
        y : array_like of shape (n,) or (n, q)
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            As `fit`; for other columns than the chunk before; for sparse X, ``positive=True`` and solvers other than
            "auto"; after a fit that kept no sums.
        """
        with unchanged_on_failure(self):
            self._check_sums()
            before = self._products() if hasattr(self, "coef_") else None
            if before is not None and sample_weight is not None and not np.any(sample_weight):
                self._validated(X, y, reset=False)
                return self
            rows, check_finite = self._weighted_rows(X, y, sample_weight, reset=before is None)
            if before is not None and before.n_outputs != rows.n_outputs:
                raise ValueError(f"y has {rows.n_outputs} columns, but those of before had {before.n_outputs}.")
            penalised = bool(self._alphas(rows.n_outputs).any())
            start = rows.origin(self.fit_intercept)
            products = gather(rows, *start, check_finite, in_pairs=True, penalised=penalised)
            if before is None:
                self._take(products, rows.X.dtype, rows.y.ndim)
            else:
                self._take(before + products, self.coef_.dtype, self._ndim())
        return self

    def merge(self, other: Any) -> Any:
        """Take over the rows of another fitted model: as one `fit` of both models' rows.

        Parameters
        ----------
        other : estimator
            Of the same class, fitted to the same columns; it is not changed.

        Returns
        -------
        estimator
            Itself. One that is not fitted takes over the other's rows alone.

        Raises
        ------
        ValueError
            For another class, other columns or another `fit_intercept`; for a model without sums (see `partial_fit`).
        sklearn.exceptions.NotFittedError
            If `other` is not fitted.
        """
        with unchanged_on_failure(self):
            if type(other) is not type(self):
                raise ValueError(f"A {type(self).__name__} can merge its like, not a {type(other).__name__}.")
            self._check_sums()
            products, fitted = other._products(), other.__dict__["_statistics"]
            if fitted["fit_intercept"] != bool(self.fit_intercept):
                raise ValueError("One model has an intercept, and the other has none.")
            mine, others = (getattr(model, "feature_names_in_", None) for model in (self, other))
            if not hasattr(self, "coef_"):
                self.n_features_in_ = other.n_features_in_
                if others is not None:
                    self.feature_names_in_ = others
            else:
                shapes = np.shape(self.coef_), np.shape(other.coef_)
                if shapes[0] != shapes[1]:
                    raise ValueError(f"The models' coefficients have shapes {shapes[0]} and {shapes[1]}.")
                if mine is not None and others is not None and list(mine) != list(others):
                    raise ValueError(f"The models' columns are {list(mine)} and {list(others)}.")
                products = self._products() + products
            dtype = np.result_type(other.coef_, getattr(self, "coef_", other.coef_))
            self._take(products, dtype, other._ndim())
        return self

    def _take(self, products: CrossProducts, dtype: Any, ndim: int) -> None:
        alphas = self._alphas(products.n_outputs)
        factor = Factor.of(products, self.fit_intercept, min(alphas.tolist()))
        self._solve(products, alphas, factor, dtype, ndim)

    def _check_sums(self) -> None:
        if getattr(self, "positive", False) or self.solver != "auto":
            raise ValueError(
                f"Rows add up with solver='auto' and positive=False alone, but solver is {self.solver!r} and positive "
                f"is {self.positive!r}."
            )

    @property
    def condition_(self) -> float:
        """Condition number of the (centred) columns, each divided by its length."""
        return self._only_factor("condition_").condition()

    def _only_factor(self, name: str) -> Factor:
        if getattr(self, "_statistics", None) is None:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}: it comes of sums of products, which "
                f"fits of solver='auto' to dense X keep, with at most {_WIDE} columns or at least as many rows"
            )
        alphas = self._statistics["alphas"]  # type: ignore[index]
        if (alphas != alphas[0]).any():
            raise AttributeError(f"{name!r} is that of one alpha, but there are {len(alphas)}")
        return self._fitted_factor()

    def _fitted_factor(self) -> Factor:
        products, statistics = self._products(), self._statistics
        assert statistics is not None
        return Factor.of(products, statistics["fit_intercept"], float(statistics["alphas"][0]))

    def summary(self, confidence_level: float = 0.95) -> Summary:
        """Standard errors, t values, p-values and confidence intervals of the coefficients, and measures of the fit.

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
            Where it would mislead: with a penalty, dependent columns, or no more rows than coefficients; for models
            without sums (see `partial_fit`).
        sklearn.exceptions.NotFittedError
            Before `fit`.

        Notes
        -----
        Costs O(p^3), whatever the number of rows. Rows without weight do not count. Of an exact fit, whose residuals
        are no more than rounding, what is compared with them is NaN, and a line says so; so is R^2 of a constant y.
        """
        products = self._products()
        fitted = self._statistics
        assert fitted is not None
        fit_intercept = fitted["fit_intercept"]
        if fitted["alphas"].any():
            raise ValueError(
                "A penalty pulls the coefficients towards zero, and their standard errors would tell nothing of that: "
                "summary() is for alpha=0 or LinearRegression."
            )
        factor = self._fitted_factor()
        p = products.n_features
        if factor.rank < p:
            raise ValueError(
                f"X has rank {factor.rank} of {p} columns: single coefficients are not determined, and have no "
                "standard errors. Leave dependent columns out."
            )
        one = np.ndim(self.coef_) == 1
        coefficients, intercept = factor.solve()
        if fit_intercept:
            coefficients = np.column_stack([intercept, coefficients])
        residual, total = factor.sums_of_squares()
        rounding, scale = factor.rounding(), products.scale[p:]
        return linear_summary(
            names=self._names(),
            coefficients=coefficients[0] if one else coefficients.T,
            unscaled_variances=factor.unscaled_variances(),
            residual_sum_of_squares=residual[0] if one else residual,
            total_sum_of_squares=total[0] if one else total,
            rounding=rounding[0] if one else rounding,
            y_scale=scale[0] if one else scale,
            n_rows=products.n_rows,
            fit_intercept=fit_intercept,
            log_weight=products.log_weight,
            condition=factor.condition(),
            confidence_level=confidence_level,
        )

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
            For another width, NaN or infinity, and for rows whose answers are too large for the model's dtype.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if scipy.sparse.issparse(X):
                rows = validate_data(self, X, accept_sparse=["csr", "csc", "coo"], dtype=FLOATS[::-1], reset=False)
            else:
                rows = self._rows(X)
            dtype = self.coef_.dtype
            found = np.asarray(rows.astype(dtype, copy=False) @ self.coef_.T + self.intercept_)
        if not is_finite(found):
            raise ValueError(f"A row of X, or the answer to it, is too large for {dtype}, the dtype of the model.")
        return found

    def _check_parameters(self) -> None:
        check_choice(self.solver, "solver", self._solvers)
        check_choice(self.gradient, "gradient", ("backprop", "numerical"))
        check_positive(self.learning_rate, "learning_rate")
        check_positive(self.tol, "tol", zero=True)
        if self.max_iter is not None:
            check_positive(self.max_iter, "max_iter", integer=True)
        threads_of_jobs(getattr(self, "n_jobs", None))

    def _check_loaded(self) -> None:
        self._check_parameters()
        p, coefficients, intercept = self.n_features_in_, self.coef_, np.asarray(self.intercept_)
        outputs = 1 if coefficients.ndim == 1 else len(coefficients)
        if outputs < 1 or coefficients.shape not in ((p,), (outputs, p)):
            raise ValueError("the coefficients do not fit the inputs")
        # one number for several outputs is the 0 of models without intercept
        if intercept.shape != (outputs,) and (intercept.shape or (outputs > 1 and intercept != 0)):
            raise ValueError("the intercept does not fit the coefficients")
        self._alphas(outputs)
        if not 0 <= getattr(self, "rank_", 0) <= p or getattr(self, "solver_", "svd") not in _RIDGE_SOLVERS:
            raise ValueError("rank_ or solver_ is none that a fit gives")
        steps = np.asarray(0 if self.n_iter_ is None else self.n_iter_)
        if steps.dtype.kind not in "iu" or steps.shape not in ((), (1,), (outputs,)) or (steps < 0).any():
            raise ValueError("n_iter_ holds no counts")
        singular, statistics = self._singular, self._statistics
        if singular is not None and not (
            singular.ndim == 1 and singular.size <= p and singular.dtype in FLOATS and (singular >= 0).all()
        ):
            raise ValueError("the singular values are no numbers")
        if statistics is not None:
            if self.n_iter_ != 1 or not hasattr(self, "solver_" if self._flattens else "rank_"):
                raise ValueError("the sums of products are none of a direct solution")
            self._products().check(p, outputs)
            alphas, fit_intercept = statistics["alphas"], statistics["fit_intercept"]
            good = statistics.keys() == {"moments", "alphas", "fit_intercept"} and type(fit_intercept) is bool
            good = good and alphas.shape == (outputs,) and alphas.dtype == np.float64
            if (
                not good
                or not ((alphas >= 0) & (alphas < np.inf)).all()
                or not (fit_intercept or (intercept == 0).all())
            ):
                raise ValueError("the sums of products do not fit the coefficients")


class LinearRegression(_LinearRegressor):
    """Least squares: the coefficients that minimise sum_i w_i (y_i - x_i b - b_0)^2.

    Parameters
    ----------
    fit_intercept : bool, default=True
    copy_X : bool, default=True
        X is never overwritten, whatever this says.
    tol : float, default=1e-6
        Stops sparse solves only. A dense column counts towards the rank if the part of it that the columns taken
        before it do not explain is longer than max(n, p, 64) eps times its length after centring, and than twice the
        rounding of the column itself; that one is taken next of which the largest multiple of these is left.
    n_jobs : int, optional
        Threads, as ``n_threads`` of `config_context`; -1 means all CPUs. No number changes a bit of the result.
    positive : bool, default=False
        Coefficients of at least 0 (scikit-learn's own code).
    solver : {"auto", "gradient_descent"}, default="auto"
        One read of X and Cholesky's factor, or the course's gradient descent on the mean squared error from zero.
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
    singular_ : ndarray of shape (min(n, p),)
        Singular values of the centred X, computed when asked for, 0 beyond the rank; dense "auto" only.
    condition_ : float
        Condition number of the centred X, each column divided by its length, computed when asked for; infinite if the
        rank is not full; dense "auto" only.
    n_iter_ : int
        Steps; 1 after a direct solve.
    n_features_in_ : int

    Notes
    -----
    One read of X sums the products of (1, x - x_0, y - y_0), x_0 and y_0 one of the rows, n p^2 / 2 multiply-adds;
    Cholesky's factor of the sums is taken in pairs of doubles (106 bits). If it says that plain sums cost digits that
    are wanted (nine of the coefficients, six of their standard errors), X is read again and products are taken in pairs
    too, which takes some eight times as long and leaves an error of about 1e-31 times the squared condition; small
    problems are summed so from the start.
    X is not copied, nor are y and sample_weight if they are float64. A rank-deficient X gives the solution of least
    norm in the user's units, with a warning if there are rows enough for full rank; this is computed from the sums in
    pairs, so that columns that nearly depend on each other cost no digits. With fewer rows than columns and more than
    1,024 of these, X itself is factored, in doubles.

    References
    ----------
    Golub and Van Loan, Matrix Computations, 4th ed., sections 4.2 and 5.3. Ogita, Rump and Oishi 2005, Accurate sum and
    dot product. Chan, Golub and LeVeque 1983, Algorithms for computing the sample variance.

    Examples
    --------
    >>> import mlcore
    >>> model = mlcore.LinearRegression().fit([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0])
    >>> round(float(model.coef_[0]), 12), round(float(model.intercept_), 12)
    (2.0, 1.0)
    """

    __module__ = "mlcore.linear_model"

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
        solver: LinearSolverName = "auto",
        learning_rate: float = 0.01,
        max_iter: int = 1000,
        gradient: GradientName = "backprop",
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

        Warns
        -----
        UserWarning
            If X is rank-deficient and there are rows enough.
        """
        with unchanged_on_failure(self):
            check_choice(self.solver, "solver", self._solvers)
            self._forget()
            if self.solver == "auto" and not self.positive and not scipy.sparse.issparse(X):
                self._fit_rows(X, y, sample_weight, threads_of_jobs(self.n_jobs))
                return self
            X, y = self._validated(X, y, sparse=True)
            sample_weight = self._row_weights(sample_weight, X)
            if self.solver == "gradient_descent":
                if scipy.sparse.issparse(X) or self.positive:
                    raise ValueError("solver='gradient_descent' needs dense X and positive=False.")
                T = y.reshape(len(y), -1)
                loss = LOSSES["mean_squared_error"]
                check_positive(self.max_iter, "max_iter", integer=True)
                found = descend(self, X, T, sample_weight, loss, "identity", 0.0, self.max_iter)
                self._set(*found, X.dtype, y.ndim)
                return self
            options: dict[str, Any] = {n: getattr(self, n) for n in ("fit_intercept", "n_jobs", "positive")}
            if "tol" in inspect.signature(sklearn_linear_model.LinearRegression).parameters:
                options["tol"] = self.tol
            twin = sklearn_linear_model.LinearRegression(**options)
            adopt_solution(self, twin, X, y, sample_weight)
        return self

    def _adopt(self, coefficients: Any, intercept: Any, rank: int, *others: Any) -> None:
        super()._adopt(coefficients, intercept, rank, *others)
        self.rank_ = rank

    @property
    def singular_(self) -> NDArray[Any]:
        """Singular values of the centred X, largest first."""
        if (known := getattr(self, "_singular", None)) is not None:
            return known.astype(self.coef_.dtype)
        return self._only_factor("singular_").singular_values().astype(self.coef_.dtype)


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
        "auto": one read of X and Cholesky's factor, as in `LinearRegression`. "gradient_descent": the course's, from
        zero, on the objective divided by the rows. Or a name of scikit-learn's, solved by scikit-learn's own code.
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
    condition_ : float
        As of `LinearRegression`, with the penalty; dense "auto" with one alpha only.
    solver_ : str
        What solved it; "auto" is by Cholesky's factor.
    n_iter_ : int, ndarray or None
        Steps; 1 after a direct solve.
    n_features_in_ : int

    References
    ----------
    Hoerl and Kennard 1970, Ridge Regression: Biased Estimation for Nonorthogonal Problems.
    """

    __module__ = "mlcore.linear_model"

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: RidgeSolverName = "auto",
        positive: bool = False,
        random_state: Any = None,
        learning_rate: float = 0.01,
        gradient: GradientName = "backprop",
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

    _flattens = True
    _solvers = ("auto", "gradient_descent", *_RIDGE_SOLVERS)

    def _alphas(self, n_outputs: int) -> NDArray[np.float64]:
        if type(self.alpha) is float and 0 <= self.alpha < np.inf:
            return np.full(n_outputs, self.alpha)
        try:
            alpha = np.asarray(self.alpha, np.float64)
        except (TypeError, ValueError, OverflowError):
            alpha = np.full((), np.nan)
        if not np.isfinite(alpha).all() or (alpha < 0).any():
            raise ValueError(f"alpha is {self.alpha!r}, but must be a finite number of at least 0, or one an output.")
        if alpha.ndim and alpha.shape != (n_outputs,):
            raise ValueError(f"alpha has shape {alpha.shape}, but one for each of {n_outputs} outputs is wanted.")
        return np.broadcast_to(alpha, n_outputs)

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
            For shapes that do not fit, NaN or infinity, negative weights, an alpha below 0, and gradient descent that
            diverges.

        Warns
        -----
        UserWarning
            If alpha is 0, X is rank-deficient and there are rows enough.
        """
        with unchanged_on_failure(self):
            check_choice(self.solver, "solver", self._solvers)
            self._forget()
            if self.solver == "auto" and not self.positive and not scipy.sparse.issparse(X):
                self._fit_rows(X, y, sample_weight, None)
                return self
            X, y = self._validated(X, y, sparse=True)
            sample_weight = self._row_weights(sample_weight, X)
            T = y.reshape(len(y), -1)
            alphas = self._alphas(T.shape[1])
            if self.solver == "gradient_descent":
                if scipy.sparse.issparse(X) or self.positive:
                    raise ValueError("solver='gradient_descent' needs dense X and positive=False.")
                if np.ndim(self.alpha):
                    raise ValueError("solver='gradient_descent' takes one alpha for all outputs.")
                steps = check_positive(self.max_iter or 1000, "max_iter", integer=True)
                loss = LOSSES["mean_squared_error"]
                found = descend(self, X, T, sample_weight, loss, "identity", 2.0 * float(alphas[0]), steps)
                self._set(*found, X.dtype, y.ndim)
                return self
            options = self.get_params(deep=False)
            del options["learning_rate"], options["gradient"]
            adopt_solution(self, sklearn_linear_model.Ridge(**options), X, y, sample_weight)
        return self
