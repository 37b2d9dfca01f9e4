"""Losses on predictions and their gradients, by name in `LOSSES`; the losses of adversarial networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ._arrays import TINY, FloatArray, as_rows, float_array


class Loss(NamedTuple):
    """A loss and its gradient in the prediction.

    Both are called as ``(y_true, y_pred, *, reduction="mean", epsilon=0.0, sample_weight=None)``;
    the Huber loss takes ``threshold=1.0`` besides.

    * ``y_true`` and ``y_pred`` are (n, q); one dimension (n,) is read as (n, 1).  The gradient has
      the shape of ``y_pred``.
    * ``reduction="sum"`` adds every element's loss.  ``"mean"`` divides that sum by the number of
      elements ``n q``; for the categorical cross-entropy by the number of rows ``n``.  The root
      mean squared error is the square root of either.
    * ``sample_weight`` (n,) multiplies each row's loss, and its sum takes the place of ``n``.
    * ``epsilon`` is added inside the logarithms of the losses that have one.
    """

    value: Callable[..., float]
    gradient: Callable[..., FloatArray]


Reduction: TypeAlias = Literal["mean", "sum"]


def _log(x: FloatArray) -> FloatArray:
    """Logarithm of at least ``TINY``: ``log(max(x, TINY))``."""
    return np.asarray(np.log(np.maximum(x, TINY)))


def _log_derivative(x: FloatArray) -> FloatArray:
    """Derivative that goes with ``_log``: ``1 / max(x, TINY)``, never infinite."""
    return np.asarray(1.0 / np.maximum(x, TINY))


def _true_and_predicted(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    true, predicted = as_rows(y_true), as_rows(y_pred)
    if true.shape != predicted.shape:
        raise ValueError(f"y_true is {true.shape} but y_pred is {predicted.shape}")
    return true, predicted


def _weights_and_divisor(
    n: int, elements_per_row: int, reduction: Reduction, sample_weight: npt.ArrayLike | None
) -> tuple[FloatArray, float]:
    """Return each row's weight as a column (n, 1), and what the weighted sum is divided by."""
    weight = np.ones(n) if sample_weight is None else float_array(sample_weight)
    if weight.shape != (n,):
        raise ValueError(f"sample_weight is {weight.shape} but there are {n} rows")
    if reduction == "sum":
        divisor = 1.0
    elif reduction == "mean":
        divisor = float(np.sum(weight)) * elements_per_row
    else:
        raise ValueError(f"reduction is 'mean' or 'sum', not {reduction!r}")
    return weight.reshape(-1, 1), divisor


def _loss_of_elements(
    element: Callable[..., FloatArray],
    element_derivative: Callable[..., FloatArray],
    *,
    mean_over_rows: bool = False,
) -> Loss:
    """Build the loss that adds or averages one function ``(true, predicted, epsilon)``."""

    def value(
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        *,
        reduction: Reduction = "mean",
        epsilon: float = 0.0,
        sample_weight: npt.ArrayLike | None = None,
        **options: float,
    ) -> float:
        true, predicted = _true_and_predicted(y_true, y_pred)
        n, q = true.shape
        weight, divisor = _weights_and_divisor(n, 1 if mean_over_rows else q, reduction, sample_weight)
        losses = element(true, predicted, epsilon, **options)
        return float(np.sum(weight * losses) / divisor)

    def gradient(
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        *,
        reduction: Reduction = "mean",
        epsilon: float = 0.0,
        sample_weight: npt.ArrayLike | None = None,
        **options: float,
    ) -> FloatArray:
        true, predicted = _true_and_predicted(y_true, y_pred)
        n, q = true.shape
        weight, divisor = _weights_and_divisor(n, 1 if mean_over_rows else q, reduction, sample_weight)
        # A large target over a logarithm at its least argument may exceed the largest float64.
        with np.errstate(over="ignore"):
            derivatives = element_derivative(true, predicted, epsilon, **options)
            return np.asarray(weight * derivatives / divisor).reshape(np.shape(y_pred))

    return Loss(value, gradient)


