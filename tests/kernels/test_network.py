"""Forward, backward, gradient and training: the same bits from both compilers, and the textbook's numbers."""

import numpy as np
import pytest
from conftest import COMPILED, HERE

import mlcore
from mlcore import reference
from mlcore.losses import LOSSES
from mlcore.memory import aligned_zeros
from mlcore.optimizers import RULES

from .arguments import HIDDEN, dtypes, problem, relative, run_all

pytestmark = pytest.mark.usefixtures("canaries")

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
LAST = {"binary_cross_entropy": "sigmoid", "categorical_cross_entropy": "softmax", "poisson": "exponential"}


def agree(results, dtype):
    first = results[HERE[0]]
    for backend, found in results.items():
        for name in first:
            if backend in COMPILED and HERE[0] in COMPILED:
                np.testing.assert_array_equal(found[name], first[name], err_msg=f"{backend} {name}")
            else:
                tolerance = max(TOLERANCE[dtype], 1e-9 if dtype == "float64" else 2e-4)
                assert relative(found[name], first[name]) <= tolerance, (backend, name)
            assert np.isfinite(np.asarray(found[name])[np.isfinite(first[name])]).all()


@dtypes
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", HIDDEN)
def test_backends_agree_and_match_the_reference(activation, loss, dtype):
    last = LAST.get(loss, "identity")
    sizes, activations = (5, 9, 3), (activation, last)
    results = {}
    for backend in HERE:
        net, parameters, results[backend] = run_all(backend, sizes, activations, loss, dtype, n=6, weighted=True)
    agree(results, dtype)
    weights, biases = ([v.astype(float) for v in views] for views in net.views(parameters))
    X, T = problem(sizes, loss, 6, dtype)
    row_weights = np.random.default_rng(5).uniform(0.5, 2.0, 6).astype(dtype)
    z, a = reference.forward(weights, biases, activations, X)
    for found in results.values():
        assert relative(found["forward"], a[-1]) <= TOLERANCE[dtype]
        wanted = reference.network_gradient(weights, biases, activations, loss, X, T, sample_weight=row_weights)
        mass = row_weights.astype(float).sum()
        for got, want, matrix in zip(net.views(found["gradient"])[0], wanted[0], weights, strict=True):
            assert relative(got, want + 0.01 / mass * matrix) <= TOLERANCE[dtype]
        for got, want in zip(net.views(found["gradient"])[1], wanted[1], strict=True):
            assert relative(got, want) <= TOLERANCE[dtype]
        value = reference.network_loss(weights, biases, activations, loss, X, T, sample_weight=row_weights)
        value += 0.005 / mass * sum((matrix**2).sum() for matrix in weights)
        assert found["value"] == pytest.approx(value, rel=TOLERANCE[dtype])
        by_weight, by_bias, by_input = reference.backward(weights, activations, z, a, T)
        for got, want in zip(net.views(found["backward"])[0], by_weight, strict=True):
            assert relative(got, want) <= TOLERANCE[dtype]
        for got, want in zip(net.views(found["backward"])[1], by_bias, strict=True):
            assert relative(got, want) <= TOLERANCE[dtype]
        assert relative(found["inputs"], by_input) <= TOLERANCE[dtype]


@dtypes
@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize(
    ("sizes", "n"), [((3, 2), 5), ((1, 1), 1), ((4, 16, 1), 33), ((17, 33, 7, 5, 8, 2), 9), ((8, 64, 16), 8)]
)
def test_shapes_and_optimizers(sizes, n, optimizer, dtype):
    activations = ("tanh",) * (len(sizes) - 2) + ("identity",)
    results = {}
    for backend in HERE:
        net, parameters, results[backend] = run_all(
            backend, sizes, activations, "mean_squared_error", dtype, n, optimizer
        )
    agree(results, dtype)
    # the padding stays zero, whatever moved
    mask = aligned_zeros(net.n_parameters, dtype)
    for views in net.views(mask):
        for view in views:
            view[:] = 1
    assert not results[HERE[0]]["trained"][mask == 0].any()
    # and the same steps by the textbook
    weights, biases = ([v.astype(float) for v in views] for views in net.views(parameters))
    X, T = problem(sizes, "mean_squared_error", n, dtype)
    random_state, order = np.random.RandomState(3), np.arange(n)
    rule, more = reference.UPDATES[optimizer], {}
    if optimizer.startswith("adam"):
        more = {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-8}
        if optimizer == "adamw":
            more["weight_decay"] = 0.1
    states = [{} for _ in (*weights, *biases)]
    for _ in range(2):
        random_state.shuffle(order)
        for first in range(0, n, 4):
            rows = order[first : first + 4]
            g = reference.network_gradient(weights, biases, activations, "mean_squared_error", X[rows], T[rows])
            by_weight = [gw + 0.01 / len(rows) * w for gw, w in zip(g[0], weights, strict=True)]
            moved = [
                rule(p, d, s, learning_rate=0.01, **more)
                for p, d, s in zip((*weights, *biases), (*by_weight, *g[1]), states, strict=True)
            ]
            weights, biases = moved[: len(weights)], moved[len(weights) :]
    for found in results.values():
        for got, want in zip(sum(net.views(found["trained"]), []), (*weights, *biases), strict=True):
            # Adam divides by roots of squared gradients, which magnifies the rounding of small ones
            assert relative(got, want) <= TOLERANCE[dtype] * (100 if optimizer.startswith("adam") else 1)


def test_no_rows(backend):
    net = mlcore.Network((3, 4, 2), random_state=0)
    assert net.forward(np.empty((0, 3))).shape == (0, 2)
    assert net.trace(np.empty((0, 3))).z[0].shape == (0, 4)
    gradient = net.backward(np.empty((0, 3)), np.empty((0, 2)))
    assert gradient.inputs.shape == (0, 3)
    assert not gradient.flat.any()
