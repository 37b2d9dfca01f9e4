"""Which backend, how many threads: chosen by the environment, by a context, and told by `show_config`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .kernels import BACKENDS, Kernels, is_available, load_backend

_backend: ContextVar[str | None] = ContextVar("mlcore_backend", default=None)


def kernels() -> Kernels:
    """The kernels in force: of `config_context`, else of ``MLCORE_BACKEND``, else ``auto``."""
    return load_backend(_backend.get() or os.environ.get("MLCORE_BACKEND") or "auto")


@contextmanager
def config_context(*, backend: str | None = None) -> Iterator[None]:
    """Use another backend within a ``with`` block, in this thread.

    Parameters
    ----------
    backend : {"auto", "cython", "numba", "python"}, optional
        The backend to use; None leaves the choice as it is.

    Raises
    ------
    ValueError
        If the name is unknown.
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
    token = _backend.set(backend or _backend.get())
    try:
        yield
    finally:
        _backend.reset(token)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Tell which backend is in force, which ones are here, and the versions beneath.

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
    report: dict[str, Any] = {
        "mlcore": _version("mlcore"),
        "backend": chosen.name,
        "backend detail": chosen.detail,
        "backends available": [name for name in BACKENDS if is_available(name)],
        "MLCORE_BACKEND": os.environ.get("MLCORE_BACKEND"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {sys.platform}",
        **{name: _version(name) for name in ("numpy", "numba", "scikit-learn", "scipy")},
    }
    if mode == "dicts":
        return report
    for name, value in report.items():
        print(f"{name + ':':20}{', '.join(value) if isinstance(value, list) else value}")
    return None
