"""Regressions as scikit-learn's users fit them: whole fits, fits in chunks, predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

import mlcore
from mlcore import reference

from .common import BACKENDS, Workload, fill_numba_cache, require

ALPHA = 1.0
ESTIMATORS = {
    "LinearRegression": lambda: mlcore.LinearRegression(),
    "Ridge": lambda: mlcore.Ridge(alpha=ALPHA),
    "LogisticRegression": lambda: mlcore.LogisticRegression(C=1.0 / ALPHA, tol=1e-8),
}
CHUNKS = 10


def data(name: str, rows: int, columns: int) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    X = random.standard_normal((rows, columns))
    y = X @ random.standard_normal(columns) + 0.5 + random.standard_normal(rows)
    return X, (y > 0.0).astype(int) if name == "LogisticRegression" else y


def check_optimum(name: str, X: Any, y: Any, model: Any) -> None:
    """The reference's gradient, and the penalty's, of what was found: nothing, beside that of no coefficients."""
    # the penalty as the mean loss has it
    ending = {
        "LinearRegression": ("identity", "mean_squared_error", 0.0),
        "Ridge": ("identity", "mean_squared_error", 2.0 * ALPHA / len(X)),
        "LogisticRegression": ("sigmoid", "binary_cross_entropy", ALPHA / len(X)),
    }
    activation, loss, penalty = ending[name]

    def largest(coef: Any, intercept: Any) -> float:
        weights, biases = [np.reshape(coef, (-1, 1))], [np.reshape(intercept, 1)]
        (of_weights,), (of_biases,) = reference.network_gradient(
            weights, biases, [activation], loss, X, np.reshape(y, (-1, 1))
        )
        return max(np.abs(of_weights + penalty * weights[0]).max(), np.abs(of_biases).max())

    found = largest(model.coef_, model.intercept_)
    if not found <= 1e-6 * largest(np.zeros(X.shape[1]), 0.0):
        raise AssertionError(f"no optimum: an entry of the gradient is {found}")


class _Regression:
    params = [BACKENDS, list(ESTIMATORS), [(100, 4), (20_000, 20)]]
    param_names = ["backend", "estimator", "size"]
    timeout = 300
    setup_cache = fill_numba_cache

    def setup(self, backend: str, name: str, size: tuple[int, int]) -> None:
        require(backend)
        self.X, self.y = data(name, *size)
        self.context = mlcore.config_context(backend=backend)
        self.context.__enter__()
        self.model = self.fitted(name)

    def teardown(self, *parameters: object) -> None:
        if hasattr(self, "context"):
            self.context.__exit__(None, None, None)

    def fitted(self, name: str) -> Any:
        return ESTIMATORS[name]().fit(self.X, self.y)


class Fit(_Regression):
    def setup(self, backend: str, name: str, size: tuple[int, int]) -> None:
        super().setup(backend, name, size)
        check_optimum(name, self.X, self.y, self.model)

    def time_fit(self, backend: str, name: str, size: tuple[int, int]) -> None:
        self.fitted(name)


class LargeFit(_Regression):
    params = [BACKENDS, list(ESTIMATORS), [(200_000, 20)]]

    def peakmem_fit(self, backend: str, name: str, size: tuple[int, int]) -> None:
        self.model = self.fitted(name)

    def teardown(self, backend: str, name: str, size: tuple[int, int]) -> None:
        if hasattr(self, "model"):  # not before: the reference's memory would count
            check_optimum(name, self.X, self.y, self.model)
        super().teardown()


class PartialFit(Fit):
    """The same optimum as by a whole fit, the rows coming in chunks."""

    params = [BACKENDS, ["LinearRegression", "Ridge"], [(20_000, 20)]]

    def setup(self, backend: str, name: str, size: tuple[int, int]) -> None:
        if not hasattr(ESTIMATORS[name](), "partial_fit"):
            raise NotImplementedError(f"{name} has no partial_fit")
        super().setup(backend, name, size)

    def fitted(self, name: str) -> Any:
        model = ESTIMATORS[name]()
        for X, y in zip(np.array_split(self.X, CHUNKS), np.array_split(self.y, CHUNKS), strict=True):
            model.partial_fit(X, y)
        return model


class Predict(Workload):
    params = [BACKENDS, [1, 20_000]]
    param_names = ["backend", "rows"]
    title = "predictions of a linear model of 20 columns, {rows} rows"
    peer_name = "NumPy"

    def prepare(self, rows: int) -> None:
        X, y = data("LinearRegression", 20_000, 20)
        self.model = mlcore.LinearRegression().fit(X, y)
        self.X = X[:rows]

    def run(self) -> Any:
        return self.model.predict(self.X)

    def reference(self) -> Any:
        weights, biases = [self.model.coef_.reshape(-1, 1)], [np.reshape(self.model.intercept_, 1)]
        return reference.forward(weights, biases, ["identity"], self.X)[1][-1]

    def peer(self) -> Any:
        return self.X @ self.model.coef_ + self.model.intercept_
