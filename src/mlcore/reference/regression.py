"""Least squares in exact fractions, and the log loss of logistic regression."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arrays import FloatArray, as_rows, float_array
from .activations import softmax


def _fractions(matrix: Any) -> list[list[Fraction]]:
    """Each number as the fraction that it is."""
    return [[Fraction(number) for number in row] for row in np.asarray(matrix).tolist()]


def exact_products(rows: Any, sample_weight: npt.ArrayLike | None = None) -> list[list[Fraction]]:
    """Products of columns summed over rows, ``sum_i w_i u_ij u_ik``, without rounding.

    Parameters
    ----------
    rows : array (n, m)
        Floats or fractions, taken as they are.
    sample_weight : array (n,), optional

    Returns
    -------
    list of m lists of m fractions
    """
    U = _fractions(rows)
    weight = (
        [Fraction(1)] * len(U) if sample_weight is None else [Fraction(w) for w in float_array(sample_weight).tolist()]
    )
    m = np.shape(rows)[1]
    weighted = [[w * number for number in row] for w, row in zip(weight, U, strict=True)]
    return [
        [sum((left[j] * right[k] for left, right in zip(weighted, U, strict=True)), Fraction(0)) for k in range(m)]
        for j in range(m)
    ]


def exact_solution(A: Any, B: Any) -> list[list[Fraction]]:
    """Solution of ``A X = B`` by Gaussian elimination, without rounding.

    Parameters
    ----------
    A : array (m, m)
        Floats or fractions, taken as they are.
    B : array (m, q)

    Returns
    -------
    list of m lists of q fractions

    Raises
    ------
    ValueError
        If ``A`` is singular.

    References
    ----------
    Golub and Van Loan, "Matrix Computations", section 3.2 (Gauss-Jordan: rows above are cleared as those below).
    """
    m = len(A)
    lines = _reduced([left + right for left, right in zip(_fractions(A), _fractions(B), strict=True)], m)
    if len(lines) < m:
        raise ValueError("A is singular")
    return [line[m:] for line in lines]


def _reduced(lines: list[list[Fraction]], m: int) -> list[list[Fraction]]:
    """The reduced echelon form of the first m columns, what stands behind them along; without the rows of zeros."""
    rank = 0
    for k in range(m):
        pivot = next((i for i in range(rank, len(lines)) if lines[i][k] != 0), None)
        if pivot is None:
            continue
        lines[rank], lines[pivot] = lines[pivot], lines[rank]
        lines[rank] = [number / lines[rank][k] for number in lines[rank]]
        for i in range(len(lines)):
            if i != rank:
                factor = lines[i][k]
                lines[i] = [number - factor * above for number, above in zip(lines[i], lines[rank], strict=True)]
        rank += 1
    return lines[:rank]


def least_norm(
    X: npt.ArrayLike, T: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None, fit_intercept: bool = True
) -> tuple[FloatArray, FloatArray, int]:
    """Least squares where columns of X depend on each other: of all solutions the shortest, and the rank of X.

    The normal equations of the (centred) rows, reduced to ``E W = C`` with as many rows as the rank, have the shortest
    solution ``W = E' (E E')^-1 C``. Rounded at the very end alone.

    Parameters
    ----------
    X : array (n, p)
    T : array (n, q)
        One dimension (n,) is read as (n, 1).
    sample_weight : array (n,), optional
    fit_intercept : bool
        Without it b is 0, and rows are not centred.

    Returns
    -------
    W : array (p, q)
    b : array (q,)
    rank : int

    References
    ----------
    Golub and Van Loan, "Matrix Computations", section 5.5.
    """
    X, T = float_array(X), as_rows(T)
    p, ones = X.shape[1], np.ones(len(X))
    products = np.array(exact_products(np.column_stack([ones, X, T]), sample_weight), dtype=object)
    means = products[0, 1:] / products[0, 0]
    normal = products[1:, 1:] - int(fit_intercept) * np.outer(products[0, 1:], means)
    lines = np.array(_reduced(normal[:p].tolist(), p), dtype=object).reshape(-1, p + T.shape[1])
    E, C = lines[:, :p], lines[:, p:]
    W = E.T @ np.array(exact_solution(E @ E.T, C), dtype=object).reshape(C.shape)
    b = (means[p:] - means[:p] @ W) * int(fit_intercept)
    return W.astype(float).reshape(p, -1), b.astype(float), len(E)


def least_squares(
    X: npt.ArrayLike,
    T: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    fit_intercept: bool = True,
    alpha: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Least squares by the normal equations, rounded at the very end alone.

    The least ``sum_i w_i |t_i - x_i W - b|^2 + alpha sum(W^2)`` solves ``(U' D U + alpha I) V = U' D T`` with
    ``D = diag(w)``; with an intercept ``U`` is a column of ones beside X, which has no penalty, and ``V`` is b above W.

    Parameters
    ----------
    X : array (n, p)
    T : array (n, q)
        One dimension (n,) is read as (n, 1).
    sample_weight : array (n,), optional
    fit_intercept : bool
        Without it b is 0.
    alpha : float
        The penalty.

    Returns
    -------
    W : array (p, q)
    b : array (q,)

    Raises
    ------
    ValueError
        If the columns of U depend on one another and there is no penalty.

    References
    ----------
    Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", equations 3.6 and 3.44.
    """
    X, T = float_array(X), as_rows(T)
    U = np.column_stack([np.ones(len(X)), X]) if fit_intercept else X
    m = U.shape[1]
    products = exact_products(np.column_stack([U, T]), sample_weight)
    A = [line[:m] for line in products[:m]]
    for j in range(int(fit_intercept), m):
        A[j][j] += Fraction(alpha)
    V = np.array(exact_solution(A, [line[m:] for line in products[:m]]), dtype=float).reshape(m, -1)
    return (V[1:], V[0]) if fit_intercept else (V, np.zeros(T.shape[1]))


