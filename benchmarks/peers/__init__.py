"""mlcore beside scikit-learn, PyTorch and JAX: the same networks, on the same data, trained in turn."""

import os

import numpy  # noqa: F401 - BLAS counts its threads when it is loaded

# the suite holds its benchmarks to one thread by the environment; here each library takes as many as it likes
_environment = os.environ.copy()
import suite  # noqa: E402, F401

os.environ.clear()
os.environ.update(_environment)
