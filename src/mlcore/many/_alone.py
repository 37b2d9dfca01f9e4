"""Groups that are fitted one by one, and groups that fail alike: what no compiled call takes by the thousand."""

from __future__ import annotations

import contextvars
import copy
import itertools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier

from ..config import available, config_context, requested_threads
from ..linear_model import LogisticRegression
from ..neural_network import MLPClassifier, MLPRegressor
from ..neural_network._training import watch
from ..threads import run_together
from ..validation import check_dropout, collected_warnings
from ._rows import GroupedRows
from ._variants import Variants

# fits of so few groups take less time than to look for what fails them
_FEW = 32


class Alone:
    """Fitted estimators, as they are.

    Attributes
    ----------
    estimators : list of estimator
    scores, losses : sequence of float
        Empty where nobody asks for them.
    """

    def __init__(self, estimators: list[Any], scores: Sequence[float] = (), losses: Sequence[float] = ()) -> None:
        self.estimators, self.scores, self.losses = estimators, scores, losses

    def estimator(self, index: int, unfitted: Any) -> Any:
        """One of them, as a copy."""
        return copy.deepcopy(self.estimators[index])

    def stacked(self, name: str, template: Any) -> list[tuple[NDArray[np.intp], Any]]:
        """An attribute of those that have it, by its shapes: which, and theirs along a first axis."""
        kinds: dict[Any, list[int]] = {}
        for i, estimator in enumerate(self.estimators):
            value = getattr(estimator, name, None)
            if value is not None:
                shapes = tuple(map(np.shape, value)) if isinstance(value, list) else np.shape(value)
                kinds.setdefault((isinstance(value, list), shapes), []).append(i)
        return [(np.array(those), self._together(name, those, listed)) for (listed, _), those in kinds.items()]

    def _together(self, name: str, those: list[int], listed: bool) -> Any:
        values = [getattr(self.estimators[i], name) for i in those]
        return [np.stack(layer) for layer in zip(*values, strict=True)] if listed else np.stack(values)


