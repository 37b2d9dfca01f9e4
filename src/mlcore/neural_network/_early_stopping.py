"""Early stopping: rows set aside judge a fit after each epoch, and the best parameters are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ..kernels import ids
from ._training import Training

# a rate below this is not lowered any more
_LEAST_RATE = 1e-6


class EarlyStopping:
    """The judgement of one fit.

    Parameters
    ----------
    training : Training
    score : callable
        The score of parameters on the rows set aside, the higher the better; NaN where they predict nothing finite.
    tol, n_iter_no_change : float
        The fit ends after more than so many epochs in a row without a score better by so much.
    adaptive : bool
        Divide the learning rate by five instead, as long as there is something left of it.
    scores, best_score, n_without
        Where a fit before this one, which it goes on with, ended.

    Attributes
    ----------
    scores : list of float
        The score after each epoch.
    best_score : float
        The highest.
    n_without : int
        Epochs in a row without improvement.
    """

    def __init__(
        self,
        training: Training,
        score: Callable[[NDArray[Any]], float],
        *,
        tol: float,
        n_iter_no_change: float,
        adaptive: bool,
        scores: list[float],
        best_score: float,
        n_without: int,
    ) -> None:
        self._training, self._score = training, score
        self._tol, self._n_iter_no_change, self._adaptive = tol, n_iter_no_change, adaptive
        self._best = training.parameters.copy()
        self.scores, self.best_score, self.n_without = list(scores), best_score, n_without

    def after_epoch(self) -> bool:
        """Judge the parameters as they are: whether it is time to stop."""
        training = self._training
        score = self._score(training.parameters)
        self.scores.append(score)
        self.n_without = self.n_without + 1 if score < self.best_score + self._tol else 0
        if score > self.best_score:
            self.best_score = score
            self._best[:] = training.parameters
        if self.n_without <= self._n_iter_no_change:
            return False
        if self._adaptive and training.progress[ids.RATE] > _LEAST_RATE:
            training.progress[ids.RATE] /= 5.0
            self.n_without = 0
            return False
        return True

    def restore_best(self) -> None:
        """Go back to the parameters of the best score."""
        self._training.parameters[:] = self._best
