"""Activations at known points, their slopes by differences, and far out."""

import math
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mlcore import reference
from mlcore.reference import ACTIVATIONS, numerical_derivative

AWAY_FROM_KINKS = np.array([-6.0, -2.5, -1.0, -0.3, -0.01, 0.01, 0.4, 1.0, 2.5, 6.0])


def test_names_of_the_activations():
    assert set(ACTIVATIONS) == {
        "identity",
        "relu",
        "leaky_relu",
        "elu",
        "gelu",
        "silu",
        "tanh",
        "sigmoid",
        "softplus",
        "exponential",
    }


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_derivative_by_differences(name):
    value, derivative = ACTIVATIONS[name]
    numerical = [numerical_derivative(value, float(z)) for z in AWAY_FROM_KINKS]
    assert_allclose(derivative(AWAY_FROM_KINKS), numerical, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_keeps_the_shape_and_the_argument(name):
    z = np.array([[-1.0, 0.0, 2.0], [3.0, -4.0, 0.5]])
    before = z.copy()
    for function in ACTIVATIONS[name]:
        result = function(z)
        assert result.shape == z.shape
        assert result.dtype == np.float64
        assert not np.shares_memory(result, z)
        assert_array_equal(z, before)
        assert_array_equal(function(np.array([[1, 2]])), function(np.array([[1.0, 2.0]])))


@pytest.mark.parametrize(
    ("name", "z", "value", "derivative"),
    [
        ("identity", -2.5, -2.5, 1.0),
        ("relu", 0.0, 0.0, 0.0),
        ("relu", -3.0, 0.0, 0.0),
        ("relu", 3.0, 3.0, 1.0),
        ("leaky_relu", 0.0, 0.0, 0.01),
        ("leaky_relu", -3.0, -0.03, 0.01),
        ("elu", 0.0, 0.0, 1.0),
        ("elu", -1.0, -0.6321205588285577, 0.36787944117144233),
        ("elu", -1e-12, -1e-12 + 5e-25, 1.0 - 1e-12),
        ("gelu", 1.0, 0.8413447460685429, 1.083315470587686),
        ("gelu", -10.0, -7.619853024160527e-23, 7.619853024160527e-24 - 7.694598626706419e-22),
        ("silu", 1.0, 0.7310585786300049, 0.9276705118714866),
        ("silu", -600.0, -600 * math.exp(-600), -599 * math.exp(-600)),
        ("tanh", 0.5, 0.46211715726000973, 0.7864477329659274),
        ("tanh", 100.0, 1.0, 4 * math.exp(-200)),
        ("sigmoid", 0.0, 0.5, 0.25),
        ("sigmoid", -700.0, math.exp(-700), math.exp(-700)),
        ("sigmoid", 700.0, 1.0, math.exp(-700)),
        ("softplus", 0.0, math.log(2.0), 0.5),
        ("softplus", -50.0, math.exp(-50), math.exp(-50)),
        ("softplus", 800.0, 800.0, 1.0),
        ("exponential", 2.0, math.exp(2), math.exp(2)),
    ],
)
def test_activation_at_known_points(name, z, value, derivative):
    assert_allclose(ACTIVATIONS[name].value(z), value, rtol=1e-13)
    assert_allclose(ACTIVATIONS[name].derivative(z), derivative, rtol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_stable_far_out(name):
    z = np.linspace(-1e3, 1e3, 2001)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            results = [function(z) for function in ACTIVATIONS[name]]
    for result in results:
        if name == "exponential":
            assert not np.any(np.isnan(result))
            assert np.all(np.isinf(result) == (z > math.log(sys.float_info.max)))
        else:
            assert np.all(np.isfinite(result))


def test_softmax():
    a = reference.softmax([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    e = np.exp([1.0, 2.0, 3.0])
    assert_allclose(a, [e / e.sum(), [1 / 3] * 3], rtol=1e-14)
    with np.errstate(all="raise", under="ignore"):
        far = reference.softmax([[1e3, -1e3, 1e3], [-1e3, -1e3, -2e3]])
    assert_allclose(far, [[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def test_softmax_backward_by_differences():
    generator = np.random.default_rng(0)
    z, d = generator.normal(size=(2, 3, 4))
    backward = reference.softmax_backward(reference.softmax(z), d)
    numerical = numerical_derivative(lambda v: np.sum(reference.softmax(v) * d), z)
    assert_allclose(backward, numerical, atol=1e-8)
    assert np.max(np.abs(backward)) > 0.01
