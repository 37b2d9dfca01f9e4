"""Newton's method with a line search for penalised likelihoods, L1 included (proximal Newton by active sets)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.blas import dtrsv
from scipy.linalg.lapack import dpotrf, dtrcon

from .config import kernels
from .kernels import layout as kernel_layout
from .likelihood import Curvature, LabelledRows
from .passes import padded

_layout = kernel_layout()

_Vector = NDArray[np.float64]

# what a step must gain of what its slope promises (Nocedal and Wright, Numerical Optimization, 2nd ed., section 3.1)
_ARMIJO = 1e-4
# a step that promises less than this part of the objective, and less than this much, leaves nothing to be seen
_NEGLIGIBLE, _ABSOLUTE = 1e-7, 1e-2
# the part where the Hessian is wanted as of the minimum
EXACT = 1e-12
# what the last step by a kept Hessian may leave
_UNSEEN = 1e-11
# a tol below asks for coefficients' last digits: no step by a kept Hessian is the last
_LAST_DIGITS = 1e-6
# a gain above this part of the objective is far from the minimum: the Hessian is another there
_NEAR = 3e-2
# and one that is not taken, for want of iterations, may promise so small a part
_SEEN = 1e-11
# what rounding hides
_ROUNDING = 2e-15
# at a minimum the last step is tiny; one of this size that gains nothing goes on for ever
_DRIFT = 1e-3
# and so does one that cannot be told from rounding, so far out (columns are scaled to about 1)
_FAR = 10.0
# curvature, relative to the largest, that sums of rounded products cannot tell from none
_FLAT = 1e-13
# and what is certainly some: LAPACK's reciprocal condition
_REGULAR = 1e-12
# between so many parameters and so many mlcore's own factor serves: BLAS would start threads for them, which wait for
# each other where other work keeps the CPUs busy
_FEW, _OWN = 64, 300


@dataclass(frozen=True)
class Penalty:
    """The penalty sum_j (l2_j theta_j^2 / 2 + l1_j |theta_j|); both of shape (p + 1,), the same for each output."""

    l2: _Vector
    l1: _Vector

    def value(self, theta: _Vector) -> float:
        """At theta, (outputs, p + 1)."""
        return float((0.5 * self.l2 * theta * theta + self.l1 * np.abs(theta)).sum())

    def part(self, fraction: float) -> Penalty:
        """For so small a part of the rows."""
        return Penalty(self.l2 * fraction, self.l1 * fraction)

    @property
    def is_none(self) -> bool:
        """Whether some coefficient may grow without bound."""
        return not (self.l2 + self.l1)[:-1].all()


@dataclass(frozen=True)
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
    negligible: float = _NEGLIGIBLE,
    absolute: float = _ABSOLUTE,
    reuse: float = 0.0,
    polish: bool = True,
    hessian: _Vector | None = None,
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
    here = evaluate(theta, hessian is None)
    objective = here.value + penalty.value(theta)
    if theta.any() and not objective <= _value_at_zero(theta, mass):
        theta, hessian = np.zeros_like(theta), None
        here = evaluate(theta, True)
        objective = here.value
    model: _Model | None = None
    exact = polish and tol < _LAST_DIGITS
    n_iter, before = 0, np.inf
    while here.is_finite:
        fresh = here.hessian is not None
        if here.hessian is not None:
            hessian, model = here.hessian, None
        assert hessian is not None
        model = model or _Model(hessian, penalty, len(theta))
        gradient = here.gradient + penalty.l2 * theta
        largest = np.abs(_subgradient(gradient, theta, penalty.l1)).max()
        step, hidden = model.step(gradient, theta, objective)
        gain = _promised(gradient, step, theta, penalty.l1)
        flat = bool(largest <= tol * mass)
        rounding = _ROUNDING * abs(objective)
        enough = min(negligible * abs(objective), absolute)
        ended = (flat and gain <= enough) or gain <= rounding
        separated = penalty.is_none and here.wrong == 0.0 and flat
        if not fresh and (hidden > 0.0 or not gain <= 2.0 * reuse * before or (ended and exact)):
            here, before = evaluate(theta, True), np.inf
            continue
        # the kept Hessian's step leaves such a part of this gain as this is of the one before it, or four times that
        # after a step by Newton's own
        left = 4.0 * gain / before * gain
        ended = ended and (fresh or not polish or left <= _UNSEEN * abs(objective))
        here = replace(here, hessian=hessian)
        if separated:
            return Minimum(theta, max(n_iter, 1), True, True, here)
        if ended:
            converged = hidden <= max(negligible * abs(objective), rounding)
            drifting = penalty.is_none and (
                np.abs(step[:, :-1]).max(initial=0.0) > _DRIFT
                or (not converged and np.abs(theta[:, :-1]).max(initial=0.0) > _FAR)
            )
            if n_iter < max_iter:
                theta, n_iter = theta + step, n_iter + 1
            else:
                converged = converged and gain <= _SEEN * abs(objective)
            return Minimum(theta, max(n_iter, 1) if max_iter else 0, converged, bool(drifting), here)
        if n_iter >= max_iter or not np.isfinite(gain):
            break
        # the Hessian changes little where little is gained
        wanted = not reuse or gain > _NEAR * abs(objective) or gain > reuse * before
        length = 1.0
        while True:
            there = evaluate(theta + length * step, wanted)
            value = there.value + penalty.value(theta + length * step)
            if value <= objective - _ARMIJO * length * gain:
                break
            length *= 0.5
            if length * gain <= rounding or not (fresh or np.isfinite(value)):
                break
        if not value <= objective - _ARMIJO * length * gain:
            if fresh:
                return Minimum(theta, n_iter + 1, bool(gain <= _SEEN * abs(objective)), False, here)
            here, before = evaluate(theta, True), np.inf
            continue
        n_iter, before = n_iter + 1, gain
        theta, here, objective = theta + length * step, there, value
    return Minimum(theta, n_iter, False, False, here)


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
    negligible: float = _NEGLIGIBLE,
    hessian: _Vector | None = None,
) -> Minimum:
    """`minimise` for rows in memory: in one compiled call where the rows are few, the classes two and L2 is all."""
    if rows.is_one_call and not penalty.l1.any():
        highest = _value_at_zero(theta, mass)
        status, found, n_iter, last = rows.newton(theta, penalty.l2, tol * mass, negligible, highest, max_iter)
        if status != _layout.UNUSUAL:
            separated = status == _layout.SEPARATED
            converged = separated or status == _layout.CONVERGED
            return Minimum(found, max(n_iter, 1) if converged and max_iter else n_iter, converged, separated, last)
    keeps = negligible > EXACT
    return minimise(
        rows.evaluate, theta, penalty, mass=mass, tol=tol, max_iter=max_iter, negligible=negligible,
        reuse=reuse_of(rows) if keeps else 0.0, hessian=hessian if keeps and rows.is_costly else None,
    )  # fmt: skip


def _value_at_zero(theta: _Vector, mass: float) -> float:
    """The objective at zero, or a hair above."""
    return mass * float(np.log(max(len(theta), 2))) * (1.0 + 1e-9)


def _subgradient(gradient: _Vector, theta: _Vector, l1: _Vector) -> _Vector:
    """The shortest subgradient of the objective."""
    if not l1.any():
        return gradient
    pull = np.where(theta != 0.0, np.sign(theta), -np.clip(gradient / np.where(l1 > 0, l1, 1.0), -1.0, 1.0))
    return gradient + l1 * pull


def _promised(gradient: _Vector, step: _Vector, theta: _Vector, l1: _Vector) -> float:
    """What the slope along the step promises, at length 1."""
    return -float((gradient * step).sum() + (l1 * (np.abs(theta + step) - np.abs(theta))).sum())


class _Model:
    """The second-order model of the objective: what each point makes of the Hessian of one."""

    def __init__(self, hessian: _Vector, penalty: Penalty, outputs: int) -> None:
        order = len(penalty.l2)
        A = hessian + np.diag(np.tile(penalty.l2, outputs))
        self._A, self._l1 = A, np.tile(penalty.l1, outputs)
        self._system = None
        if self._l1.any():
            # a hair more curvature, which changes where steps end but not where they end up: no direction is without
            A[np.diag_indices_from(A)] *= 1.0 + 1e-11
            return
        if outputs > 1:
            # moving a column of all classes alike changes no probability: where they sum to zero, and stay so,
            # curvature of any size in that direction changes no step
            blocks = A.reshape(outputs, order, outputs, order)
            for j in range(order):
                blocks[:, j, :, j] += blocks[0, j, 0, j]
        self._system = _System(A)

    def step(self, gradient: _Vector, theta: _Vector, objective: float) -> tuple[_Vector, float]:
        """To the minimum, and what may be gained where rounding hides the curvature."""
        if self._system is None:
            tolerance = 1e-8 * float(np.sqrt(abs(objective)))
            moved = _proximal(self._A, gradient.ravel(), theta.ravel(), self._l1, tolerance)
            return moved.reshape(theta.shape) - theta, 0.0
        step, hidden = self._system.solve(-gradient.ravel())
        return step.reshape(theta.shape), hidden


class _System:
    """A positive semidefinite matrix A, factored."""

    def __init__(self, A: _Vector) -> None:
        # unit diagonal: then the condition says what rounding does to the solution
        size = np.sqrt(A.diagonal())
        self._size = np.where(size > 0, size, 1.0)
        unit = A / np.outer(self._size, self._size)
        # a column of zeros, as that of an intercept left out, stays at rest: its slope is zero too
        unit[np.diag_indices_from(unit)] = np.where(size == 0, 1.0, unit.diagonal())
        n = len(A)
        if _FEW < n <= _OWN:
            width = padded(n)
            high, low = np.zeros((2, n, width))
            high[:, :n] = unit
            full = kernels().factor(n, n, width, np.full(n, _REGULAR), high.reshape(-1), low.reshape(-1)) == n
            factor = np.asfortranarray(high[:, :n])
        else:
            factor, info = dpotrf(unit, lower=0, clean=0)
            full = info == 0
        self._factor = factor if full and dtrcon(factor)[0] ** 2 > _REGULAR else None
        if self._factor is None:
            self._values, self._vectors = scipy.linalg.eigh(unit, check_finite=False)

    def solve(self, right: _Vector) -> tuple[_Vector, float]:
        """The x with A x = right; and half of right' x where the curvature is no more than rounding."""
        right = right / self._size
        if self._factor is not None:
            return dtrsv(self._factor, dtrsv(self._factor, right, trans=1)) / self._size, 0.0
        # dependent columns: the shortest of all steps to the minimum
        along = self._vectors.T @ right
        least = _FLAT * self._values[-1]
        kept = self._values > least
        step = self._vectors[:, kept] @ (along[kept] / self._values[kept])
        return step / self._size, float(0.5 * (along[~kept] ** 2).sum() / least) if least > 0 else 0.0


