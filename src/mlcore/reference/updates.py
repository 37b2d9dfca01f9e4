"""Update rules: the next value of a parameter from its gradient, by name in `UPDATES`; rates and clipping."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._arrays import FloatArray, float_array

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
    return np.asarray(float_array(parameter) - learning_rate * float_array(gradient))


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
    parameter, gradient = float_array(parameter), float_array(gradient)
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
    parameter, gradient = float_array(parameter), float_array(gradient)
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
    return np.asarray(adam - learning_rate * weight_decay * float_array(parameter))


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
    arrays = [float_array(gradient) for gradient in gradients]
    length = math.sqrt(sum(float((array**2).sum()) for array in arrays))
    return [array * min(1.0, clip_norm / length) if length > 0 else array for array in arrays]


UPDATES: dict[str, Callable[..., FloatArray]] = {
    "sgd": sgd_update,
    "momentum": momentum_update,
    "nesterov": nesterov_update,
    "adam": adam_update,
    "adamw": adamw_update,
}
"""Update rules by name: ``(parameter, gradient, state, *, learning_rate, ...)``."""
