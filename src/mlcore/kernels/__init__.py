"""The kernel contract, and how a backend is chosen.

Every backend is the same algorithms, those of `source/`, compiled or run with leaf functions of its own: the few that
all others end in, and that each compiler needs written another way.

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
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

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
    train_course: Callable[..., None]
    update: Callable[..., None]
    loss: Callable[..., float]
    yolo: Callable[..., float]
    cross_products: Callable[..., None]
    sum_pairs: Callable[..., None]
    factor: Callable[..., int]
    back_substitute: Callable[..., None]
    least_squares: Callable[..., int]
    at_risk: Callable[..., int]
    logistic_pass: Callable[..., None]
    newton: Callable[..., int]
    coordinate_descent: Callable[..., int]
    many_linear: Callable[..., None]
    many_quartiles: Callable[..., None]
    many_logistic: Callable[..., None]
    many_networks: Callable[..., None]
    many_forward: Callable[..., None]


#: What every backend gives: stands in the shared sources as NAME_kernel, and in the extension as NAME.
ENTRIES = tuple(field.name for field in fields(Kernels) if str(field.type).startswith("Callable"))


def compile_for(kernel: Callable[..., Any], *arguments: Any) -> None:
    """Have a kernel compiled for such arguments, where its backend would do so at the first call; nothing is run."""
    dispatcher_compile = getattr(kernel, "compile", None)
    if dispatcher_compile is not None:
        dispatcher_compile(tuple(map(import_module("numba").typeof, arguments)))


def is_available(name: str) -> bool:
    """Whether the backend can be loaded, without loading it."""
    if name == "cython":
        return find_spec("mlcore._kernels") is not None
    if name == "numba":
        return find_spec("numba") is not None
    return name == "python"


def _load_extension() -> tuple[ModuleType, str]:
    """The extension's build for the newest instruction set that this CPU runs, and what that is called."""
    baseline = import_module("mlcore._kernels")
    for level in range(baseline.supported_level(), 2, -1):
        with suppress(ImportError):
            return import_module(f"mlcore._kernels_x86_64_v{level}"), f"x86-64-v{level}"
    return baseline, "baseline"


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
    home: Any
    suffix = "_kernel"
    threads = False
    if name == "cython":
        home, detail = _load_extension()
        suffix, threads = "", home.THREADS
    elif name == "numba" and not (numba := import_module("numba")).config.DISABLE_JIT:
        backend = import_module("mlcore.kernels.backends.numba")
        home, detail, threads = backend.load_kernels(), f"numba {numba.__version__}", backend.THREADS
    else:
        home = import_module("mlcore.kernels.backends.python").load_kernels()
        # as debuggers want it, and as with every function that Numba would compile
        detail = "plain Python" if name == "python" else "plain Python, for NUMBA_DISABLE_JIT is set"
    entries = {entry: getattr(home, f"{entry}{suffix}") for entry in ENTRIES}
    return Kernels(name=name, detail=detail, threads=threads, **entries)
