"""The networks that are trained, their data, and the weights they start from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Network:
    """ReLU in the hidden layers; one output is a number by its squared error, several are classes by softmax."""

    sizes: tuple[int, ...]
    rows: int  # a multiple of the batch: nobody has a short batch
    batch: int
    solver: str  # "adam", or "sgd": plain, without momentum
    rate: float
    whole_job: int = 0  # steps whose seconds are worth a row of their own

    @property
    def title(self) -> str:
        solver = {"adam": "Adam", "sgd": "SGD"}[self.solver]
        return f"{'-'.join(map(str, self.sizes))}, {solver}, batch {self.batch}"

    @property
    def has_classes(self) -> bool:
        return self.sizes[-1] > 1

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.rows // self.batch

    @property
    def operations(self) -> int:
        """Floating-point operations of the matrix products of one step.

        Forward, the gradient of the weights, and above the first layer the gradient of the inputs: a multiplication and
        an addition for each weight and row.
        """
        weights = [inputs * outputs for inputs, outputs in pairwise(self.sizes)]
        return (6 * sum(weights) - 2 * weights[0]) * self.batch

    def data(self, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows, and what a random linear map says of them: its value, or the number of its largest output."""
        random = np.random.default_rng(0)
        inputs, outputs = self.sizes[0], self.sizes[-1]
        X = random.standard_normal((self.rows, inputs)).astype(dtype)
        Y = X @ (random.standard_normal((inputs, outputs)) / math.sqrt(inputs)).astype(dtype)
        return X, Y.argmax(axis=1) if self.has_classes else Y.ravel()

    def start(self, dtype: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and biases as scikit-learn and mlcore draw them for ``random_state=0``."""
        random = np.random.RandomState(0)
        layers = []
        for inputs, outputs in pairwise(self.sizes):
            bound = math.sqrt(6.0 / (inputs + outputs))
            weights = random.uniform(-bound, bound, (inputs, outputs))
            layers.append((weights.astype(dtype), random.uniform(-bound, bound, outputs).astype(dtype)))
        return layers


NETWORKS = (
    Network((4, 16, 1), rows=2048, batch=32, solver="sgd", rate=0.02),
    Network((20, 64, 32, 1), rows=5120, batch=32, solver="adam", rate=0.001),
    Network((64, 100, 10), rows=1792, batch=64, solver="adam", rate=0.001),
    Network((784, 100, 10), rows=12_800, batch=64, solver="adam", rate=0.001),
    Network((100, 512, 512, 10), rows=5120, batch=256, solver="adam", rate=0.001),
    Network((784, 100, 10), rows=2048, batch=1, solver="sgd", rate=0.001, whole_job=60_000),
)

# what a new process fits first: small, so that the time is that of getting ready
FIRST = NETWORKS[1]
