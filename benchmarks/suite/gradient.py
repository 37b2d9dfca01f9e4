"""Central differences: of a network's loss by its parameters, of a function by its argument."""

from __future__ import annotations

from typing import Any

import numpy as np

import mlcore
from mlcore import reference
from mlcore.derivatives._differences import METHODS

from .common import BACKENDS, Workload


class NetworkGradient(Workload):
    params = [BACKENDS, [20, 500]]
    param_names = ["backend", "rows"]
    title = "numerical gradient of a network 4-16-1 (sigmoid), {rows} rows"

    def prepare(self, rows: int) -> None:
        random = np.random.default_rng(0)
        self.X, self.T = random.standard_normal((rows, 4)), random.standard_normal((rows, 1))
        self.network = mlcore.Network((4, 16, 1), "sigmoid", random_state=0)

    def run(self) -> Any:
        return self.network.numerical_gradient(self.X, self.T)

    def numbers(self, result: Any) -> Any:
        return result.weights, result.biases

    def reference(self) -> Any:
        network = self.network
        return reference.network_numerical_gradient(
            network.weights, network.biases, network.activations, network.loss.name, self.X, self.T
        )


class LectureGradient(NetworkGradient):
    """The course's slowest program: a step of its networks for MNIST, a single row."""

    params = [BACKENDS, [8, 30]]
    param_names = ["backend", "hidden"]
    title = "numerical gradient of the course's network 784-{hidden}-10, a row"

    def prepare(self, hidden: int) -> None:
        random = np.random.default_rng(0)
        self.X, self.T = random.uniform(0.01, 1.0, (1, 784)), np.eye(10)[[3]]
        self.network = mlcore.Network((784, hidden, 10), "sigmoid", "binary_cross_entropy", random_state=0)


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


class NumericalDerivative(Workload):
    """Of a function that Numba has compiled, against the same function in Python."""

    title = "numerical derivative of Rosenbrock's function of 500 numbers"

    def setup(self, backend: str, *sizes: Any) -> None:
        if backend != "numba":
            raise NotImplementedError("the loop over a compiled function is Numba's, whatever the backend")
        super().setup(backend, *sizes)

    def prepare(self) -> None:
        import numba

        self.x = np.random.default_rng(0).standard_normal(500)
        self.compiled = numba.njit(rosenbrock)

    def run(self) -> Any:
        return mlcore.numerical_derivative(self.compiled, self.x)

    def reference(self) -> Any:
        return reference.numerical_derivative(rosenbrock, self.x)


def banana(x):
    total = 0.0
    for i in range(x.size - 1):
        total += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return total


class CompiledFunction(NumericalDerivative):
    """Every method on a function that Numba has compiled, against the textbook's on the same function in Python."""

    params = [BACKENDS, ["numerical_derivative", *METHODS]]
    param_names = ["backend", "method"]
    title = "gradient of a function of 150 numbers, compiled: {method}"

    def prepare(self, method: str) -> None:
        import numba

        self.method, self.x = method, np.random.default_rng(0).standard_normal(150)
        self.compiled = numba.njit(banana)

    def run(self) -> Any:
        if self.method == "numerical_derivative":
            return mlcore.numerical_derivative(self.compiled, self.x)
        return mlcore.gradient(self.compiled, self.x, method=self.method)

    def reference(self) -> Any:
        return reference.numerical_derivative(banana, self.x)
