"""What a fit draws: the order of rows of each epoch, by NumPy or by the kernel, and the seed of what is dropped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

# drawing so many rows in Python takes as long as handing a generator's state to the kernel and back
_LEAST_DRAWS = 2**13

_kept = threading.local()


def stream_seed(random_state: np.random.RandomState, n_fits: int = 0) -> float:
    """A whole number below 2**48 that follows from a generator's state, and draws nothing from it.

    `n_fits` tells fits apart between which nothing else was drawn either.
    """
    return float((deepcopy(random_state).randint(2**48, dtype=np.int64) + n_fits * 0x9E3779B97F4B) % 2**48)


def seeded_generator(seed: int) -> np.random.RandomState:
    """``RandomState(seed)``, to be handed to `release_generator` once nobody needs it any more.

    To make one takes ten times as long as to seed it, so that each thread keeps those that it has made.
    """
    idle = _kept.__dict__.setdefault("idle", [])
    generator: np.random.RandomState = idle.pop() if idle else np.random.RandomState()
    generator.seed(seed)
    return generator


def release_generator(generator: np.random.RandomState) -> None:
    """Keep a generator for the next fit."""
    _kept.__dict__.setdefault("idle", []).append(generator)


@contextmanager
def undrawn_on_failure(random_state: np.random.RandomState | None) -> Iterator[None]:
    """Give a generator (if there is one) back as it was if the block raises."""
    state = None if random_state is None else random_state.get_state(legacy=False)
    try:
        yield
    except BaseException:
        if random_state is not None and state is not None:
            random_state.set_state(state)
        raise


class RowOrder:
    """In which order the rows of each epoch are taken: as they stand, or shuffled by a generator's own draws.

    Parameters
    ----------
    n_rows : int
    random_state : RandomState, optional
        Shuffles the rows before every epoch; None: they are taken as they stand.

    Attributes
    ----------
    rows : ndarray of int
        The order, shuffled in place.
    is_shuffled : bool
    """

    def __init__(self, n_rows: int, random_state: np.random.RandomState | None = None) -> None:
        self.rows = np.arange(n_rows)
        self.is_shuffled = random_state is not None
        self._random_state = random_state
        self._in_kernel = False

    def epochs_a_call(self, most: int, n_epochs: int) -> int:
        """How many of `n_epochs` one kernel call may have, `most` at most: one, where the draws are made here."""
        random_state = self._random_state
        self._in_kernel = random_state is not None and _can_draw(random_state, self.rows.size * min(most, n_epochs))
        return most if random_state is None or self._in_kernel else 1

    @contextmanager
    def drawn(self) -> Iterator[NDArray[np.intp] | None]:
        """Within the block the rows are drawn anew: here, for one epoch, or by the kernel before each of its epochs.

        The kernel's are from the words that the block is given, which it has to move on.
        """
        random_state = self._random_state
        if random_state is None or not self._in_kernel:
            if random_state is not None:
                random_state.shuffle(self.rows)
            yield None
            return
        state = random_state.get_state(legacy=False)
        words: dict[str, Any] = state["state"]
        generator = np.append(words["key"], words["pos"]).astype(np.intp)
        yield generator
        words["key"], words["pos"] = generator[:-1].astype(np.uint32), int(generator[-1])
        random_state.set_state(state)


def _can_draw(random_state: np.random.RandomState, n_draws: int) -> bool:
    """Whether the kernel can draw orders of rows as this generator does, and it is worth it."""
    return (
        n_draws >= _LEAST_DRAWS
        and np.dtype(np.intp).itemsize == 8
        and random_state.get_state(legacy=False)["bit_generator"] == "MT19937"
    )
