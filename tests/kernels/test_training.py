"""The end of an epoch, and batches without weight."""

import warnings

import numpy as np
import pytest
from conftest import HERE
from sklearn.exceptions import ConvergenceWarning

import mlcore
from mlcore.kernels import ids

from .arguments import problem


@pytest.mark.parametrize("schedule", ["invscaling", "adaptive"])
def test_schedules_and_stops(schedule):
    """The epoch's end (schedule, improvement, stop) is the same in every backend."""
    X, y = problem((3, 1), "huber", 12, "float64")
    found = []
    for backend in HERE:
        with mlcore.config_context(backend=backend):
            model = mlcore.MLPRegressor(
                hidden_layer_sizes=(2,), solver="sgd", learning_rate=schedule, learning_rate_init=0.05, max_iter=90,
                batch_size=5, tol=1e-3, n_iter_no_change=2, random_state=0,
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y.ravel())
            found.append(model)
    for model in found[1:]:
        assert model.n_iter_ == found[0].n_iter_
        np.testing.assert_allclose(model.loss_curve_, found[0].loss_curve_, rtol=1e-12)
        np.testing.assert_array_equal(model._optimizer[1][ids.RATE], found[0]._optimizer[1][ids.RATE])
    rate = found[0]._optimizer[1][ids.RATE]
    assert rate < 0.05
    if schedule == "invscaling":
        assert rate == pytest.approx(0.05 / (found[0].t_ + 1) ** 0.5)


def test_a_batch_without_weight_moves_nothing(backend):
    X, T = problem((3, 1), "huber", 4, "float64")
    net = mlcore.Network((3, 1), ("identity",), random_state=0)
    before = net.flat.copy()
    net.fit(X, T, batch_size=2, sample_weight=[0, 0, 1, 1], shuffle=False)
    alone = mlcore.Network((3, 1), ("identity",), random_state=0).fit(X[2:], T[2:], shuffle=False)
    assert (net.flat != before).any()
    np.testing.assert_array_equal(net.flat, alone.flat)
