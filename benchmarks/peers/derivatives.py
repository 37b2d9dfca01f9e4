"""Who differentiates: each function takes a function of an array and the array, and returns the gradient.

The libraries are imported as they are needed: those that are not installed are left out.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numba
import numpy as np

import mlcore
from mlcore.derivatives._differences import METHODS

from . import Contender


def scipy_approximate(f: Any, x: Any, *, method: str) -> Any:
    from scipy.optimize._numdiff import approx_derivative

    return approx_derivative(f, x, method=method)


def scipy_differentiate(f: Any, x: Any) -> Any:
    from scipy.differentiate import jacobian

    def rows(points: Any) -> Any:  # it hands over many points at once, entries first
        flat = points.reshape(len(x), -1)
        return np.array([f(np.ascontiguousarray(point)) for point in flat.T]).reshape(points.shape[1:])

    return jacobian(rows, x).df


def numdifftools_gradient(f: Any, x: Any) -> Any:
    from numdifftools import Gradient

    return Gradient(f)(x)


def jacobi_gradient(f: Any, x: Any) -> Any:
    from jacobi import jacobi

    return jacobi(f, x)[0]


def by_hand(f: Any, x: Any) -> Any:
    """What one would write: the same central difference, compiled if f is."""
    loop = compiled_loop if hasattr(f, "py_func") else compiled_loop.py_func
    result = np.empty_like(x)
    loop(f, x, result, 1e-4)
    return result


@numba.njit
def compiled_loop(f: Any, x: Any, result: Any, delta: float) -> None:
    for i in range(x.size):
        kept = x[i]
        x[i] = kept + delta
        above = f(x)
        x[i] = kept - delta
        result[i] = (above - f(x)) / (2 * delta)
        x[i] = kept


CONTENDERS = (
    Contender("mlcore, `numerical_derivative`", "mlcore", mlcore.numerical_derivative),
    Contender("a loop by hand", "numba", by_hand),
    *(Contender(f"mlcore, `{method}`", "mlcore", partial(mlcore.gradient, method=method)) for method in METHODS),
    *(
        Contender(f"SciPy, `approx_derivative`, {method}", "scipy", partial(scipy_approximate, method=method))
        for method in ("2-point", "3-point", "cs")
    ),
    Contender("SciPy, `differentiate.jacobian`", "scipy", scipy_differentiate),
    Contender("numdifftools, `Gradient`", "numdifftools", numdifftools_gradient),
    Contender("jacobi", "jacobi", jacobi_gradient),
)
