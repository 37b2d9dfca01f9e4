"""The regressions' kernels: the same bits from both compilers, plain Python close by, against exact arithmetic."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from conftest import COMPILED, HERE
from hypothesis import given
from hypothesis import strategies as st

import mlcore
from mlcore import reference
from mlcore.kernels import ids, load_backend
from mlcore.linear_model import _double_double, _newton, _row_passes
from mlcore.linear_model._likelihood import LabelledRows
from mlcore.memory import aligned_zeros

GUARD = 64  # numbers behind each array that a kernel writes to


def poisoned(size):
    """NaN, and numbers behind it that must stay."""
    room = aligned_zeros(size + GUARD, np.float64)
    room[:size], room[size:] = np.nan, 0.1
    return room


def unguarded(room):
    assert (room[-GUARD:] == 0.1).all(), "written behind the end"
    return room[:-GUARD].copy()


def fractions(array):
    """Each number as the fraction that it is, in an array."""
    array = np.asarray(array)
    exact = np.empty(array.shape, object)
    exact.flat = [Fraction(number) for number in array.ravel().tolist()]
    return exact


def pair(high, low):
    return fractions(high) + fractions(low)


def split(exact):
    """Fractions as pairs of doubles."""
    high = exact.astype(float)
    return high, (exact - fractions(high)).astype(float)


def lay_out(X, kind):
    """The same matrix elsewhere in memory; between its numbers stands NaN."""
    n, p = X.shape
    if kind == "fortran":
        return np.asfortranarray(X)
    if kind == "rows apart":
        room = np.full((n, p + 3), np.nan, X.dtype)
        room[:, 2 : p + 2] = X
        return room[:, 2 : p + 2]
    if kind == "strided":
        room = np.full((2 * n + 1, 3 * p + 1), np.nan, X.dtype)
        room[1::2, 1::3] = X
        return room[1::2, 1::3]
    if kind == "backwards":
        return X[::-1, ::-1].copy()[::-1, ::-1]
    if kind == "read-only":
        X.flags.writeable = False
    return X


# --------------------------------------------------------------------------------------------
# Products of columns
# --------------------------------------------------------------------------------------------

# features, outputs, rows, memory
TABLES = [
    (0, 1, 5, "contiguous"), (1, 0, 0, "contiguous"), (1, 0, 1, "fortran"), (1, 1, 130, "strided"),
    (2, 3, 65, "fortran"), (3, 0, 64, "read-only"), (6, 3, 9, "rows apart"), (7, 0, 63, "rows apart"),
    (7, 1, 64, "contiguous"), (8, 0, 65, "backwards"), (8, 3, 7, "read-only"), (9, 1, 66, "strided"),
    (12, 1, 64, "fortran"), (13, 1, 67, "contiguous"),
    (15, 0, 3, "fortran"), (16, 1, 5, "contiguous"), (17, 0, 4, "rows apart"), (33, 3, 2, "strided"),
]  # fmt: skip
table_cases = pytest.mark.parametrize("table", TABLES, ids=lambda t: "-".join(map(str, t)))
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def table_of(table, dtype, weighted, seed=0):
    """X, y, weights or None, shifts that rounding differences, and scales."""
    p, q, n, kind = table
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, p)) * 10.0 ** rng.integers(-3, 4, p)).astype(dtype)
    y = rng.standard_normal((n, q)) * 50
    weight = rng.uniform(0.5, 2.0, n) if weighted else None
    if weighted and n > 1:
        weight[n // 2] = 0.0
    shift = rng.standard_normal(p + q) * 100
    return lay_out(X, kind), lay_out(y, kind), weight, shift, 2.0 ** rng.integers(-4, 5, p + q)


def run_moments(backend, X, y, weight, shift, scale, *, pairs, intercept=1, first=0, last=None):
    """High and low as the kernel leaves them, (width, width); all it writes to is NaN before."""
    n, p = X.shape
    q = y.shape[1]
    width = _row_passes.padded(1 + p + q)
    x, x_row, x_column = _row_passes.strided(X)
    y, y_row, y_column = _row_passes.strided(y)
    weight = np.empty(0) if weight is None else weight
    size = (4 if pairs or weight.size else 2) * _row_passes.BLOCK * width
    plan = _row_passes.segment_plans(
        np.array([first, n if last is None else last]), FEATURES=p, OUTPUTS=q, WIDTH=width, INTERCEPT=intercept,
        WEIGHTED=weight.size > 0, IN_PAIRS=pairs, X_ROW=x_row, X_COLUMN=x_column, Y_ROW=y_row, Y_COLUMN=y_column,
        WORK=size,
    )[0]  # fmt: skip
    high, low, work = poisoned(width * width), poisoned(width * width), poisoned(size + width * width)
    load_backend(backend).cross_products(plan, x, y, weight, shift, scale, high, low, work)
    unguarded(work)
    high, low = unguarded(high).reshape(width, width), unguarded(low).reshape(width, width)
    # halves that do not overlap
    np.testing.assert_array_equal(high + low, high)
    return high, low


def exact_rows(X, y, shift, scale, one=1):
    """The rows ((x - shift) scale, (y - shift) scale, 1) without rounding, and the sizes of their products."""
    numbers = np.column_stack([fractions(X), fractions(y)])
    rows = np.column_stack([(numbers - fractions(shift)) * fractions(scale), np.full(len(X), Fraction(one), object)])
    return rows, np.abs(rows.astype(float))


def half_of(wanted, found, bound):
    """Whether each entry is right where it is not 0, and at least one of the two that should be equal is there."""
    size = len(wanted)
    right = np.abs(found[:size, :size] - wanted) <= bound
    there = found[:size, :size] != 0
    assert not found[size:].any()
    assert not found[:, size:].any()
    assert (right | ~there).all()
    assert (right & (there | there.T | (wanted == 0)) | right.T).all()


def same_bits(results, rtol=None):
    """The compilers' results are the same bits; plain Python's are those to `rtol` of the largest, if that is given."""
    first = results[HERE[0]]
    for backend, found in results.items():
        for one, other in zip(found, first, strict=True):
            if backend in COMPILED and HERE[0] in COMPILED:
                np.testing.assert_array_equal(one, other, err_msg=backend)
            elif rtol is not None:
                np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * np.abs(other).max(initial=0.0))


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
    results = {name: run_moments(name, X, y, weight, shift, scale, pairs=False) for name in HERE}
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
    results = {name: run_moments(name, X, y, weight, shift, scale, pairs=True) for name in HERE}
    same_bits(results)
    rows, sizes = exact_rows(X, y, shift, scale)
    wanted = np.array(reference.exact_products(rows, weight), object)
    left = sizes if weight is None else sizes * weight[:, np.newaxis]
    bound = fractions(left.T @ sizes) / 10**30
    for high, low in results.values():
        half_of(wanted, pair(high, low), bound)
        whole = pair(_row_passes.symmetric(high, len(wanted)), _row_passes.symmetric(low, len(wanted)))
        assert (np.abs(whole - wanted) <= bound).all()


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("n", [64, 65, 128, 129, 193, 256, 300])
def test_plain_products_are_added_in_pairs(n, backend):
    """Sums over two blocks are doubles, exact for these numbers; those over more hold what no double does."""
    X = 2.0 ** np.repeat([10, 40, 0], 128)[:n, np.newaxis] * [1.0, -0.5]
    X[5::7] *= -1
    high, low = run_moments(backend, X, np.empty((n, 0)), None, np.zeros(2), np.ones(2), pairs=False)
    wanted = np.zeros((3, 3), object)
    for first in range(0, n, 128):
        rows = np.column_stack([X[first : first + 128], np.ones(len(X[first : first + 128]))])
        wanted = wanted + fractions(rows.T @ rows)
    half_of(wanted, pair(high, low), np.zeros((3, 3)))


def test_rounding_in_plain_sums_does_not_grow(backend):
    """Two values, whose products all round the same way: 47 digits of 2, in as many rows as you like."""
    n = 130 if backend == "python" else 100_000
    X = np.where(np.random.default_rng(14).uniform(size=(n, 1)) < 0.5, 0.1, 0.7)
    high, low = run_moments(backend, X, np.empty((n, 0)), None, np.zeros(1), np.ones(1), pairs=False)
    few = int((X == 0.1).sum())
    squares = few * Fraction(0.1) ** 2 + (n - few) * Fraction(0.7) ** 2
    assert abs(_row_passes.symmetric(high, 2)[0, 0] - squares) <= squares / 2**47
    assert abs(_row_passes.symmetric(high, 2)[0, 1] - (few * Fraction(0.1) + (n - few) * Fraction(0.7))) <= n / 2**48


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("shift", [0.0, 1e9, 1e9 + 1 / 3, -7e13])
@dtypes
def test_moments_far_from_zero(dtype, shift, backend):
    rng = np.random.default_rng(1)
    X, y = (1e9 + rng.standard_normal((70, 2))).astype(dtype), 1e-5 * rng.standard_normal((70, 1))
    weight, shifts = rng.uniform(0, 1e6, 70), np.array([shift, 1e9, shift])
    high, low = run_moments(backend, X, y, weight, shifts, np.ones(3), pairs=True)
    rows, sizes = exact_rows(X, y, shifts, np.ones(3))
    wanted = np.array(reference.exact_products(rows, weight), object)
    half_of(wanted, pair(high, low), fractions((sizes * weight[:, np.newaxis]).T @ sizes) / 10**30)


def test_rounding_in_pairs_does_not_grow(backend):
    """29 digits of sums over many blocks; of the last of three columns, for exact arithmetic takes its time."""
    n = 1000 if backend == "python" else 20_000
    X = np.random.default_rng(13).standard_normal((n, 3)) + 0.7
    found = pair(*run_moments(backend, X, np.empty((n, 0)), None, np.zeros(3), np.ones(3), pairs=True))[2:4, 2:4]
    rows = np.column_stack([fractions(X[:, 2]), np.full(n, Fraction(1), object)])
    wanted = np.array(reference.exact_products(rows), object)
    assert (np.abs(found - wanted) <= wanted[0, 0] / (2 * 10**29)).all()


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("pairs", [False, True], ids=["plain", "pairs"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_segments_of_moments_sum_to_the_whole(weighted, pairs, backend):
    X, y, weight, shift, scale = table_of((2, 1, 200, "fortran"), "float64", weighted)
    arguments = backend, X, y, weight, shift, scale
    whole = np.add(*run_moments(*arguments, pairs=pairs))
    total = 0
    for first, last in ((0, 64), (64, 64), (64, 193), (193, 200)):
        part = run_moments(*arguments, pairs=pairs, first=first, last=last)
        alone = None if weight is None else weight[first:last]
        rows = run_moments(backend, X[first:last], y[first:last], alone, shift, scale, pairs=pairs)
        for one, other in zip(part, rows, strict=True):
            np.testing.assert_array_equal(one, other)
        total = total + np.add(*part)
    np.testing.assert_allclose(total, whole, rtol=0, atol=1e-14 * np.abs(whole).max())


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("pairs", [False, True], ids=["plain", "pairs"])
def test_moments_without_the_ones(pairs, backend):
    X, y, weight, shift, scale = table_of((3, 1, 6, "contiguous"), "float64", True)
    arguments = backend, X, y, weight, shift, scale
    wanted, without = (run_moments(*arguments, pairs=pairs, intercept=one) for one in (1, 0))
    for one, other in zip(wanted, without, strict=True):
        one[4, :5] = one[:5, 4] = 0.0
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("pairs", [False, True], ids=["plain", "pairs"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_no_bad_number_is_hidden(bad, pairs, backend):
    """Callers look at the diagonal alone."""
    for place in ((0, 0), (64, 1), (65, 2)):
        data = np.random.default_rng(2).standard_normal((66, 3))
        data[place] = bad
        X, y = data[:, :2].copy(), data[:, 2:].copy()
        high, low = np.empty((2, 8, 8))
        x, x_row, _ = _row_passes.strided(X)
        plan = _row_passes.segment_plans(
            np.array([0, 66]), FEATURES=2, OUTPUTS=1, WIDTH=8, INTERCEPT=1, IN_PAIRS=pairs, X_ROW=x_row, X_COLUMN=1,
            Y_ROW=1, Y_COLUMN=1, WORK=4 * 64 * 8,
        )[0]  # fmt: skip
        load_backend(backend).cross_products(
            plan, x, y.ravel(), np.empty(0), np.zeros(3), np.ones(3), high.ravel(), low.ravel(), np.empty(5 * 64 * 8)
        )
        assert [j for j in range(4) if not np.isfinite(high[j, j])] == [place[1]]


# --------------------------------------------------------------------------------------------
# Cholesky's factor
# --------------------------------------------------------------------------------------------


def gram(rows):
    """Exact products of columns, as pairs of doubles and as the fractions that these are."""
    high, low = split(np.array(reference.exact_products(rows), object))
    return high, low, pair(high, low)


def run_factor(backend, high, low, size, tolerance):
    """The factor in place of the upper triangle; below it, and in the padding, stands NaN."""
    total = len(high)
    width = _row_passes.padded(total)
    room = poisoned(total * width), poisoned(total * width)
    upper = np.triu_indices(total)
    for half_room, half in zip(room, (high, low), strict=True):
        half_room[:-GUARD].reshape(total, width)[upper] = half[upper]
    rank = load_backend(backend).factor(size, total, width, tolerance, *room)
    return rank, *(np.triu(unguarded(half).reshape(total, width)[:, :total]) for half in room)


def check_factor(matrix, R_high, R_low, size):
    """R1'R1 and R1'Z are the matrix, and Z'Z and what is left of it are the rest, to 29 digits."""
    R = pair(R_high, R_low)
    lengths = np.sqrt(matrix.diagonal().astype(float))
    found = R[:size].T @ R[:size] if size else np.zeros(matrix.shape, object)
    found[size:, size:] += R[size:, size:]
    upper = np.triu_indices(len(matrix))
    assert (np.abs(found - matrix)[upper] <= fractions(np.outer(lengths, lengths))[upper] / 10**29).all()
    # halves that do not overlap, in what is left too
    np.testing.assert_array_equal(R_high + R_low, R_high)


