"""exp, log and their kin over their whole range."""

import sys

import numpy as np

from mlcore.kernels import load_backend

from .arguments import dtypes


@dtypes
def test_mathematics_to_the_last_places(dtype):
    """exp, log and their kin in the shared source, over their whole range."""
    load_backend("python")

    shared = sys.modules["mlcore.kernels._python"]
    kind = np.dtype(dtype).type
    epsilon = float(np.finfo(dtype).eps)
    high = 708.0 if dtype == "float64" else 87.0
    x = np.concatenate([np.linspace(-high, high, 401), np.linspace(-1, 1, 101), [1e-9, -1e-9, 0.3465, -0.3466]])
    x = x.astype(dtype).astype(float)

    def errors(function, wanted, points):
        with np.errstate(all="ignore"):
            got = np.array([float(function(kind(point))) for point in points])
        return np.abs(got - wanted) / np.maximum(np.abs(wanted), np.finfo(dtype).tiny)

    assert errors(shared.exponential, np.exp(x), x).max() < 2 * epsilon
    assert errors(shared.exponential_minus_one, np.expm1(x), x).max() < 3 * epsilon
    y = np.concatenate([np.exp(np.linspace(-0.98 * high, 0.98 * high, 999)), 1 + np.linspace(-1e-3, 1e-3, 99), [1.0]])
    y = y.astype(dtype).astype(float)
    wanted = np.log(y)
    assert errors(shared.logarithm, wanted, y)[wanted != 0].max() < 2 * epsilon
    assert float(shared.logarithm(kind(1.0))) == 0.0
    u = np.exp(np.linspace(-30, 0, 200)).astype(dtype).astype(float)
    assert errors(shared.logarithm_plus_one, np.log1p(u), u).max() < 3 * epsilon
