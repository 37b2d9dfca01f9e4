"""Exact products, least squares and the logistic loss, by hand, by NumPy and by differences."""

import math
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mlcore import reference
from mlcore.reference import numerical_derivative


def test_exact_products_by_hand():
    assert reference.exact_products([[1.0, 2.0], [3.0, -4.0]]) == [[10, -10], [-10, 20]]
    assert reference.exact_products([[1.0, 2.0], [3.0, -4.0]], [2.0, 0.5]) == [[6.5, -2], [-2, 16]]
    # what doubles would round away
    assert reference.exact_products([[1e20], [1.0], [Fraction(1, 3)]]) == [[10**40 + 1 + Fraction(1, 9)]]
    assert reference.exact_products(np.empty((0, 2))) == [[0, 0], [0, 0]]
    assert reference.exact_products(np.empty((3, 0))) == []


def test_exact_solution_by_hand():
    hilbert = [[Fraction(1, i + j + 1) for j in range(3)] for i in range(3)]
    inverse = reference.exact_solution(hilbert, np.eye(3))
    assert inverse == [[9, -36, 30], [-36, 192, -180], [30, -180, 180]]
    # rows must be exchanged
    assert reference.exact_solution([[0, 2], [4, 0]], [[1], [1]]) == [[Fraction(1, 4)], [Fraction(1, 2)]]
    assert reference.exact_solution([[0.1]], [[0.3, 0.1]]) == [[Fraction(0.3) / Fraction(0.1), 1]]
    with pytest.raises(ValueError, match="singular"):
        reference.exact_solution([[1, 2], [2, 4]], [[0], [0]])


def test_least_squares_by_hand():
    # the line through (0, 1), (1, 2), (2, 2): slope 1 / 2, through the means 1 and 5 / 3
    W, b = reference.least_squares([[0.0], [1.0], [2.0]], [1.0, 2.0, 2.0])
    assert W.tolist() == [[0.5]]
    assert b.tolist() == [7 / 6]
    W, b = reference.least_squares([[0.0], [1.0], [2.0]], [1.0, 2.0, 2.0], fit_intercept=False)
    assert W.tolist() == [[1.2]]
    assert b.tolist() == [0.0]
    # a penalty of the centred squares' own size halves the slope, and leaves the means alone
    W, b = reference.least_squares([[0.0], [1.0], [2.0]], [1.0, 2.0, 2.0], alpha=2.0)
    assert W.tolist() == [[0.25]]
    assert b.tolist() == [17 / 12]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.75])
def test_least_squares_against_numpy(alpha, fit_intercept):
    generator = np.random.default_rng(8)
    X, T = generator.normal(size=(9, 3)), generator.normal(size=(9, 2))
    weight = generator.uniform(0.5, 2.0, size=9)
    W, b = reference.least_squares(X, T, sample_weight=weight, fit_intercept=fit_intercept, alpha=alpha)
    # the penalty as three more rows
    rows = np.vstack([np.column_stack([np.ones(9) * fit_intercept, X]), np.eye(4)[1:]])
    root = np.sqrt(np.append(weight, [alpha] * 3))[:, np.newaxis]
    wanted = np.linalg.lstsq(root * rows, root * np.vstack([T, np.zeros((3, 2))]), rcond=None)[0]
    assert_allclose(W, wanted[1:], rtol=1e-12)
    assert_allclose(b, wanted[0], rtol=1e-12, atol=1e-15)


def test_least_squares_weights_repeat_rows_and_one_dimension_is_one_column():
    X, t = np.arange(8.0).reshape(4, 2) ** 2, np.array([1.0, 0.0, 2.0, 5.0])
    ours = reference.least_squares(X, t, sample_weight=[1, 2, 0, 3])
    repeated = reference.least_squares(X[[0, 1, 1, 3, 3, 3]], t[[0, 1, 1, 3, 3, 3], np.newaxis])
    for one, other in zip(ours, repeated, strict=True):
        assert_array_equal(one, other)


def test_least_norm_by_hand():
    # x, 2 x and a constant: of all slopes b_1 + 2 b_2 = 5 the shortest
    X = [[0.0, 0.0, 3.0], [1.0, 2.0, 3.0], [2.0, 4.0, 3.0]]
    W, b, rank = reference.least_norm(X, [1.0, 6.0, 11.0])
    assert_allclose(W, [[1.0], [2.0], [0.0]], rtol=1e-15)
    assert_allclose(b, [1.0], rtol=1e-15)
    assert rank == 1
    W, b, rank = reference.least_norm([[3.0, 4.0]], [50.0], fit_intercept=False)
    assert_allclose(W, [[6.0], [8.0]], rtol=1e-15)
    assert (b.tolist(), rank) == ([0.0], 1)
    W, b, rank = reference.least_norm([[3.0, 4.0]], [[50.0, 1.0]])
    assert (W.tolist(), b.tolist(), rank) == ([[0.0, 0.0], [0.0, 0.0]], [50.0, 1.0], 0)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(9, 3), (4, 6)])
