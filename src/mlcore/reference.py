"""Neural networks as a textbook writes them, in plain Python and NumPy.

The numerical derivative, the activation functions, the losses, backpropagation, the update rules,
a training loop and regressions, each close to its printed formula.  Everything is computed in float64, one
formula at a time, with nothing traded for speed: this module is what the compiled kernels are
checked against, and a place to read how each of them works.

Conventions used throughout:

* an array of samples has one row per sample: ``X`` is (n, inputs), ``T`` is (n, outputs);
* a layer computes ``z = a @ W + b`` with ``W`` of shape (inputs, outputs) and ``b`` (outputs,);
* a logarithm never sees less than the smallest normal number ``TINY``: wherever a formula says
  ``log(x)`` the value is ``log(max(x, TINY))`` and the derivative ``1 / max(x, TINY)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple, TypeAlias, overload

import numpy as np
import numpy.typing as npt

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "TINY",
    "UPDATES",
    "Activation",
    "Loss",
    "adam_update",
    "adamw_update",
    "backward",
    "box_iou",
    "clip_gradients",
    "dropout_mask",
    "exact_products",
    "exact_solution",
    "forward",
    "gan_discriminator",
    "gan_generator",
    "gan_minimax",
    "least_squares",
    "logistic_loss",
    "momentum_update",
    "nesterov_update",
    "network_gradient",
    "network_loss",
    "network_numerical_gradient",
    "numerical_derivative",
    "scheduled_rate",
    "sgd_update",
    "signed_root",
    "signed_root_derivative",
    "softmax",
    "softmax_backward",
    "train",
    "yolo_v1",
    "yolo_v1_assignment",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntegerArray: TypeAlias = npt.NDArray[np.int64]

TINY = float(np.finfo(float).tiny)
"""The smallest positive normal float64, about 2.2e-308: the least argument of any logarithm."""


# --------------------------------------------------------------------------------------------
# The numerical derivative
# --------------------------------------------------------------------------------------------


@overload
def numerical_derivative(f: Callable[[Any], Any], x: float, delta: float = ...) -> float: ...
@overload
def numerical_derivative(
    f: Callable[[Any], Any], x: npt.NDArray[Any] | Sequence[Any], delta: float = ...
) -> FloatArray: ...
def numerical_derivative(f: Callable[[Any], Any], x: Any, delta: float = 1e-4) -> Any:
    """Derivative of a scalar-valued function by central differences.

    ``df/dx_i = (f(x + delta e_i) - f(x - delta e_i)) / (2 delta)``, whose error is
    ``O(delta**2)``: one element of ``x`` is moved at a time, in place, and put back.  A function
    may therefore ignore its argument and read the array that was given as ``x``.

    Parameters
    ----------
    f : callable
        Function of ``x`` that returns one number.
    x : float or array
        Point of differentiation.  A writable array of float64 or float32 is moved itself, and is as it
        was, to the bit, when this returns or when ``f`` raises.  Anything else is copied to float64: integers,
        lists, and arrays that are read-only, misaligned, mapped from a file or overlap themselves.
    delta : float
        Step to either side.

    Returns
    -------
    float or array
        A float where ``x`` is a number; otherwise a float64 array of the shape of ``x``.

    Notes
    -----
    An array of float32 holds ``x + delta`` and ``x - delta`` rounded: the difference is divided by
    what lies between the two, and ``f`` receives a float64 copy of the array.

    References
    ----------
    Burden and Faires, "Numerical Analysis", section 4.1 (three-point midpoint formula).
    """
    if np.ndim(x) == 0 and not isinstance(x, np.ndarray):
        x = float(x)
        return (_one_number(f(x + delta)) - _one_number(f(x - delta))) / (2 * delta)

    if not _is_movable(x):
        x = np.array(x, dtype=float)
    is_double = x.dtype == np.float64
    here = np.asarray(x)
    before = here.copy()
    grad = np.zeros(x.shape)
    it = np.nditer(here, flags=["multi_index", "zerosize_ok"], op_flags=["readwrite"], order="C")
    try:
        while not it.finished:
            idx = it.multi_index
            tmp = float(before[idx])
            here[idx] = tmp + delta
            x1 = here[idx]
            fx1 = _one_number(f(x if is_double else x.astype(float)))
            here[idx] = tmp - delta
            x2 = here[idx]
            fx2 = _one_number(f(x if is_double else x.astype(float)))
            grad[idx] = (fx1 - fx2) / (2 * delta if is_double else _distance(x1, x2, delta))
            here[idx] = tmp
            it.iternext()
    finally:
        here[...] = before
    return grad


def _is_movable(x: Any) -> bool:
    """Whether ``x`` is an array of floats each of which has a place of its own, outside of files."""
    if not isinstance(x, np.ndarray) or x.dtype not in (np.float64, np.float32):
        return False
    if not (x.flags.aligned and x.flags.writeable):
        return False
    owner: Any = x
    while isinstance(owner, np.ndarray):
        if isinstance(owner, np.memmap):
            return False
        owner = owner.base
    places = np.zeros((), dtype=np.intp)
    for n, stride in zip(x.shape, x.strides, strict=True):
        places = np.add.outer(places, np.arange(n) * stride)
    return np.unique(places).size == x.size


def _distance(x1: Any, x2: Any, delta: float) -> float:
    """Distance of the two moved values, as float32 holds them."""
    distance = float(x1) - float(x2)
    if not 0 < distance < math.inf:
        raise ValueError(f"delta={delta!r} is lost in float32: it moves an element of x to {x1} and to {x2}.")
    return distance


def _one_number(value: Any) -> float:
    """Return a function's result as a float of its own, not a view of its argument."""
    return float(np.asarray(value, dtype=float).item())


