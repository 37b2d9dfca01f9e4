"""The suite's workloads by the reference, by mlcore, and the nearest way by another library."""

from __future__ import annotations

import inspect
import itertools
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..suite import forward, gradient, training
from ..suite.common import BACKENDS, Workload
from ..suite.turns import best_call, say, take_turns
from .text import NONE, duration, ratio, table

ROUNDS = 7
PACKAGES = ()
REFERENCE = "reference"
MLCORE = [f"mlcore, {backend}" for backend in BACKENDS]


def workloads() -> Iterator[type[Workload]]:
    for module in (gradient, forward, training):
        for value in list(vars(module).values()):
            if inspect.isclass(value) and issubclass(value, Workload) and not inspect.isabstract(value):
                yield value


def work(kind: type[Workload], sizes: tuple[Any, ...], options: Namespace) -> dict[str, Any]:
    """One workload, by all; the backends that do not apply are left out."""
    ready, turns = {}, {}
    for name, backend in zip(MLCORE, BACKENDS, strict=True):
        workload = kind()
        try:
            workload.setup(backend, *sizes)
        except NotImplementedError:
            continue
        ready[backend] = workload
        turns.setdefault(REFERENCE, partial(best_call, workload.reference, options.turn))
        turns[name] = partial(best_call, workload.run, options.turn, backend)
        workload.result = workload.run()
        if workload.peer_name:
            workload.check(workload.peer())
            turns[workload.peer_name] = partial(best_call, workload.peer, options.turn)
    seconds = take_turns(turns, options.rounds)
    for backend, workload in reversed(ready.items()):
        workload.teardown(backend, *sizes)  # checks the result
    return {"title": kind.title.format(**dict(zip(kind.param_names[1:], sizes, strict=True))), "seconds": seconds}


def measure(options: Namespace) -> dict[str, Any]:
    works = []
    for kind in workloads():
        for sizes in itertools.product(*kind.params[1:]):
            works.append(work(kind, sizes, options))
            say(works[-1]["title"])
    return {"works": works}


def render(results: dict[str, Any]) -> list[str]:
    rows = []
    for found in results["works"]:
        seconds = found["seconds"]
        cells = [found["title"], duration(min(seconds[REFERENCE])) if REFERENCE in seconds else NONE]
        for name in MLCORE:
            theirs, ours = seconds.get(REFERENCE), seconds.get(name)
            cells.append(f"{duration(min(ours))} ({ratio(theirs, ours)})" if ours else NONE)
        peer = next((name for name in seconds if name not in (REFERENCE, *MLCORE)), None)
        if peer:
            against = ", ".join(ratio(seconds[peer], seconds[ours]) if ours in seconds else NONE for ours in MLCORE)
            cells.append(f"{peer}: {duration(min(seconds[peer]))} ({against})")
        else:
            cells.append(NONE)
        rows.append(cells)
    return [
        "In parentheses how many times as fast mlcore is, slower if below 1; in the last column cython, then numba.",
        "",
        *table(["work", REFERENCE, *MLCORE, "another way"], rows),
    ]
