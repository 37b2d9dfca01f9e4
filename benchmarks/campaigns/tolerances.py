"""For each solver of the table of regressions, the loosest power of ten whose fits end near the least objective.

Of few rows it takes several sets of data: with one alone a solver may have luck.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace

import mlcore

from ..peers.regressions import Solver, by_scikit_learn_logistic
from ..tables.regressions import AGREED, LARGE, Work, scaled


def loosest(work: Work, solvers: list[Solver], quick: bool) -> None:
    sets = [
        work.data(scaled(rows, quick), columns, seed)
        for rows, columns in work.sizes
        for seed in range(3 if quick else 1)
    ]
    exact = by_scikit_learn_logistic("newton-cholesky", 1e-12)
    limits = [work.objective(*data, *exact.fit(*data)) * (1.0 + AGREED) for data in sets]
    for solver in solvers:
        for exponent in range(1, 11):
            tried = replace(solver, tol=10.0**-exponent)
            with mlcore.config_context(backend=solver.backend or "auto"):
                values = (work.objective(*data, *tried.fit(*data)) for data in sets)
                if all(value <= limit for value, limit in zip(values, limits, strict=True)):
                    found = f"1e-{exponent}"
                    break
        else:
            found = "none"
        print(f"{work.title}: {solver.name}: {found}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a 50th of the rows")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # of solvers that did not get where they wanted: the objective tells
    for work in LARGE:
        solvers = [solver for solver in work.contenders if solver.tol is not None and solver.is_installed]
        if solvers:
            loosest(work, solvers, options.quick)


if __name__ == "__main__":
    main()