# --------------------------------------------------------------------------------------------
# Activation functions
# --------------------------------------------------------------------------------------------


class Activation(NamedTuple):
    """An elementwise activation: ``a = value(z)`` and ``da/dz = derivative(z)``, both of ``z``."""

    value: Callable[[npt.ArrayLike], FloatArray]
    derivative: Callable[[npt.ArrayLike], FloatArray]


LEAKY_SLOPE = 0.01
"""Slope of the leaky rectifier at and below zero."""

_complementary_error_function = np.vectorize(math.erfc, otypes=[float])


def _array(x: npt.ArrayLike) -> FloatArray:
    return np.asarray(x, dtype=float)


def identity(z: npt.ArrayLike) -> FloatArray:
    """Identity: ``z``."""
    return _array(z).copy()


def identity_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of the identity: 1."""
    return np.ones_like(_array(z))


def relu(z: npt.ArrayLike) -> FloatArray:
    """Rectified linear unit: ``max(z, 0)`` (Nair and Hinton 2010)."""
    return np.asarray(np.maximum(_array(z), 0.0))


def relu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of ReLU: 1 above zero, 0 at and below zero."""
    return np.where(_array(z) > 0, 1.0, 0.0)


def leaky_relu(z: npt.ArrayLike) -> FloatArray:
    """Leaky rectifier: ``z`` above zero, ``0.01 z`` elsewhere (Maas et al. 2013)."""
    z = _array(z)
    return np.where(z > 0, z, LEAKY_SLOPE * z)


def leaky_relu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of the leaky rectifier: 1 above zero, 0.01 at and below zero."""
    return np.where(_array(z) > 0, 1.0, LEAKY_SLOPE)


def elu(z: npt.ArrayLike) -> FloatArray:
    """Exponential linear unit, alpha 1: ``z`` above zero, ``e^z - 1`` elsewhere.

    Source: Clevert et al. 2016.
    """
    z = _array(z)
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0.0)))


def elu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of ELU: 1 above zero, ``e^z`` elsewhere."""
    return np.asarray(np.exp(np.minimum(_array(z), 0.0)))


def _normal_distribution(z: FloatArray) -> FloatArray:
    """Standard normal distribution function: ``Phi(z) = erfc(-z / sqrt(2)) / 2``."""
    return np.asarray(0.5 * _complementary_error_function(-z / math.sqrt(2.0)), dtype=float)


def gelu(z: npt.ArrayLike) -> FloatArray:
    """Gaussian error linear unit, exact: ``z Phi(z)`` (Hendrycks and Gimpel 2016)."""
    z = _array(z)
    return np.asarray(z * _normal_distribution(z))


def gelu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of GELU: ``Phi(z) + z phi(z)``, ``phi`` the standard normal density."""
    z = _array(z)
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return np.asarray(_normal_distribution(z) + z * density)


def sigmoid(z: npt.ArrayLike) -> FloatArray:
    """Logistic function: ``1 / (1 + e^-z)``, written with ``e^-|z|`` to keep both tails."""
    z = _array(z)
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def sigmoid_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of the logistic function: ``s (1 - s) = e^-|z| / (1 + e^-|z|)^2``."""
    e = np.exp(-np.abs(_array(z)))
    return np.asarray(e / (1.0 + e) ** 2)


def silu(z: npt.ArrayLike) -> FloatArray:
    """Sigmoid linear unit: ``z sigmoid(z)`` (Elfwing et al. 2018)."""
    z = _array(z)
    return np.asarray(z * sigmoid(z))


