"""Groups that are fitted one by one: by estimators, parameters and data that no compiled call takes by the thousand."""

from __future__ import annotations

import contextvars
import itertools
import warnings
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import available, config_context, requested_threads
from ..neural_network import MLPClassifier, MLPRegressor
from ..neural_network._training import watch
from ..threads import run_together
from ..validation import collected_warnings
from ._rows import GroupedRows
from ._variants import Variants


class Alone:
    """Fitted estimators, as they are."""

    def __init__(self, estimators: list[Any]) -> None:
        self.estimators = estimators

    def estimator(self, index: int, unfitted: Any) -> Any:
        """One of them."""
        return self.estimators[index]


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
        estimator.feature_names_in_ = rows.names
    return estimator, list(dict.fromkeys(texts))


def fit_each(
    groups: list[int], rows: GroupedRows, variants: Variants, n_threads: int | None
) -> list[tuple[Any, list[str]]]:
    """`fit_alone` of several groups: of networks each by one of several threads, which beats several for each."""
    asked = requested_threads(n_threads)
    most = available() if asked is None else asked
    if not isinstance(variants.template, (MLPRegressor, MLPClassifier)) or not 1 < most <= len(groups):
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


def scores_of(estimator: Any, X: Any, y: NDArray[Any], sample_weight: NDArray[Any] | None) -> tuple[float, float]:
    """The score of rows, and the loss that the model tells of its fit; NaN where it tells none."""
    names = estimator.__dict__.pop("feature_names_in_", None)
    try:
        if len(y) < 2:  # no score is defined
            return np.nan, float(getattr(estimator, "loss_", np.nan))
        score = float(estimator.score(X, y, **({} if sample_weight is None else {"sample_weight": sample_weight})))
    except (ValueError, TypeError, AttributeError):
        score = np.nan
    finally:
        if names is not None:
            estimator.feature_names_in_ = names
    return score, float(getattr(estimator, "loss_", np.nan))
