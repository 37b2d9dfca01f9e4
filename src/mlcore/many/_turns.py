"""Groups by turns: threads take parts of a list of groups, each part one compiled call, until all are done."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import available, requested_threads
from ..threads import run_together, threads_for

# parts for each thread: enough that the last ones end together, and that Ctrl-C is heard
_PARTS = 32
# multiply-adds of a part that are worth a call from Python
_LEAST_PART = 2e5


def largest_first(operations: NDArray[Any]) -> NDArray[np.intp]:
    """An order in which the largest groups come first."""
    return np.argsort(-operations, kind="stable")


def in_turns(
    task: Callable[[int, int, Any], None],
    make_room: Callable[[], Any],
    operations: NDArray[Any],
    n_threads: int | None,
    report: Callable[[int], None] | None = None,
) -> NDArray[np.bool_]:
    """Call ``task(start, stop, room)`` for parts of the groups, whose `operations` say how large each is.

    Each thread makes one room for itself. Returns which groups are done: all, unless Ctrl-C ended it. What a task
    raises is raised when all threads have returned.
    """
    n = len(operations)
    done = np.zeros(n, bool)
    if n == 0:
        return done
    total = float(operations.sum())
    asked = requested_threads(n_threads)
    most = min(n, available() if asked is None else asked)
    share_of_part = max(_LEAST_PART, total / (_PARTS * most))
    part_of = (np.cumsum(operations) / share_of_part).astype(np.intp)
    bounds = np.append(np.flatnonzero(np.diff(part_of, prepend=-1)), n).tolist()
    turn = itertools.count()
    ended: list[bool] = []

    def share(_thread: int) -> None:
        room = make_room()
        while not ended and (part := next(turn)) < len(bounds) - 1:
            start, stop = bounds[part], bounds[part + 1]
            task(start, stop, room)
            done[start:stop] = True
            if report is not None:
                report(stop - start)

    try:
        with threads_for(most, n_threads, total) as threads:
            if threads == 1 or not run_together(share, threads, lambda: ended.append(True)):
                share(0)
    except KeyboardInterrupt:
        ended.append(True)
    return done