def absolute_error(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Absolute error of each element: ``|p - t|``."""
    return np.asarray(np.abs(predicted - true))


def absolute_error_derivative(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Derivative of the absolute error: ``sign(p - t)``, 0 where they are equal."""
    return np.asarray(np.sign(predicted - true))


def squared_error(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Squared error of each element: ``(p - t)^2``."""
    return np.asarray((predicted - true) ** 2)


def squared_error_derivative(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Derivative of the squared error: ``2 (p - t)``."""
    return np.asarray(2.0 * (predicted - true))


def huber_error(true: FloatArray, predicted: FloatArray, epsilon: float, threshold: float = 1.0) -> FloatArray:
    """Huber's function of ``e = p - t`` (Huber 1964).

    ``e^2 / 2`` where ``|e| <= threshold``, else ``threshold (|e| - threshold / 2)``.
    """
    e = predicted - true
    linear = threshold * (np.abs(e) - threshold / 2)
    return np.where(np.abs(e) <= threshold, 0.5 * e**2, linear)


def huber_error_derivative(
    true: FloatArray, predicted: FloatArray, epsilon: float, threshold: float = 1.0
) -> FloatArray:
    """Derivative of Huber's function: ``e``, or ``threshold sign(e)`` beyond the threshold."""
    e = predicted - true
    return np.where(np.abs(e) <= threshold, e, threshold * np.sign(e))


def poisson_half_deviance(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Half the Poisson deviance: ``t log(t / (p + epsilon)) - t + p``, with ``0 log 0 = 0``.

    Source: McCullagh and Nelder, "Generalized Linear Models", section 2.3.
    """
    return np.asarray(true * (_log(true) - _log(predicted + epsilon)) - true + predicted)


def poisson_half_deviance_derivative(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Derivative of half the Poisson deviance: ``1 - t / (p + epsilon)``."""
    return np.asarray(1.0 - true * _log_derivative(predicted + epsilon))


def binary_cross_entropy(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Binary cross-entropy: ``-(t log(p + epsilon) + (1 - t) log(1 - p + epsilon))``.

    Source: Bishop, "Pattern Recognition and Machine Learning", equation 5.21.
    """
    return np.asarray(-(true * _log(predicted + epsilon) + (1.0 - true) * _log(1.0 - predicted + epsilon)))


def binary_cross_entropy_derivative(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Derivative of it: ``-t / (p + epsilon) + (1 - t) / (1 - p + epsilon)``."""
    return np.asarray(
        -true * _log_derivative(predicted + epsilon) + (1.0 - true) * _log_derivative(1.0 - predicted + epsilon)
    )


def categorical_cross_entropy(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Each class's term of the cross-entropy: ``-t log(p + epsilon)``.

    Source: Bishop, "Pattern Recognition and Machine Learning", equation 5.24.
    """
    return np.asarray(-true * _log(predicted + epsilon))


def categorical_cross_entropy_derivative(true: FloatArray, predicted: FloatArray, epsilon: float) -> FloatArray:
    """Derivative of it: ``-t / (p + epsilon)``."""
    return np.asarray(-true * _log_derivative(predicted + epsilon))


_SQUARED_ERROR = _loss_of_elements(squared_error, squared_error_derivative)


def root_mean_squared_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, **options: Any) -> float:
    """Square root of the mean (``reduction="sum"``: of the sum) of ``(p - t)^2``.

    Parameters
    ----------
    y_true, y_pred : array (n, q) or (n,)
    **options
        ``reduction``, ``epsilon`` and ``sample_weight`` as in `Loss`.

    Returns
    -------
    float
    """
    return math.sqrt(_SQUARED_ERROR.value(y_true, y_pred, **options))


def root_mean_squared_error_gradient(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, **options: Any) -> FloatArray:
    """Gradient of it by the chain rule: ``d sqrt(m) = dm / (2 sqrt(m))``; zeros where ``m`` is 0.

    Parameters
    ----------
    y_true, y_pred : array (n, q) or (n,)
    **options
        ``reduction``, ``epsilon`` and ``sample_weight`` as in `Loss`.

    Returns
    -------
    array of the shape of ``y_pred``
    """
    root = root_mean_squared_error(y_true, y_pred, **options)
    gradient = _SQUARED_ERROR.gradient(y_true, y_pred, **options)
    if root == 0.0:
        return np.zeros_like(gradient)
    return np.asarray(gradient / (2.0 * root))


LOSSES: dict[str, Loss] = {
    "mean_absolute_error": _loss_of_elements(absolute_error, absolute_error_derivative),
    "mean_squared_error": _SQUARED_ERROR,
    "root_mean_squared_error": Loss(root_mean_squared_error, root_mean_squared_error_gradient),
    "huber": _loss_of_elements(huber_error, huber_error_derivative),
    "poisson": _loss_of_elements(poisson_half_deviance, poisson_half_deviance_derivative),
    "binary_cross_entropy": _loss_of_elements(binary_cross_entropy, binary_cross_entropy_derivative),
    "categorical_cross_entropy": _loss_of_elements(
        categorical_cross_entropy, categorical_cross_entropy_derivative, mean_over_rows=True
    ),
}
"""Losses by name."""


def gan_discriminator(d_real: npt.ArrayLike, d_fake: npt.ArrayLike) -> tuple[float, FloatArray, FloatArray]:
    """Discriminator's loss: ``-(mean log D(x) + mean log(1 - D(G(z))))``.

    Parameters
    ----------
    d_real, d_fake : array
        The discriminator's probabilities for true and for generated samples, of any shapes.

    Returns
    -------
    value : float
    gradient_real, gradient_fake : array
        Gradients in ``d_real`` and ``d_fake``, of their shapes.

    References
    ----------
    Goodfellow et al. 2014, "Generative adversarial nets", algorithm 1.
    """
    value, gradient_real, gradient_fake = gan_minimax(d_real, d_fake)
    return -value, -gradient_real, -gradient_fake


def gan_generator(d_fake: npt.ArrayLike, saturating: bool = False) -> tuple[float, FloatArray]:
    """Generator's loss: ``-mean log D(G(z))``, or saturating, ``mean log(1 - D(G(z)))``.

    Parameters
    ----------
    d_fake : array
        The discriminator's probabilities for generated samples, of any shape.
    saturating : bool
        Whether to take the generator's part of the minimax value itself.

    Returns
    -------
    value : float
    gradient : array of the shape of ``d_fake``

    References
    ----------
    Goodfellow et al. 2014, "Generative adversarial nets", section 3.
    """
    d_fake = float_array(d_fake)
    if saturating:
        value = np.mean(_log(1.0 - d_fake))
        gradient = -_log_derivative(1.0 - d_fake) / d_fake.size
    else:
        value = -np.mean(_log(d_fake))
        gradient = -_log_derivative(d_fake) / d_fake.size
    return float(value), np.asarray(gradient)


def gan_minimax(d_real: npt.ArrayLike, d_fake: npt.ArrayLike) -> tuple[float, FloatArray, FloatArray]:
    """Value of the two-player game: ``V(D, G) = mean log D(x) + mean log(1 - D(G(z)))``.

    Parameters
    ----------
    d_real, d_fake : array
        The discriminator's probabilities for true and for generated samples, of any shapes.

    Returns
    -------
    value : float
    gradient_real, gradient_fake : array
        Gradients in ``d_real`` and ``d_fake``, of their shapes.

    References
    ----------
    Goodfellow et al. 2014, "Generative adversarial nets", equation 1.
    """
    d_real, d_fake = float_array(d_real), float_array(d_fake)
    value = np.mean(_log(d_real)) + np.mean(_log(1.0 - d_fake))
    gradient_real = _log_derivative(d_real) / d_real.size
    gradient_fake = -_log_derivative(1.0 - d_fake) / d_fake.size
    return float(value), np.asarray(gradient_real), np.asarray(gradient_fake)
