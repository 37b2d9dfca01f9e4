"""Logistic regressions of many groups in one call: the bits of each alone; quartiles against NumPy's order."""

import numpy as np
import pytest
from conftest import COMPILED, HERE

from mlcore import reference
from mlcore.kernels import ids

from .arguments import GROUPS, dtypes, grouped, lay_out, run_many_logistic, run_many_quartiles, run_newton, same_bits

MEMORY = ["contiguous", "fortran", "rows apart", "strided", "backwards"]


def ordered(X, groups, steps):
    """NumPy's order statistics of every step-th row, (m, p, 5); NaN for columns with NaN, and groups without rows."""
    found = np.full((len(groups), X.shape[1], 5), np.nan)
    for g, ((first, count), step) in enumerate(zip(groups, steps, strict=True)):
        if count:
            column = np.sort(X[first : first + count : step].astype(float), axis=0)
            n = len(column)
            found[g] = column[[0, n // 4, n // 2, 3 * n // 4, n - 1]].T
            found[g, np.isnan(column).any(axis=0)] = np.nan
    return found


@dtypes
@pytest.mark.parametrize("kind", MEMORY)
@pytest.mark.parametrize("p", [1, 7, 8, 9, 17])
def test_quartiles(p, kind, dtype):
    """Rows in any order, sorted and equal ones, infinity and NaN, several steps."""
    X, _, _ = grouped(p, 1, dtype, False)
    X[4:70:3, 0] = X[4, 0]
    X[75:139, 0] = np.arange(64) - 20
    X[75:107, p - 1] = [np.inf, -np.inf] * 16
    X[145, p // 2] = np.nan
    X[153:157] = 0.0
    steps = [1, 1, 1, 1, 3, 1, 2, 1]
    wanted = ordered(X, GROUPS, steps)
    for name in HERE:
        np.testing.assert_array_equal(run_many_quartiles(name, lay_out(X, kind), GROUPS, steps), wanted, err_msg=name)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 64, 255, 511])
def test_quartiles_of_any_order(n, backend):
    rng = np.random.default_rng(n)
    few = rng.integers(0, 5, n).astype(float)
    columns = [np.arange(n), -np.arange(n), np.zeros(n), few, np.sort(few), rng.permutation(n), np.arange(n) % 2]
    columns += [np.abs(np.arange(n) - n // 2), np.minimum(np.arange(n), n - np.arange(n)), rng.standard_normal(n)]
    X = np.column_stack(columns).astype(float)
    np.testing.assert_array_equal(run_many_quartiles(backend, X, [(0, n)], [1]), ordered(X, [(0, n)], [1]))


@dtypes
def test_no_groups(dtype, backend):
    X, _, _ = grouped(2, 1, dtype, False)
    assert run_many_quartiles(backend, X, [], []).shape == (0, 2, 5)
    data = X, np.zeros(157, np.intp), None, np.empty((0, 2)), np.empty((0, 2))
    assert run_many_logistic(backend, data, np.empty((0, 3)), [])[1].shape == (0, 3)


def labels_of(p, dtype, weighted, kind="contiguous"):
    """X, overlapping classes, weights, and each group's shift, scale and penalty."""
    X, _, weight = grouped(p, 1, dtype, weighted)
    X = np.where(np.isfinite(X), X / (1 + np.abs(np.nan_to_num(X)).max(axis=0)), X).astype(dtype)
    rng = np.random.default_rng(p)
    labels = (np.nan_to_num(X).sum(axis=1) + rng.standard_normal(157) > 0).astype(np.intp)
    m = len(GROUPS)
    shift, scale = 0.1 * rng.standard_normal((m, p)), rng.uniform(0.5, 3.0, (m, p))
    l2 = np.column_stack([rng.uniform(0.1, 1.0, (m, p)), np.zeros(m)])
    return (lay_out(X, kind), labels, weight, shift, scale), l2


@dtypes
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    ("p", "kind"), [(1, "strided"), (7, "fortran"), (8, "contiguous"), (9, "rows apart"), (17, "contiguous")]
)
def test_each_group_is_fitted_as_alone(p, kind, intercept, weighted, dtype):
    data, l2 = labels_of(p, dtype, weighted, kind)
    groups = [group for group in GROUPS if group[1]]
    chosen = [g for g, group in enumerate(GROUPS) if group[1]]
    X, labels, weight, shift, scale = data
    part = X, labels, weight, shift[chosen], scale[chosen]
    # plain Python takes its time
    backends = HERE if p < 8 and intercept else COMPILED
    results = {
        name: run_many_logistic(name, part, l2[chosen], groups, intercept=intercept, tolerance=1e-7)
        for name in backends
    }
    same_bits(results, rtol=1e-9)
    for name, (status, theta, sums) in results.items():
        for place, (g, (first, count)) in enumerate(zip(chosen, groups, strict=True)):
            own = slice(first, first + count)
            weights = None if weight is None else weight[own]
            alone = X[own], labels[own], weights, shift[g], scale[g], np.zeros((1, 1 + p))
            wanted = run_newton(name, alone, l2[g], intercept=intercept, tolerance=1e-7)
            assert status[place] == wanted[0]
            np.testing.assert_array_equal(theta[place], wanted[1])
            # the loss and the rows that are right of the model that is found, which no step has seen
            rows = np.column_stack([(X[own] - shift[g]) * scale[g], np.full(count, float(intercept))])
            value, gradient, _ = reference.logistic_loss(
                theta[place][np.newaxis], rows, labels[own], sample_weight=weights
            )
            right = (np.ones(count) if weights is None else weights)[(rows @ theta[place] > 0) == labels[own]].sum()
            np.testing.assert_allclose(sums[place], [value, right, wanted[2]], rtol=1e-12, atol=1e-12)
            if status[place] == ids.CONVERGED:
                np.testing.assert_allclose(gradient[0] + l2[g] * theta[place], 0, atol=1e-6)
        assert (status == ids.CONVERGED).sum() >= 3


def test_how_groups_end_is_told_one_by_one(backend):
    """Separated, not finite, a start above its limit and no rows stand beside usual ones, which are as without them."""
    data, l2 = labels_of(2, "float64", False)
    X, labels, _, shift, scale = data
    X[75:139, 0] = np.where(labels[75:139] == 1, 1.0, -1.0) * np.arange(1, 65)
    X[145, 1] = np.inf
    l2[4] = 0.0
    status, theta, sums = run_many_logistic(backend, (X, labels, None, shift, scale), l2, GROUPS)
    assert status[0] == ids.CONVERGED
    assert status[4] == ids.SEPARATED
    assert status[5] == ids.UNUSUAL
    assert (status[[3, 7]] != -7).all()
    again = run_many_logistic(backend, (X, labels, None, shift[:1], scale[:1]), l2[:1], GROUPS[:1])
    for one, other in zip((status[:1], theta[:1], sums[:1]), again, strict=True):
        np.testing.assert_array_equal(one, other)
    few = run_many_logistic(backend, (X, labels, None, shift, scale), l2, GROUPS[:1], most=1)
    assert few[0] == [ids.RUNNING]
    assert few[2][0, 2] == 1
    assert run_many_logistic(backend, (X, labels, None, shift, scale), l2, GROUPS[:1], highest=1.0)[0] == [ids.UNUSUAL]


def test_scores_up_to_a_thousand(backend):
    """Columns and penalties for which the scores grow large: no overflow, the slope is zero."""
    rng = np.random.default_rng(0)
    X = np.linspace(-1000, 1000, 100)[:, np.newaxis]
    labels = ((X[:, 0] + 30 * rng.standard_normal(100)) > 0).astype(np.intp)
    status, theta, _ = run_many_logistic(
        backend, (X, labels, None, np.zeros((1, 1)), np.full((1, 1), 1 / 64)), np.array([[1e-6, 0.0]]), [(0, 100)]
    )
    assert status == [ids.CONVERGED]
    assert np.abs(X / 64 * theta[0, 0]).max() > 30
    rows = np.column_stack([X / 64, np.ones(100)])
    _, gradient, _ = reference.logistic_loss(theta, rows, labels)
    np.testing.assert_allclose(gradient[0] + [1e-6 * theta[0, 0], 0], 0, atol=1e-8)
