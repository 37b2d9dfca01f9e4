"""Arrays as all formulas take them, and the least argument of a logarithm."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntegerArray: TypeAlias = npt.NDArray[np.int64]

TINY = float(np.finfo(float).tiny)
"""The smallest positive normal float64, about 2.2e-308: the least argument of any logarithm."""


def float_array(x: npt.ArrayLike) -> FloatArray:
    """Return an array of float64, copied only where it is of another type."""
    return np.asarray(x, dtype=float)


def as_rows(y: npt.ArrayLike) -> FloatArray:
    """Return an array of shape (n, q): a vector becomes one column."""
    y = float_array(y)
    if y.ndim == 1:
        return y.reshape(-1, 1)
    if y.ndim != 2:
        raise ValueError(f"expected an array of one or two dimensions, got {y.ndim}")
    return y
