"""Fit the same regressions by mlcore, scikit-learn, oneDAL, statsmodels, glum and NumPy; write the table in README.md.

The table stands between the lines ``<!-- regressions:begin -->`` and ``<!-- regressions:end -->``. Times are from NumPy
arrays, float64 in C order, to coefficients, by as many threads as each library takes by itself; and whether all found
the same is measured too, by one objective.
"""

from __future__ import annotations

import argparse
import gc
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from readme import NONE, README, around, conditions, digits, duration, line, write_between
from scipy.special import expit, logsumexp
from sklearn import linear_model
from turns import settle

import mlcore

AGREED = 1e-8  # relative: how far above the best objective a fit may end
SLOW = 10.0  # seconds: a fit that takes longer is not measured again
TURN = 0.1  # seconds: a fit that takes less is repeated for so long, and the best counts
WARM = 1000  # rows of a first fit, which imports and compiles
QUICK = 50  # times fewer rows
MANY = 10_000  # iterations: what ends a fit is its tolerance
DISTRIBUTIONS = {"sklearnex": "scikit-learn-intelex", "statsmodels": "statsmodels", "glum": "glum"}

Found = tuple[Any, Any]  # coefficients and intercept


# who fits


def estimator(kind: Any, X: Any, y: Any, **options: Any) -> Found:
    model = kind(**options).fit(X, y)
    return model.coef_, model.intercept_


def intelex_linear(X: Any, y: Any) -> Found:
    from sklearnex.linear_model import LinearRegression

    return estimator(LinearRegression, X, y)


def intelex_logistic(X: Any, y: Any, *, tol: float) -> Found:
    from sklearnex.linear_model import LogisticRegression

    # lbfgs: for the other solvers it has only scikit-learn's own code. The gradient that it compares is not the mean's.
    return estimator(LogisticRegression, X, y, tol=tol * len(X), max_iter=MANY)


def glum_normal(X: Any, y: Any) -> Found:
    from glum import GeneralizedLinearRegressor

    return estimator(GeneralizedLinearRegressor, X, y, family="normal", alpha=0.0)


def glum_binomial(X: Any, y: Any, *, tol: float) -> Found:
    from glum import GeneralizedLinearRegressor

    options = {"family": "binomial", "alpha": 1.0 / len(X), "gradient_tol": tol, "max_iter": MANY}
    return estimator(GeneralizedLinearRegressor, X, y, **options)


def statsmodels_ols(X: Any, y: Any) -> Found:
    from statsmodels.api import OLS, add_constant

    found = OLS(y, add_constant(X)).fit().params
    return found[1:], found[0]


def statsmodels_logit(X: Any, y: Any, *, tol: float) -> Found:
    from statsmodels.api import Logit, add_constant

    found = Logit(y, add_constant(X)).fit(tol=tol, disp=0).params
    return found[1:], found[0]


def numpy_lstsq(X: Any, y: Any) -> Found:
    found = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y)[0]
    return found[:-1], found[-1]


def read_once(X: Any, y: Any) -> None:
    X.sum()


@dataclass(frozen=True)
class Contender:
    name: str
    module: str  # the contender is missing if this is
    fit: Callable[..., Found | None]
    tol: float | None = None  # the loosest power of ten with which the objective ends within AGREED, see loosest
    backend: str = ""  # mlcore's

    @property
    def is_installed(self) -> bool:
        return find_spec(self.module) is not None

    def __call__(self, X: Any, y: Any) -> Found | None:
        return self.fit(X, y) if self.tol is None else self.fit(X, y, tol=self.tol)


def by_mlcore(kind: Any, tol: float | None = None, **options: Any) -> tuple[Contender, ...]:
    return tuple(
        Contender(f"mlcore, {backend}", module, partial(estimator, kind, **options), tol, backend)
        for backend, module in (("cython", "mlcore._kernels"), ("numba", "numba"))
    )


def by_scikit_learn(solver: str, tol: float, note: str = "") -> Contender:
    options = {"solver": solver, "max_iter": MANY, "random_state": 0}
    fit = partial(estimator, linear_model.LogisticRegression, **options)
    return Contender(f"scikit-learn, {solver}{note}", "sklearn", fit, tol)


def by_intelex(tol: float) -> Contender:
    return Contender("scikit-learn-intelex, lbfgs (`tol` times the rows)", "sklearnex", intelex_logistic, tol)


READING = Contender("reading X once: NumPy, `X.sum()`, one thread", "numpy", read_once)


# what they fit


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
    contenders: tuple[Contender, ...]


