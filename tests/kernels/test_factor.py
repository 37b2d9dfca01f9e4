"""Cholesky's factor and back substitution in pairs of doubles, against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from conftest import HERE

from mlcore import reference

from .arguments import fractions, pair, run_factor, run_solve, same_bits, split


def gram(rows):
    """Exact products of columns, as pairs of doubles and as the fractions that these are."""
    high, low = split(np.array(reference.exact_products(rows), object))
    return high, low, pair(high, low)


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


def test_dependent_columns_become_rows_of_zeros(backend):
    high, low, matrix = gram(dependent())
    rank, *R = run_factor(backend, high, low, 10, 1e-25 * high.diagonal()[:10])
    assert rank == 8
    for half in R:
        assert not half[[3, 8]].any()
    check_factor(matrix, *R, 10)
    independent = [0, 1, 2, 4, 5, 6, 7, 9]
    assert (R[0].diagonal()[independent] > 0).all()


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


def test_solutions_of_pairs(backend):
    """The low halves of the matrix count: solutions of products that no double holds."""
    rows = np.random.default_rng(7).standard_normal((14, 12)) / 3
    high, low, matrix = gram(rows)
    found = run_solve(backend, high, low, 10, np.zeros(10))
    wanted = np.array(reference.exact_solution(matrix[:10, :10], matrix[:10, 10:]), object)
    assert (np.abs(pair(*found) - wanted) <= np.abs(wanted).max() / 10**26).all()


def test_solutions_without_the_dependent_columns(backend):
    high, low, matrix = gram(dependent())
    found = pair(*run_solve(backend, high, low, 10, np.zeros(10), 1e-25 * high.diagonal()[:10]))
    kept = [0, 1, 2, 4, 5, 6, 7, 9]
    wanted = reference.exact_solution(matrix[np.ix_(kept, kept)], matrix[kept, 10:])
    assert (np.abs(found[kept] - wanted) <= Fraction(1, 10**25)).all()
    assert not found[[3, 8]].any()