@pytest.mark.parametrize(
    ("size", "outputs"), [(0, 1), (1, 0), (1, 1), (2, 3), (7, 1), (8, 0), (8, 3), (9, 0), (9, 1), (17, 1)]
)
def test_factor(size, outputs):
    rng = np.random.default_rng(size)
    rows = rng.standard_normal((size + 4, size + outputs)) * 10.0 ** rng.integers(-3, 4, size + outputs)
    rows[:, 1:] += 30 * rows[:, :1]
    high, low, matrix = gram(rows)
    results = {name: run_factor(name, high, low, size, np.zeros(size)) for name in HERE}
    same_bits(results, rtol=1e-9)
    for rank, *R in results.values():
        assert rank == size
        check_factor(matrix, *R, size)
        assert (R[0].diagonal() > 0).all()


def dependent(total=11):
    """Columns of which the 4th is the sum of two before it, and the 9th a multiple of the 3rd."""
    rows = np.random.default_rng(3).integers(-9, 10, (15, total)).astype(float)
    rows[:, 3] = rows[:, 0] + rows[:, 2]
    rows[:, 8] = 2 * rows[:, 2]
    return rows


@pytest.mark.parametrize("backend", HERE)
def test_dependent_columns_become_rows_of_zeros(backend):
    high, low, matrix = gram(dependent())
    rank, *R = run_factor(backend, high, low, 10, 1e-25 * high.diagonal()[:10])
    assert rank == 8
    for half in R:
        assert not half[[3, 8]].any()
    check_factor(matrix, *R, 10)
    independent = [0, 1, 2, 4, 5, 6, 7, 9]
    assert (R[0].diagonal()[independent] > 0).all()


