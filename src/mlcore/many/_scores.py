"""How well models answer the rows they were fitted to: those of a group, and those of all groups at once."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from ..linear_model import _double_double

# less than this part of a sum of squares is rounding of pairs of doubles
_ROUNDING = 2.0**-100


def r_squared(residual: NDArray[Any], total: NDArray[Any], n_rows: NDArray[Any]) -> NDArray[np.float64]:
    """R^2 of each model, the mean over outputs, as scikit-learn has it.

    Parameters
    ----------
    residual, total : ndarray of shape (m, q)
        Sums of squares of the residuals, and of y about its mean.
    n_rows : ndarray of shape (m,)
        Less than two rows have no R^2: NaN.
    """
    with np.errstate(all="ignore"):
        found = np.where(total > 0, 1.0 - residual / total, np.where(residual > 0, 0.0, 1.0)).mean(axis=1)
    return np.where(n_rows < 2, np.nan, found)


def sums_about_mean(
    weight: _double_double.Pair, linear: _double_double.Pair, squares: _double_double.Pair
) -> NDArray[np.float64]:
    """Sums of squares about the mean, from the sums of weights, of w y and of w y^2 as pairs of doubles."""
    with np.errstate(all="ignore"):
        product, square = _double_double.multiply(squares, weight), _double_double.multiply(linear, linear)
        found = _double_double.add(product, (-square[0], -square[1]))[0]
        return np.where(found > _ROUNDING * product[0], found / weight[0], 0.0)


def scores_of_groups(
    predicted: NDArray[Any],
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    of_row: NDArray[np.intp],
    n_models: int,
    classifies: bool,
) -> NDArray[np.float64]:
    """The score of each model on its rows, of which `of_row` tells the model.

    The part of its rows, by weight, that a classifier answers rightly; of regressions R^2.
    """
    count = np.bincount(of_row, minlength=n_models)

    def sums(values: NDArray[Any] | None) -> NDArray[np.float64]:
        if values is not None and sample_weight is not None:
            values = values * sample_weight
        return np.bincount(of_row, sample_weight if values is None else values, n_models).astype(np.float64)

    with np.errstate(all="ignore"):
        weight = sums(None)
        if classifies:
            return sums((predicted == y).astype(np.float64)) / weight
        residual, total = [], []
        for answer, wanted in zip(predicted.reshape(len(y), -1).T, y.reshape(len(y), -1).T, strict=True):
            wanted = wanted.astype(np.float64)
            # about one of its rows a constant y is exactly zero
            origin = np.zeros(n_models)
            origin[of_row[::-1]] = wanted[::-1]
            mean = origin + sums(wanted - origin[of_row]) / weight
            residual.append(sums((wanted - answer) ** 2))
            total.append(sums((wanted - mean[of_row]) ** 2))
        return r_squared(np.stack(residual, axis=1), np.stack(total, axis=1), count)


def scores_of(estimator: Any, X: Any, y: NDArray[Any], sample_weight: NDArray[Any] | None) -> tuple[float, float]:
    """The score of a model on its rows and its loss: what it tells of its fit, or its mean squared error or log loss.

    NaN where it has none.
    """
    names = estimator.__dict__.pop("feature_names_in_", None)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    score = loss = np.nan
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if is_classifier(estimator) or len(y) > 1:
                score = float(estimator.score(X, y, **weights))
            loss = float(estimator.loss_) if hasattr(estimator, "loss_") else _loss(estimator, X, y, sample_weight)
    except (ValueError, TypeError, AttributeError, IndexError):
        pass  # an estimator without a score or a prediction that is a number is none the worse
    finally:
        if names is not None:
            estimator.feature_names_in_ = names
    return score, loss


def _loss(estimator: Any, X: Any, y: NDArray[Any], sample_weight: NDArray[Any] | None) -> float:
    if not is_classifier(estimator):
        squares = (y - estimator.predict(X)) ** 2
        return float(np.average(squares.reshape(len(y), -1).mean(axis=1), weights=sample_weight))
    if not hasattr(estimator, "predict_proba"):
        return np.nan
    places = np.searchsorted(estimator.classes_, y)
    probabilities = np.asarray(estimator.predict_proba(X), np.float64)[np.arange(len(y)), places]
    with np.errstate(divide="ignore"):
        return float(np.average(-np.log(probabilities), weights=sample_weight))
