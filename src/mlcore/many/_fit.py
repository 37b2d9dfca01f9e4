"""One model for each group of rows: what users call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning

from ..config import check_threads
from ..linear_model import LinearRegression, LogisticRegression, Ridge
from ..neural_network import MLPClassifier, MLPRegressor
from ..validation import warn_caller
from ._alone import Alone, fail_alike, fit_alone
from ._frames import Columns, Frame, is_frame
from ._linear import fit_linear
from ._logistic import fit_logistic
from ._models import ManyModels
from ._networks import fit_networks
from ._progress import progress_bar
from ._rows import GroupedRows
from ._scores import scores_of
from ._turns import Report
from ._variants import Variants

#: what `failures_` says of groups that Ctrl-C left without a model
INTERRUPTED = "interrupted before this group was fitted"

ENGINES: dict[type, Callable[..., Any]] = {
    LinearRegression: fit_linear,
    Ridge: fit_linear,
    LogisticRegression: fit_logistic,
    MLPRegressor: fit_networks,
    MLPClassifier: fit_networks,
}


def fit_many(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    by: Any = None,
    target: Any = None,
    features: Sequence[Any] | None = None,
    sample_weight: Any = None,
    params: Any = None,
    n_threads: int | None = None,
    progress: bool = False,
) -> ManyModels:
    """Fit one model to each group of rows: thousands in one compiled call, each as if it were fitted alone.

    ``fit_many(estimator, X, y, groups=keys)`` takes arrays, ``fit_many(estimator, frame, by="store", target="sales")``
    a frame of pandas, polars or pyarrow.

    Parameters
    ----------
    estimator : estimator
        What each group's model is a clone of; it is not changed. LinearRegression, Ridge, LogisticRegression (two
        classes, L2 and a finite C) and MLPRegressor and MLPClassifier ("adam" and "sgd") are fitted in compiled loops
        over groups; all else, other parameters of these and sparse X one by one, with the same result.
    X : array_like or sparse matrix of shape (n, p), or frame
        A frame without ``groups=`` is one with columns `by` and `target`.
    y : array_like of shape (n,) or (n, q), optional
        Answers or classes, where there is no `target`.
    groups : array_like of shape (n,), optional
        Each row's group, in any order: numbers, texts, times, tuples, categories.
    by, target : str or list of str, optional
        The frame's columns with the groups and with the answers.
    features : list of str, optional
        The frame's columns to learn from; by default all others.
    sample_weight : array_like of shape (n,), or str, optional
        One weight a row, or the frame's column of them.
    params : mapping or frame, optional
        Parameters of single groups: group -> {name: value}, or a frame with a line for each group, whose key stands in
        the columns `by` (or "groups", or the index). Groups may be left out; None or a missing cell means what the
        estimator has.
    n_threads : int, optional
        Threads that share the groups; by default as many as help. No number changes a bit of any model.
    progress : bool, default=False
        Show a bar on stderr, if that is a terminal: groups done, models a second, groups that failed.

    Returns
    -------
    ManyModels
        ``many[group]`` is a fitted estimator, equal to the bit to
        ``clone(estimator).set_params(**params[group]).fit(rows of the group in their order)``.

    Raises
    ------
    ValueError
        For rows without a key, unknown columns, groups or parameters, rows of different numbers, y that is not numeric
        in a regression, and warm_start=True. What is wrong with single groups (NaN, infinity, one class only, no
        weight, parameters out of range) fails those alone: see ``failures_``.

    Warns
    -----
    UserWarning
        Once, where groups failed or fits warned; ``failures_`` and ``warnings_`` tell which. Ctrl-C ends the fits,
        gives back the models that are finished, and warns; the other groups are among the ``failures_``. A second one
        is raised, and one before any model is finished.

    Notes
    -----
    A ``random_state`` that is an int serves every group. None or a RandomState gives one seed of 32 bits to each, drawn
    in the order of ``groups_`` before any fit and kept as the model's parameter; models that draw nothing draw none.
    Costs one counting sort of the keys, one copy of rows that are not in order by group, and the fits. Large groups,
    and what needs more than the usual steps (dependent columns, units far from one, Newton steps that have to be cut),
    are fitted one by one by the estimator's own code.

    Examples
    --------
    >>> import mlcore
    >>> X, y = [[1.0], [2.0], [3.0], [1.0], [2.0], [3.0]], [1.0, 2.0, 3.0, 3.0, 5.0, 7.0]
    >>> many = mlcore.fit_many(mlcore.LinearRegression(), X, y, groups=["a", "a", "a", "b", "b", "b"])
    >>> many["b"].predict([[4.0]]).round(9)
    array([9.])
    >>> many.predict([[4.0], [4.0]], groups=["a", "b"]).round(9)
    array([4., 9.])
    """
    check_threads(n_threads)
    clone(estimator)  # a TypeError for what is no estimator, such as its class
    if getattr(estimator, "warm_start", False):
        raise ValueError(
            "warm_start=True goes on from an earlier fit, and there is none of these models; set it False."
        )
    keys_by: list[Any] | None = None
    if is_frame(X) and groups is None and y is None:
        X, y, groups, sample_weight, keys_by = _of_frame(X, by, target, features, sample_weight)
    elif by is not None or target is not None or features is not None:
        raise ValueError(
            "by=, target= and features= name columns of a frame, which is passed without y and groups=; arrays are "
            "passed as X, y, groups=."
        )
    if groups is None or y is None:
        missing = " and ".join([name for name, value in (("y", y), ("groups=", groups)) if value is None])
        raise ValueError(
            f"{missing} is missing: fit_many wants X, y and groups=, a key for each row, or a frame with by= and "
            "target=."
        )
    rows = GroupedRows.of(X, y, groups, sample_weight, estimator)
    variants = Variants.of(estimator, rows.groups.keys, params, keys_by)
    for variant in range(len(variants)):
        if getattr(variants.estimator(variant), "warm_start", False):
            raise ValueError("params sets warm_start=True, but there is no earlier fit to go on from.")
    variants.draw_seeds(estimator)
    many = ManyModels(variants, rows.groups.keys, rows.groups.count)
    many._by = keys_by
    if isinstance(target, str):
        many.target_name_ = target
    many.n_features_in_ = rows.X.shape[1]
    if rows.names is not None:
        many.feature_names_in_ = rows.names
    elif is_frame(X):
        many._columns = Frame(X).names
    if is_classifier(estimator):
        many.classes_ = rows.classes[0]
    with progress_bar("fitting", len(many), progress) as show:
        _fit_all(many, rows, variants, n_threads, Report(show))
    _warn(many)
    return many


def _of_frame(
    frame: Any, by: Any, target: Any, features: Sequence[Any] | None, sample_weight: Any
) -> tuple[Any, Any, Any, Any, list[Any]]:
    """X as a frame of the features, y, keys and weights of a frame."""
    found = Frame(frame)
    if by is None or target is None:
        raise ValueError(
            "A frame without y and groups= wants by= and target=, the names of its columns with the groups and with "
            "the answers."
        )
    keys, targets = found.several(by), found.several(target)
    weights = [] if sample_weight is None else found.several(sample_weight)
    if len(weights) > 1:
        raise ValueError("sample_weight is the name of a column where the rows are a frame.")
    others = [n for n in found.names if n not in (*keys, *targets, *weights)]
    chosen = others if features is None else found.several(features)
    found.check([*keys, *targets, *weights, *chosen])
    for name in targets:
        if name in (*keys, *weights, *chosen):
            raise ValueError(
                f"The column {name!r} is the target, and cannot be among by, features or sample_weight too."
            )
    if not chosen or not len(found):
        raise ValueError(f"The frame has {len(found)} rows, and {len(chosen)} columns to learn from.")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"features names a column twice: {', '.join(map(repr, chosen))}.")
    answers = [found.values(name) for name in targets]
    return (
        Columns(found, chosen), answers[0] if targets == [target] else np.column_stack(answers), found.keys(keys),
        found.numbers(weights)[:, 0] if weights else None, keys,
    )  # fmt: skip


def _fit_all(many: ManyModels, rows: GroupedRows, variants: Variants, n_threads: int | None, report: Report) -> None:
    engine = ENGINES.get(type(variants.template))
    try:
        if engine is not None:
            for groups, store, warned in engine(rows, variants, n_threads, report):
                many._add(groups, store)
                for group, text in warned.items():
                    many.warnings_.put(group, text)
        left = np.flatnonzero(many._store_of < 0)
        report.tell(len(many) - len(left) - report.done)  # what no compiled call could finish is still to be fitted
        if engine is not None and not report.interrupted:
            for groups, text in fail_alike(left, rows, variants):
                many.failures_.put(groups, text)
                report.tell(len(groups), failed=len(groups))
            left = left[~many.failures_.holds(left)]
        if not report.interrupted:
            _fit_one_by_one(many, left, rows, variants, report)
    except KeyboardInterrupt:
        if not report.interrupt():
            raise
    if report.interrupted:
        left = np.flatnonzero(many._store_of < 0)
        if len(left) == len(many):  # there is nothing to give back
            raise KeyboardInterrupt
        many.failures_.put(np.setdiff1d(left, many.failures_.groups), INTERRUPTED)


def _fit_one_by_one(
    many: ManyModels, groups: NDArray[np.intp], rows: GroupedRows, variants: Variants, report: Report
) -> None:
    fits: list[tuple[int, Any]] = []
    scores: list[tuple[float, float]] = []
    try:
        for group in groups.tolist():
            fitted, warned = fit_alone(group, rows, variants)
            if isinstance(fitted, str):
                many.failures_.put(group, fitted)
                report.tell(1, failed=1)
                continue
            scores.append(scores_of(fitted, *rows.of_group(group)))
            if warned:
                many.warnings_.put(group, tuple(warned))
            fits.append((group, fitted))
            report.tell(1)
    finally:
        if fits:
            done, models = zip(*fits, strict=True)
            many._add(np.array(done), Alone(list(models), *map(list, zip(*scores[: len(fits)], strict=True))))


def _first_line(text: Any) -> str:
    """Of one message, or of the first of several."""
    return str(text if isinstance(text, str) else text[0]).splitlines()[0]


def _warn(many: ManyModels) -> None:
    """One line for the whole call."""
    interrupted = many.failures_.count(INTERRUPTED)
    failed, warned = len(many.failures_) - interrupted, len(many.warnings_)
    parts = [f"Interrupted: {interrupted} of {len(many)} groups were not fitted (failures_)."] if interrupted else []
    parts += [
        f"{n} of {len(many)} {what}, such as {many._key(group)!r}: {_first_line(messages.of(group))}"
        for n, what, messages in (
            (failed, "groups failed (failures_)", many.failures_),
            (warned, "models were fitted with a warning (warnings_)", many.warnings_),
        )
        if n
        for group in [next(group for group in messages.groups.tolist() if messages.of(group) != INTERRUPTED)]
    ]
    if parts:
        warn_caller(" ".join(parts), UserWarning if failed or interrupted else ConvergenceWarning)