@pytest.mark.parametrize("backend", HERE)
def test_a_column_is_left_out_by_its_tolerance(backend):
    high, low, matrix = gram(np.random.default_rng(4).standard_normal((12, 5)))
    rank, *R = run_factor(backend, high, low, 4, np.array([np.inf, 0.0, 0.0, 0.0]))
    assert rank == 3
    assert not R[0][0].any()
    assert not R[1][0].any()
    _, *without = run_factor(backend, high[1:, 1:], low[1:, 1:], 3, np.zeros(3))
    for half, other in zip(R, without, strict=True):
        np.testing.assert_array_equal(half[1:, 1:], other)
    check_factor(matrix[1:, 1:], *without, 3)
    # a pivot must be above its tolerance, not at it
    assert run_factor(backend, np.diag([1.0, 2.0, 3.0]), np.zeros((3, 3)), 3, np.array([1.0, 2.0, 2.9]))[0] == 1
    assert run_factor(backend, np.diag([0.0, -1.0]), np.zeros((2, 2)), 2, np.zeros(2))[0] == 0


def run_solve(backend, high, low, size, shift, tolerance=None):
    """Factor, then substitute back; the right-hand sides are the last columns."""
    total = len(high)
    width, columns = _row_passes.padded(total), total - size
    _, *R = run_factor(backend, high, low, size, np.zeros(size) if tolerance is None else tolerance)
    # what stands for a column that depends on others is not read
    kept = R[0].diagonal()[:size, np.newaxis] > 0
    rows, right = [], []
    for half in R:
        room = np.full((size, width), np.nan)
        room[:, :total] = np.where(np.tri(size, total, -1) > 0, np.nan, half[:size])
        rows.append(room.ravel())
        right.append(poisoned(size * columns))
        right[-1][:-GUARD] = np.where(kept, half[:size, size:], np.nan).ravel()
    load_backend(backend).back_substitute(size, width, *rows, shift, columns, *right)
    return [unguarded(half).reshape(size, columns) for half in right]


@pytest.mark.parametrize("shifted", [False, True], ids=["", "shifted"])
@pytest.mark.parametrize("columns", [1, 3])
def test_solutions_of_an_ill_conditioned_system(columns, shifted):
    """Hilbert's matrix of 8 x 8, condition 1.5e10, in doubles; 19 digits of every entry."""
    size = 8
    high = np.zeros((size + columns, size + columns))
    high[:size, :size] = [[1 / (i + j + 1) for j in range(size)] for i in range(size)]
    high[:size, size:] = np.random.default_rng(5).standard_normal((size, columns))
    high[size:, size:] = np.eye(columns) * 1e12
    shift = np.random.default_rng(6).standard_normal(size) * 100 * shifted
    results = {name: run_solve(name, high, np.zeros_like(high), size, shift) for name in HERE}
    same_bits(results, rtol=1e-15)
    wanted = np.array(reference.exact_solution(high[:size, :size], high[:size, size:]), object)
    wanted[0] -= fractions(shift[1:]) @ wanted[1:]
    for found in results.values():
        assert (np.abs(pair(*found) - wanted) <= np.abs(wanted) / 10**19).all()
        np.testing.assert_array_equal(found[0][0] + found[1][0], found[0][0])


@pytest.mark.parametrize("backend", HERE)
def test_solutions_of_pairs(backend):
    """The low halves of the matrix count: solutions of products that no double holds."""
    rows = np.random.default_rng(7).standard_normal((14, 12)) / 3
    high, low, matrix = gram(rows)
    found = run_solve(backend, high, low, 10, np.zeros(10))
    wanted = np.array(reference.exact_solution(matrix[:10, :10], matrix[:10, 10:]), object)
    assert (np.abs(pair(*found) - wanted) <= np.abs(wanted).max() / 10**26).all()


@pytest.mark.parametrize("backend", HERE)
def test_solutions_without_the_dependent_columns(backend):
    high, low, matrix = gram(dependent())
    found = pair(*run_solve(backend, high, low, 10, np.zeros(10), 1e-25 * high.diagonal()[:10]))
    kept = [0, 1, 2, 4, 5, 6, 7, 9]
    wanted = reference.exact_solution(matrix[np.ix_(kept, kept)], matrix[kept, 10:])
    assert (np.abs(found[kept] - wanted) <= Fraction(1, 10**25)).all()
    assert not found[[3, 8]].any()


# features, outputs, rows
FITS = [(1, 1, 3), (4, 1, 100), (7, 0, 9), (7, 2, 20), (8, 3, 30), (15, 1, 40)]


def run_least_squares(backend, high, low, p, q, n, *, intercept, alpha, shift, scale, eps=2.0**-52):
    """Rank, coefficients, intercepts, and what has become of the moments; room that is not read is NaN."""
    size, width = high.shape
    halves = poisoned(size * width), poisoned(size * width)
    for room, half in zip(halves, (high, low), strict=True):
        room[: size * width] = half.ravel()
    found, work = poisoned(q * (1 + p)), poisoned((1 + p) * (1 + 2 * q))
    places = np.full(p + GUARD, -7, np.intp)
    rank = load_backend(backend).least_squares(
        p, q, width, n, eps, intercept, alpha, shift, scale, *halves, places, found, work
    )  # fmt: skip
    unguarded(work)
    found = unguarded(found)
    assert (places[p:] == -7).all(), "written behind the end"
    places = places[:p]
    np.testing.assert_array_equal(np.sort(places), np.arange(p))
    return (
        rank,
        found[: q * p].reshape(q, p),
        found[q * p :],
        [unguarded(half).reshape(size, width) for half in halves],
        places,
    )


