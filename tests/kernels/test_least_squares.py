"""Coefficients from cross products in one call."""

import numpy as np
import pytest
from conftest import HERE

from mlcore import reference
from mlcore.linear_model._cross_products import WeightedRows
from mlcore.linear_model._least_squares import Factor

from .arguments import centred_moments, fractions, run_least_squares, same_bits, split

# features, outputs, rows
FITS = [(1, 1, 3), (4, 1, 100), (7, 0, 9), (7, 2, 20), (8, 3, 30), (15, 1, 40)]


@pytest.mark.parametrize("alpha", [0.0, 2.5])
@pytest.mark.parametrize("scaled", [False, True], ids=["", "scaled"])
@pytest.mark.parametrize("intercept", [1, 0])
@pytest.mark.parametrize("fit", FITS, ids=lambda t: "-".join(map(str, t)))
def test_least_squares(fit, intercept, scaled, alpha):
    p, q, n = fit
    X, y, shift, scale, high, low = centred_moments(p, q, n, 3, intercept, scaled)
    options = {"intercept": intercept, "alpha": alpha, "shift": shift, "scale": scale}
    results = {name: run_least_squares(name, high, low, p, q, n, **options) for name in HERE}
    same_bits({name: (*found[1:3], *found[3], found[4]) for name, found in results.items()}, rtol=1e-14)
    W, b = reference.least_squares(X, y, fit_intercept=bool(intercept), alpha=alpha) if q else (np.empty((p, 0)), [])
    for rank, coefficients, intercepts, (R, _), places in results.values():
        assert rank == p
        np.testing.assert_allclose(coefficients, W.T, rtol=1e-14)
        np.testing.assert_allclose(intercepts, b if intercept else np.zeros(q), rtol=1e-14)
        # R'R is what stood there; half of it, and only where ones count
        kept = slice(1 - intercept, 1 + p)
        upper = np.triu(R[: 1 + p, : 1 + p])[kept, kept]
        wanted = high[: 1 + p, : 1 + p] + np.diag(np.r_[0.0, alpha * scale[:p] ** 2])
        in_order = np.r_[0, 1 + places][kept]
        wanted = wanted[np.ix_(in_order, in_order)]
        size = np.sqrt(wanted.diagonal())
        np.testing.assert_allclose(upper.T @ upper / np.outer(size, size), wanted / np.outer(size, size), atol=1e-14)


@pytest.mark.parametrize("intercept", [1, 0])
def test_least_squares_of_dependent_columns(intercept, backend):
    """The rank is told; a penalty makes it full; how finely X is rounded counts."""
    p, q, n = 5, 1, 30
    rng = np.random.default_rng(4)
    rows = np.ones((n, 1 + p + q))
    rows[:, 1:] = rng.standard_normal((n, p + q))
    rows[:, 3] = rows[:, 1] - 2 * rows[:, 2]
    high, low = np.zeros((2, 1 + p + q, 8))
    options = {"intercept": intercept, "shift": np.zeros(p + q), "scale": np.ones(p + q)}
    for part, eps, rank in ((0.0, 0.0, 4), (0.0, 2.0**-52, 4), (1e-6, 2.0**-52, 5), (1e-6, 1e-4, 4)):
        rows[:, 3] += part * rng.standard_normal(n)
        exact = fractions(rows)
        high[:, :7], low[:, :7] = split(exact.T @ exact)
        found = run_least_squares(backend, high, low, p, q, n, alpha=0.0, eps=eps, **options)
        assert found[0] == rank
        # what depends on others stands last, and is left out
        assert set(found[4][rank:]) <= {0, 1, 2}
        assert not found[1][0, found[4][rank:]].any()
        kept = found[4][:rank]
        centred = rows[:, 1:] - rows[:, 1:].mean(axis=0) * intercept
        wanted = np.linalg.lstsq(centred[:, kept], centred[:, -1])[0]
        np.testing.assert_allclose(found[1][0, kept], wanted, rtol=1e-12 if part == 0 else 1e-4)
        assert run_least_squares(backend, high, low, p, q, n, alpha=1e-3, eps=eps, **options)[0] == p


def test_plain_sums_that_cost_digits_are_told(backend):
    """Columns that depend on each other, or nearly; answers that are nearly exact; neither are columns of one value."""
    rng = np.random.default_rng(5)
    X, noise = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
    y = X @ [[1.0, -2.0], [2.0, 0.0], [0.5, 3.0]] + noise

    def at_risk(X, y):
        rows = WeightedRows(X, y, None)
        return Factor.of(rows.gather(*rows.origin(True), in_pairs=False), True).is_at_risk()

    assert not at_risk(X, y)
    assert not at_risk(X * [1e6, 1e-6, 1.0] + [0.0, 0.0, 1e3], y)
    assert not at_risk(X[:, :1], y)
    assert not at_risk(np.where([True, True, False], X, 4.0), y)
    assert at_risk(np.where([True, True, False], X, 2 * X[:, :1]), y)
    assert at_risk(np.where([True, True, False], X, X[:, :1] + 1e-7 * X), y)
    assert at_risk(X, np.column_stack([y[:, 0], y[:, 1] - noise[:, 1] * (1 - 1e-6)]))
