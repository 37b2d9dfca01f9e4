"""Functions that ignore their argument and read the array that they were given as x, which is moved in place."""

import functools
import warnings
from fractions import Fraction

import numba
import numpy as np
import pandas
import pytest

import mlcore
from mlcore import reference

BOTH = pytest.mark.parametrize(
    "derivative", [mlcore.numerical_derivative, reference.numerical_derivative], ids=["mlcore", "reference"]
)
INPUTS = np.arange(1.0, 6.0).reshape(-1, 1)
TARGETS = INPUTS + 1


def layouts(dtype):
    """The same six numbers in memory of every kind that can be moved."""
    values = np.array([[0.5, -1.25, 3.0], [2.0, 0.0, -0.75]], dtype)
    room = np.zeros((4, 9), dtype)
    yield "C", values.copy()
    yield "Fortran", np.asfortranarray(values)
    yield "transposed", values.T.copy().T
    for name, view in (
        ("strided", room[::2, ::3]),
        ("backwards", np.zeros((2, 3), dtype)[::-1, ::-1]),
        ("column", np.zeros((2, 3, 5), dtype)[:, :, 2]),
        ("field", np.zeros((2, 3), [("w", dtype), ("b", "i8")])["w"]),
        ("matrix", np.zeros((2, 3), dtype).view(np.matrix)),
        ("buffer", np.frombuffer(bytearray(6 * np.dtype(dtype).itemsize), dtype).reshape(2, 3)),
    ):
        view[...] = values
        yield name, view


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_courses_line(derivative, dtype):
    W, b = np.full((1, 1), 0.5, dtype), np.full(1, 0.5, dtype)

    def f(_):
        return np.sum((TARGETS - (INPUTS @ W.astype(float) + b)) ** 2) / len(INPUTS)

    tolerance = 1e-9 if dtype == np.float64 else 1e-6
    np.testing.assert_allclose(derivative(f, W), [[-14.0]], rtol=tolerance)
    np.testing.assert_allclose(derivative(f, b), [-4.0], rtol=tolerance)
    assert W[0, 0] == b[0] == 0.5


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_layout(derivative, dtype):
    """f reads the array alone, its argument alone, or both, which are the same; of float32 the argument is float64."""
    coefficients = np.array([[1.0, 2.0, 4.0], [-1.0, 0.5, 3.0]])
    for name, x in layouts(dtype):
        before = x.copy()

        def of_array(_, x=x):
            return float(np.sum(coefficients * np.asarray(x, np.float64) ** 2))

        def of_argument(v):
            return float(np.sum(coefficients * np.asarray(v) ** 2))

        def of_both(v, x=x):
            assert v.dtype == np.float64
            assert (v is x) == (x.dtype == np.float64)
            np.testing.assert_array_equal(v, x)
            return float(np.sum(coefficients * np.asarray(v) * np.asarray(x)))

        found = [derivative(f, x) for f in (of_array, of_argument, of_both)]
        for part in found:
            assert type(part) is np.ndarray, name
            assert part.dtype == np.float64
            assert part.shape == (2, 3)
            assert not np.shares_memory(part, x)
            np.testing.assert_array_equal(part, found[0], name)
        np.testing.assert_allclose(found[0], 2 * coefficients * np.asarray(before, float), rtol=1e-7, atol=1e-7)
        np.testing.assert_array_equal(x.tobytes(), before.tobytes(), name)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_bits_of_the_textbook(dtype, rng):
    for shape in ((), (1,), (7,), (2, 3), (2, 2, 2), (0, 3)):
        x = np.asarray(rng.standard_normal(shape), dtype)

        def f(_, x=x):
            return np.sum(np.sin(x) * np.exp(x, dtype=np.float64) + x**3)

        for delta in (1e-4, 1e-3, 0.3):
            ours, textbook = (g(f, x, delta) for g in (mlcore.numerical_derivative, reference.numerical_derivative))
            assert isinstance(ours, np.ndarray)
            np.testing.assert_array_equal(ours, textbook)


@BOTH
def test_order_and_moves(derivative):
    """Entry by entry in C order, whatever the memory; each is back before the next one moves."""
    x = np.zeros((2, 2), order="F")
    seen = []
    derivative(lambda _: seen.append(x.copy()) or 0.0, x, 0.5)
    wanted = [[[0, 0], [0, 0]] for _ in range(8)]
    for k, (i, j) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        wanted[2 * k][i][j], wanted[2 * k + 1][i][j] = 0.5, -0.5
    np.testing.assert_array_equal(seen, wanted)


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_x_is_put_back(derivative, dtype, failure):
    for function in (derivative, mlcore.gradient, mlcore.jacobian, mlcore.hessian):
        x = np.array([[1.0, -0.0, 1e-40], [2.0, 3.0, 0.1]], dtype)[:, ::2]
        before, calls = x.tobytes(), iter(range(3 if function is derivative else 25))

        def fails(_, calls=calls):
            if next(calls, None) is None:
                raise failure("on purpose")
            return 1.0

        with pytest.raises(failure, match="on purpose"):
            function(fails, x)
        assert x.tobytes() == before

    def wrecks(_):
        x[...] = np.nan
        return 1.0

    derivative(wrecks, x)
    assert x.tobytes() == before