def centred_moments(p, q, n, seed, intercept, scaled):
    """Rows far from zero, and their moments in pairs about a row and in other units, as Python makes them."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, p)) + 300 * rng.standard_normal(p), rng.standard_normal((n, q)) - 40.0
    shift = np.concatenate([X[0], y[0]]) if intercept else np.zeros(p + q)
    scale = 2.0 ** rng.integers(-60, 60, p + q) if scaled else np.ones(p + q)
    rows, _ = exact_rows(X, y, shift, scale)
    rows = np.roll(rows, 1, axis=1)
    size = 1 + p + q
    halves = np.zeros((2, size, _row_passes.padded(size)))
    halves[:, :, :size] = split(rows.T @ rows)
    return X, y, shift, scale, *halves


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


@pytest.mark.parametrize("backend", HERE)
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


@pytest.mark.parametrize("alpha", [0.0, 2.5])
@pytest.mark.parametrize("fit_intercept", [True, False])
@dtypes
def test_fits_against_exact_arithmetic(dtype, fit_intercept, alpha, backend):
    """The way from rows to coefficients, far from zero: the last digits are right."""
    rng = np.random.default_rng(8)
    X = np.array([1e6, -3e4, 7.0]) + rng.standard_normal((40, 3))
    X[:, 2] += X[:, 1]
    X, y = X.astype(dtype), rng.standard_normal((40, 2)) + 1e5
    weight = rng.uniform(0, 2, 40).astype(dtype)
    model = mlcore.Ridge(alpha, fit_intercept=fit_intercept) if alpha else mlcore.LinearRegression(
        fit_intercept=fit_intercept
    )  # fmt: skip
    model.fit(X, y, weight)
    W, b = reference.least_squares(X, y, sample_weight=weight, fit_intercept=fit_intercept, alpha=alpha)
    rtol = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(model.coef_, W.T, rtol=rtol)
    np.testing.assert_allclose(model.intercept_, b if fit_intercept else 0.0, rtol=rtol)


# --------------------------------------------------------------------------------------------
# Logistic regression
# --------------------------------------------------------------------------------------------

# features, raw predictions, rows, memory
LABELLED = [
    (0, 1, 5, "contiguous"), (0, 3, 3, "contiguous"), (1, 1, 1, "fortran"), (1, 3, 65, "strided"),
    (2, 1, 130, "fortran"), (2, 8, 66, "read-only"), (7, 1, 64, "contiguous"), (7, 3, 63, "rows apart"),
    (8, 1, 65, "backwards"), (9, 3, 7, "fortran"), (9, 9, 3, "contiguous"), (15, 1, 5, "rows apart"),
    (16, 3, 4, "contiguous"), (17, 1, 3, "strided"), (33, 1, 2, "fortran"),
]  # fmt: skip
labelled_cases = pytest.mark.parametrize("case", LABELLED, ids=lambda t: "-".join(map(str, t)))


def labelled(case, dtype, weighted, seed=0):
    """X, labels, weights or None, shift, scale and a theta with its intercepts."""
    p, outputs, n, kind = case
    rng = np.random.default_rng(seed)
    X = ((rng.standard_normal((n, p)) + 3) * (-1.0) ** np.arange(p)).astype(dtype)
    labels = rng.integers(0, max(outputs, 2), n)
    weight = rng.uniform(0.5, 2.0, n) if weighted else None
    if weighted and n > 1:
        weight[n // 2] = 0.0
    shift, scale = rng.standard_normal(p), rng.uniform(0.2, 0.6, p)
    return lay_out(X, kind), labels, weight, shift, scale, rng.standard_normal((outputs, 1 + p))


def run_pass(
    backend, X, labels, weight, shift, scale, theta, *, intercept=True, first=0, last=None, every=1, gradient_only=False
):
    """One call of the kernel: value and wrong, gradient (outputs, width), products (pairs, width, width)."""
    rows = LabelledRows(X, labels, weight, len(theta), shift, scale, intercept, 1)
    outputs, size, width, padded, pairs = rows.sizes
    plan = rows.plans[0].copy()
    plan[ids.PASS_FIRST], plan[ids.PASS_LAST] = first, len(X) if last is None else last
    plan[ids.PASS_STEP], plan[ids.PASS_GRADIENT_ONLY], plan[ids.PASS_REACH] = (
        every * _row_passes.BLOCK,
        gradient_only,
        1,
    )
    parameters = aligned_zeros(width * padded, np.float64)
    parameters.reshape(width, padded)[:size, :outputs] = theta.T
    sums, gradient, products = poisoned(2), poisoned(outputs * width), poisoned(pairs * width * width)
    reach, work = poisoned(width), poisoned(rows.work_size)
    load_backend(backend).logistic_pass(plan, *rows.arrays, parameters, sums, reach, gradient, products, work)
    unguarded(work)
    seen = np.arange(plan[ids.PASS_FIRST], plan[ids.PASS_LAST])
    seen = seen[(seen - first) // _row_passes.BLOCK % every == 0]
    columns = np.column_stack([(X[seen].astype(float) - shift) * scale, np.full(len(seen), float(intercept))])
    wanted = np.fmax.reduce(np.abs(columns), axis=0, initial=0.0)
    np.testing.assert_array_equal(unguarded(reach), np.pad(wanted, (0, width - size)))
    return (
        unguarded(sums),
        unguarded(gradient).reshape(outputs, width),
        unguarded(products).reshape(pairs, width, width),
    )


def evaluate(backend, X, labels, weight, shift, scale, theta, *, intercept=True, every=1):
    with mlcore.config_context(backend=backend):
        return LabelledRows(X, labels, weight, len(theta), shift, scale, intercept).evaluate(theta, every=every)


def textbook(X, labels, weight, shift, scale, theta, *, intercept=True):
    """Value, weight of wrong rows, gradient and Hessian of the reference."""
    rows = np.column_stack([(X.astype(float) - shift) * scale, np.full(len(X), float(intercept))])
    z = rows @ theta.T
    if len(theta) == 1:
        z = np.column_stack([np.zeros(len(X)), z])
    own = np.take_along_axis(z, labels[:, np.newaxis], axis=1)[:, 0]
    np.put_along_axis(z, labels[:, np.newaxis], -np.inf, axis=1)
    wrong = float((np.ones(len(X)) if weight is None else weight)[own <= z.max(axis=1)].sum())
    value, gradient, hessian = reference.logistic_loss(theta, rows, labels, sample_weight=weight)
    return value, wrong, gradient, hessian


def close(found, wanted, rtol=1e-12):
    assert found.value == pytest.approx(wanted[0], rel=rtol, abs=1e-300)
    assert found.wrong == pytest.approx(wanted[1], rel=1e-14, abs=0)
    for got, want in zip((found.gradient, found.hessian), wanted[2:], strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.abs(want).max())


@dtypes
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@labelled_cases
def test_logistic_pass(case, weighted, dtype):
    data = labelled(case, dtype, weighted)
    intercept = case[2] != 7
    same_bits({name: run_pass(name, *data, intercept=intercept) for name in HERE}, rtol=1e-12)
    wanted = textbook(*data, intercept=intercept)
    for name in HERE:
        close(evaluate(name, *data, intercept=intercept), wanted)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("outputs", [1, 3])
def test_products_of_a_logistic_pass(outputs, backend):
    """Each pair's matrix is X' diag(w p_k p_l) X, a half of it, and zero in the padding; so is the gradient's."""
    data = labelled((9, outputs, 70, "contiguous"), "float64", True)
    X, _, weight, shift, scale, theta = data
    _, gradient, products = run_pass(backend, *data)
    rows = np.column_stack([(X - shift) * scale, np.ones(70)])
    p = reference.softmax(rows @ (theta if outputs > 1 else np.vstack([0 * theta, theta])).T)
    pairs = [(0, 1)] if outputs == 1 else [(0, 1), (0, 2), (1, 2)]
    for (k, m), product in zip(pairs, products, strict=True):
        left = rows * (weight * p[:, k] * p[:, m])[:, np.newaxis]
        half_of(left.T @ rows, product, 1e-13 * (np.abs(left).T @ np.abs(rows)))
    assert not gradient[:, 10:].any()


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_logistic_pass_without_the_hessian(outputs, backend):
    """The same value and gradient; the room for products is left alone."""
    *data, theta = labelled((9, outputs, 70, "contiguous"), "float64", True)
    rows = LabelledRows(*data[:3], outputs, *data[3:], True)
    wanted, found, again = rows.evaluate(theta), rows.evaluate(theta, hessian=False), rows.evaluate(theta)
    assert found.hessian is None
    assert (found.value, found.wrong) == (wanted.value, wanted.wrong)
    np.testing.assert_array_equal(found.gradient, wanted.gradient)
    np.testing.assert_array_equal(again.hessian, wanted.hessian)
    *_, products = run_pass(backend, *data, theta, gradient_only=True)
    assert np.isnan(products).all()


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("outputs", [1, 3])
def test_segments_and_steps_of_a_logistic_pass(outputs, backend):
    data = labelled((2, outputs, 330, "fortran"), "float64", True)
    X, labels, weight, *rest = data
    whole = run_pass(backend, *data)
    total = [0, 0, 0]
    for first, last in ((0, 64), (64, 64), (64, 193), (193, 330)):
        part = run_pass(backend, *data, first=first, last=last)
        if last > first:
            kept = slice(first, last)
            alone = run_pass(backend, X[kept], labels[kept], weight[kept], *rest)
            for one, other in zip(part, alone, strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            assert not any(array.any() for array in part)
        total = [before + array for before, array in zip(total, part, strict=True)]
    for one, other in zip(total, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13 * np.abs(other).max())
    # one block in three: rows 5 to 68, 197 to 260
    kept = np.r_[5:69, 197:261]
    some = run_pass(backend, *data, first=5, last=330, every=3)
    alone = run_pass(backend, X[kept], labels[kept], weight[kept], *rest)
    for one, other in zip(some, alone, strict=True):
        np.testing.assert_array_equal(one, other)
    close(
        evaluate(backend, *data, every=5),
        textbook(np.delete(X, np.s_[64:320], axis=0), *(np.delete(v, np.s_[64:320]) for v in (labels, weight)), *rest),
    )


@pytest.mark.parametrize("outputs", [1, 3, 8])
def test_logistic_derivatives_by_differences(outputs, backend):
    """The gradient is the slope of the value, the Hessian that of the gradient."""
    *data, theta = labelled((2, outputs, 12, "contiguous"), "float64", True)
    rng = np.random.default_rng(9)
    rows = LabelledRows(*data[:3], outputs, *data[3:], True)
    here = rows.evaluate(theta)
    numerical = reference.numerical_derivative(lambda t: rows.evaluate(t).value, theta)
    np.testing.assert_allclose(here.gradient, numerical, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(here.hessian, here.hessian.T, rtol=1e-13)
    for _ in range(4):
        one, other = rng.standard_normal((2, *theta.shape))
        slope = reference.numerical_derivative(
            lambda t, one=one, other=other: (other * rows.evaluate(theta + t * one).gradient).sum(), 0.0
        )
        assert other.ravel() @ here.hessian @ one.ravel() == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("outputs", [1, 3, 8])
@dtypes
def test_logistic_far_out(dtype, outputs, backend):
    """Raw predictions up to 1e3 either way: finite, and right."""
    rng = np.random.default_rng(10)
    z = np.array([-1e3, -745.0, -700.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 37.0, 709.0, 746.0, 1e3])
    X = np.column_stack([z, rng.permutation(z)]).astype(dtype)
    theta = rng.permutation(np.repeat([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]], 2, axis=0))[:outputs]
    labels = rng.integers(0, max(outputs, 2), len(X))
    data = X, labels, None, np.zeros(2), np.ones(2), theta
    found = evaluate(backend, *data)
    assert np.isfinite(found.value)
    assert np.isfinite(found.gradient).all()
    assert np.isfinite(found.hessian).all()
    close(found, textbook(*data), rtol=1e-13)


def test_two_classes_keep_the_digits_of_small_losses(backend):
    """Where all rows are far on the right side, loss, slope and curvature are small numbers, and right."""
    X = np.array([[20.0], [30.0], [36.0], [-25.0], [-700.0]])
    found = evaluate(backend, X, np.array([1, 1, 1, 0, 0]), None, np.zeros(1), np.ones(1), np.array([[1.0, 0.0]]))
    u, signed = np.exp(-np.abs(X[:, 0])), np.array([-1, -1, -1, 1, 1])
    assert found.value == pytest.approx(np.log1p(u).sum(), rel=1e-14)
    assert found.gradient[0, 0] == pytest.approx((signed * X[:, 0] * u / (1 + u)).sum(), rel=1e-14)
    assert found.hessian[0, 0] == pytest.approx((X[:, 0] ** 2 * u / (1 + u) ** 2).sum(), rel=1e-14)
    assert found.wrong == 0


def test_rows_that_are_not_right(backend):
    """A row counts unless its own class is above all others; ties do not do."""
    X, labels = np.array([[2.0], [-2.0], [0.0], [1.0]]), np.array([1, 0, 1, 0])
    theta = np.array([[1.0, 0.0]])
    weight = np.array([1.0, 2.0, 4.0, 8.0])
    assert evaluate(backend, X, labels, weight, np.zeros(1), np.ones(1), theta).wrong == 12
    assert evaluate(backend, X[:2], labels[:2], None, np.zeros(1), np.ones(1), theta).wrong == 0
    three = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5]])
    labels = np.array([0, 2, 2, 1])
    assert evaluate(backend, X, labels, weight, np.zeros(1), np.ones(1), three).wrong == 10
    assert evaluate(backend, X, labels, weight, np.zeros(1), np.ones(1), np.zeros((3, 2))).wrong == 15
    # the first and the last class tie with one another
    tie = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert evaluate(backend, X[:1], np.array([0]), None, np.zeros(1), np.ones(1), tie).wrong == 1
    assert evaluate(backend, X[:1], np.array([2]), None, np.zeros(1), np.ones(1), tie).wrong == 1


