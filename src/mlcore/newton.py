"""Newton's method with a line search for penalised likelihoods, L1 included (proximal Newton by coordinate descent)."""

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
_MOST_HALVINGS = 40
# a step that promises less than this part of the objective leaves, squared, nothing that could be seen
_NEGLIGIBLE = 1e-6
# and one that promises less than this is rounding
_EXACT = 1e-14


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
        Whether every row is on the right side of a model without penalty: the loss has no minimum.
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
    verify: bool = False,
    negligible: float = _NEGLIGIBLE,
) -> Minimum:
    """Minimise ``evaluate(theta).value + penalty``.

    Each iteration solves H d = -g, or its L1 counterpart, and halves d until the objective falls enough. It ends when
    no entry of the gradient is above tol times `mass` and the step promises a negligible gain. That step is still
    taken, unseen, unless `verify`: then it ends at a point that was seen, and where rounding allows no more.
    """
    regular = bool((penalty.l2[:-1] > 0).all())
    here = evaluate(theta)
    objective = here.value + penalty.value(theta)
    n_iter = 0
    while np.isfinite(objective):
        gradient = here.gradient + penalty.l2 * theta
        largest = np.abs(_subgradient(gradient, theta, penalty.l1)).max()
        step = _direction(here.hessian, gradient, theta, penalty, objective)
        gain = _promised(gradient, step, theta, penalty.l1)
        flat = bool(largest <= tol * mass)
        separated = here.wrong == 0.0 and not (regular or penalty.l1.any())
        if separated and flat:
            return Minimum(theta, max(n_iter, 1), True, True, here)
        if flat and gain <= (_EXACT if verify else negligible) * abs(objective):
            if not verify and n_iter < max_iter:
                theta, n_iter = theta + step, n_iter + 1
            return Minimum(theta, max(n_iter, 1), True, False, here)
        if n_iter >= max_iter:
            return Minimum(theta, n_iter, False, separated, here)
        n_iter += 1
        length = 1.0
        for _ in range(_MOST_HALVINGS):
            there = evaluate(theta + length * step)
            value = there.value + penalty.value(theta + length * step)
            if value <= objective - _ARMIJO * length * gain:
                break
            length *= 0.5
        else:
            # rounding hides what is left to gain
            return Minimum(theta, n_iter, bool(gain <= 1e-9 * abs(objective)), separated, here)
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
    verify: bool = False,
) -> Minimum:
    """`minimise` for rows in memory: in one compiled call where the rows are few, the classes two and L2 is all."""
    if rows.is_one_call and not penalty.l1.any():
        negligible = _EXACT if verify else _NEGLIGIBLE
        status, found, n_iter, last = rows.newton(theta, penalty.l2, tol * mass, negligible, verify, max_iter)
        if status != _layout.UNUSUAL:
            separated = status == _layout.SEPARATED
            converged = separated or status == _layout.CONVERGED
            return Minimum(found, max(n_iter, 1) if converged else n_iter, converged, separated, last)
    return minimise(rows.evaluate, theta, penalty, mass=mass, tol=tol, max_iter=max_iter, verify=verify)


def _subgradient(gradient: _Vector, theta: _Vector, l1: _Vector) -> _Vector:
    """The shortest subgradient of the objective."""
    if not l1.any():
        return gradient
    pull = np.where(theta != 0.0, np.sign(theta), -np.clip(gradient / np.where(l1 > 0, l1, 1.0), -1.0, 1.0))
    return gradient + l1 * pull


def _promised(gradient: _Vector, step: _Vector, theta: _Vector, l1: _Vector) -> float:
    """What the slope along the step promises, at length 1."""
    return -float((gradient * step).sum() + (l1 * (np.abs(theta + step) - np.abs(theta))).sum())


def _direction(hessian: _Vector, gradient: _Vector, theta: _Vector, penalty: Penalty, objective: float) -> _Vector:
    """The step to the minimum of the second-order model."""
    outputs, order = theta.shape
    A = hessian + np.diag(np.tile(penalty.l2, outputs))
    if outputs > 1:
        # moving a column of all classes alike changes no probability; curvature of any size there keeps it at rest
        blocks = A.reshape(outputs, order, outputs, order)
        for j in np.flatnonzero((penalty.l2 == 0.0) & (penalty.l1 == 0.0)):
            blocks[:, j, :, j] += max(blocks[0, j, 0, j], np.finfo(float).tiny)
    if penalty.l1.any():
        moved = theta.ravel().copy()
        kernels().coordinate_descent(
            len(A), A.ravel(), gradient.ravel(), np.tile(penalty.l1, outputs), moved, np.empty(len(A)),
            1e-8 * float(np.sqrt(abs(objective))), 10_000,
        )  # fmt: skip
        return moved.reshape(theta.shape) - theta
    # unit diagonal: then the condition says what rounding does to the solution
    size = np.sqrt(A.diagonal())
    size = np.where(size > 0, size, 1.0)
    unit = A / np.outer(size, size)
    factor, info = dpotrf(unit, lower=0, clean=0)
    if info == 0:
        reciprocal, _ = dpocon(factor, np.abs(unit).sum(axis=0).max())
        if reciprocal > 1e-14:
            return (dpotrs(factor, -gradient.ravel() / size)[0] / size).reshape(theta.shape)
    # dependent columns: the shortest of all steps to the minimum
    return scipy.linalg.lstsq(A, -gradient.ravel(), cond=1e-12, check_finite=False)[0].reshape(theta.shape)
