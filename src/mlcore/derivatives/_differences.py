"""First and second differences of a function, each entry of x by a step of its own that stays within bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._extrapolation import Floats
from ._moved_points import Function, Moves

EPSILON = float(np.finfo(np.float64).eps)
METHODS = ("auto", "central", "five-point", "richardson", "complex-step")
# of the methods by name: how many steps, each half the one before
COLUMNS = {"central": 1, "five-point": 2, "richardson": 4, "auto": 4}
# and the last of them relative to x: powers of f's rounding, for first and for second derivatives, at which the error
# of the difference is about as large as its rounding; the others begin at a tenth of x
_POWERS = {"central": (1 / 3, 1 / 4), "five-point": (1 / 5, 1 / 6)}
_LAST_STEP = 0.0125
# without a subtraction no step is too small
_COMPLEX_STEP = 1e-30


class Steps:
    """The first and largest step of every entry of x, its side, and how many times as large it may become.

    Parameters
    ----------
    x : ndarray
    method : str
    step : float or array_like, optional
        The last step (of "richardson" and "auto": the first) instead of one that follows the scale of x.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
    order : {1, 2}
        Of the derivative.
    rows : int
        How many steps there are, each half the one before.
    epsilon : float
        The rounding of f's results.

    Attributes
    ----------
    first : ndarray (p,)
    sided : ndarray (p,)
        0 where there is room on both sides, else the side: 1 or -1. Second differences take sides everywhere or not at
        all.
    least, most : ndarray (p,)
        What the first step may be multiplied by.
    typical : ndarray (p,)
        By this it would be as large as that of the largest entry.
    low, high : ndarray (p,)
        The bounds.
    """

    def __init__(
        self, x: Floats, method: str, step: Any, bounds: Any, *, order: int, rows: int, epsilon: float
    ) -> None:
        flat = x.reshape(-1)
        size = np.maximum(np.abs(flat), np.where(flat == 0.0, 0.0, 1e-150))
        everywhere = float(size.max(initial=0.0)) or 1.0
        size[size == 0.0] = everywhere
        # an entry near 0 says little of its scale; the search for first derivatives finds out
        floored = np.maximum(size, (1e-4 if order == 1 else 1e-2) * everywhere)
        powers = _POWERS.get(method)
        last = _LAST_STEP if powers is None else epsilon ** powers[order - 1]
        halvings = 2.0 ** (rows - 1)
        wide = floored * last * halvings
        first = size * last * halvings if method == "auto" and order == 1 else wide
        if step is not None:
            given = _given_step(step, x)
            if np.any(flat + given == flat):
                raise ValueError(f"step is {step!r}, too small beside x: adding it changes nothing.")
            first = wide = given * (1.0 if method in ("richardson", "auto") else halvings)
        self.low, self.high = _bounds(bounds, x)
        below, above = flat - self.low, self.high - flat
        nearer, farther = np.minimum(below, above), np.maximum(below, above)
        has_room = nearer >= 0.1 * wide
        if order == 2 and not has_room.all():
            has_room[:] = False
        self.sided = np.where(has_room, 0.0, np.where(above >= below, 1.0, -1.0))
        # a second difference by one side takes two steps
        room = np.where(has_room, nearer, farther / order)
        self.first = np.minimum(np.where(has_room, first, wide), room)
        self.least, self.most = 64.0 * EPSILON * np.abs(flat) / self.first, room / self.first
        self.typical = everywhere * last * halvings / self.first
        self._x = flat

    @property
    def signed(self) -> Floats:
        """The first steps towards the free side, else away from zero: what x's dtype holds there, it holds here."""
        return np.where(np.where(self.sided == 0.0, self._x, self.sided) < 0.0, -self.first, self.first)


def _given_step(step: Any, x: Floats) -> Floats:
    given = np.asarray(step)
    if given.dtype.kind not in "iuf" or not np.all(np.isfinite(given) & (given > 0)):
        raise ValueError(f"step is {step!r}, but must hold numbers above 0.")
    if given.ndim and given.shape != x.shape:
        raise ValueError(f"step has shape {given.shape}, but x has {x.shape}; one number is wanted, or one an entry.")
    return np.broadcast_to(given.astype(np.float64), x.shape).reshape(-1)


def _bounds(bounds: Any, x: Floats) -> tuple[Floats, Floats]:
    """The least and the largest that each entry may become."""
    if bounds is None:
        return np.full(x.size, -np.inf), np.full(x.size, np.inf)
    try:
        lower, upper = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else tuple(bounds)
        low, high = _side(lower, -np.inf, x), _side(upper, np.inf, x)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            "bounds must be a pair (lower, upper) of numbers or of arrays of x's shape, None for an open side; of a "
            "pair an entry, as scipy.optimize.minimize takes them, give tuple(zip(*bounds))."
        ) from None
    flat = x.reshape(-1)
    for wrong, text in (
        (~((low <= flat) & (flat <= high)), "not within its bounds {} and {}"),
        (low == high, "and its bounds {} and {} leave no room for a step"),
    ):
        if wrong.any():
            first = int(np.argmax(wrong))
            place = ", ".join(str(int(i)) for i in np.unravel_index(first, x.shape))
            raise ValueError(f"x[{place}] is {flat[first]}, {text.format(low[first], high[first])}.")
    return low, high


