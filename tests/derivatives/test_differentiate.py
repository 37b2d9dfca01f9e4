"""numerical_derivative and check_gradient: the course's digits and rules, compiled functions, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

import mlcore
from mlcore import numerical_derivative, reference

CASES = [
    (lambda x: x**2, 3.0, 6.000000000012662),
    (lambda v: 2 * v[0] + 3 * v[0] * v[1] + np.power(v[1], 3), [1.0, 2.0], [7.999999999990237, 15.000000010019221]),
    (
        lambda v: v[0, 0] * v[0, 1] + v[0, 1] * v[1, 0] * v[1, 1] + 3 * v[0, 0] + v[1, 1] * np.power(v[1, 0], 2),
        [[1.0, 2.0], [3.0, 4.0]],
        [[5.000000000023874, 13.00000000000523], [32.00000000006753, 15.000000000000568]],
    ),
]


@pytest.mark.parametrize(("f", "x", "printed"), CASES)
def test_the_courses_digits(f, x, printed):
    got = numerical_derivative(f, x if isinstance(x, float) else np.array(x))
    np.testing.assert_array_equal(got, printed)


RULES = [
    ("constant", lambda x: 7.0 + 0 * x, lambda x: 0.0),
    ("a x^n", lambda x: 4 * x**3, lambda x: 12 * x**2),
    ("e^x", np.exp, np.exp),
    ("ln x", np.log, lambda x: 1 / x),
    ("e^-x", lambda x: np.exp(-x), lambda x: -np.exp(-x)),
    ("3x^2 + e^x + 7", lambda x: 3 * x**2 + np.exp(x) + 7, lambda x: 6 * x + np.exp(x)),
    ("ln x + 1/x", lambda x: np.log(x) + 1 / x, lambda x: 1 / x - 1 / x**2),
]


@pytest.mark.parametrize(("name", "f", "slope"), RULES, ids=[rule[0] for rule in RULES])
@pytest.mark.parametrize("x", [0.5, 1.0, 2.0, 3.7])
def test_the_courses_rules(name, f, slope, x):
    assert numerical_derivative(f, x) == pytest.approx(slope(x), rel=1e-6, abs=1e-8)


def test_partial_derivatives():
    def f(v):
        x, y = v
        return x**2 + x * y + y**3

    np.testing.assert_allclose(numerical_derivative(f, [1.0, 2.0]), [4.0, 13.0], rtol=1e-7)


def test_bits_of_the_reference(rng):
    for shape in ((), (1,), (7,), (2, 3), (2, 2, 2)):
        x = rng.standard_normal(shape) if shape else float(rng.standard_normal())

        def f(v):
            return np.sum(np.sin(v) * np.exp(v) + v**3)

        np.testing.assert_array_equal(numerical_derivative(f, x, 1e-3), reference.numerical_derivative(f, x, 1e-3))


@pytest.mark.usefixtures("jit")
def test_compiled_functions():
    import numba

    @numba.njit
    def f(v):
        total = 0.0
        for i in range(v.size):
            total += np.sin(v[i]) * v[i] ** 2
        return total

    @numba.njit
    def square(x):
        return x * x

    x = np.linspace(-1, 2, 50)
    np.testing.assert_allclose(
        numerical_derivative(f, x), reference.numerical_derivative(f.py_func, x), rtol=1e-9, atol=1e-10
    )
    assert numerical_derivative(square, 3.0) == pytest.approx(6.0)
    assert isinstance(numerical_derivative(square, 3.0), float)
    before = len(mlcore.derivatives._functions._compiled_loop().signatures)
    numerical_derivative(f, x + 1)
    assert len(mlcore.derivatives._functions._compiled_loop().signatures) == before


def test_integers_become_floats():
    np.testing.assert_allclose(numerical_derivative(lambda v: (v**2).sum(), np.array([1, 2, 3])), [2, 4, 6])
    assert numerical_derivative(lambda x: x**2, 3) == pytest.approx(6.0)


def test_x_comes_back_unchanged():
    x = np.array([1.0, 2.0])

    def fails(v):
        if v[0] != 1.0:
            raise RuntimeError("no")
        return v.sum()

    def mutates(v):
        v[:] = np.where(v == v.max(), v, v)
        return v.sum()

    with pytest.raises(RuntimeError, match="no"):
        mlcore.gradient(fails, x)
    mlcore.gradient(mutates, x)
    np.testing.assert_array_equal(x, [1.0, 2.0])
    x.flags.writeable = False
    np.testing.assert_allclose(numerical_derivative(lambda v: v.sum(), x), [1, 1])


def test_shapes():
    assert numerical_derivative(lambda v: v.sum(), np.empty((0, 2))).shape == (0, 2)
    assert numerical_derivative(lambda v: float(v), np.array(2.0)).shape == ()
    assert numerical_derivative(lambda v: np.array([v.sum()]), [1.0, 2.0]).shape == (2,)


@pytest.mark.parametrize(
    ("f", "x", "error", "message"),
    [
        (lambda v: v, [1.0, 2.0], TypeError, r"one real number.*shape \(2,\)"),
        (lambda v: "1", 1.0, TypeError, "one real number"),
        (lambda v: 1j, 1.0, TypeError, "one real number"),
        (lambda v: None, [1.0], TypeError, "one real number"),
        (lambda v: v.sum(), [1.0, np.nan], ValueError, "NaN"),
        (lambda v: v.sum(), [np.inf], ValueError, "infinity"),
        (lambda v: v, "text", ValueError, "real numbers"),
    ],
)
def test_bad_input(f, x, error, message):
    with pytest.raises(error, match=message):
        numerical_derivative(f, x)
    with pytest.raises(ValueError, match="delta"):
        numerical_derivative(np.sin, 1.0, delta=0)


def test_a_compiled_vector_function_is_refused():
    import numba

    with pytest.raises(TypeError, match="one real number"):
        numerical_derivative(numba.njit(lambda v: v * 2), [1.0, 2.0])


def test_check_gradient():
    def f(v):
        return (v**3).sum()

    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    good = mlcore.check_gradient(f, lambda v: 3 * v**2, x)
    assert good
    assert good.passed
    assert good.max_relative_error < 1e-9
    wrong = 3 * x**2
    wrong[1, 0] += 1
    bad = mlcore.check_gradient(f, wrong, x)
    assert not bad
    assert bad.worst_index == (1, 0)
    assert str(bad).startswith("the gradient at [1, 0] is 28, the difference of f 27")
    assert "more than" in bad.message
    assert "within" in good.message
    assert bad.max_relative_error == pytest.approx(1 / 48, rel=1e-3)
    assert not mlcore.check_gradient(f, np.full_like(x, np.nan), x)
    assert mlcore.check_gradient(np.sin, np.cos, 0.3)
    with pytest.raises(ValueError, match="shape"):
        mlcore.check_gradient(f, [1.0], x)
    with pytest.raises(ValueError, match="empty"):
        mlcore.check_gradient(f, np.empty(0), np.empty(0))


def test_results_of_small_types_do_not_wrap():
    for kind in (np.uint8, np.int8, np.float32, np.int64, bool):
        low, high = (100, 20) if kind is not bool else (True, False)

        def step(x, kind=kind, low=low, high=high):
            return kind(low if x < 3 else high)

        assert numerical_derivative(step, 3.0) == pytest.approx((float(high) - float(low)) / 2e-4)
        assert type(numerical_derivative(step, 3.0)) is float
    import numba

    jitted = numba.njit(lambda v: np.uint8(100 if v[0] < 3 else 20))
    assert numerical_derivative(jitted, [3.0])[0] == pytest.approx(-80 / 2e-4)


def test_check_gradient_is_relative():
    x = np.array([1.0, 2.0])
    assert not mlcore.check_gradient(lambda v: 1e-9 * (v**2).sum(), -2e-9 * x, x)
    assert mlcore.check_gradient(lambda v: 1e8 + (v**2).sum(), 2 * x, x)
    with pytest.raises(ValueError, match="real numbers"):
        mlcore.check_gradient(lambda v: v.sum(), 1j * x, x)
