"""Pickles name the module of each class: those of before the packages find their classes where they stand now."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# by former module and name: the module and the name of today
_TODAY = {
    "mlcore.differentiate": {"GradientCheck": ("derivatives", "GradientCheck")},
    "mlcore.logistic_regression": {"LogisticRegression": ("linear_model", "LogisticRegression")},
    "mlcore.network": {name: ("neural_network", name) for name in ("Gradient", "Network", "Trace")},
    "mlcore.plan": {
        "Layout": ("neural_network._parameter_layout", "ParameterLayout"),
        "Views": ("neural_network._parameter_layout", "Views"),
    },
    "mlcore.summary": {"Summary": ("linear_model._summary", "Summary")},
}


class FormerPaths:
    """Finds and loads the former modules, each with nothing in it but the classes that pickles look for.

    It is no subclass of the classes of `importlib.abc`, which take longer to load than mlcore's face.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module that once held classes of today; None for all others."""
        return ModuleSpec(fullname, self) if fullname in _TODAY else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """As usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Give it its classes, loaded when they are asked for."""
        today = _TODAY[module.__name__]

        def load(name: str) -> Any:
            if name not in today:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            home, new_name = today[name]
            return getattr(import_module(f"mlcore.{home}"), new_name)

        module.__dict__["__getattr__"] = load
