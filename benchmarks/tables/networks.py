"""The same networks trained by each library: each contender in a process of its own, all of them in turn."""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Any

from ..peers.networks import ALL_THREADS, CONTENDERS, THREADS, Trainer, timed_fit
from ..peers.peak import peak
from ..suite.networks import FIRST, NETWORKS, Network
from ..suite.turns import say, settle, take_turns
from .text import NONE, NOT_INSTALLED, README, digits, duration, ratio, table

ROUNDS = 12
PACKAGES = ("torch", "jax")
PLOT = README.parent / "docs" / "peers.svg"
LOOK = 2  # epochs after which all contenders must have about the same loss
TOLERANCE = 0.1
PEAK = "peak"  # measured in the same rounds: seconds of an operation, by the number of threads


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
    say(f"first fit by {CONTENDERS[number].name}: {found}")
    return found


def check(network: Network, losses: dict[str, float]) -> None:
    """They began alike and did the same work, but for the order of the batches: so their losses are about the same."""
    middle = median(losses.values())
    for name, loss in losses.items():
        if not abs(loss - middle) <= TOLERANCE * middle:
            raise AssertionError(f"{network.title}: {name} has a loss of {loss}, the median {middle}")


def fit_turn(process: Process, number: int, network: Network, options: Namespace) -> tuple[Callable[[], float], float]:
    """What gives the seconds of a step, and the loss after a first look. A fit takes a turn, but at least an epoch."""
    told = partial(process.call, timed_fit, number, network, options.dtype)
    told(LOOK)  # compiles
    seconds, loss = told(LOOK)
    epochs = max(1, round(options.turn * LOOK / seconds))
    # twice the time of a fit: before the first one the caches are cold, and the threads asleep
    return lambda: told(epochs, 1.5 * options.turn)[0] / (epochs * network.steps), loss


def measure(options: Namespace) -> dict[str, Any]:
    """Seconds of a step, of each round."""
    networks = NETWORKS[:3] if options.quick else NETWORKS
    numbers = {contender.name: number for number, contender in enumerate(CONTENDERS) if contender.is_installed}
    starts = 1 if options.quick else 3
    first = {name: first_fits(number, options.dtype, starts) for name, number in numbers.items()}
    turns: dict[tuple[str, str], Callable[[], float]] = {}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(Process()) for name in numbers}
        meter = stack.enter_context(Process())
        for n_threads in sorted({*THREADS, ALL_THREADS}):
            turns[PEAK, str(n_threads)] = lambda n=n_threads: 1.0 / meter.call(peak, n, options.dtype)
        for network in networks:
            losses = {}
            for name, process in processes.items():
                turns[network.title, name], losses[name] = fit_turn(process, numbers[name], network, options)
            say(f"{network.title}: losses {[float(f'{loss:.4g}') for loss in losses.values()]}")
            check(network, losses)
        seconds = take_turns(turns, options.rounds)
    return {
        "dtype": options.dtype,
        "peaks": {n_threads: 1.0 / min(found) for (title, n_threads), found in seconds.items() if title == PEAK},
        "first_fits": first,
        "works": [
            {"title": network.title, "seconds": {name: seconds[network.title, name] for name in numbers}}
            for network in networks
        ],
    }


def cells(found: dict[str, Any], cell: Callable[[Trainer, Any], str]) -> list[str]:
    """One for each contender, by what was found of it."""
    return [cell(c, found[c.name]) if c.name in found else NOT_INSTALLED for c in CONTENDERS]


def render(results: dict[str, Any]) -> list[str]:
    peaks = results["peaks"]
    networks = {network.title: network for network in NETWORKS}
    times, shares = [], []
    for work in results["works"]:
        network, seconds = networks[work["title"]], work["seconds"]
        fastest = min((found for name, found in seconds.items() if not name.startswith("mlcore")), key=min)

        def time(trainer: Trainer, found: list[float], fastest: list[float] = fastest) -> str:
            if trainer.backend:
                return f"{duration(min(found))} ({ratio(fastest, found)})"
            return f"**{duration(min(found))}**" if found is fastest else duration(min(found))

        def share(trainer: Trainer, found: list[float], operations: int = network.operations) -> str:
            speed = operations / min(found)
            return f"{digits(speed / 1e9, 2)} ({digits(100 * speed / peaks[str(trainer.n_threads)], 2)} %)"

        times.append([network.title, *cells(seconds, time)])
        shares.append([network.title, *cells(seconds, share)])
        if steps := network.whole_job:
            job = cells(seconds, lambda _, found, steps=steps: duration(min(found) * steps))
            times.append([f"… {steps:,} such steps", *job])
    for title, which in (
        (f"first fit of a process: {FIRST.title}, an epoch", "best"),
        ("… with nothing in Numba's cache", "with an empty cache"),
    ):
        first = cells(results["first_fits"], lambda _, f, which=which: duration(f[which]) if which in f else NONE)
        times.append([title, *first])
    shown = ", ".join(f"{digits(value / 1e9, 3)} for {threads}" for threads, value in peaks.items())
    head = ["network", *(contender.name for contender in CONTENDERS)]
    return [
        f"Time of a training step in {results['dtype']}, the best of {results['rounds']} rounds in which all take"
        " turns: what else runs on the machine only ever adds to it. In bold the fastest of the others; in parentheses"
        " how many times as fast as that mlcore is, slower if below 1.",
        "",
        *table(head, times),
        "",
        "The same as GFLOP/s of the matrix products, and as a share of the multiplications and additions that as many"
        f" cores can do, measured in the same rounds: {shown}.",
        "",
        *table(head, shares),
    ]


def draw(results: dict[str, Any]) -> None:
    from .plot import draw  # here: a table that is only printed needs no matplotlib

    draw(results, PLOT)
