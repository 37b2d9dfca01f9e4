"""The rows of all groups as fits read them: validated once, together by group, no copy beyond that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import check_array

from ..estimator_base import check_times, one_column
from ..validation import FLOATS
from ._frames import Frame, is_frame
from ._groups import Groups, is_missing


@dataclass
class GroupedRows:
    """Rows, the rows of a group together.

    Attributes
    ----------
    X : ndarray or sparse matrix of shape (n, p)
        Of float32 or float64. Numbers may be missing: that fails their group.
    y : ndarray of shape (n,) or (n, q)
    sample_weight : ndarray of shape (n,), or None
    groups : Groups
    names : ndarray of str, or None
        Of the columns of X.
    index : ndarray of intp, or None
        Where groups share rows that are not copied: which row stands where, and `groups` tells places in this list.
    sets : ndarray of intp, or None
        Where groups share rows: the number of each one's set of rows; the codes of `groups` are then those of sets.
    seconds : ndarray of float64, or None
        What each group's fit takes, if somebody wants to know.
    """

    X: Any
    y: NDArray[Any]
    sample_weight: NDArray[Any] | None
    groups: Groups
    names: NDArray[Any] | None
    index: NDArray[np.intp] | None = None
    sets: NDArray[np.intp] | None = None
    seconds: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, X: Any, y: Any, keys: Any, sample_weight: Any, estimator: Any) -> GroupedRows:
        """Validate all rows at once, and bring those of a group together."""
        groups = Groups.of(keys)
        names = column_names(X)
        X = as_numbers(X)
        y = as_answers(y, is_classifier(estimator))
        lengths = {"X": X.shape[0], "y": len(y), "groups": len(groups.codes)}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {n}" for name, n in lengths.items())
            raise ValueError(f"{told} rows, but one answer and one key for each row of X is wanted.")
        sample_weight = as_weights(sample_weight, len(y))
        if groups.order is not None:
            X, y = X[groups.order], y[groups.order]
            sample_weight = None if sample_weight is None else sample_weight[groups.order]
        return cls(X, y, sample_weight, groups, names)

    def of_group(self, group: int) -> tuple[Any, NDArray[Any], NDArray[Any] | None]:
        """X, y and the weights of one group."""
        start = int(self.groups.first[group])
        rows: Any = slice(start, start + int(self.groups.count[group]))
        if self.index is not None:
            rows = self.index[rows]
        return self.X[rows], self.y[rows], None if self.sample_weight is None else self.sample_weight[rows]

    def of_rows(self) -> NDArray[np.intp]:
        """The place of each row's group (or set), in the rows' order here."""
        groups = self.groups
        return groups.codes if groups.order is None else np.repeat(np.arange(len(groups.keys)), groups.count)

    @property
    def n_sets(self) -> int:
        """How many sets of rows there are: as many as groups, unless these share them."""
        return len(self.groups.keys) if self.sets is None else int(self.sets.max()) + 1

    def by_group(self, values: NDArray[Any]) -> NDArray[Any]:
        """What is known of sets of rows, for each group."""
        return values if self.sets is None else values[self.sets]

    def in_order(self, values: NDArray[Any]) -> NDArray[Any]:
        """What is known of rows, in the order of `of_rows`."""
        return values if self.index is None else values[self.index]

    def note(self, groups: NDArray[np.intp], operations: NDArray[Any]) -> Callable[[int, int, float], None] | None:
        """What takes the seconds of a part of `groups`: each one's share is that of its operations."""
        if self.seconds is None:
            return None
        spent = self.seconds

        def note(start: int, stop: int, seconds: float) -> None:
            part = operations[start:stop]
            spent[groups[start:stop]] = seconds * part / part.sum()

        return note

    @cached_property
    def classes(self) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """The classes of all groups in order, and the place of each row's: behind them all where it is missing."""
        absent = np.zeros(self.y.shape, bool)
        if self.y.dtype.kind == "f":
            absent = np.logical_not(np.isfinite(self.y))
        elif self.y.dtype.kind in "OmM":
            absent = self.y != self.y
        try:
            found, own = np.unique(self.y[~absent], return_inverse=True)
        except TypeError as error:
            raise ValueError(f"y holds classes that have no common order: {error}.") from None
        places = np.full(self.y.shape, len(found), np.intp)
        places[~absent] = own
        return found, places

    @cached_property
    def odd_labels(self) -> NDArray[np.bool_]:
        """Groups with a label that is no class: missing, not finite, a fraction, or an object that is no text."""
        classes, places = self.classes
        if classes.dtype.kind == "f":
            odd = ~((np.abs(classes) < 2.0**63) & (classes == np.rint(classes)))
        else:
            usual = classes.dtype.kind in "biuUmM"
            odd = np.array([not (usual or isinstance(label, str)) for label in classes.tolist()], bool)
        odd = np.append(odd, True)
        found = np.zeros(self.n_sets, np.bool_)
        if odd.any():
            found[self.of_rows()[odd[self.in_order(places)]]] = True
        return self.by_group(found)


