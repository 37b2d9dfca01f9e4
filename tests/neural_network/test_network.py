"""Network: shapes, views, traces, gradients, fits, and what it says about bad input."""

import copy
import pickle

import numpy as np
import pytest

import mlcore
from mlcore import reference
from mlcore.activations import ACTIVATIONS
from mlcore.neural_network._training import watch

pytestmark = pytest.mark.usefixtures("canaries")

X = np.array([[0.5, -1.0], [1.5, 2.0], [-0.5, 0.25], [2.0, 1.0]])
T = np.array([[1.0], [0.0], [1.0], [0.5]])


def plain(net):
    return [w.astype(float) for w in net.weights], [b.astype(float) for b in net.biases]


def test_worked_case(backend):
    """Input [1, 2], target [1], a hidden layer of 3, sigmoid, MSE, rate 0.1: every Z, A, Y and the loss by hand."""
    net = mlcore.Network((2, 3, 1), activations=("sigmoid", "sigmoid"), loss="mean_squared_error", random_state=0)
    W2, b2 = np.array([[0.1, 0.2, -0.3], [0.4, -0.5, 0.6]]), np.array([0.1, 0.0, -0.1])
    W3, b3 = np.array([[0.7], [-0.8], [0.9]]), np.array([0.05])
    for to, of in zip((*net.weights, *net.biases), (W2, W3, b2, b3), strict=True):
        to[:] = of

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    x, t = np.array([[1.0, 2.0]]), np.array([[1.0]])
    z2 = x @ W2 + b2
    a2 = sigmoid(z2)
    z3 = a2 @ W3 + b3
    y = sigmoid(z3)
    trace = net.trace(x)
    np.testing.assert_allclose(z2, [[1.0, -0.8, 0.8]])
    for got, want in zip((*trace.z, *trace.a, trace.y, net.forward(x)), (z2, z3, a2, y, y, y), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)
    assert net.loss_value(x, t) == pytest.approx(float(((y - t) ** 2).sum()), rel=1e-14)
    d3 = 2 * (y - t) * y * (1 - y)
    d2 = (d3 @ W3.T) * a2 * (1 - a2)
    net.fit(x, t, learning_rate=0.1)
    np.testing.assert_allclose(net.weights[1], W3 - 0.1 * a2.T @ d3, rtol=1e-14)
    np.testing.assert_allclose(net.weights[0], W2 - 0.1 * x.T @ d2, rtol=1e-14)
    np.testing.assert_allclose(net.biases[0], b2 - 0.1 * d2[0], rtol=1e-14)
    np.testing.assert_allclose(net.biases[1], b3 - 0.1 * d3[0], rtol=1e-14)
    assert net.history == [pytest.approx(float(((y - t) ** 2).sum()))]


