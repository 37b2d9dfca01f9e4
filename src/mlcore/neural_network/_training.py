"""A fit: everything laid out once, then epochs by the hundred in one kernel call each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import chosen_kernels
from ..kernels import compile_for, ids
from ..memory import aligned_zeros, shared_view
from ..threads import ThreadChoice, patience, run_together
from ._draws import RowOrder
from ._parameter_layout import ParameterLayout

_watcher: ContextVar[Callable[[int, float], None] | None] = ContextVar("mlcore_watcher", default=None)
# a kernel call does not see Ctrl-C: about this many multiply-adds (some tenths of a second at worst) at a time
_CALL_OPERATIONS = 1e9
# of a call that finds out whether one thread is faster or several
_TRIAL_OPERATIONS = 1e8
# what a step and each of its rows cost besides, in multiply-adds
_STEP_COST, _ROW_COST = 1e4, 64.0
# the count at which threads meet has a cache line for itself
TEAM_NUMBERS = 16
# multiply-adds a second of a step so slow that, beyond the time to wait for threads, one of them must hang
_SLOWEST = 1e7
# a generator's words where the kernel draws nothing
_NO_WORDS = np.empty(0, np.intp)


@contextmanager
def watch(callback: Callable[[int, float], None]) -> Iterator[None]:
    """Within the block every fit in this thread calls `callback(epoch, loss)` after each of its epochs."""
    token = _watcher.set(callback)
    try:
        yield
    finally:
        _watcher.reset(token)


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

    Attributes
    ----------
    layout : ParameterLayout
    parameters : ndarray
        What is trained.
    kept : ndarray
        The parameters after the last epoch that ended finite.
    progress : ndarray
        What the kernel carries from one call to the next, by the ids of its entries.
    moments : ndarray
        The optimizer's state; empty for plain gradient descent.
    plan, settings, data, work
        What the kernel is told: numbers of the network and the fit, as laid out; settings; flat inputs, targets and row
        weights; room.
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
        self.layout = layout
        self.parameters = parameters
        self.kept = parameters.copy()
        self.n_rows = X.shape[0]
        rows_a_step = min(batch_size, self.n_rows)
        step_operations = rows_a_step * (layout.difference_operations if numerical else 3.0 * layout.n_free)
        self._step_cost = step_operations + _STEP_COST + _ROW_COST * rows_a_step
        self._epoch_operations = self._step_cost * -(-self.n_rows // batch_size)
        self._is_stepwise = numerical or sequential
        self._threads = ThreadChoice(1 if self._is_stepwise else n_threads, step_operations, rows_a_step)
        clipped = settings[ids.CLIP_NORM] != np.inf
        self.plan, self.work = layout.work(
            self.n_rows,
            batch_size=batch_size,
            gather=not in_order,
            backward=True,
            dropout=dropout,
            n_threads=self._threads.most,
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
        self.data = shared_view(X), shared_view(T), shared_view(sample_weight)
        self._progress = np.zeros((self._threads.most, ids.N_PROGRESS))
        self.progress = self._progress[0]
        self.progress[ids.RATE] = settings[ids.LEARNING_RATE]
        self.progress[ids.BEST_LOSS] = np.inf
        self.moments = aligned_zeros(0 if optimizer == ids.SGD else 2 * layout.n_parameters, layout.dtype)
        self._gradient = aligned_zeros(layout.n_parameters if numerical or clipped else 0, layout.dtype)
        self._sums = np.zeros(2 * int(self.plan[ids.N_SUMS]))
        self._team = np.zeros(TEAM_NUMBERS, np.intp)
        self._patience = patience() + self._step_cost / _SLOWEST if self._threads.most > 1 else math.inf

    @property
    def stopped(self) -> int:
        """Why the fit ended, RUNNING while it has not."""
        return int(self.progress[ids.STOPPED])

    @property
    def bad_step(self) -> int:
        """The first step whose loss was not finite, 0 if none."""
        return int(self.progress[ids.BAD_STEP])

    def go_on(self, moments: NDArray[Any], progress: NDArray[np.float64]) -> None:
        """Take over the optimizer's state of a fit that has ended."""
        self.moments[:], self.progress[:] = moments, progress
        for entry in (ids.EPOCHS, ids.STOPPED, ids.BAD_STEP, ids.POSITION, ids.EPOCH_LOSS, ids.EPOCH_MASS):
            self.progress[entry] = 0.0

    def epochs(self, n_epochs: int, order: RowOrder, *, single: bool = False) -> Iterator[list[float]]:
        """Up to `n_epochs` epochs, the losses of each kernel call in turn; between calls an epoch is finished.

        `single` makes one call an epoch.
        """
        watcher = _watcher.get()
        one = single or watcher is not None
        limit = order.epochs_a_call(1 if one else max(1, int(_CALL_OPERATIONS / self._epoch_operations)), n_epochs)
        if self._threads.most > 1:
            # what compiling may raise is raised here, not in one thread while others wait for it
            compile_for(self._kernel(), *self._arguments(order.rows, np.empty(0), _NO_WORDS), 0)
        done = 0
        while done < n_epochs and self.stopped == ids.RUNNING:
            with order.drawn() as generator:
                losses = self._run(min(limit, n_epochs - done), order.rows, generator)
            done += len(losses)
            if watcher:
                watcher(done, losses[-1])
            yield losses

    def _run(self, n_epochs: int, rows: NDArray[np.intp], generator: NDArray[np.intp] | None) -> list[float]:
        """Train `n_epochs` epochs, in as many kernel calls as it takes, and give back each epoch's loss."""
        done = 0
        history = np.empty(n_epochs)
        self.plan[ids.SHUFFLED] = generator is not None
        while done < n_epochs and self.stopped == ids.RUNNING:
            self.plan[ids.N_EPOCHS] = n_epochs - done
            before = self.progress[ids.EPOCHS]
            operations = min(_CALL_OPERATIONS, self._epoch_operations * (n_epochs - done))
            with self._threads.of_call(operations) as n_threads:
                limit = _TRIAL_OPERATIONS if self._threads.is_trial(n_threads) else _CALL_OPERATIONS
                self.plan[ids.MOST_STEPS] = max(1, int(limit / self._step_cost))
                self._call(n_threads, rows, history[done:], _NO_WORDS if generator is None else generator)
            done += int(self.progress[ids.EPOCHS] - before)
        return [float(loss) for loss in history[:done]]

    def _kernel(self) -> Callable[..., None]:
        backend = chosen_kernels()
        return backend.train_course if self._is_stepwise else backend.train

    def _arguments(
        self, rows: NDArray[np.intp], history: NDArray[np.float64], generator: NDArray[np.intp]
    ) -> tuple[NDArray[Any], ...]:
        """What the kernel is called with, but for the number of the thread."""
        return (
            self.plan,
            self.settings,
            self._progress.reshape(-1),
            self._sums,
            *self.data,
            rows,
            self.parameters,
            self.kept,
            self._gradient,
            self.moments,
            self.work,
            history,
            generator,
            self._team,
        )

    def _call(self, n_threads: int, *call: NDArray[Any]) -> None:
        """One kernel call by so many threads, or by one if the system has no more."""
        train, arguments = self._kernel(), self._arguments(*call)
        seconds = [0.0] * n_threads

        def share(thread: int) -> None:
            start = time.perf_counter()
            train(*arguments, thread)
            seconds[thread] = time.perf_counter() - start

        steps = self.progress[ids.STEPS]
        self.plan[ids.N_THREADS] = n_threads
        self._team[:] = 0
        self._progress[1:] = self.progress
        if n_threads == 1:
            share(0)
        elif not run_together(
            share,
            n_threads,
            lambda: self._team.fill(ids.ABANDONED),
            lambda: int(self._team[0]),
            self._patience,
        ):
            self._call(1, *call)
            return
        if self.progress[ids.STEPS] > steps:
            self._threads.note(n_threads, max(seconds) / (self.progress[ids.STEPS] - steps))
