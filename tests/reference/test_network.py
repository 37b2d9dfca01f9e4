"""Forward and back, by hand and by differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mlcore import reference
from mlcore.reference import LOSSES, numerical_derivative

from .problems import SAMPLE_WEIGHT, network


def test_forward_by_hand():
    weights = [np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([[3.0], [1.0]])]
    biases = [np.array([0.5, 0.0]), np.array([-1.0])]
    X = np.array([[1.0, 2.0], [-1.0, 0.0]])
    z_list, a_list = reference.forward(weights, biases, ["relu", "identity"], X)
    assert_array_equal(z_list[0], [[5.5, 0.0], [-0.5, 1.0]])
    assert_array_equal(a_list[0], X)
    assert_array_equal(a_list[1], [[5.5, 0.0], [0.0, 1.0]])
    assert_array_equal(a_list[2], [[15.5], [0.0]])
    assert len(z_list) == 2


@pytest.mark.parametrize(
    ("sizes", "activations", "loss"),
    [
        ((2, 3, 1), ("sigmoid", "sigmoid"), "binary_cross_entropy"),
        ((2, 3, 1), ("tanh", "identity"), "mean_squared_error"),
        ((2, 3, 1), ("gelu", "softplus"), "poisson"),
        ((4, 5, 3), ("tanh", "softmax"), "categorical_cross_entropy"),
        ((4, 5, 3), ("silu", "softmax"), "mean_squared_error"),
        ((4, 5, 4, 3), ("elu", "softplus", "identity"), "root_mean_squared_error"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"reduction": "sum", "sample_weight": SAMPLE_WEIGHT + 1}])
def test_backpropagation_against_differences(sizes, activations, loss, options):
    weights, biases = network(sizes)
    generator = np.random.default_rng(4)
    X = generator.normal(size=(5, sizes[0]))
    if loss == "categorical_cross_entropy":
        T = np.eye(sizes[-1])[generator.integers(0, sizes[-1], size=5)]
    else:
        T = generator.integers(0, 2, size=(5, sizes[-1])).astype(float)
    arguments = (weights, biases, activations, loss, X, T)
    exact_weights, exact_biases = reference.network_gradient(*arguments, **options)
    weight_gradients, bias_gradients = reference.network_numerical_gradient(*arguments, **options)
    for exact, numerical, parameter in zip(
        exact_weights + exact_biases,
        weight_gradients + bias_gradients,
        weights + biases,
        strict=True,
    ):
        assert exact.shape == parameter.shape
        assert_allclose(exact, numerical, rtol=1e-5, atol=1e-7)
    assert max(np.max(np.abs(g)) for g in exact_weights) > 1e-3


def test_input_gradient():
    weights, biases = network((4, 5, 3))
    generator = np.random.default_rng(5)
    X, T = generator.normal(size=(3, 4)), np.eye(3)
    activations, loss = ("sigmoid", "softmax"), "categorical_cross_entropy"
    z_list, a_list = reference.forward(weights, biases, activations, X)
    output_gradient = LOSSES[loss].gradient(T, a_list[-1])
    _, _, gradient = reference.backward(weights, activations, z_list, a_list, output_gradient)
    numerical = numerical_derivative(lambda x: reference.network_loss(weights, biases, activations, loss, x, T), X)
    assert_allclose(gradient, numerical, atol=1e-8)
