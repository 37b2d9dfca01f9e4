"""Groups that are fitted one by one: by estimators, parameters and data that no compiled call takes by the thousand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    estimator = variants.unfitted(group)
    X, y, sample_weight = rows.of_group(group)
    more = {} if sample_weight is None else {"sample_weight": sample_weight}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(X, y, **more)
        except Exception as error:
            return f"{type(error).__name__}: {error}", []
    texts = list(dict.fromkeys(str(warning.message) for warning in caught))
    if any(text.startswith("Training interrupted") for text in texts):  # as scikit-learn's networks say it too
        raise KeyboardInterrupt
    if rows.names is not None:
        estimator.feature_names_in_ = rows.names
    return estimator, texts


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
