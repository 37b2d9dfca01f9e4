"""Derivatives of any function by central differences, and a check of gradients against them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .validation import as_float_array, check_positive


def numerical_derivative(f: Callable[[Any], Any], x: Any, delta: float = 1e-4) -> Any:
    """The textbook central difference, (f(x + delta) - f(x - delta)) / (2 delta), for every entry of x.

    Parameters
    ----------
    f : callable
        Takes a float (if x is one) or an array of x's shape, returns a number. A function decorated with numba's
        ``njit`` is compiled throughout: the loop over the entries too, once per function.
    x : float or array_like
        Where. Integers become float64; float32 arrays are taken to float64 as well.
    delta : float, default=1e-4
        The step. The error is about f''' delta^2 / 6, plus the rounding of f over delta.

    Returns
    -------
    float or ndarray of x's shape
        For a Python function and float input: bit for bit what :func:`mlcore.reference.numerical_derivative` gives.

    Raises
    ------
    ValueError
        If x holds NaN or infinity, or delta is not above 0.
    TypeError
        If f returns something else than one real number.

    Notes
    -----
    Costs two calls of f an entry. f receives a copy of x, so that x is unchanged, also when f raises; f itself must not
    change what it receives, which serves all entries.

    References
    ----------
    Any textbook of numerical analysis, for example Burden and Faires, Numerical Analysis, section 4.1.

    Examples
    --------
    >>> import mlcore
    >>> mlcore.numerical_derivative(lambda x: x**2, 3.0)
    6.000000000012662
    """
    check_positive(delta, "delta")
    point = as_float_array(x, "x", np.float64)
    if np.ndim(x) == 0 and not isinstance(x, np.ndarray):
        here = float(point)
        above, below = _number(f(here + delta)), _number(f(here - delta))
        return (above - below) / (2 * delta)
    copy = point.copy()
    result = np.empty_like(copy)
    if _is_jitted(f):
        if copy.size:
            _number(f(copy.copy()))
        _compiled_loop()(f, copy, copy.reshape(-1), result.reshape(-1), float(delta))
        return result
    moved, derivatives = copy.reshape(-1), result.reshape(-1)
    for i in range(moved.size):
        kept = moved[i]
        moved[i] = float(kept) + delta
        above = _number(f(copy))
        moved[i] = float(kept) - delta
        below = _number(f(copy))
        derivatives[i] = (above - below) / (2 * delta)
        moved[i] = kept
    return result


def _number(value: Any) -> float:
    if np.size(value) != 1 or np.asarray(value).dtype.kind not in "biuf":
        raise TypeError(
            f"f must return one real number, but returned {type(value).__name__} of shape {np.shape(value)}; sum or "
            "index its result, or differentiate each output on its own."
        )
    return float(value) if np.ndim(value) == 0 else float(np.asarray(value).reshape(-1)[0])


def _is_jitted(f: Any) -> bool:
    extending = sys.modules.get("numba.extending")  # who has a jitted function has loaded numba
    return extending is not None and bool(extending.is_jitted(f))


@lru_cache(maxsize=1)
def _compiled_loop() -> Any:
    import numba

    @numba.njit(nogil=True, error_model="numpy")
    def loop(f, point, moved, derivatives, delta):  # type: ignore[no-untyped-def]
        for i in range(moved.size):
            kept = moved[i]
            moved[i] = kept + delta
            above = float(f(point))
            moved[i] = kept - delta
            below = float(f(point))
            derivatives[i] = (above - below) / (2 * delta)
            moved[i] = kept

    return loop


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` found.

    Attributes
    ----------
    max_relative_error : float
        The largest |gradient - difference|, relative to the largest entry of either.
    worst_index : tuple of int
        Where.
    passed : bool
        Whether it is within the tolerance, the rounding of f over delta granted.
    """

    max_relative_error: float
    worst_index: tuple[int, ...]
    passed: bool

    def __bool__(self) -> bool:
        return self.passed


def check_gradient(
    f: Callable[[Any], Any],
    gradient: Callable[[NDArray[Any]], ArrayLike] | ArrayLike,
    x: ArrayLike,
    *,
    delta: float = 1e-5,
    tolerance: float = 1e-6,
) -> GradientCheck:
    """Compare a gradient with central differences of f at x.

    Parameters
    ----------
    f : callable
        As in `numerical_derivative`.
    gradient : callable or array_like
        The gradient at x, or a function that gives it.
    x : array_like
        A point away from kinks of f.
    delta : float, default=1e-5
    tolerance : float, default=1e-6

    Returns
    -------
    GradientCheck
        True in a condition if it passed.

    Raises
    ------
    ValueError
        If the gradient's shape is not x's, or x is empty; else as `numerical_derivative`.
    """
    point = as_float_array(x, "x", np.float64)
    claimed = np.asarray(gradient(point.copy()) if callable(gradient) else gradient)
    if claimed.dtype.kind not in "biuf":
        raise ValueError(f"the gradient must hold real numbers, but its dtype is {claimed.dtype}.")
    claimed = claimed.astype(np.float64)
    if claimed.shape != point.shape:
        raise ValueError(f"the gradient has shape {claimed.shape}, but x has {point.shape}; they must be the same.")
    if point.size == 0:
        raise ValueError("x is empty: there is nothing to check.")
    here = point.copy() if point.ndim else float(point)
    measured = np.asarray(numerical_derivative(f, here, delta))
    error = np.abs(claimed - measured)
    error = np.where(np.isfinite(error), error, np.inf)
    scale = max(float(np.abs(part)[np.isfinite(part)].max(initial=0.0)) for part in (measured, claimed)) or 1.0
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    largest = float(error[worst]) / scale
    rounding = 4 * np.finfo(np.float64).eps * abs(_number(f(here))) / delta
    return GradientCheck(largest, tuple(int(i) for i in worst), bool(error[worst] <= tolerance * scale + rounding))
