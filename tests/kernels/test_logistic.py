"""Passes over labelled rows: the same bits everywhere, and the textbook's loss, gradient and Hessian."""

import numpy as np
import pytest
from conftest import HERE

from mlcore import reference
from mlcore.linear_model._likelihood import LabelledRows

from .arguments import close, dtypes, evaluate, half_of, labelled, labelled_cases, run_pass, same_bits, textbook


@dtypes
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@labelled_cases
def test_logistic_pass(case, weighted, dtype):
    data = labelled(case, dtype, weighted)
    intercept = case[2] != 7
    same_bits({name: run_pass(name, *data, intercept=intercept) for name in HERE}, rtol=1e-12)
    wanted = textbook(*data, intercept=intercept)
    for name in HERE:
        close(evaluate(name, *data, intercept=intercept), wanted)


@pytest.mark.parametrize("outputs", [1, 3])
def test_products_of_a_logistic_pass(outputs, backend):
    """Each pair's matrix is X' diag(w p_k p_l) X, a half of it, and zero in the padding; so is the gradient's."""
    data = labelled((9, outputs, 70, "contiguous"), "float64", True)
    X, _, weight, shift, scale, theta = data
    _, gradient, products = run_pass(backend, *data)
    rows = np.column_stack([(X - shift) * scale, np.ones(70)])
    p = reference.softmax(rows @ (theta if outputs > 1 else np.vstack([0 * theta, theta])).T)
    pairs = [(0, 1)] if outputs == 1 else [(0, 1), (0, 2), (1, 2)]
    for (k, m), product in zip(pairs, products, strict=True):
        left = rows * (weight * p[:, k] * p[:, m])[:, np.newaxis]
        half_of(left.T @ rows, product, 1e-13 * (np.abs(left).T @ np.abs(rows)))
    assert not gradient[:, 10:].any()


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_logistic_pass_without_the_hessian(outputs, backend):
    """The same value and gradient; the room for products is left alone."""
    *data, theta = labelled((9, outputs, 70, "contiguous"), "float64", True)
    rows = LabelledRows(*data[:3], outputs, *data[3:], True)
    wanted, found, again = rows.evaluate(theta), rows.evaluate(theta, hessian=False), rows.evaluate(theta)
    assert found.hessian is None
    assert (found.value, found.wrong) == (wanted.value, wanted.wrong)
    np.testing.assert_array_equal(found.gradient, wanted.gradient)
    np.testing.assert_array_equal(again.hessian, wanted.hessian)
    *_, products = run_pass(backend, *data, theta, gradient_only=True)
    assert np.isnan(products).all()


@pytest.mark.parametrize("outputs", [1, 3])
def test_segments_and_steps_of_a_logistic_pass(outputs, backend):
    data = labelled((2, outputs, 330, "fortran"), "float64", True)
    X, labels, weight, *rest = data
    whole = run_pass(backend, *data)
    total = [0, 0, 0]
    for first, last in ((0, 64), (64, 64), (64, 193), (193, 330)):
        part = run_pass(backend, *data, first=first, last=last)
        if last > first:
            kept = slice(first, last)
            alone = run_pass(backend, X[kept], labels[kept], weight[kept], *rest)
            for one, other in zip(part, alone, strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            assert not any(array.any() for array in part)
        total = [before + array for before, array in zip(total, part, strict=True)]
    for one, other in zip(total, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13 * np.abs(other).max())
    # one block in three: rows 5 to 68, 197 to 260
    kept = np.r_[5:69, 197:261]
    some = run_pass(backend, *data, first=5, last=330, every=3)
    alone = run_pass(backend, X[kept], labels[kept], weight[kept], *rest)
    for one, other in zip(some, alone, strict=True):
        np.testing.assert_array_equal(one, other)
    close(
        evaluate(backend, *data, every=5),
        textbook(np.delete(X, np.s_[64:320], axis=0), *(np.delete(v, np.s_[64:320]) for v in (labels, weight)), *rest),
    )
