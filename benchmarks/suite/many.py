"""A model for each of many groups of rows, in one call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone

import mlcore

from .common import BACKENDS, fill_numba_cache, require

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "LinearRegression": lambda: mlcore.LinearRegression(),
    "LogisticRegression": lambda: mlcore.LogisticRegression(),
    "MLPRegressor": lambda: mlcore.MLPRegressor(hidden_layer_sizes=(16,), max_iter=10, batch_size=32, random_state=0),
}


class Many:
    """Groups of 100 rows on average, in order or not; a model is that of its rows alone, to the bit."""

    params = [BACKENDS, list(ESTIMATORS), ["in order", "ragged"]]
    param_names = ["backend", "estimator", "groups"]
    timeout = 300
    setup_cache = fill_numba_cache
    groups, rows, columns = 500, 100, 8

    def setup(self, backend: str, name: str, order: str) -> None:
        require(backend)
        random = np.random.default_rng(0)
        n = self.groups * self.rows
        self.X = random.standard_normal((n, self.columns))
        y = self.X @ random.standard_normal(self.columns) + random.standard_normal(n)
        self.y = (y > 0.0).astype(int) if name == "LogisticRegression" else y
        keys = np.repeat(np.arange(self.groups), self.rows)
        self.keys = keys if order == "in order" else random.integers(0, self.groups, n)
        self.model = ESTIMATORS[name]()
        self.context = mlcore.config_context(backend=backend)
        self.context.__enter__()
        self.fitted()

    def fitted(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of networks that go on learning
            self.many = mlcore.fit_many(self.model, self.X, self.y, groups=self.keys)
        return self.many

    def teardown(self, *parameters: object) -> None:
        if not hasattr(self, "context"):
            return
        key = self.many.groups_[-1]
        rows = self.keys == key
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = clone(self.model).fit(self.X[rows], self.y[rows])
        for name in ("coef_", "loss_"):
            if hasattr(alone, name):
                np.testing.assert_array_equal(getattr(self.many[key], name), getattr(alone, name))
        self.context.__exit__(None, None, None)

    def time_fit(self, *parameters: object) -> None:
        self.fitted()

    def peakmem_fit(self, *parameters: object) -> None:
        self.fitted()

    def time_predict(self, *parameters: object) -> None:
        self.many.predict(self.X, groups=self.keys)
