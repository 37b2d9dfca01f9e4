"""The public functions: numerical_derivative's bits, check_gradient, compiled functions, threads, bad input."""

import numpy as np
import pytest
from scipy.optimize import rosen

import mlcore
from mlcore import numerical_derivative, reference
from mlcore.derivatives._differences import METHODS

from .measures import DIGITS


def test_the_course_by_another_name():
    """`central` with a step is `numerical_derivative`; plain numbers give plain numbers."""
    x = np.array([0.3, -1.7, 2.2])
    np.testing.assert_allclose(
        mlcore.gradient(rosen, x, method="central", step=1e-4), mlcore.numerical_derivative(rosen, x), rtol=1e-10
    )
    steps = np.array([1e-4, 1e-3, 1e-2])
    for i, h in enumerate(steps):
        unit = np.eye(3)[i] * h
        assert mlcore.gradient(rosen, x, method="central", step=steps)[i] == pytest.approx(
            (rosen(x + unit) - rosen(x - unit)) / (2 * h), rel=1e-10
        )
    for f in (mlcore.gradient, mlcore.jacobian, mlcore.hessian):
        assert type(f(np.sin, 0.3)) is float
        assert f(np.sin, np.array(0.3)).shape == ()
    assert mlcore.gradient(np.sin, 1) == pytest.approx(np.cos(1.0), rel=1e-13)


@pytest.mark.usefixtures("jit")
@pytest.mark.parametrize("n_threads", [None, 1, 3])
def test_compiled_functions(n_threads):
    import numba

    @numba.njit
    def f(v, power):
        return np.sum(np.sin(v) * v**power)

    @numba.njit
    def outputs(v):
        return v.reshape(-1)[::-1].copy() ** 2

    x = np.random.default_rng(4).uniform(0.5, 2, (3, 5))
    want = np.cos(x) * x**2 + 2 * np.sin(x) * x
    for method in METHODS:
        got = mlcore.gradient(f, x, method=method, args=(2,), n_threads=n_threads)
        np.testing.assert_allclose(got, want, rtol=0, atol=DIGITS[method] * np.abs(want).max())
    got = mlcore.jacobian(outputs, x, n_threads=n_threads).reshape(15, 15)
    np.testing.assert_allclose(got, np.diag(2 * x.ravel())[::-1], atol=1e-12)
    assert mlcore.gradient(numba.njit(lambda v: np.sin(v)), 0.3, n_threads=n_threads) == pytest.approx(
        np.cos(0.3), rel=1e-13
    )
    signatures = len(f.signatures)
    mlcore.gradient(f, x + 1, args=(2,), n_threads=n_threads)
    assert len(f.signatures) == signatures
    np.testing.assert_array_equal(
        mlcore.gradient(f, x, args=(2,), n_threads=1), mlcore.gradient(f, x, args=(2,), n_threads=n_threads)
    )

    @numba.njit
    def mutates(v):
        v[0] += 1.0
        return v[0]

    with pytest.raises(ValueError, match="f changes the array"):
        mlcore.gradient(mutates, np.array([1.0, 2.0]))


def test_threads_call_a_python_function_if_asked_to():
    x = np.random.default_rng(5).normal(size=20)
    np.testing.assert_array_equal(mlcore.gradient(rosen, x, n_threads=4), mlcore.gradient(rosen, x))


def test_x_comes_back_unchanged():
    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    before = x.copy()

    def mutates(v):
        v *= 2
        return np.sum(v**2)

    np.testing.assert_allclose(mlcore.gradient(mutates, x), 8 * before, rtol=1e-12)

    def fails(v):
        if v[1] > 2:
            raise ZeroDivisionError("here")
        return v.sum()

    for derivative in (mlcore.gradient, mlcore.jacobian, mlcore.hessian):
        with pytest.raises(ZeroDivisionError, match="here"):
            derivative(fails, x)
    np.testing.assert_array_equal(x, before)
    integers = np.array([1, 2, 3])
    np.testing.assert_allclose(mlcore.gradient(lambda v: np.sum(v**2), integers), [2, 4, 6], rtol=1e-12)
    assert mlcore.gradient(lambda v: np.sum(v**2), integers.astype(np.float32)).dtype == np.float64


def test_shapes_of_compiled_functions():
    import numba

    @numba.njit
    def other(v):
        return v**2 if v[0] == 1.0 else np.array([np.sum(v)])

    with pytest.raises(ValueError, match="same everywhere"):
        mlcore.jacobian(other, np.array([1.0, 2.0]))
    np.testing.assert_allclose(mlcore.jacobian(numba.njit(lambda v: v[::2]), np.ones(3)), [[1, 0, 0], [0, 0, 1]])
    got = mlcore.numerical_derivative(numba.njit(lambda v: v[:1] ** 3), np.array([1.0, 2.0]))
    np.testing.assert_allclose(got, [3, 0], atol=1e-7)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mlcore.gradient(lambda v: v, [1.0, 2.0]), TypeError, "one real number.*shape \\(2,\\).*jacobian"),
        (lambda: mlcore.hessian(lambda v: v, [1.0, 2.0]), TypeError, "one real number"),
        (lambda: mlcore.gradient(lambda v: "a", [1.0]), TypeError, "real numbers, but returned str"),
        (lambda: mlcore.jacobian(lambda v: None, [1.0]), TypeError, "real numbers, but returned NoneType"),
        (lambda: mlcore.gradient(lambda v: abs(v[0]), [1.0], method="complex-step"), TypeError, "complex"),
        (lambda: mlcore.gradient(np.sum, [1.0, np.nan]), ValueError, "x contains NaN .first at index .1"),
        (lambda: mlcore.gradient(np.sum, [1.0, np.inf]), ValueError, "infinity"),
        (lambda: mlcore.gradient(np.sum, None), ValueError, "x is None"),
        (lambda: mlcore.gradient(np.sum, [1.0], method="exact"), ValueError, "method"),
        (lambda: mlcore.gradient(np.sum, [1.0], step=0.0), ValueError, "step is 0.0"),
        (lambda: mlcore.gradient(np.sum, [1.0], step=[1e-3, 1e-3]), ValueError, "step has shape"),
        (lambda: mlcore.gradient(np.sum, [1.0], step="a"), ValueError, "step is 'a'"),
        (lambda: mlcore.gradient(np.sum, [1.0], step=1e-20, method="central"), ValueError, "too small beside x"),
        (lambda: mlcore.gradient(np.sum, [1.0], n_threads=0), ValueError, "n_threads"),
        (lambda: mlcore.jacobian(lambda v: v[: 1 + (v[0] > 1)], [1.0, 2.0]), ValueError, "the same everywhere"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_bits_of_the_reference(rng):
    for shape in ((), (1,), (7,), (2, 3), (2, 2, 2)):
        x = rng.standard_normal(shape) if shape else float(rng.standard_normal())

        def f(v):
            return np.sum(np.sin(v) * np.exp(v) + v**3)

        np.testing.assert_array_equal(numerical_derivative(f, x, 1e-3), reference.numerical_derivative(f, x, 1e-3))


@pytest.mark.usefixtures("jit")
def test_compiled_functions_by_numerical_derivative():
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


def test_x_comes_back_unchanged_from_plain_differences():
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


def test_shapes_of_numerical_derivative():
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
def test_bad_input_of_numerical_derivative(f, x, error, message):
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
