"""What the tests share: the backends, and networks to try them on."""

from __future__ import annotations

import os

import numba
import numpy as np
import pytest
from hypothesis import settings

import mlcore
from mlcore.kernels import BACKENDS, is_available

# the same examples in every run; HYPOTHESIS_PROFILE=explore draws new ones
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

HERE = [name for name in BACKENDS if is_available(name)]
COMPILED = [name for name in HERE if name != "python"]


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Each backend in turn, in force for the test."""
    if request.param not in HERE:
        pytest.skip(f"the backend {request.param} is not installed")
    with mlcore.config_context(backend=request.param):
        yield request.param


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture
def jit():
    """For what only a compiled function shows."""
    if numba.config.DISABLE_JIT:
        pytest.skip("NUMBA_DISABLE_JIT is set: nothing is compiled")
