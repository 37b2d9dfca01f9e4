"""Activations and their slopes far out, and of NaN."""

import numpy as np
import pytest
from conftest import HERE

import mlcore
from mlcore import reference

from .arguments import HIDDEN, dtypes


@dtypes
@pytest.mark.parametrize("name", [*HIDDEN, "exponential"])
def test_activations_at_extremes(backend, name, dtype):
    """z from -1e3 to 1e3, zero, the smallest numbers and overflow, against the textbook; slopes through `backward`."""
    tiny = float(np.finfo(dtype).tiny)
    z = np.concatenate([[-1e3, -745.0, -100.0, -88.0, -40.0, -1.0, -1e-8, -tiny, 0.0], np.linspace(-9, 9, 37)])
    largest = np.log(np.finfo(dtype).max)
    z = np.unique(np.concatenate([z, -z, largest + [-1.0, -0.6, -0.1, -1e-5, 1e-4, 1.0]])).astype(dtype)
    net = mlcore.Network((1, 1), activations=(name,), dtype=dtype)
    net.weights[0][:], net.biases[0][:] = 1, 0
    got = net.forward(z)[:, 0]
    slope = net.backward(z, np.ones_like(z)).inputs[:, 0]
    with np.errstate(over="ignore"):
        want = reference.ACTIVATIONS[name].value(z.astype(float)).astype(dtype).astype(float)
        want_slope = reference.ACTIVATIONS[name].derivative(z.astype(float)).astype(dtype).astype(float)
    epsilon = float(np.finfo(dtype).eps)
    assert np.isinf(want).any() == (name == "exponential")
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    np.testing.assert_array_equal(np.isfinite(slope), np.isfinite(want_slope))
    # a relative error wherever the true value is a normal number, but for gelu's far tail, exp(-z^2 / 2) in floats
    normal = np.abs(want) > 1e4 * tiny
    if name == "gelu":
        normal &= z > -12
    scale = 1e3 if name == "gelu" else 2e1 if name != "exponential" else 1e3
    np.testing.assert_allclose(got[normal], want[normal], rtol=scale * epsilon)
    np.testing.assert_allclose(got, want, rtol=scale * epsilon, atol=1e4 * tiny + (1e-30 if name == "gelu" else 0))
    np.testing.assert_allclose(slope, want_slope, rtol=scale * epsilon, atol=scale * epsilon)


@dtypes
def test_softmax_at_extremes(backend, dtype):
    z = np.array([[-1e3, 1e3, 900.0], [5.0, 1e3, 1e3], [-1e3, -1e3, -999.0], [1e5, -1e5, 0.0]])
    net = mlcore.Network((3, 3), ("softmax",), dtype=dtype)
    net.weights[0][:], net.biases[0][:] = np.eye(3), 0
    np.testing.assert_allclose(net.forward(z), reference.softmax(z), rtol=1e-6, atol=1e-30)


def test_nan_reaches_the_loss():
    """A NaN in the parameters is never hidden by an activation."""
    for backend in HERE:
        for name in [*HIDDEN, "exponential"]:
            with mlcore.config_context(backend=backend):
                net = mlcore.Network((1, 1), activations=(name,))
                net.weights[0][:] = np.nan
                assert np.isnan(net.forward([[1.0]])).all(), (backend, name)