def column_names(X: Any) -> NDArray[Any] | None:
    """A frame's names as scikit-learn keeps them: where all are text."""
    if not is_frame(X):
        return None
    names = Frame(X).names
    return np.array(names, object) if names and all(isinstance(name, str) for name in names) else None


def as_numbers(X: Any) -> Any:
    """Rows of float32 or float64; missing and infinite numbers pass."""
    if is_frame(X):
        frame = Frame(X)
        return frame.numbers(frame.names)
    if type(X) is np.ndarray and X.dtype in FLOATS and X.ndim == 2 and X.shape[0] and X.shape[1] and X.flags.aligned:
        return X
    X = check_array(X, accept_sparse="csr", dtype=FLOATS[::-1], ensure_all_finite=False, input_name="X")
    return X if scipy.sparse.issparse(X) else np.require(X, requirements="A")


def as_weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    """One number for each row; missing ones pass."""
    if sample_weight is None:
        return None
    sample_weight = np.asarray(sample_weight)
    if sample_weight.ndim == 0:
        sample_weight = np.full(n, sample_weight)
    if sample_weight.shape != (n,) or sample_weight.dtype.kind not in "biufO":
        raise ValueError(
            f"sample_weight has shape {sample_weight.shape} and dtype {sample_weight.dtype}, but one number for "
            f"each of {n} rows is wanted."
        )
    weights: NDArray[np.float64] = sample_weight.astype(np.float64, copy=False)
    return weights


def as_answers(y: Any, classes: bool) -> NDArray[Any]:
    """Labels, or answers that are numbers, in one column or several."""
    if is_frame(y):
        frame = Frame(y)
        y = np.column_stack([frame.values(name) for name in frame.names])
    elif hasattr(y, "to_pylist") and not hasattr(y, "to_numpy"):
        y = y.to_pylist()
    elif hasattr(y, "to_numpy"):
        y = y.to_numpy() if hasattr(y, "chunks") or not hasattr(y, "to_pylist") else y.to_numpy(zero_copy_only=False)
    y = one_column(np.asarray(y)) if classes else np.asarray(y)
    if classes and y.dtype == object:
        absent = _are_missing(y)
        if absent.any():
            y = np.where(absent, np.nan, y)
    check_times(y)
    if y.ndim not in (1, 2) or not y.size:
        raise ValueError(f"y has shape {y.shape}, but must have one answer (or a line of them) for each row.")
    if classes:
        return y
    if y.dtype.kind == "O":
        try:
            y = y.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"y must hold numbers: {error}.") from None
    if y.dtype.kind not in "biuf":
        raise ValueError(f"y is of {y.dtype}, but a regression wants numbers.")
    return y


def _are_missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where objects are None, NaN or pandas' NA."""
    try:
        return np.asarray(pa.array(values.ravel(), from_pandas=True).is_null()).reshape(values.shape)
    except pa.ArrowException:  # of several kinds
        return np.array([is_missing(value) for value in values.ravel().tolist()], bool).reshape(values.shape)
