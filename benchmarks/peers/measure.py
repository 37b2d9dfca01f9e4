"""Each contender in a process of its own, all of them in turn, round after round."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing import get_context
from statistics import median
from time import perf_counter
from typing import Any

from suite.networks import FIRST, NETWORKS, Network
from turns import settle

from .contenders import ALL_THREADS, CONTENDERS, THREADS, Fit

FIT_SECONDS = 0.1  # of a measured fit, at least an epoch: long beside what a fit does once, short beside a busy spell
FITS = 2  # of a turn; the better one counts: before the first one the caches are cold, and the threads asleep
LOOK = 2  # epochs after which all contenders must have about the same loss
TOLERANCE = 0.1


class Process:
    """A process that does what it is told, and is idle otherwise."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: Any) -> None:
        self._pool.shutdown()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        result = self._pool.submit(function, *arguments).result()
        self._pool.submit(settle).result()
        return result


# what the processes do


@cache
def prepared(number: int, network: Network, dtype: str) -> Fit:
    return CONTENDERS[number].prepare(network, dtype)


def timed_fit(number: int, network: Network, dtype: str, epochs: int, fits: int = 1) -> tuple[float, float]:
    """Seconds of the best of some fits, and the loss of the last epoch."""
    fit = prepared(number, network, dtype)
    seconds = []
    for _ in range(fits):
        start = perf_counter()
        loss = fit(epochs)
        seconds.append(perf_counter() - start)
    return min(seconds), loss


def measured_peak(n_threads: int, dtype: str) -> float:
    from .peak import peak  # here: it imports Numba, which is to be part of the first fit of those who need it

    return peak(n_threads, dtype)


# what tells them to


@contextmanager
def numba_cache(directory: str) -> Iterator[None]:
    """Processes that start now keep there what Numba compiles for mlcore."""
    before = os.environ.get("MLCORE_CACHE_DIR")
    os.environ["MLCORE_CACHE_DIR"] = directory
    try:
        yield
    finally:
        del os.environ["MLCORE_CACHE_DIR"]
        if before is not None:
            os.environ["MLCORE_CACHE_DIR"] = before


def first_fit(number: int, dtype: str) -> float:
    """Seconds of one epoch in a new process, importing the library not included."""
    with Process() as process:
        return process.call(timed_fit, number, FIRST, dtype, 1)[0]


def first_fits(number: int, dtype: str, starts: int) -> dict[str, float]:
    """The best of some first fits; with Numba, the one that finds nothing compiled apart."""
    with tempfile.TemporaryDirectory() as directory, numba_cache(directory):
        found = {}
        if CONTENDERS[number].module == "numba":
            found["with an empty cache"] = first_fit(number, dtype)
        found["best"] = min(first_fit(number, dtype) for _ in range(starts))
    return found


def check(network: Network, losses: dict[int, float]) -> None:
    """They began alike and did the same work, but for the order of the batches: so their losses are about the same."""
    middle = median(losses.values())
    for number, loss in losses.items():
        if not abs(loss - middle) <= TOLERANCE * middle:
            raise AssertionError(
                f"{network.title}: {CONTENDERS[number].name} has a loss of {loss}, the median {middle}"
            )


def short(value: float) -> float:
    return float(f"{value:.4g}")


def summary(times: dict[int, list[float]], epochs: dict[int, int]) -> dict[str, Any]:
    """By name: seconds a step, and for mlcore how many times as fast it is as the fastest of the others."""
    fastest = min((number for number in times if not CONTENDERS[number].is_mlcore), key=lambda k: min(times[k]))
    found = {}
    for number, seconds in times.items():
        found[CONTENDERS[number].name] = {
            "epochs": epochs[number],
            "best": short(min(seconds)),
            "median": short(median(seconds)),
            "rounds": [short(value) for value in seconds],
        }
        if CONTENDERS[number].is_mlcore:
            found[CONTENDERS[number].name] |= {
                "fastest_other": CONTENDERS[fastest].name,
                "ratio_of_bests": short(min(times[fastest]) / min(seconds)),
                "median_ratio": short(median(a / b for a, b in zip(times[fastest], seconds, strict=True))),
            }
    return found


def measure(rounds: int, starts: int, dtype: str) -> dict[str, Any]:
    """Everything, as it is written to the file of results; seconds are those of a step."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    numbers = [number for number, contender in enumerate(CONTENDERS) if contender.is_installed]
    first = {}
    for number in numbers:
        first[CONTENDERS[number].name] = {k: short(v) for k, v in first_fits(number, dtype, starts).items()}
        say(f"first fit by {CONTENDERS[number].name}: {first[CONTENDERS[number].name]}")

    peaks: dict[int, list[float]] = {n_threads: [] for n_threads in sorted({*THREADS, ALL_THREADS})}
    times: dict[Network, dict[int, list[float]]] = {network: {k: [] for k in numbers} for network in NETWORKS}
    epochs: dict[Network, dict[int, int]] = {network: {} for network in NETWORKS}
    with ExitStack() as stack:
        processes = {number: stack.enter_context(Process()) for number in numbers}
        meter = stack.enter_context(Process())
        for network in NETWORKS:
            losses = {}
            for number, process in processes.items():
                process.call(timed_fit, number, network, dtype, LOOK)  # compiles
                seconds, losses[number] = process.call(timed_fit, number, network, dtype, LOOK)
                epochs[network][number] = max(1, round(FIT_SECONDS * LOOK / seconds))
            say(f"{network.title}: losses {[short(loss) for loss in losses.values()]}")
            check(network, losses)
        # The rounds outside: a minute in which the machine is busy costs every network a round, and none its numbers.
        for done in range(1, rounds + 1):
            for n_threads, found in peaks.items():
                found.append(meter.call(measured_peak, n_threads, dtype))
            for network in NETWORKS:
                for number, process in processes.items():
                    count = epochs[network][number]
                    seconds, _ = process.call(timed_fit, number, network, dtype, count, FITS)
                    times[network][number].append(seconds / (count * network.steps))
            say(f"round {done} of {rounds}")
    return {
        "dtype": dtype,
        "rounds": rounds,
        "peaks": {str(n_threads): short(max(found)) for n_threads, found in peaks.items()},
        "first_fits": first,
        "networks": [
            {
                "title": network.title,
                "operations": network.operations,
                "whole_job": network.whole_job,
                "contenders": summary(times[network], epochs[network]),
            }
            for network in NETWORKS
        ],
    }
