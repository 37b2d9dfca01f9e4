"""Newton's method in one call, and coordinate descent."""

import numpy as np
import pytest
from conftest import HERE

from mlcore import reference
from mlcore.kernels import ids
from mlcore.linear_model import _newton
from mlcore.linear_model._likelihood import LabelledRows

from .arguments import run_descent, run_newton, same_bits, textbook, two_classes


@pytest.mark.parametrize(
    ("p", "intercept"), [(0, True), *((p, one) for p in (1, 2, 6, 7, 8, 9, 17) for one in (True, False))]
)
def test_newton(p, intercept):
    data, l2 = two_classes(p, seed=p)
    results = {name: run_newton(name, data, l2, intercept=intercept) for name in HERE}
    same_bits(results)
    X, labels, weight, shift, scale, _ = data
    rows = np.column_stack([(X - shift) * scale, np.full(len(X), float(intercept))])
    for status, theta, steps, value, wrong, _, hessian in results.values():
        assert status == ids.CONVERGED
        assert 3 <= steps <= 9
        wanted = reference.logistic_loss(theta[np.newaxis], rows, labels, sample_weight=weight)
        np.testing.assert_allclose(wanted[1][0] + l2 * theta, 0, atol=1e-8)
        # seen before the last step
        assert value == pytest.approx(wanted[0], rel=1e-8)
        assert wrong == pytest.approx(weight[(rows @ theta > 0) != labels].sum(), rel=1e-14)
        np.testing.assert_allclose(hessian, wanted[2], rtol=1e-4, atol=1e-4)
        if not intercept:
            assert theta[-1] == 0


