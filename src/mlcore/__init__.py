"""mlcore: regressions and feed-forward networks, trained and differentiated at compiled speed on a CPU.

Names are loaded when they are first used: ``import mlcore`` loads neither numba nor scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import losses, optimizers, reference
    from .config import config_context, show_config
    from .differentiate import GradientCheck, check_gradient, gradient, hessian, jacobian, numerical_derivative
    from .linear_model import LinearRegression, Ridge
    from .logistic_regression import LogisticRegression
    from .network import Gradient, Network, Trace
    from .neural_network import MLPClassifier, MLPRegressor
    from .persistence import load
    from .preprocessing import NetworkPlan, suggest_network, to_categorical

_ROOMS = {
    "config": ("config_context", "show_config"),
    "differentiate": ("GradientCheck", "check_gradient", "gradient", "hessian", "jacobian", "numerical_derivative"),
    "linear_model": ("LinearRegression", "Ridge"),
    "logistic_regression": ("LogisticRegression",),
    "network": ("Gradient", "Network", "Trace"),
    "neural_network": ("MLPClassifier", "MLPRegressor"),
    "persistence": ("load",),
    "preprocessing": ("NetworkPlan", "suggest_network", "to_categorical"),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}
_MODULES = ("losses", "optimizers", "reference")

__all__ = [
    "GradientCheck",
    "Gradient",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "NetworkPlan",
    "Ridge",
    "Trace",
    "check_gradient",
    "config_context",
    "gradient",
    "hessian",
    "jacobian",
    "load",
    "losses",
    "numerical_derivative",
    "optimizers",
    "reference",
    "show_config",
    "suggest_network",
    "to_categorical",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