@pytest.mark.parametrize("outputs", [1, 3])
def test_rows_without_weight_change_nothing(outputs, backend):
    X, labels, _, *rest = labelled((2, outputs, 20, "contiguous"), "float64", True)
    weight = np.random.default_rng(11).uniform(0.5, 2, 20)
    weight[[0, 7, 19]] = 0
    kept = weight > 0
    found = evaluate(backend, X, labels, weight, *rest)
    alone = evaluate(backend, X[kept], labels[kept], weight[kept], *rest)
    close(found, (alone.value, alone.wrong, alone.gradient, alone.hessian), rtol=1e-14)


@pytest.mark.parametrize("outputs", [1, 3])
def test_nan_reaches_the_loss(outputs, backend):
    X, labels, _, *rest = labelled((2, outputs, 70, "contiguous"), "float64", False)
    for place in ((0, 0), (63, 1), (69, 0)):
        bad = X.copy()
        bad[place] = np.nan
        found = evaluate(backend, bad, labels, None, *rest)
        assert np.isnan(found.value)
        assert np.isnan(found.gradient).any()
        assert found.wrong >= 1
    rest[-1][0, -1] = np.nan
    assert np.isnan(evaluate(backend, X, labels, None, *rest).value)


# --------------------------------------------------------------------------------------------
# Newton's method in one call
# --------------------------------------------------------------------------------------------


def run_newton(backend, data, l2, *, intercept=True, tolerance=1e-9, negligible=1e-12, highest=np.inf, most=50):
    """How it ended, theta, steps, and the value, gradient and Hessian it saw last; NaN stood where it writes."""
    X, labels, weight, shift, scale, theta = data
    rows = LabelledRows(X, labels, weight, 1, shift, scale, intercept, 1)
    _, size, width, padded, _ = rows.sizes
    plan = rows.plans[0].copy()
    plan[ids.PASS_STEP] = _row_passes.BLOCK
    here, there = poisoned(width * padded), poisoned(width * padded)
    for room, start in ((here, theta[0]), (there, np.nan)):
        parameters = room[:-GUARD].reshape(width, padded)
        parameters[:] = 0.0
        parameters[:size, 0] = start
    sums, reach, gradient, products = poisoned(3), poisoned(width), poisoned(width), poisoned(width * width)
    plan[ids.PASS_REACH] = 1
    system, work = poisoned((2 * size + 5) * _row_passes.padded(size + 1)), poisoned(rows.work_size)
    status = load_backend(backend).newton(
        plan, *rows.arrays, l2, tolerance, negligible, highest, most, here, there, sums, reach, gradient, products,
        system, work,
    )  # fmt: skip
    for room in (system, work, there, reach):
        unguarded(room)
    parameters = unguarded(here).reshape(width, padded)
    assert not parameters[size:].any()
    assert not parameters[:, 1:].any()
    value, wrong, steps = unguarded(sums)
    hessian = _row_passes.symmetric(unguarded(products).reshape(width, width), size)
    return status, parameters[:size, 0], steps, value, wrong, unguarded(gradient)[:size], hessian


