"""Many settings of one estimator on one data set: folds are sets of rows that all settings share."""

from __future__ import annotations

import copy
import itertools
import traceback
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import check_consistent_length

from ..config import available, check_threads
from ..neural_network import MLPClassifier, MLPRegressor
from ..validation import warn_caller
from ._alone import Alone, fit_each
from ._fit import ENGINES
from ._groups import Groups
from ._models import ManyModels
from ._rows import GroupedRows, as_answers, as_numbers, as_weights, column_names
from ._scores import scores_of
from ._variants import Variants

# numbers of models that are kept until they are scored, unless that were fewer models than these for each thread
_MOST_NUMBERS, _LEAST_MODELS = 3e7, 8
_Splits = list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def cross_validate_many(
    estimator: Any,
    X: Any,
    y: Any,
    params: Any,
    cv: Any = 5,
    scoring: Any = None,
    *,
    sample_weight: Any = None,
    groups: Any = None,
    return_train_score: bool = False,
    return_models: bool = False,
    error_score: Any = np.nan,
    n_threads: int | None = None,
) -> Any:
    """Fit an estimator with each of many settings to each fold's training rows, in compiled calls, and score them.

    The result is what `sklearn.model_selection.GridSearchCV` leaves as ``cv_results_``, to the last digit.

    Parameters
    ----------
    estimator : estimator
        LinearRegression, Ridge, LogisticRegression, MLPRegressor or MLPClassifier; others are fitted one by one. It is
        not changed.
    X : array_like or sparse matrix of shape (n, p), or frame
    y : array_like of shape (n,) or (n, q)
    params : dict, list of dict, ParameterGrid or ParameterSampler
        ``{name: values}`` is a grid of all combinations. A list is one of such grids where each value is a list or an
        array, else one of settings ``{name: value}``. ``{"random_state": range(10)}`` is an ensemble.
    cv : int, splitter or iterable of (train, test), default=5
        An int is a number of folds: stratified where the estimator is a classifier and y holds classes.
    scoring : str, callable, list, tuple, set or dict, optional
        One scorer or several, as scikit-learn names them; by default the estimator's ``score``.
    sample_weight : array_like of shape (n,), optional
        One weight a row, for fits and for scorers that take weights.
    groups : array_like of shape (n,), optional
        For splitters that keep groups of rows together.
    return_train_score : bool, default=False
    return_models : bool, default=False
        Give back the fitted models too.
    error_score : "raise" or number, default=nan
        The score of a fit or a scorer that raises, or that it is to raise.
    n_threads : int, optional
        Threads that share the fits; by default as many as help. No number changes a bit of any model.

    Returns
    -------
    results : dict
        Arrays with one entry a setting: ``mean_test_score``, ``std_test_score``, ``rank_test_score``,
        ``split0_test_score`` ..., ``param_alpha`` ... (masked where a setting has none), times in seconds, and
        ``params``, a list. With several scorers ``_score`` is ``_name``. The seconds of fits in one compiled call are
        its own, shared out by their size.
    models : ManyModels
        If `return_models`: ``models[i, k]`` is the model of setting i fitted to the training rows of split k.

    Raises
    ------
    ValueError
        For unknown parameters, no settings, rows of different numbers, and where all fits fail.

    Warns
    -----
    FitFailedWarning
        Where fits fail; their scores are `error_score`.
    ConvergenceWarning
        Once, where fits warn.

    Notes
    -----
    Networks read the rows of a fold where they are; for linear and logistic models a fold's training rows are copied
    once for all settings. A ``random_state`` that is None or a RandomState gives each model a seed of its own, which is
    its parameter then.

    Examples
    --------
    The best of three penalties, fitted to all rows:

    >>> import numpy as np
    >>> import mlcore
    >>> X = np.linspace(0.0, 1.0, 40).reshape(20, 2)
    >>> y = X @ [1.0, 2.0]
    >>> results = mlcore.cross_validate_many(mlcore.Ridge(), X, y, {"alpha": [0.01, 1.0, 100.0]}, cv=4)
    >>> results["rank_test_score"]
    array([1, 2, 3], dtype=int32)
    >>> best = mlcore.Ridge(**results["params"][results["rank_test_score"].argmin()]).fit(X, y)

    An ensemble of networks that differ by their seeds: mean and spread of what they predict.

    >>> network = mlcore.MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", max_iter=50)
    >>> everything = [(np.arange(20), np.arange(20))]
    >>> _, models = mlcore.cross_validate_many(
    ...     network, X, y, {"random_state": range(4)}, cv=everything, return_models=True
    ... )
    >>> answers = np.stack([models[key].predict([[0.5, 0.6]]) for key in models])
    >>> answers.mean(axis=0).shape, answers.std(axis=0).shape
    ((1,), (1,))
    """
    check_threads(n_threads)
    if error_score != "raise" and not isinstance(error_score, Real):
        raise ValueError(f"error_score is {error_score!r}, but must be 'raise' or a number.")
    settings = _settings(params)
    names, X, y = column_names(X), as_numbers(X), as_answers(y, is_classifier(estimator))
    check_consistent_length(X, y, groups)
    sample_weight = as_weights(sample_weight, len(y))
    splits: _Splits = [
        (_places(train, len(y)), _places(test, len(y)))
        for train, test in check_cv(cv, y, classifier=is_classifier(estimator)).split(X, y, groups)
    ]
    if not splits:
        raise ValueError("cv gives no split: nothing can be fitted.")
    scorer = check_scoring(estimator, scoring, raise_exc=error_score == "raise")
    variants = Variants(clone(estimator), settings, np.repeat(np.arange(len(settings)), len(splits)))
    variants.draw_seeds(estimator)
    n_jobs = len(variants.of_group)
    keys = np.fromiter(itertools.product(range(len(settings)), range(len(splits))), object, n_jobs)
    many = ManyModels(variants, keys, np.tile([len(train) for train, _ in splits], len(settings)))
    many.n_features_in_ = X.shape[1]
    if is_classifier(estimator):
        many.classes_ = np.unique(y)
    seconds = np.zeros(n_jobs)
    scores = _Scores(many, scorer, error_score, scoring is None)
    at_once = len(settings) if return_models else _settings_at_once(variants, X, y, len(splits))
    for jobs, rows in _parts(estimator, X, y, sample_weight, splits, len(settings), at_once):
        _fit(many, jobs, rows, variants.of_groups(jobs), n_threads, error_score)
        seconds[jobs] = rows.seconds
        for k in np.unique(jobs % len(splits)).tolist():
            train, test = splits[k]
            of_split = jobs[jobs % len(splits) == k].tolist()
            data = {
                name: (X[chosen], y[chosen], None if sample_weight is None else sample_weight[chosen])
                for name, chosen in (("test", test), ("train", train))[: 1 + (return_train_score or return_models)]
            }
            if return_models:
                for job in of_split:
                    if many._store_of[job] >= 0:
                        many._scores[job], many._losses[job] = scores_of(many._model(job), *data["train"])
            if not return_train_score:
                data.pop("train", None)
            for job in of_split:
                scores.take(job, data)
        if not return_models:
            many._stores[:] = [None] * len(many._stores)
    _tell(many, error_score)
    results = _table(settings, len(splits), seconds, scores)
    if not return_models:
        return results
    if names is not None:
        many.feature_names_in_ = names
    return results, many


