"""The shared sources of the kernels: each algorithm once, for Cython, Numba and plain Python.

No module of this folder is imported. setup.py has Cython include them as text, and the loader runs them in one
namespace beside a backend's leaf set, both in the order given here; the constants of `kernels.ids` and
`kernels.thresholds` come before the first.
"""

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
    "cross_products",
    "factor",
    "least_squares",
    "logistic",
    "newton",
)
