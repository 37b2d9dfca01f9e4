"""Who does the work of the tables: mlcore, and other libraries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

BACKENDS = {"cython": "mlcore._kernels", "numba": "numba"}  # and the module that each needs


@dataclass(frozen=True)
class Contender:
    name: str
    module: str  # the contender is missing if this is
    call: Callable[..., Any]
    backend: str = ""  # mlcore's

    @property
    def is_installed(self) -> bool:
        return find_spec(self.module) is not None