def _side(bound: Any, opened: float, x: Floats) -> Floats:
    """One side of the bounds, flat; None, for all or for single entries, leaves it open."""
    given = np.asarray(bound)
    if given.dtype.kind == "c":
        raise ValueError
    if given.dtype == object:
        given = np.where([entry is None for entry in given.flat], opened, given.reshape(-1)).reshape(given.shape)
    return np.broadcast_to(given.astype(np.float64), x.shape).reshape(-1)


class FirstDifferences:
    """(f(x + h) - f(x - h)) / 2h of every move, or (f(x + h) - f(x)) / h towards the side that is free.

    Parameters
    ----------
    function : Function
    x : ndarray
    steps : Steps
    moves : Moves
        Entries of one move change together: no output may depend on two of them.
    owner : ndarray (moves, m), optional
        The entry that each output depends on in each move, -1 for none; None: every move has one entry.

    Attributes
    ----------
    is_sided : ndarray (moves,)
        Whether a move takes one side; its error is a series in h, that of the others in h^2.
    least, most, typical : ndarray (moves,)
        As `Steps` has them.
    """

    def __init__(
        self, function: Function, x: Floats, steps: Steps, moves: Moves, owner: NDArray[np.intp] | None = None
    ) -> None:
        self._function, self._x, self._moves, self._owner = function, x.reshape(-1), moves, owner
        owners, columns = moves.owners(), moves.columns
        self.is_sided = np.zeros(len(moves), bool)
        self.is_sided[owners[steps.sided[columns] != 0.0]] = True
        self._first = steps.signed[columns]
        self._low, self._high = steps.low[columns], steps.high[columns]
        self.least, self.most, self.typical = np.zeros(len(moves)), np.full(len(moves), np.inf), np.ones(len(moves))
        np.maximum.at(self.least, owners, steps.least[columns])
        np.minimum.at(self.most, owners, steps.most[columns])
        np.maximum.at(self.typical, owners, steps.typical[columns])

    @property
    def power(self) -> Floats:
        """As `Tableau` has it."""
        return np.where(self.is_sided, 1.0, 2.0)[:, np.newaxis]

    def __call__(self, chosen: NDArray[np.intp], divisor: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """The differences of some moves, their first steps divided; a `Measure`.

        f bends as far as the middle of f(x - h) and f(x + h) is from f(x), f(x + h) itself if by one side.
        """
        moves, places = self._moves.take(chosen)
        x, owners, sided = self._x[moves.columns], moves.owners(), self.is_sided[chosen]
        step = self._first[places] / divisor[owners]
        stored, low, high = self._function.stored, self._low[places], self._high[places]
        up = stored(np.clip(x + step, low, high)) - x
        # as far: up is h as it is once x + h has been rounded
        down = np.where(sided[owners], 0.0, stored(np.clip(x - up, low, high)) - x)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            above = self._function.at(moves, up)
            # where one side is undefined the other one tells nothing
            is_lost = ~sided & np.isnan(above).all(axis=1)
            below = np.where(is_lost[:, np.newaxis], np.nan, self._function.value)
            both = np.flatnonzero(~(sided | is_lost))
            if both.size:
                some, at = moves.take(both)
                below[both] = self._function.at(some, down[at])
            width = self._by_output(up - down, moves, chosen)
            epsilon, here = self._function.epsilon, self._function.value
            value = (above - below) / width
            if self._function.moves_single:  # the two sides are rounded apart, and f bends from one to the other
                apart = np.where(down == 0.0, 0.0, (up + down) / (2.0 * up * down))
                value += self._by_output(apart, moves, chosen) * ((above - here) + (below - here))
            largest = np.maximum(np.abs(above), np.abs(below))
            bend = (above - here) + (below - here)
            # what x's own rounding makes of f counts too, by the slopes at both ends
            width = np.abs(width)
            passed_on = (
                EPSILON * self._by_output(np.abs(x), moves, chosen) * (np.abs(value) + 2.0 * np.abs(bend) / width)
            )
            noise = 2.0 * np.fmax(epsilon * largest, passed_on) / width
            bend[~np.isfinite(bend) | (width == 0.0)] = np.inf
            bend[(np.abs(bend) <= 16.0 * epsilon * np.maximum(np.abs(above), np.abs(here))) & np.isfinite(bend)] = 0.0
        if self._owner is not None:
            nobodys = self._owner[chosen] < 0
            value[nobodys] = noise[nobodys] = bend[nobodys] = 0.0
            width[nobodys] = np.broadcast_to(1.0 / divisor[:, np.newaxis], width.shape)[nobodys]
        return value, noise, width, bend

    def complex_step(self, step: Any) -> Floats:
        """The imaginary part of f(x + i h), over h."""
        size = np.full(self._x.size, _COMPLEX_STEP) if step is None else _given_step(step, self._x)
        size = size[self._moves.columns]
        everything = np.arange(len(self._moves))
        value = self._function.at(self._moves, 1j * size).imag / self._by_output(size, self._moves, everything)
        if self._owner is not None:
            value[self._owner < 0] = 0.0
        return value

    def _by_output(self, widths: Floats, moves: Moves, chosen: NDArray[np.intp]) -> Floats:
        """The width that each output saw: of the move's only entry, or of the one that it depends on."""
        if self._owner is None:
            return widths[:, np.newaxis]
        of_entry = np.ones(self._x.size + 1)
        of_entry[moves.columns] = widths
        return of_entry[self._owner[chosen]]


class SecondDifferences:
    """Second differences of a function that returns one number, for every pair of entries of x.

    ``(f(i+, j+) + f(i-, j-) - f(i+) - f(i-) - f(j+) - f(j-) + 2 f) / (2 h_i h_j)``, two calls a pair. If an entry is on
    a bound, ``(f(i+, j+) - f(i+) - f(j+) + f) / (h_i h_j)`` throughout, each entry towards the side that is free.
    """

    def __init__(self, function: Function, x: Floats, steps: Steps) -> None:
        p = x.size
        self._function, self._x = function, x.reshape(-1)
        self.is_sided = bool(steps.sided.any())
        self._first, self._low, self._high = steps.signed, steps.low, steps.high
        self.rows, self.columns = np.triu_indices(p)
        self._pairs = Moves.of([(i,) if i == j else (i, j) for i, j in zip(self.rows, self.columns, strict=True)])
        self._single, self._diagonal = Moves.single(p), self.rows == self.columns

    @property
    def power(self) -> Floats:
        """As `Tableau` has it."""
        return np.full((self.rows.size, 1), 1.0 if self.is_sided else 2.0)

    def __call__(self, chosen: NDArray[np.intp], divisor: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """The differences of all pairs, whose steps are divided alike; a `Measure` that does not look at bends."""
        at, i, j = self._function, self.rows, self.columns
        here = float(at.value[0])
        step = self._moved(np.arange(self._x.size), self._first / divisor[0])
        # a pair of an entry with itself: both steps at once
        both = np.repeat(np.where(self._diagonal & self.is_sided, 2.0, 1.0), np.diff(self._pairs.starts))
        pairs = self._moved(self._pairs.columns, both * step[self._pairs.columns])
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            up, both_up = at.at(self._single, step)[:, 0], at.at(self._pairs, pairs)[:, 0]
            largest = max(abs(here), float(np.abs(up).max()), float(np.abs(both_up).max()))
            area = step[i] * step[j]
            value = ((both_up - up[i]) - (up[j] - here)) / area
            if not self.is_sided:
                # as far but for the rounding of x - h
                back = self._moved(np.arange(self._x.size), -step)
                down, both_down = at.at(self._single, back)[:, 0], at.at(self._pairs, back[self._pairs.columns])[:, 0]
                mixed = value + ((both_down - down[i]) - (down[j] - here)) / (back[i] * back[j])
                pure = 2.0 * ((up - here) / step - (down - here) / back) / (step - back)
                value = np.where(self._diagonal, pure[i], 0.5 * mixed)
            noise = np.broadcast_to(4.0 * at.epsilon * largest / np.abs(area), value.shape)
        return value[:, np.newaxis], noise[:, np.newaxis], 1.0 / divisor[:, np.newaxis], np.zeros((value.size, 1))

    def _moved(self, columns: NDArray[np.intp], offsets: Floats) -> Floats:
        """Offsets of some entries as they are once x has been moved, within the bounds."""
        x = self._x[columns]
        return self._function.stored(np.clip(x + offsets, self._low[columns], self._high[columns])) - x


def groups(sparsity: Any, m: int, p: int) -> tuple[Moves, NDArray[np.intp]]:
    """Columns that share no row, together: greedily, those with the most rows first (Curtis, Powell and Reid, 1974).

    Parameters
    ----------
    sparsity : array_like or sparse matrix (m, p)
        Where the Jacobian may differ from 0.

    Returns
    -------
    moves : Moves
    owner : ndarray (moves, m)
        The column that has an entry in each row of each group, -1 for none.
    """
    from scipy.sparse import csc_array

    pattern = csc_array(sparsity, copy=True) if np.ndim(sparsity) == 2 or hasattr(sparsity, "tocsc") else None
    if pattern is None or pattern.shape != (m, p):
        shape = np.shape(sparsity) if pattern is None else pattern.shape
        raise ValueError(f"sparsity has shape {shape}, but the Jacobian has {(m, p)}: outputs by entries of x.")
    pattern.eliminate_zeros()
    starts, rows = pattern.indptr, pattern.indices
    members: list[list[int]] = []
    owners: list[NDArray[np.intp]] = []
    for column in np.argsort(-np.diff(starts), kind="stable"):
        touched = rows[starts[column] : starts[column + 1]]
        place = next((k for k, owner in enumerate(owners) if np.all(owner[touched] < 0)), len(owners))
        if place == len(owners):
            members.append([])
            owners.append(np.full(m, -1, np.intp))
        members[place].append(int(column))
        owners[place][touched] = column
    return Moves.of(members), np.array(owners, np.intp).reshape(len(owners), m)