def _settings(params: Any) -> list[dict[str, Any]]:
    """Each model's parameters: of a grid, of several, or as they are listed."""
    if isinstance(params, Mapping):
        listed: Iterable[Any] = ParameterGrid(params)
    elif isinstance(params, Iterable) and not isinstance(params, (str, bytes)):
        listed = params
        if isinstance(params, (list, tuple)) and all(isinstance(entry, Mapping) for entry in params):
            values = [value for entry in params for value in entry.values()]
            if values and all(isinstance(value, (list, range, np.ndarray)) for value in values):
                listed = ParameterGrid(params)
    else:
        listed = [params]
    found = []
    for entry in listed:
        if not isinstance(entry, Mapping):
            raise ValueError(
                f"params has {entry!r}, but must be a mapping of names to lists of values, or a list of such."
            )
        found.append(dict(entry))
    if not found:
        raise ValueError("params has no setting: give lists of values, or a list of settings, that are not empty.")
    return found


def _places(rows: Any, n: int) -> NDArray[np.intp]:
    """The rows of a split as places, where a splitter gives a mask too."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else np.arange(n)[rows]


def _settings_at_once(variants: Variants, X: Any, y: NDArray[Any], n_splits: int) -> int:
    """Of how many settings the models are in memory at a time, if nobody wants to keep them."""
    template = variants.template
    if type(template) not in ENGINES:
        return 1
    largest = 0
    if isinstance(template, (MLPRegressor, MLPClassifier)):
        outputs = len(np.unique(y)) if is_classifier(template) else y[0].size
        for variant in range(len(variants)):
            try:
                sizes = [X.shape[1], *variants.estimator(variant)._hidden_sizes(), outputs]
            except (TypeError, ValueError):  # which is for the fit to say
                continue
            largest = max(largest, sum(below * size for below, size in itertools.pairwise(sizes)))
    # weights and both of their moments; but so many models that no thread waits for work
    least = -(-_LEAST_MODELS * available() // n_splits)
    return max(least, int(_MOST_NUMBERS / (1 + 3 * largest * n_splits)))


def _parts(
    estimator: Any,
    X: Any,
    y: NDArray[Any],
    sample_weight: NDArray[Any] | None,
    splits: _Splits,
    n_settings: int,
    at_once: int,
) -> Iterator[tuple[NDArray[np.intp], GroupedRows]]:
    """Jobs (settings by splits, in their order) that one call takes, and the rows of each.

    Networks of all splits with the same classes make one part, which copies no row; else each split makes one.
    """
    n_splits = len(splits)
    copied = type(estimator) not in (MLPRegressor, MLPClassifier)
    parts = [[k] for k in range(n_splits)]
    if not copied:
        codes = np.unique(y, return_inverse=True)[1] if is_classifier(estimator) else np.zeros(len(y), np.intp)
        alike: dict[bytes, list[int]] = {}
        for k, (train, _) in enumerate(splits):
            alike.setdefault(np.unique(codes[train]).tobytes(), []).append(k)
        parts = list(alike.values())
    for part in parts:
        count = np.array([len(splits[k][0]) for k in part])
        first, codes = np.cumsum(count) - count, np.repeat(np.arange(len(part)), count)
        index = np.concatenate([splits[k][0] for k in part])
        data = X, y, sample_weight
        if copied:
            data = X[index], y[index], None if sample_weight is None else sample_weight[index]
        for start in range(0, n_settings, at_once):
            chosen = np.arange(start, min(start + at_once, n_settings))
            jobs = np.add.outer(chosen * n_splits, part).ravel()
            sets = np.tile(np.arange(len(part)), len(chosen))
            groups = Groups(np.arange(len(jobs)), codes, None, first[sets], count[sets])
            yield jobs, GroupedRows(*data, groups, None, None if copied else index, sets, np.zeros(len(jobs)))


def _fit(
    many: ManyModels,
    jobs: NDArray[np.intp],
    rows: GroupedRows,
    variants: Variants,
    n_threads: int | None,
    error_score: Any,
) -> None:
    engine = ENGINES.get(type(variants.template))
    for places, store, warned in () if engine is None else engine(rows, variants, n_threads, None):
        many._add(jobs[places], store)
        for place, texts in warned.items():
            many.warnings_.put(int(jobs[place]), texts)
    left = np.flatnonzero(many._store_of[jobs] < 0).tolist()
    fits: dict[int, Any] = {}
    for place, (fitted, texts) in zip(left, fit_each(left, rows, variants, n_threads), strict=True):
        job = int(jobs[place])
        if not isinstance(fitted, str):
            fits[job] = fitted
            if texts:
                many.warnings_.put(job, tuple(texts))
            continue
        if error_score == "raise":
            X, y, sample_weight = rows.of_group(place)
            variants.unfitted(place).fit(X, y, **({} if sample_weight is None else {"sample_weight": sample_weight}))
        many.failures_.put(job, fitted)
    if fits:
        many._add(np.array(list(fits)), Alone(list(fits.values())))


def _tell(many: ManyModels, error_score: Any) -> None:
    """One warning of all fits that failed, and one of all that warned."""
    params = many._variants.distinct

    def example(messages: Any) -> str:
        (setting, split), text = next(iter(messages.items()))
        return f"such as that of {params[setting]} to split {split}: {text}"

    failed, warned = len(many.failures_), len(many.warnings_)
    if failed == len(many):
        raise ValueError(f"All {failed} fits failed, {example(many.failures_)}")
    if failed:
        warn_caller(
            f"{failed} of {len(many)} fits failed, and their scores are {error_score} (error_score='raise' raises the "
            f"error), {example(many.failures_)}",
            FitFailedWarning,
        )
    if warned:
        warn_caller(f"{warned} of {len(many)} fits warned, {example(many.warnings_)}", ConvergenceWarning)


class _Scores:
    """Scores of models, by name, as they come; of models that failed the one that they are to have."""

    def __init__(self, many: ManyModels, scorer: Any, error_score: Any, usual: bool) -> None:
        self._many, self._scorer, self._error_score = many, scorer, error_score
        self._weighted = True
        self._is_classifier = is_classifier(many.estimator)
        self._usual = usual and type(many.estimator) in ENGINES
        self.seconds = np.zeros(len(many))
        self.found: dict[str, dict[str, NDArray[np.float64]]] = {}

    def take(self, job: int, data: Mapping[str, Any]) -> None:
        """Score one model by its test rows, and by whatever else `data` has."""
        many, variants = self._many, self._many._variants
        if many._store_of[job] < 0:
            return
        # nobody keeps it: parameters need no copies
        unfitted = copy.copy(variants.estimator(int(variants.of_group[job])))
        model = many._stores[many._store_of[job]].estimator(int(many._index_of[job]), unfitted)
        for rows, of_rows in data.items():
            start = perf_counter()
            for name, score in self._of(model, *of_rows).items():
                by_rows = self.found.setdefault(name, {})
                if rows not in by_rows:
                    by_rows[rows] = np.full(len(self._many), self._error_score if self._error_score != "raise" else 0.0)
                by_rows[rows][job] = score
            if rows == "test":
                self.seconds[job] = perf_counter() - start

    def _of(self, model: Any, X: Any, y: Any, sample_weight: Any) -> dict[str, float]:
        try:
            found = self._ask(model, X, y, sample_weight)
        except Exception:
            if self._error_score == "raise":
                raise
            found = traceback.format_exc()
        scores = dict(found) if isinstance(found, Mapping) else {"score": found}
        for name, score in scores.items():
            if isinstance(score, str):  # what a scorer raised
                warn_caller(f"Scoring failed, and the score is {self._error_score}: {score}")
                scores[name] = self._error_score
            elif np.ndim(score) or not isinstance(np.asarray(score).item(), Real):
                raise ValueError(f"scoring gives {score!r} for {name!r}, but must give a number.")
        return scores

    def _ask(self, model: Any, X: Any, y: Any, sample_weight: Any) -> Any:
        if sample_weight is None or not self._weighted:
            found = self._usual_score(model, X, y) if self._usual else None
            return self._scorer(model, X, y) if found is None else found
        try:
            return self._scorer(model, X, y, sample_weight=sample_weight)
        except TypeError:
            found = self._scorer(model, X, y)
        self._weighted = False
        warn_caller(f"The scorer {self._scorer!r} takes no sample_weight: rows are weighted in the fits alone.")
        return found

    def _usual_score(self, model: Any, X: Any, y: NDArray[Any]) -> float | None:
        """The sums of scikit-learn's `accuracy_score` and `r2_score`, whose checks take longer; None if they matter."""
        if y.ndim != 1 or len(y) < 2 or y.dtype.kind not in ("biuU" if self._is_classifier else "f"):
            return None
        predicted = model.predict(X)
        if self._is_classifier:
            return float(np.average(predicted == y))
        kind = np.result_type(y, predicted)
        wanted, predicted = y[:, np.newaxis].astype(kind), predicted[:, np.newaxis].astype(kind)
        residual = np.sum((wanted - predicted) ** 2, axis=0)[0]
        total = np.sum((wanted - np.average(wanted, axis=0)) ** 2, axis=0)[0]
        return float(1 - residual / total) if 0 < total < np.inf and residual < np.inf else None


