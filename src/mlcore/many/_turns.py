"""Groups by turns: threads take parts of a list of groups, each part one compiled call, until all are done."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import available, requested_threads
from ..threads import run_together, threads_for

# parts for each thread: enough that the last ones end together, and that Ctrl-C is heard
_PARTS = 32
# multiply-adds of a part that are worth a call from Python
_LEAST_PART = 2e5
# and of one after which Ctrl-C is heard, unless a single group is larger: about a second
_MOST_PART = 4e9


class Report:
    """How far a call has come, and whether Ctrl-C has ended it.

    Parameters
    ----------
    show : callable, optional
        Takes how many groups are done, and how many of them failed, whenever more are. Threads call it by turns.

    Attributes
    ----------
    done, failed : int
    interrupted : bool
        No further fit begins then.
    """

    def __init__(self, show: Callable[[int, int], object] | None = None) -> None:
        self.done = self.failed = 0
        self.interrupted = False
        self._show = show
        self._lock = threading.Lock()

    def tell(self, n: int, failed: int = 0) -> None:
        """More groups are done, some of which failed; fewer, where `n` is negative, if some have to be fitted again."""
        with self._lock:
            self.done += n
            self.failed += failed
            if self._show is not None:
                self._show(self.done, self.failed)

    def interrupt(self) -> bool:
        """Hear Ctrl-C: False for the second time, which is to be raised."""
        first, self.interrupted = not self.interrupted, True
        return first


def largest_first(operations: NDArray[Any]) -> NDArray[np.intp]:
    """An order in which the largest groups come first."""
    return np.argsort(-operations, kind="stable")


def in_turns(
    task: Callable[[int, int, Any], None],
    make_room: Callable[[], Any],
    operations: NDArray[Any],
    n_threads: int | None,
    report: Report | None = None,
    note: Callable[[int, int, float], None] | None = None,
    *,
    counted: bool = True,
) -> NDArray[np.bool_]:
    """Call ``task(start, stop, room)`` for parts of the groups, whose `operations` say how large each is.

    Each thread makes one room for itself. Returns which groups are done: all, unless Ctrl-C ended it, as `report` says
    then; without one Ctrl-C is raised. What a task raises is raised when all threads have returned. Groups are
    `counted` where this call ends their fits. `note` takes each part's bounds and seconds.
    """
    n = len(operations)
    done = np.zeros(n, bool)
    if n == 0 or (report is not None and report.interrupted):
        return done
    total = float(operations.sum())
    asked = requested_threads(n_threads)
    most = min(n, available() if asked is None else asked)
    share_of_part = max(_LEAST_PART, min(_MOST_PART, total / (_PARTS * most)))
    part_of = (np.cumsum(operations) / share_of_part).astype(np.intp)
    bounds = np.append(np.flatnonzero(np.diff(part_of, prepend=-1)), n).tolist()
    turn = itertools.count()
    ended: list[bool] = []

    def share(_thread: int) -> None:
        try:
            room = make_room()
            while not ended and (part := next(turn)) < len(bounds) - 1:
                start, stop = bounds[part], bounds[part + 1]
                began = perf_counter()
                task(start, stop, room)
                done[start:stop] = True
                if note is not None:
                    note(start, stop, perf_counter() - began)
                if report is not None and counted:
                    report.tell(stop - start)
        except KeyboardInterrupt:
            ended.append(True)
            if report is None or not report.interrupt():
                raise

    try:
        with threads_for(most, n_threads, total) as threads:
            if threads == 1 or not run_together(share, threads, lambda: ended.append(True)):
                share(0)
    except KeyboardInterrupt:  # where this thread waits for others, or a second one
        if report is None or not report.interrupt():
            raise
    return done
