"""Linear models, exact and streaming: LinearRegression, Ridge, LogisticRegression."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from ._linear import LinearRegression, Ridge
    from ._logistic import LogisticRegression

__all__ = [
    "LinearRegression",
    "LogisticRegression",
    "Ridge",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "_linear": ("LinearRegression", "Ridge"),
        "_logistic": ("LogisticRegression",),
    },
)
