"""Gradient descent as the course has it: a linear model is a network without hidden layer, trained from zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from ..activations import get_activation
from ..kernels import ids
from ..losses import Loss
from ..memory import aligned_zeros
from ..validation import check_choice, check_positive, warn_caller
from ._draws import RowOrder
from ._parameter_layout import ParameterLayout
from ._settings import settings_of
from ._training import Training


def single_layer(
    coefficients: NDArray[Any], intercept: NDArray[Any] | float, activation: str = "identity"
) -> tuple[ParameterLayout, NDArray[Any]]:
    """The model as a network without hidden layer: coefficients (q, p) and one intercept an output."""
    q, p = coefficients.shape
    layout = ParameterLayout([p, q], [get_activation(activation)], coefficients.dtype)
    flat = aligned_zeros(layout.n_parameters, layout.dtype)
    weights, biases = layout.views(flat)
    weights[0][:] = coefficients.T
    biases[0][:] = intercept
    return layout, flat


def descend(
    estimator: Any,
    X: NDArray[Any],
    T: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    loss: Loss,
    activation: str,
    alpha: float,
    max_iter: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Full-batch gradient descent from zero: coefficients (q, p) and intercepts (q,)."""
    numerical = check_choice(estimator.gradient, "gradient", ("backprop", "numerical")) == "numerical"
    dtype = np.dtype(np.float64) if numerical else X.dtype
    X, T = np.ascontiguousarray(X, dtype), np.ascontiguousarray(T, dtype)
    layout, flat = single_layer(np.zeros((T.shape[1], X.shape[1]), dtype), 0.0, activation)
    training = Training(
        layout,
        flat,
        X,
        T,
        np.empty(0, dtype) if sample_weight is None else np.ascontiguousarray(sample_weight, dtype),
        loss_id=loss.kernel_id(activation),
        mean=True,
        settings=settings_of(
            loss,
            T.shape[1],
            VALUE_FACTOR=1.0,
            GRADIENT_FACTOR=1.0,
            ALPHA=alpha,
            LEARNING_RATE=float(check_positive(estimator.learning_rate, "learning_rate")),
        ),
        optimizer=ids.SGD,
        batch_size=len(X),
        numerical=numerical,
        fixed_bias=not estimator.fit_intercept,
    )
    for _ in training.epochs(max_iter, RowOrder(len(X))):
        pass
    if training.stopped == ids.DIVERGED:
        step = training.bad_step or int(training.progress[ids.STEPS])
        warn_caller(
            f"Gradient descent diverged at step {step}. Scale the data (for example with StandardScaler) or lower "
            f"learning_rate (now {estimator.learning_rate}).",
            ConvergenceWarning,
        )
        raise ValueError("Solver produced non-finite parameter weights. Scale the input data, or lower learning_rate.")
    estimator.n_iter_ = int(training.progress[ids.EPOCHS])
    weights, biases = layout.views(training.parameters)
    return weights[0].T.copy(), biases[0].copy()