def test_views_share_the_parameters():
    net = mlcore.Network((2, 3, 1), random_state=0)
    net.weights[0][1, 2] = 42.0
    assert 42.0 in net.flat
    assert [w.shape for w in net.weights] == [(2, 3), (3, 1)]
    assert [b.shape for b in net.biases] == [(3,), (1,)]
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin.forward(X), net.forward(X))
        twin.biases[1][0] += 1
        np.testing.assert_allclose(twin.forward(X), net.forward(X) + 1)
        assert twin.weights[0].base is twin.flat.base


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numerical_gradient_is_the_textbook_difference(backend, dtype):
    net = mlcore.Network((2, 3, 1), activations=("tanh", "sigmoid"), dtype=dtype, random_state=1)
    weights, biases = plain(net)
    for delta, tolerance in ((1e-4, 1e-9), (0.1, 1e-9)):
        got = net.numerical_gradient(X, T, delta=delta)
        want = reference.network_numerical_gradient(
            weights, biases, net.activations, "mean_squared_error", X, T, delta=delta
        )
        tolerance = tolerance if dtype == "float64" else 1e-6
        for a, b in zip((*got.weights, *got.biases), (*want[0], *want[1]), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


DIFFERENCED = [
    ((3, 1), ("identity",), "root_mean_squared_error"),
    ((3, 4), ("tanh",), "root_mean_squared_error"),
    ((3, 2), ("sigmoid",), "binary_cross_entropy"),
    ((3, 4), ("softmax",), "categorical_cross_entropy"),
    ((3, 4), ("softmax",), "mean_absolute_error"),
    ((3, 5, 2), ("relu", "exponential"), "poisson"),
    ((3, 5, 3), ("gelu", "softmax"), "categorical_cross_entropy"),
    ((3, 5, 3), ("leaky_relu", "identity"), "huber"),
    ((3, 9, 4, 5, 2), ("elu", "relu", "softplus", "identity"), "mean_squared_error"),
    ((1, 17, 1), ("silu", "softplus"), "root_mean_squared_error"),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("sizes", "activations", "loss"), DIFFERENCED)
def test_differences_of_every_structure(backend, sizes, activations, loss, reduction, weighted):
    """At 0.1 kinks and all, and at 1e-4, the difference of a whole forward pass a side."""
    rng = np.random.default_rng(1)
    chosen = mlcore.losses.LOSSES[loss].with_options(reduction=reduction)
    net = mlcore.Network(sizes, activations, chosen, random_state=1)
    rows = rng.standard_normal((6, sizes[0]))
    right = rng.uniform(0.1, 0.9, (6, sizes[-1]))
    if activations[-1] == "softmax":
        right /= right.sum(axis=1, keepdims=True)
    weight = rng.uniform(0.5, 2, 6) if weighted else None
    for delta in (0.1, 1e-4):
        before = net.flat.copy()
        got = net.numerical_gradient(rows, right, delta=delta, sample_weight=weight)
        np.testing.assert_array_equal(net.flat, before)
        want = reference.network_numerical_gradient(
            *plain(net), activations, loss, rows, right, delta=delta, reduction=reduction, sample_weight=weight
        )
        for a, b in zip((*got.weights, *got.biases), (*want[0], *want[1]), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize(
    ("sizes", "activations", "loss", "n"),
    [
        ((40, 3, 2), ("sigmoid", "sigmoid"), "binary_cross_entropy", 1),  # one row, several rounds of variants
        ((70, 4), ("softmax",), "categorical_cross_entropy", 1),
        ((2, 3, 70), ("tanh", "sigmoid"), "binary_cross_entropy", 2),  # more factors than one product takes
        ((3, 4, 5, 2), ("relu", "tanh", "identity"), "mean_squared_error", 70),  # more rows than one round holds
    ],
)
def test_differences_with_inputs_that_are_zero_or_equal(backend, sizes, activations, loss, n):
    """Zero in all rows: the weight influences nothing, and its difference is exactly 0."""
    if backend == "python" and n > 1:
        n = 5
    rng = np.random.default_rng(3)
    net = mlcore.Network(sizes, activations, loss, random_state=1)
    rows = rng.standard_normal((n, sizes[0])) * (rng.random((n, sizes[0])) < 0.5)
    rows[:, 1] = 0.0
    if n == 1:  # equal inputs share their differences, with the bias too
        rows[0, 2:7], rows[0, 9:30:3], rows[0, 10:33:4] = 0.01, 1.0, 0.7
    right = rng.uniform(0.1, 0.9, (n, sizes[-1]))
    if activations[-1] == "softmax":
        right /= right.sum(axis=1, keepdims=True)
    got = net.numerical_gradient(rows, right)
    want = reference.network_numerical_gradient(*plain(net), activations, loss, rows, right)
    for a, b in zip((*got.weights, *got.biases), (*want[0], *want[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * max(1.0, np.abs(b).max()))
    assert not got.weights[0][1].any()


def test_difference_of_a_loss_that_is_not_finite(backend):
    """Infinity less infinity is no number, for weights that influence nothing too."""
    net = mlcore.Network((2, 2, 2), activations=("tanh", "identity"), random_state=0)
    net.biases[1][0] = 1e200  # the other output's loss is finite
    slopes = net.numerical_gradient(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
    for slope in (*slopes.weights, *slopes.biases):
        assert np.isnan(slope).all()


def test_numerical_gradient_across_a_kink(backend):
    """At delta 0.1 the difference jumps over ReLU's kink: it is the difference, not the derivative."""
    net = mlcore.Network((1, 1, 1), activations=("relu", "identity"))
    net.weights[0][:], net.weights[1][:], net.biases[0][:], net.biases[1][:] = 1.0, 1.0, 0.0, 0.0
    x, t = np.array([[0.05]]), np.array([[0.0]])
    slope = net.numerical_gradient(x, t, delta=0.1).biases[0][0]
    assert slope == pytest.approx((0.15**2 - 0.0) / 0.2)
    assert net.loss_and_gradient(x, t)[1].biases[0][0] == pytest.approx(0.1)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name not in ("softmax", "exponential")])
@pytest.mark.parametrize("loss", mlcore.losses.LOSSES)
def test_gradients_pass_the_projects_own_check(loss, activation):
    """Back-propagation against differences of the loss by every weight and bias, padding included."""
    last = {"binary_cross_entropy": "sigmoid", "categorical_cross_entropy": "softmax", "poisson": "exponential"}
    rng = np.random.default_rng(4)
    net = mlcore.Network((3, 5, 4, 2), (activation, activation, last.get(loss, "identity")), loss, random_state=2)
    rows, right = rng.standard_normal((7, 3)), rng.uniform(0.1, 0.9, (7, 2))
    if loss == "categorical_cross_entropy":
        right /= right.sum(axis=1, keepdims=True)
    start = net.flat.copy()
    claimed = net.loss_and_gradient(rows, right)[1].flat

    def value(flat):
        net.flat[:] = flat
        return net.loss_value(rows, right)

    check = mlcore.check_gradient(value, claimed, start)
    assert check, check.message


@pytest.mark.parametrize("update", ["joint", "sequential"])
@pytest.mark.parametrize("gradient", ["backprop", "numerical"])
def test_fit_follows_the_reference(backend, gradient, update):
    net = mlcore.Network((2, 3, 1), activations=("tanh", "sigmoid"), loss="binary_cross_entropy", random_state=2)
    weights, biases = plain(net)
    reference.train(
        weights, biases, net.activations, "binary_cross_entropy", X, T, learning_rate=0.5, epochs=5,
        gradient="numerical" if gradient == "numerical" else "backpropagation", update=update,
    )  # fmt: skip
    net.fit(X, T, epochs=5, learning_rate=0.5, gradient=gradient, update=update, shuffle=False)
    for got, want in zip((*net.weights, *net.biases), (*weights, *biases), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9)


def test_sequential_differs_from_joint():
    nets = [
        mlcore.Network((2, 3, 1), random_state=2).fit(X, T, learning_rate=0.3, update=u)
        for u in ("joint", "sequential")
    ]
    assert not np.allclose(nets[0].biases[1], nets[1].biases[1])
    np.testing.assert_allclose(nets[0].weights[0], nets[1].weights[0])


def test_custom_loss_trains_like_the_compiled_one():
    """A Python object with value_and_gradient takes the slow lane to the same place."""

    class Squares:
        def value_and_gradient(self, y_true, y_pred):
            return float(((y_pred - y_true) ** 2).mean()), 2 * (y_pred - y_true) / y_pred.size

    options = dict(epochs=4, batch_size=3, optimizer="adam", learning_rate=0.01)
    a = mlcore.Network((2, 3, 1), activations=("tanh", "identity"), random_state=5).fit(X, T, **options)
    b = mlcore.Network((2, 3, 1), ("tanh", "identity"), Squares(), random_state=5).fit(X, T, **options)
    np.testing.assert_allclose(a.flat, b.flat, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(a.history, b.history)
    with pytest.raises(ValueError, match="own losses"):
        b.fit(X, T, gradient="numerical")


def test_gradient_by_inputs():
    net = mlcore.Network((2, 4, 1), activations=("silu", "tanh"), random_state=3)
    found = net.backward(X, 2 * (net.forward(X) - T))
    wanted = mlcore.numerical_derivative(lambda x: float(((net.forward(x) - T) ** 2).sum()), X.copy())
    np.testing.assert_allclose(found.inputs, wanted, atol=1e-8)


def test_sample_weight_counts_rows(backend):
    net = mlcore.Network((2, 3, 1), random_state=4)
    value, gradient = net.loss_and_gradient(X, T, sample_weight=[2, 1, 0, 1])
    twice, repeated = net.loss_and_gradient(X[[0, 0, 1, 3]], T[[0, 0, 1, 3]])
    assert value == pytest.approx(twice)
    np.testing.assert_allclose(gradient.flat, repeated.flat, atol=1e-15)


def test_divergence_keeps_the_last_finite_epoch(backend):
    net = mlcore.Network((2, 1), activations=("identity",), random_state=0)
    with pytest.warns(RuntimeWarning, match=r"diverged at step \d+.*learning_rate") as caught:
        net.fit(X * 100, T, epochs=1000, learning_rate=10.0)
    assert [warning.filename for warning in caught] == [__file__]
    assert np.isfinite(net.flat).all()
    assert 0 < len(net.history) < 1000


def test_divergence_with_a_custom_loss():
    class Squares:
        def value_and_gradient(self, y_true, y_pred):
            return float(((y_pred - y_true) ** 2).mean()), 2 * (y_pred - y_true) / y_pred.size

    net = mlcore.Network((2, 1), ("identity",), Squares(), random_state=0)
    with pytest.warns(RuntimeWarning, match="diverged"), np.errstate(over="ignore"):
        net.fit(X * 1e60, T, epochs=1000, learning_rate=10.0)
    assert np.isfinite(net.flat).all()


@pytest.mark.parametrize("slope", [1e300, 1e308])
def test_a_custom_loss_that_overflows_at_once(slope):
    """Parameters, or the gradient of a finite dL/dY, overflow in the very last step: nothing non-finite is kept."""

    class Steep:
        def value_and_gradient(self, y_true, y_pred):
            return 1.0, np.full_like(y_pred, slope)

    net = mlcore.Network((2, 1), ("identity",), Steep(), random_state=0)
    before = net.flat.copy()
    with pytest.warns(RuntimeWarning, match="diverged at step 1") as caught:
        net.fit(np.repeat(X, 4, axis=0), np.repeat(T, 4, axis=0), learning_rate=1e100)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(net.flat, before)
    assert net.history == []


@pytest.mark.parametrize("shape", [(3, 2, 2, 6), (3, 24)])
def test_yolo_labels_need_not_have_the_outputs_width(shape):
    rng = np.random.default_rng(0)
    net = mlcore.Network((5, 2 * 2 * 11), ("identity",), mlcore.losses.YOLOv1(2, 2, 1), random_state=0)
    labels = (rng.uniform(size=(3, 2, 2, 6)) > 0.5).astype(float).reshape(shape)
    images = rng.standard_normal((3, 5))
    net.fit(images, labels, epochs=30, optimizer="adam", learning_rate=0.01)
    assert net.history[-1] < net.history[0]
    assert net.loss_and_gradient(images, labels)[0] < net.history[0]


@pytest.mark.parametrize("loss", ["mean_squared_error", "own"])
def test_ctrl_c_leaves_the_network_as_it_was(loss):
    class Squares:
        def value_and_gradient(self, y_true, y_pred):
            return float(((y_pred - y_true) ** 2).mean()), 2 * (y_pred - y_true) / y_pred.size

    generator = np.random.RandomState(0)
    net = mlcore.Network((2, 3, 1), loss=Squares() if loss == "own" else loss, random_state=generator)
    before, drawn = net.flat.copy(), generator.get_state()[1:3]
    seen = []

    def interrupt(epoch, value):
        seen.append(epoch)
        if epoch == 3:
            raise KeyboardInterrupt

    if loss == "own":
        calls = iter([None] * 5)
        original = net.loss.value_and_gradient
        net.loss.value_and_gradient = lambda *a: original(*a) if next(calls, "stop") is None else interrupt(3, 0)
    with pytest.raises(KeyboardInterrupt), watch(interrupt):
        net.fit(X, T, epochs=10, batch_size=2)
    np.testing.assert_array_equal(net.flat, before)
    assert net.history == []
    # by the draws of later fits as well
    np.testing.assert_array_equal(generator.get_state()[1], drawn[0])
    assert generator.get_state()[2] == drawn[1]


def test_shuffles_are_those_of_single_epochs():
    """Several epochs in one kernel call see the orders, and leave the stream, of as many single calls."""
    many = mlcore.Network((2, 3, 1), random_state=np.random.RandomState(9))
    many.fit(X, T, epochs=7, batch_size=1)
    single = mlcore.Network((2, 3, 1), random_state=np.random.RandomState(9))
    with watch(lambda epoch, loss: None):
        single.fit(X, T, epochs=7, batch_size=1)
    np.testing.assert_array_equal(many.flat, single.flat)
    assert many._random_state.randint(2**31) == single._random_state.randint(2**31)


def test_read_only_and_strided_input():
    net = mlcore.Network((2, 3, 1), random_state=0)
    locked = X.copy()
    locked.flags.writeable = False
    np.testing.assert_array_equal(net.forward(locked), net.forward(X))
    np.testing.assert_array_equal(net.forward(np.asfortranarray(X)), net.forward(X))
    wide = np.zeros((4, 4))
    wide[:, ::2] = X
    np.testing.assert_array_equal(net.forward(wide[:, ::2]), net.forward(X))
    net.fit(locked, T, epochs=2)
    np.testing.assert_array_equal(locked, X)


def test_default_activations():
    assert mlcore.Network((2, 3, 1)).activations == ("relu", "identity")
    assert mlcore.Network((2, 3, 4), loss="categorical_cross_entropy").activations == ("relu", "softmax")
    assert mlcore.Network((2, 3, 1), "tanh", "binary_cross_entropy").activations == ("tanh", "sigmoid")
    assert mlcore.Network((2, 1), ["logistic"]).activations == ("sigmoid",)


def test_summary_and_repr():
    net = mlcore.Network((2, 3, 1), random_state=0)
    assert "13 parameters (float64), loss mean_squared_error" in net.summary()
    assert "relu" in net.summary()
    assert repr(net) == (
        "Network((2, 3, 1), activations=('relu', 'identity'), loss='mean_squared_error', dtype='float64')"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mlcore.Network((3,)), "at least one layer"),
        (lambda: mlcore.Network((3, 0)), "above 0"),
        (lambda: mlcore.Network((3, 2.5)), "integer"),
        (lambda: mlcore.Network((3, 2), ("relu", "relu")), "2 names"),
        (lambda: mlcore.Network((3, 2), ("rleu",)), "'rleu'.*'relu'"),
        (lambda: mlcore.Network((3, 2, 1), ("softmax", "relu")), "last layer only"),
        (lambda: mlcore.Network((3, 2), loss="mse"), "'mse'.*mean_squared_error"),
        (lambda: mlcore.Network((3, 2), dtype="int32"), "float32 or float64"),
    ],
)
def test_bad_networks(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X[:, :1], T), {}, "1 inputs a row, but 2"),
        ((X, T[:2]), {}, "2 rows, but X has 4"),
        ((X, np.hstack([T, T])), {}, "2 outputs a row, but 1"),
        ((X[:0], T[:0]), {}, "no rows"),
        ((np.where(X == 2, np.nan, X), T), {}, "NaN"),
        ((X, np.where(T == 0, np.inf, T)), {}, "infinity"),
        ((X.astype(complex), T), {}, "real numbers"),
        (([["a", "b"]], T), {}, "X must hold real numbers"),
        ((X[None], T), {}, "two dimensions"),
        ((X, T), {"epochs": 0}, "epochs"),
        ((X, T), {"learning_rate": -1}, "learning_rate"),
        ((X, T), {"optimizer": "adm"}, "'adm'.*'adam'"),
        ((X, T), {"gradient": "exact"}, "'exact'"),
        ((X, T), {"update": "both"}, "'both'"),
        ((X, T), {"delta": 0}, "delta"),
        ((X, T), {"batch_size": 0}, "batch_size"),
        ((X, T), {"momentum": 1.5}, "momentum"),
        ((X, T), {"sample_weight": [1, 2]}, "sample_weight has shape"),
        ((X, T), {"sample_weight": [1, 2, -1, 1]}, "negative"),
        ((X, T), {"sample_weight": [0, 0, 0, 0]}, "zero in every row"),
    ],
)
def test_bad_fits_change_nothing(arguments, options, message):
    net = mlcore.Network((2, 3, 1), random_state=0)
    before = net.flat.copy()
    with pytest.raises(ValueError, match=message):
        net.fit(*arguments, **options)
    np.testing.assert_array_equal(net.flat, before)


