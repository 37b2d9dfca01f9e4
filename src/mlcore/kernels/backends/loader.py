"""How the shared sources become a module: each is run, in order, in one namespace beside a backend's leaf functions."""

from __future__ import annotations
import __future__

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import ids, source, thresholds
from ..source import SOURCES, texts


class _Ignored:
    """Stands for a Cython type: any attribute, subscript or call gives it back."""

    def __getattr__(self, name: str) -> _Ignored:
        return self

    def __getitem__(self, key: object) -> _Ignored:
        return self


class _Shim:
    """Stands for the `cython` module where no Cython is: types vanish, `cfunc` compiles or does nothing."""

    Py_ssize_t = double = pointer = _Ignored()

    def __init__(self, compile_function: Callable[[Any], Any]) -> None:
        self.cfunc = compile_function
        vars(self)["int"] = _Ignored()

    @staticmethod
    def declare(kind: object, value: int) -> int:
        return value

    @staticmethod
    def exceptval(**options: object) -> Callable[[Any], Any]:
        return lambda function: function

    @staticmethod
    def nogil(function: Any) -> Any:
        return function

    inline = nogil


def constants() -> dict[str, float]:
    """The numbers that kernels and their callers share, by name."""
    return {name: value for module in (ids, thresholds) for name, value in vars(module).items() if name.isupper()}


def source_directory() -> Path:
    """The folder of the shared sources."""
    return Path(source.__file__).parent


def source_files() -> list[Path]:
    """Every file that decides what the kernels of Numba do."""
    shared = [source_directory() / f"{name}.py" for name in ("__init__", *SOURCES)]
    kernels = source_directory().parent
    return [*shared, kernels / "ids.py", kernels / "thresholds.py", *sorted((kernels / "backends").glob("*.py"))]


def source_hash(*others: str) -> str:
    """A key for everything that decides what the compiled kernels do."""
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(path.read_bytes())
    for other in others:
        digest.update(other.encode())
    return digest.hexdigest()[:16]


def load(
    module_name: str,
    leaves: Mapping[str, Any],
    compile_function: Callable[[Any], Any] = lambda function: function,
    directory: Path | None = None,
) -> ModuleType:
    """Run the shared sources of `directory` under the shim, as a module that pickling and caches can find by name."""
    module = ModuleType(module_name)
    module.__dict__.update(leaves, **constants(), cython=_Shim(compile_function), floating=_Ignored())
    sys.modules[module_name] = module
    for path, text in texts(directory or source_directory()):
        # annotations stay text: they are Cython's, and mean nothing here
        code = compile(
            text,
            str(path),
            "exec",
            flags=__future__.annotations.compiler_flag,
            dont_inherit=True,
        )
        module.__file__ = str(path)
        exec(code, module.__dict__)  # noqa: S102 - our own source
    return module
