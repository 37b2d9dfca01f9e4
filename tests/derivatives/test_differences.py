"""Each method's differences: digits, stated errors, bounds, sparsity."""

import numpy as np
import pytest
from scipy.optimize import Bounds, rosen, rosen_hess
from scipy.sparse import csr_array, issparse

import mlcore
from mlcore.derivatives._differences import METHODS

from .measures import DIGITS, Counted


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_every_method(method):
    x = np.random.default_rng(1).normal(size=(3, 4))
    want = (np.cos(x) * x + np.sin(x)) * 2.0
    counted = Counted(lambda v, factor: factor * np.sum(np.sin(v) * v))
    got = mlcore.gradient(counted, x, method=method, args=(2.0,))
    assert got.shape == x.shape
    assert np.abs(got - want).max() <= DIGITS[method] * np.abs(want).max()
    most = {"auto": 12, "central": 2, "five-point": 4, "richardson": 8, "complex-step": 1}[method]
    assert counted.calls <= 1 + most * x.size
    value, error = mlcore.gradient(counted, x, method=method, args=2.0, return_error=True)
    np.testing.assert_allclose(value, want, rtol=0, atol=DIGITS[method] * np.abs(want).max())
    assert error.shape == x.shape
    assert np.mean(np.abs(value - want) <= 10 * error + 1e-15) >= 0.9
    assert error.max() <= 100 * DIGITS[method] * np.abs(want).max()


@pytest.mark.parametrize("method", METHODS)
def test_jacobians_and_hessians_of_every_method(method):
    x = np.random.default_rng(2).normal(size=7)

    def f(v):
        return np.stack([v**2, np.exp(v), v[::-1] * v[0]])

    want = np.zeros((3, 7, 7))
    for j in range(7):
        want[0, j, j], want[1, j, j] = 2 * x[j], np.exp(x[j])
        want[2, 6 - j, j] += x[0]
        want[2, j, 0] += x[::-1][j]
    got, error = mlcore.jacobian(f, x, method=method, return_error=True)
    assert got.shape == error.shape == (3, 7, 7)
    np.testing.assert_allclose(got, want, rtol=0, atol=DIGITS[method] * np.abs(want).max())
    second, error = mlcore.hessian(rosen, x, method=method, return_error=True)
    exact = rosen_hess(x)
    tolerance = {"central": 1e-4, "five-point": 1e-6, "complex-step": 1e-11}.get(method, 1e-8)
    np.testing.assert_allclose(second, exact, rtol=0, atol=tolerance * np.abs(exact).max())
    np.testing.assert_array_equal(second, second.T)
    assert np.mean(np.abs(second - exact) <= 10 * error) >= 0.95
    np.testing.assert_allclose(mlcore.hessian(rosen, x, method=method), second, rtol=0, atol=0.1 * error.max() + 1e-3)
    assert mlcore.hessian(lambda v: np.sum(v**3), x.reshape(7, 1), method=method).shape == (7, 1, 7, 1)


@pytest.mark.parametrize("method", METHODS[:-1])
def test_steps_stay_within_bounds(method):
    x = np.array([0.0, 1.0, 4.0, 1.0 - 1e-9])
    low, high = np.array([0.0, -5.0, 3.0, 0.0]), np.array([np.inf, 1.5, 4.0, 1.0])
    seen = []

    def f(v):
        seen.append(v.copy())
        return np.sum(np.exp(v))

    for bounds in ((low, high), Bounds(low, high)):
        got, error = mlcore.gradient(f, x, method=method, bounds=bounds, return_error=True)
        np.testing.assert_allclose(got, np.exp(x), rtol=1e-4 if method == "central" else 1e-6)
        assert (np.abs(got - np.exp(x)) <= 10 * error).all()
    second = mlcore.hessian(f, x, method=method, bounds=(low, high))
    tolerance = 0.2 if method == "central" else 0.02 if method == "five-point" else 1e-5
    np.testing.assert_allclose(second, np.diag(np.exp(x)), rtol=0, atol=tolerance * np.exp(4))
    assert (np.array(seen) >= low).all()
    assert (np.array(seen) <= high).all()
    with pytest.raises(ValueError, match=r"x\[2\] is 4.0, not within its bounds 3.0 and 3.5"):
        mlcore.gradient(f, x, bounds=(low, [1, 1.5, 3.5, 1]))
    with pytest.raises(ValueError, match=r"x\[0\] is 0.0, and its bounds 0.0 and 0.0 leave no room"):
        mlcore.gradient(f, x, bounds=(low, [0, 1.5, 4, 1]))
    for wrong in (1.0, (0,), ("a", "b"), (low, high, low), (low[:2], high)):
        with pytest.raises(ValueError, match="bounds must be a pair"):
            mlcore.gradient(f, x, bounds=wrong)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 5, 40])
