"""Training: exclusive or, one step by hand, batches and weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mlcore import reference

from .problems import network

XOR_X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


XOR_T = np.array([[0.0], [1.0], [1.0], [0.0]])


XOR = (("sigmoid", "sigmoid"), "binary_cross_entropy", XOR_X, XOR_T)


def test_training_learns_exclusive_or():
    weights, biases = network((2, 4, 1))
    losses = reference.train(weights, biases, *XOR, learning_rate=0.1, epochs=300, rule="adam")
    assert len(losses) == 300
    assert losses[-1] < 0.05 < losses[0]
    assert losses[-1] == reference.network_loss(weights, biases, *XOR)
    _, a_list = reference.forward(weights, biases, XOR[0], XOR_X)
    assert_array_equal(a_list[-1] > 0.5, XOR_T == 1)


@pytest.mark.parametrize("update", ["joint", "sequential"])
def test_training_by_differences_follows_backpropagation(update):
    results = []
    for gradient in ("backpropagation", "numerical"):
        weights, biases = network((2, 3, 1))
        losses = reference.train(weights, biases, *XOR, learning_rate=1.0, epochs=5, update=update, gradient=gradient)
        results.append((losses, weights, biases))
    assert_allclose(results[0][0], results[1][0], rtol=1e-6)
    for exact, numerical in zip(results[0][1] + results[0][2], results[1][1] + results[1][2], strict=True):
        assert_allclose(exact, numerical, atol=1e-6)


def train_by_hand(update):
    """One step on ``y = ((x w1 + b1) w2 + b2)``, written out: x = 2, t = 1, loss (y - t)^2."""
    w1, b1, w2, b2, rate = 0.5, 0.1, -0.3, 0.2, 0.1

    def error():
        return 2 * ((2 * w1 + b1) * w2 + b2 - 1)

    if update == "joint":
        e, hidden = error(), 2 * w1 + b1
        w1, b1, w2 = w1 - rate * e * w2 * 2, b1 - rate * e * w2, w2 - rate * e * hidden
        b2 -= rate * e
    else:
        w1 -= rate * error() * w2 * 2
        b1 -= rate * error() * w2
        w2 -= rate * error() * (2 * w1 + b1)
        b2 -= rate * error()
    return w1, b1, w2, b2, (error() / 2) ** 2


@pytest.mark.parametrize("gradient", ["backpropagation", "numerical"])
@pytest.mark.parametrize("update", ["joint", "sequential"])
def test_one_step_by_hand(update, gradient):
    first, second = np.array([[0.5]]), np.array([[-0.3]])
    weights, biases = [first, second], [np.array([0.1]), np.array([0.2])]
    losses = reference.train(
        weights,
        biases,
        ("identity", "identity"),
        "mean_squared_error",
        [[2.0]],
        [[1.0]],
        learning_rate=0.1,
        epochs=1,
        update=update,
        gradient=gradient,
    )
    w1, b1, w2, b2, loss = train_by_hand(update)
    assert_allclose(np.ravel(weights), [w1, w2], rtol=1e-9)
    assert_allclose(np.ravel(biases), [b1, b2], rtol=1e-9)
    assert_allclose(losses, [loss], rtol=1e-9)
    assert first[0, 0] == 0.5  # the array that was given stays as it is
    assert second[0, 0] == -0.3


def test_batches_and_sample_weights():
    batches = [[[0, 1], [2, 3]], [[3, 0], [1, 2]]]
    sample_weight = np.array([1.0, 2.0, 0.5, 1.0])
    weights, biases = network((2, 3, 1))
    losses = reference.train(
        weights, biases, *XOR, learning_rate=0.5, epochs=2, batches=batches,
        sample_weight=sample_weight, rule="momentum", rule_options={"momentum": 0.5},
    )  # fmt: skip

    expected, velocity = network((2, 3, 1)), None
    expected_losses = []
    for epoch in batches:
        for rows in epoch:
            gradients = reference.network_gradient(
                *expected, *XOR[:2], XOR_X[rows], XOR_T[rows], sample_weight=sample_weight[rows]
            )
            if velocity is None:
                velocity = [[np.zeros_like(g) for g in group] for group in gradients]
            velocity = [
                [0.5 * v - 0.5 * g for v, g in zip(*pair, strict=True)]
                for pair in zip(velocity, gradients, strict=True)
            ]
            expected = tuple(
                [p + v for p, v in zip(*pair, strict=True)] for pair in zip(expected, velocity, strict=True)
            )
        expected_losses.append(reference.network_loss(*expected, *XOR, sample_weight=sample_weight))
    assert_allclose(losses, expected_losses, rtol=1e-12)
    for ours, theirs in zip(weights + biases, expected[0] + expected[1], strict=True):
        assert_allclose(ours, theirs, rtol=1e-12)


def test_mistaken_training_is_refused():
    for wrong in ({"update": "together"}, {"gradient": "exact"}):
        with pytest.raises(ValueError, match="not"):
            reference.train(*network((2, 3, 1)), *XOR, learning_rate=1.0, epochs=1, **wrong)
