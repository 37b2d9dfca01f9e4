"""Fit designs of deficient rank, and count how often rank, norm and coefficients are not the right ones.

Designs of small whole numbers are judged by exact arithmetic, Gaussian ones by LAPACK's singular values of the centred
columns, each divided by its length. Shapes have fewer rows than columns, as many, one more, or many rows of dependent
columns. Draws whose smallest scaled singular value that is not zero lies below 1e-8 are left out, and counted.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

import mlcore
from mlcore import reference
from mlcore.kernels import is_available

LEAST_SINGULAR = 1e-8
TOLERANCE = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-6}
SHAPES = ("n < p", "n = p", "n = p + 1", "dependent")

Design = tuple[str, Any, Any, Any, bool]  # what it is, X, y, weights or None, with intercept


def shape_of(rng: Any, kind: str, most: int) -> tuple[int, int]:
    """Rows and columns."""
    p = int(rng.integers(2, most + 1))
    if kind == "n < p":
        return int(rng.integers(1, p)), p
    if kind == "dependent":
        return int(rng.integers(p + 2, 3 * p + 4)), p
    return p + (kind == "n = p + 1"), p


def weights_of(rng: Any, n: int) -> Any:
    """None, or whole numbers of which some are zero."""
    weight = rng.integers(0, 4, n).astype(float)
    return weight if rng.uniform() < 0.4 and weight.any() else None


def whole_numbers(seed: int, draws: int) -> Iterator[Design]:
    """Small whole numbers, some far from zero, one or three targets."""
    rng = np.random.default_rng(seed)
    for draw in range(draws):
        kind = SHAPES[draw % 4]
        n, p = shape_of(rng, kind, 8)
        X = rng.integers(-3, 4, (n, p)).astype(float)
        if kind == "dependent":
            r = int(rng.integers(1, p))
            X = X[:, :r] @ rng.integers(-2, 3, (r, p))
        X += rng.choice([0.0, 0.0, 1e3, 1e6]) * rng.integers(-1, 2, p)
        y = rng.integers(-5, 6, (n, 3) if rng.uniform() < 0.3 else n).astype(float)
        X = X.astype(np.float32 if rng.uniform() < 0.2 and np.abs(X).max() < 1e4 else np.float64)
        yield kind, X, y, weights_of(rng, n), bool(rng.integers(2))


def gaussian(seed: int, draws: int) -> Iterator[Design]:
    """Gaussian numbers about zero or far from it, in columns of one or of many units."""
    rng = np.random.default_rng(seed)
    for draw in range(draws):
        kind = SHAPES[draw % 4]
        n, p = shape_of(rng, kind, 25 if draw % 40 else 120)
        X = rng.standard_normal((n, p))
        if kind == "dependent":
            r = int(rng.integers(1, p))
            X = X[:, :r] @ rng.standard_normal((r, p))
        X = X * 10.0 ** rng.integers(-3, 4, p) if rng.uniform() < 0.3 else X
        X = X + rng.choice([0.0, 0.0, 1e3]) * np.linalg.norm(X, axis=0)
        y = rng.standard_normal((n, 3) if rng.uniform() < 0.3 else n)
        yield kind, X, y, weights_of(rng, n), bool(rng.integers(2))


def centred(X: Any, weight: Any, intercept: bool) -> Any:
    """Rows as their products see them: about the mean, times the root of the weight, in extended precision first."""
    X = X.astype(np.longdouble)
    X = X - np.average(X, axis=0, weights=weight) * intercept
    return (X if weight is None else X * np.sqrt(weight)[:, np.newaxis]).astype(np.float64)


def scaled_singular(X: Any, weight: Any, intercept: bool) -> Any:
    """Singular value decomposition of the columns, each divided by its length, and these."""
    rows = centred(X, weight, intercept)
    # what centring leaves of a constant column is rounding
    size = np.linalg.norm(X, axis=0) * np.sqrt(1.0 if weight is None else weight.max())
    lengths = np.linalg.norm(rows, axis=0)
    lengths = np.where(lengths > 1e-15 * size, lengths, np.inf)
    return *np.linalg.svd(rows / lengths, full_matrices=False), lengths


def by_lapack(X: Any, y: Any, weight: Any, intercept: bool) -> tuple[Any, int]:
    """The solution of least norm and the rank."""
    U, singular, V, lengths = scaled_singular(X, weight, intercept)
    # a dependent column far from zero depends on the others but for its rounding
    rounding = 8 * np.finfo(X.dtype).eps * (np.abs(X).max(axis=0) * np.sqrt(len(X)) / lengths).max(initial=0.0)
    rank = int((singular > max(max(X.shape) * np.finfo(float).eps * singular[0], rounding)).sum())
    T = centred(y.reshape(len(y), -1), weight, intercept)
    lengths = np.where(np.isfinite(lengths), lengths, 0.0)
    rows = singular[:rank, np.newaxis] * V[:rank] * lengths
    return np.linalg.lstsq(rows, U[:, :rank].T @ T, rcond=0)[0], rank


def fits(X: Any, y: Any, weight: Any, intercept: bool) -> Iterator[tuple[str, Any]]:
    """The same fit by every way there is."""
    cut = len(X) // 2
    parts = [(X[rows], y[rows], None if weight is None else weight[rows]) for rows in (slice(cut), slice(cut, None))]
    parts = [part for part in parts if len(part[0]) and (part[2] is None or part[2].any())]
    for backend in filter(is_available, ("cython", "numba")):
        with mlcore.config_context(backend=backend), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of the rank
            yield f"fit, {backend}", mlcore.LinearRegression(fit_intercept=intercept).fit(X, y, weight)
            yield f"Ridge(0), {backend}", mlcore.Ridge(0.0, fit_intercept=intercept).fit(X, y, weight)
            chunks, merged = mlcore.LinearRegression(fit_intercept=intercept), mlcore.Ridge(0, fit_intercept=intercept)
            for part in parts:
                chunks.partial_fit(*part)
                merged.merge(mlcore.Ridge(0.0, fit_intercept=intercept).fit(*part))
            yield f"partial_fit, {backend}", chunks
            yield f"merge, {backend}", merged


def run(designs: Iterator[Design], exact: bool) -> tuple[Counter[str], float]:
    """What was counted, and the largest distance of coefficients from the right ones, in the norm of these."""
    counts: Counter[str] = Counter()
    furthest = 0.0
    for kind, X, y, weight, intercept in designs:
        if exact:
            wanted, _, rank = reference.least_norm(X, y, sample_weight=weight, fit_intercept=intercept)
            singular = scaled_singular(X, weight, intercept)[1][:rank]
        else:
            wanted, rank = by_lapack(X, y, weight, intercept)
            singular = scaled_singular(X, weight, intercept)[1][:rank]
        if rank and singular.min() < LEAST_SINGULAR:
            counts["left out"] += 1
            continue
        counts[f"designs, {kind}"] += 1
        length = np.linalg.norm(wanted)
        for name, model in fits(X, y, weight, intercept):
            counts["fits"] += 1
            if getattr(model, "rank_", rank) != rank:
                counts[f"wrong rank: {name}"] += 1
            found = np.asarray(model.coef_, float).reshape(-1, X.shape[1]).T
            allowed = TOLERANCE[X.dtype] * length + 1e-12 * np.abs(y).max() / max(float(np.abs(X).max()), 1e-300)
            if abs(np.linalg.norm(found) - length) > allowed:
                counts[f"wrong norm: {name}"] += 1
            if np.linalg.norm(found - wanted) > allowed:
                counts[f"wrong coefficients: {name}"] += 1
            elif length and X.dtype == np.float64:
                furthest = max(furthest, float(np.linalg.norm(found - wanted) / length))
    return counts, furthest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4000, help="designs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = 0
    for name, make, exact in (
        ("whole numbers, exact arithmetic", whole_numbers, True),
        ("Gaussian, LAPACK", gaussian, False),
    ):
        counts, furthest = run(make(options.seed, options.draws), exact)
        print(f"{name}: coefficients within {furthest:.1e} of the norm in float64")
        for what, count in sorted(counts.items()):
            print(f"    {what:<32}{count:>8}")
        wrong += sum(count for what, count in counts.items() if what.startswith("wrong"))
    print(f"wrong: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
