"""Differences extrapolated to a step of zero: one tableau for every method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# the difference of each chosen move at its step divided by some number, what rounding contributes to it, the step as it
# was then, and how far f bends within it, less what rounding makes of that
Measure = Callable[[NDArray[np.intp], Floats], tuple[Floats, Floats, Floats, Floats]]

# of the adaptive search: at most so many steps, each so much smaller than the one before (by no simple fraction, or a
# periodic function may look like a slower one at all of them); then others, smaller or larger by the last two
_LEVELS = 6
_SHRINK = 2.2
_SMALLER, _LARGER = 2.0**-7, 2.0**10
_TRIES = 7
# an error that is good enough, relative to the derivative
_GOOD = 1e-12


class Tableau:
    """Richardson's extrapolation, entry by entry: each row of differences has a smaller step than the one before.

    With differences whose error is a series in h^2 (power 2) or h (1), column k removes the k-th term:
    ``T[i, k] = T[i, k-1] + (T[i, k-1] - T[i-1, k-1]) / ((h[i-k] / h[i])^power - 1)``. The newest entry's error is
    estimated from how fast the changes along the diagonal shrink. (Press et al., Numerical Recipes, 3rd edition,
    section 5.7.)
    """

    def __init__(self, power: Floats) -> None:
        self._power = power
        self._steps: list[Floats] = []
        self.row: list[Floats] = []
        self._change: Floats | None = None
        self.value: Floats
        self.error: Floats
        self.noise: Floats

    def add(self, difference: Floats, noise: Floats, step: Floats) -> None:
        """Take the differences of the next step; `value` and `error` become the best so far."""
        row = [difference]
        for k, previous in enumerate(self.row):
            row.append(row[k] + (row[k] - previous) / ((self._steps[-1 - k] / step) ** self._power - 1.0))
        self._steps.append(step)
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
        self._power = self._power[chosen]
        self._steps = [part[chosen] for part in self._steps]
        self.value, self.error, self.noise = self.value[chosen], self.error[chosen], self.noise[chosen]


def extrapolate(
    measure: Measure, moves: NDArray[np.intp], power: Floats, columns: int, rows: int
) -> tuple[Floats, Floats]:
    """The last entry of a column of a tableau, and its error as a row more than columns tells it (else NaN)."""
    tableau, before = Tableau(power), [np.empty(0)]
    for level in range(rows):
        before = tableau.row
        value, noise, step, _ = measure(moves, np.full(len(moves), 2.0**level))
        tableau.add(value, noise, step)
    found = tableau.row[columns - 1]
    if rows == columns:
        return found, np.full_like(found, np.nan)
    return found, np.abs(found - before[columns - 1]) / (2.0 ** (power * columns) - 1.0) + noise


def search(
    measure: Measure, power: Floats, largest: Floats, scale: float, poor: float = 1e-9
) -> tuple[Floats, Floats, Floats]:
    """Derivatives by as few differences as reach nearly full accuracy, from steps of any size.

    Each move's step is made smaller until the estimated error is down to the rounding, or small. If it stays large, the
    step was too large for the function (or left its domain) or, if rounding is what is large, too small: another one is
    taken. A step within which f bends no less than within a larger one is too large whatever the estimate.

    Parameters
    ----------
    measure : callable
        ``measure(moves, divisor)``: the differences (n, m) of those moves, their steps divided, what rounding
        contributes to each, the steps as they were (n, 1) or (n, m), and how far f bends (n, 1).
    power : ndarray (n, 1)
        As `Tableau` has it.
    largest : ndarray (n,)
        How many times as large as the first each move's step may become.
    scale : float
        The size of f at x.
    poor : float, default=1e-9
        An error, relative to the largest derivative of a move, that asks for another step.

    Returns
    -------
    value, error : ndarray (n, m)
    factor : ndarray (n,)
        By what the first step was multiplied in the end.
    """
    n = len(power)
    factor, direction = np.ones(n), np.zeros(n)
    todo = np.arange(n)
    value, error, *_ = found = _shrink(measure, power, factor, todo)
    best_factor = factor.copy()
    for _ in range(_TRIES):
        norm = _largest(found[1])
        is_poor = norm > poor * _size(found[0])
        # rounding of what is far larger than f(x) comes from too large a step too
        is_rounding = np.isfinite(norm) & (norm <= 8.0 * _largest(found[2])) & (found[3] <= 8.0 * scale)
        turn = np.where(is_rounding, 1.0, -1.0)
        # who turns round has been there already
        go_on = is_poor & (direction[todo] * turn >= 0.0)
        todo, turn = todo[go_on], turn[go_on]
        direction[todo] = turn
        next_factor = np.minimum(factor[todo] * np.where(turn > 0, _LARGER, _SMALLER), np.maximum(largest[todo], 1.0))
        todo, next_factor = todo[next_factor != factor[todo]], next_factor[next_factor != factor[todo]]
        if not todo.size:
            break
        factor[todo] = next_factor
        found = _shrink(measure, power, factor, todo)
        is_better = _largest(found[1]) < _largest(error[todo])
        place = todo[is_better]
        value[place], error[place], best_factor[place] = found[0][is_better], found[1][is_better], factor[place]
    return value, error, best_factor


def _largest(part: Floats) -> Floats:
    return np.nan_to_num(part, nan=np.inf, posinf=np.inf).max(axis=1, initial=0.0)


def _size(part: Floats) -> Floats:
    return np.where(np.isfinite(part), np.abs(part), 0.0).max(axis=1, initial=0.0)


def _shrink(measure: Measure, power: Floats, factor: Floats, todo: NDArray[np.intp]) -> tuple[Floats, ...]:
    """Values, errors, what rounding contributes and how far f bends, from the first steps times `factor` on."""
    active, tableau, bend = np.arange(todo.size), Tableau(power[todo]), np.empty(0)
    last_bend = np.full(todo.size, np.inf)
    for level in range(_LEVELS):
        before = bend
        difference, rounding, step, bend = measure(todo[active], _SHRINK**level / factor[todo[active]])
        tableau.add(difference, rounding, step)
        if level == 0:
            value, error, noise = (np.full((todo.size, difference.shape[1]), fill) for fill in (np.nan, np.inf, np.inf))
            continue
        # it should shrink as the step does, or its square
        is_smooth = (bend <= 0.75 * before)[:, 0]
        value[active], noise[active], last_bend[active] = tableau.value, tableau.noise, bend[:, 0]
        error[active] = np.where(is_smooth[:, np.newaxis], tableau.error, np.inf)
        if level < 2:
            continue
        norm, size = _largest(tableau.error), _size(tableau.value)
        is_open = ((norm > _GOOD * size) & (norm > 2.0 * _largest(tableau.noise))) | ~is_smooth
        if level == 3:  # who is far from any digit by now needs other steps than a few times smaller ones
            is_open &= (norm < 0.1 * size) & is_smooth
        if not is_open.any():
            break
        tableau.keep(is_open)
        active, bend = active[is_open], bend[is_open]
    return value, error, noise, last_bend
