"""How many threads share a kernel call, and how they are run: started for the call, gone when it returns."""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from numbers import Integral

from .config import available, kernels, requested_threads

# a thread's share of a step, in multiply-adds, must outweigh the meetings and what goes from core to core: some 5 us
_LEAST_OPERATIONS = 5e5
# and a call must outweigh starting and joining the threads: about a millisecond
_LEAST_CALL = 4e7

# seconds after which the slower of one thread and several may try again
_TRUSTED = 0.3

# looks at what threads have done, before they are given up
_TICKS = 60

_lock = threading.Lock()
_busy = 0


def _forget() -> None:
    # a forked child has none of its parent's threads
    global _busy, _lock
    _busy, _lock = 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def most_threads(n_threads: int | None, step_operations: float, n_rows: int) -> int:
    """How many threads may share a step of so many multiply-adds on so many rows.

    Parameters
    ----------
    n_threads : int or None
        What the user asked for; None: what `config_context` says, else as many as help and as the process may use.
    """
    if not kernels().threads:
        return 1
    # rows are shared in groups of eight
    useful = min(int(step_operations / _LEAST_OPERATIONS), -(-n_rows // 8))
    if useful < 2:
        return 1
    asked = requested_threads(n_threads)
    return max(1, min(useful, available() if asked is None else asked))


def threads_of_jobs(n_jobs: int | None) -> int | None:
    """The number of threads that scikit-learn's ``n_jobs`` asks for: below 0, so many less than all CPUs, plus one."""
    if n_jobs is None:
        return None
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral) or n_jobs == 0:
        raise ValueError(f"n_jobs is {n_jobs!r}, but must be a whole number other than 0, or None.")
    return int(n_jobs) if n_jobs > 0 else max(1, available() + 1 + int(n_jobs))


def pays(operations: float) -> bool:
    """Whether a call of so many multiply-adds is long enough for threads."""
    return operations >= _LEAST_CALL


@contextmanager
def threads_for(most: int, n_threads: int | None, operations: float) -> Iterator[int]:
    """Within the block: how many of `most` threads a call of so many multiply-adds should use now.

    A short call takes one. Threads of other calls in this process are left their CPUs, unless the user gave a number.
    """
    global _busy
    with _lock:
        n = most if pays(operations) else 1
        if n > 1 and _busy and requested_threads(n_threads) is None:
            n = max(1, min(n, available() - _busy))
        _busy += n
    try:
        yield n
    finally:
        with _lock:
            _busy -= n


class Contest:
    """Whether several threads make faster steps than one: both try, the winner goes on, and the other tries again.

    What else runs on the machine decides it, and how far apart its CPUs are; no rule by sizes does.
    """

    def __init__(self) -> None:
        self._seconds = {False: math.inf, True: math.inf}
        self._tried = {False: -math.inf, True: -math.inf}

    def is_due(self, several: bool) -> bool:
        """Whether nothing recent is known: a short call should find out."""
        return time.monotonic() - self._tried[several] > _TRUSTED

    def favours_several(self) -> bool:
        """Whether the next call is one for several threads."""
        if self.is_due(False) or self.is_due(True):
            return not self.is_due(False)
        return self._seconds[True] < self._seconds[False]

    def note(self, several: bool, seconds: float) -> None:
        """So long took a step."""
        self._seconds[several], self._tried[several] = seconds, time.monotonic()


def _current_cpu() -> int:
    """Where the calling thread runs, -1 if the system does not tell."""
    if not hasattr(os, "sched_setaffinity"):
        return -1
    function = getattr(ctypes.CDLL(None), "sched_getcpu", None)
    return int(function()) if function else -1


def _move_away(home: int, thread: int) -> None:
    """Go to a CPU of one's own, `thread` places behind the caller's; from there on the system decides as before."""
    if home < 0:
        return
    with suppress(OSError, ValueError):  # where that is not allowed, threads stay where they are
        allowed = os.sched_getaffinity(0)
        cpus = sorted(allowed)
        os.sched_setaffinity(0, {cpus[(cpus.index(home) + thread) % len(cpus)]})
        os.sched_setaffinity(0, allowed)


def patience() -> float:
    """Seconds without progress after which threads that wait for each other give up: MLCORE_THREAD_TIMEOUT, else 60."""
    text = os.environ.get("MLCORE_THREAD_TIMEOUT", "60")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0.0:
        raise ValueError(f"MLCORE_THREAD_TIMEOUT is {text!r}, but must be a number of seconds above 0 (inf: no limit).")
    return seconds


def run_together(
    function: Callable[[int], object],
    n: int,
    abandon: Callable[[], object],
    progress: Callable[[], int] = lambda: 0,
    seconds: float = math.inf,
) -> bool:
    """Call ``function(0)`` here and ``function(1)`` to ``function(n - 1)`` in threads of their own, and wait for all.

    The functions meet at barriers, so all run or none: False if the system refuses a thread. If one of the functions
    raises, `abandon` must release those that wait for it; an exception is raised when all have returned.

    The caller works too. Linux may wake the others on its CPU and leave them there for tens of milliseconds, so they
    begin by moving away.

    Where `progress` gives the same number for so many seconds, a ``TimeoutError`` is raised without waiting any more: a
    thread that hangs is left to itself, and what it writes into must be nobody else's. Only the caller's own share is
    always waited for. Seconds in which the process was suspended do not count.
    """
    opened, ended, wanted = threading.Event(), threading.Event(), True
    home = -1
    entered: list[int] = []
    finished: list[int] = []
    started: list[threading.Thread] = []
    errors: list[BaseException] = []
    watchers: list[threading.Thread] = []
    over, stalled = threading.Event(), threading.Event()

    def watch() -> None:
        # by ticks, not by a clock: a process that stands still makes none
        before, ticks = progress(), 0
        while ticks < _TICKS and not over.wait(min(seconds / _TICKS, threading.TIMEOUT_MAX)):
            now = progress()
            before, ticks = now, ticks + 1 if now == before else 0
        if ticks == _TICKS:
            errors.append(
                TimeoutError(
                    f"Threads that share a fit have waited {seconds:.3g} seconds for one that does not come, and the "
                    "fit is given up. n_threads=1 needs no other; MLCORE_THREAD_TIMEOUT=SECONDS waits longer."
                )
            )
            stalled.set()
            abandon()
            ended.set()

    def share(thread: int) -> None:
        try:
            entered.append(thread)
            function(thread)
        except BaseException as error:
            errors.append(error)
            abandon()

    def member(thread: int) -> None:
        try:
            opened.wait()
            if wanted:
                _move_away(home, thread)
                share(thread)
        finally:
            finished.append(thread)
            ended.set()

    while True:
        try:
            while wanted and len(started) < n - 1:
                number = len(started) + 1
                thread = threading.Thread(target=member, args=(number,), name=f"mlcore-{number}", daemon=True)
                thread.start()
                started.append(thread)
            if wanted and seconds < math.inf and not watchers:
                with suppress(RuntimeError):  # without a watcher they wait as long as it takes
                    watcher = threading.Thread(target=watch, name="mlcore-watcher", daemon=True)
                    watcher.start()
                    watchers.append(watcher)
            home = _current_cpu()
            opened.set()
            if wanted and 0 not in entered:
                share(0)
            # not `join` alone: in Python 3.11 one that Ctrl-C interrupts takes a running thread for one that has ended
            while len(finished) < len(started) and not stalled.is_set():
                ended.wait()
                ended.clear()
            over.set()
            for thread in watchers if stalled.is_set() else started + watchers:
                thread.join()
            break
        except BaseException as error:
            # once the others may run, this thread has to
            wanted = wanted and opened.is_set()
            if wanted or not isinstance(error, RuntimeError):
                errors.append(error)
    if errors:
        raise errors[0]
    return wanted
