"""Neural networks as a textbook writes them, in plain Python and NumPy.

The numerical derivative, the activation functions, the losses, backpropagation, the update rules,
a training loop and regressions, each close to its printed formula.  Everything is computed in float64, one
formula at a time, with nothing traded for speed: this package is what the compiled kernels are
checked against, and a place to read how each of them works.

Conventions used throughout:

* an array of samples has one row per sample: ``X`` is (n, inputs), ``T`` is (n, outputs);
* a layer computes ``z = a @ W + b`` with ``W`` of shape (inputs, outputs) and ``b`` (outputs,);
* a logarithm never sees less than the smallest normal number ``TINY``: wherever a formula says
  ``log(x)`` the value is ``log(max(x, TINY))`` and the derivative ``1 / max(x, TINY)``.
"""

from __future__ import annotations

from ._arrays import TINY
from .activations import (
    ACTIVATIONS,
    LEAKY_SLOPE,
    Activation,
    elu,
    elu_derivative,
    exponential,
    exponential_derivative,
    gelu,
    gelu_derivative,
    identity,
    identity_derivative,
    leaky_relu,
    leaky_relu_derivative,
    relu,
    relu_derivative,
    sigmoid,
    sigmoid_derivative,
    silu,
    silu_derivative,
    softmax,
    softmax_backward,
    softplus,
    softplus_derivative,
    tanh,
    tanh_derivative,
)
from .derivative import numerical_derivative
from .losses import (
    LOSSES,
    Loss,
    absolute_error,
    absolute_error_derivative,
    binary_cross_entropy,
    binary_cross_entropy_derivative,
    categorical_cross_entropy,
    categorical_cross_entropy_derivative,
    gan_discriminator,
    gan_generator,
    gan_minimax,
    huber_error,
    huber_error_derivative,
    poisson_half_deviance,
    poisson_half_deviance_derivative,
    root_mean_squared_error,
    root_mean_squared_error_gradient,
    squared_error,
    squared_error_derivative,
)
from .network import backward, forward, network_gradient, network_loss, network_numerical_gradient
from .regression import exact_products, exact_solution, least_norm, least_squares, logistic_loss
from .training import dropout_mask, train
from .updates import (
    UPDATES,
    adam_update,
    adamw_update,
    clip_gradients,
    momentum_update,
    nesterov_update,
    scheduled_rate,
    sgd_update,
)
from .yolo import ROOT_LIMIT, box_iou, signed_root, signed_root_derivative, yolo_v1, yolo_v1_assignment

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "LEAKY_SLOPE",
    "LOSSES",
    "Loss",
    "ROOT_LIMIT",
    "TINY",
    "UPDATES",
    "absolute_error",
    "absolute_error_derivative",
    "adam_update",
    "adamw_update",
    "backward",
    "binary_cross_entropy",
    "binary_cross_entropy_derivative",
    "box_iou",
    "categorical_cross_entropy",
    "categorical_cross_entropy_derivative",
    "clip_gradients",
    "dropout_mask",
    "elu",
    "elu_derivative",
    "exact_products",
    "exact_solution",
    "exponential",
    "exponential_derivative",
    "forward",
    "gan_discriminator",
    "gan_generator",
    "gan_minimax",
    "gelu",
    "gelu_derivative",
    "huber_error",
    "huber_error_derivative",
    "identity",
    "identity_derivative",
    "leaky_relu",
    "leaky_relu_derivative",
    "least_norm",
    "least_squares",
    "logistic_loss",
    "momentum_update",
    "nesterov_update",
    "network_gradient",
    "network_loss",
    "network_numerical_gradient",
    "numerical_derivative",
    "poisson_half_deviance",
    "poisson_half_deviance_derivative",
    "relu",
    "relu_derivative",
    "root_mean_squared_error",
    "root_mean_squared_error_gradient",
    "scheduled_rate",
    "sgd_update",
    "sigmoid",
    "sigmoid_derivative",
    "signed_root",
    "signed_root_derivative",
    "silu",
    "silu_derivative",
    "softmax",
    "softmax_backward",
    "softplus",
    "softplus_derivative",
    "squared_error",
    "squared_error_derivative",
    "tanh",
    "tanh_derivative",
    "train",
    "yolo_v1",
    "yolo_v1_assignment",
]
