"""Predictions of a network."""

from __future__ import annotations

from typing import Any

import numpy as np

import mlcore
from mlcore import reference

from .common import BACKENDS, Workload


class Forward(Workload):
    params = [BACKENDS, [1, 10_000]]
    param_names = ["backend", "rows"]
    title = "forward pass of a network 32-64-64-10 (ReLU), {rows} rows"
    peer_name = "NumPy"

    def prepare(self, rows: int) -> None:
        self.X = np.random.default_rng(0).standard_normal((rows, 32))
        self.network = mlcore.Network((32, 64, 64, 10), "relu", random_state=0)
        self.layers = [(W.copy(), b.copy()) for W, b in zip(self.network.weights, self.network.biases, strict=True)]

    def run(self) -> Any:
        return self.network.forward(self.X)

    def reference(self) -> Any:
        network = self.network
        return reference.forward(network.weights, network.biases, network.activations, self.X)[1][-1]

    def peer(self) -> Any:
        a = self.X
        for W, b in self.layers[:-1]:
            a = a @ W
            a += b
            np.maximum(a, 0.0, out=a)
        W, b = self.layers[-1]
        return a @ W + b
