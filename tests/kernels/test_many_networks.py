"""Networks of many groups in one call: NumPy's draws, the bits of each fit alone, predictions of many."""

import numpy as np
import pytest
from conftest import COMPILED, HERE

from mlcore import reference
from mlcore.activations import ACTIVATIONS
from mlcore.kernels import load_backend
from mlcore.neural_network._parameter_layout import ParameterLayout, bounds_of_draws, initial_parameters

from .arguments import dtypes, poisoned, problem, relative, run_many_networks, run_train, same_bits, unguarded

SEEDS = [0, 1, 2, 7, 42, 2**31 - 1, 2**31, 123456789, 4023456789, 2**32 - 2, 2**32 - 1]


def layout(sizes, activations, dtype):
    return ParameterLayout(sizes, [ACTIVATIONS[name] for name in activations], dtype)


@dtypes
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("backend", COMPILED)
def test_draws_are_those_of_numpy(backend, activation, dtype):
    """Of every seed, in more numbers than the generator makes at once; the padding is 0."""
    sizes, activations = (9, 33, 7, 2), (activation, activation, "identity")
    net = layout(sizes, activations, dtype)
    seeds = SEEDS + np.random.default_rng(0).integers(0, 2**32, 50).tolist()
    X, T = problem(sizes, "mean_squared_error", 3, dtype)
    data = X, T, np.empty(0, dtype), np.arange(3)
    # no epoch: what was drawn is left
    parameters, *_ = run_many_networks(
        backend, net, activations, "mean_squared_error", "adam", data, [(0, 3)] * len(seeds), seeds, epochs=0
    )
    for found, seed in zip(parameters, seeds, strict=True):
        np.testing.assert_array_equal(found, initial_parameters(net, np.random.RandomState(seed)))
        random_state = np.random.RandomState(seed)
        for weights, bias, bound in zip(*net.views(found), bounds_of_draws(net), strict=True):
            np.testing.assert_array_equal(weights, random_state.uniform(-bound, bound, weights.shape).astype(dtype))
            np.testing.assert_array_equal(bias, random_state.uniform(-bound, bound, bias.shape).astype(dtype))


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_draws_in_plain_python(seed):
    net = layout((2, 3, 1), ("tanh", "identity"), "float64")
    X, T = problem((2, 3, 1), "mean_squared_error", 1, "float64")
    data = X, T, np.empty(0), np.arange(1)
    found, *_ = run_many_networks(
        "python", net, ("tanh", "identity"), "mean_squared_error", "sgd", data, [(0, 1)], [seed], epochs=0
    )
    np.testing.assert_array_equal(found[0], initial_parameters(net, np.random.RandomState(seed)))


NETWORKS = [
    ((8, 16, 1), ("relu", "identity"), "mean_squared_error", "adam"),
    ((1, 3), ("softmax",), "categorical_cross_entropy", "sgd"),
    ((9, 17, 7, 1), ("tanh", "sigmoid", "sigmoid"), "binary_cross_entropy", "momentum"),
    ((7, 9, 2), ("gelu", "identity"), "huber", "adamw"),
]
ROWS = [(0, 23), (23, 1), (5, 0), (24, 4), (28, 9), (37, 0)]


@dtypes
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: "-".join(map(str, network[0])))
def test_each_network_is_trained_as_alone(network, weighted, dtype):
    """Groups of more and fewer rows than a batch, of one and of none, whose rows stand anywhere."""
    sizes, activations, loss, optimizer = network
    net = layout(sizes, activations, dtype)
    X, T = problem(sizes, loss, 37, dtype)
    rng = np.random.default_rng(1)
    weight = np.where(rng.uniform(size=37) < 0.2, 0.0, rng.uniform(0.5, 2.0, 37)).astype(dtype)
    weight = weight if weighted else weight[:0]
    rows = rng.permutation(37).astype(np.intp)
    # plain Python for the smallest
    backends = HERE if sizes == (1, 3) and not weighted else COMPILED
    seeds = [3, 0, 1, 2**32 - 1, 5, 6]
    results = {
        name: run_many_networks(name, net, activations, loss, optimizer, (X, T, weight, rows), ROWS, seeds)
        for name in backends
    }
    same_bits(results, rtol=1e-9 if dtype == "float64" else 1e-4)
    for name, (parameters, moments, progress, history, ended) in results.items():
        for g, ((first, count), seed) in enumerate(zip(ROWS, seeds, strict=True)):
            if count == 0:
                assert np.isnan(parameters[g]).all()
                assert not moments[g].any()
                assert ended[g] == 0
                continue
            own = rows[first : first + count]
            wanted = run_train(
                name, net, activations, loss, optimizer, X[own], T[own], weight[own] if weighted else weight, seed
            )
            for found, alone in zip((parameters, moments, progress, history, ended), wanted, strict=True):
                np.testing.assert_array_equal(found[g], alone)
            assert ended[g] == 3
            assert not np.array_equal(parameters[g], initial_parameters(net, np.random.RandomState(seed)))


@dtypes
def test_no_networks(dtype, backend):
    net = layout((2, 1), ("identity",), dtype)
    X, T = problem((2, 1), "mean_squared_error", 3, dtype)
    data = X, T, np.empty(0, dtype), np.arange(3)
    found = run_many_networks(backend, net, ("identity",), "mean_squared_error", "adam", data, [], [])
    assert not any(part.size for part in found[:2])


@dtypes
@pytest.mark.parametrize("sizes", [(1, 1), (7, 3), (8, 16, 1), (9, 17, 7, 2)])
def test_predictions_of_many_networks(sizes, dtype):
    """Groups of no, one and many rows, each by a network at any place; what no group names stays."""
    activations = ["tanh"] * (len(sizes) - 2) + ["identity"]
    net = layout(sizes, activations, dtype)
    parameters = np.stack([initial_parameters(net, np.random.RandomState(seed)) for seed in range(3)])
    X, _ = problem(sizes, "mean_squared_error", 30, dtype)
    first, count, models = np.array([0, 13, 13, 14, 30]), np.array([13, 0, 1, 9, 0]), np.array([2, 1, 0, 2, 1])
    results = {}
    for name in HERE:
        plan, work = net.work(13, batch_size=5)
        room, output = poisoned(work.size, dtype), poisoned(30 * sizes[-1], dtype)
        room[: work.size] = work
        load_backend(name).many_forward(plan, X.ravel(), first, count, models, parameters.ravel(), output, room)
        unguarded(room)
        results[name] = [unguarded(output).reshape(30, -1)]
    same_bits(results, rtol=1e-12 if dtype == "float64" else 1e-5)
    for (found,) in results.values():
        assert np.isnan(found[23:]).all()
        for g in range(5):
            own = slice(first[g], first[g] + count[g])
            weights, biases = ([v.astype(float) for v in views] for views in net.views(parameters[models[g]]))
            _, a = reference.forward(weights, biases, activations, X[own]) if count[g] else (None, [found[own]])
            assert relative(found[own], a[-1]) <= (1e-12 if dtype == "float64" else 1e-5)