def test_columns_that_share_no_row_move_together(method, n):
    rng = np.random.default_rng(3)
    x = rng.normal(size=n)
    pattern = np.tri(n, k=1) * np.tri(n, k=1).T

    def f(v):
        r = v**2
        r[1:] += np.sin(v[:-1])
        r[:-1] += v[1:] ** 3
        return r

    want = np.diag(2 * x) + np.diag(np.cos(x[:-1]), -1) + np.diag(3 * x[1:] ** 2, 1)
    counted = Counted(f)
    for sparsity in (pattern, csr_array(pattern), pattern.astype(bool)):
        got, error = mlcore.jacobian(counted, x, method=method, sparsity=sparsity, return_error=True)
        assert issparse(got) == issparse(error) == issparse(sparsity)
        dense = got.toarray() if issparse(got) else got
        assert (np.abs(dense - want) <= DIGITS[method] * np.abs(want).max(axis=0)).all()
        assert not dense[pattern == 0].any()
    if n == 40 and method != "auto":
        assert counted.calls <= 3 * (1 + 10 * 3)
    for wrong in (np.ones((n, n + 1)), np.ones(n), 1):
        with pytest.raises(ValueError, match="sparsity has shape"):
            mlcore.jacobian(f, x, sparsity=wrong)


def test_columns_without_a_row_and_rows_without_a_column():
    got = mlcore.jacobian(lambda v: np.array([v[0] * v[2], 5.0]), [1.0, 2.0, 3.0], sparsity=[[1, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(got, [[3, 0, 1], [0, 0, 0]], atol=1e-12)
    assert mlcore.jacobian(lambda v: v[:0], [1.0, 2.0]).shape == (0, 2)
    assert mlcore.jacobian(lambda v: np.ones((2, 2)), np.empty((0, 3))).shape == (2, 2, 0, 3)
    for f in (mlcore.gradient, mlcore.hessian):
        assert f(np.sum, np.empty((0, 2))).size == 0
        assert f(np.sum, np.empty((0, 2)), return_error=True)[1].size == 0
    assert mlcore.gradient(np.sum, np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("method", METHODS[:-1])
def test_the_rounding_of_what_f_returns_is_seen(method):
    misses = 0
    for x in np.random.default_rng(7).uniform(0.5, 3, (50, 1)):
        got, error = mlcore.gradient(lambda v: np.float32(np.sin(v[0])), x, method=method, return_error=True)
        misses += abs(got - np.cos(x)) > 10 * error
    assert misses <= 2


def test_hessians_stay_within_bounds():
    rng = np.random.default_rng(8)
    for _ in range(50):
        x = np.where(rng.random(3) < 0.4, 0.0, rng.random(3))
        seen = []

        def f(v, seen=seen):
            seen.append(v.copy())
            return np.sum(np.exp(v))

        for method in METHODS[:-1]:
            mlcore.hessian(f, x, method=method, bounds=(0, 1))
            mlcore.gradient(f, x, method=method, bounds=(0, 1))
        assert np.min(seen) >= 0
        assert np.max(seen) <= 1


def test_methods_of_fixed_steps_state_honest_errors():
    for a in (30.0, 100.0, 1e3):
        for method in METHODS[1:-1]:
            got, error = mlcore.gradient(lambda v, a=a: np.sin(a * v), 1.0, method=method, return_error=True)
            assert abs(got - a * np.cos(a)) <= 10 * error, (a, method)


def test_open_bounds():
    x = np.array([1.0, 4.0, 2.0])
    seen = []

    def f(v):
        seen.append(v.copy())
        return np.sum(np.exp(v))

    for bounds in ((None, 4), ([None, 3, None], [1.0, None, np.inf]), (1, None), (None, [1, 4, None]), (None, None)):
        low, high = (
            np.broadcast_to(np.array(side, object), 3) if side is None else np.broadcast_to(side, 3) for side in bounds
        )
        seen.clear()
        np.testing.assert_allclose(mlcore.gradient(f, x, bounds=bounds), np.exp(x), rtol=1e-9)
        np.testing.assert_allclose(mlcore.hessian(f, x, bounds=bounds).diagonal(), np.exp(x), rtol=1e-6)
        for i in range(3):
            entries = np.array(seen)[:, i]
            assert low[i] is None or entries.min() >= low[i]
            assert high[i] is None or entries.max() <= high[i]
    with pytest.raises(ValueError, match=r"tuple\(zip\(\*bounds\)\)"):
        mlcore.gradient(f, x, bounds=[(0, 1), (None, 4), (1, 2)])
    with pytest.raises(ValueError, match="not within its bounds nan"):
        mlcore.gradient(f, x, bounds=(np.nan, 5))


def test_infinite_values_stay_infinite():
    with np.errstate(over="ignore"):
        assert mlcore.gradient(lambda v: np.exp(v), 709.78, method="central", step=1.0) == np.inf