def _table(
    settings: list[dict[str, Any]], n_splits: int, fit_seconds: NDArray[np.float64], scores: _Scores
) -> dict[str, Any]:
    """``cv_results_`` of scikit-learn's searches."""
    results: dict[str, Any] = {}

    def put(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = np.average(values, axis=1)
        results[f"mean_{name}"] = mean
        results[f"std_{name}"] = np.sqrt(np.average((values - mean[:, np.newaxis]) ** 2, axis=1))
        return mean

    put("fit_time", fit_seconds.reshape(-1, n_splits))
    put("score_time", scores.seconds.reshape(-1, n_splits))
    for name in dict.fromkeys(name for setting in settings for name in setting):
        results[f"param_{name}"] = _column(name, settings)
    results["params"] = settings
    of_all = [(rows, name, found) for name, by_rows in scores.found.items() for rows, found in by_rows.items()]
    for rows, scorer, found in of_all:
        name, values = f"{rows}_{scorer}", found.reshape(-1, n_splits)
        for k in range(n_splits):
            results[f"split{k}_{name}"] = values[:, k]
        mean = put(name, values)
        if not np.isfinite(mean).all():
            warn_caller(f"Some means of {name} are not finite: {mean}")
        if rows == "test":
            known = np.nan_to_num(mean, nan=np.nanmin(mean) - 1) if not np.isnan(mean).all() else np.ones_like(mean)
            results[f"rank_{name}"] = rankdata(-known, method="min").astype(np.int32)
    return results


def _column(name: str, settings: list[dict[str, Any]]) -> np.ma.MaskedArray[Any, Any]:
    """A parameter's values, masked where a setting has none: as objects, unless they are numbers."""
    given = [setting[name] for setting in settings if name in setting]
    try:
        values = np.array(given)
    except ValueError:  # sequences of different lengths
        values = np.array(None)
    kind = values.dtype if values.dtype.kind != "U" and values.ndim == 1 else np.dtype(object)
    column = np.ma.MaskedArray(np.empty(len(settings), kind), mask=True)
    for i, setting in enumerate(settings):
        if name in setting:
            column[i] = setting[name]
    return column