def test_bad_targets_for_a_loss():
    net = mlcore.Network((2, 1), loss="binary_cross_entropy")
    with pytest.raises(ValueError, match="probabilities between 0 and 1"):
        net.fit(X, T * 2)


def test_bad_output_gradient():
    with pytest.raises(ValueError, match=r"\(4, 1\) is wanted"):
        mlcore.Network((2, 1)).backward(X, np.ones((3, 1)))


def test_targets_that_do_not_sum_to_one(backend):
    """Rows without a class, or with two, under softmax: the gradient is still the value's derivative."""
    net = mlcore.Network((2, 3), loss="categorical_cross_entropy", random_state=0)
    right = np.array([[1.0, 0, 0], [0, 0, 0], [1, 1, 0], [0.2, 0.3, 0.1]])
    found, measured = net.loss_and_gradient(X, right)[1], net.numerical_gradient(X, right)
    np.testing.assert_allclose(found.flat, measured.flat, atol=1e-8)


def test_one_name_for_a_single_layer():
    assert mlcore.Network((2, 1), activations="sigmoid").activations == ("sigmoid",)
    with pytest.raises(ValueError, match="'nonsense'"):
        mlcore.Network((2, 1), activations="nonsense")


def test_assigned_parameters_are_copied_into_the_views():
    net = mlcore.Network((2, 3, 1), random_state=0)
    net.weights[0] = np.full((2, 3), 7.0)
    net.biases = [np.ones(3), np.zeros(1)]
    assert (net.flat[:3] == 7).all()
    assert (net.biases[0] == 1).all()
    with pytest.raises(ValueError, match="do not fit"):
        net.weights = [np.ones((2, 3))]
    with pytest.raises(ValueError, match="broadcast"):
        net.weights[0] = np.ones((5, 5))


