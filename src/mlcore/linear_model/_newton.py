"""Newton's method with a line search for penalised likelihoods, L1 included (proximal Newton by active sets)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.blas import dtrsv
from scipy.linalg.lapack import dpotrf, dtrcon
from threadpoolctl import ThreadpoolController

from ..config import chosen_kernels
from ..kernels import ids
from ..kernels.thresholds import ABSOLUTE, ARMIJO, DRIFT, LEFT, MOST_LEFT, ROUNDING, SEEN
from ..memory import aligned_empty
from ._likelihood import Curvature, LabelledRows
from ._row_passes import padded, symmetric

_Vector = NDArray[np.float64]

# a step that promises less than this part of the objective, and less than ABSOLUTE, leaves nothing to be seen
NEGLIGIBLE = 1e-7
# the part where the Hessian is wanted as of the minimum
EXACT = 1e-12
# a tol below asks for coefficients' last digits: no step by a kept Hessian is the last
_LAST_DIGITS = 1e-6
# a gain above this part of the objective is far from the minimum: the Hessian is another there
_NEAR = 3e-2
# a step by a kept Hessian that changes no score by more moves no row that others hide
_RESTING = 1e-2
# a step that cannot be told from rounding goes on for ever, so far out (columns are scaled to about 1)
_FAR = 10.0
# curvature, relative to the largest, that sums of rounded products cannot tell from none
_NO_CURVATURE = 1e-13
# and what is certainly some: LAPACK's reciprocal condition
_REGULAR = 1e-12
# an L1 step is solved for as a whole so many times, between them by so many sweeps, which end where moves are such a
# part of the first
_ROUNDS, _SWEEPS, _RESTS = 8, 100, 1e-2
# what may be wrong with a slope, in terms of the curvature and the objective: where columns nearly depend on each other
# much of the objective hangs on it; where a round lowers it by no more than such a part of it, rounding hides the rest
_SLACK, _ROUNDED_SLACK, _LOWERED = 1e-11, 1e-8, 1e-14
_HAIR = 1e-11
# a Hessian of more parameters costs more than it saves; with L1 those that matter are sought
WIDEST = 1000
# between so many parameters and so many the kernels' factor serves: BLAS would start threads for them, which wait for
# each other where other work keeps the CPUs busy
_FEW, _WITHOUT_BLAS = 64, 300


@dataclass  # freezing takes a small fit a microsecond
class Penalty:
    """The penalty sum_j (l2_j theta_j^2 / 2 + l1_j |theta_j|); both of shape (p + 1,), the same for each output.

    `origin`, of shape (p,), ties the last of theta to the others: it is origin @ theta[:p] of the start, and stays so.
    A model without intercept is thus one of columns about zero, to which their squares leave their digits.
    """

    l2: _Vector
    l1: _Vector
    origin: _Vector | None = None

    def value(self, theta: _Vector) -> float:
        """At theta, (outputs, p + 1)."""
        return float((0.5 * self.l2 * theta * theta + self.l1 * np.abs(theta)).sum())

    def part(self, fraction: float) -> Penalty:
        """For so small a part of the rows."""
        return Penalty(self.l2 * fraction, self.l1 * fraction, self.origin)

    def tied(self, gradient: _Vector) -> _Vector:
        """The gradient, (outputs, p + 1), by what may move."""
        if self.origin is None:
            return gradient
        across = gradient[:, :-1] + gradient[:, -1:] * self.origin
        return np.column_stack([across, np.zeros(len(gradient))])

    def centred(self, theta: _Vector) -> _Vector:
        """Theta with each column moved alike for all classes, to where L1 and L2 are least.

        That changes no probability. It is a median; by L1 alone one class has a zero there.
        """
        k, penalised = len(theta), self.l1 > 0.0
        if k == 1 or not penalised.any():
            return theta
        u = np.sort(theta[:, penalised], axis=0)
        low, high = u[(k - 1) // 2], u[k // 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = u.mean(axis=0) + np.multiply.outer(k - 2.0 * np.arange(k + 1), self.l1 / self.l2 / k)[:, penalised]
        nearest = np.where(np.abs(low) < np.abs(high), low, high)
        shift = np.zeros(theta.shape[1])
        shift[penalised] = np.median(np.vstack([u, np.where(np.isnan(ends), nearest, ends)]), axis=0)
        if self.origin is not None:
            shift[-1] = self.origin @ shift[:-1]
        return theta - shift

    @property
    def is_none(self) -> bool:
        """Whether some coefficient may grow without bound."""
        return not (self.l2 + self.l1)[:-1].all()


@dataclass  # freezing takes a small fit a microsecond
class Minimum:
    """Where the method ended.

    Attributes
    ----------
    theta : ndarray of shape (outputs, p + 1)
        Coefficients, then the intercept.
    n_iter : int
    converged : bool
    separated : bool
        Whether a combination of columns separates the classes, or some rows of them, in a model without penalty: the
        loss has no minimum.
    last : Curvature
        The last one that was asked for: at theta, or one negligible step before; its Hessian may be of an earlier one.
    """

    theta: _Vector
    n_iter: int
    converged: bool
    separated: bool
    last: Curvature


def minimise(
    evaluate: Callable[[_Vector, bool], Curvature],
    theta: _Vector,
    penalty: Penalty,
    *,
    mass: float,
    tol: float,
    max_iter: int,
    negligible: float = NEGLIGIBLE,
    absolute: float = ABSOLUTE,
    reuse: float = 0.0,
    polish: bool = True,
    hessian: _Vector | None = None,
    rank: float = np.inf,
) -> Minimum:
    """Minimise ``evaluate(theta, whether with the Hessian).value + penalty``.

    Each iteration solves H d = -g, or its L1 counterpart, and halves d until the objective falls enough. It ends when
    no entry of the gradient is above tol times `mass` and the step promises a negligible gain, or where rounding hides
    what it promises. That step is still taken, unseen. A start that is worse than zero is given up for zero.

    Where a step promises less than `reuse` times what the one before did, H is kept for the next point, as long as each
    promises less than twice that part (the chord method: Kelley, Solving Nonlinear Equations with Newton's Method,
    section 2.3); `hessian` is one to begin with. Unless `polish` is False, it ends by a Hessian of its own point, or
    when the steps before show that the kept one leaves next to nothing.
    """
    iteration = _Iteration(evaluate, theta, penalty, hessian, mass, rank)
    while iteration.here.is_finite:
        fresh = iteration.take_hessian()
        step = iteration.propose(tol * mass, negligible, absolute, polish)
        if not fresh and step.needs_newer(reuse * iteration.gain_before, polish and tol < _LAST_DIGITS):
            iteration.renew()
            continue
        if step.is_stationary and iteration.is_separated:
            return iteration.minimum(max(iteration.n_iter, 1), converged=True, separated=True)
        if step.is_last:
            return iteration.finish(step, negligible, max_iter)
        if iteration.n_iter >= max_iter or not np.isfinite(step.gain):
            break
        # the Hessian changes little where little is gained
        objective = abs(iteration.objective)
        wanted = not reuse or step.gain > _NEAR * objective or step.gain > reuse * iteration.gain_before
        if iteration.advance(step, wanted):
            continue
        if fresh:
            converged = step.is_solved and step.gain <= SEEN * objective
            return iteration.minimum(iteration.n_iter + 1, converged=bool(converged))
        iteration.renew()
    return iteration.minimum(iteration.n_iter)


@dataclass  # freezing takes a small fit a microsecond
class _Step:
    """A step, and what is known of it before it is taken.

    Attributes
    ----------
    by : ndarray of shape (outputs, p + 1)
    gain : float
        What its slope promises.
    hidden : float
        What may be gained where rounding hides the curvature.
    is_solved, is_stationary, is_last : bool
        Whether it leads to the model's minimum, whether the slope at its start is as small as is wanted, and whether it
        leaves nothing to be seen.
    """

    by: _Vector
    gain: float
    hidden: float
    is_solved: bool
    is_stationary: bool
    is_last: bool

    def needs_newer(self, reusable: float, exact: bool) -> bool:
        """Whether a kept Hessian does not serve it; `exact` is whether the last step must have its own."""
        return self.hidden > 0.0 or not self.gain <= 2.0 * reusable or (self.is_last and exact)


class _Iteration:
    """Where `minimise` stands, and the Hessian by which it steps, which may be that of an earlier point."""

    def __init__(
        self,
        evaluate: Callable[[_Vector, bool], Curvature],
        theta: _Vector,
        penalty: Penalty,
        hessian: _Vector | None,
        mass: float,
        rank: float,
    ) -> None:
        self._evaluate, self._penalty, self._rank = evaluate, penalty, rank
        self.n_iter = 0
        # what the step before promised; infinite for none by this Hessian
        self.gain_before = np.inf
        self.theta = penalty.centred(theta)
        self.here = evaluate(self.theta, hessian is None)
        self.objective = self.here.value + penalty.value(self.theta)
        if self.theta.any() and not self.objective <= value_at_zero(len(self.theta), mass):
            self.theta, hessian = np.zeros_like(self.theta), None
            self.here = evaluate(self.theta, True)
            self.objective = self.here.value
        self._hessian, self._hessian_at = hessian, self.theta
        self._model: _Model | None = None
        self._fresh = False

    def take_hessian(self) -> bool:
        """Step by the Hessian of this point, if it has one."""
        self._fresh = self.here.hessian is not None
        if self._fresh:
            self._hessian, self._model, self._hessian_at = self.here.hessian, None, self.theta
        return self._fresh

    def renew(self) -> None:
        """Ask for the Hessian of this point."""
        self.here, self.gain_before = self._evaluate(self.theta, True), np.inf

    def propose(self, gradient_tolerance: float, negligible: float, absolute: float, polish: bool) -> _Step:
        """The step from here."""
        penalty, theta, here = self._penalty, self.theta, self.here
        if self._model is None:
            assert self._hessian is not None
            self._model = _Model(self._hessian, penalty, len(theta), self._rank)
        gradient = here.gradient + penalty.l2 * theta
        largest = np.abs(_subgradient(penalty.tied(gradient), theta, penalty)).max()
        step, hidden, solved = self._model.step(gradient, theta, self.objective)
        gain = _promised(gradient, step, theta, penalty.l1)
        size = abs(self.objective)
        stationary, left = bool(largest <= gradient_tolerance), 0.0
        if polish:
            left = _left(gain, self.gain_before, self._fresh, here.reach, step, theta - self._hessian_at)
        done = stationary and gain <= min(negligible * size, absolute) and left <= LEFT * size
        return _Step(step, gain, hidden, solved, stationary, solved and (done or gain <= ROUNDING * size))

    @property
    def is_separated(self) -> bool:
        """Whether all rows are on the right side, and nothing keeps them from going on."""
        return self._penalty.is_none and self.here.wrong == 0.0

    def advance(self, step: _Step, wanted: bool) -> bool:
        """Go along the step until the objective falls enough, and say whether it did; `wanted` is the Hessian there."""
        length = 1.0
        while True:
            there = self._evaluate(self.theta + length * step.by, wanted)
            value = there.value + self._penalty.value(self.theta + length * step.by)
            if value <= self.objective - ARMIJO * length * step.gain:
                break
            length *= 0.5
            # a gain that is infinite or no number ends it too
            if not ROUNDING * abs(self.objective) < length * step.gain < np.inf or not (
                self._fresh or np.isfinite(value)
            ):
                return False
        self.n_iter, self.gain_before = self.n_iter + 1, step.gain
        self.theta, self.here = self._penalty.centred(self.theta + length * step.by), there
        self.objective = there.value + self._penalty.value(self.theta)
        return True

    def finish(self, step: _Step, negligible: float, max_iter: int) -> Minimum:
        """Take the last step unseen, as long as iterations last."""
        size = abs(self.objective)
        converged = step.hidden <= max(negligible * size, ROUNDING * size)
        drifting = self._penalty.is_none and (
            np.abs(step.by[:, :-1]).max(initial=0.0) > DRIFT
            or (not converged and np.abs(self.theta[:, :-1]).max(initial=0.0) > _FAR)
        )
        if self.n_iter < max_iter:
            self.theta, self.n_iter = self._penalty.centred(self.theta + step.by), self.n_iter + 1
        else:
            converged = converged and step.gain <= SEEN * size
        return self.minimum(max(self.n_iter, 1) if max_iter else 0, converged, bool(drifting))

    def minimum(self, n_iter: int, converged: bool = False, separated: bool = False) -> Minimum:
        """Where it stands, as the end."""
        last = replace(self.here, hessian=self._hessian) if self.here.hessian is None else self.here
        return Minimum(self.theta, n_iter, converged, separated, last)


def _left(gain: float, before: float, fresh: bool, reach: _Vector | None, step: _Vector, moved: _Vector) -> float:
    """What a step that promises `gain` may leave, where theta has `moved` since the Hessian was taken.

    Where no row's scores change by more than s, the Hessian changes by a factor of exp(s) at most, in every direction
    (Bach 2010, Self-concordant analysis for logistic regression), and a step by it leaves some s / 2 of the distance.
    But rows whose loss falls like exp(-score) move their scores by 1 at each step, while others' loss hides theirs; by
    a kept Hessian by 1 and then by less, like 1 / t after t steps: what their loss is more than the step gains.

    A kept Hessian's step leaves such a part of the gain as this is of the one before, or four times that after a step
    by Newton's own; `LEFT` is five times what is wanted of that estimate.
    """

    def change(by: _Vector) -> float:
        return float("inf") if reach is None else float(reach @ (np.ptp(by, axis=0) if len(by) > 1 else np.abs(by[0])))

    s = change(step)
    if fresh:
        return gain * min(0.5 * s * (1.0 + s), MOST_LEFT) ** 2
    if before == np.inf:
        return gain
    hidden = s > _RESTING and change(moved) > 1.0
    return max(20.0 * gain / before * gain, gain / _RESTING if hidden else 0.0)


def reuse_of(rows: LabelledRows) -> float:
    """`reuse` of `minimise`: a Hessian that takes most of a pass may leave more of a gain than another."""
    return 0.15 if rows.is_costly else 0.015


def minimise_rows(
    rows: LabelledRows,
    theta: _Vector,
    penalty: Penalty,
    *,
    mass: float,
    tol: float,
    max_iter: int,
    negligible: float = NEGLIGIBLE,
    hessian: _Vector | None = None,
) -> Minimum:
    """`minimise` for rows in memory: in one compiled call where the rows are few, the classes two and L2 is all."""
    if len(rows.plans) == 1 and len(theta) == 1 and not penalty.l1.any() and penalty.origin is None:
        call = _NewtonCall(rows, theta)
        status = call.run(penalty.l2, tol * mass, negligible, value_at_zero(len(theta), mass), max_iter)
        if status != ids.UNUSUAL:
            return call.minimum(status, penalty.l2, max_iter)
    keeps = negligible > EXACT
    if penalty.l1[:-1].all() and (rows.n_rows < len(penalty.l2) or theta.size > WIDEST):
        return _by_columns(rows, theta, penalty, mass=mass, tol=tol, max_iter=max_iter)
    return minimise(
        rows.evaluate, theta, penalty, mass=mass, tol=tol, max_iter=max_iter, negligible=negligible,
        reuse=reuse_of(rows) if keeps else 0.0, hessian=hessian if keeps and rows.is_costly else None,
        rank=rows.n_rows * max(len(theta) - 1, 1),
    )  # fmt: skip


class _NewtonCall:
    """The kernel's Newton method for two classes: the arrays of one call, the call, and what it found."""

    def __init__(self, rows: LabelledRows, theta: _Vector) -> None:
        self._rows = rows
        _, size, width, stride, _ = rows.sizes
        across = padded(size + 1)
        lengths = width * stride, width * stride, (2 * size + 5) * across, width, width, width * width, rows.work_size
        bounds = [0, *itertools.accumulate(lengths)]
        room = aligned_empty(bounds[-1], np.float64)
        # both points and the system; the kernel writes all else before it reads it
        room[: bounds[3]] = 0.0
        self._parts = [room[first:last] for first, last in itertools.pairwise(bounds)]
        self._theta = self._parts[0].reshape(width, stride)[:size, 0]
        self._theta[:] = theta[0]
        self._sums = np.zeros(3)

    def run(self, l2: _Vector, gradient_tolerance: float, negligible: float, highest: float, max_iter: int) -> int:
        """Iterate, and give back how it ended: an id."""
        plan = self._rows.plans[0].copy()
        plan[ids.PASS_REACH] = 1
        here, there, system, reach, gradient, products, work = self._parts
        return chosen_kernels().newton(
            plan, *self._rows.arrays, l2, gradient_tolerance, negligible, highest, max_iter, here, there, self._sums,
            reach, gradient, products, system, work,
        )  # fmt: skip

    def minimum(self, status: int, l2: _Vector, max_iter: int) -> Minimum:
        """What the arrays hold after a call that ended so."""
        _, size, width, _, _ = self._rows.sizes
        *_, gradient, products, _ = self._parts
        value, wrong, n_iter = self._sums.tolist()
        # who has a penalty does not ask for it
        hessian = None if l2.any() else symmetric(products.reshape(width, width), size)
        last = Curvature(value, wrong, gradient[np.newaxis, :size].copy(), hessian)
        separated = status == ids.SEPARATED
        converged = separated or status == ids.CONVERGED
        steps = max(int(n_iter), 1 if converged and max_iter else 0)
        return Minimum(self._theta[np.newaxis].copy(), steps, converged, separated, last)


