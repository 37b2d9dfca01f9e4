"""Who fits regressions: each function returns coefficients and intercept.

The libraries are imported as they are needed: those that are not installed are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn import linear_model

import mlcore

from . import BACKENDS, Contender

MANY = 10_000  # iterations: what ends a fit is its tolerance

Found = tuple[Any, Any]  # coefficients and intercept


def estimator(kind: Any, X: Any, y: Any, **options: Any) -> Found:
    model = kind(**options).fit(X, y)
    return model.coef_, model.intercept_


def intelex_linear(X: Any, y: Any) -> Found:
    from sklearnex.linear_model import LinearRegression

    return estimator(LinearRegression, X, y)


def intelex_logistic(X: Any, y: Any, *, tol: float) -> Found:
    from sklearnex.linear_model import LogisticRegression

    # lbfgs: for the other solvers it has only scikit-learn's own code. The gradient that it compares is not the mean's.
    return estimator(LogisticRegression, X, y, tol=tol * len(X), max_iter=MANY)


def glum_normal(X: Any, y: Any) -> Found:
    from glum import GeneralizedLinearRegressor

    return estimator(GeneralizedLinearRegressor, X, y, family="normal", alpha=0.0)


def glum_binomial(X: Any, y: Any, *, tol: float) -> Found:
    from glum import GeneralizedLinearRegressor

    options = {"family": "binomial", "alpha": 1.0 / len(X), "gradient_tol": tol, "max_iter": MANY}
    return estimator(GeneralizedLinearRegressor, X, y, **options)


def statsmodels_ols(X: Any, y: Any) -> Found:
    from statsmodels.api import OLS, add_constant

    found = OLS(y, add_constant(X)).fit().params
    return found[1:], found[0]


def statsmodels_logit(X: Any, y: Any, *, tol: float) -> Found:
    from statsmodels.api import Logit, add_constant

    found = Logit(y, add_constant(X)).fit(tol=tol, disp=0).params
    return found[1:], found[0]


def numpy_lstsq(X: Any, y: Any) -> Found:
    found = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y)[0]
    return found[:-1], found[-1]


def read_once(X: Any, y: Any) -> None:
    X.sum()


@dataclass(frozen=True)
class Solver(Contender):
    tol: float | None = None  # the loosest power of ten that suffices, see campaigns/tolerances.py

    def fit(self, X: Any, y: Any) -> Found | None:
        return self.call(X, y) if self.tol is None else self.call(X, y, tol=self.tol)


def by_mlcore(kind: Any, tol: float | None = None, **options: Any) -> tuple[Solver, ...]:
    fit = partial(estimator, kind, **options)
    return tuple(Solver(f"mlcore, {backend}", module, fit, backend, tol) for backend, module in BACKENDS.items())


def by_scikit_learn(kind: Any, note: str = "", tol: float | None = None, **options: Any) -> Solver:
    return Solver(f"scikit-learn{note}", "sklearn", partial(estimator, kind, **options), tol=tol)


def by_scikit_learn_logistic(solver: str, tol: float, note: str = "") -> Solver:
    options = {"solver": solver, "max_iter": MANY, "random_state": 0}
    return by_scikit_learn(linear_model.LogisticRegression, f", {solver}{note}", tol, **options)


MLCORE_LOGISTIC = by_mlcore(mlcore.LogisticRegression, 1e-5, max_iter=MANY)
INTELEX_LOGISTIC = Solver("scikit-learn-intelex, lbfgs (`tol` times the rows)", "sklearnex", intelex_logistic, tol=1e-5)
READING = Solver("reading X once: NumPy, `X.sum()`, one thread", "numpy", read_once)

LEAST_SQUARES = (
    *by_mlcore(mlcore.LinearRegression),
    by_scikit_learn(linear_model.LinearRegression),
    Solver("scikit-learn, `tol=0`", "sklearn", partial(estimator, linear_model.LinearRegression, tol=0.0)),
    by_scikit_learn(linear_model.Ridge, ', `Ridge(alpha=1, solver="cholesky")`', alpha=1.0, solver="cholesky"),
    Solver("scikit-learn-intelex", "sklearnex", intelex_linear),
    Solver("statsmodels, `OLS`", "statsmodels", statsmodels_ols),
    Solver("glum", "glum", glum_normal),
    Solver("NumPy, `lstsq`, with a column of ones", "numpy", numpy_lstsq),
    READING,
)
TWO_CLASSES = (
    *MLCORE_LOGISTIC,
    by_scikit_learn_logistic("lbfgs", 1e-5),
    by_scikit_learn_logistic("newton-cholesky", 1e-4),
    by_scikit_learn_logistic("newton-cg", 1e-5),
    by_scikit_learn_logistic("sag", 1e-4),
    by_scikit_learn_logistic("saga", 1e-4),
    by_scikit_learn_logistic("liblinear", 1e-4, ", the intercept penalised too"),
    INTELEX_LOGISTIC,
    Solver("statsmodels, `Logit`, no penalty", "statsmodels", statsmodels_logit, tol=1e-2),
    Solver("glum", "glum", glum_binomial, tol=1e-4),
    READING,
)
EIGHT_CLASSES = (
    *MLCORE_LOGISTIC,
    by_scikit_learn_logistic("lbfgs", 1e-5),
    by_scikit_learn_logistic("newton-cholesky", 1e-3),
    by_scikit_learn_logistic("newton-cg", 1e-5),
    by_scikit_learn_logistic("saga", 1e-4),
    INTELEX_LOGISTIC,
    READING,
)
SMALL = {
    "`LinearRegression`": (*by_mlcore(mlcore.LinearRegression), by_scikit_learn(linear_model.LinearRegression)),
    "`Ridge`": (*by_mlcore(mlcore.Ridge), by_scikit_learn(linear_model.Ridge)),
    **{
        f"`LogisticRegression`, scikit-learn's by {solver}": (*MLCORE_LOGISTIC, by_scikit_learn_logistic(solver, tol))
        for solver, tol in (("lbfgs", 1e-5), ("newton-cholesky", 1e-4))
    },
}
