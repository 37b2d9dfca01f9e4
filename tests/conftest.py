"""What the tests share: the backends, and networks to try them on."""

import os
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import settings

import mlcore
from mlcore import threads
from mlcore.kernels import BACKENDS, ids, is_available
from mlcore.memory import VECTOR_BYTES, aligned_zeros
from mlcore.neural_network._parameter_layout import ParameterLayout

# the same examples in every run; HYPOTHESIS_PROFILE=explore draws new ones
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

pytest.register_assert_rewrite("kernels.arguments", "linear_model.problems")

ROOT = Path(__file__).resolve().parents[1]

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
def quiet_machine(monkeypatch):
    """What else runs beside the tests decides nothing: threads take part wherever they may."""
    monkeypatch.setattr(threads.Contest, "favours_several", lambda self: True)


@pytest.fixture
def jit():
    """For what only a compiled function shows."""
    if numba.config.DISABLE_JIT:
        pytest.skip("NUMBA_DISABLE_JIT is set: nothing is compiled")


# where a plan says that parts of the work array begin, of the network and of each layer
_PARTS = (
    "BLOCK SCRATCH VALUES SLOPES COLUMNS TARGETS ROW_WEIGHTS VARIANT_SCRATCH SLOTS".split(),
    "RAW ACTIVATED OUTPUT MASK DELTA TRANSPOSED MOVED_RAW MOVED".split(),
)


@pytest.fixture
def canaries(monkeypatch):
    """NaN of a pattern of its own between and behind the parts of every work array, where no kernel may write."""
    guarded = []
    plain = ParameterLayout.work

    def work(self, *arguments, **options):
        plan, array = plain(self, *arguments, **options)
        places = [getattr(ids, name) for name in _PARTS[0]]
        for layer in range(self.n_layers + 1):
            places += [ids.LAYERS + layer * ids.RECORD + getattr(ids, name) for name in _PARTS[1]]
        gap = VECTOR_BYTES // self.dtype.itemsize
        starts, numbers = np.unique(plan[places], return_inverse=True)
        assert starts[0] == 0  # the first part, and what is not there
        plan[places] += gap * numbers
        wide = aligned_zeros(array.size + gap * len(starts), self.dtype)
        ends = np.append(starts[1:], array.size) + gap * np.arange(len(starts))
        gaps = (ends[:, None] + np.arange(gap)).ravel()
        bits = wide.view(f"u{self.dtype.itemsize}")
        bits[gaps] = np.array(np.nan, self.dtype).view(bits.dtype) + 20
        guarded.append((bits, gaps, bits[gaps]))
        return plan, wide

    monkeypatch.setattr(ParameterLayout, "work", work)
    yield guarded
    for bits, gaps, before in guarded:
        np.testing.assert_array_equal(bits[gaps], before, "a kernel has written beside its parts of the work array")


def data(n, inputs, outputs, dtype="float64", seed=0):
    """Rows of a network and what it should answer."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, inputs)).astype(dtype), rng.uniform(0.1, 0.9, (n, outputs)).astype(dtype)
