"""Central differences: of a network's loss by its parameters, of a function by its argument."""

from __future__ import annotations

from typing import Any

import numpy as np

import mlcore
from mlcore import reference

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
            network.weights, network.biases, network.activations, "mean_squared_error", self.X, self.T
        )


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


class NumericalDerivative(Workload):
    """Of a function that Numba has compiled, against the same function in Python."""

    title = "numerical derivative of Rosenbrock's function of 500 numbers"

    def setup(self, backend: str) -> None:
        if backend != "numba":
            raise NotImplementedError("the loop over a compiled function is Numba's, whatever the backend")
        super().setup(backend)

    def prepare(self) -> None:
        import numba

        self.x = np.random.default_rng(0).standard_normal(500)
        self.compiled = numba.njit(rosenbrock)

    def run(self) -> Any:
        return mlcore.numerical_derivative(self.compiled, self.x)

    def reference(self) -> Any:
        return reference.numerical_derivative(rosenbrock, self.x)
