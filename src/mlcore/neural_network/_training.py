"""A fit: everything laid out once, then epochs by the hundred in one kernel call each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import kernels
from ..kernels import ids
from ..memory import aligned_zeros, shared_view
from ..threads import Contest, most_threads, patience, run_together, threads_for
from ._parameter_layout import ParameterLayout

_watcher: ContextVar[Callable[[int, float], None] | None] = ContextVar("mlcore_watcher", default=None)
# a kernel call does not see Ctrl-C: about this many multiply-adds (some tenths of a second at worst) at a time
_CALL_OPERATIONS = 1e9
# of a call that finds out whether one thread is faster or several
_TRIAL_OPERATIONS = 1e8
# what a step and each of its rows cost besides, in multiply-adds
_STEP_COST, _ROW_COST = 1e4, 64.0
# drawing so many rows in Python takes as long as handing a generator's state to the kernel and back
_LEAST_DRAWS = 2**13
# the count at which threads meet has a cache line for itself
_TEAM_NUMBERS = 16
# multiply-adds a second of a step so slow that, beyond the time to wait for threads, one of them must hang
_SLOWEST = 1e7


@contextmanager
def watch(callback: Callable[[int, float], None]) -> Iterator[None]:
    """Within the block every fit in this thread calls `callback(epoch, loss)` after each of its epochs."""
    token = _watcher.set(callback)
    try:
        yield
    finally:
        _watcher.reset(token)


def stream_seed(random_state: np.random.RandomState, n_fits: int = 0) -> float:
    """A whole number below 2**48 that follows from a generator's state, and draws nothing from it.

    `n_fits` tells fits apart between which nothing else was drawn either.
    """
    return float((deepcopy(random_state).randint(2**48, dtype=np.int64) + n_fits * 0x9E3779B97F4B) % 2**48)


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


def _can_draw(random_state: np.random.RandomState, n_draws: int) -> bool:
    """Whether the kernel can draw orders of rows as this generator does, and it is worth it."""
    return (
        n_draws >= _LEAST_DRAWS
        and np.dtype(np.intp).itemsize == 8
        and random_state.get_state(legacy=False)["bit_generator"] == "MT19937"
    )


class Training:
    """One fit in progress: parameters, the optimizer's state, and the kernel's arrays.

    Parameters
    ----------
    layout : ParameterLayout
    parameters : ndarray
        The flat vector that is trained, in place.
    X, T : ndarray
        Inputs and targets, C-contiguous, of the layout's dtype.
    sample_weight : ndarray
        One a row, or empty.
    loss_id : int
        The kernel's loss.
    mean : bool
        Whether a batch's loss is divided by its rows (or weights).
    settings : ndarray
        As `settings_of` makes it.
    optimizer, schedule : int
        Ids.
    batch_size : int
    numerical, sequential : bool
        Central differences instead of back-propagation; layer by layer instead of all at once.
    fixed_bias : bool
        Leave the biases as they are.
    by_rows : bool
        Average an epoch's loss over batches by their rows, even if rows have weights or the loss is a sum.
    in_order : bool
        Rows are taken as they stand, and are not gathered.
    dropout : sequence of float
        Each hidden layer's probability of a unit to be dropped; empty: none.
    n_threads : int, optional
        How many threads may share a step; None: as many as help.
    """

    def __init__(
        self,
        layout: ParameterLayout,
        parameters: NDArray[Any],
        X: NDArray[Any],
        T: NDArray[Any],
        sample_weight: NDArray[Any],
        *,
        loss_id: int,
        mean: bool,
        settings: NDArray[np.float64],
        optimizer: int,
        schedule: int = 0,
        batch_size: int,
        numerical: bool = False,
        sequential: bool = False,
        fixed_bias: bool = False,
        by_rows: bool = False,
        in_order: bool = False,
        dropout: Sequence[float] = (),
        n_threads: int | None = None,
    ) -> None:
        self.parameters = parameters
        self.kept = parameters.copy()
        self.n_rows = X.shape[0]
        row_operations = layout.difference_operations if numerical else 3.0 * layout.n_free
        step_operations = row_operations * min(batch_size, self.n_rows)
        self._n_threads = n_threads
        self._is_stepwise = numerical or sequential
        self._most_threads = (
            1 if self._is_stepwise else most_threads(n_threads, step_operations, min(batch_size, self.n_rows))
        )
        clipped = settings[ids.CLIP_NORM] != np.inf
        self._plan, self._work = layout.work(
            self.n_rows,
            batch_size=batch_size,
            gather=not in_order,
            backward=True,
            dropout=dropout,
            n_threads=self._most_threads,
            LOSS=loss_id,
            OPTIMIZER=optimizer,
            SCHEDULE=schedule,
            MEAN=int(mean),
            WEIGHTED=int(sample_weight.size > 0),
            NUMERICAL=int(numerical),
            SEQUENTIAL=int(sequential),
            FIXED_BIAS=int(fixed_bias),
            BY_ROWS=int(by_rows),
            CLIPPED=int(clipped),
        )
        self.settings = settings
        self._progress = np.zeros((self._most_threads, ids.N_PROGRESS))
        self.progress = self._progress[0]
        self._sums = np.zeros(2 * int(self._plan[ids.N_SUMS]))
        self._team = np.zeros(_TEAM_NUMBERS, np.intp)
        self._generator = np.empty(0, np.intp)
        self._patience = patience()
        self._ready = False
        self._contest = Contest()
        self.progress[ids.RATE] = self.settings[ids.LEARNING_RATE]
        self.progress[ids.BEST_LOSS] = np.inf
        moments = 0 if optimizer == ids.SGD else 2 * layout.n_parameters
        self.moments = aligned_zeros(moments, layout.dtype)
        self._gradient = aligned_zeros(layout.n_parameters if numerical or clipped else 0, layout.dtype)
        self._data = shared_view(X), shared_view(T), shared_view(sample_weight)
        self._step_cost = step_operations + _STEP_COST + _ROW_COST * min(batch_size, self.n_rows)
        self._epoch_operations = self._step_cost * -(-self.n_rows // batch_size)
        self._epochs_a_call = max(1, int(_CALL_OPERATIONS / self._epoch_operations))

    @property
    def stopped(self) -> int:
        """Why the fit ended, RUNNING while it has not."""
        return int(self.progress[ids.STOPPED])

    @property
    def bad_step(self) -> int:
        """The first step whose loss was not finite, 0 if none."""
        return int(self.progress[ids.BAD_STEP])

    def run(self, order: NDArray[np.intp], n_epochs: int = 1) -> list[float]:
        """Train on rows in `order` and give back each epoch's loss."""
        done = 0
        history = np.empty(n_epochs)
        while done < n_epochs and self.stopped == ids.RUNNING:
            self._plan[ids.N_EPOCHS] = n_epochs - done
            before = self.progress[ids.EPOCHS]
            operations = min(_CALL_OPERATIONS, self._epoch_operations * (n_epochs - done))
            most = self._most_threads if self._contest.favours_several() else 1
            with threads_for(most, self._n_threads, operations) as n_threads:
                limit = _TRIAL_OPERATIONS if self._is_open(n_threads) else _CALL_OPERATIONS
                self._plan[ids.MOST_STEPS] = max(1, int(limit / self._step_cost))
                self._call(n_threads, order, history[done:])
            done += int(self.progress[ids.EPOCHS] - before)
        return [float(loss) for loss in history[:done]]

    def _call(self, n_threads: int, order: NDArray[np.intp], history: NDArray[np.float64]) -> None:
        train = kernels().train_course if self._is_stepwise else kernels().train

        def share(thread: int) -> None:
            start = time.perf_counter()
            train(
                self._plan,
                self.settings,
                self._progress.reshape(-1),
                self._sums,
                *self._data,
                order,
                self.parameters,
                self.kept,
                self._gradient,
                self.moments,
                self._work,
                history,
                self._generator,
                self._team,
                thread,
            )
            seconds[thread] = time.perf_counter() - start

        seconds = [0.0] * n_threads
        steps = self.progress[ids.STEPS]
        self._plan[ids.N_THREADS] = n_threads
        self._team[:] = 0
        self._progress[1:] = self.progress
        if n_threads > 1 and not self._ready:
            # what compiling may raise is raised here, not while others wait
            epochs, self._plan[ids.N_EPOCHS] = int(self._plan[ids.N_EPOCHS]), 0
            self._call(1, order, history)
            self._plan[ids.N_EPOCHS], self._plan[ids.N_THREADS] = epochs, n_threads
        self._ready = True
        if n_threads == 1:
            share(0)
        elif not run_together(
            share,
            n_threads,
            lambda: self._team.fill(ids.ABANDONED),
            lambda: int(self._team[0]),
            self._patience + self._step_cost / _SLOWEST,
        ):
            self._call(1, order, history)
            return
        if self.progress[ids.STEPS] > steps:
            self._contest.note(n_threads > 1, max(seconds) / (self.progress[ids.STEPS] - steps))

    def _is_open(self, n_threads: int) -> bool:
        """Whether a call is to find out how fast so many threads are."""
        return self._most_threads > 1 and self._contest.is_due(n_threads > 1)

    def epochs(
        self, n_epochs: int, order: NDArray[np.intp], random_state: np.random.RandomState | None, single: bool = False
    ) -> Iterator[list[float]]:
        """Up to `n_epochs` epochs, the losses of each kernel call in turn; between calls an epoch is finished.

        `order` is shuffled in place before every epoch if there is a `random_state`, by its own draws. `single` makes
        one call an epoch.
        """
        watcher = _watcher.get()
        single = single or watcher is not None
        limit = 1 if single else self._epochs_a_call
        in_kernel = random_state is not None and _can_draw(random_state, order.size * min(limit, n_epochs))
        if random_state is not None and not in_kernel:
            limit = 1
        done = 0
        while done < n_epochs and self.stopped == ids.RUNNING:
            with self._drawn(order, random_state, in_kernel):
                losses = self.run(order, min(limit, n_epochs - done))
            done += len(losses)
            if watcher:
                watcher(done, losses[-1])
            yield losses

    @contextmanager
    def _drawn(
        self, order: NDArray[np.intp], random_state: np.random.RandomState | None, in_kernel: bool
    ) -> Iterator[None]:
        """Within the block `order` is drawn anew: by the kernel before each epoch, or here for a single one."""
        if random_state is None or not in_kernel:
            if random_state is not None:
                random_state.shuffle(order)
            yield
            return
        state = random_state.get_state(legacy=False)
        words: dict[str, Any] = state["state"]
        self._generator = np.append(words["key"], words["pos"]).astype(np.intp)
        self._plan[ids.SHUFFLED] = 1
        yield
        words["key"], words["pos"] = self._generator[:-1].astype(np.uint32), int(self._generator[-1])
        random_state.set_state(state)
