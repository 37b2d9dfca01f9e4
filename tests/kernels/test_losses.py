"""Losses of raw predictions that are far out."""

import numpy as np
import pytest

import mlcore

from .arguments import dtypes


@dtypes
@pytest.mark.parametrize(
    ("loss", "last"),
    [("binary_cross_entropy", "sigmoid"), ("categorical_cross_entropy", "softmax"), ("poisson", "exponential"),
     ("mean_squared_error", "sigmoid"), ("mean_absolute_error", "softmax"), ("binary_cross_entropy", "tanh")],
)  # fmt: skip
def test_losses_at_extreme_raw_predictions(backend, loss, last, dtype):
    """Raw predictions of +-1e3: value and gradient finite, and the value the exact one where it is known."""
    raw = np.array([[1e3, -1e3], [-1e3, 1e3], [80.0, 20.0], [0.0, 0.0]])
    if loss == "poisson":
        raw = np.clip(raw, -1e3, 80.0)
    targets = np.array([[1.0, 0.0]] * 4)
    net = mlcore.Network((2, 2), activations=(last,), loss=loss, dtype=dtype)
    net.weights[0][:], net.biases[0][:] = np.eye(2), 0
    value, gradient = net.loss_and_gradient(raw, targets)
    assert np.isfinite(value)
    assert np.isfinite(gradient.flat).all()
    if (loss, last) == ("categorical_cross_entropy", "softmax"):
        assert value == pytest.approx((0 + 2000 + 0 + np.log(2)) / 4, rel=1e-6)
    if (loss, last) == ("binary_cross_entropy", "sigmoid"):
        assert value == pytest.approx((0 + 2000 + 20 + 2 * np.log(2)) / 8, rel=1e-6)
