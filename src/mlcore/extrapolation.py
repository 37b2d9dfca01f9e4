"""Differences extrapolated to a step of zero: one tableau for every method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# a difference of each chosen entry at its step divided by some number, and what rounding contributes to it
Difference = Callable[[NDArray[np.intp], Floats], tuple[Floats, Floats]]

# of the adaptive search: at most so many steps, each half the one before; then others, smaller or larger by these
_LEVELS = 6
_SMALLER, _LARGER = 2.0**-7, 2.0**10
_TRIES = 7
# an error that is good enough, relative to the derivative, and one that asks for another step
_GOOD, _POOR = 1e-12, 1e-9


class Tableau:
    """Richardson's extrapolation, entry by entry: each row of differences has half the step of the one before.

    With differences whose error is a series in h^2 (ratio 4) or h (ratio 2), column k removes the k-th term:
    ``T[i, k] = T[i, k-1] + (T[i, k-1] - T[i-1, k-1]) / (ratio^k - 1)``. The newest entry's error is estimated from how
    fast the changes along the diagonal shrink. (Press et al., Numerical Recipes, 3rd edition, section 5.7.)
    """

    def __init__(self, ratio: Floats) -> None:
        self._ratio = ratio
        self.row: list[Floats] = []
        self._change: Floats | None = None
        self.value: Floats
        self.error: Floats
        self.noise: Floats

    def add(self, difference: Floats, noise: Floats) -> None:
        """Take the differences of the next step; `value` and `error` become the best so far."""
        row = [difference]
        for k, previous in enumerate(self.row):
            row.append(row[k] + (row[k] - previous) / (self._ratio ** (k + 1) - 1.0))
        error = np.full_like(difference, np.inf)
        change = self._change
        if self.row:
            change = np.abs(row[-1] - self.row[-1])
            error = change.copy()
            if self._change is not None:
                with np.errstate(divide="ignore", invalid="ignore"):
                    error *= np.fmin(change / self._change, 1.0)
            error = np.where(np.isfinite(error), error, np.where(change == 0.0, 0.0, np.inf)) + noise
        if not self.row:
            self.value, self.error, self.noise = difference, error, noise
        else:
            better = error < self.error
            self.value = np.where(better, row[-1], self.value)
            self.error = np.where(better, error, self.error)
            self.noise = np.where(better, noise, self.noise)
        self.row, self._change = row, change

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Go on with some of the entries."""
        self.row = [part[chosen] for part in self.row]
        self._change = None if self._change is None else self._change[chosen]
        self._ratio = self._ratio[chosen]
        self.value, self.error, self.noise = self.value[chosen], self.error[chosen], self.noise[chosen]


def extrapolate(difference: Difference, ratio: Floats, columns: int, rows: int) -> tuple[Floats, Floats]:
    """The last entry of a column of a tableau, and its error as a row more than columns tells it (else NaN)."""
    everything, tableau, before = np.arange(len(ratio)), Tableau(ratio), [np.empty(0)]
    for level in range(rows):
        before = tableau.row
        value, noise = difference(everything, np.full(len(ratio), 2.0**level))
        tableau.add(value, noise)
    found = tableau.row[columns - 1]
    if rows == columns:
        return found, np.full_like(found, np.nan)
    return found, np.abs(found - before[columns - 1]) / (ratio**columns - 1.0) + noise


def _largest(part: Floats) -> Floats:
    return np.nan_to_num(part, nan=np.inf, posinf=np.inf).max(axis=1, initial=0.0)


def search(difference: Difference, ratio: Floats, largest: Floats) -> tuple[Floats, Floats, Floats]:
    """Derivatives by as few differences as reach nearly full accuracy, from steps of any size.

    Each move's step is halved until the estimated error is down to the rounding, or small. If it stays large, the step
    was too large for the function (or left its domain) or, if rounding is what is large, too small: another is taken.

    Parameters
    ----------
    difference : callable
        ``difference(moves, divisor)`` gives the differences (n, m) of those moves, their steps divided, and what
        rounding contributes to each.
    ratio : ndarray (n, 1)
        As `Tableau` has it.
    largest : ndarray (n,)
        How many times as large as the first each move's step may become.

    Returns
    -------
    value, error : ndarray (n, m)
    factor : ndarray (n,)
        By what the first step was multiplied in the end.
    """
    n = len(ratio)
    factor, direction, best_norm = np.ones(n), np.zeros(n), np.full(n, np.inf)
    best_factor = factor.copy()
    value = error = None
    todo = np.arange(n)
    for _ in range(_TRIES):
        found, wrong, noise = _halve(difference, ratio, factor, todo)
        if value is None or error is None:
            value, error = np.full((n, found.shape[1]), np.nan), np.full((n, found.shape[1]), np.inf)
        size = np.where(np.isfinite(found), np.abs(found), 0.0).max(axis=1, initial=0.0)
        norm = _largest(wrong)
        # at least: a first result without any estimate is better than none
        better = (norm < best_norm[todo]) | (direction[todo] == 0)
        place = todo[better]
        value[place], error[place], best_norm[place] = found[better], wrong[better], norm[better]
        best_factor[place] = factor[place]
        with np.errstate(invalid="ignore"):
            poor = norm > _POOR * size
            turn = np.where(norm > 8.0 * _largest(noise), -1.0, 1.0)
        # who turns round has been there; who got no better by going on will not
        go_on = poor & (direction[todo] * turn >= 0.0) & (better | (turn < 0))
        step = np.where(turn > 0, _LARGER, _SMALLER)
        next_factor = np.minimum(factor[todo] * step, np.maximum(largest[todo], factor[todo]))
        go_on &= next_factor != factor[todo]
        direction[todo] = turn
        factor[todo] = next_factor
        todo = todo[go_on]
        if not todo.size:
            break
    assert value is not None
    assert error is not None
    return value, error, best_factor


def _halve(difference: Difference, ratio: Floats, factor: Floats, todo: NDArray[np.intp]) -> tuple[Floats, ...]:
    active = np.arange(todo.size)
    tableau = Tableau(ratio[todo])
    value: Floats
    for level in range(_LEVELS):
        d, noise = difference(todo[active], 2.0**level / factor[todo[active]])
        tableau.add(d, noise)
        if level == 0:
            value, error, rounding = (np.full((todo.size, d.shape[1]), fill) for fill in (np.nan, np.inf, np.inf))
        value[active], error[active], rounding[active] = tableau.value, tableau.error, tableau.noise
        size = np.where(np.isfinite(tableau.value), np.abs(tableau.value), 0.0).max(axis=1, initial=0.0)
        norm = _largest(tableau.error)
        is_open = (norm > _GOOD * size) & (norm > 2.0 * _largest(tableau.noise)) if level >= 2 else np.ones(active.size, bool)
        # far from any limit: halving will not do
        if level == 3:
            is_open &= norm < 0.1 * size
        if not is_open.any():
            break
        tableau.keep(is_open)
        active = active[is_open]
    return value, error, rounding