def _by_columns(
    rows: LabelledRows, theta: _Vector, penalty: Penalty, *, mass: float, tol: float, max_iter: int
) -> Minimum:
    """`minimise` with L1 where columns are more than rows, or many: by those that have a coefficient, or would get one.

    First roughly, as long as columns come in; then as well as it is wanted, until none is missing.
    """
    rough: dict[str, Any] = {"tol": np.inf, "negligible": 1e-2, "absolute": np.inf, "polish": False}
    n_iter, fine, theta = 0, False, penalty.centred(theta)
    seen = np.zeros(len(penalty.l2) - 1, np.bool_)
    found: Minimum | None = None
    while True:
        here = rows.evaluate(theta, False)
        over = np.abs(penalty.tied(here.gradient)[:, :-1]).max(axis=0) - penalty.l1[:-1]
        there = theta[:, :-1].any(axis=0)
        slack = 1e-9 * penalty.l1[:-1] + _SLACK * np.sqrt(abs(here.value) * mass)
        # of columns that were there, the fit has said what rounding lets it say
        missing = np.flatnonzero(~there & ~seen & (over > slack))
        if fine and found is not None and (not missing.size or n_iter >= max_iter or not found.converged):
            converged = found.converged and not missing.size
            return replace(found, theta=theta, n_iter=n_iter, converged=converged, last=here)
        fine = fine or not missing.size
        missing = missing[np.argsort(-over[missing], kind="stable")[: max(_FEW // 2, np.count_nonzero(there))]]
        columns = np.sort(np.append(np.flatnonzero(there), missing))
        kept = np.append(columns, len(over))
        origin = None if penalty.origin is None else penalty.origin[columns]
        part = rows.of_columns(columns)
        found = minimise(
            part.evaluate, theta[:, kept], Penalty(penalty.l2[kept], penalty.l1[kept], origin), mass=mass,
            max_iter=max_iter - n_iter, rank=rows.n_rows * max(len(theta) - 1, 1), **({"tol": tol} if fine else rough),
        )  # fmt: skip
        theta = np.zeros_like(theta)
        theta[:, kept] = found.theta
        seen[:] = False
        seen[columns] = fine
        n_iter += found.n_iter
        fine = fine or n_iter >= max_iter


def value_at_zero(outputs: int, mass: Any) -> Any:
    """The objective at zero, or a hair above; of one mass of rows, or of many."""
    return mass * math.log(max(outputs, 2)) * (1.0 + 1e-9)


def _subgradient(gradient: _Vector, theta: _Vector, penalty: Penalty) -> _Vector:
    """The shortest subgradient of the objective, per unit of columns that are about one."""
    l1 = penalty.l1
    if l1.any():
        pull = np.where(theta != 0.0, np.sign(theta), -np.clip(gradient / np.where(l1 > 0, l1, 1.0), -1.0, 1.0))
        gradient = gradient + l1 * pull
    if penalty.origin is not None:
        gradient = gradient[:, :-1] / np.maximum(np.abs(penalty.origin), 1.0)
    return gradient


def _promised(gradient: _Vector, step: _Vector, theta: _Vector, l1: _Vector) -> float:
    """What the slope along the step promises, at length 1."""
    return -float((gradient * step).sum() + (l1 * (np.abs(theta + step) - np.abs(theta))).sum())


def tied_basis(origin: _Vector, places: NDArray[np.intp], outputs: int = 1) -> _Vector:
    """Columns that span what the parameters at these places move, the last of each output with them; see `Penalty`.

    Of each output the column farthest from zero is spoken of by the last of theta, as which it moves: differences of
    columns that are all far from zero keep their digits.
    """
    size = len(origin) + 1
    basis = np.zeros((outputs * size, len(places)))
    basis[places, np.arange(len(places))] = 1.0
    for last in range(size - 1, outputs * size, size):
        those = np.flatnonzero(places // size == last // size)
        if not those.size:
            continue
        away = origin[places[those] % size]
        pivot = int(np.abs(away).argmax())
        basis[last, those] = away
        if abs(away[pivot]) > 1.0:
            basis[last, those] = 0.0
            basis[places[those[pivot]], those] = -away / away[pivot]
            basis[[places[those[pivot]], last], those[pivot]] = 1.0 / away[pivot], 1.0
    return basis


def at_minimum(
    evaluate: Callable[[_Vector, bool], Curvature], theta: _Vector, penalty: Penalty
) -> tuple[_Vector, Curvature]:
    """Theta after the last steps that rounding lets Newton's method take, without L1, and the curvature there."""
    before = np.inf
    while True:
        here = evaluate(theta, True)
        assert here.hessian is not None
        gradient = here.gradient + penalty.l2 * theta
        step, _, _ = _Model(here.hessian, penalty, len(theta), np.inf).step(gradient, theta, here.value)
        size = float(np.abs(step).max())
        if size <= 1e-14 or not size < 0.5 * before:
            return theta, here
        theta, before = theta + step, size


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


class _Model:
    """The second-order model of the objective: what each point makes of the Hessian of one."""

    def __init__(self, hessian: _Vector, penalty: Penalty, outputs: int, rank: float) -> None:
        self._rank = np.inf if penalty.l2[:-1].all() else rank
        self._shape = outputs, len(penalty.l2)
        self._penalty = penalty
        self._l1 = np.tile(penalty.l1, outputs)
        self._A = hessian.copy()
        diagonal = np.einsum("ii->i", self._A)
        diagonal += np.tile(penalty.l2, outputs)
        # the last of theta goes with the others where they are tied
        self._movable = np.tile(np.arange(len(penalty.l2)) < len(penalty.l2) - (penalty.origin is not None), outputs)
        self._system: tuple[_System, NDArray[Any]] | None = None
        self._latest: tuple[NDArray[np.bool_], tuple[_System, NDArray[Any]]] | None = None
        if self._l1.any():
            # a hair more curvature, which changes where steps end but not where they end up: no direction is without
            diagonal *= 1.0 + _HAIR
        else:
            self._system = self._restricted(self._movable)

    def step(self, gradient: _Vector, theta: _Vector, objective: float) -> tuple[_Vector, float, bool]:
        """To the minimum; what may be gained where rounding hides the curvature; and whether it is the minimum."""
        if self._system is None:
            # for systems as small as these BLAS's threads wait for each other where other work keeps the CPUs busy; it
            # starts none for the smallest, for which to ask would take longer than the step
            with nullcontext() if theta.size <= _FEW else _blas().limit(limits=1, user_api="blas"):
                step, solved = self._proximal(gradient.ravel(), theta.ravel(), abs(objective))
            return step.reshape(theta.shape), 0.0, solved
        system, basis = self._system
        step, hidden = system.solve(-_down(gradient.ravel(), basis))
        return _up(step, basis, theta.size).reshape(theta.shape), hidden, True

    def _restricted(self, active: NDArray[np.bool_]) -> tuple[_System, NDArray[Any]]:
        """The system of the active parameters, and the basis in which it stands: their places, or columns."""
        places, (outputs, size) = np.flatnonzero(active), self._shape
        origin = self._penalty.origin
        basis: NDArray[Any] = places if origin is None else tied_basis(origin, places, outputs)
        A = self._A
        if outputs > 1:
            # moving a column of all classes alike changes no probability: as long as theta is where the penalty of that
            # is least, curvature of any size in that direction changes no step
            if self._l1.any():  # else it serves no other
                A = A.copy()
            # those of a column, for each pair of classes
            blocks = np.einsum("kjlj->jkl", A.reshape(outputs, size, outputs, size))
            whole = (active | ~self._movable).reshape(outputs, size).all(axis=0)
            blocks[whole] += blocks[whole, :1, :1]
        if basis.ndim == 2:
            within = basis.T @ A @ basis
        else:
            within = A if len(places) == len(A) else A[places[:, np.newaxis], places]
        return _System(within, self._system is None and bool(self._l1.any())), basis

    def _proximal(self, g: _Vector, theta: _Vector, objective: float) -> tuple[_Vector, bool]:
        """A step d towards the least of g'd + d'Ad / 2 + sum_j l1_j |theta_j + d_j|, and whether it gets there.

        The coordinates that are not zero are solved for as a whole; those that change their sign on the way become
        zero. If that is not the minimum, coordinate descent tells which come and go. Each part lowers the model.
        """
        A, l1, movable = self._A, self._l1, self._movable
        free = (l1 == 0.0) & movable
        tie = None
        if self._penalty.origin is not None:
            outputs, per_output = self._shape
            one = np.eye(per_output)
            one[-1] = np.append(self._penalty.origin, 0.0)
            tie = np.kron(np.eye(outputs), one)
        diagonal = A.diagonal() if tie is None else np.einsum("ij,ij->j", tie, A @ tie)
        size = np.sqrt(np.maximum(diagonal, np.finfo(float).tiny))

        def model(step: _Vector) -> tuple[float, _Vector]:
            bent = A @ step
            return float(g @ step + 0.5 * (step @ bent) + l1 @ np.abs(theta + step)), g + bent

        def without(step: _Vector, out: NDArray[np.bool_]) -> _Vector:
            step = np.where(out, -theta, step)
            return step if tie is None else np.asarray(tie @ np.where(movable, step, 0.0))

        step = entering = np.zeros_like(theta)
        value, slope = float(l1 @ np.abs(theta)), g
        before = np.inf
        # coordinates that differ in little but that they are far from zero rest too late to come and go by descent
        for _ in range(_ROUNDS if tie is None else 4 * len(theta)):
            u = theta + step
            sign = np.where(movable, np.sign(u), 0.0) + entering
            active = (sign != 0.0) | free
            if 0 < np.count_nonzero(active) <= self._rank:
                # a kept Hessian's next step mostly has the same
                if self._latest is None or not np.array_equal(self._latest[0], active):
                    self._latest = active, self._restricted(active)
                system, basis = self._latest[1]
                change = _up(system.solve(-_down(slope + l1 * sign, basis))[0], basis, len(theta))
                crossed = (sign != 0.0) & ~free & ((u + change) * sign <= 0.0)
                tried = [step + change]
                if crossed.any():
                    parts = np.full(len(theta), np.inf)
                    parts[crossed] = np.abs(u[crossed]) / np.maximum(np.abs(change[crossed]), np.finfo(float).tiny)
                    first = parts == parts.min()
                    tried = [without(step + change, crossed), without(step + float(parts.min()) * change, first)]
                for one in tried:
                    there, slope_there = model(one)
                    if there <= value:
                        step, value, slope = one, there, slope_there
            across = slope if tie is None else tie.T @ slope
            u = theta + step
            excess = np.where(u != 0.0, np.abs(across + l1 * np.sign(u)), np.maximum(np.abs(across) - l1, 0.0))
            excess[~movable] = 0.0
            slack = _ROUNDED_SLACK if before - value <= _LOWERED * objective else _SLACK
            if (excess <= 1e-9 * l1 + slack * size * np.sqrt(objective)).all():
                return step, True
            before = value
            if tie is not None:
                worst = int((excess / size).argmax())
                entering = np.zeros_like(theta)
                entering[worst] = -np.sign(across[worst]) if u[worst] == 0.0 else 0.0
                continue
            chosen_kernels().coordinate_descent(
                len(theta),
                u,
                slope,
                A.ravel(),
                l1,
                np.empty(len(theta)),
                _RESTS * float((excess / size).max()),
                _SWEEPS,
            )
            step = self._penalty.centred(u.reshape(self._shape)).ravel() - theta
            value, slope = model(step)
        return step, False


def _down(slope: _Vector, basis: NDArray[Any]) -> _Vector:
    """A slope along the directions of a basis."""
    found: _Vector = slope[basis] if basis.ndim == 1 else basis.T @ slope
    return found


def _up(step: _Vector, basis: NDArray[Any], n: int) -> _Vector:
    """A step along the directions of a basis as one of all parameters."""
    if basis.ndim == 2:
        return np.asarray(basis @ step)
    found = np.zeros(n)
    found[basis] = step
    return found


class _System:
    """A positive semidefinite matrix A, factored; as it is where it is `definite`, and what it gives is checked."""

    def __init__(self, A: _Vector, definite: bool = False) -> None:
        # unit diagonal: then the condition says what rounding does to the solution
        size = np.sqrt(A.diagonal())
        self._size = np.where(size > 0, size, 1.0)
        unit = A / self._size / self._size[:, np.newaxis]
        # a column of zeros, as that of an intercept left out, stays at rest: its slope is zero too
        np.einsum("ii->i", unit)[size == 0] = 1.0
        n = len(A)
        if _FEW < n <= _WITHOUT_BLAS and not definite:
            width = padded(n)
            high, low = np.zeros((2, n, width))
            high[:, :n] = unit
            full = chosen_kernels().factor(n, n, width, np.full(n, _REGULAR), high.reshape(-1), low.reshape(-1)) == n
            factor = np.asfortranarray(high[:, :n])
        else:
            factor, info = dpotrf(unit, lower=0, clean=0)
            full = info == 0
        self._factor = factor if full and (definite or dtrcon(factor)[0] ** 2 > _REGULAR) else None
        if self._factor is None:
            self._values, self._vectors = scipy.linalg.eigh(unit, check_finite=False)

    def solve(self, right: _Vector) -> tuple[_Vector, float]:
        """The x with A x = right; and half of right' x where the curvature is no more than rounding."""
        right = right / self._size
        if self._factor is not None:
            return dtrsv(self._factor, dtrsv(self._factor, right, trans=1)) / self._size, 0.0
        # dependent columns: the shortest of all steps to the minimum
        along = self._vectors.T @ right
        least = _NO_CURVATURE * self._values[-1]
        kept = self._values > least
        step = self._vectors[:, kept] @ (along[kept] / self._values[kept])
        return step / self._size, float(0.5 * (along[~kept] ** 2).sum() / least) if least > 0 else 0.0
