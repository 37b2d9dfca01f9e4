"""Fit LogisticRegression to badly scaled data, and say how far above the minimum it ends, and how often it warns.

The minimum is found in extended precision (80 bits where NumPy has them) by Newton steps on the coefficients that are
not zero, with their signs; those that are zero have a slope within their penalty. Each draw is made by its number.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import mlcore

LEFT = 1e-10  # relative: what a fit may leave of the objective without a warning
MOST_WARNINGS = 0.02  # of all draws
REAL = np.longdouble


@dataclass(frozen=True)
class Draw:
    X: Any
    y: Any
    weight: Any
    options: dict[str, Any]

    def __str__(self) -> str:
        spread = self.X.std(axis=0)
        weighted = "" if self.weight is None else ", weighted"
        shift = np.abs(self.X.mean(axis=0) / spread).max()
        named = ", ".join(f"{name}={value:.3g}" for name, value in self.options.items())
        return (
            f"{len(self.X)} x {self.X.shape[1]}, {self.y.max() + 1} classes{weighted}, "
            f"spread {spread.min():.0e} to {spread.max():.0e}, shift {shift:.0e}: {named}"
        )


def draw(number: int, *, l1: bool = True, intercept: bool = True) -> Draw:
    """Columns of scales 1e-6 to 1e6, C from 1e-4 to 1e6, 2 to 8 classes; every second with L1, a third weighted."""
    random = np.random.default_rng(number)
    classes, p = int(random.integers(2, 9)), int(random.integers(1, 13))
    n = int(random.integers(4 * classes, 300))
    plain = random.standard_normal((n, p))
    if number % 4 == 3:  # heavy tails
        plain = random.standard_t(2.0, (n, p))
    scores = plain @ random.standard_normal((p, classes)) * 10.0 ** random.uniform(-1, 1.5)
    noise = random.choice([0.0, 0.1, 1.0])
    y = (scores + noise * random.gumbel(size=(n, classes))).argmax(axis=1)
    y[:classes] = np.arange(classes)
    offset = 10.0 ** random.uniform(0, 6, p) * random.choice([0.0, 1.0, -1.0], p)
    X = (plain + offset * (number % 2)) * 10.0 ** random.uniform(-6, 6, p)
    weight = None
    if number % 3 == 2:
        weight = random.uniform(0.1, 2.0, n) if number % 2 else 10.0 ** random.uniform(-4, 2, n)
        weight[random.random(n) < 0.1] = 0.0
    options: dict[str, Any] = {"C": 10.0 ** random.uniform(-4, 6)}
    ratio = random.choice([0.0, 0.5, 1.0], p=[0.5, 0.2, 0.3])
    if l1 and ratio:
        options["l1_ratio"] = float(ratio)
    if not intercept:
        options["fit_intercept"] = False
    return Draw(X, y, weight, options)


class Problem:
    """The objective of a draw, in extended precision; a column of each class's coefficients, the intercept last."""

    def __init__(self, case: Draw) -> None:
        X = case.X.astype(REAL)
        self.fit_intercept = case.options.get("fit_intercept", True)
        weight = np.ones(len(X), REAL) if case.weight is None else case.weight.astype(REAL)
        self.weight, self.y, self.classes = weight, case.y, int(case.y.max()) + 1
        self.outputs = 1 if self.classes == 2 else self.classes
        # about zero and near one: any such change of variables has the same minimum
        self.shift = np.average(X, axis=0, weights=weight) if self.fit_intercept else np.zeros(X.shape[1], REAL)
        self.size = np.sqrt(np.average((X - self.shift) ** 2, axis=0, weights=weight))
        self.size[self.size == 0] = 1
        self.A = np.column_stack([(X - self.shift) / self.size, np.full(len(X), REAL(self.fit_intercept))])
        alpha, ratio = 1 / REAL(case.options["C"]), REAL(case.options.get("l1_ratio", 0.0))
        self.l2 = np.append(alpha * (1 - ratio) / self.size**2, 0)
        self.l1 = np.append(alpha * ratio / self.size, 0)

    def of(self, model: Any) -> Any:
        coefficients = model.coef_.astype(REAL)
        intercept = model.intercept_.astype(REAL) + coefficients @ self.shift
        return np.column_stack([coefficients * self.size, intercept])

    def probabilities(self, theta: Any) -> tuple[Any, Any]:
        z = self.A @ theta.T
        if self.outputs == 1:
            z = np.column_stack([np.zeros_like(z), z])
        z = z - z.max(axis=1, keepdims=True)
        total = np.exp(z).sum(axis=1)
        loss = np.log(total) - z[np.arange(len(z)), self.y]
        # the small losses of rows that are nearly certain keep their digits
        others = np.exp(z)
        others[np.arange(len(z)), self.y] = 0
        loss = np.where(z[np.arange(len(z)), self.y] == 0, np.log1p(others.sum(axis=1)), loss)
        return loss, np.exp(z) / total[:, np.newaxis]

    def value(self, theta: Any) -> Any:
        penalty = (self.l2 * theta * theta / 2 + self.l1 * np.abs(theta)).sum()
        return (self.weight * self.probabilities(theta)[0]).sum() + penalty

    def derivatives(self, theta: Any) -> tuple[Any, Any]:
        """Of the smooth part: gradient and Hessian, flat over classes and columns."""
        P = self.probabilities(theta)[1]
        residual = P.copy()
        residual[np.arange(len(P)), self.y] -= 1
        first = self.classes - self.outputs
        gradient = (self.weight[:, np.newaxis] * residual[:, first:]).T @ self.A + self.l2 * theta
        q = self.A.shape[1]
        H = np.zeros((self.outputs, q, self.outputs, q), REAL)
        for k in range(self.outputs):
            for m in range(self.outputs):
                # a probability near one minus itself: the sum of the others
                both = P[:, first + k] * (np.delete(P, first + k, axis=1).sum(axis=1) if k == m else -P[:, first + m])
                H[k, :, m] = self.A.T @ ((self.weight * both)[:, np.newaxis] * self.A)
            H[k, :, k] += np.diag(self.l2)
        return gradient.ravel(), H.reshape(self.outputs * q, -1)


