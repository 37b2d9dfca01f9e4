"""A model for each of many groups of rows: `fit_many` beside loops, processes and batches."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from statistics import median
from typing import Any

import numpy as np

import mlcore
from mlcore.many._groups import Groups
from mlcore.many._rows import GroupedRows

from ..peers.many import CONTENDERS, Fitter, Rows, batched_normal_equations, fit_many, model_of, told
from ..suite.turns import best_call, say, take_turns
from .text import NONE, NOT_INSTALLED, README, cpu_name, digits, duration, table

ROUNDS = 3
PACKAGES = ("joblib", "jax")
PAGE = README.parent / "docs" / "many_models.md"
PLOT = PAGE.with_suffix(".svg")
GROUPING, GATHER = "keys alone", "keys and rows"  # measured beside the whole call
FEW = 10  # groups of a first call
CHECKED = 10  # models that all contenders must agree on
AGREED = {"linear": 1e-6, "logistic": 1e-2, "networks": 0.5}
MEANS = (0.0, 1e3, 1e6, 1e9)  # of a column whose deviation is 1
FAILING = 10_000
MEGABYTE = 1e6


@dataclass(frozen=True)
class Work:
    title: str
    kind: str
    groups: int
    rows: int  # of a group; of a ragged one on average
    columns: int = 8
    order: str = "in order"  # or "shuffled"; "integers" and "text": ragged groups in any order, by such keys
    has_peers: bool = True
    has_parts: bool = False  # what grouping takes of the time, and of memory
    in_table: bool = True

    @property
    def is_ragged(self) -> bool:
        return self.order in ("integers", "text")

    def data(self, groups: int) -> Rows:
        random = np.random.default_rng(0)
        n = groups * self.rows
        X = random.standard_normal((n, self.columns))
        y: Any = X @ random.standard_normal(self.columns) / np.sqrt(self.columns) + random.standard_normal(n)
        if self.kind == "networks":
            X, y = X.astype(np.float32), y.astype(np.float32)
        elif self.kind == "logistic":
            y = (y > 0.0).astype(int)
        keys = random.integers(0, groups, n) if self.is_ragged else np.repeat(np.arange(groups), self.rows)
        if self.order == "shuffled":
            random.shuffle(keys)
        order = np.argsort(keys, kind="stable")
        found, count = np.unique(keys, return_counts=True)
        given = keys
        if self.order == "text":
            given = np.array([f"store {key:06d}" for key in range(groups)])[keys]
        return Rows(X[order], y[order], count, (X, y, given))


LINEAR = "linear regressions, 200 rows of 8, float64"
NETWORKS = "networks 8-16-1, 200 rows, float32"
WORKS = (
    Work(NETWORKS, "networks", 1000, 200),
    Work("networks 8-16-1, 20 rows, float32", "networks", 1000, 20),
    Work(LINEAR, "linear", 10_000, 200),
    Work(f"{LINEAR}, shuffled", "linear", 10_000, 200, order="shuffled", has_parts=True),
    Work("logistic regressions, 200 rows of 8, float64", "logistic", 10_000, 200),
    Work("linear regressions, some 10 rows of 4, by integers", "linear", 100_000, 10, 4, "integers", has_parts=True),
    Work("linear regressions, some 10 rows of 4, by text", "linear", 100_000, 10, 4, "text", has_parts=True),
    Work("linear regressions, 1 row of 4", "linear", 1_000_000, 1, 4, has_peers=False, has_parts=True),
    # for the picture
    *(Work(LINEAR, "linear", groups, 200, in_table=False) for groups in (1, 10, 100, 1000)),
    *(Work(NETWORKS, "networks", groups, 200, in_table=False) for groups in (1, 10, 100)),
)
QUICK = {"networks": 4}  # groups; of others
QUICK_GROUPS = 40


def suits(fitter: Fitter, work: Work) -> bool:
    if fitter.kind and (fitter.kind != work.kind or work.is_ragged):
        return False
    return work.has_peers or bool(fitter.backend)


def measured(work: Work, options: Namespace) -> dict[str, Any]:
    """Seconds of those that are installed; they have to find the same models."""
    groups = min(work.groups, QUICK.get(work.kind, QUICK_GROUPS)) if options.quick else work.groups
    rows = work.data(groups)
    groups = len(rows.count)
    few = work.data(min(groups, FEW))
    fitted, turns, found = {}, {}, {}

    def fit(label: str, fitter: Fitter, threads: int | None) -> None:
        model = model_of(work.kind, fitter.library)
        found.setdefault(label, fitter.fit(rows, fitted[label], model, threads))

    for fitter in CONTENDERS:
        if not (suits(fitter, work) and fitter.is_installed):
            continue
        for threads in fitter.blas:
            label = fitter.label(threads)
            fitted[label] = fitter.part(groups)
            # compiles, and starts processes; batches are compiled for their number
            first = (rows, fitted[label]) if fitter.kind else (few, len(few.count))
            call = partial(fitter.fit, *first, model_of(work.kind, fitter.library), threads)
            best_call(call, 0.0, fitter.backend)
            turns[label] = partial(best_call, partial(fit, label, fitter, threads), 0.0, fitter.backend)
    if work.has_parts:
        X, y, keys = rows.given
        estimator = model_of(work.kind, "mlcore")
        turns[GROUPING] = partial(best_call, partial(Groups.of, keys), 0.0)
        turns[GATHER] = partial(best_call, partial(GroupedRows.of, X, y, keys, None, estimator), 0.0)
    seconds = take_turns(turns, options.rounds)
    check(work, {label: told(models, min(CHECKED, groups)) for label, models in found.items()})
    found.clear()
    say(f"{groups:,} {work.title}")
    result = {"title": work.title, "groups": groups, "fitted": fitted, "seconds": seconds}
    if work.has_parts and work.order != "text":  # as by integers, and to trace it takes long
        result["megabytes"] = {"X": rows.given[0].nbytes / MEGABYTE, "most": memory(rows, groups, work)[0] / MEGABYTE}
    return result


def check(work: Work, found: dict[str, Any]) -> None:
    """As far as they fitted the same groups they found the same; networks draw other batches, so on average."""
    first, *others = found
    for label in others:
        n = min(len(found[first]), len(found[label]))
        ours, theirs = found[first][:n], found[label][:n]
        if work.kind == "networks":
            ours, theirs = np.mean(ours, keepdims=True), np.mean(theirs, keepdims=True)
        if not np.abs(ours - theirs).max() <= AGREED[work.kind] * np.abs(ours).max():
            raise AssertionError(f"{work.title}: {label} found {theirs}, {first} {ours}")


def memory(rows: Rows, groups: int, work: Work) -> tuple[int, int]:
    """Bytes beyond what was there before a call: the most during it, and what is left of it while the result lives."""
    tracemalloc.start()
    try:
        models = fit_many(rows, groups, model_of(work.kind, "mlcore"))
        left, most = tracemalloc.get_traced_memory()
        del models
    finally:
        tracemalloc.stop()
    return most, left


def exact_coefficients(X: Any, y: Any) -> list[Fraction]:
    """Least squares with an intercept in rational numbers: rounded nowhere."""
    rows = [
        [*map(Fraction, row), Fraction(1), Fraction(answer)] for row, answer in zip(X.tolist(), y.tolist(), strict=True)
    ]
    width = len(rows[0]) - 1
    system = [[sum(row[i] * row[j] for row in rows) for j in range(width + 1)] for i in range(width)]
    for k in range(width):
        for i in range(width):
            if i != k:
                factor = system[i][k] / system[k][k]
                system[i] = [a - factor * b for a, b in zip(system[i], system[k], strict=True)]
    return [system[k][width] / system[k][k] for k in range(width)]


def right_digits(found: Sequence[float], exact: Sequence[Fraction]) -> float:
    """Of the worst coefficient; 0 where none is right."""
    worst = max(abs(Fraction(a) - b) / abs(b) for a, b in zip(found, exact, strict=True))
    return float(max(0.0, min(16.0, -np.log10(float(worst))))) if worst else 16.0


def kept_digits() -> dict[str, list[float]]:
    """The least digits of the coefficients of three groups, one column of which lies around each of `MEANS`."""
    kept: dict[str, list[float]] = {"mlcore": [], "NumPy": []}
    work = Work("", "linear", 3, 200)
    for mean in MEANS:
        plain = work.data(work.groups)
        X = plain.X.copy()
        X[:, 0] += mean
        rows = Rows(X, plain.y, plain.count, (X, plain.y, plain.given[2]))
        exact = [exact_coefficients(*block)[:-1] for block in rows.blocks(work.groups)]
        by_mlcore = [model[:-1] for model in told(fit_many(rows, work.groups, mlcore.LinearRegression()), work.groups)]
        try:
            by_numpy = [model[:-1] for model in batched_normal_equations(rows, work.groups, None)]
        except np.linalg.LinAlgError:
            by_numpy = [np.zeros(work.columns)] * work.groups
        for name, found in (("mlcore", by_mlcore), ("NumPy", by_numpy)):
            kept[name].append(min(map(right_digits, found, exact)))
    return kept


def failing(groups: int) -> float:
    """Bytes that a group leaves behind whose fit failed: its classes are one."""
    work = Work("", "logistic", groups, 2, 2)
    rows = work.data(groups)
    rows = Rows(rows.X, rows.y * 0, rows.count, (rows.X, rows.y * 0, rows.given[2]))
    return (memory(rows, groups, work)[1] - rows.given[2].itemsize * groups) / groups


def measure(options: Namespace) -> dict[str, Any]:
    warnings.filterwarnings("ignore")
    groups = QUICK_GROUPS if options.quick else FAILING
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "works": [measured(work, options) for work in WORKS],
        "digits": kept_digits(),
        "failing": {"groups": groups, "bytes": failing(groups)},
    }


def whole(found: dict[str, Any], fitter: Fitter) -> float | None:
    """Seconds for all groups: the median round, with the faster of BLAS's numbers of threads."""
    seconds = [
        median(found["seconds"][label]) * found["groups"] / found["fitted"][label]
        for label in map(fitter.label, fitter.blas)
        if label in found["seconds"]
    ]
    return min(seconds, default=None)


