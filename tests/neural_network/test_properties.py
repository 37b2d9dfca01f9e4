"""Properties that hold for every network, drawn by Hypothesis: sizes, activations, losses, weights, batches."""

import numpy as np
import pytest
from conftest import COMPILED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlcore
from mlcore import reference
from mlcore.activations import ACTIVATIONS
from mlcore.optimizers import RULES

SMOOTH = [name for name in ACTIVATIONS if name not in ("softmax", "exponential")]
PAIRS = [
    ("mean_squared_error", "identity"),
    ("mean_absolute_error", "tanh"),
    ("root_mean_squared_error", "silu"),
    ("huber", "softplus"),
    ("poisson", "exponential"),
    ("poisson", "sigmoid"),
    ("binary_cross_entropy", "sigmoid"),
    ("categorical_cross_entropy", "softmax"),
    ("mean_squared_error", "softmax"),
]


@st.composite
def problems(draw):
    """A network with rows, right answers and whole-number weights."""
    sizes = draw(st.lists(st.integers(1, 20), min_size=2, max_size=5))
    loss, last = draw(st.sampled_from(PAIRS))
    activations = [draw(st.sampled_from(SMOOTH)) for _ in sizes[2:]] + [last]
    reduction = draw(st.sampled_from(["mean", "sum"]))
    n, seed = draw(st.integers(1, 12)), draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    X, T = rng.standard_normal((n, sizes[0])), rng.uniform(0.05, 0.95, (n, sizes[-1]))
    if last == "softmax":
        T /= T.sum(axis=1, keepdims=True)
    net = mlcore.Network(
        sizes, activations, mlcore.losses.LOSSES[loss].with_options(reduction=reduction), random_state=seed
    )
    return net, X, T, rng.integers(1, 4, n)


def quick(function):
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=60, deadline=None, suppress_health_check=checks)(function)


def close(a, b, tolerance=1e-10):
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1e-3, np.abs(b).max(initial=0.0)))


@quick
@given(problem=problems())
def test_the_gradient_is_the_textbooks(problem):
    net, X, T, counts = problem
    for backend in COMPILED:
        with mlcore.config_context(backend=backend):
            value, gradient = net.loss_and_gradient(X, T, counts)
        more = {"reduction": net.loss.reduction, "sample_weight": counts.astype(float)}
        known = net.weights, net.biases, net.activations, net.loss.name, X, T
        assert value == pytest.approx(reference.network_loss(*known, **more), rel=1e-11)
        wanted = reference.network_gradient(*known, **more)
        largest = max(np.abs(part).max() for part in (*wanted[0], *wanted[1]))
        for got, want in zip((*gradient.weights, *gradient.biases), (*wanted[0], *wanted[1]), strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * max(largest, 1e-3))


@quick
@given(problem=problems(), data=st.data())
def test_order_and_repetition_of_rows(problem, data):
    """Rows in another order, and a weight of k in place of k equal rows, leave loss and gradient as they are."""
    net, X, T, counts = problem
    value, gradient = net.loss_and_gradient(X, T, counts)
    order = np.array(data.draw(st.permutations(range(len(X)))))
    shuffled, other = net.loss_and_gradient(X[order], T[order], counts[order])
    assert shuffled == pytest.approx(value, rel=1e-11)
    close(other.flat, gradient.flat)
    repeated, again = net.loss_and_gradient(np.repeat(X, counts, axis=0), np.repeat(T, counts, axis=0))
    assert repeated == pytest.approx(value, rel=1e-11)
    close(again.flat, gradient.flat)


@pytest.mark.filterwarnings("ignore:Training diverged:RuntimeWarning")
@quick
@given(problem=problems(), optimizer=st.sampled_from(list(RULES)), batch_size=st.integers(1, 13))
def test_compilers_train_to_the_same_bits(problem, optimizer, batch_size):
    net, X, T, counts = problem
    start = net.flat.copy()
    found = []
    for backend in COMPILED:
        net.flat[:] = start
        net._random_state.seed(0)
        with mlcore.config_context(backend=backend):
            net.fit(
                X, T, epochs=3, batch_size=batch_size, optimizer=optimizer, learning_rate=0.01, sample_weight=counts
            )
        found.append((net.flat.copy(), net.history))
    for flat, history in found[1:]:
        np.testing.assert_array_equal(flat, found[0][0])
        assert history == found[0][1]
    # a lone class is always certain, and a fit that diverges at once goes back
    if found[0][1] and (net.activations[-1] != "softmax" or net.layer_sizes[-1] > 1):
        assert (found[0][0] != start).any()


@quick
@given(problem=problems())
def test_backward_carries_any_gradient_home(problem):
    """<dY, dY/dx v> = <backward(dY).inputs, v>: by the difference along one direction."""
    net, X, _, _ = problem
    if any(name in ("relu", "leaky_relu") for name in net.activations):
        return  # a direction may cross a kink
    rng = np.random.default_rng(0)
    dY, v = rng.standard_normal((len(X), net.layer_sizes[-1])), rng.standard_normal(X.shape)
    along = mlcore.numerical_derivative(lambda s: float((net.forward(X + s * v) * dY).sum()), 0.0, 1e-5)
    assert float((net.backward(X, dY).inputs * v).sum()) == pytest.approx(along, rel=1e-5, abs=1e-6)
