"""Least squares of many groups of rows in one call: each is what exact arithmetic makes of its own rows."""

import numpy as np
import pytest
from conftest import COMPILED, HERE

from mlcore import reference
from mlcore.linear_model._cross_products import _ones_first

from .arguments import (
    GROUPS,
    WIDTHS,
    dtypes,
    exact_rows,
    fractions,
    grouped,
    pair,
    run_cross_products,
    run_least_squares,
    run_many_linear,
    same_bits,
)


@pytest.mark.parametrize(("weighted", "dtype"), [(False, "float64"), (True, "float64"), (True, "float32")])
@pytest.mark.parametrize("intercept", [1, 0])
@pytest.mark.parametrize(("p", "q"), WIDTHS)
def test_each_group_is_fitted_as_alone(p, q, intercept, weighted, dtype):
    """The bits of the kernels of a single fit, and the numbers of exact arithmetic."""
    kind = ["contiguous", "fortran", "rows apart", "strided"][(p + q) % 4]
    X, y, weight = grouped(p, q, dtype, weighted, kind)
    alphas = [0.0, 0.0, 2.5, 0.0, 0.0, 0.5, 0.0, 0.0]
    # plain Python takes its time
    backends = HERE if p < 8 and intercept else COMPILED
    results = {name: run_many_linear(name, X, y, weight, GROUPS, alphas, intercept=intercept) for name in backends}
    same_bits(results, rtol=1e-13)
    size = 1 + p + q
    width = -(-size // 8) * 8
    triangle = np.triu_indices(size)
    for name, (rank, n_rows, found, residuals, shifts, packed, _) in results.items():
        for g, ((first, count), alpha) in enumerate(zip(GROUPS, alphas, strict=True)):
            own = slice(first, first + count)
            weights = np.ones(count) if weight is None else weight[own]
            assert n_rows[g] == np.count_nonzero(weights)
            if not weights.any():
                assert rank[g] == -1
                continue
            shift = np.zeros(p + q)
            if intercept:
                origin = first + weights.argmax()
                shift = np.concatenate([X[origin].astype(float), y[origin]])
            np.testing.assert_array_equal(shifts[g], shift)
            exact = np.roll(exact_rows(X[own], y[own], shift, np.ones(p + q))[0], 1, axis=1)
            wanted = (exact * fractions(weights)[:, np.newaxis]).T @ exact
            sizes = np.sqrt(np.outer(wanted.diagonal().astype(float), wanted.diagonal().astype(float)))
            high, low = np.split(packed[g], 2)
            assert (np.abs(pair(high, low) - wanted[triangle]) <= fractions(sizes[triangle]) / 10**29).all()
            # a single fit's kernels
            halves = run_cross_products(
                name, X, y, weight, shift, np.ones(p + q), pairs=True, first=first, last=first + count
            )
            halves = _ones_first(np.stack(halves), size, width, weighted)
            for half, own_half in zip((high, low), halves, strict=True):
                np.testing.assert_array_equal(half, own_half[:, :size][triangle])
            single = run_least_squares(
                name, *halves, p, q, n_rows[g], intercept=intercept, alpha=alpha, shift=shift, scale=np.ones(p + q),
                eps=float(np.finfo(dtype).eps),
            )  # fmt: skip
            if rank[g] < 0:
                # columns depend on others, and are not zero
                assert alpha == 0
                assert single[0] < p
                assert np.count_nonzero(weights) - intercept < p
                continue
            assert rank[g] == single[0]
            coefficients, intercepts = found[g, : q * p].reshape(q, p), found[g, q * p :]
            np.testing.assert_array_equal(coefficients, single[1])
            kept = intercepts != 0
            np.testing.assert_array_equal(intercepts[kept], single[2][kept])
            if p > 9 and weighted and dtype == "float64":
                continue  # fractions take their time
            # columns of zeros have coefficients of zero
            zero = (exact[:, 1 : 1 + p][weights > 0] == 0).all(axis=0) & (alpha == 0)
            assert rank[g] == p - zero.sum()
            W = np.zeros((p, q))
            W[~zero], b = reference.least_squares(
                X[own][:, ~zero], y[own], sample_weight=weights, fit_intercept=bool(intercept), alpha=alpha
            )
            np.testing.assert_allclose(coefficients, W.T, rtol=1e-9, atol=1e-13)
            np.testing.assert_allclose(intercepts, b if intercept else np.zeros(q), rtol=1e-9, atol=1e-11)
            left = y[own] - X[own].astype(float) @ W - b
            squares = weights @ left**2 + alpha * (W**2).sum(axis=0)
            np.testing.assert_allclose(residuals[g], squares, rtol=1e-8, atol=1e-15)


@dtypes
def test_groups_out_of_the_usual_are_left_to_the_estimator(dtype, backend):
    """Numbers that are not finite, squares that overflow or vanish, dependent columns; the others are fitted."""
    rng = np.random.default_rng(2)
    n, p = 20, 3
    alone = rng.standard_normal((n, p)).astype(dtype), rng.standard_normal((n, 1))
    odd = []
    for number in (np.nan, np.inf, -np.inf):
        odd += [(number, None), (None, number)]
    if dtype == "float64":
        odd += [(1e150, None), (1e-150, None)]
    odd += [(None, 1e150), (None, 1e-150)]
    X, y = np.tile(alone[0], (2 * len(odd) + 2, 1)), np.tile(alone[1], (2 * len(odd) + 2, 1))
    for place, (of_x, of_y) in enumerate(odd):
        rows = slice(2 * place * n, (2 * place + 1) * n)
        for array, number in ((X[rows, 1:2], of_x), (y[rows], of_y)):
            if number is not None:
                array *= np.where(np.isfinite(number), number, 1.0)
                array[7] = number if not np.isfinite(number) else array[7]
    dependent = slice(2 * len(odd) * n, (2 * len(odd) + 1) * n)
    X[dependent, 2] = X[dependent, 0] * 2
    groups = [(start, n) for start in range(0, len(X), n)]
    rank, _, found, *_ = run_many_linear(backend, X, y, None, groups, np.zeros(len(groups)))
    np.testing.assert_array_equal(rank[::2], [*[-1] * len(odd), -2])
    np.testing.assert_array_equal(rank[1::2], p)
    wanted, intercept = reference.least_squares(*alone)
    for line in found[1::2]:
        np.testing.assert_allclose(line, np.append(wanted[:, 0], intercept), rtol=1e-12)


@pytest.mark.parametrize(
    "weights", [[1.0, -1.0, 1.0], [3.0, -0.1, 1.0], [0.0, 0.0, 0.0], [1.0, np.nan, 1.0], [np.inf, 1.0, 1.0]]
)
def test_weights_out_of_the_usual(weights, backend):
    X, y = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [3.0], [2.0]])
    rank, *_ = run_many_linear(backend, X, y, np.array(weights), [(0, 3)], [0.0])
    assert rank == [-1]


