"""mlcore: regressions and feed-forward networks, trained and differentiated at compiled speed on a CPU.

Names are loaded when they are first used: ``import mlcore`` loads neither numba nor scikit-learn.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ._former_paths import FormerPaths
from ._lazy import attach

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import losses, optimizers, reference
    from .config import config_context, show_config
    from .derivatives import GradientCheck, check_gradient, gradient, hessian, jacobian, numerical_derivative
    from .linear_model import LinearRegression, LogisticRegression, Ridge
    from .many import ManyModels, cross_validate_many, fit_many
    from .neural_network import Gradient, MLPClassifier, MLPRegressor, Network, Trace
    from .persistence import load
    from .preprocessing import NetworkPlan, suggest_network, to_categorical

__all__ = [
    "GradientCheck",
    "Gradient",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "ManyModels",
    "Network",
    "NetworkPlan",
    "Ridge",
    "Trace",
    "check_gradient",
    "config_context",
    "cross_validate_many",
    "fit_many",
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


__getattr__, __dir__ = attach(
    __name__,
    {
        "config": ("config_context", "show_config"),
        "derivatives": ("GradientCheck", "check_gradient", "gradient", "hessian", "jacobian", "numerical_derivative"),
        "linear_model": ("LinearRegression", "LogisticRegression", "Ridge"),
        "many": ("ManyModels", "cross_validate_many", "fit_many"),
        "neural_network": ("Gradient", "MLPClassifier", "MLPRegressor", "Network", "Trace"),
        "persistence": ("load",),
        "preprocessing": ("NetworkPlan", "suggest_network", "to_categorical"),
    },
    modules=("losses", "optimizers", "reference"),
)

# behind all other finders: it is asked for what nobody else finds
sys.meta_path.append(FormerPaths())
