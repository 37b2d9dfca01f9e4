"""Update rules by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mlcore import reference
from mlcore.reference import UPDATES


def test_names_of_the_update_rules():
    assert set(UPDATES) == {"sgd", "momentum", "nesterov", "adam", "adamw"}


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        # theta = 1, g = 2 and then g = -1, learning rate 0.1
        ("sgd", 1 - 0.2, 1 - 0.2 + 0.1),
        ("momentum", 1 - 0.2, 0.8 + (0.9 * -0.2 + 0.1)),
        ("nesterov", 1 + 0.9 * -0.2 - 0.2, 0.62 + 0.9 * (0.9 * -0.2 + 0.1) + 0.1),
        (
            "adam",
            # m = 0.2, v = 0.004, and the factor sqrt(0.001) / 0.1
            1 - 0.1 * math.sqrt(0.001) / 0.1 * 0.2 / (math.sqrt(0.004) + 1e-8),
            None,
        ),
        (
            "adamw",
            1 - 0.1 * math.sqrt(0.001) / 0.1 * 0.2 / (math.sqrt(0.004) + 1e-8) - 0.1 * 0.01,
            None,
        ),
    ],
)
def test_update_by_hand(name, first, second):
    state = {}
    theta, g = np.array([1.0]), np.array([2.0])
    after = UPDATES[name](theta, g, state, learning_rate=0.1)
    assert_allclose(after, [first], rtol=1e-12)
    assert_array_equal(theta, [1.0])
    if second is not None:
        after = UPDATES[name](after, np.array([-1.0]), state, learning_rate=0.1)
        assert_allclose(after, [second], rtol=1e-12)


def test_adamw_decays_apart_from_the_gradient():
    # Without a gradient Adam stands still and only the decay moves the parameter.
    theta = np.array([2.0, -4.0])
    options = {"learning_rate": 0.5, "weight_decay": 0.1}
    assert_allclose(UPDATES["adamw"](theta, np.zeros(2), {}, **options), 0.95 * theta)


def test_adam_against_scikit_learn():
    optimizers = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    generator = np.random.default_rng(6)
    theirs = generator.normal(size=(3, 2))
    ours, state = theirs.copy(), {}
    optimizer = optimizers.AdamOptimizer([theirs], learning_rate_init=0.05)
    for _ in range(20):
        gradient = generator.normal(size=(3, 2))
        optimizer.update_params([theirs], [gradient])
        ours = reference.adam_update(ours, gradient, state, learning_rate=0.05)
        assert_allclose(ours, theirs, rtol=1e-12)
    assert state["step"] == 20


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_against_scikit_learn(nesterov):
    optimizers = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    generator = np.random.default_rng(7)
    theirs = generator.normal(size=(3, 2))
    ours, state = theirs.copy(), {}
    optimizer = optimizers.SGDOptimizer([theirs], learning_rate_init=0.05, momentum=0.8, nesterov=nesterov)
    update = UPDATES["nesterov" if nesterov else "momentum"]
    for _ in range(20):
        gradient = generator.normal(size=(3, 2))
        optimizer.update_params([theirs], [gradient])
        ours = update(ours, gradient, state, learning_rate=0.05, momentum=0.8)
        assert_allclose(ours, theirs, rtol=1e-12)