def test_the_vector_of_parameters_keeps_its_length():
    """What is assigned is copied: views, optimizers and kernels go on with the one that is there, padding of zeros."""
    net, other = mlcore.Network((2, 3, 1), random_state=0), mlcore.Network((2, 3, 1), random_state=1)
    vector = net.flat
    net.flat = other.flat + 1.0
    assert net.flat is vector
    np.testing.assert_array_equal(net.weights[0], other.weights[0] + 1.0)
    assert np.count_nonzero(net.flat) == net.layout.n_free
    for bad in (np.zeros(3), other.flat[:-1], np.full_like(vector, np.nan)):
        with pytest.raises(ValueError, match="flat"):
            net.flat = bad
    gradient = net.loss_and_gradient(X, T)[1]
    gradient.flat = gradient.flat[:4]
    with pytest.raises(ValueError, match="gradient of this very network"):
        mlcore.optimizers.SGD(net).step(gradient)


def test_copies_of_gradients_are_whole():
    gradient = mlcore.Network((2, 3, 1), random_state=0).backward(X, T)
    for twin in (copy.deepcopy(gradient), copy.copy(gradient), pickle.loads(pickle.dumps(gradient))):
        twin.weights[0][:] = 42.0
        assert (twin.flat == 42.0).any()
        np.testing.assert_array_equal(twin.inputs, gradient.inputs)


