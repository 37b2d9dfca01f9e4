"""The kernel contract, and how a backend is chosen.

A backend is three compilers' worth of the same algorithm: the shared sources beside this file, run with a leaf set.

========  ==========================================================  ===================
name      is                                                          first call
========  ==========================================================  ====================
cython    the extension `_kernels`, compiled at installation          at once
numba     the same sources compiled for this CPU, cached on disk      seconds, once
python    the same sources in plain Python: slow, for debugging       at once
========  ==========================================================  ====================

Kernels validate nothing and allocate nothing: they take contiguous one-dimensional arrays (``plan``, ``rows`` and
``team`` of ``intp``; ``settings``, ``progress``, ``sums`` and ``history`` of ``float64``; all else of one floating
dtype), write into arrays their caller owns, and run without the GIL. docs/layout.md says what stands where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from ._shared import ENTRIES, load

BACKENDS = ("cython", "numba", "python")


@dataclass(frozen=True)
class Kernels:
    """The entries of one backend. Every backend has exactly these."""

    name: str
    detail: str
    threads: bool  # whether several may share a call of train
    forward: Callable[..., None]
    gradient: Callable[..., float]
    difference: Callable[..., float]
    backward: Callable[..., None]
    train: Callable[..., None]
    train_stepwise: Callable[..., None]
    update: Callable[..., None]
    loss: Callable[..., float]
    yolo: Callable[..., float]
    moments: Callable[..., None]
    sum_pairs: Callable[..., None]
    factor: Callable[..., int]
    back_substitute: Callable[..., None]
    least_squares: Callable[..., int]
    logistic_pass: Callable[..., None]
    newton: Callable[..., int]
    coordinate_descent: Callable[..., int]


@lru_cache(maxsize=1)
def layout() -> ModuleType:
    """Places in the plan, the settings and the progress by name; ids of activations, losses and optimizers."""
    return load("mlcore.kernels._layout", {}, names=("layout",))


def is_available(name: str) -> bool:
    """Whether the backend can be loaded, without loading it."""
    if name == "cython":
        return find_spec("mlcore._kernels") is not None
    if name == "numba":
        return find_spec("numba") is not None
    return name == "python"


def _extension() -> tuple[dict[str, Any], str, bool]:
    """The extension's build for the newest instruction set that this CPU runs."""
    baseline = import_module("mlcore._kernels")
    chosen, detail = baseline, "baseline"
    for level in range(baseline.supported_level(), 2, -1):
        try:
            chosen, detail = import_module(f"mlcore._kernels_x86_64_v{level}"), f"x86-64-v{level}"
            break
        except ImportError:
            continue
    return {name: getattr(chosen, name) for name in ENTRIES}, detail, chosen.THREADS


def _plain() -> dict[str, Any]:
    return import_module("mlcore.kernels.python_leaves").kernels()


def missing_extension() -> str | None:
    """Why there is no extension; None where there is one."""
    if is_available("cython"):
        return None
    package = Path(__file__).parent.parent
    reason = package / "_no_extension.txt"  # as setup.py left it
    if reason.exists():
        return reason.read_text(encoding="utf-8").strip()
    others = sorted(path.name for path in package.glob("_kernels.*") if path.suffix in (".so", ".pyd"))
    if others:
        return f"it was built for another Python ({', '.join(others)}); install mlcore again with this one"
    return "it was never built: this is no installation, but the sources"


@cache
def load_backend(name: str) -> Kernels:
    """The kernels of one backend by name; ``ImportError`` where it is absent.

    ``auto`` is the extension where it was built, else Numba.
    """
    if name == "auto":
        name = "cython" if is_available("cython") else "numba"
    if name not in BACKENDS:
        raise ValueError(f"backend is {name!r}, but must be one of 'auto', {', '.join(map(repr, BACKENDS))}.")
    if not is_available(name):
        advice = missing_extension() if name == "cython" else f"install the package {name!r}"
        raise ImportError(f"The backend {name!r} was asked for and is not here: {advice}.")
    if name == "cython":
        entries, detail, threads = _extension()
    elif name == "numba":
        numba = import_module("numba")
        if numba.config.DISABLE_JIT:  # for debuggers, as with every function that Numba would compile
            entries, detail, threads = _plain(), "plain Python, for NUMBA_DISABLE_JIT is set", False
        else:
            numba_leaves = import_module("mlcore.kernels.numba_leaves")
            entries, detail = numba_leaves.kernels(), f"numba {numba.__version__}"
            threads = numba_leaves.THREADS
    else:
        entries, detail, threads = _plain(), "plain Python", False
    return Kernels(name=name, detail=detail, threads=threads, **entries)
