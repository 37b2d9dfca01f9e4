"""Which backend, how many threads: chosen by the environment, by a context, and told by `show_config`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from numbers import Integral
from typing import Any

from .kernels import BACKENDS, Kernels, is_available, load_backend, missing_extension

_backend: ContextVar[str | None] = ContextVar("mlcore_backend", default=None)
_n_threads: ContextVar[int | None] = ContextVar("mlcore_n_threads", default=None)


def kernels() -> Kernels:
    """The kernels in force: of `config_context`, else of ``MLCORE_BACKEND``, else ``auto``."""
    return load_backend(_backend.get() or os.environ.get("MLCORE_BACKEND") or "auto")


def requested_threads(n_threads: int | None = None) -> int | None:
    """The number of threads that was asked for: by an argument, else by `config_context`; None if by neither."""
    return _n_threads.get() if n_threads is None else n_threads


def available() -> int:
    """CPUs this process may use: affinity, cgroup, and the limits that OpenMP and joblib honour."""
    return _available()[0]


def _available() -> tuple[int, str]:
    from joblib import cpu_count

    n_cpus = cpu_count()
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if limit.isdecimal() and 0 < int(limit) < n_cpus:
        return int(limit), "OMP_NUM_THREADS"
    return n_cpus, "the CPUs that this process may use"


def _allowed() -> tuple[int, str]:
    """How many threads a fit may use that names no number of its own, and what says so."""
    if not kernels().threads:
        return 1, "this backend has no more"
    asked = requested_threads()
    return _available() if asked is None else (asked, "config_context")


def check_threads(n_threads: int | None) -> None:
    """``ValueError`` unless a number of threads is None or a whole number of at least 1."""
    if n_threads is not None and (
        isinstance(n_threads, bool) or not isinstance(n_threads, Integral) or not n_threads >= 1
    ):
        raise ValueError(f"n_threads is {n_threads!r}, but must be a whole number of at least 1, or None.")


@contextmanager
def config_context(*, backend: str | None = None, n_threads: int | None = None) -> Iterator[None]:
    """Use another backend or another number of threads within a ``with`` block, in this thread.

    Parameters
    ----------
    backend : {"auto", "cython", "numba", "python"}, optional
        The backend to use; None leaves the choice as it is.
    n_threads : int, optional
        How many threads may share a fit. None leaves the choice as it is: at first, as many as help and as the process
        may use (its affinity, its cgroup, ``OMP_NUM_THREADS``). No number changes a bit of any result.

    Raises
    ------
    ValueError
        If the name is unknown, or the number not at least 1.
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
    tokens = _backend.set(backend or _backend.get()), _n_threads.set(requested_threads(n_threads))
    try:
        yield
    finally:
        _backend.reset(tokens[0])
        _n_threads.reset(tokens[1])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Tell which backend is in force, which ones are here, why there is no extension, threads, and versions.

    The number of threads is the most that a fit may use, and stands with what sets it.

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
    chosen = kernels()
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
