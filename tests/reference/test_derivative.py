"""The numerical derivative: the course's digits and rules, by the reference and by mlcore's own."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import mlcore
from mlcore import reference


@pytest.fixture(params=[reference, mlcore], ids=["reference", "mlcore"])
def numerical_derivative(request):
    return request.param.numerical_derivative


def two_variables(v):
    x, y = v[0], v[1]
    return 2 * x + 3 * x * y + np.power(y, 3)


def four_variables(v):
    w, x, y, z = v[0, 0], v[0, 1], v[1, 0], v[1, 1]
    return w * x + x * y * z + 3 * w + z * np.power(y, 2)


def test_derivative_of_one_variable_digit_for_digit(numerical_derivative):
    derivative = numerical_derivative(lambda x: x**2, 3.0)
    assert type(derivative) is float
    assert derivative == 6.000000000012662


def test_derivative_of_two_variables_digit_for_digit(numerical_derivative):
    derivative = numerical_derivative(two_variables, np.array([1.0, 2.0]))
    assert derivative.tolist() == [7.999999999990237, 15.000000010019221]


def test_derivative_of_four_variables_digit_for_digit(numerical_derivative):
    derivative = numerical_derivative(four_variables, np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert derivative.tolist() == [
        [5.000000000023874, 13.00000000000523],
        [32.00000000006753, 15.000000000000568],
    ]


def test_integers_are_differentiated_as_floats(numerical_derivative):
    assert numerical_derivative(lambda x: x**2, 3) == 6.000000000012662
    x = np.array([[1, 2], [3, 4]])
    derivative = numerical_derivative(four_variables, x)
    assert derivative.dtype == np.float64
    assert_array_equal(derivative, numerical_derivative(four_variables, x.astype(float)))
    assert_array_equal(x, [[1, 2], [3, 4]])
    assert numerical_derivative(two_variables, [1, 2]).tolist() == [
        7.999999999990237,
        15.000000010019221,
    ]


@pytest.mark.parametrize("order", ["C", "F"])
def test_shape_is_kept(numerical_derivative, order):
    x = np.asarray(np.arange(24.0).reshape(2, 3, 4), order=order)
    derivative = numerical_derivative(lambda v: np.sum(v**2), x)
    assert derivative.shape == (2, 3, 4)
    assert_allclose(derivative, 2 * x, atol=1e-6)
    point = np.array(3.0)
    derivative = numerical_derivative(lambda v: v**2, point)
    assert isinstance(derivative, np.ndarray)
    assert derivative.shape == ()


def test_a_function_that_returns_its_argument(numerical_derivative):
    assert_allclose(numerical_derivative(lambda v: v, np.array(2.0)), 1.0)
    assert_allclose(numerical_derivative(lambda v: v.reshape(()), np.array([2.0])), [1.0])


def test_every_element_is_restored_before_the_next_moves(numerical_derivative):
    points = []

    def keeps(v):
        points.append(v.copy())
        return 0.0

    numerical_derivative(keeps, np.array([1.0, 2.0]), 0.5)
    assert_array_equal(points, [[1.5, 2.0], [0.5, 2.0], [1.0, 2.5], [1.0, 1.5]])


@pytest.mark.parametrize("x", [0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (lambda x: 7.0 + 0 * x, lambda x: 0.0),
        (lambda x: 4 * x, lambda x: 4.0),
        (lambda x: 3 * x**2, lambda x: 6 * x),
        (lambda x: 2 * x**5, lambda x: 10 * x**4),
        (lambda x: 5 * x**-2, lambda x: -10 * x**-3),
        (np.exp, np.exp),
        (np.log, lambda x: 1 / x),
        (lambda x: np.exp(-x), lambda x: -np.exp(-x)),
        (lambda x: 3 * x**2 + np.exp(x) + 7, lambda x: 6 * x + np.exp(x)),
        (lambda x: np.log(x) + 1 / x, lambda x: 1 / x - 1 / x**2),
    ],
)
def test_rules_of_differentiation(numerical_derivative, f, derivative, x):
    # The error is f''' delta^2 / 6; the third derivatives here stay below 4000.
    assert_allclose(numerical_derivative(f, x), derivative(x), rtol=0, atol=7e-6)


def test_the_error_falls_with_the_square_of_delta(numerical_derivative):
    def error(delta):
        return abs(numerical_derivative(np.exp, 1.0, delta) - math.e)

    assert_allclose(error(1e-2) / error(1e-3), 100, rtol=1e-2)


@pytest.mark.parametrize(("x", "y"), [(1.0, 2.0), (-1.0, 0.5), (0.0, 0.0), (3.0, -2.0)])
def test_partial_derivatives(numerical_derivative, x, y):
    derivative = numerical_derivative(two_variables, np.array([x, y]))
    assert_allclose(derivative, [2 + 3 * y, 3 * x + 3 * y**2], rtol=0, atol=1e-7)
