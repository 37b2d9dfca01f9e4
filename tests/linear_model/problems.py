"""Data of several classes, the objective of a logistic fit, and fits that are the same as scikit-learn's."""

from functools import lru_cache

import numpy as np
import scipy.special
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler

SCALES = np.array([0.3, 1.0, 3.0, 1.0])
# twice as many rows are needed for a part of them to be fitted first
FEW, MANY = 60, 40_000


@lru_cache
def data(n, classes, p=4, noise=2.0):
    rng = np.random.default_rng(classes)
    X = rng.standard_normal((n, p)) * np.resize(SCALES, p) + np.resize([5.0, 0.0, -2.0], p)
    scores = (X - X.mean(axis=0)) / np.resize(SCALES, p) @ rng.standard_normal((p, classes))
    return X, (scores + noise * rng.gumbel(size=(n, classes))).argmax(axis=1)


def weights_of(n):
    return np.random.default_rng(1).uniform(0.1, 2.0, n)


def objective(model, X, y, C, weight=1.0, l1_ratio=0.0):
    """Weighted log loss plus penalty, from the coefficients as they were returned."""
    coefficients = np.asarray(model.coef_, np.float64)
    z = np.asarray(X, np.float64) @ coefficients.T + np.asarray(model.intercept_, np.float64)
    places = np.searchsorted(model.classes_, y)
    if z.shape[1] == 1:
        loss = np.logaddexp(0.0, np.where(places, -z[:, 0], z[:, 0]))
    else:
        loss = scipy.special.logsumexp(z, axis=1) - z[np.arange(len(z)), places]
    alpha = 0.0 if np.isinf(C) else 1.0 / C
    penalty = (1 - l1_ratio) / 2 * (coefficients**2).sum() + l1_ratio * np.abs(coefficients).sum()
    return (weight * loss).sum() + alpha * penalty


X, Y = load_diabetes(return_X_y=True)
XI, YI = load_iris(return_X_y=True)
XB, YB = load_breast_cancer(return_X_y=True)
XB = StandardScaler().fit_transform(XB)


def same(ours, other, rtol=1e-9):
    np.testing.assert_allclose(ours.coef_, other.coef_, rtol=rtol, atol=rtol * np.abs(other.coef_).max())
    np.testing.assert_allclose(ours.intercept_, other.intercept_, rtol=rtol, atol=rtol)
    assert ours.coef_.shape == other.coef_.shape
    assert np.shape(ours.intercept_) == np.shape(other.intercept_)