def silu_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of SiLU: ``s (1 + z (1 - s))`` with ``1 - s = sigmoid(-z)``."""
    z = _array(z)
    return np.asarray(sigmoid(z) * (1.0 + z * sigmoid(-z)))


def tanh(z: npt.ArrayLike) -> FloatArray:
    """Hyperbolic tangent."""
    return np.asarray(np.tanh(_array(z)))


def tanh_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of tanh: ``1 - tanh(z)^2 = 4 e^-2|z| / (1 + e^-2|z|)^2``, exact in the tails."""
    e = np.exp(-2.0 * np.abs(_array(z)))
    return np.asarray(4.0 * e / (1.0 + e) ** 2)


def softplus(z: npt.ArrayLike) -> FloatArray:
    """Softplus: ``log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)`` (Dugas et al. 2001)."""
    z = _array(z)
    return np.asarray(np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))))


def softplus_derivative(z: npt.ArrayLike) -> FloatArray:
    """Derivative of softplus: the logistic function."""
    return sigmoid(z)


def exponential(z: npt.ArrayLike) -> FloatArray:
    """Exponential: ``e^z``; infinity, without a warning, where ``z`` exceeds about 709.78."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(_array(z)))


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
    z = _array(z)
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
    a, d = _array(a), _array(d)
    return np.asarray(a * (d - np.sum(a * d, axis=-1, keepdims=True)))


# --------------------------------------------------------------------------------------------
# Losses on predictions
# --------------------------------------------------------------------------------------------


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


def _rows(y: npt.ArrayLike) -> FloatArray:
    """Return an array of shape (n, q): a vector becomes one column."""
    y = _array(y)
    if y.ndim == 1:
        return y.reshape(-1, 1)
    if y.ndim != 2:
        raise ValueError(f"expected an array of one or two dimensions, got {y.ndim}")
    return y


def _true_and_predicted(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    true, predicted = _rows(y_true), _rows(y_pred)
    if true.shape != predicted.shape:
        raise ValueError(f"y_true is {true.shape} but y_pred is {predicted.shape}")
    return true, predicted


def _weights_and_divisor(
    n: int, elements_per_row: int, reduction: Reduction, sample_weight: npt.ArrayLike | None
) -> tuple[FloatArray, float]:
    """Return each row's weight as a column (n, 1), and what the weighted sum is divided by."""
    weight = np.ones(n) if sample_weight is None else _array(sample_weight)
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


# --------------------------------------------------------------------------------------------
# Adversarial losses
# --------------------------------------------------------------------------------------------


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
    d_fake = _array(d_fake)
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
    d_real, d_fake = _array(d_real), _array(d_fake)
    value = np.mean(_log(d_real)) + np.mean(_log(1.0 - d_fake))
    gradient_real = _log_derivative(d_real) / d_real.size
    gradient_fake = -_log_derivative(1.0 - d_fake) / d_fake.size
    return float(value), np.asarray(gradient_real), np.asarray(gradient_fake)


# --------------------------------------------------------------------------------------------
# The loss of YOLO, version 1
# --------------------------------------------------------------------------------------------

ROOT_LIMIT = 1e-6
"""Magnitude below which `signed_root` follows a straight line."""


def signed_root(w: float) -> float:
    """Square root of a width that may be negative.

    ``sign(w) sqrt(|w|)`` where ``|w| >= 1e-6``; below that the straight line ``1000 w`` through
    the origin, which meets the root at ``|w| = 1e-6``.
    """
    if abs(w) >= ROOT_LIMIT:
        return math.copysign(math.sqrt(abs(w)), w)
    return w * 1e3


def signed_root_derivative(w: float) -> float:
    """Derivative of `signed_root`: ``1 / (2 sqrt(|w|))``, or 1000 where ``|w| < 1e-6``."""
    if abs(w) >= ROOT_LIMIT:
        return 1.0 / (2.0 * math.sqrt(abs(w)))
    return 1e3