@pytest.mark.parametrize(
    ("reduction", "weight", "batch_size"),
    [
        ("mean", None, 3),
        ("mean", [1, 1, 0, 0], 2),
        ("mean", [1, 2, 0.1, 0.5], 3),
        ("sum", None, 3),
        ("sum", [1, 2, 3, 4], 1),
    ],
)
def test_history_is_the_epochs_loss(reduction, weight, batch_size):
    loss = mlcore.losses.mean_squared_error.with_options(reduction=reduction)
    net = mlcore.Network((2, 3, 1), loss=loss, random_state=0)
    value = net.loss_value(X, T, weight)
    net.fit(X, T, batch_size=batch_size, learning_rate=1e-300, sample_weight=weight)
    assert net.history == [pytest.approx(value, rel=1e-12)]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_calls_that_end_within_an_epoch(backend, monkeypatch, optimizer):
    """Calls are cut short so that Ctrl-C is seen; what is trained does not depend on where."""
    options = {"epochs": 5, "batch_size": 1, "optimizer": optimizer}
    whole = mlcore.Network((2, 3, 1), random_state=0).fit(X, T, **options)
    monkeypatch.setattr("mlcore.neural_network._training._CALL_OPERATIONS", 3 * 13 * 3.0)
    cut = mlcore.Network((2, 3, 1), random_state=0).fit(X, T, **options)
    np.testing.assert_array_equal(cut.flat, whole.flat)
    assert cut.history == whole.history


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mlcore.Network(3), "layer_sizes"),
        (lambda: mlcore.Network((3, 2), dtype="foo"), "'foo'"),
        (lambda: mlcore.Network((3, 2), random_state=np.random.default_rng(0)), "random_state"),
        (lambda: mlcore.Network((2, 1)).fit(X, T, optimizer="adam", epsilon=0), "epsilon"),
        (lambda: mlcore.Network((2, 1), dtype="float32").fit(X, T, optimizer="adam", epsilon=1e-60), "epsilon"),
        (lambda: mlcore.Network((2, 1)).fit(X, T, weight_decay=-1), "weight_decay"),
        (lambda: mlcore.Network((2, 1)).fit(X, T, momentum="a"), "momentum"),
        (lambda: mlcore.Network((2, 1)).forward(np.ma.masked_equal(X, 2.0)), "masked"),
        (lambda: mlcore.Network((2, 1)).forward(None), "None"),
        (lambda: mlcore.Network((2, 1), dtype="float32").forward(X * 1e300), "too large for float32"),
    ],
)
def test_more_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
