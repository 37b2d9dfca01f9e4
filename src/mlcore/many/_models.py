"""What `fit_many` gives: thousands of fitted models as one object, each an ordinary estimator when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_consistent_length

from ..linear_model import LinearRegression, LogisticRegression, Ridge
from ..validation import warn_caller
from ._frames import Frame, is_frame, to_frame
from ._groups import Places, together
from ._rows import as_numbers
from ._variants import Variants

# errors name so many groups
_NAMED = 5


class Messages(Mapping[Any, Any]):
    """What there is to say of some groups, by their keys, in the groups' order.

    Each text is kept once, however many groups it is about.
    """

    def __init__(self, keys: NDArray[Any], places: Places, several: bool) -> None:
        self._keys, self._places, self._several = keys, places, several
        self._texts: list[Any] = []
        self._known: dict[Any, int] = {}
        self._of_group = np.full(len(keys), -1, np.int32)

    def put(self, group: int | NDArray[np.intp], text: Any) -> None:
        """Say it of the group at a place, or of those at several."""
        if text not in self._known:
            self._known[text] = len(self._texts)
            self._texts.append(text)
        self._of_group[group] = self._known[text]

    def holds(self, groups: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether something is said of the groups at some places."""
        return self._of_group[groups] >= 0

    def of(self, group: int) -> Any:
        """What is said of the group at a place, or None."""
        text = int(self._of_group[group])
        return None if text < 0 else self._texts[text]

    def count(self, text: Any) -> int:
        """Of how many groups this is said."""
        return int(np.count_nonzero(self._of_group == self._known[text])) if text in self._known else 0

    @property
    def groups(self) -> NDArray[np.intp]:
        """The places of those groups."""
        return np.flatnonzero(self._of_group >= 0)

    def __getitem__(self, key: Any) -> Any:
        group = self._places.find(key)
        found = None if group < 0 else self.of(group)
        if found is None:
            raise KeyError(key)
        return list(found) if self._several else found

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys[self.groups].tolist() if self._keys.dtype.kind not in "mM" else self._keys[self.groups])

    def __len__(self) -> int:
        return int(np.count_nonzero(self._of_group >= 0))

    def __repr__(self) -> str:
        shown = ", ".join(f"{key!r}: {self[key]!r}" for key, _ in zip(self, range(3), strict=False))
        return f"{{{shown}{', ...' if len(self) > 3 else ''}}}"


