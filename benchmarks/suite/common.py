"""What the benchmarks share: a workload, the same work done by mlcore, by the reference, and perhaps by a peer."""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import mlcore
from mlcore.kernels import is_available

from .turns import best_call, take_turns

BACKENDS = ["cython", "numba"]

# One thread each: by the environment for what is loaded from here on, and for new processes; by a call for the rest.
for _name in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR", "NUMBA"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
threadpool_limits(1)


def require(backend: str) -> None:
    """Skip the benchmark where the backend is not installed."""
    if not is_available(backend):
        raise NotImplementedError(f"the backend {backend!r} is not installed")


def fill_numba_cache(self: Any) -> None:
    """Let Numba compile what it will keep on disk, so that no measurement pays for it; asv does this once a run."""
    if is_available("numba"):
        with mlcore.config_context(backend="numba"):
            X, T = np.ones((4, 2)), np.ones((4, 1))
            network = mlcore.Network((2, 3, 1), random_state=0)
            network.forward(X)
            network.numerical_gradient(X, T)
            network.fit(X, T)


fill_numba_cache.timeout = 600


def flat(numbers: Any) -> np.ndarray:
    """Arrays in lists in lists, as one vector."""
    if isinstance(numbers, list | tuple):
        return np.concatenate([flat(part) for part in numbers])
    return np.ravel(numbers)


class Workload(ABC):
    """One piece of work. A benchmark fails if its own result, the measured one, is not the reference's.

    The comparison comes in `teardown`: the reference's memory would count as the benchmark's if it came before.
    """

    params: Sequence[Sequence[Any]] = [BACKENDS]
    param_names: Sequence[str] = ["backend"]
    repeat = (3, 30, 2.0)
    timeout = 120
    rounds = 5  # of `track_speedup`
    setup_cache = fill_numba_cache

    title = ""  # of the row in the table, formatted with the parameters
    peer_name = ""

    result: Any = None
    _context: Any = None
    _ready = False
    _sizes: tuple[Any, ...] = ()
    _expected: dict[Any, np.ndarray] = {}  # of all workloads: the backends of one expect the same

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # asv sees the source of the methods below, but results compare only as long as the work is the same
        cls.version = sha256(inspect.getsource(cls).encode()).hexdigest()

    @abstractmethod
    def prepare(self, *sizes: Any) -> None:
        """Make the data, once."""

    @abstractmethod
    def run(self) -> Any:
        """Do the work by mlcore, and leave everything as it was."""

    @abstractmethod
    def reference(self) -> Any:
        """Do the work by `mlcore.reference`, and give back the numbers that `numbers` takes from mlcore's result."""

    def peer(self) -> Any:
        """Do the work by another library, and give back the same numbers."""
        raise NotImplementedError

    def numbers(self, result: Any) -> Any:
        return result

    def setup(self, backend: str, *sizes: Any) -> None:
        require(backend)
        self._context = mlcore.config_context(backend=backend)
        self._context.__enter__()
        if not self._ready:
            self._sizes = sizes
            self.prepare(*sizes)
            self.run()
            self._ready = True

    def teardown(self, backend: str, *sizes: Any) -> None:
        if self._context is None:
            return
        if self.result is not None:
            self.check(self.numbers(self.result))
        self._context.__exit__(None, None, None)
        self._context = None

    def check(self, numbers: Any) -> None:
        work = type(self), *self._sizes
        if work not in self._expected:
            self._expected[work] = flat(self.reference())
        expected = self._expected[work]
        if not (expected.size and np.isfinite(expected).all()):
            raise AssertionError("the reference found nothing to compare with")
        largest = float(np.abs(expected).max())
        np.testing.assert_allclose(flat(numbers), expected, rtol=1e-6, atol=1e-9 * largest)

    def time_run(self, backend: str, *sizes: Any) -> None:
        self.result = self.run()

    def peakmem_run(self, backend: str, *sizes: Any) -> None:
        self.result = self.run()

    def track_speedup(self, backend: str, *sizes: Any) -> float:
        """How many times as fast as the reference."""
        calls = (self.reference, self.run)
        theirs, ours = take_turns({call: partial(best_call, call, 0.01) for call in calls}, self.rounds).values()
        self.result = self.run()
        return min(theirs) / min(ours)

    track_speedup.unit = "x"
