"""Differences extrapolated to a step of zero: one tableau for every method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# the difference of each chosen move at its step divided by some number, what rounding contributes to it, the step as it
# was then, and how far f bends within it, less what rounding makes of that; (n, m) each, the steps perhaps (n, 1)
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
        self._change: Floats
        self.value: Floats
        self.error: Floats
        self.noise: Floats

    def add(self, difference: Floats, noise: Floats, step: Floats, is_smooth: NDArray[np.bool_] | bool = True) -> None:
        """Take the differences of the next step; `value` and `error` become the best so far.

        Where f is not smooth within the step, what larger steps have told is forgotten.
        """
        row = [difference]
        error = np.full_like(difference, np.inf)
        change = np.full_like(difference, np.inf)
        with np.errstate(all="ignore"):
            for k, previous in enumerate(self.row):
                further = row[k] + (row[k] - previous) / ((self._steps[-1 - k] / step) ** self._power - 1.0)
                row.append(np.where(is_smooth, further, difference))
            if self.row:
                change = np.where(is_smooth, np.abs(row[-1] - self.row[-1]), np.inf)
                shrinking = np.where(np.isfinite(self._change), np.fmin(change / self._change, 1.0), 1.0)
                error = np.where(change == 0.0, 0.0, change * shrinking) + noise
                error[~np.isfinite(error)] = np.inf
        if not self.row:
            self.value, self.error, self.noise = difference, error, noise
        else:
            is_better = (error < self.error) | ~np.broadcast_to(is_smooth, error.shape)
            self.value = np.where(is_better, row[-1], self.value)
            self.error = np.where(is_better, error, self.error)
            self.noise = np.where(is_better, noise, self.noise)
        self._steps.append(step)
        self.row, self._change = row, change

    def keep(self, chosen: NDArray[np.intp]) -> None:
        """Go on with some of the entries."""
        self.row = [part[chosen] for part in self.row]
        self._change = self._change[chosen]
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
    with np.errstate(all="ignore"):
        error = np.abs(found - before[columns - 1]) / (2.0 ** (power * columns) - 1.0) + noise
    return found, np.where(np.isnan(error), np.inf, error)


def search(
    measure: Measure,
    power: Floats,
    limits: tuple[Floats, Floats],
    typical: Floats,
    is_defined: NDArray[np.bool_],
    scale: Floats,
    poor: float = 1e-9,
) -> tuple[Floats, Floats, Floats]:
    """Derivatives by as few differences as reach nearly full accuracy, from steps of any size.

    Each move's step is made smaller until the estimated error is down to the rounding, or small beside the derivative
    or beside how much f's slope changes within the step. If it stays large, the step was too large for the function (or
    left its domain) or, if rounding is what is large, too small: another one is taken. A step within which f bends no
    less than within a larger one is too large whatever the estimate.

    Parameters
    ----------
    measure : callable
        ``measure(moves, divisor)``, see `Measure`.
    power : ndarray (n, 1)
        As `Tableau` has it.
    limits : ndarrays (n,)
        What the first step of each move may be multiplied by, at least and at most.
    typical : ndarray (n,)
        By this it would be as large as that of the largest entry: tried where nothing changes at all.
    is_defined : ndarray (m,)
        The outputs that are finite at x; nobody waits for the others.
    scale : ndarray (m,)
        The size of f at x.
    poor : float, default=1e-9
        An error, relative to the derivative, that asks for another step.

    Returns
    -------
    value, error : ndarray (n, m)
    factor : ndarray (n,)
        By what the first step was multiplied in the end.
    """
    n = len(power)
    factor, direction = np.ones(n), np.zeros(n)
    todo = np.arange(n)
    value, error, noise, size, bend = _shrink(measure, power, factor, todo, is_defined, scale)
    best_factor = factor.copy()
    for _ in range(_TRIES):
        wrong = np.where(np.isnan(error[todo]), np.inf, error[todo])
        is_poor = (wrong > poor * size) & is_defined
        # rounding of what is far larger than f(x) comes from too large a step too
        is_rounding = np.isfinite(wrong) & (wrong <= 8.0 * noise) & (bend <= 8.0 * scale)
        turn = np.where((is_poor & ~is_rounding).any(axis=1), -1.0, 1.0)
        jump = np.where(turn > 0, _LARGER, _SMALLER)
        # nothing to be seen: at most one look from where others stand
        is_still = ((size == 0.0) & (bend == 0.0))[:, is_defined].all(axis=1)
        one_look = np.where((direction[todo] == 0.0) & (typical[todo] > _LARGER), typical[todo], 1.0)
        jump = np.where(is_still, one_look, jump)
        # who turns round has been there already
        go_on = is_poor.any(axis=1) & (direction[todo] * turn >= 0.0)
        todo, turn, jump = todo[go_on], turn[go_on], jump[go_on]
        direction[todo] = turn
        following = np.clip(factor[todo] * jump, limits[0][todo], limits[1][todo])
        is_new = following != factor[todo]
        todo = todo[is_new]
        if not todo.size:
            break
        factor[todo] = following[is_new]
        found, wrong, noise, size, bend = _shrink(measure, power, factor, todo, is_defined, scale)
        is_better = wrong < error[todo]
        value[todo] = np.where(is_better, found, value[todo])
        error[todo] = np.where(is_better, wrong, error[todo])
        best_factor[todo] = np.where(is_better.any(axis=1), factor[todo], best_factor[todo])
    return value, error, best_factor


def _shrink(
    measure: Measure,
    power: Floats,
    factor: Floats,
    todo: NDArray[np.intp],
    is_defined: NDArray[np.bool_],
    scale: Floats,
) -> tuple[Floats, ...]:
    """Values, errors, what rounding contributes, slopes and how far f bends, from the first steps times `factor` on."""
    active, tableau, bend = np.arange(todo.size), Tableau(power[todo]), np.empty(0)
    for level in range(_LEVELS):
        before = bend
        difference, rounding, step, bend = measure(todo[active], _SHRINK**level / factor[todo[active]])
        # it should shrink about as the step does, or its square
        is_smooth = bend <= 0.6 ** power[todo[active]] * before if level else np.ones(bend.shape, bool)
        tableau.add(difference, rounding, step, is_smooth)
        if level == 0:
            value, error, noise, size, last_bend = (np.full((todo.size, difference.shape[1]), np.inf) for _ in range(5))
        with np.errstate(all="ignore"):
            # of two far larger values nothing follows for the slope between them
            slope = np.fmax(np.abs(tableau.value), np.where((bend <= 8.0 * scale) | (scale == 0.0), bend / step, 0.0))
        value[active], error[active], noise[active] = tableau.value, tableau.error, tableau.noise
        size[active], last_bend[active] = np.where(np.isfinite(slope), slope, 0.0), bend
        if level < 2:
            continue
        is_good = (tableau.error <= _GOOD * size[active]) | (tableau.error <= 2.0 * tableau.noise)
        is_open = ~is_good & is_defined
        if level == 3:  # who is far from any digit by now needs other steps than a few times smaller ones
            is_open = is_open & (tableau.error < 0.1 * size[active])
        goes_on = np.flatnonzero(is_open.any(axis=1))
        if not goes_on.size:
            break
        tableau.keep(goes_on)
        active, bend = active[goes_on], bend[goes_on]
    return value, error, noise, size, last_bend
