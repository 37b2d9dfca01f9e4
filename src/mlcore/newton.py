"""Newton's method with a line search for penalised likelihoods, L1 included (proximal Newton by active sets)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.linalg.lapack import dpocon, dpotrf, dpotrs, dtrcon

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
    reuse: bool = False,
    polish: bool = True,
    hessian: _Vector | None = None,
) -> Minimum:
    """Minimise ``evaluate(theta, whether with the Hessian).value + penalty``.

    Each iteration solves H d = -g, or its L1 counterpart, and halves d until the objective falls enough. It ends when
    no entry of the gradient is above tol times `mass` and the step promises a negligible gain, or where rounding hides
    what it promises. That step is still taken, unseen. A start that is worse than zero is given up for zero.

    With `reuse` H may be that of an earlier point, or `hessian` to begin with, as long as each step promises a tenth of
    the one before (the chord method: Kelley, Solving Nonlinear Equations with Newton's Method, section 2.3). The last
    step is by the Hessian of its own point again, which squares what is left, unless `polish` is False.
    """
    here = evaluate(theta, hessian is None)
    objective = here.value + penalty.value(theta)
    if theta.any() and not objective <= _value_at_zero(theta, mass):
        theta, hessian = np.zeros_like(theta), None
        here = evaluate(theta, True)
        objective = here.value
    n_iter, before = 0, np.inf
    while here.is_finite:
        fresh = here.hessian is not None
        hessian = here.hessian if here.hessian is not None else hessian
        assert hessian is not None
        gradient = here.gradient + penalty.l2 * theta
        largest = np.abs(_subgradient(gradient, theta, penalty.l1)).max()
        step, hidden = _direction(hessian, gradient, theta, penalty, objective)
        gain = _promised(gradient, step, theta, penalty.l1)
        flat = bool(largest <= tol * mass)
        rounding = _ROUNDING * abs(objective)
        enough = min(negligible * abs(objective), absolute)
        ended = (flat and gain <= enough) or gain <= rounding
        separated = penalty.is_none and here.wrong == 0.0 and flat
        if not fresh and (hidden > 0.0 or (polish if ended else not gain <= 0.1 * before)):
            here = evaluate(theta, True)
            continue
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
        # the Hessian changes little where little is gained; of the last point it is wanted
        shrinking = min(gain / before, 0.1) if before < np.inf else 0.01
        wanted = not reuse or gain > _NEAR * abs(objective) or (polish and gain * shrinking <= enough)
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
            here = evaluate(theta, True)
            continue
        n_iter, before = n_iter + 1, gain
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
    reuse = rows.is_costly and negligible > EXACT
    return minimise(
        rows.evaluate, theta, penalty, mass=mass, tol=tol, max_iter=max_iter, negligible=negligible, reuse=reuse,
        hessian=hessian if reuse else None,
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
    n = len(A)
    if _FEW < n <= _OWN:
        width = padded(n + 1)
        high, low = np.zeros((2, n, width))
        high[:, :n], high[:, n] = unit, right / size
        flat = high.reshape(-1), low.reshape(-1)
        if kernels().factor(n, n, width, np.full(n, _REGULAR), *flat) == n:
            reciprocal, _ = dtrcon(np.asfortranarray(high[:, :n]))
            if reciprocal**2 > _REGULAR:
                step = high[:, n].copy()
                kernels().back_substitute(n, width, *flat, np.zeros(n), 1, step, low[:, n].copy())
                return step / size, 0.0
    else:
        factor, info = dpotrf(unit, lower=0, clean=0)
        if info == 0 and dpocon(factor, np.abs(unit).sum(axis=0).max())[0] > _REGULAR:
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
