"""A fit in progress: dropout, schedules, clipping, validation data, memory, machines with other tiles."""

import os
import platform
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from conftest import COMPILED, data

import mlcore
from mlcore import reference
from mlcore.neural_network._draws import stream_seed

pytestmark = pytest.mark.usefixtures("quiet_machine", "canaries")


def masked_gradient(weights, biases, X, T, masks):
    """Back-propagation through tanh layers and an identity, mean squared error, given the masks."""
    a, kept = [X], []
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = a[-1] @ w + b
        kept.append(np.tanh(z))
        a.append(kept[-1] * masks[layer] if layer < len(masks) else z)
    d = 2.0 * (a[-1] - T) / T.size
    by_weight, by_bias = [], []
    for layer in range(len(weights) - 1, -1, -1):
        if layer < len(masks):
            d = d * masks[layer] * (1.0 - kept[layer] ** 2)
        by_weight.insert(0, a[layer].T @ d)
        by_bias.insert(0, d.sum(axis=0))
        d = d @ weights[layer].T
    return by_weight, by_bias


def test_dropout_is_the_textbooks(backend):
    sizes, dropout, n = (5, 19, 7, 2), (0.4, 0.0), 11
    X, T = data(n, 5, 2)
    net = mlcore.Network(sizes, activations=("tanh", "tanh", "identity"), random_state=3)
    weights, biases = ([v.copy() for v in views] for views in (net.weights, net.biases))
    seed = int(stream_seed(net._random_state))
    net.fit(X, T, epochs=3, batch_size=6, learning_rate=0.1, shuffle=False, dropout=dropout)
    step = 0
    for _ in range(3):
        for first in range(0, n, 6):
            step += 1
            rows = slice(first, first + 6)
            count = len(X[rows])
            masks = [
                reference.dropout_mask(seed, step, layer + 1, count, sizes[layer + 1], p)
                for layer, p in enumerate(dropout)
            ]
            gradients = masked_gradient(weights, biases, X[rows], T[rows], masks)
            for parameters, found in zip((weights, biases), gradients, strict=True):
                for p, g in zip(parameters, found, strict=True):
                    p -= 0.1 * g
    for got, want in zip((*net.weights, *net.biases), (*weights, *biases), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def test_dropout_leaves_the_batches_alone():
    """The generator ends where it would have ended, and so draws the same rows."""
    X, T = data(50, 4, 1)
    states = []
    for dropout in (0.0, 0.5):
        random_state = np.random.RandomState(0)
        mlcore.Network((4, 30, 1), random_state=random_state).fit(X, T, epochs=3, batch_size=8, dropout=dropout)
        states.append(random_state.randint(2**31))
    assert states[0] == states[1]
    fits = [
        mlcore.MLPRegressor(hidden_layer_sizes=(30,), dropout=p, random_state=0, max_iter=5, tol=0, n_iter_no_change=99)
        for p in (0.0, 0.5, 0.5)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        curves = [model.fit(X, T.ravel()).loss_curve_ for model in fits]
    assert curves[0] != curves[1]
    assert curves[1] == curves[2]


def test_dropout_at_its_ends():
    X, T = data(50, 4, 1)

    def fit(dropout, random_state=0, **options):
        net = mlcore.Network((4, 30, 1), random_state=random_state)
        return net.fit(X, T, epochs=3, batch_size=8, learning_rate=0.1, dropout=dropout, **options)

    np.testing.assert_array_equal(fit(1e-9).flat, fit(0.0).flat)  # less than the stream can tell from none
    with pytest.raises(ValueError, match="below 1"):
        fit(1 - 1e-9)
    assert np.isfinite(fit(0.5, np.random.RandomState(np.random.PCG64(0))).flat).all()
    # a second fit, between which nothing was drawn, drops other units
    twice = fit(0.5, shuffle=False)
    first = twice.flat.copy()
    again = fit(0.5, shuffle=False)
    again.flat[:] = fit(0.0, shuffle=False).flat
    start = again.flat.copy()
    again.fit(X, T, shuffle=False, dropout=0.5)
    moved = again.flat.copy()
    again.flat[:] = start
    again.fit(X, T, shuffle=False, dropout=0.5)
    assert (again.flat != moved).any()
    assert (first != start).any()


def test_dropout_keeps_its_share_and_the_mean():
    mask = reference.dropout_mask(12345, 6, 2, 100, 200, 0.3)
    assert (mask == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert mask.mean() == pytest.approx(1.0, abs=0.02)
    # neighbours in every direction are unrelated
    x = (mask == 0) - 0.3
    for shifted in (np.roll(x, 1, 0), np.roll(x, 1, 1), reference.dropout_mask(12345, 7, 2, 100, 200, 0.3) == 0):
        assert abs(np.corrcoef(x.ravel(), shifted.ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "nesterov"])
@pytest.mark.parametrize(
    "options",
    [{"schedule": "cosine"}, {"schedule": "cosine", "warm_up": 3}, {"warm_up": 4}, {"clip_norm": 0.05}],
    ids=str,
)
def test_schedules_and_clipping_are_the_textbooks(backend, options, optimizer):
    sizes, names, n, epochs, size = (4, 9, 2), ("tanh", "identity"), 10, 3, 4
    X, T = data(n, 4, 2)
    net = mlcore.Network(sizes, activations=names, random_state=1)
    weights, biases = ([v.copy() for v in views] for views in (net.weights, net.biases))
    net.fit(X, T, epochs=epochs, batch_size=size, optimizer=optimizer, learning_rate=0.05, shuffle=False, **options)
    steps = epochs * 3
    states = [{} for _ in range(4)]
    for step in range(1, steps + 1):
        first = (step - 1) % 3 * size
        rows = slice(first, first + size)
        by_weight, by_bias = reference.network_gradient(weights, biases, names, "mean_squared_error", X[rows], T[rows])
        gradients = [*by_weight, *by_bias]
        if "clip_norm" in options:
            gradients = reference.clip_gradients(gradients, options["clip_norm"])
        rate = reference.scheduled_rate(
            step, 0.05, warm_up=options.get("warm_up", 0), cosine_steps=steps if "schedule" in options else None
        )
        rule = reference.UPDATES[optimizer]
        moved = [
            rule(p, g, s, learning_rate=rate) for p, g, s in zip((*weights, *biases), gradients, states, strict=True)
        ]
        weights, biases = moved[:2], moved[2:]
    for got, want in zip((*net.weights, *net.biases), (*weights, *biases), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": (0.1, 0.2)}, "one for each of 1 hidden"),
        ({"clip_norm": 0}, "clip_norm"),
        ({"warm_up": -1}, "warm_up"),
        ({"n_threads": 0}, "n_threads"),
        ({"n_threads": 1.5}, "n_threads"),
        ({"schedule": "cosin"}, "schedule"),
        ({"dropout": 0.5, "gradient": "numerical"}, "dropout"),
        ({"clip_norm": 1.0, "update": "sequential"}, "joint"),
    ],
)
def test_what_fit_refuses(options, message):
    X, T = data(6, 3, 1)
    net = mlcore.Network((3, 4, 1), random_state=0)
    before = net.flat.copy()
    with pytest.raises(ValueError, match=message):
        net.fit(X, T, **options)
    np.testing.assert_array_equal(net.flat, before)
    estimator = {name: value for name, value in options.items() if name not in ("schedule", "update")}
    if len(estimator) == len(options):
        with pytest.raises(ValueError, match=message):
            mlcore.MLPRegressor(hidden_layer_sizes=(4,), **options).fit(X, T.ravel())


def test_validation_data_and_history():
    X, T = data(60, 3, 1)
    y = (T.ravel() > 0.5).astype(int)
    options = {"max_iter": 6, "random_state": 0, "tol": 0, "n_iter_no_change": 99}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = mlcore.MLPRegressor(hidden_layer_sizes=(8,), **options).fit(X, T.ravel())
        model = mlcore.MLPRegressor(hidden_layer_sizes=(8,), **options).fit(
            X, T.ravel(), validation_data=(X[:20], T[:20].ravel())
        )
        classifier = mlcore.MLPClassifier((8,), **options).fit(X, y, validation_data=(X[:30], y[:30]))
    np.testing.assert_array_equal(plain._network[1], model._network[1])
    assert plain.history_ == {"loss": plain.loss_curve_}
    assert model.history_ == {"loss": model.loss_curve_, "validation_loss": model.validation_loss_curve_}
    assert len(model.validation_loss_curve_) == 6
    wanted = 0.5 * np.mean((model.predict(X[:20]) - T[:20].ravel()) ** 2)
    assert model.validation_loss_curve_[-1] == pytest.approx(wanted, rel=1e-12)
    probability = classifier.predict_proba(X[:30])[np.arange(30), y[:30]]
    assert classifier.validation_loss_curve_[-1] == pytest.approx(-np.mean(np.log(probability)), rel=1e-12)
    with pytest.raises(ValueError, match="pair"):
        mlcore.MLPRegressor(hidden_layer_sizes=(8,)).fit(X, T.ravel(), validation_data=X)
    with pytest.raises(ValueError, match="features"):
        mlcore.MLPRegressor(hidden_layer_sizes=(8,)).fit(X, T.ravel(), validation_data=(X[:, :2], T.ravel()))
    with pytest.raises(ValueError, match="lbfgs"):
        mlcore.MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs").fit(X, T.ravel(), validation_data=(X, T.ravel()))


def test_validation_data_of_fewer_classes_and_of_another_kind():
    X, _ = data(60, 3, 1)
    y = np.arange(60) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mlcore.MLPClassifier((5,), max_iter=2, warm_start=True, random_state=0)
        model.fit(X, y, validation_data=(X[y < 2], y[y < 2]))
        assert len(model.validation_loss_curve_) == 2
        model.fit(X, y)
        assert not hasattr(model, "validation_loss_curve_")
        assert [len(model.loss_curve_), len(model.history_["loss"])] == [4, 2]
        with pytest.raises(ValueError, match="multilabel"):
            model.fit(X, y, validation_data=(X, np.eye(3, dtype=int)[y] | [1, 0, 0]))
        binary = mlcore.MLPClassifier((5,), max_iter=2).partial_fit(X, y > 0, classes=[False, True])
        with pytest.raises(ValueError, match="multilabel"):
            binary.partial_fit(X, np.ones((60, 2), int))


def test_a_failed_warm_start_leaves_the_lists():
    X, T = data(40, 3, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mlcore.MLPRegressor(hidden_layer_sizes=(5,), max_iter=3, warm_start=True, random_state=0)
        model.fit(X, T.ravel())
        flat = model._network[1].copy()
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):  # that the iterations did not suffice
            model.fit(X, T.ravel())
        assert len(model.loss_curve_) == 3
        np.testing.assert_array_equal(model._network[1], flat)
        warnings.simplefilter("ignore")
        model.set_params(learning_rate_init=1e308)
        with pytest.raises(ValueError, match="non-finite"):
            model.fit(X * 1e150, T.ravel())
        np.testing.assert_array_equal(model._network[1], flat)
        model.set_params(early_stopping=True, learning_rate_init=0.001).fit(X, T.ravel())
        assert len(model.validation_scores_) > 0
    with pytest.raises(ValueError, match="epsilon"):
        mlcore.MLPRegressor(epsilon=1e-50).fit(X.astype("f4"), T.ravel())
    with pytest.raises(ValueError, match="between 0 and 1"):
        mlcore.MLPRegressor(loss="binary_cross_entropy").fit(X, -T.ravel())


def test_a_gradient_too_long_to_measure_is_told():
    X, T = data(20, 3, 1, "float32")
    net = mlcore.Network((3, 1), "identity", dtype="float32", random_state=0)
    before = net.flat.copy()
    with pytest.warns(RuntimeWarning, match="diverged"):
        net.fit(X * np.float32(1e10), T * np.float32(1e11), clip_norm=1.0)
    np.testing.assert_array_equal(net.flat, before)


@pytest.mark.parametrize("n_threads", [2, 3, 4])
def test_batches_without_weight_and_threads(n_threads):
    """Nobody meets in a batch that is left out, so nobody may touch what others still read."""
    X, T = data(195, 64, 1)
    weight = np.zeros(195)
    weight[:3] = 1
    flats = [
        mlcore.Network((64, 256, 256, 1), random_state=0)
        .fit(X, T, epochs=30, batch_size=64, sample_weight=weight, n_threads=n, learning_rate=1e-3)
        .flat
        for n in (1, n_threads)
    ]
    np.testing.assert_array_equal(*flats)


def test_memory_of_a_fit():
    """The data are not copied: five times the parameters (themselves, kept, two moments, transposed) and a batch."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 200), dtype=np.float32)
    y = X[:, 0]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(300, 300), batch_size=64, max_iter=2, random_state=0, shuffle=True)
    parameters = 4 * (200 * 304 + 300 * 304 + 300 * 16)
    batch = 4 * 64 * (208 + 3 * (2 * 304) + 200)
    orders = 3 * 8 * len(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:100], y[:100])
        tracemalloc.start()
        try:
            model.fit(X, y)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 5 * parameters + batch + orders + 4 * len(X) + 300_000
    assert peak < X.nbytes / 2


def test_the_first_fit_with_the_extension_compiles_nothing():
    if "cython" not in COMPILED:
        pytest.skip("the extension was not built")
    code = (
        "import sys, warnings, numpy as np; warnings.simplefilter('ignore'); from mlcore import MLPRegressor\n"
        "X = np.zeros((40, 3), 'f4'); MLPRegressor(hidden_layer_sizes=(5,), max_iter=2).fit(X, X[:, 0]).predict(X)\n"
        "assert 'numba' not in sys.modules and 'llvmlite' not in sys.modules"
    )
    environment = {**os.environ, "MLCORE_BACKEND": "auto"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are features of x86-64")
@pytest.mark.parametrize(
    ("features", "dtype", "tolerance"),
    [("+sse2,+avx,+avx2,+fma", "float32", 1e-5), ("+sse2,+avx,+avx2", "float32", 1e-5), ("+sse2", "float64", 1e-12)],
)
def test_tiles_of_other_machines(features, dtype, tolerance, tmp_path):
    """Numba compiles for a CPU with fewer features: other tiles, multiply-add in one step or two, the same training."""
    if "numba" not in COMPILED:
        pytest.skip("Numba is not installed")
    code = f"""
import sys, numpy as np, mlcore
rng = np.random.default_rng(0)
X, T = rng.standard_normal((37, 21)).astype({dtype!r}), rng.uniform(0.1, 0.9, (37, 3)).astype({dtype!r})
net = mlcore.Network((21, 35, 18, 3), dtype={dtype!r}, random_state=0)
net.fit(X, T, epochs=3, batch_size=16, optimizer="momentum", learning_rate=0.05)
np.save(sys.argv[1], net.flat)
"""
    flats = []
    for name, environment in (
        ("here.npy", {}),
        ("there.npy", {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features, "MLCORE_BACKEND": "numba",
                       "MLCORE_NUMBA_CACHE": "0"}),
    ):  # fmt: skip
        file = tmp_path / name
        subprocess.run(
            [sys.executable, "-c", code, str(file)], check=True, env={**os.environ, **environment}, timeout=300
        )
        flats.append(np.load(file))
    assert np.abs(flats[0] - flats[1]).max() <= tolerance * np.abs(flats[0]).max()