def test_newton_where_it_starts(backend):
    """No step: value, gradient with the penalty's part, and Hessian of the start."""
    *data, _ = two_classes(8, seed=4)[0]
    l2, theta = np.linspace(0, 1, 9), np.random.default_rng(15).standard_normal((1, 9))
    status, found, steps, value, wrong, gradient, hessian = run_newton(backend, (*data, theta), l2, most=0)
    wanted = textbook(*data, theta)
    assert (status, steps) == (ids.RUNNING, 0)
    np.testing.assert_array_equal(found, theta[0])
    assert value == pytest.approx(wanted[0], rel=1e-13)
    assert wrong == pytest.approx(wanted[1], rel=1e-14)
    np.testing.assert_allclose(gradient, wanted[2][0] + l2 * theta[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(hessian, wanted[3], rtol=1e-12, atol=1e-12)


def of_kind(kind):
    """Few rows of two classes that overlap, or are separated by the last column, or are so in part."""
    X = np.array([[1.0, 2, 0], [2, -1, 1], [-1, 1, 0], [0, -2, 0], [3, 1, 2], [-2, 0, 0], [1, -1, 0], [-1, -1, 3]])
    labels = np.array([1, 1, 0, 0, 1, 1, 0, 1])
    if kind == "separated":
        X[:, 2] = labels
    if kind == "overlapping":
        X[3, 2] = X[6, 2] = 1.5
    return X, labels, np.linspace(0.5, 2, 8), np.array([0.5, 0.0, 0.0]), np.array([1.0, 0.5, 1.0])


@pytest.mark.parametrize("l2", [(0, 0, 0), (0.3, 0, 0.2), (0.3, 0.2, 0), (0.3, 0.2, 0.1)], ids=str)
@pytest.mark.parametrize("kind", ["overlapping", "separated", "separated in part"])
def test_newton_step_by_step(kind, l2, backend):
    """The same steps and the same end as the general method's."""
    rows, l2 = of_kind(kind), np.append(l2, 0.0)
    mass = float(rows[2].sum())
    general = LabelledRows(*rows[:3], 1, *rows[3:], True)
    for start in ([0.0, 0.0, 0.0, 0.0], [0.3, 0.3, 0.4, -0.1]):
        theta = np.array([start])
        for tolerance, negligible, most in (
            (1e-4, 1e-9, 30), (1e-4, 1e-9, 2), (np.inf, 1e-9, 30), (np.inf, 1e-9, 1), (0.3, 1e-2, 30), (9.0, 1e-2, 0),
        ):  # fmt: skip
            wanted = _newton.minimise(
                general.evaluate, theta, _newton.Penalty(l2, np.zeros(4)), mass=mass, tol=tolerance / mass,
                max_iter=most, negligible=negligible,
            )  # fmt: skip
            status, found, steps, value, wrong, _, _ = run_newton(
                backend, (*rows, theta), l2, tolerance=tolerance, negligible=negligible, most=most,
                highest=_newton.value_at_zero(len(theta), mass),
            )  # fmt: skip
            if status != ids.UNUSUAL:
                assert status == (
                    ids.SEPARATED if wanted.separated else ids.CONVERGED if wanted.converged else ids.RUNNING
                ), (tolerance, negligible, most)
                assert max(steps, 1 if wanted.converged and most else 0) == wanted.n_iter
                np.testing.assert_allclose(found, wanted.theta[0], rtol=1e-7, atol=1e-7)
                assert value == pytest.approx(wanted.last.value, rel=1e-9)
                assert wrong == pytest.approx(wanted.last.wrong, rel=1e-12)
            else:
                # curvature is lost where classes go apart, and there alone
                assert kind != "overlapping"
                assert l2[2] == 0
    if kind != "overlapping" and l2[2] == 0:
        status, theta, *_ = run_newton(backend, (*rows, np.zeros((1, 4))), l2, tolerance=1e-3, negligible=1e-7)
        assert status == ids.SEPARATED
        assert theta[2] > 5


@pytest.mark.parametrize("far", [2.0, 10.0])
def test_newton_shortens_steps(far, backend):
    """From a start where the slope is small a whole step goes too far."""
    data, l2 = two_classes(2, seed=2, noise=2.0)
    wanted = run_newton(backend, data, l2)[1]
    status, theta, steps, *_ = run_newton(backend, (*data[:-1], far * np.array([[1.0, 1.0, -1.0]])), l2)
    assert status == ids.CONVERGED
    assert steps <= 15
    np.testing.assert_allclose(theta, wanted, rtol=1e-7)


def test_newton_of_huge_weights(backend):
    """The unit of the weights and of the penalty changes nothing."""
    (*rows, weight, shift, scale, theta), l2 = two_classes(2, seed=2)
    wanted = run_newton(backend, (*rows, weight, shift, scale, theta), l2)[1]
    for part in 10.0 ** np.arange(-8, -3, 0.25):
        close_by = wanted[np.newaxis] * (1 + part)
        status, found, *_ = run_newton(backend, (*rows, weight * 2.0**60, shift, scale, close_by), l2 * 2.0**60)
        assert status in (ids.CONVERGED, ids.UNUSUAL)
        np.testing.assert_allclose(found, close_by[0] if status == ids.UNUSUAL else wanted, rtol=1e-7)


def test_newton_counts_the_penalty(backend):
    """From a start that is heavily penalised the loss rises while the objective falls."""
    data, l2 = two_classes(2, seed=2, noise=2.0)
    l2 = 500 * l2
    wanted = run_newton(backend, data, l2)[1]
    status, theta, steps, *_ = run_newton(backend, (*data[:-1], np.array([[4.0, -0.1, 0.0]])), l2)
    assert status == ids.CONVERGED
    assert steps <= 9
    np.testing.assert_allclose(theta, wanted, rtol=1e-7)


def test_newton_in_any_units(backend):
    """Columns of different sizes are no dependent columns; dependent ones are, in any units."""
    (X, labels, weight, shift, scale, theta), _ = two_classes(3, seed=5)
    wanted = run_newton(backend, (X, labels, weight, shift, scale, theta), np.zeros(4))[1]
    for units in ([1e7, 1.0, 1e-7], [1e-7, 1.0, 1e7], [1.0, 1e7, 1e-7]):
        data = X, labels, weight, shift, scale * units, theta
        status, found, *_ = run_newton(backend, data, np.zeros(4), tolerance=np.inf)
        assert status in (ids.CONVERGED, ids.SEPARATED)  # a large coefficient takes large steps
        np.testing.assert_allclose(found[:3] * units, wanted[:3], rtol=1e-6)
    # of all columns and the ones, or of the first three alone
    for p, place, count in ((4, 1, 4), (4, 3, 4), (6, 2, 3), (7, 2, 7), (7, 2, 3), (7, 6, 7), (8, 0, 3), (8, 1, 3)):
        (X, labels, weight, shift, scale, theta), _ = two_classes(p, seed=place)
        others = np.delete(np.arange(count), place)
        part = np.linspace(0.3, -0.7, count - 1)
        X[:, place] = X[:, others] @ part
        if count == 3:
            shift[place] = shift[others] @ part
        for unit in (1.0, 1e-7, 1e7):
            scale[place] = unit
            # at once, where rounding has left them some length too
            data = X, labels, weight, shift, scale, theta
            assert run_newton(backend, data, np.zeros(1 + p), most=0)[0] == ids.UNUSUAL
        # a part of its own, if small, is enough
        X[:, place] += 1e-5 * np.random.default_rng(16).standard_normal(len(X))
        assert run_newton(backend, data, np.zeros(1 + p), most=0)[0] == ids.RUNNING


def test_newton_without_steps_left(backend):
    """No step is taken; it has converged if the one that is left promises as good as nothing."""
    data, l2 = two_classes(2, seed=2)
    minimum = run_newton(backend, data, l2)[1]
    for part, wanted in ((1e-8, ids.CONVERGED), (1e-3, ids.RUNNING)):
        start = minimum[np.newaxis] * (1 + part)
        status, theta, steps, *_ = run_newton(
            backend, (*data[:-1], start), l2, tolerance=np.inf, negligible=1e-2, most=0
        )  # fmt: skip
        assert (status, steps) == (wanted, 0)
        np.testing.assert_array_equal(theta, start[0])


def test_newton_leaves_what_is_unusual(backend):
    data, l2 = two_classes(3, seed=3)
    X, labels, weight, shift, scale, theta = data
    # a column that depends on another, and has no penalty
    double = np.column_stack([X, X[:, 1]])
    more = shift[[0, 1, 2, 1]], scale[[0, 1, 2, 1]], np.zeros((1, 5))
    assert run_newton(backend, (double, labels, weight, *more), np.zeros(5))[0] == ids.UNUSUAL
    assert run_newton(backend, (double, labels, weight, *more), np.append(np.ones(4), 0.0))[0] == ids.CONVERGED
    # a column of zeros, too
    assert (
        run_newton(backend, (X * [1, 0, 1], labels, weight, shift * [1, 0, 1], scale, theta), 0 * l2)[0] == ids.UNUSUAL
    )
    # numbers that are none
    for bad in (np.nan, np.inf):
        theta = np.array([[0.0, bad, 0.0, 0.0]])
        assert run_newton(backend, (X, labels, weight, shift, scale, theta), l2)[0] == ids.UNUSUAL
    # a start that is too high
    data, _ = two_classes(3, seed=3)
    mass = weight.sum()
    assert run_newton(backend, data, l2, highest=mass * 0.693)[0] == ids.UNUSUAL
    assert run_newton(backend, data, l2, highest=mass * 0.694)[0] == ids.CONVERGED


def test_newton_of_separated_classes(backend):
    X = np.array([[-2.0], [-1.0], [1.0], [3.0]])
    data = X, (X[:, 0] > 0).astype(np.intp), None, np.zeros(1), np.ones(1), np.zeros((1, 2))
    status, theta, _, value, wrong, _, _ = run_newton(backend, data, np.zeros(2), tolerance=1e-4)
    assert status == ids.SEPARATED
    assert wrong == 0
    assert 0 < value < 1e-3
    assert theta[0] > 5
    # a penalty bounds it, and so does a row on the other side
    assert run_newton(backend, data, np.array([0.1, 0.0]), tolerance=1e-2)[0] == ids.CONVERGED
    labels = np.array([0, 1, 0, 1])
    assert run_newton(backend, (X, labels, *data[2:]), np.zeros(2))[0] == ids.CONVERGED
    # half of the columns with a penalty do not
    X = np.column_stack([X, [1.0, -1.0, -1.0, 1.0]])
    data = X, data[1], None, np.zeros(2), np.ones(2), np.zeros((1, 3))
    assert run_newton(backend, data, np.array([0.0, 0.1, 0.0]), tolerance=1e-4)[0] == ids.SEPARATED


def sweep_by_sweep(H, g, penalty, start, tolerance, sweeps):
    """The textbook's loop: Friedman, Hastie and Tibshirani 2010, soft thresholds; all, then those that are not zero."""
    b, done, whole = start.copy(), 0, True
    while done < sweeps:
        largest = 0.0
        for j in range(len(b)):
            if H[j, j] > 0 and (whole or b[j] != 0 or penalty[j] == 0):
                u = H[j, j] * b[j] - (g[j] + H[j] @ (b - start))
                new = np.sign(u) * max(abs(u) - penalty[j], 0.0) / H[j, j]
                largest = max(largest, abs(new - b[j]) * np.sqrt(H[j, j]))
                b[j] = new
        done += 1
        if largest <= tolerance and whole:
            break
        whole = largest <= tolerance
    return b, done


def quadratic(size, seed=0):
    """A Hessian, a gradient, penalties of which some are 0, and a start."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((size + 2, size))
    penalty = rng.uniform(0.2, 2.5, size)
    penalty[::4] = 0.0
    start = rng.standard_normal(size) * (rng.uniform(size=size) < 0.6)
    return A.T @ A, rng.standard_normal(size) * 3, penalty, start


@pytest.mark.parametrize("size", [1, 2, 5, 9, 17])
def test_coordinate_descent(size):
    H, g, penalty, start = quadratic(size, seed=size)
    results = {name: run_descent(name, H, g, penalty, start, 1e-13, 5000) for name in HERE}
    same_bits(results, rtol=1e-12)
    for b, moved, done in results.values():
        assert done < 5000
        np.testing.assert_allclose(moved, H @ (b - start), atol=1e-12)
        # Karush, Kuhn and Tucker: the slope balances the penalty, or does not reach it where b is 0
        slope = g + H @ (b - start)
        assert np.abs(slope + penalty * np.sign(b))[b != 0].max(initial=0) < 1e-10
        assert (np.abs(slope) <= penalty + 1e-10)[b == 0].all()
    if size >= 9:
        assert (b == 0).any()
        assert (b > 0).any()
        assert (b < 0).any()


@pytest.mark.parametrize("tolerance", [0.0, 1e-3, 0.1])
def test_coordinate_descent_sweep_by_sweep(tolerance, backend):
    H, g, penalty, start = quadratic(6, seed=1)
    for sweeps in (0, 1, 2, 7, 60):
        b, moved, done = run_descent(backend, H, g, penalty, start, tolerance, sweeps)
        wanted, steps = sweep_by_sweep(H, g, penalty, start, tolerance, sweeps)
        assert done == steps
        np.testing.assert_allclose(b, wanted, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(moved, H @ (b - start), atol=1e-12)


def test_coordinate_descent_of_whole_numbers(backend):
    """Steps of one, thresholds that are met exactly, and an end where nothing moves."""
    g, penalty = np.array([-1.0, 2.0, 3.0, -3.0, -5.0]), np.array([0.0, 1.0, 3.0, 3.0, 1.0])
    b, moved, done = run_descent(backend, np.eye(5), g, penalty, np.zeros(5), 0.0, 10)
    np.testing.assert_array_equal(b, [1.0, -1.0, 0.0, 0.0, 4.0])
    np.testing.assert_array_equal(moved, b)
    assert done == 3


def test_coordinate_descent_leaves_flat_coordinates(backend):
    H, g, penalty, start = quadratic(4, seed=2)
    H[2] = H[:, 2] = 0.0
    start[2] = 5.0
    b, moved, _ = run_descent(backend, H, g, penalty, start, 1e-12, 1000)
    assert b[2] == 5.0
    assert moved[2] == 0.0
    others = [0, 1, 3]
    alone, _, _ = run_descent(
        backend, H[np.ix_(others, others)].copy(), g[others], penalty[others], start[others], 1e-12, 1000
    )
    np.testing.assert_array_equal(b[others], alone)
