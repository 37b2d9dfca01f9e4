"""Activation functions and their derivatives, by name in `ACTIVATIONS`; softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._arrays import FloatArray, float_array


class Activation(NamedTuple):
    """An elementwise activation: ``a = value(z)`` and ``da/dz = derivative(z)``, both of ``z``."""

    value: Callable[[npt.ArrayLike], FloatArray]
    derivative: Callable[[npt.ArrayLike], FloatArray]


LEAKY_SLOPE = 0.01
"""Slope of the leaky rectifier at and below zero."""

_complementary_error_function = np.vectorize(math.erfc, otypes=[float])


def identity(z: npt.ArrayLike) -> FloatArray:
    """Identity: ``z``."""
    return float_array(z).copy()


def identity_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of the identity: 1."""
    return np.ones_like(float_array(z))


def relu(z: npt.ArrayLike) -> FloatArray:
    """Rectified linear unit: ``max(z, 0)`` (Nair and Hinton 2010)."""
    return np.asarray(np.maximum(float_array(z), 0.0))


def relu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of ReLU: 1 above zero, 0 at and below zero."""
    return np.where(float_array(z) > 0, 1.0, 0.0)


def leaky_relu(z: npt.ArrayLike) -> FloatArray:
    """Leaky rectifier: ``z`` above zero, ``0.01 z`` elsewhere (Maas et al. 2013)."""
    z = float_array(z)
    return np.where(z > 0, z, LEAKY_SLOPE * z)


def leaky_relu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of the leaky rectifier: 1 above zero, 0.01 at and below zero."""
    return np.where(float_array(z) > 0, 1.0, LEAKY_SLOPE)


def elu(z: npt.ArrayLike) -> FloatArray:
    """Exponential linear unit, alpha 1: ``z`` above zero, ``e^z - 1`` elsewhere.

    Source: Clevert et al. 2016.
    """
    z = float_array(z)
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0.0)))


def elu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of ELU: 1 above zero, ``e^z`` elsewhere."""
    return np.asarray(np.exp(np.minimum(float_array(z), 0.0)))


def _normal_distribution(z: FloatArray) -> FloatArray:
    """Standard normal distribution function: ``Phi(z) = erfc(-z / sqrt(2)) / 2``."""
    return np.asarray(0.5 * _complementary_error_function(-z / math.sqrt(2.0)), dtype=float)


def gelu(z: npt.ArrayLike) -> FloatArray:
    """Gaussian error linear unit, exact: ``z Phi(z)`` (Hendrycks and Gimpel 2016)."""
    z = float_array(z)
    return np.asarray(z * _normal_distribution(z))


def gelu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of GELU: ``Phi(z) + z phi(z)``, ``phi`` the standard normal density."""
    z = float_array(z)
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return np.asarray(_normal_distribution(z) + z * density)


def sigmoid(z: npt.ArrayLike) -> FloatArray:
    """Logistic function: ``1 / (1 + e^-z)``, written with ``e^-|z|`` to keep both tails."""
    z = float_array(z)
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def sigmoid_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of the logistic function: ``s (1 - s) = e^-|z| / (1 + e^-|z|)^2``."""
    e = np.exp(-np.abs(float_array(z)))
    return np.asarray(e / (1.0 + e) ** 2)


def silu(z: npt.ArrayLike) -> FloatArray:
    """Sigmoid linear unit: ``z sigmoid(z)`` (Elfwing et al. 2018)."""
    z = float_array(z)
    return np.asarray(z * sigmoid(z))


def silu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of SiLU: ``s (1 + z (1 - s))`` with ``1 - s = sigmoid(-z)``."""
    z = float_array(z)
    return np.asarray(sigmoid(z) * (1.0 + z * sigmoid(-z)))


def tanh(z: npt.ArrayLike) -> FloatArray:
    """Hyperbolic tangent."""
    return np.asarray(np.tanh(float_array(z)))


def tanh_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of tanh: ``1 - tanh(z)^2 = 4 e^-2|z| / (1 + e^-2|z|)^2``, exact in the tails."""
    e = np.exp(-2.0 * np.abs(float_array(z)))
    return np.asarray(4.0 * e / (1.0 + e) ** 2)


def softplus(z: npt.ArrayLike) -> FloatArray:
    """Softplus: ``log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)`` (Dugas et al. 2001)."""
    z = float_array(z)
    return np.asarray(np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))))


def softplus_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of softplus: the logistic function."""
    return sigmoid(z)


def exponential(z: npt.ArrayLike) -> FloatArray:
    """Exponential: ``e^z``; infinity, without a warning, where ``z`` exceeds about 709.78."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(float_array(z)))


def exponential_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of the exponential: ``e^z``."""
    return exponential(z)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, identity_derivative),
    "relu": Activation(relu, relu_derivative),
    "leaky_relu": Activation(leaky_relu, leaky_relu_derivative),
    "elu": Activation(elu, elu_derivative),
    "gelu": Activation(gelu, gelu_derivative),
    "silu": Activation(silu, silu_derivative),
    "tanh": Activation(tanh, tanh_derivative),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "softplus": Activation(softplus, softplus_derivative),
    "exponential": Activation(exponential, exponential_derivative),
}
"""Elementwise activations by name."""


def softmax(z: npt.ArrayLike) -> FloatArray:
    """Softmax of each row: ``a_j = e^(z_j - m) / sum_k e^(z_k - m)``, ``m`` the row's maximum.

    Parameters
    ----------
    z : array (..., q)

    Returns
    -------
    array (..., q)
        Positive numbers that sum to 1 along the last axis.

    References
    ----------
    Bridle 1990; Bishop, "Pattern Recognition and Machine Learning", equation 4.104.
    """
    z = float_array(z)
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return np.asarray(e / np.sum(e, axis=-1, keepdims=True))


def softmax_backward(a: npt.ArrayLike, d: npt.ArrayLike) -> FloatArray:
    """Gradient before softmax: ``dL/dz_j = a_j (d_j - sum_k a_k d_k)`` in each row.

    Parameters
    ----------
    a : array (..., q)
        The softmax itself.
    d : array (..., q)
        ``dL/da``.

    Returns
    -------
    array (..., q)

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", equation 4.106.
    """
    a, d = float_array(a), float_array(d)
    return np.asarray(a * (d - np.sum(a * d, axis=-1, keepdims=True)))
