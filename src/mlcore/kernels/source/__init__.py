"""The shared sources of the kernels: each algorithm once, for Cython, Numba and plain Python.

No module of this folder is imported. setup.py has Cython include what `texts` gives, and the loader runs it in one
namespace beside a backend's leaf functions; the constants of `kernels.ids` and `kernels.thresholds` come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SOURCES = (
    "mathematics",
    "activations",
    "losses",
    "yolo",
    "optimizers",
    "shuffle",
    "products",
    "network",
    "weights",
    "training",
    "moved_weights",
    "course_training",
    "fitting",
    "cross_products",
    "factor",
    "least_squares",
    "logistic",
    "newton",
    "many_linear",
    "many_logistic",
    "many_networks",
)

#: Sources that are read once more, with these names in place of those: kernels that differ in what they call alone.
AGAIN = {
    "fitting": {
        "step": "course_step",
        "gradient_kernel": "difference_kernel",
        "train_epochs": "train_course_epochs",
        "train_kernel": "train_course_kernel",
    }
}


def texts(directory: Path) -> Iterator[tuple[Path, str]]:
    """Each source's file and what to read for it, in their order."""
    for name in SOURCES:
        path = directory / f"{name}.py"
        text = path.read_text(encoding="utf-8")
        yield path, text
        if other := AGAIN.get(name):
            yield path, re.sub(r"\w+", lambda word, other=other: other.get(word[0], word[0]), text)