def by_mlcore(found: dict[str, Any]) -> float:
    """Seconds of the first backend that is installed."""
    return next(value for fitter in CONTENDERS if fitter.backend and (value := whole(found, fitter)) is not None)


def times_as_fast(found: dict[str, Any], fitter: Fitter) -> str:
    seconds = whole(found, fitter)
    assert seconds is not None
    return f"{digits(seconds / by_mlcore(found), 2)}×"


def cell(found: dict[str, Any], work: Work, fitter: Fitter) -> str:
    seconds = whole(found, fitter)
    if seconds is None:
        return NOT_INSTALLED if suits(fitter, work) else NONE
    return duration(seconds) if fitter.backend else f"{duration(seconds)} ({times_as_fast(found, fitter)})"


def lead(results: dict[str, Any]) -> str:
    """What README.md says of it."""
    loop = next(fitter for fitter in CONTENDERS if fitter.library == "sklearn")
    faster = [
        f"{times_as_fast(found, loop)} for {found['groups']:,} {work.title.partition(', float')[0]}"
        for work, found in zip(WORKS, results["works"], strict=True)
        if work.in_table and work.order in ("in order", "integers") and whole(found, loop) is not None
    ]
    return f"Faster than a loop of scikit-learn's fits, on {results['cores']} cores: {'; '.join(faster)}."