def two_classes(p, n=60, seed=0, noise=1.0):
    """Rows of two classes that overlap, weights, and a penalty for all but the intercept."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 1
    labels = (X.sum(axis=1) - p + noise * rng.standard_normal(n) > 0).astype(np.intp)
    data = X, labels, rng.uniform(0.5, 2, n), rng.standard_normal(p), rng.uniform(0.3, 1, p), np.zeros((1, 1 + p))
    return data, np.append(rng.uniform(0.1, 1, p), 0.0)


@pytest.mark.parametrize(
    ("p", "intercept"), [(0, True), *((p, one) for p in (1, 2, 6, 7, 8, 9, 17) for one in (True, False))]
)
def test_newton(p, intercept):
    data, l2 = two_classes(p, seed=p)
    results = {name: run_newton(name, data, l2, intercept=intercept) for name in HERE}
    same_bits(results)
    X, labels, weight, shift, scale, _ = data
    rows = np.column_stack([(X - shift) * scale, np.full(len(X), float(intercept))])
    for status, theta, steps, value, wrong, _, hessian in results.values():
        assert status == ids.CONVERGED
        assert 3 <= steps <= 9
        wanted = reference.logistic_loss(theta[np.newaxis], rows, labels, sample_weight=weight)
        np.testing.assert_allclose(wanted[1][0] + l2 * theta, 0, atol=1e-8)
        # seen before the last step
        assert value == pytest.approx(wanted[0], rel=1e-8)
        assert wrong == pytest.approx(weight[(rows @ theta > 0) != labels].sum(), rel=1e-14)
        np.testing.assert_allclose(hessian, wanted[2], rtol=1e-4, atol=1e-4)
        if not intercept:
            assert theta[-1] == 0


def test_newton_where_it_starts(backend):
    """No step: value, gradient with the penalty's part, and Hessian of the start."""
    *data, _ = two_classes(8, seed=4)[0]
    l2, theta = np.linspace(0, 1, 9), np.random.default_rng(15).standard_normal((1, 9))
    status, found, steps, value, wrong, gradient, hessian = run_newton(backend, (*data, theta), l2, most=0)
    wanted = textbook(*data, theta)
    assert (status, steps) == (ids.RUNNING, 0)
    np.testing.assert_array_equal(found, theta[0])
    assert value == pytest.approx(wanted[0], rel=1e-13)
    assert wrong == pytest.approx(wanted[1], rel=1e-14)
    np.testing.assert_allclose(gradient, wanted[2][0] + l2 * theta[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(hessian, wanted[3], rtol=1e-12, atol=1e-12)


def of_kind(kind):
    """Few rows of two classes that overlap, or are separated by the last column, or are so in part."""
    X = np.array([[1.0, 2, 0], [2, -1, 1], [-1, 1, 0], [0, -2, 0], [3, 1, 2], [-2, 0, 0], [1, -1, 0], [-1, -1, 3]])
    labels = np.array([1, 1, 0, 0, 1, 1, 0, 1])
    if kind == "separated":
        X[:, 2] = labels
    if kind == "overlapping":
        X[3, 2] = X[6, 2] = 1.5
    return X, labels, np.linspace(0.5, 2, 8), np.array([0.5, 0.0, 0.0]), np.array([1.0, 0.5, 1.0])


@pytest.mark.parametrize("l2", [(0, 0, 0), (0.3, 0, 0.2), (0.3, 0.2, 0), (0.3, 0.2, 0.1)], ids=str)
@pytest.mark.parametrize("kind", ["overlapping", "separated", "separated in part"])
def test_newton_step_by_step(kind, l2, backend):
    """The same steps and the same end as the general method's."""
    rows, l2 = of_kind(kind), np.append(l2, 0.0)
    mass = float(rows[2].sum())
    general = LabelledRows(*rows[:3], 1, *rows[3:], True)
    for start in ([0.0, 0.0, 0.0, 0.0], [0.3, 0.3, 0.4, -0.1]):
        theta = np.array([start])
        for tolerance, negligible, most in (
            (1e-4, 1e-9, 30), (1e-4, 1e-9, 2), (np.inf, 1e-9, 30), (np.inf, 1e-9, 1), (0.3, 1e-2, 30), (9.0, 1e-2, 0),
        ):  # fmt: skip
            wanted = _newton.minimise(
                general.evaluate, theta, _newton.Penalty(l2, np.zeros(4)), mass=mass, tol=tolerance / mass,
                max_iter=most, negligible=negligible,
            )  # fmt: skip
            status, found, steps, value, wrong, _, _ = run_newton(
                backend, (*rows, theta), l2, tolerance=tolerance, negligible=negligible, most=most,
                highest=_newton._value_at_zero(theta, mass),
            )  # fmt: skip
            if status != ids.UNUSUAL:
                assert status == (
                    ids.SEPARATED if wanted.separated else ids.CONVERGED if wanted.converged else ids.RUNNING
                ), (tolerance, negligible, most)
                assert max(steps, 1 if wanted.converged and most else 0) == wanted.n_iter
                np.testing.assert_allclose(found, wanted.theta[0], rtol=1e-7, atol=1e-7)
                assert value == pytest.approx(wanted.last.value, rel=1e-9)
                assert wrong == pytest.approx(wanted.last.wrong, rel=1e-12)
            else:
                # curvature is lost where classes go apart, and there alone
                assert kind != "overlapping"
                assert l2[2] == 0
    if kind != "overlapping" and l2[2] == 0:
        status, theta, *_ = run_newton(backend, (*rows, np.zeros((1, 4))), l2, tolerance=1e-3, negligible=1e-7)
        assert status == ids.SEPARATED
        assert theta[2] > 5


@pytest.mark.parametrize("far", [2.0, 10.0])
def test_newton_shortens_steps(far, backend):
    """From a start where the slope is small a whole step goes too far."""
    data, l2 = two_classes(2, seed=2, noise=2.0)
    wanted = run_newton(backend, data, l2)[1]
    status, theta, steps, *_ = run_newton(backend, (*data[:-1], far * np.array([[1.0, 1.0, -1.0]])), l2)
    assert status == ids.CONVERGED
    assert steps <= 15
    np.testing.assert_allclose(theta, wanted, rtol=1e-7)


def test_newton_of_huge_weights(backend):
    """The unit of the weights and of the penalty changes nothing."""
    (*rows, weight, shift, scale, theta), l2 = two_classes(2, seed=2)
    wanted = run_newton(backend, (*rows, weight, shift, scale, theta), l2)[1]
    for part in 10.0 ** np.arange(-8, -3, 0.25):
        close_by = wanted[np.newaxis] * (1 + part)
        status, found, *_ = run_newton(backend, (*rows, weight * 2.0**60, shift, scale, close_by), l2 * 2.0**60)
        assert status in (ids.CONVERGED, ids.UNUSUAL)
        np.testing.assert_allclose(found, close_by[0] if status == ids.UNUSUAL else wanted, rtol=1e-7)


def test_newton_counts_the_penalty(backend):
    """From a start that is heavily penalised the loss rises while the objective falls."""
    data, l2 = two_classes(2, seed=2, noise=2.0)
    l2 = 500 * l2
    wanted = run_newton(backend, data, l2)[1]
    status, theta, steps, *_ = run_newton(backend, (*data[:-1], np.array([[4.0, -0.1, 0.0]])), l2)
    assert status == ids.CONVERGED
    assert steps <= 9
    np.testing.assert_allclose(theta, wanted, rtol=1e-7)


def test_newton_in_any_units(backend):
    """Columns of different sizes are no dependent columns; dependent ones are, in any units."""
    (X, labels, weight, shift, scale, theta), _ = two_classes(3, seed=5)
    wanted = run_newton(backend, (X, labels, weight, shift, scale, theta), np.zeros(4))[1]
    for units in ([1e7, 1.0, 1e-7], [1e-7, 1.0, 1e7], [1.0, 1e7, 1e-7]):
        data = X, labels, weight, shift, scale * units, theta
        status, found, *_ = run_newton(backend, data, np.zeros(4), tolerance=np.inf)
        assert status in (ids.CONVERGED, ids.SEPARATED)  # a large coefficient takes large steps
        np.testing.assert_allclose(found[:3] * units, wanted[:3], rtol=1e-6)
    # of all columns and the ones, or of the first three alone
    for p, place, count in ((4, 1, 4), (4, 3, 4), (6, 2, 3), (7, 2, 7), (7, 2, 3), (7, 6, 7), (8, 0, 3), (8, 1, 3)):
        (X, labels, weight, shift, scale, theta), _ = two_classes(p, seed=place)
        others = np.delete(np.arange(count), place)
        part = np.linspace(0.3, -0.7, count - 1)
        X[:, place] = X[:, others] @ part
        if count == 3:
            shift[place] = shift[others] @ part
        for unit in (1.0, 1e-7, 1e7):
            scale[place] = unit
            # at once, where rounding has left them some length too
            data = X, labels, weight, shift, scale, theta
            assert run_newton(backend, data, np.zeros(1 + p), most=0)[0] == ids.UNUSUAL
        # a part of its own, if small, is enough
        X[:, place] += 1e-5 * np.random.default_rng(16).standard_normal(len(X))
        assert run_newton(backend, data, np.zeros(1 + p), most=0)[0] == ids.RUNNING


def test_newton_without_steps_left(backend):
    """No step is taken; it has converged if the one that is left promises as good as nothing."""
    data, l2 = two_classes(2, seed=2)
    minimum = run_newton(backend, data, l2)[1]
    for part, wanted in ((1e-8, ids.CONVERGED), (1e-3, ids.RUNNING)):
        start = minimum[np.newaxis] * (1 + part)
        status, theta, steps, *_ = run_newton(
            backend, (*data[:-1], start), l2, tolerance=np.inf, negligible=1e-2, most=0
        )  # fmt: skip
        assert (status, steps) == (wanted, 0)
        np.testing.assert_array_equal(theta, start[0])


def test_newton_leaves_what_is_unusual(backend):
    data, l2 = two_classes(3, seed=3)
    X, labels, weight, shift, scale, theta = data
    # a column that depends on another, and has no penalty
    double = np.column_stack([X, X[:, 1]])
    more = shift[[0, 1, 2, 1]], scale[[0, 1, 2, 1]], np.zeros((1, 5))
    assert run_newton(backend, (double, labels, weight, *more), np.zeros(5))[0] == ids.UNUSUAL
    assert run_newton(backend, (double, labels, weight, *more), np.append(np.ones(4), 0.0))[0] == ids.CONVERGED
    # a column of zeros, too
    assert (
        run_newton(backend, (X * [1, 0, 1], labels, weight, shift * [1, 0, 1], scale, theta), 0 * l2)[0] == ids.UNUSUAL
    )
    # numbers that are none
    for bad in (np.nan, np.inf):
        theta = np.array([[0.0, bad, 0.0, 0.0]])
        assert run_newton(backend, (X, labels, weight, shift, scale, theta), l2)[0] == ids.UNUSUAL
    # a start that is too high
    data, _ = two_classes(3, seed=3)
    mass = weight.sum()
    assert run_newton(backend, data, l2, highest=mass * 0.693)[0] == ids.UNUSUAL
    assert run_newton(backend, data, l2, highest=mass * 0.694)[0] == ids.CONVERGED


def test_newton_of_separated_classes(backend):
    X = np.array([[-2.0], [-1.0], [1.0], [3.0]])
    data = X, (X[:, 0] > 0).astype(np.intp), None, np.zeros(1), np.ones(1), np.zeros((1, 2))
    status, theta, _, value, wrong, _, _ = run_newton(backend, data, np.zeros(2), tolerance=1e-4)
    assert status == ids.SEPARATED
    assert wrong == 0
    assert 0 < value < 1e-3
    assert theta[0] > 5
    # a penalty bounds it, and so does a row on the other side
    assert run_newton(backend, data, np.array([0.1, 0.0]), tolerance=1e-2)[0] == ids.CONVERGED
    labels = np.array([0, 1, 0, 1])
    assert run_newton(backend, (X, labels, *data[2:]), np.zeros(2))[0] == ids.CONVERGED
    # half of the columns with a penalty do not
    X = np.column_stack([X, [1.0, -1.0, -1.0, 1.0]])
    data = X, data[1], None, np.zeros(2), np.ones(2), np.zeros((1, 3))
    assert run_newton(backend, data, np.array([0.0, 0.1, 0.0]), tolerance=1e-4)[0] == ids.SEPARATED


# --------------------------------------------------------------------------------------------
# Coordinate descent
# --------------------------------------------------------------------------------------------


def sweep_by_sweep(H, g, penalty, start, tolerance, sweeps):
    """The textbook's loop: Friedman, Hastie and Tibshirani 2010, soft thresholds; all, then those that are not zero."""
    b, done, whole = start.copy(), 0, True
    while done < sweeps:
        largest = 0.0
        for j in range(len(b)):
            if H[j, j] > 0 and (whole or b[j] != 0 or penalty[j] == 0):
                u = H[j, j] * b[j] - (g[j] + H[j] @ (b - start))
                new = np.sign(u) * max(abs(u) - penalty[j], 0.0) / H[j, j]
                largest = max(largest, abs(new - b[j]) * np.sqrt(H[j, j]))
                b[j] = new
        done += 1
        if largest <= tolerance and whole:
            break
        whole = largest <= tolerance
    return b, done


def quadratic(size, seed=0):
    """A Hessian, a gradient, penalties of which some are 0, and a start."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((size + 2, size))
    penalty = rng.uniform(0.2, 2.5, size)
    penalty[::4] = 0.0
    start = rng.standard_normal(size) * (rng.uniform(size=size) < 0.6)
    return A.T @ A, rng.standard_normal(size) * 3, penalty, start


def run_descent(backend, H, g, penalty, start, tolerance, sweeps):
    size = len(g)
    b, moved = poisoned(size), poisoned(size)
    b[:-GUARD] = start
    done = load_backend(backend).coordinate_descent(
        size, H.ravel(), g.copy(), penalty.copy(), b, moved, tolerance, sweeps
    )
    return unguarded(b), unguarded(moved), done


@pytest.mark.parametrize("size", [1, 2, 5, 9, 17])
def test_coordinate_descent(size):
    H, g, penalty, start = quadratic(size, seed=size)
    results = {name: run_descent(name, H, g, penalty, start, 1e-13, 5000) for name in HERE}
    same_bits(results, rtol=1e-12)
    for b, moved, done in results.values():
        assert done < 5000
        np.testing.assert_allclose(moved, H @ (b - start), atol=1e-12)
        # Karush, Kuhn and Tucker: the slope balances the penalty, or does not reach it where b is 0
        slope = g + H @ (b - start)
        assert np.abs(slope + penalty * np.sign(b))[b != 0].max(initial=0) < 1e-10
        assert (np.abs(slope) <= penalty + 1e-10)[b == 0].all()
    if size >= 9:
        assert (b == 0).any()
        assert (b > 0).any()
        assert (b < 0).any()


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("tolerance", [0.0, 1e-3, 0.1])
def test_coordinate_descent_sweep_by_sweep(tolerance, backend):
    H, g, penalty, start = quadratic(6, seed=1)
    for sweeps in (0, 1, 2, 7, 60):
        b, moved, done = run_descent(backend, H, g, penalty, start, tolerance, sweeps)
        wanted, steps = sweep_by_sweep(H, g, penalty, start, tolerance, sweeps)
        assert done == steps
        np.testing.assert_allclose(b, wanted, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(moved, H @ (b - start), atol=1e-12)


@pytest.mark.parametrize("backend", HERE)
def test_coordinate_descent_of_whole_numbers(backend):
    """Steps of one, thresholds that are met exactly, and an end where nothing moves."""
    g, penalty = np.array([-1.0, 2.0, 3.0, -3.0, -5.0]), np.array([0.0, 1.0, 3.0, 3.0, 1.0])
    b, moved, done = run_descent(backend, np.eye(5), g, penalty, np.zeros(5), 0.0, 10)
    np.testing.assert_array_equal(b, [1.0, -1.0, 0.0, 0.0, 4.0])
    np.testing.assert_array_equal(moved, b)
    assert done == 3


@pytest.mark.parametrize("backend", HERE)
def test_coordinate_descent_leaves_flat_coordinates(backend):
    H, g, penalty, start = quadratic(4, seed=2)
    H[2] = H[:, 2] = 0.0
    start[2] = 5.0
    b, moved, _ = run_descent(backend, H, g, penalty, start, 1e-12, 1000)
    assert b[2] == 5.0
    assert moved[2] == 0.0
    others = [0, 1, 3]
    alone, _, _ = run_descent(
        backend, H[np.ix_(others, others)].copy(), g[others], penalty[others], start[others], 1e-12, 1000
    )
    np.testing.assert_array_equal(b[others], alone)


# --------------------------------------------------------------------------------------------
# Threads
# --------------------------------------------------------------------------------------------


def long_calls(kernels):
    """Calls that take some milliseconds, by their entries."""
    n, p = 20_000, 15
    X, labels, shift, scale = np.zeros((n, p)), np.zeros(n, np.intp), np.zeros(p), np.ones(p)
    rows = LabelledRows(X, labels, None, 1, shift, scale, True)
    plan = rows.plans[0].copy()
    plan[ids.PASS_FIRST], plan[ids.PASS_LAST], plan[ids.PASS_STEP] = 0, n, _row_passes.BLOCK
    room = [np.zeros(16 * 16 * 8) for _ in range(5)]
    logistic = plan, *rows.arrays, *room, np.empty(rows.work_size)
    newton = plan, *rows.arrays, np.zeros(16), 0.0, 0.0, 1, 9, *room, np.zeros(256), np.zeros(900), logistic[-1]
    plan = plan.copy()
    plan[ids.PASS_IN_PAIRS], plan[ids.PASS_WORK] = 1, 4 * 64 * 16
    cross_products = plan, X.ravel(), np.empty(0), np.empty(0), shift, scale, room[0], room[1], np.empty(5 * 64 * 16)
    m = 400
    A = np.eye(m) + 0.1
    return {
        "cross_products": lambda: kernels.cross_products(*cross_products),
        "logistic_pass": lambda: [kernels.logistic_pass(*logistic) for _ in range(4)],
        "newton": lambda: [kernels.newton(*newton) for _ in range(4)],
        "sum_pairs": lambda: kernels.sum_pairs(400, 8_000, np.zeros(6_400_000)),
        "factor": lambda: kernels.factor(m, m, m, np.zeros(m), A.ravel().copy(), np.zeros(m * m)),
        "back_substitute": lambda: kernels.back_substitute(
            m, m, A.ravel(), np.zeros(m * m), np.zeros(m), 64, np.ones(64 * m), np.zeros(64 * m)
        ),
        "least_squares": lambda: kernels.least_squares(
            m - 2,
            1,
            m,
            m,
            0.0,
            1,
            0.0,
            np.zeros(m),
            np.ones(m),
            A.ravel().copy(),
            np.zeros(m * m),
            np.zeros(m, np.intp),
            np.zeros(m),
            np.zeros(3 * m),
        ),
        "coordinate_descent": lambda: kernels.coordinate_descent(
            m, A.ravel(), np.ones(m), np.zeros(m), np.zeros(m), np.zeros(m), -1.0, 200
        ),
    }


@pytest.mark.parametrize("backend", COMPILED)
def test_kernels_release_the_gil(backend):
    """A Python thread goes on counting while each of them runs."""
    ticks = []

    def count():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0)

    calls = long_calls(load_backend(backend))
    for call in calls.values():
        call()  # compiled
    done = threading.Event()
    thread = threading.Thread(target=count)
    thread.start()
    most = {}
    for name, call in calls.items():
        # in one call of several: on a busy machine the other thread may miss some
        most[name] = 0
        for _ in range(30):
            start = time.perf_counter()
            call()
            end = time.perf_counter()
            most[name] = max(most[name], sum(start < tick < end for tick in list(ticks)))
            if most[name] > 20:
                break
            ticks.clear()
    done.set()
    thread.join()
    assert min(most.values()) > 20, most


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


# --------------------------------------------------------------------------------------------
# Pairs of doubles by NumPy
# --------------------------------------------------------------------------------------------


def numbers(smallest, largest):
    """Floats whose size lies between two, or zero."""
    sizes = st.floats(smallest, largest, allow_subnormal=False)
    return st.just(0.0) | sizes | sizes.map(lambda x: -x)


@st.composite
def pairs_of_doubles(draw):
    """High and low halves that do not overlap, in arrays."""
    high = draw(numbers(1e-100, 1e100))
    low = high * draw(st.floats(-0.5, 0.5)) * 2.0**-53
    return tuple(np.array([half]) for half in _double_double.two_sum(high, low))


def number(pair):
    return Fraction(float(pair[0][0])) + Fraction(float(pair[1][0]))


@given(numbers(5e-324, 1e300) | st.floats(-1e-300, 1e-300), numbers(5e-324, 1e300))
def test_two_sum_is_exact(a, b):
    s, e = _double_double.two_sum(a, b)
    assert s == a + b
    assert Fraction(s) + Fraction(e) == Fraction(a) + Fraction(b)


@given(numbers(1e-140, 1e140), numbers(1e-140, 1e140))
def test_two_product_is_exact(a, b):
    p, e = _double_double.two_product(a, b)
    assert p == a * b
    assert Fraction(p) + Fraction(e) == Fraction(a) * Fraction(b)


@given(pairs_of_doubles(), pairs_of_doubles())
def test_pairs_add_and_multiply(x, y):
    total, product = _double_double.add(x, y), _double_double.multiply(x, y)
    a, b = number(x), number(y)
    assert abs(number(total) - (a + b)) <= (abs(a) + abs(b)) / 2**104
    assert abs(number(product) - a * b) <= abs(a * b) / 2**102
    for high, low in (total, product):
        np.testing.assert_array_equal(high + low, high)
