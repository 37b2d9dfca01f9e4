"""Gradients of a compiled and of a Python function of 100 numbers: time, calls an entry, and correct digits."""

from __future__ import annotations

import warnings
from argparse import Namespace
from functools import partial
from typing import Any

import numba
import numpy as np

from ..peers.derivatives import CONTENDERS
from ..suite.gradient import banana
from ..suite.turns import best_call, take_turns
from .text import NOT_INSTALLED, duration, table

ROUNDS = 7
PACKAGES = ("numdifftools", "jacobi")
ENTRIES = 100
WORKS = {"compiled function": numba.njit(banana), "in Python": banana}


def digits(found: Any, exact: Any) -> float:
    """Of the worst entry, relative to the largest one."""
    return -np.log10(max(np.abs(found - exact).max() / np.abs(exact).max(), 1e-17))


def measure(options: Namespace) -> dict[str, Any]:
    warnings.filterwarnings("ignore")  # what step is best is not known to those that look for it
    x = np.random.default_rng(0).standard_normal(ENTRIES)
    exact = np.zeros(ENTRIES)
    exact[:-1] += -400.0 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2.0 * (1.0 - x[:-1])
    exact[1:] += 200.0 * (x[1:] - x[:-1] ** 2)
    turns, facts = {}, {}
    for contender in (contender for contender in CONTENDERS if contender.is_installed):
        calls = 0

        def counted(point: Any) -> Any:
            nonlocal calls
            calls += 1
            return banana(point)

        found = contender.call(counted, x)
        facts[contender.name] = {"calls": calls / ENTRIES, "digits": digits(found, exact)}
        for title, function in WORKS.items():
            contender.call(function, x)  # compiles
            turns[title, contender.name] = partial(best_call, partial(contender.call, function, x), options.turn)
    seconds = take_turns(turns, options.rounds)
    works = [
        {"title": title, "seconds": {name: found for (work, name), found in seconds.items() if work == title}}
        for title in WORKS
    ]
    return {"works": works, "facts": facts}


def render(results: dict[str, Any]) -> list[str]:
    rows = []
    for contender in CONTENDERS:
        facts = results["facts"].get(contender.name)
        if facts is None:
            rows.append([contender.name, NOT_INSTALLED, "", "", ""])
            continue
        times = [duration(min(work["seconds"][contender.name])) for work in results["works"]]
        rows.append([contender.name, *times, f"{facts['calls']:.1f}", f"{facts['digits']:.1f}"])
    return table(["by", *WORKS, "calls an entry", "digits"], rows)
