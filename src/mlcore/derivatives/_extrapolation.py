"""Differences extrapolated to a step of zero: one tableau for every method."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# the difference of each chosen move at its step divided by some number, what rounding contributes to it, the step as it
# was then, and how far f bends within it, less what rounding makes of that; (n, m) each, the steps perhaps (n, 1)
Measure = Callable[[NDArray[np.intp], Floats], tuple[Floats, Floats, Floats, Floats]]

# of the adaptive search: at most so many steps, each so much smaller than the one before (by no simple fraction, or a
# periodic function may look like a slower one at all of them); then others, smaller or larger by the last two
_LEVELS = 6
_SHRINK = 2.1933
_SMALLER, _LARGER = 2.0**-7, 2.0**10
_TRIES = 7
# a bend within this part of what f varies by may be noise
_STRAIGHT = 1e-10
# an error that is good enough, relative to the derivative: as it is expected, and as the last change alone shows it
_GOOD, _SEEN = 1e-12, 1e-10
# a step so small, relative to the first, shows whether what looks like noise there is rounding or rapid change
_NEARBY = 1e-12
# an error beyond this part of the slope says that f was not followed at these steps
_LOST = 0.2
# then, if there are no other steps, it may be so many times as large; where only noise changes, so many times
_LOST_BY, _CHANCE = 10.0, 3.0
# noise of f of size 1 at steps of width 1: how large a change along the diagonal it makes, of central differences and
# of second ones; of one-sided differences
_AMPLIFIED, _AMPLIFIED_SIDED = 2.2, 4.0
# noise within this part of what f varies by is believed in where f moves less than its slope says very near x
_SMALL_NOISE = 1e-5
# an error beyond this part of the slope is too large for noise to be believed in without further steps
_NEARLY = 1e-3
# the error is at most so many times the noise that second differences show and so many times what is expected without,
# if the last change is within this part of the slope
_QUIET, _LIKELY, _CLOSE = 15.0, 3.0, 1e-7


class Tableau:
    """Richardson's extrapolation, entry by entry: each row of differences has a smaller step than the one before.

    With differences whose error is a series in h^2 (power 2) or h (1), column k removes the k-th term:
    ``T[i, k] = T[i, k-1] + (T[i, k-1] - T[i-1, k-1]) / ((h[i-k] / h[i])^power - 1)``. The newest entry's error is at
    most about its change along the diagonal, which rounding cannot hide from. How much smaller it is, if f is free of
    noise, follows from how fast the changes shrink. (Press et al., Numerical Recipes, 3rd edition, section 5.7.)

    Attributes
    ----------
    value, error, noise : ndarray
        The best entry so far, its change plus what rounding contributes, and the latter.
    expected : ndarray
        The newest entry's error as it would be without noise.
    """

    def __init__(self, power: Floats) -> None:
        self.power = power
        self._steps: list[Floats] = []
        self.row: list[Floats] = []
        self._newest: tuple[Floats, Floats]
        self._is_whole = True
        self.expected: Floats
        self.value: Floats
        self.error: Floats
        self.noise: Floats

    def add(self, difference: Floats, noise: Floats, step: Floats, is_smooth: Flags | None = None) -> None:
        """Take the differences of the next step.

        Where f is not smooth within the step before, what larger steps have told is forgotten.
        """
        row = [difference]
        error = np.full_like(difference, np.inf)
        change = self.expected = error
        if self.row:
            forget = None if is_smooth is None or is_smooth.all() else ~is_smooth
            with np.errstate(all="ignore"):
                for k, previous in enumerate(self.row):
                    further = row[k] + (row[k] - previous) / ((self._steps[-1 - k] / step) ** self.power - 1.0)
                    if forget is not None:
                        further[forget] = np.nan
                    row.append(further)
                self._is_whole = self._is_whole and forget is None
                newest = row[-1]
                if not self._is_whole:
                    for further in row[-2::-1]:
                        newest = np.where(np.isnan(newest), further, newest)
                last, before = self._newest
                change = np.abs(newest - last)
                if forget is not None:
                    change[forget] = np.inf
                shrinking = np.where(np.isfinite(before), np.fmin(change / before, 1.0), 1.0)
                self.expected = np.where(change == 0.0, 0.0, change * shrinking)
                error = change + noise
                error[~np.isfinite(error)] = np.inf
            is_better = error < self.error
            if forget is not None:
                is_better |= forget
            if is_better.all():
                self.value, self.error, self.noise = newest, error, noise
            else:
                with np.errstate(all="ignore"):
                    # what agreed with the entry before by chance is off by about what is seen now, at larger noise
                    later = np.fmax(self.error, np.abs(newest - self.value) * (step / self._steps[-1]))
                self.value = np.where(is_better, newest, self.value)
                self.error = np.where(is_better, error, later)
                self.noise = np.where(is_better, noise, self.noise)
        else:
            newest = difference
            self.value, self.error, self.noise = difference, error, noise
        self._steps.append(step)
        self._newest = newest, change
        self.row = row

    def keep(self, chosen: NDArray[np.intp]) -> None:
        """Go on with some of the entries."""
        self.row = [part[chosen] for part in self.row]
        self._newest = self._newest[0][chosen], self._newest[1][chosen]
        self.power = self.power[chosen]
        self._steps = [part[chosen] for part in self._steps]
        self.value, self.error, self.noise = self.value[chosen], self.error[chosen], self.noise[chosen]


def extrapolate(
    measure: Measure, moves: NDArray[np.intp], power: Floats, columns: int, rows: int
) -> tuple[Floats, Floats]:
    """The last entry of a column of a tableau, and its error as a row more than columns tells it (else NaN)."""
    tableau, before = Tableau(power), [np.empty(0)]
    for level in range(rows):
        before = tableau.row
        # a periodic function may repeat itself at steps that are simple fractions of each other: not at the last too
        divisor = 2.0**level if level < columns else 2.0 ** (level - 1) * _SHRINK
        value, noise, step, _ = measure(moves, np.full(len(moves), divisor))
        tableau.add(value, noise, step)
    found = tableau.row[columns - 1]
    if rows == columns:
        return found, np.full_like(found, np.nan)
    with np.errstate(all="ignore"):
        change = np.abs(found - before[columns - 1])
        expected = 1.0 / (2.0 ** (power * columns) - 1.0)
        if columns > 1:  # noise does not shrink, and may agree with itself by chance
            shrinking = change / np.abs(before[columns - 1] - before[columns - 2])
            expected = _CHANCE * np.clip(shrinking, expected, 1.0)
            expected = np.where(change > _LOST * np.abs(found), _LOST_BY, expected)
        error = np.where(change == 0.0, 0.0, change * expected) + noise
    return found, np.where(np.isnan(error), np.inf, error)


def search(
    measure: Measure,
    power: Floats,
    limits: tuple[Floats, Floats],
    typical: Floats,
    is_defined: Flags,
    scale: Floats,
    poor: float = 1e-9,
) -> tuple[Floats, Floats, Floats]:
    """Derivatives by as few differences as reach nearly full accuracy, from steps of any size.

    Each move's step is made smaller until the estimated error is down to the rounding, or small beside the derivative
    or beside how much f's slope changes within the step. If it stays large, the step was too large for the function (or
    left its domain) or, if rounding is what is large, too small: another one is taken. A step within which f bends no
    less than within a larger one is too large whatever the estimate. Noise of f beyond the rounding of its results is
    recognised, see `_pass`; there no other step is better.

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
        The error is infinite where f could not be followed at any step.
    factor : ndarray (n,)
        By what the first step was multiplied in the end; more if f was not defined there, but within smaller ones.
    """
    n = len(power)
    factor, direction = np.ones(n), np.zeros(n)
    todo = np.arange(n)
    probes = _Probes(np.zeros(n), np.empty((3, n, is_defined.size)))
    found = _Pass(measure, power, factor, limits[0], todo, is_defined, scale, probes)
    claim = found.claim
    value, error, size, lost = found.value, found.error, found.size, found.lost
    is_doubtful = found.is_doubtful
    best_factor = factor / found.skipped
    for _ in range(_TRIES):
        # noise asks for steps as large as those of other entries, for no larger ones
        has_room = (factor[todo] < typical[todo] / _LARGER)[:, np.newaxis]
        is_poor = (found.error > poor * found.size) & is_defined & (~found.is_noisy | found.is_doubtful | has_room)
        # rounding of what is far larger than f(x) comes from too large a step too
        is_rounding = np.isfinite(found.error) & (found.error <= 8.0 * found.noise) & (found.bend <= 8.0 * scale)
        is_rounding = (is_rounding | found.is_noisy) & ~found.is_doubtful
        turn = np.where((is_poor & ~is_rounding).any(axis=1), -1.0, 1.0)
        jump = np.where(turn > 0, _LARGER, _SMALLER)
        # nothing to be seen: at most one look from where others stand
        is_still = ((found.value == 0.0) & (found.size == 0.0) & (found.bend == 0.0))[:, is_defined].all(axis=1)
        one_look = np.where((direction[todo] == 0.0) & (typical[todo] > _LARGER), typical[todo], 1.0)
        jump = np.where(is_still, one_look, jump)
        # who turns round has been there already
        go_on = is_poor.any(axis=1) & (direction[todo] * turn >= 0.0)
        most = np.where(found.is_noisy.any(axis=1), np.maximum(typical, factor)[todo], np.inf)
        todo, turn, jump, most = todo[go_on], turn[go_on], jump[go_on], most[go_on]
        direction[todo] = turn
        following = np.clip(np.minimum(factor[todo] * jump, most), limits[0][todo], limits[1][todo])
        is_new = following != factor[todo]
        todo = todo[is_new]
        if not todo.size:
            break
        factor[todo] = following[is_new]
        found = _Pass(measure, power, factor, limits[0], todo, is_defined, scale, probes)
        # where nothing was to be seen, what is seen from afar must be smooth, or nearly
        is_afar = (direction[todo, np.newaxis] > 0.0) & (size[todo] == 0.0)
        found.error[is_afar & found.is_noisy & (found.error > _NEARLY * found.size)] = np.inf
        # doubtful noise that was none at larger steps is a slope without bound
        was_inside = np.isfinite(value[todo])
        found.error[found.is_doubtful & was_inside & (direction[todo, np.newaxis] < 0.0)] = np.inf
        # who was lost at both, by far less at the smaller step, gets there (and f is not even twice differentiable)
        is_nearer = (
            np.isinf(found.error) & np.isinf(error[todo]) & np.isfinite(lost[todo]) & (found.lost < 0.1 * lost[todo])
        )
        found.error[is_nearer] = found.lost[is_nearer]
        lost[todo] = found.lost
        # absolute errors tell nothing of steps that are too large: a bounded f has small slopes there
        with np.errstate(invalid="ignore"):
            is_better = found.error * size[todo] < error[todo] * found.size
        is_better |= np.isinf(error[todo]) & np.isfinite(found.error)
        # what looked like noise was rapid change
        is_better |= is_doubtful[todo] & ~found.is_doubtful & np.isfinite(found.error) & (found.size > 0.0)
        value[todo] = np.where(is_better, found.value, value[todo])
        error[todo] = np.where(is_better, found.error, error[todo])
        size[todo] = np.where(is_better, found.size, size[todo])
        is_doubtful[todo] &= ~is_better | found.is_doubtful
        best_factor[todo] = np.where(is_better.any(axis=1), factor[todo] / found.skipped, best_factor[todo])
    # where steps far smaller than those that saw little noise disagree with them, either may be right: a part of f may
    # be computed in single precision, and flat there, or f may change fast by little
    with np.errstate(invalid="ignore"):
        off = np.abs(value - claim[0])
        is_open = (off > 10.0 * (error + claim[1])) & np.isfinite(off)
    return np.where(is_open, claim[0], value), np.where(is_open, off, error), best_factor


class _Probes(NamedTuple):
    """What was measured very near x, for all passes: n moves, m outputs.

    Attributes
    ----------
    factor : ndarray (n,)
        The step there, as a part of the first; 0 before.
    seen : ndarray (3, n, m)
        f(x + d) - f(x - d), 2d, and the bend.
    """

    factor: Floats
    seen: Floats


class _Pass:
    """Differences from the first steps times `factor` on, and what they tell; everything (n, m).

    Noise shows by its changes along the diagonal, which grow as steps shrink instead of falling, and by second
    differences, in which it is larger by 1 / h than in the first, while what a smooth f leaves there is not. What looks
    so may be a rapid change of f all the same. Two calls very near x decide: noise is there as well, or f moves less
    than its slope says, in flat steps.

    Attributes
    ----------
    value, error : ndarray
        The error is infinite where f could not be followed.
    noise : ndarray
        What rounding contributes to the error.
    size : ndarray
        The slope, or how much it changes within a step.
    bend : ndarray
        How far f bends within the last step.
    is_noisy : ndarray
        Where there is noise beyond the rounding of f's results, by which the error was estimated.
    is_doubtful : ndarray
        Where it is so large that it may be rapid change.
    skipped : ndarray (n,)
        How many times as large as the first finite step the first one was.
    claim : ndarray (2, n, m)
        Value and error by larger steps where little noise was suspected and not found very near x; else NaN.
    has_jump : ndarray
        Where f jumps at x.
    lost : ndarray
        The error before it became infinite.
    """

    def __init__(
        self,
        measure: Measure,
        power: Floats,
        factor: Floats,
        least: Floats,
        todo: NDArray[np.intp],
        is_defined: Flags,
        scale: Floats,
        probes: _Probes,
    ) -> None:
        self._measure, self._todo, self._probes = measure, todo, probes
        self._nearby = np.maximum(np.minimum(_NEARBY, 1e-5 * factor), 0.25 * least)
        active, tableau = np.arange(todo.size), Tableau(power[todo])
        has_smaller = (factor > least)[todo, np.newaxis]
        levels: list[tuple[Floats, Floats, Floats]] = []
        was_inside = np.ones((1, 1), bool)
        for level in range(_LEVELS):
            difference, rounding, step, bend = measure(todo[active], _SHRINK**level / factor[todo[active]])
            last = np.abs(bend)
            is_inside = np.isfinite(last)
            is_smooth = None
            if level:
                # it should shrink about as the step does, or its square, unless it is nothing beside what f varies by
                _, larger, before = levels[-1]
                with np.errstate(all="ignore"):
                    is_smooth = last <= (1.85 - 0.53 * tableau.power) * (step / larger) * np.abs(before)
                    is_smooth |= last <= _STRAIGHT * np.abs(difference * step)
                if not was_inside.all():
                    is_smooth &= np.isfinite(before)
            else:
                shape = difference.shape
                self.value, self.error, self.noise, self.size, self.bend = (np.empty(shape) for _ in range(5))
                self.is_noisy, self.is_doubtful, self.has_jump = np.zeros((3, *shape), bool)
                self.skipped = np.ones(todo.size)
                # value and error that noise was not found to explain
                self.claim = np.full((2, *shape), np.nan)
            was_inside = is_inside
            if not is_inside.all():
                is_outside = ~is_inside[:, is_defined].all(axis=1)
                self.skipped[active[is_outside]] = _SHRINK ** (level + 1)
            tableau.add(difference, rounding, step, is_smooth)
            levels.append((difference, step, bend))
            if level == 0 and not is_inside.all():
                # a step a few times smaller is hardly less likely to be outside
                is_beyond = is_outside & has_smaller[:, 0]
                self.value[is_beyond], self.error[is_beyond], self.noise[is_beyond] = np.nan, np.inf, np.nan
                self.size[is_beyond], self.bend[is_beyond] = 0.0, np.inf
                chosen = np.flatnonzero(~is_beyond)
                if not chosen.size:
                    break
                tableau.keep(chosen)
                active, was_inside = chosen, is_inside[chosen]
                levels = [(difference[chosen], step[chosen], bend[chosen]) for difference, step, bend in levels]
            if is_smooth is None or level < 2:
                continue
            with np.errstate(all="ignore"):
                # of two far larger values nothing follows for the slope between them
                slope = np.fmax(
                    np.abs(tableau.value), np.where((last <= 8.0 * scale) | (scale == 0.0), last / step, 0.0)
                )
            slope[~np.isfinite(slope)] = 0.0
            self.value[active], self.error[active], self.noise[active] = tableau.value, tableau.error, tableau.noise
            self.size[active], self.bend[active] = slope, last
            is_seen = (tableau.expected <= _GOOD * slope) & (tableau.error <= _SEEN * slope)
            is_open = ~(tableau.error <= 3.0 * tableau.noise) & is_defined
            # who is far from any digit by now needs other steps than a few times smaller ones
            is_far = ~(tableau.error < 0.1 * slope) & has_smaller[active] & ((level >= 3) | ~is_smooth)
            # by chance noise agrees with itself: not in second differences too
            enough = np.where(is_seen, _SEEN * slope, np.where(is_open, 0.0, 3.0 * tableau.noise))
            is_late = (is_far | (level >= 4)) & ~is_seen
            is_open &= ~self._explained(active, is_open, is_late, enough, tableau, slope, levels) & ~is_seen
            chosen = np.flatnonzero((is_open & ~is_far).any(axis=1))
            if not chosen.size:
                break
            tableau.keep(chosen)
            active = active[chosen]
            levels = [(difference[chosen], step[chosen], bend[chosen]) for difference, step, bend in levels]
        self.lost = self.error.copy()
        is_lost = ~(self.is_noisy | (self.error <= np.fmax(_LOST * self.size, 8.0 * self.noise)))
        self.error[is_lost | self.has_jump] = np.inf

    def _explained(
        self,
        active: NDArray[np.intp],
        is_open: Flags,
        is_late: Flags,
        enough: Floats,
        tableau: Tableau,
        slope: Floats,
        levels: list[tuple[Floats, Floats, Floats]],
    ) -> Flags:
        """Where noise or a jump keeps f from converging, or nothing will; value and error are set by it."""
        is_sided = tableau.power == 1.0
        amplified = np.where(is_sided, _AMPLIFIED_SIDED, _AMPLIFIED)
        step = levels[-1][1]
        with np.errstate(all="ignore"):
            # first and second differences in one
            diagonal = _diagonal([(np.array([d, b / h**2]), h) for d, h, b in levels], tableau.power)
            changes = [np.abs(last - before) for before, last in zip(diagonal, diagonal[1:], strict=False)]
            before, odd = (changes[k][0] * levels[k][1] / amplified for k in (-2, -1))
            even = np.where(is_sided, odd, changes[-1][1] * step**2 / amplified)
            noise = np.sqrt(0.5 * (odd**2 + even**2))
            is_suspect = (odd > 0.3 * before) | (~is_sided & (even > 0.15 * odd)) | is_late
            error = amplified * noise / step
            self.error[active] = np.fmax(self.error[active], np.where(is_suspect & (enough > 0.0), error, 0.0))
            if not is_open.any():
                return is_open
            # where second differences show none the changes go on to shrink; where they are all 0 they show nothing
            likely = _LIKELY * tableau.expected + _QUIET * amplified * even / step + 8.0 * tableau.noise
            is_sure = is_open & ~is_suspect & ~is_sided & (likely <= _SEEN * slope) & (tableau.error <= _CLOSE * slope)
            is_sure &= (levels[0][2] != 0.0) & (levels[-1][2] != 0.0)
            self.error[active] = np.where(is_sure, likely, self.error[active])
            is_suspect &= is_open & np.isfinite(error) & (error > enough)
            some = np.flatnonzero(is_suspect.any(axis=1))
            if not some.size:
                return is_sure
            rows = active[some]
            moves, probes = self._todo[rows], self._probes
            unseen = moves[probes.factor[moves] != self._nearby[moves]]
            if unseen.size:
                probes.factor[unseen] = self._nearby[unseen]
                near, _, width, bend = self._measure(unseen, 1.0 / probes.factor[unseen])
                for part, seen in zip(probes.seen, (near * width, width, bend), strict=True):
                    part[unseen] = seen
            near, width, near_bend = probes.seen[:, moves]
            moved = np.fmax(np.abs(near), np.abs(near_bend))
            levels = [(difference[some], step[some], bend[some]) for difference, step, bend in levels]
            noise, amplified, is_suspect = noise[some], amplified[some], is_suspect[some]
            # of the entries the best, noise considered
            values = np.array([value[0, some] for value in diagonal[1:]])
            errors = np.array([change[0, some] for change in changes])
            errors += np.array([amplified * noise / step for _, step, _ in levels[1:]])
            best = np.argmin(errors, axis=0)[np.newaxis]
            value, error = (np.take_along_axis(part, best, 0)[0] for part in (values, errors))
            variation = np.abs(levels[0][0]) * levels[0][1] + np.abs(levels[0][2])
            is_flat = (moved == 0.0) | ((noise <= _SMALL_NOISE * variation) & (moved < 0.9 * np.abs(value) * width))
            is_suspect &= width < 0.01 * levels[-1][1]
            has_jump = is_suspect & (
                _has_limit([difference * step for difference, step, _ in levels], near, variation)
                | _has_limit([bend for _, _, bend in levels], near_bend, variation)
            )
            deviates = np.fmax(np.abs(near - value * width), np.abs(near_bend))
            is_rough = (deviates > 0.3 * noise) & (deviates < 30.0 * noise)
            is_noisy = is_suspect & ~has_jump & (is_flat | is_rough)
            is_claim = is_suspect & ~has_jump & ~is_noisy & (noise <= _SMALL_NOISE * variation)
            is_claim &= moved < 10.0 * np.abs(value) * width
            self.claim[:, rows] = np.where(is_claim, [value, error], self.claim[:, rows])
        self.has_jump[rows] = has_jump
        self.value[rows] = np.where(is_noisy, value, self.value[rows])
        self.error[rows] = np.where(is_noisy, error, self.error[rows])
        self.is_noisy[rows] = is_noisy
        self.is_doubtful[rows] = is_noisy & (error > np.where(is_flat, _LOST, _NEARLY) * self.size[rows])
        is_sure[some] |= is_noisy | has_jump
        return is_sure


def _diagonal(differences: list[tuple[Floats, Floats]], power: Floats) -> list[Floats]:
    """The newest entries of a tableau of differences with their steps."""
    row: list[Floats] = []
    diagonal = []
    for i, (difference, step) in enumerate(differences):
        before, row = row, [difference]
        for k, previous in enumerate(before):
            row.append(row[k] + (row[k] - previous) / ((differences[i - 1 - k][1] / step) ** power - 1.0))
        diagonal.append(row[-1])
    return diagonal


def _has_limit(parts: list[Floats], near: Floats, variation: Floats) -> Flags:
    """Whether what f does across ever smaller steps tends to something else than 0, which is there very near x."""
    largest, before, last = parts[-3:]
    limits = (last - (before - last) / (_SHRINK - 1.0), 0.05), (before - (largest - before) / (_SHRINK - 1.0), 0.2)
    has_limit = np.abs(near) > 1e-3 * variation
    for limit, tolerance in limits:
        has_limit &= np.abs(near - limit) <= tolerance * np.abs(near)
    return has_limit
