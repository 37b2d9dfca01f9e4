"""The order of rows is NumPy's, to the draw."""

import numpy as np
import pytest
from conftest import data

import mlcore
from mlcore.neural_network import _draws
from mlcore.neural_network import _training as training_module

pytestmark = pytest.mark.usefixtures("quiet_machine")


@pytest.mark.parametrize("generator", ["MT19937", "PCG64"])
@pytest.mark.parametrize("n", [1, 2, 5, 64, 65, 700, 5000])
def test_rows_are_drawn_as_numpy_draws_them(n, generator, backend, monkeypatch):
    """A fit leaves order and generator where shuffles by NumPy would have, whoever made the draws."""
    if backend == "python" and n > 100:
        pytest.skip("slow in plain Python")
    monkeypatch.setattr(_draws, "_LEAST_DRAWS", 0)
    monkeypatch.setattr(training_module, "_CALL_OPERATIONS", 1e5)  # several calls, some of which end within an epoch
    mine, numpys = (np.random.RandomState(getattr(np.random, generator)(8)) for _ in range(2))
    mine.normal(), numpys.normal()  # and keeps the normal number that it has in store
    X, T = data(n, 1, 1, "float64")
    net = mlcore.Network((1, 1), random_state=mine)
    np.testing.assert_array_equal(net.flat, mlcore.Network((1, 1), random_state=numpys).flat)
    net.fit(X, T, epochs=7, batch_size=16)
    order = np.arange(n)
    for _ in range(7):
        numpys.shuffle(order)
    assert mine.normal() == numpys.normal()
    assert mine.randint(2**30) == numpys.randint(2**30)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_in_order_are_taken_where_they_stand(dtype):
    """Without a shuffle nothing is gathered, and the fit is that of a gathered batch in the same order."""
    X, T = data(37, 21, 3, dtype)
    nets = [mlcore.Network((21, 35, 3), dtype=dtype, random_state=0) for _ in range(2)]
    nets[0].fit(X, T, epochs=3, batch_size=16, optimizer="adam", shuffle=False)
    optimizer = mlcore.optimizers.Adam(nets[1], learning_rate=0.01)
    for _ in range(3):
        for first in range(0, 37, 16):
            rows = slice(first, first + 16)
            optimizer.step(nets[1].loss_and_gradient(X[rows], T[rows])[1])
    np.testing.assert_allclose(nets[0].flat, nets[1].flat, rtol=0, atol=1e-12 if dtype == "float64" else 1e-4)


def test_a_seeded_generator_is_as_new():
    """Seeding one that was used before gives the stream of a new one, and no two are lent at a time."""
    first = _draws.seeded_generator(5)
    first.normal(size=3)  # leaves a half of a pair behind
    _draws.release_generator(first)
    again, other = _draws.seeded_generator(7), _draws.seeded_generator(7)
    assert again is not other
    for generator in (again, other):
        fresh = np.random.RandomState(7)
        assert generator.normal(size=3).tolist() == fresh.normal(size=3).tolist()
        assert generator.permutation(9).tolist() == fresh.permutation(9).tolist()
    with pytest.raises(ValueError, match="Seed must be between 0 and 2"):
        _draws.seeded_generator(-1)
