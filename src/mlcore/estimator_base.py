"""What every estimator shares: validation with a fast lane, fits that leave nothing half done, files."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array
from sklearn.utils import validation as sklearn_validation
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.validation import check_is_fitted

from .validation import FLOATS, is_finite, too_large, warn_caller

_PLAIN = (np.ndarray, np.memmap)


def one_column(y: Any) -> Any:
    """Labels or answers in one column as one dimension, with scikit-learn's warning, which names the user's line."""
    shape: tuple[Any, ...] = getattr(y, "shape", ())
    if len(shape) != 2 or shape[1] != 1 or hasattr(y, "tocsr"):
        return y
    warn_caller(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples, ), for "
        "example using ravel().",
        DataConversionWarning,
    )
    return np.asarray(y).ravel()


def validate_data(estimator: Any, X: Any, y: Any = "no_validation", **options: Any) -> Any:
    """scikit-learn's, with a ``ValueError`` for whole numbers beyond float64 too."""
    try:
        return sklearn_validation.validate_data(estimator, X, y, **options)
    except OverflowError:
        raise too_large(X=X, y=y) from None


class Scored:
    """Goes before scikit-learn's mixin of regressors or classifiers, whose `score` it guards."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2 of the answers to X, or the part of its labels that is right.

        Parameters
        ----------
        X : array_like of shape (n, p)
        y : array_like of shape (n,) or (n, q)
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        float

        Raises
        ------
        ValueError
            As `predict`; for y or weights of another length, with NaN, infinity or numbers too large for float64.
        """
        try:
            return float(super().score(X, y, sample_weight))  # type: ignore[misc]
        except OverflowError:
            raise too_large(y=y, sample_weight=sample_weight) from None


class Estimator(BaseEstimator):
    """Base of mlcore's estimators."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a file that :func:`mlcore.load` reads (safetensors; no code is stored or run).

        Parameters
        ----------
        path : str or path
            A file that is there is replaced as a whole and keeps its permissions; of a link, what it leads to.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the model is not fitted.
        ValueError
            If the model holds what a file cannot, such as a function for a parameter or labels that are objects; if a
            coefficient is not finite, or a parameter is none that `fit` would take.
        OSError
            If the file cannot be written.

        Notes
        -----
        The model is written to a temporary file in the same folder, which then takes the place of the file: whenever it
        ends, even by a full disk or a killed process, there is the whole old file or the whole new one.
        """
        check_is_fitted(self)
        from . import persistence

        persistence.save(self, path)

    def _rows(self, X: Any) -> NDArray[Any]:
        """Rows to predict: plain arrays of the right kind pass at once, all else goes through scikit-learn's checks."""
        if (
            type(X) is np.ndarray
            and X.dtype in FLOATS
            and X.ndim == 2
            and X.shape[1] == getattr(self, "n_features_in_", None)
            and X.shape[0] > 0
            and X.flags.c_contiguous
            and X.flags.aligned
            and not hasattr(self, "feature_names_in_")
            and is_finite(X)
        ):
            return X
        check_is_fitted(self)
        return np.require(validate_data(self, X, dtype=FLOATS[::-1], reset=False), requirements=["C", "A"])

    def _is_plain(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> bool:
        """Whether rows to fit need no conversion: plain arrays whose numbers the kernel that reads them will judge."""
        return (
            type(X) in _PLAIN
            and X.dtype in FLOATS
            and X.ndim == 2
            and X.shape[0] > 0
            and X.shape[1] > 0
            and (reset or (X.shape[1] == self.n_features_in_ and not hasattr(self, "feature_names_in_")))
            and type(y) in _PLAIN
            and y.dtype.kind in "fiu"
            and y.dtype.itemsize <= 8
            and y.ndim in (1, 2)
            and y.shape[0] == X.shape[0]
            and y.size > 0
        )

    def _adopt_width(self, X: NDArray[Any]) -> None:
        """What scikit-learn's validation notes of X, for arrays that do without it."""
        self.n_features_in_ = X.shape[1]
        self.__dict__.pop("feature_names_in_", None)

    def _names(self) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(self.n_features_in_)] if names is None else [str(name) for name in names]

    def _row_weights(
        self, sample_weight: Any, X: NDArray[Any], *, negative: bool = False, dtype: Any = None
    ) -> NDArray[Any] | None:
        """One weight a row, of X's dtype unless another is asked for."""
        if sample_weight is None:
            return None
        if isinstance(sample_weight, Number):
            sample_weight = np.full(X.shape[0], sample_weight)
        try:
            weights: NDArray[Any] = check_array(
                sample_weight, ensure_2d=False, dtype=dtype or X.dtype, order="C", input_name="sample_weight"
            )
        except OverflowError:
            raise too_large(sample_weight=sample_weight) from None
        if weights.ndim != 1:
            raise ValueError(
                f"Sample weights must be 1D array or scalar, got {weights.ndim}D array. Expected either a scalar value "
                f"or a 1D array of length {X.shape[0]}."
            )
        if weights.shape != (X.shape[0],):
            raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(X.shape[0],)}!")
        if not negative and (weights < 0).any():
            raise ValueError("Negative values in data passed to `sample_weight`: weights count rows.")
        if not weights.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return np.ascontiguousarray(weights)