def render(results: dict[str, Any]) -> list[str]:
    pairs = [(work, found) for work, found in zip(WORKS, results["works"], strict=True) if work.in_table]
    names = {fitter.name: fitter for fitter in CONTENDERS}
    times = [
        [f"{found['groups']:,} {work.title}", *(cell(found, work, fitter) for fitter in names.values())]
        for work, found in pairs
    ]
    parts = []
    for work, found in pairs:
        if work.has_parts:
            ours = by_mlcore(found)
            keys, rows = (median(found["seconds"][part]) for part in (GROUPING, GATHER))
            most = f"{digits(size['most'] / size['X'], 2)} X" if (size := found.get("megabytes")) else NONE
            shares = [f"{duration(value)} ({value / ours:.0%})" for value in (keys, rows)]
            parts.append([times[pairs.index((work, found))][0], *shares, duration(ours), most])
    failed = results["failing"]
    shared = {fitter.name: fitter.share for fitter in CONTENDERS if fitter.share > 1}
    return [
        lead(results),
        "",
        f"Medians of {results['rounds']} rounds in which all take turns, validation and grouping included; in"
        " parentheses how many times as fast mlcore (cython, if there) is, slower if below 1. Fitted to a part of the"
        f" groups, and scaled: {', '.join(f'{name} (one in {share})' for name, share in shared.items())}. Peers are"
        " given the rows of each group together, their processes are started and their calls compiled before; where"
        " BLAS counts they have it with one thread and with its default, and the faster is shown.",
        "",
        *table(["models", *names], times),
        "",
        "What finding the groups takes of the time (keys alone), what all takes that comes before the fits (keys and"
        " rows: validation, and the copy of rows that are not in order), and the most memory of the call beyond X and"
        " y, in sizes of X:",
        "",
        *table(["models", GROUPING, GATHER, "all", "memory"], parts),
        "",
        "Right digits of the coefficients, the least of three regressions beside rational arithmetic, where one column"
        " has a deviation of 1 around",
        "",
        *table(
            ["", *(f"{mean:,.0f}" for mean in MEANS)],
            [
                [label, *(f"{value:.1f}" for value in results["digits"][name])]
                for name, label in (("mlcore", "`fit_many`"), ("NumPy", "NumPy, batched normal equations"))
            ],
        ),
        "",
        f"A group that fails leaves {failed['bytes']:.0f} bytes beyond its key (of {failed['groups']:,} logistic"
        " regressions of one class).",
    ]


def draw(results: dict[str, Any]) -> None:
    """Models a second against their number."""
    from .plot import draw_lines

    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for work, found in zip(WORKS, results["works"], strict=True):
        if work.title in (LINEAR, NETWORKS):
            lines = panels.setdefault(work.title, {})
            for fitter in CONTENDERS:
                seconds = whole(found, fitter)
                if seconds is not None:
                    lines.setdefault(fitter.name.replace("`", ""), []).append(
                        (found["groups"], found["groups"] / seconds)
                    )
    draw_lines(panels, "Models a second, logarithmic: higher is faster", ("models", "models a second"), PLOT)