class ManyModels:
    """One fitted model for each group of rows, as `fit_many` gives it.

    ``many[group]`` is a fitted estimator of the class that was given, equal to the bit to one fitted to that group's
    rows alone. It is made when asked for: what is done to it changes nothing here. ``len``, ``in`` and iteration are
    those of a mapping's keys.

    Attributes
    ----------
    groups_ : ndarray of shape (G,)
        The keys, sorted; keys that cannot be compared in the order of their first rows.
    n_rows_ : ndarray of shape (G,)
        Each group's rows.
    failures_ : mapping of group to str
        Groups whose fit raised, with the error's message. They have no model.
    warnings_ : mapping of group to list of str
        What the fits of other groups warned of.
    coef_, intercept_, coefs_, intercepts_, n_iter_ : ndarray, or list of ndarray
        Those of all models, stacked along a first axis; NaN (of `n_iter_` -1) for groups that failed.
    classes_ : ndarray
        Of classifiers: the classes of all groups, sorted.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If the columns have names.
    target_name_ : str
        Of a frame with one column of answers.
    """

    n_features_in_: int
    feature_names_in_: NDArray[Any]
    target_name_: str
    classes_: NDArray[Any]
    #: of a frame whose columns' names are no texts
    _columns: list[Any] | None = None

    def __init__(self, variants: Variants, keys: NDArray[Any], n_rows: NDArray[np.intp]) -> None:
        self._variants = variants
        self.groups_ = keys
        self.n_rows_ = n_rows
        self._places = Places(keys)
        self._stores: list[Any] = []
        self._store_of = np.full(len(keys), -1, np.int16)
        self._index_of = np.zeros(len(keys), np.int32)
        self.failures_ = Messages(keys, self._places, several=False)
        self.warnings_ = Messages(keys, self._places, several=True)
        self._scores = np.full(len(keys), np.nan)
        self._losses = np.full(len(keys), np.nan)
        self._by: list[Any] | None = None

    # made by `fit_many`

    def _add(self, groups: NDArray[np.intp], store: Any) -> None:
        if not len(groups):
            return
        # in this order Ctrl-C leaves nothing half told
        if len(store.scores):
            self._scores[groups], self._losses[groups] = store.scores, store.losses
        self._index_of[groups] = np.arange(len(groups))
        self._stores.append(store)
        self._store_of[groups] = len(self._stores) - 1

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all models to one file, which :func:`mlcore.load` reads (safetensors; no code is stored or run).

        Parameters
        ----------
        path : str or path
            A file that is there is replaced as a whole.

        Raises
        ------
        ValueError
            If the estimator is none of mlcore's, and where a parameter, a key or a model is nothing that a file can
            hold. Keys may be numbers, texts, truth values, times, and tuples of these.
        OSError
            If the file cannot be written.

        Notes
        -----
        Everything comes back as it was, to the bit, but a generator as ``random_state`` of `estimator`: the seeds that
        were drawn from it are kept.
        """
        # files know of all kinds of models
        import_module(f"{__package__}._files").save(self, path)

    @property
    def estimator(self) -> Any:
        """The estimator that all are like, not fitted."""
        return self._variants.template

    # a mapping of groups to models

    def __len__(self) -> int:
        return len(self.groups_)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self.groups_) if self.groups_.dtype.kind in "mM" else self.groups_.tolist())

    def __contains__(self, key: Any) -> bool:
        return self._places.find(key) >= 0

    def __getitem__(self, key: Any) -> Any:
        group = self._places.find(key)
        if group < 0:
            raise KeyError(key)
        return self._model(group)

    def get(self, key: Any, default: Any = None) -> Any:
        """The model of a group; `default` for a group that is not here, or has none."""
        group = self._places.find(key)
        return default if group < 0 or self._store_of[group] < 0 else self._model(group)

    def keys(self) -> list[Any]:
        """All groups, those that failed too."""
        return list(self)

    def items(self) -> Iterator[tuple[Any, Any]]:
        """The groups that have a model, each with it, one after the other."""
        for group, key in enumerate(self):
            if self._store_of[group] >= 0:
                yield key, self._model(group)

    def _model(self, group: int) -> Any:
        reason = self.failures_.of(group)
        if reason is not None:
            raise NotFittedError(f"The group {self._key(group)!r} has no model: its fit failed. {reason}")
        store = self._stores[self._store_of[group]]
        unfitted = self._variants.unfitted(group)
        made = store.estimator(int(self._index_of[group]), unfitted)
        if hasattr(self, "feature_names_in_"):
            with suppress(AttributeError):  # pipelines have those of their first step
                made.feature_names_in_ = self.feature_names_in_
        return made

    def _key(self, group: int) -> Any:
        """The key of the group at a place, as users write it."""
        key = self.groups_[group]
        return key.item() if isinstance(key, np.generic) and key.dtype.kind not in "mM" else key

    def __repr__(self) -> str:
        failed = f", {len(self.failures_)} failed" if self.failures_ else ""
        return f"<{len(self)} models: {self.estimator!r}{failed}>"

    # all at once

    def __getattr__(self, name: str) -> Any:
        if name not in ("coef_", "intercept_", "coefs_", "intercepts_", "n_iter_") or "_stores" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._stacked(name)

    def _stacked(self, name: str) -> Any:
        parts = list(self._parts(name))
        if not parts:
            raise AttributeError(
                f"{name!r} is nothing that a {type(self.estimator).__name__} has"
                if self._stores
                else f"{name!r} is of fitted models, and all {len(self)} groups failed"
            )
        lists = [value if isinstance(value, list) else [value] for _, value in parts]
        shapes = [[layer.shape[1:] for layer in value] for value in lists]
        if any(shape != shapes[0] for shape in shapes) or sum(len(groups) for groups, _ in parts) < self._n_fitted:
            first, *others = sorted(
                (int(groups.min()), shape) for (groups, _), shape in zip(parts, shapes, strict=True)
            )
            told = [f"that of {self._key(group)!r} has {shape}" for group, shape in others if shape != first[1]]
            raise AttributeError(
                f"{name!r} cannot be stacked: the model of {self._key(first[0])!r} has the shapes {first[1]}, "
                f"{told[0] if told else 'others have none'}; ask each model"
            )
        found = []
        for layers in zip(*lists, strict=True):
            dtype = np.result_type(*layers)
            whole = np.full((len(self), *layers[0].shape[1:]), np.nan if dtype.kind == "f" else -1, dtype)
            for (groups, _), values in zip(parts, layers, strict=True):
                whole[groups] = values
            found.append(whole)
        return found if isinstance(parts[0][1], list) else found[0]

    def _parts(self, name: str) -> Iterator[tuple[NDArray[np.intp], Any]]:
        """Groups, and an attribute of their models along a first axis."""
        for number, store in enumerate(self._stores):
            groups = np.flatnonzero(self._store_of == number)
            groups = groups[np.argsort(self._index_of[groups])]
            for those, value in store.stacked(name, self.estimator):
                yield groups[those], value

    @property
    def _n_fitted(self) -> int:
        return int(np.count_nonzero(self._store_of >= 0))

    def summary_frame(self) -> Any:
        """One line for each group: how many rows it has, and what its model says of itself.

        Returns
        -------
        pandas.DataFrame, or pyarrow.Table where there is no pandas
            The index (of a table the first columns) is the groups. Columns: ``n_rows``; ``score``, R^2 or the part that
            is right of the rows fitted; ``loss``, that of the last epoch of networks, else the mean squared error or
            log loss; ``n_iter``, -1 where there is none; ``failure`` and ``warning``, texts or missing. Of linear
            models that have one shape also ``intercept`` and ``coef_`` with each column's name, and ``std_err_`` with
            each of these where models have no penalty: NaN where `summary` of that model refuses. Of several answers or
            classes each name has its number in brackets.

        Examples
        --------
        >>> import mlcore
        >>> X, y = [[1.0], [2.0], [4.0], [1.0], [2.0], [3.0]], [1.0, 2.0, 3.0, 3.0, 5.0, 7.0]
        >>> many = mlcore.fit_many(mlcore.LinearRegression(), X, y, groups=["a", "a", "a", "b", "b", "b"])
        >>> frame = many.summary_frame()
        """
        warned = [self.warnings_.of(group) for group in range(len(self))]
        columns: dict[str, Any] = {"n_rows": self.n_rows_, "score": self._scores, "loss": self._losses}
        columns["n_iter"] = self._iterations()
        columns |= self._coefficient_columns()
        columns["failure"] = np.array([self.failures_.of(group) for group in range(len(self))], object)
        columns["warning"] = np.array([None if texts is None else " ".join(texts) for texts in warned], object)
        return to_frame(self.groups_, self._by, columns)

    def _iterations(self) -> NDArray[np.intp]:
        found = np.full(len(self), -1, np.intp)
        for groups, values in self._parts("n_iter_"):
            found[groups] = np.asarray(values).reshape(len(groups), -1).max(axis=1)
        return found

    def _coefficient_columns(self) -> dict[str, Any]:
        """Coefficients and their standard errors by name; none of networks, and of models of different shapes."""
        try:
            coefficients, intercept = self._stacked("coef_"), self._stacked("intercept_")
        except AttributeError:
            return {}
        n, p = len(self), self.n_features_in_
        coefficients = coefficients.reshape(n, -1, p) if coefficients.ndim > 1 else coefficients.reshape(n, 1, 1)
        outputs = coefficients.shape[1]
        # one number for several outputs is the 0 of models without intercept
        intercept = np.broadcast_to(intercept.reshape(n, -1), (n, outputs))
        named = self.feature_names_in_ if hasattr(self, "feature_names_in_") else self._columns
        names = [f"x{i}" for i in range(p)] if named is None else named
        values = np.concatenate([intercept[:, :, np.newaxis], coefficients], axis=2)
        errors = self._standard_errors(outputs)
        columns = {}
        for c in range(outputs):
            number = f"[{c}]" if outputs > 1 else ""
            for j, name in enumerate(["intercept", *(f"coef_{name}" for name in names)]):
                columns[name + number] = values[:, c, j]
                if errors is not None:
                    columns["std_err_" + (name.removeprefix("coef_") if j else name) + number] = errors[:, c, j]
        return columns

    def _standard_errors(self, outputs: int) -> NDArray[np.float64] | None:
        """Those of (intercept, coefficients) of each model (G, outputs, 1 + p); None where none can have any."""
        penalties = [_is_penalised(self._variants.estimator(variant)) for variant in range(len(self._variants))]
        plain = ~np.array(penalties)[self._variants.of_group] & (self._store_of >= 0)
        if all(penalties):
            return None
        found = np.full((len(self), outputs, 1 + self.n_features_in_), np.nan)
        for number, store in enumerate(self._stores):
            groups = np.flatnonzero(plain & (self._store_of == number))
            if not len(groups):
                continue
            to_ask = groups
            if hasattr(store, "standard_errors"):
                errors, places = store.standard_errors(self._index_of[groups])
                found[groups, :, found.shape[2] - errors.shape[1] :] = np.moveaxis(errors, 1, 2)
                to_ask = groups[places]
            for group in to_ask.tolist():
                told = _told_errors(self._model(group), outputs)
                found[group, :, found.shape[2] - told.shape[1] :] = told
        return found

    # predictions

    def predict(self, X: Any, *, groups: Any = None, fallback: Any = None) -> NDArray[Any]:
        """Predict each row by the model of its group.

        Parameters
        ----------
        X : array_like of shape (n, p), or frame
            A frame with the columns that `fit_many` was told of by name is enough.
        groups : array_like of shape (n,), optional
            Each row's group; by default the column ``by`` of the frame.
        fallback : estimator or value, optional
            Answers rows whose group has no model: a fitted estimator predicts them, all else is their answer.

        Returns
        -------
        ndarray of shape (n,) or (n, q)

        Raises
        ------
        ValueError
            For rows without a key, of another width or with missing numbers; of classifiers also for groups without a
            model, unless there is a `fallback`.

        Warns
        -----
        UserWarning
            Of regressions, where rows have no model and no `fallback`: their answer is NaN.
        """
        rows, codes, unknown = self._query(X, groups)
        classifies = is_classifier(self.estimator)
        is_value = fallback is not None and not hasattr(fallback, "predict")
        if is_value and not classifies and np.asarray(fallback).dtype.kind not in "biuf":
            raise ValueError(f"fallback is {fallback!r}, but of regressions must be a number or a fitted estimator.")
        missing = np.flatnonzero(np.where(codes >= 0, self._store_of[codes], -1) < 0)
        if len(missing) and fallback is None:
            names = self._told(codes, unknown)
            if classifies:
                raise ValueError(f"{len(missing)} rows are of groups without a model ({names}): pass fallback=.")
            warn_caller(f"{len(missing)} rows are of groups without a model ({names}): their prediction is NaN.")
        found: NDArray[Any] | None = None
        for places, values in self._answers(rows, codes, "predict"):
            if found is None:
                found = np.empty((len(codes), *values.shape[1:]), values.dtype)
                if not classifies:
                    found[missing] = np.nan
            elif found.dtype != values.dtype:
                found = found.astype(np.result_type(found, values))
            found[places] = values
        if found is None:  # no row has a model: one that there is tells the shape
            some = np.flatnonzero(self._store_of >= 0)[:1]
            told = [values for _, values in self._answers(np.zeros((len(some), self.n_features_in_)), some, "predict")]
            like = told[0] if told else np.empty(0, self.classes_.dtype if classifies else np.float64)
            found = np.full((len(codes), *like.shape[1:]), self.classes_[0] if classifies else np.nan, like.dtype)
        if len(missing) and fallback is not None:
            answers = fallback if is_value else fallback.predict(_part(X, missing, rows, fallback))
            if classifies or not np.issubdtype(np.asarray(answers).dtype, np.number):
                found = found.astype(np.result_type(found, np.asarray(answers)))
            found[missing] = answers
        return found

    def predict_proba(self, X: Any, *, groups: Any = None) -> NDArray[Any]:
        """Probabilities of ``classes_``, those of all groups together.

        Parameters
        ----------
        X, groups
            As of `predict`.

        Returns
        -------
        ndarray of shape (n, classes)
            0 for classes that a group has never seen; NaN for rows of groups without a model.

        Raises
        ------
        ValueError
            As `predict`, but for groups without a model.
        """
        if not hasattr(self.estimator, "predict_proba"):
            raise AttributeError(f"{type(self.estimator).__name__} gives no probabilities")
        rows, codes, _ = self._query(X, groups)
        found = np.full((len(codes), len(self.classes_)), np.nan)
        for places, values in self._answers(rows, codes, "predict_proba"):
            found[places] = values
        return found

    def _query(self, X: Any, groups: Any) -> tuple[Any, NDArray[np.intp], NDArray[Any]]:
        """Rows to answer, the place of each one's group (-1: none), and the keys of groups that are not here."""
        names = self.feature_names_in_.tolist() if hasattr(self, "feature_names_in_") else self._columns
        if is_frame(X) and names is not None:
            frame = Frame(X)
            if groups is None and self._by is not None:
                groups = frame.keys(self._by)
            frame.check(names)
            rows = frame.numbers(names)
        else:
            rows = as_numbers(X)
        if groups is None:
            raise ValueError("groups= must tell the group of each row of X.")
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {rows.shape[1]} columns, but the models were fitted to {self.n_features_in_}.")
        codes, unknown = self._places.of_rows(groups)
        check_consistent_length(rows, codes)
        return rows, codes, unknown

    def _told(self, codes: NDArray[np.intp], unknown: NDArray[Any]) -> str:
        failed = np.unique(codes[codes >= 0])
        failed = self.groups_[failed[self._store_of[failed] < 0]].tolist()
        parts = [
            f"{what}: {', '.join(map(repr, keys[:_NAMED]))}{' ...' if len(keys) > _NAMED else ''}"
            for what, keys in (("unknown", unknown.tolist()), ("failed", failed))
            if keys
        ]
        return "; ".join(parts)

    def _answers(self, rows: Any, codes: NDArray[np.intp], method: str) -> Iterator[tuple[NDArray[Any], Any]]:
        """Which rows, and what their models say of them."""
        stores = np.where(codes >= 0, self._store_of[codes], -1)
        for number, store in enumerate(self._stores):
            places = np.flatnonzero(stores == number)
            if not len(places):
                continue
            if hasattr(store, method) and not issparse(rows):
                part = rows[places]
                assert_all_finite(part, input_name="X")  # as a lone model does
                yield places, getattr(store, method)(part, self._index_of[codes[places]])
                continue
            yield from self._one_by_one(rows, codes, places, method)

    def _one_by_one(
        self, rows: Any, codes: NDArray[np.intp], places: NDArray[Any], method: str
    ) -> Iterator[tuple[NDArray[Any], Any]]:
        found, of_place = np.unique(codes[places], return_inverse=True)
        order, first, count = together(of_place, len(found))
        ordered = places if order is None else places[order]
        for group, start, n in zip(found, first, count, strict=True):
            part = ordered[start : start + n]
            model = self._model(group)
            model.__dict__.pop("feature_names_in_", None)
            values = getattr(model, method)(rows[part])
            if method == "predict_proba":
                whole = np.zeros((len(part), len(self.classes_)))
                # networks of one class give two columns, as scikit-learn has them: the first is that of the class
                whole[:, np.searchsorted(self.classes_, model.classes_)] = values[:, : len(model.classes_)]
                values = whole
            yield part, values


def _part(X: Any, places: NDArray[np.intp], rows: Any, estimator: Any) -> Any:
    """The rows at some places, as a frame where the estimator knows columns by name."""
    names = getattr(estimator, "feature_names_in_", None)
    return rows[places] if names is None or not is_frame(X) else Frame(X).part(list(names), places)


def _is_penalised(estimator: Any) -> bool:
    """Whether the coefficients are pulled towards zero, as far as parameters tell."""
    if isinstance(estimator, LogisticRegression):
        return bool(estimator.C != np.inf and estimator.penalty is not None)
    return not (
        isinstance(estimator, LinearRegression) or (isinstance(estimator, Ridge) and not np.any(estimator.alpha))
    )


def _told_errors(model: Any, outputs: int) -> NDArray[np.float64]:
    """The standard errors (outputs, k) that `summary` of a model tells; NaN if it refuses, or tells of contrasts."""
    try:
        errors = np.atleast_2d(model.summary().standard_errors.T)
    except ValueError:
        return np.full((outputs, 1), np.nan)
    return errors if len(errors) == outputs else np.full((outputs, 1), np.nan)
