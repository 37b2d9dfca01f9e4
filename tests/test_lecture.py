"""The course's own runs, replayed through the public names to every figure its notebooks print."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import ROOT

import mlcore

RUNS = json.loads((ROOT / "tests" / "data" / "lecture_runs.json").read_text())


@pytest.mark.parametrize("name", RUNS)
def test_printed_trajectories(name):
    """One central difference a parameter, W first and then b with the new W; every printed error, W and b to 5e-6."""
    run = RUNS[name]
    X, T = np.array(run["X"]), np.array(run["t"]).reshape(-1, 1)
    if run["loss"] == "mse":
        activation, loss = "identity", mlcore.losses.mean_squared_error
    else:
        assert run["loss"] == "cross_entropy_sum"
        activation = "sigmoid"
        loss = mlcore.losses.binary_cross_entropy.with_options(reduction="sum", epsilon=run["log_delta"])
    net = mlcore.Network((X.shape[1], 1), activations=(activation,), loss=loss)
    net.weights[0][:, 0], net.biases[0][:] = run["initial"]["W"], run["initial"]["b"]
    assert net.loss_value(X, T) == pytest.approx(run["initial"]["error"], rel=1e-6)
    done = 0
    for printed in run["recorded"]:
        steps = printed["step"] + 1 - done  # the line of step k is printed after its update
        net.fit(X, T, epochs=steps, learning_rate=run["learning_rate"], gradient="numerical", update="sequential")
        done += steps
        np.testing.assert_allclose(net.weights[0][:, 0], printed["W"], rtol=0, atol=5e-6)
        np.testing.assert_allclose(net.biases[0], printed["b"], rtol=0, atol=5e-6)
        assert net.loss_value(X, T) == pytest.approx(printed["error"], rel=5e-6, abs=1e-9)
    assert len(run["recorded"]) > 20


GATES = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ANSWERS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}
SUMMED = mlcore.losses.binary_cross_entropy.with_options(reduction="sum", epsilon=1e-7)


def trained(gate, hidden, seed=0):
    sizes = (2, *hidden, 1)
    net = mlcore.Network(sizes, ["sigmoid"] * (len(sizes) - 1), SUMMED, random_state=seed)
    T = np.array(ANSWERS[gate], float).reshape(-1, 1)
    net.fit(GATES, T, epochs=20_000, learning_rate=0.1, gradient="numerical", update="sequential")
    return net, T


@pytest.mark.parametrize("gate", ["AND", "OR", "NAND"])
def test_one_layer_learns(gate):
    net, T = trained(gate, ())
    np.testing.assert_array_equal(net.forward(GATES) > 0.5, T > 0.5)
    assert net.loss_value(GATES, T) < 0.1


def test_one_layer_does_not_learn_xor():
    net, T = trained("XOR", ())
    assert net.loss_value(GATES, T) == pytest.approx(4 * np.log(2), abs=1e-4)


def test_a_hidden_layer_learns_xor():
    net, T = trained("XOR", (4,))
    np.testing.assert_array_equal(net.forward(GATES) > 0.5, T > 0.5)
    assert net.loss_value(GATES, T) < 0.1


def test_linear_regression_of_the_course():
    """The estimators' gradient descent, by differences and by back-propagation, ends where the course's ends."""
    run = RUNS["simple_linear"]
    X, y = np.array(run["X"]), np.array(run["t"])
    for gradient in ("numerical", "backprop"):
        model = mlcore.LinearRegression(
            solver="gradient_descent", learning_rate=0.01, max_iter=8000, gradient=gradient
        ).fit(X, y)
        assert model.coef_[0] == pytest.approx(1.0, abs=1e-6)
        assert model.intercept_ == pytest.approx(1.0, abs=1e-6)
        assert model.n_iter_ == 8000


def test_logistic_regression_of_the_course():
    run = RUNS["simple_logistic"]
    X, y = np.array(run["X"]), np.array(run["t"], int)
    models = [
        mlcore.LogisticRegression(
            C=np.inf, solver="gradient_descent", learning_rate=0.1, max_iter=20_000, gradient=gradient
        ).fit(X, y)
        for gradient in ("numerical", "backprop")
    ]
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-6)
    for model in models:
        np.testing.assert_array_equal(model.predict([[13.0], [11.0], [31.0], [3.0], [3.5]]), [1, 0, 1, 0, 0])