@BOTH
def test_an_invalid_result_leaves_x(derivative):
    x = np.array([1.0, 2.0])
    with pytest.raises((TypeError, ValueError)):
        derivative(lambda v: v, x)
    np.testing.assert_array_equal(x, [1.0, 2.0])


@BOTH
def test_nested_calls(derivative):
    """The second derivatives of x0^2 x1 + x1^3, both levels reading the same array."""
    x = np.array([1.5, -0.5])

    def f(_):
        return x[0] ** 2 * x[1] + x[1] ** 3

    rows = [derivative(lambda _, i=i: derivative(f, x, 1e-3)[i], x, 1e-3) for i in range(2)]
    np.testing.assert_allclose(rows, [[2 * x[1], 2 * x[0]], [2 * x[0], 6 * x[1]]], atol=1e-5)
    np.testing.assert_array_equal(x, [1.5, -0.5])


@BOTH
def test_float32_divides_by_what_lies_between(derivative):
    """A linear function has its slope to the last digits, although x + delta and x - delta are rounded."""
    for value in (1.0, 0.1, 100.3, 1023.9, 1e-3, 0.0, -7.7):
        x = np.array([value], np.float32)
        for delta in (1e-4, 1e-3, 0.01):
            got = derivative(lambda _, x=x: 3.0 * float(x[0]), x, delta)
            assert got[0] == pytest.approx(3.0, rel=1e-12 * max(1.0, abs(value) / delta))


@BOTH
def test_a_delta_that_float32_does_not_hold(derivative):
    x = np.array([1.0, 5000.0], np.float32)
    with pytest.raises(ValueError, match=r"delta=0\.0001 is lost in"):
        derivative(lambda _: float(x.sum()), x)
    np.testing.assert_array_equal(x, np.array([1.0, 5000.0], np.float32))
    with pytest.raises(ValueError, match="is lost in"), np.errstate(over="ignore"):
        derivative(lambda _: 0.0, x, 1e39)
    with pytest.raises(ValueError, match="is lost in"):
        derivative(lambda _: 0.0, np.array(1e9, np.float32))


def copied(folder):
    """What is copied, each with the reason."""
    yield "list", [0.5, 2.0]
    for dtype in ("i8", "?", "f2", "g", "O", ">f8", "<f4" if np.little_endian is False else ">f4"):
        yield dtype, np.array([1, 0], dtype)
    read_only = np.array([0.5, 2.0])
    read_only.flags.writeable = False
    yield "read-only", read_only
    yield "overlapping", np.lib.stride_tricks.as_strided(np.ones(3), (2, 2), (8, 8))
    yield "broadcast", np.lib.stride_tricks.as_strided(np.ones(1), (3,), (0,))
    yield "misaligned", np.zeros(17, np.uint8)[1:].view(np.float64)
    yield "memmap", np.memmap(folder / "x", np.float64, "w+", shape=(2,))
    yield "view of a memmap", np.asarray(np.memmap(folder / "y", np.float64, "w+", shape=(2,)))[::-1]
    yield "Series", pandas.Series([0.5, 2.0])


@BOTH
def test_what_is_copied(derivative, tmp_path):
    for name, x in copied(tmp_path):
        before = np.array(x, copy=True)

        def f(v, x=x, before=before):
            assert v is not x
            np.testing.assert_array_equal(np.asarray(x), before)
            return float(np.sum(np.asarray(v, float) ** 2))

        np.testing.assert_allclose(derivative(f, x), 2 * before.astype(float), atol=1e-3, err_msg=name)


@pytest.mark.parametrize(
    "function",
    [
        mlcore.numerical_derivative,
        mlcore.gradient,
        mlcore.jacobian,
        mlcore.hessian,
        lambda f, x: mlcore.check_gradient(f, np.zeros(np.shape(x)), x),
    ],
    ids=["numerical_derivative", "gradient", "jacobian", "hessian", "check_gradient"],
)
def test_ignored_copies_are_told(function, tmp_path):
    for name, x in [*copied(tmp_path), ("number", 0.5), ("NumPy's number", np.float64(2.0)), ("int", 3)]:
        with pytest.warns(UserWarning, match="may not look at its argument") as caught:
            function(lambda _: 4.0, x)
        assert len(caught) == 1, name
        assert type(x).__name__ in str(caught[0].message)
        assert "writable NumPy array of float64" in str(caught[0].message)
        assert caught[0].filename == __file__


