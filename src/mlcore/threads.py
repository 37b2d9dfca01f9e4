"""How many threads share a kernel call, and how they are run: started for the call, gone when it returns.

A fit asks `ThreadChoice`. It knows what the user said (`config`), what pays by size (`most_threads`, `pays`), which
CPUs other calls use (`threads_for`), and how fast steps turned out with one thread and with several (`Contest`). Where
the user fixed the number, none of these has a say.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from numbers import Integral

from .config import available, chosen_kernels, fixed_threads, requested_threads

# a thread's share of a step, in multiply-adds, must outweigh the meetings and what goes from core to core: some 5 us
_LEAST_OPERATIONS = 5e5
# and a call must outweigh starting and joining the threads: about a millisecond
_LEAST_CALL = 4e7

# seconds after which the slower of one thread and several may try again
_TRUSTED = 0.3

# looks at what threads have done, before they are given up, and the longest time between two, in seconds
_TICKS, _LONGEST_TICK = 60, 1.0

_lock = threading.Lock()
_busy = 0


def _forget() -> None:
    # a forked child has none of its parent's threads
    global _busy, _lock, _watcher
    _busy, _lock, _watcher = 0, threading.Lock(), _Watcher()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lambda: _watcher.rest(), after_in_child=_forget)


def most_threads(n_threads: int | None, step_operations: float, n_rows: int) -> int:
    """How many threads may share a step of so many multiply-adds on so many rows.

    Parameters
    ----------
    n_threads : int or None
        What the user asked for; None: what `config_context` says, else as many as help and as the process may use.
    """
    if not chosen_kernels().threads:
        return 1
    fixed = fixed_threads(n_threads)
    if fixed is not None:
        return fixed
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
    Of a fixed number all are used.
    """
    global _busy
    n = 1
    if most > 1 and (pays(operations) or fixed_threads(n_threads) is not None):
        n = most
    with _lock:
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


class ThreadChoice:
    """How many threads share each call of one fit.

    Parameters
    ----------
    n_threads : int or None
        What the user asked for, as in `most_threads`.
    step_operations : float
        Multiply-adds of a step.
    n_rows : int
        Rows of a step.

    Attributes
    ----------
    most : int
        No call has more.
    """

    def __init__(self, n_threads: int | None, step_operations: float, n_rows: int) -> None:
        self.most = most_threads(n_threads, step_operations, n_rows)
        self._n_threads = n_threads
        self._contest = Contest() if self.most > 1 and fixed_threads(n_threads) is None else None

    @contextmanager
    def of_call(self, operations: float) -> Iterator[int]:
        """Within the block: how many threads a call of so many multiply-adds should use."""
        most = 1 if self._contest and not self._contest.favours_several() else self.most
        with threads_for(most, self._n_threads, operations) as n:
            yield n

    def is_trial(self, n: int) -> bool:
        """Whether a call of so many threads is to find out how fast they are."""
        return self._contest is not None and self._contest.is_due(n > 1)

    def note(self, n: int, seconds: float) -> None:
        """So long took a step of so many threads."""
        if self._contest:
            self._contest.note(n > 1, seconds)


@cache
def _sched_getcpu() -> Callable[[], int] | None:
    return getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


def _current_cpu() -> int:
    """Where the calling thread runs, -1 if the system does not tell."""
    function = _sched_getcpu()
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


class _WatchedCall:
    """A call whose threads wait for each other, and how long none of them has come further."""

    def __init__(self, progress: Callable[[], int], seconds: float, give_up: Callable[[], object]) -> None:
        self.tick = min(seconds / _TICKS, _LONGEST_TICK)
        self._progress, self._seconds, self._give_up = progress, seconds, give_up
        self._before: int | None = None
        self._waited = 0.0

    def look(self, seconds: float) -> bool:
        """Look again after so many seconds: whether the call has been given up."""
        now = self._progress()
        self._waited = self._waited + seconds if now == self._before else 0.0
        self._before = now
        # of the many times that were added the last digits are lost
        if self._waited < self._seconds * (1.0 - 1e-9):
            return False
        self._give_up()
        return True


class _Watcher:
    """Watches all calls of this process from one thread, which ends where it finds none.

    Time is counted in ticks that were waited for, not by a clock: a process that stands still makes none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[_WatchedCall] = set()
        self._changed = threading.Event()
        self._tick = 0.0
        self._thread: threading.Thread | None = None

    def add(self, call: _WatchedCall) -> None:
        """Watch a call until it is removed or given up. Where the system refuses the thread, nobody does."""
        with self._lock:
            self._calls.add(call)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="mlcore-watcher", daemon=True)
                with suppress(RuntimeError):
                    self._thread.start()
            elif call.tick < self._tick:
                self._changed.set()

    def remove(self, call: _WatchedCall) -> None:
        """Watch it no more: after this it is not given up."""
        with self._lock:
            self._calls.discard(call)

    def rest(self) -> None:
        """End the thread at once if it has nothing to watch: Python warns whoever forks while there are threads."""
        thread = self._thread
        if thread is not None and thread.is_alive() and not self._calls:
            self._changed.set()
            thread.join(self._tick)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._calls or self._thread is not threading.current_thread():
                    self._thread = None
                    return
                self._tick = min(call.tick for call in self._calls)
                self._changed.clear()
            if self._changed.wait(self._tick):
                continue
            with self._lock:
                self._calls = {call for call in self._calls if not call.look(self._tick)}


_watcher = _Watcher()


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
    thread that hangs is left to itself, and what it writes into must be nobody else's. Seconds in which the process was
    suspended do not count.

    If it is the caller's own share that hangs, the others are released just so, but the error has to wait: nothing in
    Python makes a thread leave compiled code, so it is raised if the share ever returns, and so is Ctrl-C.
    """
    opened, ended, wanted = threading.Event(), threading.Event(), True
    home = -1
    entered: list[int] = []
    finished: list[int] = []
    started: list[threading.Thread] = []
    errors: list[BaseException] = []
    stalled = threading.Event()

    def give_up() -> None:
        errors.append(
            TimeoutError(
                f"Threads that share a fit have waited {seconds:.3g} seconds for one that does not come, and the "
                "fit is given up. n_threads=1 needs no other; MLCORE_THREAD_TIMEOUT=SECONDS waits longer."
            )
        )
        stalled.set()
        abandon()
        ended.set()

    watched = _WatchedCall(progress, seconds, give_up) if seconds < math.inf else None

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
            if wanted and watched:
                _watcher.add(watched)
            home = _current_cpu()
            opened.set()
            if wanted and 0 not in entered:
                share(0)
            # not `join` alone: in Python 3.11 one that Ctrl-C interrupts takes a running thread for one that has ended
            while len(finished) < len(started) and not stalled.is_set():
                ended.wait()
                ended.clear()
            if watched:
                _watcher.remove(watched)
            for thread in [] if stalled.is_set() else started:
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
