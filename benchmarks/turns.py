"""What the comparisons share whose contenders take turns."""

from __future__ import annotations

from time import process_time, sleep


def settle() -> None:
    """Wait until the threads of this process sleep.

    OpenBLAS's look busily for more work for a tenth of a second, which takes a core from the next contender.
    """
    for _ in range(100):
        before = process_time()
        sleep(0.01)
        if process_time() - before < 0.001:
            return