LARGE = (
    Work(
        "least squares",
        ((1_000_000, 50), (800_000, 40)),
        numbers,
        squares,
        (
            *by_mlcore(mlcore.LinearRegression),
            Contender("scikit-learn", "sklearn", partial(estimator, linear_model.LinearRegression)),
            Contender("scikit-learn, `tol=0`", "sklearn", partial(estimator, linear_model.LinearRegression, tol=0.0)),
            Contender(
                'scikit-learn, `Ridge(alpha=1, solver="cholesky")`',
                "sklearn",
                partial(estimator, linear_model.Ridge, alpha=1.0, solver="cholesky"),
            ),
            Contender("scikit-learn-intelex", "sklearnex", intelex_linear),
            Contender("statsmodels, `OLS`", "statsmodels", statsmodels_ols),
            Contender("glum", "glum", glum_normal),
            Contender("NumPy, `lstsq`, with a column of ones", "numpy", numpy_lstsq),
            READING,
        ),
    ),
    Work(
        "logistic regression, two classes",
        ((1_000_000, 20), (600_000, 24)),
        two_classes,
        log_loss,
        (
            *by_mlcore(mlcore.LogisticRegression, 1e-5, max_iter=MANY),
            by_scikit_learn("lbfgs", 1e-5),
            by_scikit_learn("newton-cholesky", 1e-4),
            by_scikit_learn("newton-cg", 1e-5),
            by_scikit_learn("sag", 1e-4),
            by_scikit_learn("saga", 1e-4),
            by_scikit_learn("liblinear", 1e-4, ", the intercept penalised too"),
            by_intelex(1e-5),
            Contender("statsmodels, `Logit`, no penalty", "statsmodels", statsmodels_logit, 1e-2),
            Contender("glum", "glum", glum_binomial, 1e-4),
            READING,
        ),
    ),
    Work(
        "logistic regression, eight classes",
        ((120_000, 24),),
        eight_classes,
        log_loss,
        (
            *by_mlcore(mlcore.LogisticRegression, 1e-5, max_iter=MANY),
            by_scikit_learn("lbfgs", 1e-5),
            by_scikit_learn("newton-cholesky", 1e-3),
            by_scikit_learn("newton-cg", 1e-5),
            by_scikit_learn("saga", 1e-4),
            by_intelex(1e-5),
            READING,
        ),
    ),
)

SMALL_SIZE = ((100, 4),)
SMALL = (
    Work(
        "`LinearRegression`",
        SMALL_SIZE,
        numbers,
        squares,
        (
            *by_mlcore(mlcore.LinearRegression),
            Contender("scikit-learn", "sklearn", partial(estimator, linear_model.LinearRegression)),
        ),
    ),
    Work(
        "`Ridge`",
        SMALL_SIZE,
        numbers,
        penalised_squares,
        (
            *by_mlcore(mlcore.Ridge),
            Contender("scikit-learn", "sklearn", partial(estimator, linear_model.Ridge)),
        ),
    ),
    *(
        Work(
            f"`LogisticRegression`, scikit-learn's by {solver}",
            SMALL_SIZE,
            two_classes,
            log_loss,
            (*by_mlcore(mlcore.LogisticRegression, 1e-5, max_iter=MANY), by_scikit_learn(solver, tol)),
        )
        for solver, tol in (("lbfgs", 1e-5), ("newton-cholesky", 1e-4))
    ),
)


# measuring


@dataclass
class Result:
    seconds: float = np.inf  # the best
    value: float | None = None  # of the objective
    above: float = 0.0  # the least value of all, relative


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def turn(contender: Contender, X: Any, y: Any) -> tuple[float, Found | None]:
    """Seconds of the best fit of a turn, and what was found."""
    best = np.inf
    with mlcore.config_context(backend=contender.backend or "auto"):
        end = perf_counter() + TURN
        while True:
            start = perf_counter()
            found = contender(X, y)
            now = perf_counter()
            best = min(best, now - start)
            if now > end:
                return best, found


def measure(work: Work, rows: int, columns: int, rounds: int) -> dict[str, Result]:
    """By the names of those that are installed."""
    X, y = work.data(rows, columns)
    there = [contender for contender in work.contenders if contender.is_installed]
    results = {contender.name: Result() for contender in there}
    for contender in there:
        turn(contender, X[:WARM], y[:WARM])
    for number in range(rounds):
        for contender in there:
            result = results[contender.name]
            if number and result.seconds > SLOW:
                continue
            settle()
            seconds, found = turn(contender, X, y)
            result.seconds = min(result.seconds, seconds)
            if not number and found:
                result.value = work.objective(X, y, *found)
            del found
            gc.collect()  # statsmodels's results hold X, and each other
        say(f"{work.title}, {rows:,} × {columns}: round {number + 1} of {rounds}")
    least = min(result.value for result in results.values() if result.value is not None)
    for result in results.values():
        if result.value is not None:
            result.above = (result.value - least) / least
    return results


