"""The one loop of all that is measured side by side: contenders take turns, round after round."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Hashable, Mapping
from contextlib import nullcontext
from time import perf_counter, process_time, sleep
from typing import Any, TypeVar

TURN = 0.1  # seconds: a call that takes less is repeated for so long, and the best counts
SLOW = 10.0  # seconds: a call that takes longer is not measured again

Label = TypeVar("Label", bound=Hashable)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def settle() -> None:
    """Wait until the threads of this process sleep.

    OpenBLAS's look busily for more work for a tenth of a second, which takes a core from the next contender.
    """
    for _ in range(100):
        before = process_time()
        sleep(0.01)
        if process_time() - before < 0.001:
            return


def best_call(call: Callable[[], Any], turn: float = TURN, backend: str = "") -> float:
    """Seconds of the best of the calls of a turn, by one of mlcore's backends if it is named."""
    context: Any = nullcontext()
    if backend:
        import mlcore  # here: a process that measures another library has no business with it

        context = mlcore.config_context(backend=backend)
    with context:
        best, end = float("inf"), perf_counter() + turn
        while True:
            start = perf_counter()
            call()
            now = perf_counter()
            best = min(best, now - start)
            if now >= end:
                return best


def take_turns(turns: Mapping[Label, Callable[[], float]], rounds: int) -> dict[Label, list[float]]:
    """The seconds that each turn returns, of every round.

    What else the machine does only adds to them, and adds most to long calls. So turns are short and rounds many, and
    a busy spell costs every contender a round, and none its best.
    """
    seconds: dict[Label, list[float]] = {label: [] for label in turns}
    for _ in range(rounds):
        for label, turn in turns.items():
            if not seconds[label] or seconds[label][0] <= SLOW:
                gc.collect()  # what one leaves behind is not the next one's work
                settle()
                seconds[label].append(turn())
    return seconds
