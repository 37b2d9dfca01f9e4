"""Compile each kernel once, not once a level.

Numba optimises every jitted function and emits its machine code, and then does so again within each of its callers: a
kernel of eight levels is compiled eight times, for half a minute in all. Functions that only other functions call need
neither. They are marked by their name; for marked ones the steps below do nothing, and the kernel that they are linked
into is optimised as a whole. Where Numba's inner workings are not as expected nothing is changed: compiling is slow.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any

import numba
from numba.core import codegen, types

# the first minor version that was tested, and the first that was not
_TESTED = (0, 61), (0, 69)
_MARK = "mlcore_part_"


def mark_as_part(function: Any) -> Any:
    """Mark a function that is never called from Python: a call would jump to code that was never emitted."""
    if ENABLED:
        function.__qualname__ = _MARK + function.__name__
    return function


def once_for_literals(dispatcher: Any) -> Any:
    """Compile a function for an integer argument once, not again for each constant that stands in its place."""
    if not ENABLED:
        return dispatcher
    get_call_template = dispatcher.get_call_template

    def widened(arguments: Any, keywords: Any) -> Any:
        return get_call_template(tuple(types.unliteral(argument) for argument in arguments), keywords)

    dispatcher.get_call_template = widened
    return dispatcher


def _unless_part(instead: Callable[..., None]) -> Callable[[Any], Any]:
    def decorate(method: Any) -> Any:
        @wraps(method)
        def call(self: Any, *arguments: Any) -> Any:
            if _MARK in self.name:
                return instead(self, *arguments)
            return method(self, *arguments)

        return call

    return decorate


def _leave(library: Any) -> None:
    pass


def _close(library: Any) -> None:
    # what Numba does here, less handing the module to the machine
    library._finalize_dynamic_globals()
    library._final_module._CPUCodeLibrary__library = weakref.proxy(library)
    library._finalized = True


def _is_wanted(version: str) -> bool:
    """Whether this version of Numba was tested and the user has not switched linking off."""
    major, minor = version.split(".")[:2]
    return os.environ.get("MLCORE_NUMBA_LINKING", "1") != "0" and _TESTED[0] <= (int(major), int(minor)) < _TESTED[1]


def _install() -> bool:
    library, jit = codegen.CPUCodeLibrary, codegen.JITCPUCodegen
    wanted = ("_optimize_final_module", "_finalize_final_module", "_finalize_dynamic_globals")
    if not (all(hasattr(library, name) for name in wanted) and hasattr(jit, "set_env")):
        return False
    library._optimize_final_module = _unless_part(_leave)(library._optimize_final_module)
    library._finalize_final_module = _unless_part(_close)(library._finalize_final_module)
    set_env = jit.set_env

    @wraps(set_env)
    def set_env_if_emitted(self: Any, name: str, env: Any) -> None:
        # a part has no environment of its own in memory; it uses none
        if not (_MARK in name and self._engine.get_global_value_address(name) == 0):
            set_env(self, name, env)

    jit.set_env = set_env_if_emitted
    return True


ENABLED = _is_wanted(numba.__version__) and _install()