def test_least_norm_against_numpy(shape, fit_intercept):
    generator = np.random.default_rng(8)
    X, T, weight = generator.normal(size=shape), generator.normal(size=(shape[0], 2)), generator.uniform(1, 2, shape[0])
    W, b, rank = reference.least_norm(X, T, sample_weight=weight, fit_intercept=fit_intercept)
    means = [np.average(part, axis=0, weights=weight) * fit_intercept for part in (X, T)]
    root = np.sqrt(weight)[:, np.newaxis]
    assert_allclose(W, np.linalg.lstsq(root * (X - means[0]), root * (T - means[1]))[0], rtol=1e-12)
    assert_allclose(b, means[1] - means[0] @ W, rtol=1e-12)
    assert rank == min(shape[0] - fit_intercept, shape[1])


def test_least_squares_of_dependent_columns():
    X, t = [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]], [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="singular"):
        reference.least_squares(X, t)
    W, _ = reference.least_squares(X, t, fit_intercept=False, alpha=70.0)
    assert_allclose(W, [[0.1], [0.2]], rtol=1e-15)


def test_logistic_loss_by_hand():
    X = np.array([[1.0, 2.0], [3.0, -1.0]])
    value, gradient, hessian = reference.logistic_loss([[0.0, 0.0]], X, [1, 0], sample_weight=[1.0, 4.0])
    assert value == pytest.approx(5 * math.log(2), rel=1e-15)
    assert_allclose(gradient, [[-0.5 + 6.0, -1.0 - 2.0]], rtol=1e-15)
    assert_allclose(hessian, [[0.25 + 9.0, 0.5 - 3.0], [0.5 - 3.0, 1.0 + 1.0]], rtol=1e-15)
    # three classes of the same probability
    value, gradient, hessian = reference.logistic_loss(np.zeros((3, 1)), [[3.0]], [2])
    assert value == pytest.approx(math.log(3), rel=1e-15)
    assert_allclose(gradient, [[1.0], [1.0], [-2.0]], rtol=1e-15)
    assert_allclose(hessian, [[2.0, -1.0, -1.0], [-1.0, 2.0, -1.0], [-1.0, -1.0, 2.0]], rtol=1e-15)


@pytest.mark.parametrize("outputs", [1, 2, 4])
def test_logistic_loss_by_differences(outputs):
    generator = np.random.default_rng(9)
    X, theta = generator.normal(size=(6, 3)), generator.normal(size=(outputs, 3))
    labels = np.array([0, 1, max(outputs, 2) - 1, 0, 1, 1])
    options = {"sample_weight": np.arange(6.0)}
    _, gradient, hessian = reference.logistic_loss(theta, X, labels, **options)
    numerical = numerical_derivative(lambda t: reference.logistic_loss(t, X, labels, **options)[0], theta)
    assert gradient.shape == theta.shape
    assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-7)
    for k in range(theta.size):
        numerical = numerical_derivative(
            lambda t, k=k: reference.logistic_loss(t, X, labels, **options)[1].flat[k], theta
        )
        assert_allclose(hessian[k], numerical.ravel(), rtol=1e-6, atol=1e-7)


def test_one_theta_is_two_of_which_the_first_is_zero():
    generator = np.random.default_rng(10)
    X, theta, labels = generator.normal(size=(5, 2)), generator.normal(size=2), [0, 1, 1, 0, 1]
    one = reference.logistic_loss([theta], X, labels)
    two = reference.logistic_loss([np.zeros(2), theta], X, labels)
    assert one[0] == two[0]
    assert_array_equal(one[1], two[1][1:])
    assert_array_equal(one[2], two[2][2:, 2:])


def test_logistic_loss_far_out():
    value, gradient, hessian = reference.logistic_loss([[1.0]], [[1e3], [-1e3], [40.0]], [0, 0, 1])
    assert value == pytest.approx(1000.0, rel=1e-15)
    assert_allclose(gradient, [[1000.0]], rtol=1e-15)
    assert_allclose(hessian, [[1600 * math.exp(-40)]], rtol=1e-14)
    _, gradient, _ = reference.logistic_loss([[1.0]], [[40.0]], [1])
    assert_allclose(gradient, [[-40 * math.exp(-40)]], rtol=1e-14)
