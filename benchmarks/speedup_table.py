"""Measure the suite's workloads against the reference and their peers, and write the table in README.md.

The table stands between the lines ``<!-- speedups:begin -->`` and ``<!-- speedups:end -->``.
"""

from __future__ import annotations

import argparse
import inspect
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from readme import NONE, README, around, conditions, digits, duration, line, write_between
from suite import forward, gradient, training
from suite.common import BACKENDS, Workload, alternate

from mlcore.kernels import is_available


def workloads() -> Iterator[type[Workload]]:
    for module in (gradient, forward, training):
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Workload) and not inspect.isabstract(value):
                yield value


def measure(workload: Workload, backend: str, sizes: tuple[Any, ...], repeats: int) -> list[list[float]] | None:
    """Seconds by the reference, by mlcore, and by the peer if there is one; None where the backend does not apply."""
    try:
        workload.setup(backend, *sizes)
    except NotImplementedError:
        return None
    functions = [workload.reference, workload.run]
    if workload.peer_name:
        workload.check(workload.peer())
        functions.append(workload.peer)
    seconds = alternate(functions, repeats).T.tolist()
    workload.result = workload.run()
    workload.teardown(backend, *sizes)
    return seconds


def times(slower: list[float], faster: list[float]) -> str:
    """The median of the ratios, each of two neighbouring measurements."""
    return digits(median(a / b for a, b in zip(slower, faster, strict=True)), 2) + "×"


def row(workload: type[Workload], sizes: tuple[Any, ...], repeats: int) -> str:
    measured = {backend: measure(workload(), backend, sizes, repeats) for backend in BACKENDS}
    there = [seconds for seconds in measured.values() if seconds]
    cells = [workload.title.format(**dict(zip(workload.param_names[1:], sizes, strict=True)))]
    cells.append(duration(median(second for seconds in there for second in seconds[0])) if there else NONE)
    cells += [f"{duration(median(s[1]))} ({times(s[0], s[1])})" if s else NONE for s in measured.values()]
    if workload.peer_name and there:
        against = ", ".join(times(s[2], s[1]) if s else NONE for s in measured.values())
        cells.append(f"{workload.peer_name}: {duration(median(x for s in there for x in s[2]))} ({against})")
    else:
        cells.append(NONE)
    return line(cells)


def table(repeats: int) -> str:
    lines = [
        "In parentheses: how many times as fast mlcore is, slower if below 1 (the median of ratios taken in turn,"
        " so not quite the ratio of the medians shown); in the last column cython, then numba.",
        "",
        "| work | reference | mlcore, cython | mlcore, numba | another way |",
        "|---|--:|--:|--:|--:|",
    ]
    for workload in workloads():
        for sizes in itertools.product(*workload.params[1:]):
            lines.append(row(workload, sizes, repeats))
            print(lines[-1], file=sys.stderr)
    measured = f"Medians of {repeats} measurements for each backend, taken in turn."
    return "\n".join([*lines, "", f"{conditions()} {measured}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="print the table and write nothing")
    parser.add_argument(
        "--readme", type=Path, default=README, help="the file to write (default: the project's README.md)"
    )
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="measurements of each (default: 9)")
    arguments = parser.parse_args()
    if not any(is_available(backend) for backend in BACKENDS):
        parser.error(f"none of the backends is installed: {', '.join(BACKENDS)}")
    if arguments.dry_run:
        print(table(arguments.repeats))
        return 0
    try:
        around(arguments.readme, "speedups")  # before the minutes that the table takes
    except ValueError as error:
        parser.error(str(error))
    write_between(arguments.readme, "speedups", table(arguments.repeats))
    return 0


if __name__ == "__main__":
    sys.exit(main())