def check_times(y: NDArray[Any]) -> None:
    """A ``ValueError`` for labels that are NaT, which equals nothing and can be no class: as for NaN."""
    if y.dtype.kind in "mM" and np.isnat(y).any():
        raise ValueError("Input y contains NaT. A row without a time has no label: leave such rows out.")


def weighted_by_class(class_weight: Any, y: NDArray[Any], sample_weight: NDArray[Any] | None, dtype: Any) -> Any:
    """Row weights times their classes' weights; "balanced" counts rows by weight where scikit-learn does."""
    if y.ndim == 2:
        rows = compute_sample_weight(class_weight, y)
    else:
        classes, places = np.unique(y, return_inverse=True)
        by_class, seen, more = np.ones(len(classes)), np.ones(len(y), bool), {}
        if sample_weight is not None and "sample_weight" in inspect.signature(compute_class_weight).parameters:
            # as without the rows of no weight, which may be all of a class
            seen = sample_weight > 0
            more = {"sample_weight": sample_weight[seen]}
        kept = np.unique(places[seen])
        if isinstance(class_weight, str):
            by_class[kept] = compute_class_weight(class_weight, classes=classes[kept], y=y[seen], **more)
        else:
            try:
                by_class = compute_class_weight(class_weight, classes=classes, y=y)
            except OverflowError:
                raise too_large(class_weight=list(class_weight.values())) from None
        rows = by_class[places]
    rows = rows.astype(dtype)
    return rows if sample_weight is None else rows * sample_weight


def finite_numbers(dtype: Any, *arrays: Any) -> tuple[NDArray[Any], ...]:
    """Fitted numbers in the dtype of a model, all finite: the one rule of the linear and logistic models.

    Raises
    ------
    ValueError
        If a number is not finite there. It says what to scale.
    """
    with nullcontext() if dtype == np.float64 else np.errstate(over="ignore", invalid="ignore"):
        found = tuple([np.asarray(array, dtype) for array in arrays])
    if not all(map(is_finite, found)):
        dtype = np.dtype(dtype)
        wider = dtype != np.float64 and all(map(is_finite, arrays))
        raise ValueError(
            f"A coefficient or an intercept is too large for {dtype}: scale the columns of X, or y"
            + (", or pass X as float64." if wider else ".")
        )
    return found


@contextmanager
def unchanged_on_failure(estimator: Any) -> Iterator[None]:
    """Give an estimator back as it was if the block raises: no half-fitted state."""
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise


def adopt_solution(estimator: Any, twin: Any, X: Any, y: Any, sample_weight: Any) -> None:
    """Fit scikit-learn's twin, from where the estimator is if it starts warm, and take over what it found."""
    if getattr(estimator, "warm_start", False):
        for name in ("classes_", "coef_", "intercept_"):
            if hasattr(estimator, name):
                setattr(twin, name, getattr(estimator, name).copy())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        twin.fit(X, y, sample_weight=sample_weight)
    # once each, and of the user's line instead of one in scikit-learn
    for message, category in dict.fromkeys((str(warning.message), warning.category) for warning in caught):
        warn_caller(message, category)
    finite_numbers(twin.coef_.dtype, twin.coef_, twin.intercept_)
    for name, value in vars(twin).items():
        if name.endswith("_") and not name.startswith("_"):
            setattr(estimator, name, value)
    if not hasattr(twin, "n_iter_"):
        estimator.n_iter_ = 1