def scaled(rows: int, quick: bool) -> int:
    return max(100, rows // QUICK) if quick else rows


def loosest(work: Work, quick: bool) -> list[str]:
    """For each contender with a tolerance the loosest power of ten with which every fit ends within AGREED.

    Of few rows it takes several sets of data: with one alone a solver may have luck.
    """
    sets = [
        work.data(scaled(rows, quick), columns, seed)
        for rows, columns in work.sizes
        for seed in range(3 if quick else 1)
    ]
    exact = by_scikit_learn("newton-cholesky", 1e-12)
    limits = [work.objective(*data, *exact(*data)) * (1.0 + AGREED) for data in sets]
    lines = []
    for contender in work.contenders:
        if contender.tol is None or not contender.is_installed:
            continue
        for exponent in range(1, 11):
            tried = replace(contender, tol=10.0**-exponent)
            with mlcore.config_context(backend=contender.backend or "auto"):
                if all(work.objective(*data, *tried(*data)) <= limit for data, limit in zip(sets, limits, strict=True)):
                    lines.append(f"{work.title}: {contender.name}: 1e-{exponent}")
                    break
        else:
            lines.append(f"{work.title}: {contender.name}: none")
        say(lines[-1])
    return lines


# the tables


def power(value: float, places: int = 0) -> str:
    return f"{value:.{places}e}".replace("e-0", "e-") if value else "0"


def marked(text: str, result: Result) -> str:
    return f"**{text}**" if result.above > AGREED else text


def fastness(other: Result, ours: Result) -> str:
    return f"({digits(other.seconds / ours.seconds, 2)}×)"


def large_table(work: Work, quick: bool, rounds: int) -> list[str]:
    """A row for each contender, two columns for each size."""
    sizes = [(scaled(rows, quick), columns) for rows, columns in work.sizes]
    found = [measure(work, *size, rounds) for size in sizes]
    has_tol = any(contender.tol for contender in work.contenders)
    head = [work.title, *(["`tol`"] if has_tol else [])]
    for rows, columns in sizes:
        head += [f"{rows:,} × {columns}", "above the best"]
    lines = [line(head), "|---|" + "--:|" * (len(head) - 1)]
    for contender in work.contenders:
        cells = [contender.name]
        if has_tol:
            cells.append(power(contender.tol) if contender.tol else NONE)
        for results in found:
            if not contender.is_installed:
                cells += ["not installed", NONE]
                continue
            result = results[contender.name]
            ours = next(results[other.name] for other in work.contenders if other.backend and other.is_installed)
            cells.append(duration(result.seconds) + ("" if contender.backend else f" {fastness(result, ours)}"))
            cells.append(NONE if result.value is None else marked(power(result.above, 1), result))
        lines.append(line(cells))
    return lines


def small_table(rounds: int) -> list[str]:
    """A row for each estimator."""
    ((rows, columns),) = SMALL_SIZE
    lines = [line([f"{rows} × {columns}", "mlcore, cython", "mlcore, numba", "scikit-learn"]), "|---|--:|--:|--:|"]
    for work in SMALL:
        results = measure(work, rows, columns, rounds)
        theirs = results[work.contenders[-1].name]
        cells = [work.title]
        for contender in work.contenders:
            if not contender.is_installed:
                cells.append("not installed")
                continue
            result = results[contender.name]
            text = duration(result.seconds) + (f" {fastness(theirs, result)}" if contender.backend else "")
            cells.append(marked(text, result))
        lines.append(line(cells))
    return lines


def table(quick: bool, rounds: int) -> str:
    lines = [
        f"The best of {rounds} rounds in which all take turns; what takes more than {SLOW:.0f} s has one. In"
        " parentheses how many times as fast mlcore (cython, if there) is, slower if below 1. Above the best: by how"
        " much, relative, the objective is greater than the least that one of them found; in bold what is not within"
        f" {power(AGREED)}.",
        "",
    ]
    for work in LARGE:
        lines += [*large_table(work, quick, rounds), ""]
    lines += ["A small fit, `tol` as above:", "", *small_table(rounds), ""]
    installed = [name for module, name in DISTRIBUTIONS.items() if find_spec(module)]
    return "\n".join([*lines, f"{conditions(*installed)} Threads: as many as each library takes by itself."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="print the table and write nothing")
    parser.add_argument(
        "--quick", action="store_true", help=f"a {QUICK}th of the rows, and write nothing: a test, no measurement"
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns of each contender (default: 7)")
    parser.add_argument("--tolerances", action="store_true", help="only find the loosest tolerances, and print them")
    parser.add_argument("--readme", type=Path, default=README, help="the file to write (default: README.md)")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # of solvers that did not get where they wanted: the objective tells
    if arguments.tolerances:
        print("\n".join(text for work in LARGE[1:] for text in loosest(work, arguments.quick)))
        return 0
    is_written = not (arguments.quick or arguments.dry_run)
    if is_written:
        try:
            around(arguments.readme, "regressions")  # before the minutes that the table takes
        except ValueError as error:
            parser.error(str(error))
    text = table(arguments.quick, arguments.rounds)
    print(text)
    if is_written:
        write_between(arguments.readme, "regressions", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
