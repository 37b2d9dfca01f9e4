"""Whole fits: gradient descent for the linear models, and networks by both gradients."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any

import numpy as np

import mlcore
from mlcore import reference

from .common import BACKENDS, Workload

RATE = 0.1
DELTA = 1e-4


class _Descent(Workload):
    """Gradient descent from zero on all rows; "numerical" is the gradient by central differences."""

    params = [BACKENDS, [("numerical", 50, 4), ("numerical", 500, 10), ("backprop", 500, 10)]]
    param_names = ["backend", "case"]  # gradient, rows, columns
    peer_name = "NumPy, vectorised"
    epochs = 200
    activation = ""
    loss = ""

    def prepare(self, case: tuple[str, int, int]) -> None:
        self.gradient, rows, columns = case
        random = np.random.default_rng(0)
        self.X = random.standard_normal((rows, columns))
        self.y = self.answers(self.X @ random.standard_normal(columns) + random.standard_normal(rows))
        self.with_ones = np.column_stack([self.X, np.ones(rows)])

    def numbers(self, result: Any) -> Any:
        return result.coef_, result.intercept_

    def reference(self) -> Any:
        weights, biases = [np.zeros((self.X.shape[1], 1))], [np.zeros(1)]
        network = (weights, biases, [self.activation], self.loss, self.X, self.y.reshape(-1, 1))
        if self.gradient == "numerical":
            reference.train(*network, learning_rate=RATE, epochs=self.epochs, gradient="numerical")
        else:
            for _ in range(self.epochs):
                (weight_gradient,), (bias_gradient,) = reference.network_gradient(*network)
                weights[0] = reference.sgd_update(weights[0], weight_gradient, {}, learning_rate=RATE)
                biases[0] = reference.sgd_update(biases[0], bias_gradient, {}, learning_rate=RATE)
        return weights, biases

    def peer(self) -> Any:
        w = np.zeros(self.with_ones.shape[1])
        steps = DELTA * np.eye(len(w))
        for _ in range(self.epochs):
            if self.gradient == "numerical":
                # all the moved parameters at once, one a column
                moved = self.losses(self.with_ones @ np.hstack([w[:, np.newaxis] + steps, w[:, np.newaxis] - steps]))
                w -= RATE * (moved[: len(w)] - moved[len(w) :]) / (2 * DELTA)
            else:
                w -= RATE * self.with_ones.T @ self.slopes(self.with_ones @ w) / len(self.X)
        return w

    @abstractmethod
    def answers(self, z: np.ndarray) -> np.ndarray:
        """What is to be learnt."""

    @abstractmethod
    def losses(self, Z: np.ndarray) -> np.ndarray:
        """The mean loss of each column of scores."""

    @abstractmethod
    def slopes(self, z: np.ndarray) -> np.ndarray:
        """The derivative of each row's loss by its score."""


class LinearTraining(_Descent):
    title = "linear regression, {case[1]} rows of {case[2]}, 200 steps by {case[0]} gradient"
    activation = "identity"
    loss = "mean_squared_error"

    def run(self) -> Any:
        return mlcore.LinearRegression(
            solver="gradient_descent", gradient=self.gradient, learning_rate=RATE, max_iter=self.epochs
        ).fit(self.X, self.y)

    def answers(self, z: np.ndarray) -> np.ndarray:
        return z

    def losses(self, Z: np.ndarray) -> np.ndarray:
        return np.mean((Z - self.y[:, np.newaxis]) ** 2, axis=0)

    def slopes(self, z: np.ndarray) -> np.ndarray:
        return 2.0 * (z - self.y)


