"""The same regressions by each library, from NumPy arrays (float64, in C order) to coefficients.

What each found is put into one objective: the table says how far above the least it ended. Each library takes as many
threads as it does by itself.
"""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit, logsumexp

from ..peers.regressions import EIGHT_CLASSES, LEAST_SQUARES, SMALL, TWO_CLASSES, Solver
from ..suite.turns import SLOW, best_call, say, take_turns
from .text import NONE, NOT_INSTALLED, duration, ratio, table

ROUNDS = 7
PACKAGES = ("scikit-learn-intelex", "statsmodels", "glum")
AGREED = 1e-8  # relative: how far above the best objective a fit may end
WARM = 1000  # rows of a first fit, which imports and compiles
QUICK = 50  # times fewer rows


def rows_of(random: np.random.Generator, rows: int, columns: int) -> tuple[Any, Any]:
    """Standard normal columns, correlated by 0.2, and coefficients for which the scores have a deviation of about 2."""
    X = random.standard_normal((rows, columns))
    X *= np.sqrt(0.8)
    X += np.sqrt(0.2) * random.standard_normal((rows, 1))
    return X, 2.0 * random.standard_normal(columns) / np.sqrt(columns)


def numbers(rows: int, columns: int, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    X, b = rows_of(random, rows, columns)
    return X, X @ b + 0.5 + random.standard_normal(rows)


def two_classes(rows: int, columns: int, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    X, b = rows_of(random, rows, columns)
    return X, (random.random(rows) < expit(X @ b + 0.5)).astype(int)


def eight_classes(rows: int, columns: int, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    X, b = rows_of(random, rows, columns)
    B = b[:, np.newaxis] * random.standard_normal((columns, 8))
    return X, (X @ B + random.gumbel(size=(rows, 8))).argmax(axis=1)


def squares(X: Any, y: Any, coef: Any, intercept: Any) -> float:
    residuals = y - X @ coef - intercept
    return float(residuals @ residuals)


def penalised_squares(X: Any, y: Any, coef: Any, intercept: Any) -> float:
    return squares(X, y, coef, intercept) + float(coef @ coef)


def log_loss(X: Any, y: Any, coef: Any, intercept: Any) -> float:
    """C = 1, as a sum; what is penalised is the coefficients."""
    Z = X @ np.atleast_2d(coef).T + intercept
    if Z.shape[1] == 1:
        losses = np.logaddexp(0.0, np.where(y == 1, -Z[:, 0], Z[:, 0]))
    else:
        losses = logsumexp(Z, axis=1) - Z[np.arange(len(y)), y]
    return float(losses.sum() + np.sum(np.square(coef)) / 2)


@dataclass(frozen=True)
class Work:
    title: str
    sizes: tuple[tuple[int, int], ...]  # rows, columns
    data: Callable[..., tuple[Any, Any]]
    objective: Callable[..., float]
    contenders: Sequence[Solver]


LARGE = (
    Work("least squares", ((1_000_000, 50), (800_000, 40)), numbers, squares, LEAST_SQUARES),
    Work("logistic regression, two classes", ((1_000_000, 20), (600_000, 24)), two_classes, log_loss, TWO_CLASSES),
    Work("logistic regression, eight classes", ((120_000, 24),), eight_classes, log_loss, EIGHT_CLASSES),
)
SMALL_SIZE = (100, 4)
KINDS = {"`LinearRegression`": (numbers, squares), "`Ridge`": (numbers, penalised_squares)}
SMALL_WORKS = tuple(
    Work(title, (SMALL_SIZE,), *KINDS.get(title, (two_classes, log_loss)), contenders)
    for title, contenders in SMALL.items()
)


def scaled(rows: int, quick: bool) -> int:
    return max(100, rows // QUICK) if quick else rows


def by_all(work: Work, rows: int, columns: int, options: Namespace) -> dict[str, Any]:
    """Seconds of those that are installed, and how far above the least objective of all each of them ended."""
    X, y = work.data(rows, columns)
    found, turns = {}, {}

    def fit(solver: Solver) -> None:
        found[solver.name] = solver.fit(X, y)

    for solver in work.contenders:
        if solver.is_installed:
            best_call(partial(solver.fit, X[:WARM], y[:WARM]), 0.0, solver.backend)
            turns[solver.name] = partial(best_call, partial(fit, solver), options.turn, solver.backend)
    seconds = take_turns(turns, options.rounds)
    values = {name: work.objective(X, y, *ending) for name, ending in found.items() if ending}
    least = min(values.values())
    size = f"{rows:,} × {columns}"
    say(f"{work.title}, {size}")
    above = {name: (value - least) / least for name, value in values.items()}
    return {"title": work.title, "size": size, "above": above, "seconds": seconds}


def measure(options: Namespace) -> dict[str, Any]:
    warnings.filterwarnings("ignore")  # of solvers that did not get where they wanted: the objective tells
    return {
        "works": [
            by_all(work, scaled(rows, options.quick), columns, options)
            for work in (*LARGE, *SMALL_WORKS)
            for rows, columns in work.sizes
        ]
    }


def power(value: float, places: int = 0) -> str:
    return f"{value:.{places}e}".replace("e-0", "e-") if value else "0"


def marked(text: str, above: float) -> str:
    return f"**{text}**" if above > AGREED else text


def large_table(work: Work, found: list[dict[str, Any]]) -> list[str]:
    """A row for each contender, two columns for each size."""
    has_tol = any(solver.tol for solver in work.contenders)
    head = [work.title, *(["`tol`"] if has_tol else [])]
    for result in found:
        head += [result["size"], "above the best"]
    rows = []
    for solver in work.contenders:
        cells = [solver.name]
        if has_tol:
            cells.append(power(solver.tol) if solver.tol else NONE)
        for result in found:
            seconds, above = result["seconds"], result["above"].get(solver.name)
            if solver.name not in seconds:
                cells += [NOT_INSTALLED, NONE]
                continue
            ours = next(seconds[other.name] for other in work.contenders if other.backend and other.name in seconds)
            theirs = seconds[solver.name]
            cells.append(duration(min(theirs)) + ("" if solver.backend else f" ({ratio(theirs, ours)})"))
            cells.append(NONE if above is None else marked(power(above, 1), above))
        rows.append(cells)
    return table(head, rows)


def small_table(found: dict[str, dict[str, Any]]) -> list[str]:
    """A row for each estimator."""
    rows = []
    for work in SMALL_WORKS:
        seconds, above = found[work.title]["seconds"], found[work.title]["above"]
        theirs = seconds[work.contenders[-1].name]
        cells = [work.title]
        for solver in work.contenders:
            if solver.name not in seconds:
                cells.append(NOT_INSTALLED)
                continue
            fast = f" ({ratio(theirs, seconds[solver.name])})" if solver.backend else ""
            cells.append(marked(duration(min(seconds[solver.name])) + fast, above[solver.name]))
        rows.append(cells)
    rows_columns = " × ".join(map(str, SMALL_SIZE))
    return table([rows_columns, "mlcore, cython", "mlcore, numba", "scikit-learn"], rows)


def render(results: dict[str, Any]) -> list[str]:
    lines = [
        f"The best of {results['rounds']} rounds in which all take turns; what takes more than {SLOW:.0f} s has one. In"
        " parentheses how many times as fast mlcore (cython, if there) is, slower if below 1. Above the best: by how"
        " much, relative, the objective is greater than the least that one of them found; in bold what is not within"
        f" {power(AGREED)}.",
        "",
    ]
    for work in LARGE:
        lines += [*large_table(work, [found for found in results["works"] if found["title"] == work.title]), ""]
    small = {found["title"]: found for found in results["works"]}
    return [*lines, "A small fit, `tol` as above:", "", *small_table(small)]
