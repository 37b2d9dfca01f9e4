"""Arithmetic on pairs of double arrays (high, low) whose sum is the number: 106 bits, by NumPy.

Dekker 1971, A floating-point technique for extending the available precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def two_sum(a: Any, b: Any) -> Pair:
    """The sum a + b, and what rounding took from it."""
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


def two_product(a: Any, b: Any) -> Pair:
    """The product a b, and what rounding took from it."""
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    p = a * b
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def _halves(a: Any) -> Pair:
    high = a * 134217729.0
    high = high - (high - a)
    return high, a - high


def add(x: Pair, y: Pair) -> Pair:
    """The sum of two pairs."""
    s, e = two_sum(x[0], y[0])
    return two_sum(s, e + (x[1] + y[1]))


def multiply(x: Pair, y: Pair) -> Pair:
    """The product of two pairs."""
    p, e = two_product(x[0], y[0])
    return two_sum(p, e + (x[0] * y[1] + x[1] * y[0]))
