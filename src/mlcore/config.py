"""Which backend, how many threads: chosen by the environment, by a context, and told by `show_config`."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from numbers import Integral
from typing import Any

from .kernels import BACKENDS, Kernels, is_available, load_backend, missing_extension

_backend: ContextVar[str | None] = ContextVar("mlcore_backend", default=None)
_n_threads: ContextVar[int | None] = ContextVar("mlcore_n_threads", default=None)
_exact_threads: ContextVar[bool | None] = ContextVar("mlcore_exact_threads", default=None)


def chosen_kernels() -> Kernels:
    """The kernels in force: of `config_context`, else of ``MLCORE_BACKEND``, else ``auto``."""
    return load_backend(_backend.get() or os.environ.get("MLCORE_BACKEND") or "auto")


def requested_threads(n_threads: int | None = None) -> int | None:
    """The number of threads that an argument, else `config_context`, else MLCORE_NUM_THREADS asks for, if any does."""
    if n_threads is not None:
        return n_threads
    chosen = _n_threads.get()
    return _threads_of_environment() if chosen is None else chosen


def fixed_threads(n_threads: int | None = None) -> int | None:
    """The number of threads that every call must have, as asked for likewise; None where it is no more than a bound."""
    exact = _exact_threads.get()
    if exact or (exact is None and _threads_of_environment() is not None):
        return requested_threads(n_threads)
    return None


def _threads_of_environment() -> int | None:
    text = os.environ.get("MLCORE_NUM_THREADS")
    if text is None:
        return None
    if not (text.strip().isdecimal() and int(text) > 0):
        raise ValueError(f"MLCORE_NUM_THREADS is {text!r}, but must be a whole number of at least 1.")
    return int(text)


def available() -> int:
    """CPUs this process may use: affinity, cgroup, and the limits that OpenMP and joblib honour."""
    return _available()[0]


def _available() -> tuple[int, str]:
    n_cpus = _usable_cpus()
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if limit.isdecimal() and 0 < int(limit) < n_cpus:
        return int(limit), "OMP_NUM_THREADS"
    return n_cpus, "the CPUs that this process may use"


def _usable_cpus() -> int:
    from joblib import cpu_count

    affinity = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return _counted_cpus(cpu_count, affinity, os.environ.get("LOKY_MAX_CPU_COUNT"), int(time.monotonic()))


@lru_cache(1)
def _counted_cpus(cpu_count: Callable[[], int], *key: object) -> int:
    # reading a cgroup's files takes as long as a short fit's threads: once a second, or where anything else changed
    return cpu_count()


def _allowed() -> tuple[int, str]:
    """How many threads a fit may use that names no number of its own, and what says so."""
    if not chosen_kernels().threads:
        return 1, "this backend has no more"
    asked = requested_threads()
    if asked is None:
        return _available()
    reason = "MLCORE_NUM_THREADS" if _n_threads.get() is None else "config_context"
    return asked, reason if fixed_threads() is None else f"exactly, {reason}"


def check_threads(n_threads: int | None) -> None:
    """``ValueError`` unless a number of threads is None or a whole number of at least 1."""
    if n_threads is not None and (
        isinstance(n_threads, bool) or not isinstance(n_threads, Integral) or not n_threads >= 1
    ):
        raise ValueError(f"n_threads is {n_threads!r}, but must be a whole number of at least 1, or None.")


@contextmanager
def config_context(
    *, backend: str | None = None, n_threads: int | None = None, exact_threads: bool | None = None
) -> Iterator[None]:
    """Use another backend or another number of threads within a ``with`` block, in this thread.

    Parameters
    ----------
    backend : {"auto", "cython", "numba", "python"}, optional
        The backend to use; None leaves the choice as it is.
    n_threads : int, optional
        How many threads may share a fit. None leaves the choice as it is: at first, as many as help and as the process
        may use (its affinity, its cgroup, ``OMP_NUM_THREADS``). No number changes a bit of any result.
    exact_threads : bool, optional
        True: every fit has exactly as many threads as `n_threads` says, here or in its own argument, however small it
        is, instead of at most so many, where that is found to be faster. None leaves the choice as it is: at first
        False; ``MLCORE_NUM_THREADS=N`` in the environment is ``n_threads=N, exact_threads=True`` for the whole process.
        One thread remain what nothing can share: central differences and layer-by-layer training of a network, a
        backend without threads; and a pass over rows of a linear model has no more than there are segments of rows.

    Raises
    ------
    ValueError
        If the name is unknown, the number not at least 1, or ``exact_threads`` none of True, False and None.
    ImportError
        If the backend is not installed.

    Examples
    --------
    >>> import mlcore
    >>> with mlcore.config_context(backend="numba"):
    ...     y = mlcore.losses.mean_squared_error([1.0, 2.0], [1.0, 4.0])
    >>> y
    2.0
    """
    if backend is not None:
        load_backend(backend)
    check_threads(n_threads)
    if exact_threads not in (None, True, False):
        raise ValueError(f"exact_threads is {exact_threads!r}, but must be True, False or None.")
    backend_token = _backend.set(backend or _backend.get())
    number_token = _n_threads.set(_n_threads.get() if n_threads is None else n_threads)
    exact_token = _exact_threads.set(_exact_threads.get() if exact_threads is None else bool(exact_threads))
    try:
        yield
    finally:
        _backend.reset(backend_token)
        _n_threads.reset(number_token)
        _exact_threads.reset(exact_token)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Tell which backend is in force, which ones are here, why there is no extension, threads, and versions.

    The number of threads is the most that a fit may use, or exactly what it uses, and stands with what sets it.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default="stdout"
        Print a page, or return it as a dictionary.

    Returns
    -------
    dict or None
        The dictionary if ``mode="dicts"``.

    Raises
    ------
    ValueError
        If ``mode`` is neither.
    ImportError
        If ``MLCORE_BACKEND`` names a backend that is not here.
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode is {mode!r}, but must be 'stdout' or 'dicts'.")
    chosen = chosen_kernels()
    n_threads, reason = _allowed()
    report: dict[str, Any] = {
        "mlcore": _version("mlcore"),
        "backend": chosen.name,
        "backend detail": chosen.detail,
        "backends available": [name for name in BACKENDS if is_available(name)],
        **({"no extension": missing} if (missing := missing_extension()) else {}),
        "MLCORE_BACKEND": os.environ.get("MLCORE_BACKEND"),
        "threads": f"{n_threads} ({reason})",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {sys.platform}",
        **{name: _version(name) for name in ("numpy", "numba", "scikit-learn", "scipy")},
    }
    if mode == "dicts":
        return report
    for name, value in report.items():
        print(f"{name + ':':20}{', '.join(value) if isinstance(value, list) else value}")
    return None
