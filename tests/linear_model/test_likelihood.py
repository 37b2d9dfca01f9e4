"""The log loss of labelled rows: its derivatives, far out, and rows that count for nothing."""

import numpy as np
import pytest
from kernels.arguments import close, dtypes, evaluate, labelled, textbook

from mlcore import reference
from mlcore.linear_model._likelihood import LabelledRows


@pytest.mark.parametrize("outputs", [1, 3, 8])
def test_logistic_derivatives_by_differences(outputs, backend):
    """The gradient is the slope of the value, the Hessian that of the gradient."""
    *data, theta = labelled((2, outputs, 12, "contiguous"), "float64", True)
    rng = np.random.default_rng(9)
    rows = LabelledRows(*data[:3], outputs, *data[3:], True)
    here = rows.evaluate(theta)
    numerical = reference.numerical_derivative(lambda t: rows.evaluate(t).value, theta)
    np.testing.assert_allclose(here.gradient, numerical, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(here.hessian, here.hessian.T, rtol=1e-13)
    for _ in range(4):
        one, other = rng.standard_normal((2, *theta.shape))
        slope = reference.numerical_derivative(
            lambda t, one=one, other=other: (other * rows.evaluate(theta + t * one).gradient).sum(), 0.0
        )
        assert other.ravel() @ here.hessian @ one.ravel() == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("outputs", [1, 3, 8])
@dtypes
def test_logistic_far_out(dtype, outputs, backend):
    """Raw predictions up to 1e3 either way: finite, and right."""
    rng = np.random.default_rng(10)
    z = np.array([-1e3, -745.0, -700.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 37.0, 709.0, 746.0, 1e3])
    X = np.column_stack([z, rng.permutation(z)]).astype(dtype)
    theta = rng.permutation(np.repeat([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]], 2, axis=0))[:outputs]
    labels = rng.integers(0, max(outputs, 2), len(X))
    data = X, labels, None, np.zeros(2), np.ones(2), theta
    found = evaluate(backend, *data)
    assert np.isfinite(found.value)
    assert np.isfinite(found.gradient).all()
    assert np.isfinite(found.hessian).all()
    close(found, textbook(*data), rtol=1e-13)


def test_two_classes_keep_the_digits_of_small_losses(backend):
    """Where all rows are far on the right side, loss, slope and curvature are small numbers, and right."""
    X = np.array([[20.0], [30.0], [36.0], [-25.0], [-700.0]])
    found = evaluate(backend, X, np.array([1, 1, 1, 0, 0]), None, np.zeros(1), np.ones(1), np.array([[1.0, 0.0]]))
    u, signed = np.exp(-np.abs(X[:, 0])), np.array([-1, -1, -1, 1, 1])
    assert found.value == pytest.approx(np.log1p(u).sum(), rel=1e-14)
    assert found.gradient[0, 0] == pytest.approx((signed * X[:, 0] * u / (1 + u)).sum(), rel=1e-14)
    assert found.hessian[0, 0] == pytest.approx((X[:, 0] ** 2 * u / (1 + u) ** 2).sum(), rel=1e-14)
    assert found.wrong == 0


def test_rows_that_are_not_right(backend):
    """A row counts unless its own class is above all others; ties do not do."""
    X, labels = np.array([[2.0], [-2.0], [0.0], [1.0]]), np.array([1, 0, 1, 0])
    theta = np.array([[1.0, 0.0]])
    weight = np.array([1.0, 2.0, 4.0, 8.0])
    assert evaluate(backend, X, labels, weight, np.zeros(1), np.ones(1), theta).wrong == 12
    assert evaluate(backend, X[:2], labels[:2], None, np.zeros(1), np.ones(1), theta).wrong == 0
    three = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5]])
    labels = np.array([0, 2, 2, 1])
    assert evaluate(backend, X, labels, weight, np.zeros(1), np.ones(1), three).wrong == 10
    assert evaluate(backend, X, labels, weight, np.zeros(1), np.ones(1), np.zeros((3, 2))).wrong == 15
    # the first and the last class tie with one another
    tie = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert evaluate(backend, X[:1], np.array([0]), None, np.zeros(1), np.ones(1), tie).wrong == 1
    assert evaluate(backend, X[:1], np.array([2]), None, np.zeros(1), np.ones(1), tie).wrong == 1


@pytest.mark.parametrize("outputs", [1, 3])
def test_rows_without_weight_change_nothing(outputs, backend):
    X, labels, _, *rest = labelled((2, outputs, 20, "contiguous"), "float64", True)
    weight = np.random.default_rng(11).uniform(0.5, 2, 20)
    weight[[0, 7, 19]] = 0
    kept = weight > 0
    found = evaluate(backend, X, labels, weight, *rest)
    alone = evaluate(backend, X[kept], labels[kept], weight[kept], *rest)
    close(found, (alone.value, alone.wrong, alone.gradient, alone.hessian), rtol=1e-14)


@pytest.mark.parametrize("outputs", [1, 3])
def test_nan_in_a_row_reaches_the_loss(outputs, backend):
    X, labels, _, *rest = labelled((2, outputs, 70, "contiguous"), "float64", False)
    for place in ((0, 0), (63, 1), (69, 0)):
        bad = X.copy()
        bad[place] = np.nan
        found = evaluate(backend, bad, labels, None, *rest)
        assert np.isnan(found.value)
        assert np.isnan(found.gradient).any()
        assert found.wrong >= 1
    rest[-1][0, -1] = np.nan
    assert np.isnan(evaluate(backend, X, labels, None, *rest).value)