def test_no_warning_without_reason():
    x = np.array([1.0, 2.0])
    for function in (mlcore.numerical_derivative, mlcore.gradient, mlcore.jacobian, mlcore.hessian):
        for f, point in (
            (lambda _: 7.0, x),  # moved in place: constant
            (lambda v: 7.0 + 0.0 * v[0], [1.0, 2.0]),  # plainly reads its argument
            (functools.partial(lambda scale, v: scale * max(v[0], 0.0), 2.0), [-1.0, -2.0]),
            (lambda v: v[0] ** 2, [0.0, 0.0]),  # the same number at all moves of v[0], another one at x
            (lambda v: sum(part for part in v if v[0] > 9), [1.0, 2.0]),  # through an inner function
            (lambda _: 0.0, np.empty((0, 2))),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                function(f, point)
    assert mlcore.numerical_derivative(abs, 0.0) == 0.0


@pytest.mark.usefixtures("jit")
def test_compiled_functions_know_no_arrays_outside():
    W = np.array([0.5])
    f = numba.njit(lambda _: W[0] ** 2)
    for function in (mlcore.numerical_derivative, mlcore.gradient):
        with pytest.warns(UserWarning, match="compiled"):
            np.testing.assert_array_equal(function(f, W), [0.0])
    np.testing.assert_allclose(mlcore.numerical_derivative(numba.njit(lambda v: v[0] ** 2), W), [1.0], rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", ["auto", "central", "five-point", "richardson"])
def test_derivatives_of_what_f_reads(dtype, method):
    """gradient, jacobian and hessian of a cubic of an array that f reads, beside exact values."""
    for values in ([1.3, -0.4, 2.6], [0.0, -3.0, 1e-3], [100.7, -0.001, 33.0]):
        x = np.array([*values, 9.0], dtype)[:3]
        exact = [Fraction(float(v)) for v in x]
        before = x.tobytes()

        def f(_, x=x):
            a, b, c = (float(v) for v in x)
            return a**2 * b + b**3 + a * c

        a, b, c = exact
        slopes = np.array([float(v) for v in (2 * a * b + c, a**2 + 3 * b**2, a)])
        bends = np.array([[float(v) for v in row] for row in ((2 * b, 2 * a, 1), (2 * a, 6 * b, 0), (1, 0, 0))])
        size = np.abs(slopes).max()
        value, error = mlcore.gradient(f, x, method=method, return_error=True)
        assert np.all(np.abs(value - slopes) <= 10 * error + 1e-13 * size)
        np.testing.assert_allclose(value, slopes, rtol=0, atol=1e-6 * size)
        rows = mlcore.jacobian(lambda _, f=f: np.array([f(_), 2.0]), x, method=method)
        np.testing.assert_allclose(rows[0], slopes, rtol=0, atol=1e-6 * size)
        np.testing.assert_array_equal(rows[1], np.zeros(3))
        second = mlcore.hessian(f, x, method=method)
        np.testing.assert_allclose(second, bends, rtol=0, atol=2e-4 * max(size, np.abs(bends).max()))
        assert x.tobytes() == before
        assert mlcore.check_gradient(f, slopes, x, delta=1e-3, tolerance=1e-4)
        assert not mlcore.check_gradient(f, slopes + 0.1 * size, x, delta=1e-3, tolerance=1e-4)


def test_bounds_and_sparsity_hold_for_what_f_reads():
    x = np.array([0.0, 0.5, 1.0])

    def f(_):
        assert np.all((x >= 0) & (x <= 1))
        return np.sqrt(1 + x) * [1, 2, 3]

    wanted = np.diag([1, 2, 3] / (2 * np.sqrt(1 + x)))
    np.testing.assert_allclose(mlcore.jacobian(f, x, bounds=(0, 1)), wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mlcore.jacobian(f, x, bounds=(0, 1), sparsity=np.eye(3)), wanted, rtol=1e-9, atol=1e-12)


def test_a_copy_is_moved_where_f_reads_its_argument():
    """f may read both: x stays where it is, also while f runs."""
    x = np.array([1.0, 2.0])

    def f(v):
        np.testing.assert_array_equal(x, [1.0, 2.0])
        return np.sum((v - x) ** 2 + 3 * v)

    for function in (mlcore.gradient, mlcore.jacobian):
        np.testing.assert_allclose(function(f, x), [3.0, 3.0], rtol=1e-9)
    np.testing.assert_allclose(mlcore.hessian(f, x), 2 * np.eye(2), atol=1e-6)
    assert mlcore.check_gradient(f, [3.0, 3.0], x)


def test_threads_move_copies_alone():
    x = np.array([1.0, 2.0])
    with pytest.warns(UserWarning, match="one thread"):
        np.testing.assert_array_equal(mlcore.gradient(lambda _: x[0] ** 2, x, n_threads=2), [0.0, 0.0])
    np.testing.assert_allclose(mlcore.gradient(lambda _: x[0] ** 2, x, n_threads=1), [2.0, 0.0], rtol=1e-9)