def box_iou(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two boxes ``(centre x, centre y, width, height)``.

    A negative width or height counts as zero; the IoU of two boxes without area is 0.
    """
    x1, y1, w1, h1 = first[0], first[1], max(first[2], 0.0), max(first[3], 0.0)
    x2, y2, w2, h2 = second[0], second[1], max(second[2], 0.0), max(second[3], 0.0)
    width = max(min(x1 + w1 / 2, x2 + w2 / 2) - max(x1 - w1 / 2, x2 - w2 / 2), 0.0)
    height = max(min(y1 + h1 / 2, y2 + h2 / 2) - max(y1 - h1 / 2, y2 - h2 / 2), 0.0)
    intersection = width * height
    union = w1 * h1 + w2 * h2 - intersection
    return intersection / union if union > 0.0 else 0.0


def _yolo_v1_grids(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, grid_size: int, boxes: int, classes: int
) -> tuple[FloatArray, FloatArray]:
    """Return both arrays with their trailing axes unfolded to (n, S, S, values of a cell)."""
    true, predicted = _array(y_true), _array(y_pred)
    n = predicted.shape[0]
    if true.shape[0] != n:
        raise ValueError(f"y_true has {true.shape[0]} images but y_pred has {n}")
    return (
        true.reshape(n, grid_size, grid_size, 5 + classes),
        predicted.reshape(n, grid_size, grid_size, 5 * boxes + classes),
    )


def _yolo_v1_cell_iou(
    true_cell: FloatArray,
    predicted_cell: FloatArray,
    row: int,
    column: int,
    grid_size: int,
    boxes: int,
) -> list[float]:
    """IoU of each predicted box of one cell with the cell's true box, in image units."""

    def in_image(box: FloatArray) -> tuple[float, float, float, float]:
        x, y, w, h = (float(v) for v in box)
        return (column + x) / grid_size, (row + y) / grid_size, w, h

    true_box = in_image(true_cell[0:4])
    return [box_iou(in_image(predicted_cell[5 * b : 5 * b + 4]), true_box) for b in range(boxes)]


def yolo_v1_assignment(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    grid_size: int = 7,
    boxes: int = 2,
    classes: int = 20,
) -> tuple[IntegerArray, FloatArray]:
    """Which predicted box is responsible for each cell's object, and its IoU.

    The responsible box is the one of highest IoU with the true box, the first on a tie.

    Parameters
    ----------
    y_true, y_pred, grid_size, boxes, classes
        As in `yolo_v1`.

    Returns
    -------
    responsible : integer array (n, S, S)
        Index of the box; -1 where the cell holds no object.
    iou : array (n, S, S)
        IoU of that box with the true box; 0 where the cell holds no object.

    References
    ----------
    Redmon et al. 2016, "You only look once: unified, real-time object detection", section 2.2.
    """
    true, predicted = _yolo_v1_grids(y_true, y_pred, grid_size, boxes, classes)
    n = predicted.shape[0]
    responsible = np.full((n, grid_size, grid_size), -1, dtype=np.int64)
    iou = np.zeros((n, grid_size, grid_size))
    for image in range(n):
        for row in range(grid_size):
            for column in range(grid_size):
                cell = (image, row, column)
                if true[cell][4] > 0.5:
                    ious = _yolo_v1_cell_iou(true[cell], predicted[cell], row, column, grid_size, boxes)
                    best = int(np.argmax(ious))
                    responsible[cell] = best
                    iou[cell] = ious[best]
    return responsible, iou


def yolo_v1(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    grid_size: int = 7,
    boxes: int = 2,
    classes: int = 20,
    lambda_coord: float = 5.0,
    lambda_noobj: float = 0.5,
    confidence_target: Literal["iou", "one"] = "iou",
    frozen_iou: npt.ArrayLike | None = None,
    frozen_responsible: npt.ArrayLike | None = None,
) -> tuple[float, FloatArray]:
    """Sum-squared loss of YOLO version 1, and its gradient in the prediction.

    Summed over the cells of an image and averaged over the images, with ``t`` the true values::

        lambda_coord ((x - xt)^2 + (y - yt)^2)                          responsible box
        lambda_coord ((sqrt w - sqrt wt)^2 + (sqrt h - sqrt ht)^2)      responsible box
        (c - target)^2                                                  responsible box
        lambda_noobj c^2                                                every other box
        sum over classes (p - pt)^2                                     cells with an object

    The responsible box of a cell with an object is the predicted box of highest IoU with the true
    one (`yolo_v1_assignment`); every other box is any box of an empty cell and the boxes of an
    object's cell that are not responsible.  The square root is `signed_root`, for a prediction
    may be negative.  The IoU and the choice of box are constants of the gradient.

    Parameters
    ----------
    y_true : array (n, S, S, 5 + C)
        In each cell ``x, y`` of the object's centre within the cell in [0, 1], ``w, h`` as
        fractions of the image, 1 where the cell holds an object (read as: more than one half),
        then the classes, one-hot.  The first grid axis is the row: the centre of a box in image
        units is ``((column + x) / S, (row + y) / S)``.
    y_pred : array (n, S, S, 5 B + C)
        In each cell ``B`` boxes of ``x, y, w, h, confidence``, then the classes.  In both arrays
        the axes after the first may be flattened.
    grid_size, boxes, classes : int
        ``S``, ``B`` and ``C``.
    lambda_coord, lambda_noobj : float
        Weights of the coordinates and of the confidence where there is no object.
    confidence_target : {"iou", "one"}
        Target of the responsible box's confidence: its IoU, or 1.
    frozen_iou, frozen_responsible : array (n, S, S), optional
        IoU and index of the responsible boxes to use in place of those of ``y_pred``; entries of
        empty cells are not read.

    Returns
    -------
    value : float
    gradient : array of the shape of ``y_pred``

    References
    ----------
    Redmon et al. 2016, "You only look once: unified, real-time object detection", equation 3.
    """
    if confidence_target not in ("iou", "one"):
        raise ValueError(f"confidence_target is 'iou' or 'one', not {confidence_target!r}")
    true, predicted = _yolo_v1_grids(y_true, y_pred, grid_size, boxes, classes)
    n = predicted.shape[0]
    total = 0.0
    gradient = np.zeros_like(predicted)

    for image in range(n):
        for row in range(grid_size):
            for column in range(grid_size):
                cell = (image, row, column)
                t, p, g = true[cell], predicted[cell], gradient[cell]  # g is a view

                responsible = -1
                if t[4] > 0.5:
                    ious = _yolo_v1_cell_iou(t, p, row, column, grid_size, boxes)
                    responsible = int(np.argmax(ious))
                    if frozen_responsible is not None:
                        responsible = int(np.asarray(frozen_responsible)[cell])
                    iou = ious[responsible]
                    if frozen_iou is not None:
                        iou = float(_array(frozen_iou)[cell])
                    target = iou if confidence_target == "iou" else 1.0

                    start = 5 * responsible
                    for k in (0, 1):  # x and y
                        error = float(p[start + k] - t[k])
                        total += lambda_coord * error**2
                        g[start + k] += 2.0 * lambda_coord * error
                    for k in (2, 3):  # w and h
                        size = float(p[start + k])
                        error = signed_root(size) - signed_root(float(t[k]))
                        total += lambda_coord * error**2
                        g[start + k] += 2.0 * lambda_coord * error * signed_root_derivative(size)
                    error = float(p[start + 4]) - target
                    total += error**2
                    g[start + 4] += 2.0 * error

                    for k in range(classes):
                        error = float(p[5 * boxes + k] - t[5 + k])
                        total += error**2
                        g[5 * boxes + k] += 2.0 * error

                for box in range(boxes):
                    if box != responsible:
                        confidence = float(p[5 * box + 4])
                        total += lambda_noobj * confidence**2
                        g[5 * box + 4] += 2.0 * lambda_noobj * confidence

    return total / n, (gradient / n).reshape(np.shape(y_pred))


# --------------------------------------------------------------------------------------------
# Networks
# --------------------------------------------------------------------------------------------


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
    a_list = [_array(X)]
    for W, b, name in zip(weights, biases, activations, strict=True):
        z = a_list[-1] @ _array(W) + _array(b)
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
    gradient = _array(output_gradient)
    for layer in reversed(range(layers)):
        if activations[layer] == "softmax":
            delta = softmax_backward(a_list[layer + 1], gradient)
        else:
            delta = gradient * ACTIVATIONS[activations[layer]].derivative(z_list[layer])
        weight_gradients[layer] = a_list[layer].T @ delta
        bias_gradients[layer] = np.sum(delta, axis=0)
        gradient = delta @ _array(weights[layer]).T
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


def _numerical_gradient_of_one(
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
    return numerical_derivative(loss_at, _array(point), delta)


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
        [_numerical_gradient_of_one("weight", k, weights, biases, loss_of, delta) for k in layers],
        [_numerical_gradient_of_one("bias", k, weights, biases, loss_of, delta) for k in layers],
    )


# --------------------------------------------------------------------------------------------
# Update rules
# --------------------------------------------------------------------------------------------

State: TypeAlias = dict[str, Any]


def sgd_update(parameter: npt.ArrayLike, gradient: npt.ArrayLike, state: State, *, learning_rate: float) -> FloatArray:
    """Gradient descent: ``theta - learning_rate * g``.

    Parameters
    ----------
    parameter, gradient : arrays of one shape
        ``theta`` and ``g``.
    state : dict
        Not used: this rule remembers nothing.
    learning_rate : float

    Returns
    -------
    array
        The new parameter; the one given is unchanged.

    References
    ----------
    Robbins and Monro 1951; Goodfellow, Bengio and Courville, "Deep Learning", algorithm 8.1.
    """
    return np.asarray(_array(parameter) - learning_rate * _array(gradient))


def momentum_update(
    parameter: npt.ArrayLike,
    gradient: npt.ArrayLike,
    state: State,
    *,
    learning_rate: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> FloatArray:
    """Gradient descent with momentum.

    ``v <- momentum * v - learning_rate * g``, then ``theta + v``; Nesterov's form steps by
    ``momentum * v - learning_rate * g`` with the new ``v`` instead.

    Parameters
    ----------
    parameter, gradient : arrays of one shape
        ``theta`` and ``g``.
    state : dict
        Empty at first; holds "velocity" (``v``) from one step to the next.
    learning_rate, momentum : float
    nesterov : bool

    Returns
    -------
    array
        The new parameter; the one given is unchanged.

    References
    ----------
    Polyak 1964; Nesterov 1983; Sutskever et al. 2013, "On the importance of initialization and
    momentum in deep learning".
    """
    parameter, gradient = _array(parameter), _array(gradient)
    velocity = momentum * state.get("velocity", np.zeros_like(parameter)) - learning_rate * gradient
    state["velocity"] = velocity
    step = momentum * velocity - learning_rate * gradient if nesterov else velocity
    return np.asarray(parameter + step)


def nesterov_update(
    parameter: npt.ArrayLike,
    gradient: npt.ArrayLike,
    state: State,
    *,
    learning_rate: float,
    momentum: float = 0.9,
) -> FloatArray:
    """Gradient descent with Nesterov's momentum: `momentum_update` with ``nesterov=True``."""
    return momentum_update(parameter, gradient, state, learning_rate=learning_rate, momentum=momentum, nesterov=True)


def adam_update(
    parameter: npt.ArrayLike,
    gradient: npt.ArrayLike,
    state: State,
    *,
    learning_rate: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> FloatArray:
    """Adam, in the form that corrects both moments' bias in the step's length.

    ``t <- t + 1``, ``m <- beta_1 m + (1 - beta_1) g``, ``v <- beta_2 v + (1 - beta_2) g^2``, then
    ``theta - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)``.

    Parameters
    ----------
    parameter, gradient : arrays of one shape
        ``theta`` and ``g``.
    state : dict
        Empty at first; holds "step" (``t``), "first_moment" (``m``) and "second_moment" (``v``).
    learning_rate, beta_1, beta_2, epsilon : float

    Returns
    -------
    array
        The new parameter; the one given is unchanged.

    References
    ----------
    Kingma and Ba 2015, "Adam: a method for stochastic optimization", end of section 2.
    """
    parameter, gradient = _array(parameter), _array(gradient)
    t = state.get("step", 0) + 1
    m = beta_1 * state.get("first_moment", np.zeros_like(parameter)) + (1 - beta_1) * gradient
    v = beta_2 * state.get("second_moment", np.zeros_like(parameter)) + (1 - beta_2) * gradient**2
    state["step"], state["first_moment"], state["second_moment"] = t, m, v
    step_length = learning_rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return np.asarray(parameter - step_length * m / (np.sqrt(v) + epsilon))


def adamw_update(
    parameter: npt.ArrayLike,
    gradient: npt.ArrayLike,
    state: State,
    *,
    learning_rate: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> FloatArray:
    """Adam with decoupled weight decay.

    Adam's step, less ``learning_rate * weight_decay * theta`` with ``theta`` before the step.

    Parameters
    ----------
    parameter, gradient, state, learning_rate, beta_1, beta_2, epsilon
        As in `adam_update`.
    weight_decay : float

    Returns
    -------
    array
        The new parameter; the one given is unchanged.

    References
    ----------
    Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2.
    """
    adam = adam_update(
        parameter,
        gradient,
        state,
        learning_rate=learning_rate,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
    )
    return np.asarray(adam - learning_rate * weight_decay * _array(parameter))


def scheduled_rate(step: int, learning_rate: float, *, warm_up: int = 0, cosine_steps: int | None = None) -> float:
    """The learning rate of a step: warmed up, and along half a cosine if ``cosine_steps`` is given.

    ``learning_rate * step / (warm_up + 1)`` for the first ``warm_up`` steps; then ``learning_rate``, or
    ``learning_rate * (1 + cos(pi t)) / 2`` with ``t = (step - 1 - warm_up) / (cosine_steps - warm_up)``, at most 1.

    Parameters
    ----------
    step : int
        Counted from 1.
    learning_rate : float
    warm_up : int
    cosine_steps : int, optional
        Steps of the whole training, the warm-up included.

    Returns
    -------
    float

    References
    ----------
    Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5, one period.
    """
    if step <= warm_up:
        return learning_rate * step / (warm_up + 1)
    if cosine_steps is None:
        return learning_rate
    t = min(1.0, (step - 1 - warm_up) / max(1, cosine_steps - warm_up))
    return 0.5 * learning_rate * (1.0 + math.cos(math.pi * t))


def clip_gradients(gradients: Sequence[npt.ArrayLike], clip_norm: float) -> list[FloatArray]:
    """Scale gradients so that their common Euclidean length is at most ``clip_norm``.

    Parameters
    ----------
    gradients : sequence of array_like
    clip_norm : float

    Returns
    -------
    list of array
        ``g * min(1, clip_norm / sqrt(sum of all squares))`` for each.

    References
    ----------
    Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
    """
    arrays = [_array(gradient) for gradient in gradients]
    length = math.sqrt(sum(float((array**2).sum()) for array in arrays))
    return [array * min(1.0, clip_norm / length) if length > 0 else array for array in arrays]


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


UPDATES: dict[str, Callable[..., FloatArray]] = {
    "sgd": sgd_update,
    "momentum": momentum_update,
    "nesterov": nesterov_update,
    "adam": adam_update,
    "adamw": adamw_update,
}
"""Update rules by name: ``(parameter, gradient, state, *, learning_rate, ...)``."""


# --------------------------------------------------------------------------------------------
# Training
# --------------------------------------------------------------------------------------------


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
    X, T = _array(X), _array(T)
    row_weight = np.ones(len(X)) if sample_weight is None else _array(sample_weight)
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
            return _numerical_gradient_of_one(which, layer, weights, biases, lambda w, b: loss_on(rows, w, b), delta)
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


# --------------------------------------------------------------------------------------------
# Regressions
# --------------------------------------------------------------------------------------------


def _fractions(matrix: Any) -> list[list[Fraction]]:
    """Each number as the fraction that it is."""
    return [[Fraction(number) for number in row] for row in np.asarray(matrix).tolist()]


def exact_products(rows: Any, sample_weight: npt.ArrayLike | None = None) -> list[list[Fraction]]:
    """Products of columns summed over rows, ``sum_i w_i u_ij u_ik``, without rounding.

    Parameters
    ----------
    rows : array (n, m)
        Floats or fractions, taken as they are.
    sample_weight : array (n,), optional

    Returns
    -------
    list of m lists of m fractions
    """
    U = _fractions(rows)
    weight = [Fraction(1)] * len(U) if sample_weight is None else [Fraction(w) for w in _array(sample_weight).tolist()]
    m = np.shape(rows)[1]
    weighted = [[w * number for number in row] for w, row in zip(weight, U, strict=True)]
    return [
        [sum((left[j] * right[k] for left, right in zip(weighted, U, strict=True)), Fraction(0)) for k in range(m)]
        for j in range(m)
    ]


def exact_solution(A: Any, B: Any) -> list[list[Fraction]]:
    """Solution of ``A X = B`` by Gaussian elimination, without rounding.

    Parameters
    ----------
    A : array (m, m)
        Floats or fractions, taken as they are.
    B : array (m, q)

    Returns
    -------
    list of m lists of q fractions

    Raises
    ------
    ValueError
        If ``A`` is singular.

    References
    ----------
    Golub and Van Loan, "Matrix Computations", section 3.2 (Gauss-Jordan: rows above are cleared as those below).
    """
    m = len(A)
    lines = _reduced([left + right for left, right in zip(_fractions(A), _fractions(B), strict=True)], m)
    if len(lines) < m:
        raise ValueError("A is singular")
    return [line[m:] for line in lines]


def _reduced(lines: list[list[Fraction]], m: int) -> list[list[Fraction]]:
    """The reduced echelon form of the first m columns, what stands behind them along; without the rows of zeros."""
    rank = 0
    for k in range(m):
        pivot = next((i for i in range(rank, len(lines)) if lines[i][k] != 0), None)
        if pivot is None:
            continue
        lines[rank], lines[pivot] = lines[pivot], lines[rank]
        lines[rank] = [number / lines[rank][k] for number in lines[rank]]
        for i in range(len(lines)):
            if i != rank:
                factor = lines[i][k]
                lines[i] = [number - factor * above for number, above in zip(lines[i], lines[rank], strict=True)]
        rank += 1
    return lines[:rank]


def least_norm(
    X: npt.ArrayLike, T: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None, fit_intercept: bool = True
) -> tuple[FloatArray, FloatArray, int]:
    """Least squares where columns of X depend on each other: of all solutions the shortest, and the rank of X.

    The normal equations of the (centred) rows, reduced to ``E W = C`` with as many rows as the rank, have the shortest
    solution ``W = E' (E E')^-1 C``. Rounded at the very end alone.

    Parameters
    ----------
    X : array (n, p)
    T : array (n, q)
        One dimension (n,) is read as (n, 1).
    sample_weight : array (n,), optional
    fit_intercept : bool
        Without it b is 0, and rows are not centred.

    Returns
    -------
    W : array (p, q)
    b : array (q,)
    rank : int

    References
    ----------
    Golub and Van Loan, "Matrix Computations", section 5.5.
    """
    X, T = _array(X), _rows(T)
    p, ones = X.shape[1], np.ones(len(X))
    products = np.array(exact_products(np.column_stack([ones, X, T]), sample_weight), dtype=object)
    means = products[0, 1:] / products[0, 0]
    normal = products[1:, 1:] - int(fit_intercept) * np.outer(products[0, 1:], means)
    lines = np.array(_reduced(normal[:p].tolist(), p), dtype=object).reshape(-1, p + T.shape[1])
    E, C = lines[:, :p], lines[:, p:]
    W = E.T @ np.array(exact_solution(E @ E.T, C), dtype=object).reshape(C.shape)
    b = (means[p:] - means[:p] @ W) * int(fit_intercept)
    return W.astype(float).reshape(p, -1), b.astype(float), len(E)


def least_squares(
    X: npt.ArrayLike,
    T: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    fit_intercept: bool = True,
    alpha: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Least squares by the normal equations, rounded at the very end alone.

    The least ``sum_i w_i |t_i - x_i W - b|^2 + alpha sum(W^2)`` solves ``(U' D U + alpha I) V = U' D T`` with
    ``D = diag(w)``; with an intercept ``U`` is a column of ones beside X, which has no penalty, and ``V`` is b above W.

    Parameters
    ----------
    X : array (n, p)
    T : array (n, q)
        One dimension (n,) is read as (n, 1).
    sample_weight : array (n,), optional
    fit_intercept : bool
        Without it b is 0.
    alpha : float
        The penalty.

    Returns
    -------
    W : array (p, q)
    b : array (q,)

    Raises
    ------
    ValueError
        If the columns of U depend on one another and there is no penalty.

    References
    ----------
    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", equations 3.6 and 3.44.
    """
    X, T = _array(X), _rows(T)
    U = np.column_stack([np.ones(len(X)), X]) if fit_intercept else X
    m = U.shape[1]
    products = exact_products(np.column_stack([U, T]), sample_weight)
    A = [line[:m] for line in products[:m]]
    for j in range(int(fit_intercept), m):
        A[j][j] += Fraction(alpha)
    V = np.array(exact_solution(A, [line[m:] for line in products[:m]]), dtype=float).reshape(m, -1)
    return (V[1:], V[0]) if fit_intercept else (V, np.zeros(T.shape[1]))


def logistic_loss(
    theta: npt.ArrayLike, X: npt.ArrayLike, labels: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> tuple[float, FloatArray, FloatArray]:
    """Log loss of logistic regression summed over rows, its gradient and its Hessian in theta.

    With ``a = softmax(theta x)`` a row's loss is ``-log a_label``, its gradient ``(a - e_label) x'``, and its Hessian
    of classes k and l ``(a_k [k = l] - a_k a_l) x x'``. Two classes may have one theta: that of the other is 0.

    Parameters
    ----------
    theta : array (K, p)
        Or (1, p) for two classes.
    X : array (n, p)
        A column of ones makes an intercept.
    labels : array (n,)
        Places of the classes, from 0.
    sample_weight : array (n,), optional

    Returns
    -------
    value : float
    gradient : array of the shape of theta
    hessian : array (theta.size, theta.size)

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", equations 4.108 to 4.110.
    """
    X, theta = _array(X), _array(theta)
    weight = np.ones(len(X)) if sample_weight is None else _array(sample_weight)
    outputs, p = theta.shape
    if outputs == 1:
        theta = np.vstack([np.zeros(p), theta])
    K = len(theta)
    value, gradient, hessian = 0.0, np.zeros((K, p)), np.zeros((K, p, K, p))
    for x, label, w in zip(X, np.asarray(labels), weight, strict=True):
        z = theta @ x
        a = softmax(z)
        value += w * float(np.log(np.sum(np.exp(z - z.max()))) + (z.max() - z[label]))
        # a_k - 1 is minus the sum of the others, which keeps its digits
        others = [np.delete(a, k).sum() for k in range(K)]
        difference = np.array([-others[k] if k == label else a[k] for k in range(K)])
        gradient += w * np.outer(difference, x)
        for k in range(K):
            for j in range(K):
                hessian[k, :, j] += w * (a[k] * others[k] if k == j else -a[k] * a[j]) * np.outer(x, x)
    first = K - outputs
    return value, gradient[first:], hessian[first:, :, first:].reshape(theta[first:].size, -1)