def test_a_penalty_that_rounding_hides_is_left_to_the_estimator(backend):
    X, y = np.arange(6.0)[:, np.newaxis] ** [1, 2], np.ones((6, 1))
    rank, *_ = run_many_linear(backend, X, y, None, [(0, 6)] * 3, [1e-20, 1e-9, 1.0])
    np.testing.assert_array_equal(rank, [-1, 2, 2])


def test_intercepts_that_are_rounding_are_zero(backend):
    """Lines through zero, whose intercepts are no more than what rounding of pairs of doubles has left, and dropped."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 7.3, (400, 2))
    y, groups = 2.0 * X[:, 1:], [(start, 40) for start in range(0, 400, 40)]
    rank, _, found, _, shifts, packed, _ = run_many_linear(backend, X, y, None, groups, np.zeros(10))
    np.testing.assert_array_equal(rank, 2)
    np.testing.assert_allclose(found[:, :2], np.tile([0.0, 2.0], (10, 1)), atol=1e-15)
    np.testing.assert_array_equal(found[:, 2], 0.0)
    left = 0
    for shift, line in zip(shifts, packed, strict=True):
        halves = np.zeros((2, 4, 8))
        halves[:, *np.triu_indices(4)] = line.reshape(2, -1)
        alone = run_least_squares(backend, *halves, 2, 1, 40, intercept=1, alpha=0.0, shift=shift, scale=np.ones(3))
        left += np.count_nonzero(alone[2])
        assert abs(alone[2][0]) < 1e-28
    assert left > 0


@dtypes
def test_no_groups(dtype, backend):
    X, y, _ = grouped(2, 1, dtype, False)
    rank, *_ = run_many_linear(backend, X, y, None, [], [])
    assert not len(rank)


@dtypes
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [1, 0])
@pytest.mark.parametrize(("p", "q"), [(1, 1), (7, 1), (9, 3)])
def test_larger_groups_are_summed_plainly_unless_that_costs_digits(p, q, intercept, weighted, dtype):
    """As `LinearRegression` alone: small tables in pairs, others plainly, or then again in pairs; or not at all."""
    rng = np.random.default_rng(p)
    X = rng.standard_normal((600, p)).astype(dtype)
    y = X @ rng.standard_normal((p, q)) + rng.standard_normal((600, q))
    # these columns depend on each other but for what plain sums lose; they are far from zero, which costs more
    X[200:400] = 1e3 + 1e-2 * X[200:400]
    y[200:400] = 1e3
    y[200:400] += X[200:400] @ rng.standard_normal((p, q)) + 1e-7 * rng.standard_normal((200, q))
    weight = rng.integers(0, 3, 600) * 0.5 if weighted else None
    groups, alphas = [(0, 200), (200, 200), (400, 12), (412, 188)], [0.0, 0.0, 0.0, 1.5]
    width = -(-(1 + p + q) // 8) * 8
    small, one_pass = 20 * width**2, 200 * width**2
    for name in COMPILED:
        found = {
            limits: run_many_linear(
                name, X, y, weight, groups, alphas, intercept=intercept, small=limits[0], one_pass=limits[1]
            )
            for limits in ((small, one_pass), (small, one_pass + 1), (2**40, 2**40))
        }
        left, plain, pairs = found.values()
        np.testing.assert_array_equal(plain[-1], [0, 1, 1, 0])
        np.testing.assert_array_equal(left[0], np.where([0, 1, 0, 0], -1, plain[0]))
        np.testing.assert_array_equal(pairs[0], plain[0])
        again = plain[-1] == 1
        for one, other in zip(plain[2:-1], pairs[2:-1], strict=True):
            np.testing.assert_array_equal(one[again], other[again])
        np.testing.assert_allclose(plain[2], pairs[2], rtol=1e-9)
        # plain sums have been taken: the products' low halves are others
        assert not np.array_equal(plain[5][0], pairs[5][0])