def solve(A: Any, b: Any) -> Any:
    """By a Cholesky factor with unit diagonal first; directions of no curvature stay where they are."""
    size = np.sqrt(A.diagonal())
    size = np.where(size > 0, size, 1)
    L, right = A / np.outer(size, size), b / size
    n = len(b)
    for k in range(n):
        if L[k, k] <= REAL(1e-17):
            L[k:, k] = 0
            continue
        L[k:, k] = L[k:, k] / np.sqrt(L[k, k])
        L[k + 1 :, k + 1 :] -= np.outer(L[k + 1 :, k], L[k + 1 :, k])
    x = right.copy()
    for k in range(n):
        x[k] = (x[k] - L[k, :k] @ x[:k]) / L[k, k] if L[k, k] else REAL(0)
    for k in reversed(range(n)):
        x[k] = (x[k] - L[k + 1 :, k] @ x[k + 1 :]) / L[k, k] if L[k, k] else REAL(0)
    return x / size


def quadratic(H: Any, g: Any, start: Any, l1: Any) -> Any:
    """The least of g'(u - start) + (u - start)'H(u - start)/2 + sum l1 |u|, by active sets."""
    u, sign, free = start.copy(), np.sign(start), l1 == 0
    for _ in range(50 * len(u) + 50):
        active = np.flatnonzero((sign != 0) | free)
        rest = np.where((sign != 0) | free, REAL(0), start)  # what goes to zero pulls the others
        target = np.zeros_like(u)
        target[active] = start[active] + solve(
            H[np.ix_(active, active)], H[active] @ rest - g[active] - l1[active] * sign[active]
        )
        crossed = np.flatnonzero((sign != 0) & ~free & (target * sign < 0))
        if crossed.size:
            parts = np.abs(u[crossed]) / np.maximum(np.abs(u[crossed] - target[crossed]), np.finfo(REAL).tiny)
            u = u + min(parts.min(), REAL(1)) * (target - u)
            u[crossed[parts.argmin()]] = sign[crossed[parts.argmin()]] = 0
            continue
        u = target
        slope = H @ (u - start) + g
        excess = np.where((sign == 0) & ~free, np.abs(slope) - l1, 0)
        if excess.max() <= REAL(1e-14) * (l1[excess.argmax()] + np.abs(g).max()):
            break
        sign[excess.argmax()] = -np.sign(slope[excess.argmax()])
    return u


