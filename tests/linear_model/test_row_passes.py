"""Passes by several threads give the bits of one."""

import numpy as np
import pytest
from conftest import COMPILED

import mlcore
from mlcore.linear_model import _row_passes


@pytest.mark.parametrize("backend", COMPILED)
def test_threads_change_no_bit(backend, monkeypatch):
    rng = np.random.default_rng(12)
    n, p = 130_000, 20
    X = rng.standard_normal((n, p))
    y = X @ rng.standard_normal(p) + rng.standard_normal(n)
    labels, weight = (y > 0).astype(int) + (y > 3), rng.uniform(0.5, 2.0, n)
    used = []
    together = _row_passes.run_together
    monkeypatch.setattr(_row_passes, "run_together", lambda f, n, end: used.append(n) or together(f, n, end))
    found = {}
    for n_threads in (1, 2, 3):
        used.clear()
        with mlcore.config_context(backend=backend, n_threads=n_threads):
            models = [
                mlcore.LinearRegression().fit(X, y, weight),
                mlcore.LinearRegression().partial_fit(X[:30_000], y[:30_000]),
                mlcore.Ridge().fit(X, y),
                mlcore.LogisticRegression(max_iter=20).fit(X, labels > 0, weight),
                mlcore.LogisticRegression(max_iter=20).fit(X[:40_000, :5], labels[:40_000]),
            ]
        assert set(used) == ({n_threads} if n_threads > 1 else set())
        assert len(used) >= 5 * (n_threads > 1)
        found[n_threads] = [part for model in models for part in (model.coef_, model.intercept_)]
    for n_threads in (2, 3):
        for one, other in zip(found[n_threads], found[1], strict=True):
            np.testing.assert_array_equal(one, other)