class LogisticTraining(_Descent):
    title = "logistic regression, {case[1]} rows of {case[2]}, 200 steps by {case[0]} gradient"
    activation = "sigmoid"
    loss = "binary_cross_entropy"

    def run(self) -> Any:
        return mlcore.LogisticRegression(
            solver="gradient_descent", gradient=self.gradient, learning_rate=RATE, max_iter=self.epochs, C=np.inf
        ).fit(self.X, self.y)

    def answers(self, z: np.ndarray) -> np.ndarray:
        return (z > 0.0).astype(float)

    def losses(self, Z: np.ndarray) -> np.ndarray:
        P = 1.0 / (1.0 + np.exp(-Z))
        y = self.y[:, np.newaxis]
        return -np.mean(y * np.log(P) + (1.0 - y) * np.log(1.0 - P), axis=0)

    def slopes(self, z: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-z)) - self.y


class NetworkTraining(Workload):
    """By central differences, layer by layer: the weights, then the bias at what the weights have become."""

    title = "network 4-8-1 (sigmoid), 100 rows, 20 epochs by numerical gradients, layer by layer"
    epochs = 20

    def prepare(self) -> None:
        random = np.random.default_rng(0)
        self.X, self.T = random.standard_normal((100, 4)), random.standard_normal((100, 1))
        self.network = mlcore.Network((4, 8, 1), "sigmoid", random_state=0)
        self.start = self.network.flat.copy()

    def run(self) -> Any:
        self.network.flat[:] = self.start
        return self.network.fit(
            self.X,
            self.T,
            epochs=self.epochs,
            learning_rate=RATE,
            shuffle=False,
            gradient="numerical",
            update="sequential",
            delta=DELTA,
        )

    def numbers(self, result: Any) -> Any:
        return [array.copy() for array in (*result.weights, *result.biases)]

    def reference(self) -> Any:
        weights, biases = self.network.layout.views(self.start.copy())
        reference.train(
            weights,
            biases,
            self.network.activations,
            "mean_squared_error",
            self.X,
            self.T,
            learning_rate=RATE,
            epochs=self.epochs,
            gradient="numerical",
            update="sequential",
            delta=DELTA,
        )
        return weights, biases


class BackPropagation(Workload):
    """scikit-learn's estimator: by mlcore, by the formulas, and by scikit-learn, from the same start."""

    title = "MLPRegressor 16-32-32-1 (ReLU, Adam), 500 rows, 10 epochs in batches of 32"
    peer_name = "scikit-learn"
    options = {
        "hidden_layer_sizes": (32, 32),
        "alpha": 0.0,
        "batch_size": 32,
        "shuffle": False,
        "max_iter": 10,
        "tol": 0.0,
        "random_state": 0,
    }

    def prepare(self) -> None:
        warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
        random = np.random.default_rng(0)
        self.X, self.y = random.standard_normal((500, 16)), random.standard_normal(500)
        self.start = mlcore.Network((16, 32, 32, 1), "relu", random_state=0)

    def run(self) -> Any:
        return mlcore.MLPRegressor(**self.options).fit(self.X, self.y)

    def numbers(self, result: Any) -> Any:
        return result.coefs_, result.intercepts_

    def reference(self) -> Any:
        weights, biases, activations = list(self.start.weights), list(self.start.biases), self.start.activations
        states = [[{} for _ in weights], [{} for _ in biases]]
        T = self.y.reshape(-1, 1)
        size = self.options["batch_size"]
        for _ in range(self.options["max_iter"]):
            for first in range(0, len(self.X), size):
                batch = slice(first, first + size)
                gradients = reference.network_gradient(
                    weights, biases, activations, "mean_squared_error", self.X[batch], T[batch]
                )
                for parameters, their_gradients, their_states in zip((weights, biases), gradients, states, strict=True):
                    for k, gradient in enumerate(their_gradients):
                        # scikit-learn's squared error is half of it
                        parameters[k] = reference.adam_update(
                            parameters[k], gradient / 2.0, their_states[k], learning_rate=0.001
                        )
        return weights, biases

    def peer(self) -> Any:
        from sklearn.neural_network import MLPRegressor

        return self.numbers(MLPRegressor(**self.options).fit(self.X, self.y))
