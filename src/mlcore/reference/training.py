"""A training loop, and the dropout of a layer's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ._arrays import FloatArray, IntegerArray, float_array
from .network import network_gradient, network_loss, network_numerical_gradient, numerical_gradient_of_one
from .updates import UPDATES, State


def _mix(bits: int, width: int, steps: Sequence[tuple[int, int]]) -> int:
    for shift, factor in steps:
        bits = (bits ^ (bits >> shift)) * factor % 2**width
    return bits


def dropout_mask(seed: int, step: int, layer: int, rows: int, units: int, probability: float) -> FloatArray:
    """What inverted dropout multiplies a layer's activations by: 0, or 1 / (1 - p) with the probability 1 - p.

    A counter-based stream: each number is a function of its place alone, so no draw shifts another. A key is mixed from
    (seed, step, layer, row) by SplitMix64's finaliser, and a number from (key, unit) by a 32-bit one; the unit stays if
    its 24 leading bits, as a fraction, are at least p.

    Parameters
    ----------
    seed, step, layer : int
        Steps and layers are counted from 1.
    rows, units : int
    probability : float
        In [0, 1), rounded to a multiple of 2**-24.

    Returns
    -------
    array of shape (rows, units)

    References
    ----------
    Srivastava and others 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    long_steps = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
    short_steps = ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1))
    p = round(probability * 2**24) / 2**24
    mask = np.zeros((rows, units))
    for row in range(rows):
        key = _mix((seed + 0x9E3779B97F4A7C15) % 2**64, 64, long_steps)
        key = _mix((key + step) % 2**64, 64, long_steps)
        key = _mix((key + (layer << 40) + row) % 2**64, 64, long_steps) >> 32
        for unit in range(units):
            bits = _mix((key + unit * 0x9E3779B9) % 2**32, 32, short_steps)
            mask[row, unit] = 1.0 / (1.0 - p) if (bits >> 8) / 2**24 >= p else 0.0
    return mask


def train(
    weights: list[FloatArray],
    biases: list[FloatArray],
    activations: Sequence[str],
    loss: str,
    X: npt.ArrayLike,
    T: npt.ArrayLike,
    *,
    learning_rate: float,
    epochs: int,
    gradient: Literal["backpropagation", "numerical"] = "backpropagation",
    update: Literal["joint", "sequential"] = "joint",
    rule: str = "sgd",
    rule_options: Mapping[str, Any] | None = None,
    batches: Sequence[Sequence[npt.ArrayLike]] | None = None,
    delta: float = 1e-4,
    sample_weight: npt.ArrayLike | None = None,
    **options: Any,
) -> list[float]:
    """Train a network.

    A joint update takes the gradient in all weights and biases at one point and then changes them
    all.  A sequential update goes layer by layer, first to last, weights before biases, and takes
    each gradient anew with everything before it already changed.

    Parameters
    ----------
    weights, biases : list of arrays
        Starting point.  The entries of both lists are replaced by the trained arrays; the arrays
        that were given stay as they are.
    activations, loss, X, T
        As in `network_loss`.
    learning_rate : float
    epochs : int
    gradient : {"backpropagation", "numerical"}
        `network_gradient`, or `network_numerical_gradient` with the step ``delta``.
    update : {"joint", "sequential"}
    rule : str
        Name in `UPDATES`.
    rule_options : mapping, optional
        Further arguments of the rule, such as ``momentum``.
    batches : sequence, optional
        For each epoch the sequence of its batches, each an array of row indices.  By default
        every epoch is one batch of all rows.
    delta : float
        Step of the numerical derivative.
    sample_weight : array (n,), optional
    **options
        Options of the loss: ``reduction``, ``epsilon``, ``threshold``.

    Returns
    -------
    list of float
        The loss on all rows after each epoch.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", chapters 6 and 8.
    """
    if gradient not in ("backpropagation", "numerical"):
        raise ValueError(f"gradient is 'backpropagation' or 'numerical', not {gradient!r}")
    if update not in ("joint", "sequential"):
        raise ValueError(f"update is 'joint' or 'sequential', not {update!r}")
    X, T = float_array(X), float_array(T)
    row_weight = np.ones(len(X)) if sample_weight is None else float_array(sample_weight)
    layers = range(len(weights))
    weight_states: list[State] = [{} for _ in layers]
    bias_states: list[State] = [{} for _ in layers]

    def step(parameter: FloatArray, its_gradient: FloatArray, state: State) -> FloatArray:
        return UPDATES[rule](parameter, its_gradient, state, learning_rate=learning_rate, **(rule_options or {}))

    def loss_on(rows: IntegerArray, some_weights: Sequence[Any], some_biases: Sequence[Any]) -> float:
        return network_loss(
            some_weights,
            some_biases,
            activations,
            loss,
            X[rows],
            T[rows],
            sample_weight=row_weight[rows],
            **options,
        )

    def gradients(rows: IntegerArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """Gradient in all weights and biases, the parameters being as they are now."""
        now = weights, biases, activations, loss, X[rows], T[rows]
        more = {"sample_weight": row_weight[rows], **options}
        if gradient == "numerical":
            return network_numerical_gradient(*now, delta=delta, **more)
        return network_gradient(*now, **more)

    def gradient_in(which: Literal["weight", "bias"], layer: int, rows: IntegerArray) -> FloatArray:
        """Gradient in one layer's weights or biases, the parameters being as they are now."""
        if gradient == "numerical":
            return numerical_gradient_of_one(which, layer, weights, biases, lambda w, b: loss_on(rows, w, b), delta)
        return gradients(rows)[0 if which == "weight" else 1][layer]

    all_rows = np.arange(len(X))
    losses: list[float] = []
    for epoch in range(epochs):
        for batch in [all_rows] if batches is None else batches[epoch]:
            rows = np.asarray(batch, dtype=np.int64)
            if update == "joint":
                weight_gradients, bias_gradients = gradients(rows)
                for layer in layers:
                    weights[layer] = step(weights[layer], weight_gradients[layer], weight_states[layer])
                    biases[layer] = step(biases[layer], bias_gradients[layer], bias_states[layer])
            else:
                for layer in layers:
                    weight_gradient = gradient_in("weight", layer, rows)
                    weights[layer] = step(weights[layer], weight_gradient, weight_states[layer])
                    bias_gradient = gradient_in("bias", layer, rows)
                    biases[layer] = step(biases[layer], bias_gradient, bias_states[layer])
        losses.append(loss_on(all_rows, weights, biases))
    return losses
