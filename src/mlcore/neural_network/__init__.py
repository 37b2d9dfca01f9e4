"""Feed-forward networks: scikit-learn's estimators, and a network of plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from ._network import Gradient, Network, Trace
    from ._perceptron import MLPClassifier, MLPRegressor

__all__ = [
    "Gradient",
    "MLPClassifier",
    "MLPRegressor",
    "Network",
    "Trace",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "_network": ("Gradient", "Network", "Trace"),
        "_perceptron": ("MLPClassifier", "MLPRegressor"),
    },
)