def _proximal(A: _Vector, g: _Vector, theta: _Vector, l1: _Vector, tolerance: float) -> _Vector:
    """The minimum of g'(u - theta) + (u - theta)' A (u - theta) / 2 + sum_j l1_j |u_j|.

    Coordinate descent finds most of the signs; then the coordinates that are not zero are solved for as a whole, one
    that would change its sign is dropped, and one at zero whose slope is above its penalty is taken in, until none is.
    """
    u = theta.copy()
    kernels().coordinate_descent(len(A), A.ravel(), g, l1, u, np.empty(len(A)), tolerance, 100)
    free = l1 == 0.0
    sign = np.sign(u)
    for _ in range(10 * len(A) + 10):
        active = np.flatnonzero((sign != 0.0) | free)
        target = np.zeros_like(u)
        pull = A @ theta - g - l1 * sign
        target[active] = _System(A[np.ix_(active, active)]).solve(pull[active])[0]
        crossed = np.flatnonzero((sign != 0.0) & ~free & (target * sign < 0.0))
        if crossed.size:
            # as far as the first change of sign
            parts = np.abs(u[crossed]) / np.maximum(np.abs(u[crossed] - target[crossed]), np.finfo(float).tiny)
            first = crossed[parts.argmin()]
            u = u + min(float(parts.min()), 1.0) * (target - u)
            u[first] = sign[first] = 0.0
            continue
        u = target
        slope = A @ (u - theta) + g
        excess = np.where((sign == 0.0) & ~free, np.abs(slope) - l1, 0.0)
        worst = int(excess.argmax())
        if excess[worst] <= 1e-9 * (l1[worst] + abs(g[worst])):
            break
        sign[worst] = -np.sign(slope[worst])
    return u
