"""Optimizers for hand-made loops: the textbook's steps, the fit's steps, and refusals."""

import numpy as np
import pytest

import mlcore
from mlcore import optimizers, reference

X = np.array([[0.5, -1.0], [1.5, 2.0], [-0.5, 0.25]])
T = np.array([[1.0], [0.0], [1.0]])
MAKE = {
    "sgd": (lambda net: optimizers.SGD(net, 0.05), {}),
    "momentum": (lambda net: optimizers.Momentum(net, 0.05, momentum=0.8), {"momentum": 0.8}),
    "nesterov": (lambda net: optimizers.Momentum(net, 0.05, 0.8, nesterov=True), {"momentum": 0.8}),
    "adam": (lambda net: optimizers.Adam(net, 0.05, 0.8, 0.95, 1e-6), {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-6}),
    "adamw": (lambda net: optimizers.AdamW(net, 0.05, weight_decay=0.1), {"weight_decay": 0.1}),
}


@pytest.mark.parametrize("name", optimizers.RULES)
def test_steps(backend, name):
    make, more = MAKE[name]
    net = mlcore.Network((2, 3, 1), ("tanh", "identity"), random_state=0)
    by_fit = mlcore.Network((2, 3, 1), ("tanh", "identity"), random_state=0)
    by_fit.fit(X, T, epochs=4, optimizer=name, learning_rate=0.05, shuffle=False, **more)
    wanted = [part.copy() for part in (*net.weights, *net.biases)]
    states = [{} for _ in wanted]
    optimizer = make(net)
    for _ in range(4):
        gradient = net.loss_and_gradient(X, T)[1]
        optimizer.step(gradient)
        wanted = [
            reference.UPDATES[name](p, g, s, learning_rate=0.05, **more)
            for p, g, s in zip(wanted, (*gradient.weights, *gradient.biases), states, strict=True)
        ]
    for got, want, fitted in zip((*net.weights, *net.biases), wanted, (*by_fit.weights, *by_fit.biases), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(got, fitted, rtol=1e-12, atol=1e-14)


def test_learning_rate_may_change():
    net = mlcore.Network((2, 1), ("identity",), random_state=0)
    optimizer = optimizers.SGD(net, 0.1)
    before, gradient = net.flat.copy(), net.loss_and_gradient(X, T)[1]
    optimizer.learning_rate = 0.3
    optimizer.step(gradient)
    np.testing.assert_allclose(net.flat, before - 0.3 * gradient.flat)
    assert "0.3" in repr(optimizer)


@pytest.mark.parametrize(
    "make",
    [
        lambda net: optimizers.SGD(net, 0),
        lambda net: optimizers.Momentum(net, 0.1, momentum=1.0),
        lambda net: optimizers.Adam(net, beta_2=1.5),
        lambda net: optimizers.Adam(net, epsilon=0),
        lambda net: optimizers.AdamW(net, weight_decay=-1),
    ],
)
def test_bad_settings(make):
    with pytest.raises(ValueError, match="must"):
        make(mlcore.Network((2, 1)))


def test_bad_gradients_move_nothing():
    net, other = mlcore.Network((2, 1), random_state=0), mlcore.Network((2, 20), random_state=0)
    optimizer = optimizers.Adam(net)
    before = net.flat.copy()
    with pytest.raises(ValueError, match="this very network"):
        optimizer.step(other.backward(X, np.ones((3, 20))))
    gradient = net.loss_and_gradient(X, T)[1]
    gradient.flat[0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        optimizer.step(gradient)
    np.testing.assert_array_equal(net.flat, before)


def test_a_gradient_of_another_network_of_equal_length():
    net, other = mlcore.Network((2, 3, 1), random_state=0), mlcore.Network((2, 3, 2), random_state=0)
    assert net.flat.size == other.flat.size
    with pytest.raises(ValueError, match="this very network"):
        optimizers.SGD(net).step(other.backward(X, np.ones((3, 2))))


def test_a_read_only_gradient():
    net = mlcore.Network((2, 1), random_state=0)
    gradient = net.loss_and_gradient(X, T)[1]
    gradient.flat.flags.writeable = False
    before = net.flat.copy()
    optimizers.SGD(net, 0.5).step(gradient)
    np.testing.assert_allclose(net.flat, before - 0.5 * gradient.flat)
