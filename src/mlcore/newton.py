"""Newton's method with a line search for penalised likelihoods, L1 included (proximal Newton by active sets)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.lapack import dpocon, dpotrf, dpotrs

from .config import kernels
from .kernels import layout as kernel_layout
from .likelihood import Curvature, LabelledRows

_layout = kernel_layout()

_Vector = NDArray[np.float64]

# what a step must gain of what its slope promises (Nocedal and Wright, Numerical Optimization, 2nd ed., section 3.1)
_ARMIJO = 1e-4
# a step that promises less than this part of the objective, and less than this much, leaves nothing to be seen
_NEGLIGIBLE, _ABSOLUTE = 1e-7, 1e-2
# the part where the Hessian is wanted as of the minimum
EXACT = 1e-12
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
        The last one that was asked for: at theta, or one negligible step before.
    """

    theta: _Vector
    n_iter: int
    converged: bool
    separated: bool
    last: Curvature


def minimise(
    evaluate: Callable[[_Vector], Curvature],
    theta: _Vector,
    penalty: Penalty,
    *,
    mass: float,
    tol: float,
    max_iter: int,
    negligible: float = _NEGLIGIBLE,
    absolute: float = _ABSOLUTE,
) -> Minimum:
    """Minimise ``evaluate(theta).value + penalty``.

    Each iteration solves H d = -g, or its L1 counterpart, and halves d until the objective falls enough. It ends when
    no entry of the gradient is above tol times `mass` and the step promises a negligible gain, or where rounding hides
    what it promises. That step is still taken, unseen. A start that is worse than zero is given up for zero.
    """
    here = evaluate(theta)
    objective = here.value + penalty.value(theta)
    if theta.any() and not objective <= _value_at_zero(theta, mass):
        theta = np.zeros_like(theta)
        here = evaluate(theta)
        objective = here.value
    n_iter = 0
    while here.is_finite:
        gradient = here.gradient + penalty.l2 * theta
        largest = np.abs(_subgradient(gradient, theta, penalty.l1)).max()
        step, hidden = _direction(here.hessian, gradient, theta, penalty, objective)
        gain = _promised(gradient, step, theta, penalty.l1)
        flat = bool(largest <= tol * mass)
        if penalty.is_none and here.wrong == 0.0 and flat:
            return Minimum(theta, max(n_iter, 1), True, True, here)
        rounding = _ROUNDING * abs(objective)
        if (flat and gain <= min(negligible * abs(objective), absolute)) or gain <= rounding:
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
        if n_iter >= max_iter:
            break
        n_iter += 1
        length = 1.0
        while True:
            there = evaluate(theta + length * step)
            value = there.value + penalty.value(theta + length * step)
            if value <= objective - _ARMIJO * length * gain:
                break
            length *= 0.5
            if length * gain <= rounding:
                return Minimum(theta, n_iter, bool(gain <= _SEEN * abs(objective)), False, here)
        theta, here, objective = theta + length * step, there, value
    return Minimum(theta, n_iter, False, False, here)


def minimise_rows(
    rows: LabelledRows,
    theta: _Vector,
    penalty: Penalty,
    *,
    mass: float,
    tol: float,
    max_iter: int,
    negligible: float = _NEGLIGIBLE,
) -> Minimum:
    """`minimise` for rows in memory: in one compiled call where the rows are few, the classes two and L2 is all."""
    if rows.is_one_call and not penalty.l1.any():
        highest = _value_at_zero(theta, mass)
        status, found, n_iter, last = rows.newton(theta, penalty.l2, tol * mass, negligible, highest, max_iter)
        if status != _layout.UNUSUAL:
            separated = status == _layout.SEPARATED
            converged = separated or status == _layout.CONVERGED
            return Minimum(found, max(n_iter, 1) if converged and max_iter else n_iter, converged, separated, last)
    return minimise(
        rows.evaluate, theta, penalty, mass=mass, tol=tol, max_iter=max_iter, negligible=negligible
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


def _direction(
    hessian: _Vector, gradient: _Vector, theta: _Vector, penalty: Penalty, objective: float
) -> tuple[_Vector, float]:
    """The step to the minimum of the second-order model, and what may be gained where rounding hides the curvature."""
    outputs, order = theta.shape
    A = hessian + np.diag(np.tile(penalty.l2, outputs))
    if penalty.l1.any():
        # a hair more curvature, which changes where steps end but not where they end up: no direction is without any
        A[np.diag_indices_from(A)] *= 1.0 + 1e-11
        l1 = np.tile(penalty.l1, outputs)
        moved = _proximal(A, gradient.ravel(), theta.ravel(), l1, 1e-8 * float(np.sqrt(abs(objective))))
        return moved.reshape(theta.shape) - theta, 0.0
    if outputs > 1:
        # moving a column of all classes alike changes no probability; curvature of any size there keeps it at rest
        blocks = A.reshape(outputs, order, outputs, order)
        for j in np.flatnonzero(penalty.l2 == 0.0):
            blocks[:, j, :, j] += blocks[0, j, 0, j]
    step, hidden = _solve(A, -gradient.ravel())
    return step.reshape(theta.shape), hidden


def _solve(A: _Vector, right: _Vector) -> tuple[_Vector, float]:
    """Solve A x = right, A positive semidefinite; and half of right' x where the curvature is no more than rounding."""
    # unit diagonal: then the condition says what rounding does to the solution
    size = np.sqrt(A.diagonal())
    size = np.where(size > 0, size, 1.0)
    unit = A / np.outer(size, size)
    factor, info = dpotrf(unit, lower=0, clean=0)
    if info == 0:
        reciprocal, _ = dpocon(factor, np.abs(unit).sum(axis=0).max())
        if reciprocal > 1e-12:
            return dpotrs(factor, right / size)[0] / size, 0.0
    # dependent columns: the shortest of all steps to the minimum
    values, vectors = scipy.linalg.eigh(unit, check_finite=False)
    along = vectors.T @ (right / size)
    least = _FLAT * values[-1]
    kept = values > least
    step = vectors[:, kept] @ (along[kept] / values[kept])
    return step / size, float(0.5 * (along[~kept] ** 2).sum() / least) if least > 0 else 0.0


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
        target[active] = _solve(A[np.ix_(active, active)], pull[active])[0]
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
