"""Pairs of doubles by NumPy, against fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlcore.linear_model import _double_double


def numbers(smallest, largest):
    """Floats whose size lies between two, or zero."""
    sizes = st.floats(smallest, largest, allow_subnormal=False)
    return st.just(0.0) | sizes | sizes.map(lambda x: -x)


def number(pair):
    return Fraction(float(pair[0][0])) + Fraction(float(pair[1][0]))


@st.composite
def pairs_of_doubles(draw):
    """High and low halves that do not overlap, in arrays."""
    high = draw(numbers(1e-100, 1e100))
    low = high * draw(st.floats(-0.5, 0.5)) * 2.0**-53
    return tuple(np.array([half]) for half in _double_double.two_sum(high, low))


@given(numbers(5e-324, 1e300) | st.floats(-1e-300, 1e-300), numbers(5e-324, 1e300))
def test_two_sum_is_exact(a, b):
    s, e = _double_double.two_sum(a, b)
    assert s == a + b
    assert Fraction(s) + Fraction(e) == Fraction(a) + Fraction(b)


@given(numbers(1e-140, 1e140), numbers(1e-140, 1e140))
def test_two_product_is_exact(a, b):
    p, e = _double_double.two_product(a, b)
    assert p == a * b
    assert Fraction(p) + Fraction(e) == Fraction(a) * Fraction(b)


@given(pairs_of_doubles(), pairs_of_doubles())
def test_pairs_add_and_multiply(x, y):
    total, product = _double_double.add(x, y), _double_double.multiply(x, y)
    a, b = number(x), number(y)
    assert abs(number(total) - (a + b)) <= (abs(a) + abs(b)) / 2**104
    assert abs(number(product) - a * b) <= abs(a * b) / 2**102
    for high, low in (total, product):
        np.testing.assert_array_equal(high + low, high)
