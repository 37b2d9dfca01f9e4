"""A network of dense layers: its values, its loss, and the gradient by backpropagation and by differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ._arrays import FloatArray, float_array
from .activations import ACTIVATIONS, softmax, softmax_backward
from .derivative import numerical_derivative
from .losses import LOSSES


def forward(
    weights: Sequence[npt.ArrayLike],
    biases: Sequence[npt.ArrayLike],
    activations: Sequence[str],
    X: npt.ArrayLike,
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Forward pass: ``z_l = a_(l-1) W_l + b_l`` and ``a_l = activation_l(z_l)``, ``a_0 = X``.

    Parameters
    ----------
    weights : sequence of arrays (inputs, outputs), one per layer
    biases : sequence of arrays (outputs,)
    activations : sequence of str
        Names in `ACTIVATIONS`, or "softmax" (as a rule in the last layer).
    X : array (n, inputs)

    Returns
    -------
    z_list : list of arrays (n, outputs), one per layer
    a_list : list of arrays
        One more than the layers: ``a_list[0]`` is ``X`` and ``a_list[-1]`` the network's output.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", algorithm 6.3.
    """
    z_list: list[FloatArray] = []
    a_list = [float_array(X)]
    for W, b, name in zip(weights, biases, activations, strict=True):
        z = a_list[-1] @ float_array(W) + float_array(b)
        z_list.append(z)
        a_list.append(softmax(z) if name == "softmax" else ACTIVATIONS[name].value(z))
    return z_list, a_list


def backward(
    weights: Sequence[npt.ArrayLike],
    activations: Sequence[str],
    z_list: Sequence[FloatArray],
    a_list: Sequence[FloatArray],
    output_gradient: npt.ArrayLike,
) -> tuple[list[FloatArray], list[FloatArray], FloatArray]:
    """Backpropagation of ``dL/da`` of the last layer through the layers.

    From the last layer to the first: ``delta_l = dL/da_l * activation_l'(z_l)`` (softmax:
    `softmax_backward`), ``dL/dW_l = a_(l-1)^T delta_l``, ``dL/db_l =`` the sum of the rows of
    ``delta_l``, and ``dL/da_(l-1) = delta_l W_l^T``.

    Parameters
    ----------
    weights, activations
        As in `forward`.
    z_list, a_list
        What `forward` returned.
    output_gradient : array (n, outputs)
        ``dL/dY`` at the network's output ``Y = a_list[-1]``.

    Returns
    -------
    weight_gradients, bias_gradients : list of arrays
        Of the shapes of the weights and biases, first layer first.
    input_gradient : array (n, inputs)
        ``dL/dX``.

    References
    ----------
    Rumelhart, Hinton and Williams 1986; Goodfellow, Bengio and Courville, "Deep Learning",
    algorithm 6.4.
    """
    layers = len(weights)
    weight_gradients: list[FloatArray] = [np.empty(0)] * layers
    bias_gradients: list[FloatArray] = [np.empty(0)] * layers
    gradient = float_array(output_gradient)
    for layer in reversed(range(layers)):
        if activations[layer] == "softmax":
            delta = softmax_backward(a_list[layer + 1], gradient)
        else:
            delta = gradient * ACTIVATIONS[activations[layer]].derivative(z_list[layer])
        weight_gradients[layer] = a_list[layer].T @ delta
        bias_gradients[layer] = np.sum(delta, axis=0)
        gradient = delta @ float_array(weights[layer]).T
    return weight_gradients, bias_gradients, gradient


def network_loss(
    weights: Sequence[npt.ArrayLike],
    biases: Sequence[npt.ArrayLike],
    activations: Sequence[str],
    loss: str,
    X: npt.ArrayLike,
    T: npt.ArrayLike,
    **options: Any,
) -> float:
    """Loss of a network's output on ``X`` against the targets ``T``.

    Parameters
    ----------
    weights, biases, activations, X
        As in `forward`.
    loss : str
        Name in `LOSSES`.
    T : array (n, outputs), or (n,) for one output
    **options
        Options of the loss: ``reduction``, ``epsilon``, ``sample_weight``, ``threshold``.

    Returns
    -------
    float
    """
    _, a_list = forward(weights, biases, activations, X)
    return LOSSES[loss].value(T, a_list[-1], **options)


def network_gradient(
    weights: Sequence[npt.ArrayLike],
    biases: Sequence[npt.ArrayLike],
    activations: Sequence[str],
    loss: str,
    X: npt.ArrayLike,
    T: npt.ArrayLike,
    **options: Any,
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Gradient of `network_loss` in every weight and bias, by backpropagation.

    Parameters
    ----------
    weights, biases, activations, loss, X, T, **options
        As in `network_loss`.

    Returns
    -------
    weight_gradients, bias_gradients : list of arrays
        Of the shapes of the weights and biases, first layer first.
    """
    z_list, a_list = forward(weights, biases, activations, X)
    output_gradient = LOSSES[loss].gradient(T, a_list[-1], **options)
    weight_gradients, bias_gradients, _ = backward(weights, activations, z_list, a_list, output_gradient)
    return weight_gradients, bias_gradients


def numerical_gradient_of_one(
    which: Literal["weight", "bias"],
    layer: int,
    weights: Sequence[npt.ArrayLike],
    biases: Sequence[npt.ArrayLike],
    loss_of: Callable[[list[npt.ArrayLike], list[npt.ArrayLike]], float],
    delta: float,
) -> FloatArray:
    """Numerical derivative of the loss in one layer's weights or biases."""

    def loss_at(changed: FloatArray) -> float:
        changed_weights, changed_biases = list(weights), list(biases)
        if which == "weight":
            changed_weights[layer] = changed
        else:
            changed_biases[layer] = changed
        return loss_of(changed_weights, changed_biases)

    point = weights[layer] if which == "weight" else biases[layer]
    return numerical_derivative(loss_at, float_array(point), delta)


def network_numerical_gradient(
    weights: Sequence[npt.ArrayLike],
    biases: Sequence[npt.ArrayLike],
    activations: Sequence[str],
    loss: str,
    X: npt.ArrayLike,
    T: npt.ArrayLike,
    delta: float = 1e-4,
    **options: Any,
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Gradient of `network_loss` in every weight and bias, by `numerical_derivative`.

    Parameters
    ----------
    weights, biases, activations, loss, X, T, **options
        As in `network_loss`.
    delta : float
        Step of the central difference.

    Returns
    -------
    weight_gradients, bias_gradients : list of arrays
        Of the shapes of the weights and biases, first layer first.
    """

    def loss_of(some_weights: list[npt.ArrayLike], some_biases: list[npt.ArrayLike]) -> float:
        return network_loss(some_weights, some_biases, activations, loss, X, T, **options)

    layers = range(len(weights))
    return (
        [numerical_gradient_of_one("weight", k, weights, biases, loss_of, delta) for k in layers],
        [numerical_gradient_of_one("bias", k, weights, biases, loss_of, delta) for k in layers],
    )