def least(problem: Problem, theta: Any, most: int = 200) -> tuple[Any, bool]:
    """The least value, from theta on, and whether it was reached."""
    l1 = np.tile(problem.l1, problem.outputs)
    theta = theta.copy()
    if problem.outputs > 1:  # as at the minimum; a constant of all classes changes no probability
        theta[:, -1] -= theta[:, -1].mean()
    value = problem.value(theta)
    for _ in range(most):
        gradient, H = problem.derivatives(theta)
        if problem.outputs > 1:
            # intercepts moved alike change nothing: curvature there changes no step
            at = np.arange(problem.outputs) * len(problem.l1) + len(problem.l1) - 1
            H[np.ix_(at, at)] += H[at[0], at[0]] + (H[at[0], at[0]] == 0)
        step = quadratic(H, gradient, theta.ravel(), l1).reshape(theta.shape) - theta
        gain = -(gradient @ step.ravel()) - (problem.l1 * (np.abs(theta + step) - np.abs(theta))).sum()
        if gain <= REAL(1e-13) * value:
            return min(value, problem.value(theta + step)), True
        length = REAL(1)
        while (there := problem.value(theta + length * step)) > value - REAL(1e-4) * length * gain:
            length /= 2
            if length < REAL(1e-12):
                return value, False
        theta, value = theta + length * step, there
    return value, False


@dataclass(frozen=True)
class Outcome:
    excess: float
    warned: bool
    exact: bool  # whether the minimum is known
    seconds: float
    steps: int


def judge(case: Draw, **options: Any) -> Outcome:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = perf_counter()
        model = mlcore.LogisticRegression(**case.options, **options).fit(case.X, case.y, case.weight)
        seconds = perf_counter() - start
    problem = Problem(case)
    theta = problem.of(model)
    found = problem.value(theta)
    with np.errstate(all="ignore"):
        wanted, exact = least(problem, theta)
    warned = any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return Outcome(float((found - wanted) / wanted), warned, exact, seconds, int(model.n_iter_[0]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=400, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER")
    parser.add_argument("--no-l1", action="store_true")
    parser.add_argument("--no-intercept", action="store_true")
    parser.add_argument("--tol", type=float, default=1e-4)
    parser.add_argument("--verbose", action="store_true", help="print each draw that fails")
    arguments = parser.parse_args()
    silent = warned = unknown = 0
    worst, slowest = (0.0, -1), (0.0, -1)
    for number in range(arguments.first, arguments.first + arguments.draws):
        case = draw(number, l1=not arguments.no_l1, intercept=not arguments.no_intercept)
        found = judge(case, tol=arguments.tol)
        warned += found.warned
        unknown += not found.exact
        bad = found.excess > LEFT and not found.warned
        silent += bad
        if not found.warned:
            worst = max(worst, (found.excess, number))
        slowest = max(slowest, (found.seconds, number))
        if arguments.verbose and (bad or found.warned or not found.exact):
            print(f"{number}: {found} {case}", flush=True)
    print(
        f"{arguments.draws} draws: {silent} end more than {LEFT:.0e} above the minimum without a warning, "
        f"{warned} warn, of {unknown} the minimum is not known; the worst without a warning {worst[0]:.1e} "
        f"(draw {worst[1]}), the slowest {slowest[0]:.3f} s (draw {slowest[1]})"
    )
    return int(silent > 0 or warned > MOST_WARNINGS * arguments.draws)


if __name__ == "__main__":
    sys.exit(main())
