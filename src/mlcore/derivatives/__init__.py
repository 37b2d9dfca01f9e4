"""Derivatives of Python and Numba functions, with error estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from ._functions import GradientCheck, check_gradient, gradient, hessian, jacobian, numerical_derivative

__all__ = [
    "GradientCheck",
    "check_gradient",
    "gradient",
    "hessian",
    "jacobian",
    "numerical_derivative",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "_functions": ("GradientCheck", "check_gradient", "gradient", "hessian", "jacobian", "numerical_derivative"),
    },
)
