"""Packages whose names are loaded when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def attach(
    package: str, homes: Mapping[str, Sequence[str]], modules: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping of str to sequence of str
        Its public names by the module (below it) that defines them.
    modules : sequence of str
        Its public modules.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def load(name: str) -> Any:
        if name in home_of:
            home = import_module(f".{home_of[name]}", package)
            value = getattr(home, name)
            if isinstance(value, type):
                import inspect  # which takes longer to load than all else here

                # typing would look their names up in the package, which a class's `__module__` names
                value.__annotations__ = inspect.get_annotations(value, globals=vars(home), eval_str=True)
        elif name in modules:
            value = import_module(f".{name}", package)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted([*home_of, *modules])
