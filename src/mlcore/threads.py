"""How many threads share a kernel call, and how they are run: started for the call, gone when it returns."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .config import kernels, requested_threads

# a thread's share of a step, in multiply-adds, must outweigh the meetings and what goes from core to core: some 5 us
_LEAST_OPERATIONS = 5e5
# and a call must outweigh starting and joining the threads: about a millisecond
_LEAST_CALL = 4e7

# a thread on a CPU for a smaller part of a call than this was put off it by others; then calls take one thread, for so
# many seconds and, as long as it stays crowded, twice as many each time
_CROWDED = 0.8
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 3.2
# what is found to be crowded or not counts for so many seconds
_TRUSTED = 1.0

_lock = threading.Lock()
_busy = 0
_pause, _alone_until, _free_until = _SHORTEST_PAUSE, 0.0, 0.0


def _forget() -> None:
    # a forked child has none of its parent's threads
    global _busy, _lock
    _busy, _lock = 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _available() -> int:
    """CPUs this process may use: affinity, cgroup, and the limits that OpenMP and joblib honour."""
    from joblib import cpu_count

    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(cpu_count(), int(limit)) if limit.isdecimal() and int(limit) else cpu_count()


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
    return max(1, min(useful, _available() if asked is None else asked))


@contextmanager
def threads_for(most: int, n_threads: int | None, operations: float) -> Iterator[int]:
    """Within the block: how many of `most` threads a call of so many multiply-adds should use now.

    A short call takes one. Threads of other calls in this process are left their CPUs, unless the user gave a number.
    """
    global _busy
    with _lock:
        n = most if operations >= _LEAST_CALL and time.monotonic() >= _alone_until else 1
        if n > 1 and requested_threads(n_threads) is None:
            n = max(1, min(n, _available() - _busy))
        _busy += n
    try:
        yield n
    finally:
        with _lock:
            _busy -= n


def note_time_on_cpu(part: float) -> None:
    """Go on alone for a while where something else wants the CPUs: each meeting of threads would wait for it.

    Threads that spin count as running, so one that was off its CPU for much of a call was put off it by others.
    """
    global _pause, _alone_until, _free_until
    now = time.monotonic()
    with _lock:
        if part < _CROWDED:
            _free_until, _alone_until = 0.0, now + _pause
            _pause = min(_LONGEST_PAUSE, 2 * _pause)
        else:
            _free_until, _pause = now + _TRUSTED, _SHORTEST_PAUSE


def is_known_free() -> bool:
    """Whether threads had the CPUs for themselves a moment ago; if not, a short call should find out."""
    return time.monotonic() < _free_until


def run_together(function: Callable[[int], object], n: int, abandon: Callable[[], object]) -> bool:
    """Call ``function(0)`` here and ``function(1)`` to ``function(n - 1)`` in threads of their own, and wait for all.

    The functions meet at barriers, so all run or none: False if the system refuses a thread. If one of the functions
    raises, `abandon` must release those that wait for it; an exception is raised when all have returned.

    The caller works too: a system puts a new thread on an idle CPU while its maker is running, but two that a third
    one wakes and leaves alone on the same.
    """
    opened, ended, wanted = threading.Event(), threading.Event(), True
    entered: list[int] = []
    finished: list[int] = []
    started: list[threading.Thread] = []
    errors: list[BaseException] = []

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
            opened.set()
            if wanted and 0 not in entered:
                share(0)
            # not `join` alone: in Python 3.11 one that Ctrl-C interrupts takes a running thread for one that has ended
            while len(finished) < len(started):
                ended.wait()
                ended.clear()
            for thread in started:
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
