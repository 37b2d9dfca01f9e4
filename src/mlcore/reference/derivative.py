"""The numerical derivative of a function, by central differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from ._arrays import FloatArray


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
