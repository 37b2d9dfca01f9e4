"""Differentiate the same functions by mlcore, SciPy, numdifftools and jacobi, and write the table in README.md.

The table stands between the lines ``<!-- derivatives:begin -->`` and ``<!-- derivatives:end -->``. Gradients of a
compiled and of a Python function of 100 numbers: time, calls of the function an entry, and correct digits.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numba
import numpy as np
from readme import README, around, conditions, duration, write_between
from suite.gradient import banana

import mlcore
from mlcore.derivatives._differences import METHODS

Gradient = Callable[[Callable[[Any], Any], Any], Any]
ENTRIES = 100


def scipy_approximate(f: Any, x: Any, *, method: str) -> Any:
    from scipy.optimize._numdiff import approx_derivative

    return approx_derivative(f, x, method=method)


def scipy_differentiate(f: Any, x: Any) -> Any:
    from scipy.differentiate import jacobian

    def rows(points: Any) -> Any:  # it hands over many points at once, entries first
        flat = points.reshape(len(x), -1)
        return np.array([f(np.ascontiguousarray(point)) for point in flat.T]).reshape(points.shape[1:])

    return jacobian(rows, x).df


def numdifftools_gradient(f: Any, x: Any) -> Any:
    from numdifftools import Gradient

    return Gradient(f)(x)


def jacobi_gradient(f: Any, x: Any) -> Any:
    from jacobi import jacobi

    return jacobi(f, x)[0]


def by_hand(f: Any, x: Any) -> Any:
    """What one would write: the same central difference, compiled if f is."""
    loop = compiled_loop if hasattr(f, "py_func") else compiled_loop.py_func
    result = np.empty_like(x)
    loop(f, x, result, 1e-4)
    return result


@numba.njit
def compiled_loop(f: Any, x: Any, result: Any, delta: float) -> None:
    for i in range(x.size):
        kept = x[i]
        x[i] = kept + delta
        above = f(x)
        x[i] = kept - delta
        result[i] = (above - f(x)) / (2 * delta)
        x[i] = kept


CONTENDERS: dict[str, tuple[str, Gradient]] = {
    "mlcore, `numerical_derivative`": ("mlcore", mlcore.numerical_derivative),
    "a loop by hand": ("numba", by_hand),
    **{f"mlcore, `{method}`": ("mlcore", partial(mlcore.gradient, method=method)) for method in METHODS},
    **{
        f"SciPy, `approx_derivative`, {method}": ("scipy", partial(scipy_approximate, method=method))
        for method in ("2-point", "3-point", "cs")
    },
    "SciPy, `differentiate.jacobian`": ("scipy", scipy_differentiate),
    "numdifftools, `Gradient`": ("numdifftools", numdifftools_gradient),
    "jacobi": ("jacobi", jacobi_gradient),
}


def digits(found: Any, exact: Any) -> float:
    """Of the worst entry, relative to the largest one."""
    return -np.log10(max(np.abs(found - exact).max() / np.abs(exact).max(), 1e-17))


def best(gradient: Gradient, f: Any, x: Any, repeats: int) -> float:
    gradient(f, x)
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        gradient(f, x)
        seconds.append(perf_counter() - start)
    return min(seconds)


def table(repeats: int) -> str:
    # what step is best is not known to those that look for it
    warnings.filterwarnings("ignore")
    x = np.random.default_rng(0).standard_normal(ENTRIES)
    exact = np.zeros(ENTRIES)
    exact[:-1] += -400.0 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2.0 * (1.0 - x[:-1])
    exact[1:] += 200.0 * (x[1:] - x[:-1] ** 2)
    compiled = numba.njit(banana)
    lines = ["| by | compiled function | in Python | calls an entry | digits |", "|---|--:|--:|--:|--:|"]
    for name, (module, gradient) in CONTENDERS.items():
        if find_spec(module) is None:
            lines.append(f"| {name} | not installed | | | |")
            continue
        calls = 0

        def counted(point: Any) -> Any:
            nonlocal calls
            calls += 1
            return banana(point)

        found = gradient(counted, x)
        jitted, python = best(gradient, compiled, x, repeats), best(gradient, banana, x, max(2, repeats // 10))
        lines.append(
            f"| {name} | {duration(jitted)} | {duration(python)} | {calls / ENTRIES:.1f} | {digits(found, exact):.1f} |"
        )
    installed = [name for name in ("numdifftools", "jacobi") if find_spec(name)]
    return "\n".join([*lines, "", f"{conditions(*installed)} Best of {repeats} (in Python, of a tenth)."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="print the table and write nothing")
    parser.add_argument("--repeats", type=int, default=50, metavar="N", help="(default: 50)")
    parser.add_argument("--readme", type=Path, default=README, help="the file to write (default: README.md)")
    arguments = parser.parse_args()
    if not arguments.dry_run:
        try:
            around(arguments.readme, "derivatives")
        except ValueError as error:
            parser.error(str(error))
    text = table(arguments.repeats)
    print(text)
    if not arguments.dry_run:
        write_between(arguments.readme, "derivatives", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
