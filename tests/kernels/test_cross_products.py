"""Products of columns, plain and in pairs of doubles: the same bits everywhere, against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from conftest import HERE

from mlcore import reference
from mlcore.kernels import load_backend
from mlcore.linear_model import _row_passes

from .arguments import (
    dtypes,
    exact_rows,
    fractions,
    half_of,
    pair,
    poisoned,
    run_cross_products,
    same_bits,
    table_cases,
    table_of,
    unguarded,
)


@pytest.mark.parametrize(("count", "n"), [(1, 3), (2, 0), (2, 8), (3, 17), (64, 5)])
def test_sums_of_pairs(count, n):
    rng = np.random.default_rng(count)
    terms = rng.standard_normal((count, 2, n))
    terms[:, 0] *= 10.0 ** rng.integers(-8, 9, (count, n))
    terms[-1, 0] -= terms[:, 0].sum(axis=0)  # the high halves cancel
    terms[:, 1] *= 2.0**-56 * np.abs(terms[:, 0])
    results = {}
    for name in HERE:
        room = poisoned(terms.size)
        room[: terms.size] = terms.ravel()
        load_backend(name).sum_pairs(count, n, room)
        after = unguarded(room).reshape(terms.shape)
        np.testing.assert_array_equal(after[1:], terms[1:])
        results[name] = after[0]
    same_bits(results, rtol=1e-15)
    wanted = pair(terms[:, 0], terms[:, 1]).sum(axis=0)
    sizes = np.abs(terms[:, 0]).sum(axis=0)
    for high, low in results.values():
        np.testing.assert_array_equal(high + low, high)
        assert (np.abs(pair(high, low) - wanted) <= sizes * 2.0**-100).all()


@dtypes
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@table_cases
def test_moments_in_plain_doubles(table, weighted, dtype):
    X, y, weight, shift, scale = table_of(table, dtype, weighted)
    results = {name: run_cross_products(name, X, y, weight, shift, scale, pairs=False) for name in HERE}
    same_bits(results)
    rows = np.column_stack([(np.column_stack([X.astype(float), y]) - shift) * scale, np.ones(len(X))])
    left = rows if weight is None else rows * weight[:, np.newaxis]
    wanted, sizes = left.T @ rows, np.abs(left).T @ np.abs(rows)
    for high, low in results.values():
        half_of(wanted, high, 1e-14 * sizes)
        assert (np.abs(low) <= 2.0**-53 * np.abs(high)).all()
        np.testing.assert_allclose(_row_passes.symmetric(high, len(wanted)), wanted, rtol=0, atol=1e-14 * sizes.max())


@dtypes
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@table_cases
def test_moments_in_pairs(table, weighted, dtype):
    X, y, weight, shift, scale = table_of(table, dtype, weighted)
    results = {name: run_cross_products(name, X, y, weight, shift, scale, pairs=True) for name in HERE}
    same_bits(results)
    rows, sizes = exact_rows(X, y, shift, scale)
    wanted = np.array(reference.exact_products(rows, weight), object)
    left = sizes if weight is None else sizes * weight[:, np.newaxis]
    bound = fractions(left.T @ sizes) / 10**30
    for high, low in results.values():
        half_of(wanted, pair(high, low), bound)
        whole = pair(_row_passes.symmetric(high, len(wanted)), _row_passes.symmetric(low, len(wanted)))
        assert (np.abs(whole - wanted) <= bound).all()


@pytest.mark.parametrize("n", [64, 65, 128, 129, 193, 256, 300])
def test_plain_products_are_added_in_pairs(n, backend):
    """Sums over two blocks are doubles, exact for these numbers; those over more hold what no double does."""
    X = 2.0 ** np.repeat([10, 40, 0], 128)[:n, np.newaxis] * [1.0, -0.5]
    X[5::7] *= -1
    high, low = run_cross_products(backend, X, np.empty((n, 0)), None, np.zeros(2), np.ones(2), pairs=False)
    wanted = np.zeros((3, 3), object)
    for first in range(0, n, 128):
        rows = np.column_stack([X[first : first + 128], np.ones(len(X[first : first + 128]))])
        wanted = wanted + fractions(rows.T @ rows)
    half_of(wanted, pair(high, low), np.zeros((3, 3)))


def test_rounding_in_plain_sums_does_not_grow(backend):
    """Two values, whose products all round the same way: 47 digits of 2, in as many rows as you like."""
    n = 130 if backend == "python" else 100_000
    X = np.where(np.random.default_rng(14).uniform(size=(n, 1)) < 0.5, 0.1, 0.7)
    high, low = run_cross_products(backend, X, np.empty((n, 0)), None, np.zeros(1), np.ones(1), pairs=False)
    few = int((X == 0.1).sum())
    squares = few * Fraction(0.1) ** 2 + (n - few) * Fraction(0.7) ** 2
    assert abs(_row_passes.symmetric(high, 2)[0, 0] - squares) <= squares / 2**47
    assert abs(_row_passes.symmetric(high, 2)[0, 1] - (few * Fraction(0.1) + (n - few) * Fraction(0.7))) <= n / 2**48


@pytest.mark.parametrize("shift", [0.0, 1e9, 1e9 + 1 / 3, -7e13])
@dtypes
def test_moments_far_from_zero(dtype, shift, backend):
    rng = np.random.default_rng(1)
    X, y = (1e9 + rng.standard_normal((70, 2))).astype(dtype), 1e-5 * rng.standard_normal((70, 1))
    weight, shifts = rng.uniform(0, 1e6, 70), np.array([shift, 1e9, shift])
    high, low = run_cross_products(backend, X, y, weight, shifts, np.ones(3), pairs=True)
    rows, sizes = exact_rows(X, y, shifts, np.ones(3))
    wanted = np.array(reference.exact_products(rows, weight), object)
    half_of(wanted, pair(high, low), fractions((sizes * weight[:, np.newaxis]).T @ sizes) / 10**30)


def test_rounding_in_pairs_does_not_grow(backend):
    """29 digits of sums over many blocks; of the last of three columns, for exact arithmetic takes its time."""
    n = 1000 if backend == "python" else 20_000
    X = np.random.default_rng(13).standard_normal((n, 3)) + 0.7
    found = pair(*run_cross_products(backend, X, np.empty((n, 0)), None, np.zeros(3), np.ones(3), pairs=True))[2:4, 2:4]
    rows = np.column_stack([fractions(X[:, 2]), np.full(n, Fraction(1), object)])
    wanted = np.array(reference.exact_products(rows), object)
    assert (np.abs(found - wanted) <= wanted[0, 0] / (2 * 10**29)).all()


@pytest.mark.parametrize("pairs", [False, True], ids=["plain", "pairs"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_segments_of_moments_sum_to_the_whole(weighted, pairs, backend):
    X, y, weight, shift, scale = table_of((2, 1, 200, "fortran"), "float64", weighted)
    arguments = backend, X, y, weight, shift, scale
    whole = np.add(*run_cross_products(*arguments, pairs=pairs))
    total = 0
    for first, last in ((0, 64), (64, 64), (64, 193), (193, 200)):
        part = run_cross_products(*arguments, pairs=pairs, first=first, last=last)
        alone = None if weight is None else weight[first:last]
        rows = run_cross_products(backend, X[first:last], y[first:last], alone, shift, scale, pairs=pairs)
        for one, other in zip(part, rows, strict=True):
            np.testing.assert_array_equal(one, other)
        total = total + np.add(*part)
    np.testing.assert_allclose(total, whole, rtol=0, atol=1e-14 * np.abs(whole).max())


@pytest.mark.parametrize("pairs", [False, True], ids=["plain", "pairs"])
def test_moments_without_the_ones(pairs, backend):
    X, y, weight, shift, scale = table_of((3, 1, 6, "contiguous"), "float64", True)
    arguments = backend, X, y, weight, shift, scale
    wanted, without = (run_cross_products(*arguments, pairs=pairs, intercept=one) for one in (1, 0))
    for one, other in zip(wanted, without, strict=True):
        one[4, :5] = one[:5, 4] = 0.0
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("pairs", [False, True], ids=["plain", "pairs"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_no_bad_number_is_hidden(bad, pairs, backend):
    """Callers look at the diagonal alone."""
    for place in ((0, 0), (64, 1), (65, 2)):
        data = np.random.default_rng(2).standard_normal((66, 3))
        data[place] = bad
        X, y = data[:, :2].copy(), data[:, 2:].copy()
        high, _ = run_cross_products(backend, X, y, None, np.zeros(3), np.ones(3), pairs=pairs)
        assert [j for j in range(4) if not np.isfinite(high[j, j])] == [place[1]]