def logistic_loss(
    theta: npt.ArrayLike, X: npt.ArrayLike, labels: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> tuple[float, FloatArray, FloatArray]:
    """Log loss of logistic regression summed over rows, its gradient and its Hessian in theta.

    With ``a = softmax(theta x)`` a row's loss is ``-log a_label``, its gradient ``(a - e_label) x'``, and its Hessian
    of classes k and l ``(a_k [k = l] - a_k a_l) x x'``. Two classes may have one theta: that of the other is 0.

    Parameters
    ----------
    theta : array (K, p)
        Or (1, p) for two classes.
    X : array (n, p)
        A column of ones makes an intercept.
    labels : array (n,)
        Places of the classes, from 0.
    sample_weight : array (n,), optional

    Returns
    -------
    value : float
    gradient : array of the shape of theta
    hessian : array (theta.size, theta.size)

    References
    ----------
    Bishop, "Pattern Recognition and Machine Learning", equations 4.108 to 4.110.
    """
    X, theta = float_array(X), float_array(theta)
    weight = np.ones(len(X)) if sample_weight is None else float_array(sample_weight)
    outputs, p = theta.shape
    if outputs == 1:
        theta = np.vstack([np.zeros(p), theta])
    K = len(theta)
    value, gradient, hessian = 0.0, np.zeros((K, p)), np.zeros((K, p, K, p))
    for x, label, w in zip(X, np.asarray(labels), weight, strict=True):
        z = theta @ x
        a = softmax(z)
        value += w * float(np.log(np.sum(np.exp(z - z.max()))) + (z.max() - z[label]))
        # a_k - 1 is minus the sum of the others, which keeps its digits
        others = [np.delete(a, k).sum() for k in range(K)]
        difference = np.array([-others[k] if k == label else a[k] for k in range(K)])
        gradient += w * np.outer(difference, x)
        for k in range(K):
            for j in range(K):
                hessian[k, :, j] += w * (a[k] * others[k] if k == j else -a[k] * a[j]) * np.outer(x, x)
    first = K - outputs
    return value, gradient[first:], hessian[first:, :, first:].reshape(theta[first:].size, -1)