def fit_alone(group: int, rows: GroupedRows, variants: Variants) -> tuple[Any, list[str]]:
    """A fitted estimator, or the message of the error that the fit raised, and the messages of its warnings.

    Ctrl-C is raised, also where a fit hears it itself and keeps what it has: that is no model of the group.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted, texts = _fit(group, rows, variants)
    texts += [] if isinstance(fitted, str) else [str(warning.message) for warning in caught]
    _raise_interruption(texts)
    return fitted, list(dict.fromkeys(texts))


def _raise_interruption(texts: list[str]) -> None:
    if any(text.startswith("Training interrupted") for text in texts):  # as scikit-learn's networks say it too
        raise KeyboardInterrupt


def _fit(group: int, rows: GroupedRows, variants: Variants) -> tuple[Any, list[str]]:
    estimator = variants.unfitted(group)
    X, y, sample_weight = rows.of_group(group)
    more = {} if sample_weight is None else {"sample_weight": sample_weight}
    start = perf_counter()
    with collected_warnings() as texts:
        try:
            estimator.fit(X, y, **more)
        except Exception as error:
            return f"{type(error).__name__}: {error}", []
        finally:
            if rows.seconds is not None:
                rows.seconds[group] = perf_counter() - start
    if rows.names is not None:
        with suppress(AttributeError):  # pipelines have those of their first step
            estimator.feature_names_in_ = rows.names
    return estimator, list(dict.fromkeys(texts))


def fit_each(
    groups: list[int], rows: GroupedRows, variants: Variants, n_threads: int | None
) -> list[tuple[Any, list[str]]]:
    """`fit_alone` of several groups: of networks each by one of several threads, which beats several for each."""
    asked = requested_threads(n_threads)
    most = available() if asked is None else asked
    if not isinstance(variants.template, (MLPRegressor, MLPClassifier)) or not 1 < most <= len(groups):
        with config_context(n_threads=n_threads):
            return [fit_alone(group, rows, variants) for group in groups]
    found: list[tuple[Any, list[str]]] = [(None, [])] * len(groups)
    turn = itertools.count()
    ended: list[bool] = []
    context = [contextvars.copy_context() for _ in range(most)]

    def go_on(_epoch: int, _loss: float) -> None:
        if ended:
            raise KeyboardInterrupt

    def work() -> None:
        with config_context(n_threads=1), watch(go_on):
            while not ended and (i := next(turn)) < len(groups):
                found[i] = _fit(groups[i], rows, variants)
                _raise_interruption(found[i][1])

    if not run_together(lambda thread: context[thread].run(work), most, lambda: ended.append(True)):
        return [fit_alone(group, rows, variants) for group in groups]
    return found


def fail_alike(
    groups: NDArray[np.intp], rows: GroupedRows, variants: Variants
) -> Iterator[tuple[NDArray[np.intp], str]]:
    """Groups whose fits by one of mlcore's estimators raise for a cause that is seen without a fit.

    One of those that have the same causes is fitted, and all get its message, which has no number of its own. Groups
    among which a fit is needed to tell are left out.
    """
    if len(groups) < _FEW:
        return
    template, q = variants.template, 1 if rows.y.ndim == 1 else rows.y.shape[1]
    # parameters are judged before anything else but what is wrong with rows, and always with the same words
    faults = [_fault(variants.estimator(variant), q) for variant in range(len(variants))]
    is_faulty = np.array([fault is not None for fault in faults])[variants.of_group[groups]]
    is_network = isinstance(template, (MLPRegressor, MLPClassifier))
    if is_network and scipy.sparse.issparse(rows.X):
        causes = np.ones(len(rows.groups.keys), np.int64)
    else:
        causes = _causes(rows, counts_weights=not is_network, classes=isinstance(template, LogisticRegression))
    # of one row none can be set aside
    early = [bool(getattr(variants.estimator(variant), "early_stopping", False)) for variant in range(len(variants))]
    causes = 2 * causes + ((rows.groups.count == 1) & np.array(early)[variants.of_group])
    causes = causes[groups]
    chosen = (causes > 0) | is_faulty
    if is_classifier(template) and rows.y.ndim == 1:
        # what is said of labels that are no classes may name them
        chosen &= ~_named_labels(rows, is_network)[groups] & ((causes > 0) | ~rows.odd_labels[groups])
    groups, causes, variant = groups[chosen], causes[chosen], variants.of_group[groups[chosen]]
    label = causes * len(variants) + variant
    _, begin, kind = np.unique(label, return_index=True, return_inverse=True)
    order = np.argsort(kind, kind="stable")
    for number, same in enumerate(np.split(order, np.cumsum(np.bincount(kind))[:-1])):
        if not len(same):
            continue
        first = int(groups[begin[number]])
        text, _ = fit_alone(first, rows, variants)
        fault = faults[int(variants.of_group[first])]
        if isinstance(text, str) and (causes[begin[number]] > 0 or text == fault):
            yield groups[same], text


def _named_labels(rows: GroupedRows, fractions: bool) -> NDArray[np.bool_]:
    """Groups with labels that are no classes for other causes than NaN and infinity; with `fractions` these too."""
    if rows.y.dtype.kind != "f":
        return rows.odd_labels
    found = np.zeros(len(rows.groups.keys), np.bool_)
    if fractions:
        found[rows.of_rows()[np.isfinite(rows.y) & (rows.y != np.rint(rows.y))]] = True
    return found


def _fault(estimator: Any, q: int) -> str | None:
    """What is wrong with the parameters, as a fit says it."""
    try:
        estimator._check_parameters()
        if hasattr(estimator, "_alphas"):
            estimator._alphas(q)
        if hasattr(estimator, "_hidden_sizes"):
            hidden = estimator._hidden_sizes()
            estimator._hidden_activations(len(hidden))
            check_dropout(estimator.dropout, len(hidden))
            probe = clone(estimator)
            probe.n_outputs_, probe._target_type = q, "binary"
            probe._loss()
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _causes(rows: GroupedRows, counts_weights: bool, classes: bool) -> NDArray[np.int64]:
    """A number for all that is wrong with the numbers of each group, 0 if a fit must tell.

    Any of these fails every fit: NaN or infinity, no weight but zero, where weights count rows one below zero, and
    where there must be two classes only one, of which it takes the place too.
    """
    n, of_row = len(rows.groups.keys), rows.of_rows()
    found = np.zeros(n, np.int64)
    bit = 1

    def mark(bad: NDArray[np.bool_], of: NDArray[np.intp] = of_row) -> None:
        nonlocal bit
        found[of[bad]] |= bit
        bit *= 2

    if scipy.sparse.issparse(rows.X):
        numbers, of_number = rows.X.data, np.repeat(of_row, np.diff(rows.X.indptr))
        mark(np.isnan(numbers), of_number)
        mark(np.isinf(numbers), of_number)
    else:
        odd = np.flatnonzero(~np.isfinite(rows.X).all(axis=1))
        mark(np.isnan(rows.X[odd]).any(axis=1), of_row[odd])
        mark(np.isinf(rows.X[odd]).any(axis=1), of_row[odd])
    if rows.y.dtype.kind == "f":
        y = rows.y.reshape(len(rows.y), -1)
        mark(np.isnan(y).any(axis=1))
        mark(np.isinf(y).any(axis=1))
    if rows.sample_weight is not None:
        mark(np.isnan(rows.sample_weight))
        mark(np.isinf(rows.sample_weight))
        if counts_weights:
            mark(rows.sample_weight < 0)
        mark(np.bincount(of_row, rows.sample_weight != 0, n) == 0, np.arange(n))
    if classes and rows.y.ndim == 1:
        # what is no class is found first; the classes' places are in order, and of one class the least is the greatest
        places = rows.classes[1]
        if rows.y.dtype.kind == "f":
            mark(rows.y != np.rint(rows.y))
        starts = rows.groups.first
        order = np.argsort(starts, kind="stable")
        least, greatest = np.empty(n, np.intp), np.empty(n, np.intp)
        least[order] = np.minimum.reduceat(places, starts[order])
        greatest[order] = np.maximum.reduceat(places, starts[order])
        single = (least == greatest) & ~rows.odd_labels
        found[single] |= bit
        found += 2 * bit * np.where(single, least, 0)
    return found
