"""Thousands of models at once: one fit for each group of rows, one for each setting and fold, in compiled calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import attach

if TYPE_CHECKING:
    from ._cross_validation import cross_validate_many
    from ._fit import fit_many
    from ._models import ManyModels

__all__ = ["ManyModels", "cross_validate_many", "fit_many"]

__getattr__, __dir__ = attach(
    __name__, {"_cross_validation": ("cross_validate_many",), "_fit": ("fit_many",), "_models": ("ManyModels",)}
)
