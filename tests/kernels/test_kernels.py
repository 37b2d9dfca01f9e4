"""Every kernel: the same bits from both compilers, plain Python close by, all against the textbook."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from conftest import COMPILED, HERE
from sklearn.exceptions import ConvergenceWarning

import mlcore
from mlcore import reference
from mlcore.activations import ACTIVATIONS
from mlcore.kernels import ENTRIES, ids, load_backend, thresholds
from mlcore.kernels.backends import loader
from mlcore.kernels.source import SOURCES, texts
from mlcore.losses import LOSSES
from mlcore.memory import aligned_zeros
from mlcore.neural_network._parameter_layout import ParameterLayout, initial_parameters
from mlcore.optimizers import RULES

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
LAST = {"binary_cross_entropy": "sigmoid", "categorical_cross_entropy": "softmax", "poisson": "exponential"}
HIDDEN = [name for name in ACTIVATIONS if name not in ("softmax", "exponential")]


def relative(a, b):
    """max|a - b| over max|b|, infinite where one is not finite and the other is."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return np.inf
    if a.size == 0:
        return 0.0
    if not (np.isfinite(a) == np.isfinite(b)).all():
        return np.inf
    scale = np.abs(b[np.isfinite(b)]).max(initial=0.0)
    return float(np.abs(a - b)[np.isfinite(b)].max(initial=0.0) / (scale or 1.0))


def problem(sizes, loss, n, dtype, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, sizes[0])).astype(dtype)
    T = rng.uniform(0.1, 0.9, (n, sizes[-1])).astype(dtype)
    if loss == "categorical_cross_entropy":
        T /= T.sum(axis=1, keepdims=True)
    return X, T


def poisoned(shape, dtype):
    return np.full(shape, np.nan, dtype)


def run_all(backend, sizes, activations, loss, dtype, n, optimizer="adam", weighted=False, batch_size=4):
    """Every network entry on one problem, outputs poisoned first."""
    kernels = load_backend(backend)
    net = ParameterLayout(sizes, [ACTIVATIONS[name] for name in activations], dtype)
    parameters = initial_parameters(net, np.random.RandomState(7))
    X, T = problem(sizes, loss, n, dtype)
    weight = np.random.default_rng(5).uniform(0.5, 2.0, n).astype(dtype) if weighted else np.empty(0, dtype)
    chosen = LOSSES[loss]
    settings = chosen.settings(sizes[-1])
    for name, value in {"LEARNING_RATE": 0.01, "BETA_1": 0.9, "BETA_2": 0.99, "EPSILON": 1e-8, "ALPHA": 0.01,
                        "WEIGHT_DECAY": 0.1, "N_ITER_NO_CHANGE": np.inf, "DIFFERENCE_STEP": 1e-4}.items():  # fmt: skip
        settings[getattr(ids, name)] = value
    common = {"LOSS": chosen.kernel_id(activations[-1]), "MEAN": 1, "WEIGHTED": int(weighted), "MOST_STEPS": 1000}
    found = {}

    found["forward"] = poisoned((n, sizes[-1]), dtype)
    plan, work = net.work(n, batch_size=3)
    kernels.forward(plan, X.ravel(), parameters, found["forward"].reshape(-1), work)

    found["gradient"] = poisoned(net.n_parameters, dtype)
    plan, work = net.work(n, backward=True, OPTIMIZER=ids.GRADIENT_ONLY, **common)
    progress, sums = np.zeros(ids.N_PROGRESS), poisoned(2 * plan[ids.N_SUMS], np.float64)
    data = X.ravel(), T.ravel(), weight
    found["value"] = kernels.gradient(plan, settings, progress, sums, *data, parameters, found["gradient"], work)

    found["backward"], found["inputs"] = poisoned(net.n_parameters, dtype), poisoned((n, sizes[0]), dtype)
    plan, work = net.work(n, backward=True, inputs=True, OPTIMIZER=ids.GRADIENT_ONLY)
    kernels.backward(
        plan, settings, progress, sums, X.ravel(), T.ravel(), parameters, found["backward"],
        found["inputs"].reshape(-1), work,
    )  # fmt: skip

    found["trained"] = parameters.copy()
    found["kept"], found["history"] = poisoned(net.n_parameters, dtype), poisoned(2, np.float64)
    moments = aligned_zeros(2 * net.n_parameters, dtype)
    plan, work = net.work(
        n, batch_size=batch_size, gather=True, backward=True, OPTIMIZER=RULES[optimizer].id, N_EPOCHS=2, SHUFFLED=1,
        **common,
    )  # fmt: skip
    progress = np.zeros(ids.N_PROGRESS)
    progress[ids.RATE], progress[ids.BEST_LOSS] = 0.01, np.inf
    random_state, order = np.random.RandomState(3), np.arange(n)
    generator = generator_words(random_state)
    kernels.train(
        plan, settings, progress, sums, *data, order, found["trained"], found["kept"], np.empty(0, dtype), moments,
        work, found["history"], generator, np.zeros(1, np.intp), 0,
    )  # fmt: skip
    wanted = np.arange(n)
    for _ in range(2):
        random_state.shuffle(wanted)
    np.testing.assert_array_equal(order, wanted)
    np.testing.assert_array_equal(generator, generator_words(random_state))
    found["moments"], found["progress"] = moments, progress
    # how much of the padding is written depends on the machine's vectors, and nobody reads it
    padding = np.ones(net.n_parameters, bool)
    for part in (part for parts in net.views(padding) for part in parts):
        part[...] = False
    found["gradient"][padding] = found["backward"][padding] = 0.0
    return net, parameters, found


def generator_words(random_state):
    """The kernel's form of a generator's state: its words, and the place of the next one."""
    words = random_state.get_state(legacy=False)["state"]
    return np.append(words["key"], words["pos"]).astype(np.intp)


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


@pytest.mark.parametrize("dtype", ["float64", "float32"])
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


@pytest.mark.parametrize("dtype", ["float64", "float32"])
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


@pytest.mark.parametrize("backend", HERE)
def test_no_rows(backend):
    with mlcore.config_context(backend=backend):
        net = mlcore.Network((3, 4, 2), random_state=0)
        assert net.forward(np.empty((0, 3))).shape == (0, 2)
        assert net.trace(np.empty((0, 3))).z[0].shape == (0, 4)
        gradient = net.backward(np.empty((0, 3)), np.empty((0, 2)))
        assert gradient.inputs.shape == (0, 3)
        assert not gradient.flat.any()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [*HIDDEN, "exponential"])
@pytest.mark.parametrize("backend", HERE)
def test_activations_at_extremes(backend, name, dtype):
    """z from -1e3 to 1e3, zero, the smallest numbers and overflow, against the textbook; slopes through `backward`."""
    tiny = float(np.finfo(dtype).tiny)
    z = np.concatenate([[-1e3, -745.0, -100.0, -88.0, -40.0, -1.0, -1e-8, -tiny, 0.0], np.linspace(-9, 9, 37)])
    largest = np.log(np.finfo(dtype).max)
    z = np.unique(np.concatenate([z, -z, largest + [-1.0, -0.6, -0.1, -1e-5, 1e-4, 1.0]])).astype(dtype)
    with mlcore.config_context(backend=backend):
        net = mlcore.Network((1, 1), activations=(name,), dtype=dtype)
        net.weights[0][:], net.biases[0][:] = 1, 0
        got = net.forward(z)[:, 0]
        slope = net.backward(z, np.ones_like(z)).inputs[:, 0]
    with np.errstate(over="ignore"):
        want = reference.ACTIVATIONS[name].value(z.astype(float)).astype(dtype).astype(float)
        want_slope = reference.ACTIVATIONS[name].derivative(z.astype(float)).astype(dtype).astype(float)
    epsilon = float(np.finfo(dtype).eps)
    assert np.isinf(want).any() == (name == "exponential")
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    np.testing.assert_array_equal(np.isfinite(slope), np.isfinite(want_slope))
    # a relative error wherever the true value is a normal number, but for gelu's far tail, exp(-z^2 / 2) in floats
    normal = np.abs(want) > 1e4 * tiny
    if name == "gelu":
        normal &= z > -12
    scale = 1e3 if name == "gelu" else 2e1 if name != "exponential" else 1e3
    np.testing.assert_allclose(got[normal], want[normal], rtol=scale * epsilon)
    np.testing.assert_allclose(got, want, rtol=scale * epsilon, atol=1e4 * tiny + (1e-30 if name == "gelu" else 0))
    np.testing.assert_allclose(slope, want_slope, rtol=scale * epsilon, atol=scale * epsilon)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("loss", "last"),
    [("binary_cross_entropy", "sigmoid"), ("categorical_cross_entropy", "softmax"), ("poisson", "exponential"),
     ("mean_squared_error", "sigmoid"), ("mean_absolute_error", "softmax"), ("binary_cross_entropy", "tanh")],
)  # fmt: skip
@pytest.mark.parametrize("backend", HERE)
def test_losses_at_extreme_raw_predictions(backend, loss, last, dtype):
    """Raw predictions of +-1e3: value and gradient finite, and the value the exact one where it is known."""
    raw = np.array([[1e3, -1e3], [-1e3, 1e3], [80.0, 20.0], [0.0, 0.0]])
    if loss == "poisson":
        raw = np.clip(raw, -1e3, 80.0)
    targets = np.array([[1.0, 0.0]] * 4)
    with mlcore.config_context(backend=backend):
        net = mlcore.Network((2, 2), activations=(last,), loss=loss, dtype=dtype)
        net.weights[0][:], net.biases[0][:] = np.eye(2), 0
        value, gradient = net.loss_and_gradient(raw, targets)
    assert np.isfinite(value)
    assert np.isfinite(gradient.flat).all()
    if (loss, last) == ("categorical_cross_entropy", "softmax"):
        assert value == pytest.approx((0 + 2000 + 0 + np.log(2)) / 4, rel=1e-6)
    if (loss, last) == ("binary_cross_entropy", "sigmoid"):
        assert value == pytest.approx((0 + 2000 + 20 + 2 * np.log(2)) / 8, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_softmax_at_extremes(backend, dtype):
    z = np.array([[-1e3, 1e3, 900.0], [5.0, 1e3, 1e3], [-1e3, -1e3, -999.0], [1e5, -1e5, 0.0]])
    net = mlcore.Network((3, 3), ("softmax",), dtype=dtype)
    net.weights[0][:], net.biases[0][:] = np.eye(3), 0
    np.testing.assert_allclose(net.forward(z), reference.softmax(z), rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_mathematics_to_the_last_places(dtype):
    """exp, log and their kin in the shared source, over their whole range."""
    load_backend("python")
    import sys

    shared = sys.modules["mlcore.kernels._python"]
    kind = np.dtype(dtype).type
    epsilon = float(np.finfo(dtype).eps)
    high = 708.0 if dtype == "float64" else 87.0
    x = np.concatenate([np.linspace(-high, high, 401), np.linspace(-1, 1, 101), [1e-9, -1e-9, 0.3465, -0.3466]])
    x = x.astype(dtype).astype(float)

    def errors(function, wanted, points):
        with np.errstate(all="ignore"):
            got = np.array([float(function(kind(point))) for point in points])
        return np.abs(got - wanted) / np.maximum(np.abs(wanted), np.finfo(dtype).tiny)

    assert errors(shared.exponential, np.exp(x), x).max() < 2 * epsilon
    assert errors(shared.exponential_minus_one, np.expm1(x), x).max() < 3 * epsilon
    y = np.concatenate([np.exp(np.linspace(-0.98 * high, 0.98 * high, 999)), 1 + np.linspace(-1e-3, 1e-3, 99), [1.0]])
    y = y.astype(dtype).astype(float)
    wanted = np.log(y)
    assert errors(shared.logarithm, wanted, y)[wanted != 0].max() < 2 * epsilon
    assert float(shared.logarithm(kind(1.0))) == 0.0
    u = np.exp(np.linspace(-30, 0, 200)).astype(dtype).astype(float)
    assert errors(shared.logarithm_plus_one, np.log1p(u), u).max() < 3 * epsilon


def test_nan_reaches_the_loss():
    """A NaN in the parameters is never hidden by an activation."""
    for backend in HERE:
        for name in [*HIDDEN, "exponential"]:
            with mlcore.config_context(backend=backend):
                net = mlcore.Network((1, 1), activations=(name,))
                net.weights[0][:] = np.nan
                assert np.isnan(net.forward([[1.0]])).all(), (backend, name)


def test_entries_are_the_kernels_of_the_sources():
    """Fields of `Kernels`, kernels of the sources and functions of the extension are the same ones, nothing besides."""
    files = [loader.source_directory() / f"{name}.py" for name in SOURCES]
    assert sorted(loader.source_directory().glob("*.py")) == sorted([*files, loader.source_directory() / "__init__.py"])
    read = texts(loader.source_directory())
    kernels = [name for _, text in read for name in re.findall(r"^def (\w+)_kernel\(", text, re.MULTILINE)]
    assert sorted(kernels) == sorted(ENTRIES)
    for backend in HERE:
        loaded = load_backend(backend)
        assert loaded.name == backend
        assert all(callable(getattr(loaded, name)) for name in ENTRIES)
    if "cython" in HERE:
        extension = vars(importlib.import_module("mlcore._kernels"))
        functions = {name for name, value in extension.items() if callable(value) and not name.startswith("__")}
        assert functions == {*ENTRIES, "supported_level"}


def test_shared_numbers_have_one_meaning():
    """No name stands in both files, and the files hold numbers alone; the loader gives all of them to the sources."""
    found = {}
    for module in (ids, thresholds):
        names = {name: value for name, value in vars(module).items() if not name.startswith("__")}
        assert all(name.isupper() and type(value) in (int, float) for name, value in names.items())
        assert not names.keys() & found.keys()
        found |= names
    assert loader.constants() == found


@pytest.mark.parametrize("backend", COMPILED)
def test_kernels_release_the_gil(backend):
    """A Python thread goes on counting while a long kernel call runs."""
    kernels = load_backend(backend)
    net = ParameterLayout((64, 128, 64), [ACTIVATIONS["tanh"], ACTIVATIONS["identity"]], "float64")
    parameters = initial_parameters(net, np.random.RandomState(0))
    n = 20_000
    X, output = np.zeros((n, 64)), np.empty((n, 64))
    plan, work = net.forward_work(n)
    arguments = plan, X.ravel(), parameters, output.ravel(), work
    kernels.forward(*arguments)  # compiled
    ticks = []

    def count():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0)

    done = threading.Event()
    thread = threading.Thread(target=count)
    thread.start()
    start = time.perf_counter()
    for _ in range(5):
        kernels.forward(*arguments)
    end = time.perf_counter()
    done.set()
    thread.join()
    assert sum(start < tick < end for tick in ticks) > 20


def test_numba_cache_follows_every_source(tmp_path, monkeypatch):
    """The cache folder's name changes with any shared source; without a writable place kernels run uncached."""
    from mlcore.kernels.backends import numba as numba_backend

    monkeypatch.setenv("MLCORE_CACHE_DIR", str(tmp_path))
    folder = numba_backend._snapshot()
    assert folder is not None
    assert folder.parent == tmp_path
    assert (folder / "network.py").read_bytes() == (loader.source_directory() / "network.py").read_bytes()
    files = loader.source_files()
    names = {file.name for file in files}
    assert names >= {"losses.py", "newton.py", "ids.py", "thresholds.py", "loader.py", "numba.py"}
    keys = {loader.source_hash()}
    for place, file in enumerate(files):
        edited = tmp_path / file.name
        edited.write_bytes(file.read_bytes() + b"\n# edited\n")
        monkeypatch.setattr(loader, "source_files", lambda: [*files[:place], edited, *files[place + 1 :]])  # noqa: B023
        keys.add(loader.source_hash())
    assert len(keys) == 1 + len(files)
    monkeypatch.setattr(numba_backend.numba_linking, "ENABLED", not numba_backend.numba_linking.ENABLED)
    assert numba_backend._snapshot() != folder
    monkeypatch.setenv("MLCORE_NUMBA_CACHE", "0")
    assert numba_backend._snapshot() is None
    monkeypatch.setenv("MLCORE_NUMBA_CACHE", "1")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLCORE_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(numba_backend.numba_cache, "_warned", False)
    with pytest.warns(RuntimeWarning, match="cannot be kept on disk.*MLCORE_CACHE_DIR"):
        assert numba_backend._snapshot() is None
    assert numba_backend._snapshot() is None  # told once


@pytest.mark.parametrize(("version", "wanted"), [("0.60.0", False), ("0.61.0rc1", True), ("0.68.1", True),
                                                 ("0.69.0dev0+1", False), ("1.0.0", False)])  # fmt: skip
def test_numba_is_left_alone_where_linking_was_not_tested(version, wanted, monkeypatch):
    from mlcore.kernels.backends import numba_linking

    monkeypatch.setenv("MLCORE_NUMBA_LINKING", "1")
    assert numba_linking._is_wanted(version) == wanted
    monkeypatch.setenv("MLCORE_NUMBA_LINKING", "0")
    assert not numba_linking._is_wanted(version)


def test_numba_gives_the_same_bits_with_and_without_linking(jit, tmp_path):
    """Kernels that are linked from parts, and kernels that Numba compiles as it would by itself."""
    code = (
        "import sys, mlcore, numpy as np\n"
        "from numba.core import codegen\n"
        "net = mlcore.Network((3, 5, 2), random_state=0)\n"
        "mlcore.optimizers.Adam(net).step(mlcore.neural_network.Gradient(net.layout, net.flat - 0.1))\n"
        "Y = np.random.default_rng(0).uniform(0.1, 0.9, (2, 9, 3)).astype('f4')\n"
        "Y /= Y.sum(axis=-1, keepdims=True)\n"
        "losses = [loss.value_and_gradient(*Y) for loss in map(mlcore.losses.get_loss, mlcore.losses.LOSSES)]\n"
        "np.savez(sys.argv[1], net.flat, *[part for loss in losses for part in loss])\n"
        "print(hasattr(codegen.CPUCodeLibrary._finalize_final_module, '__wrapped__'))\n"
    )
    environment = {**os.environ, "MLCORE_BACKEND": "numba", "MLCORE_NUMBA_CACHE": "0"}
    running = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(tmp_path / f"{switch}.npz")], text=True, stdout=subprocess.PIPE,
            env=environment | {"MLCORE_NUMBA_LINKING": switch},
        )
        for switch in "01"
    ]  # fmt: skip
    assert [process.communicate(timeout=300)[0].strip() for process in running] == ["False", "True"]
    plain, linked = (np.load(tmp_path / f"{switch}.npz") for switch in "01")
    assert len(plain.files) == 1 + 2 * len(LOSSES)
    for name in plain.files:
        assert np.isfinite(plain[name]).all()
        assert plain[name].tobytes() == linked[name].tobytes()


class TestNumbaCache:
    """Files that are damaged, and disks that are full: one warning, and the same numbers."""

    @pytest.fixture
    def compiled(self, tmp_path, monkeypatch):
        """A function that compiles another like it, as a new process would: its value, and whether the disk had it."""
        numba = pytest.importorskip("numba")
        from mlcore.kernels.backends import numba_cache

        source = tmp_path / "squares.py"
        source.write_text("def square(x):\n    return x * x\n")

        def compiled():
            monkeypatch.setattr(numba_cache, "_warned", False)
            names = {"__name__": __name__}  # of a module that is there
            exec(compile(source.read_text(), str(source), "exec"), names)  # noqa: S102
            kernel = numba_cache.keep(numba.njit(names["square"]))
            value = kernel(3.0), kernel(2)
            return value, sum(kernel.stats.cache_hits.values())

        return compiled

    def test_damaged_files(self, compiled, tmp_path):
        assert compiled() == ((9.0, 4), 0)
        assert compiled() == ((9.0, 4), 2)
        files = sorted((tmp_path / "__pycache__").iterdir())
        assert [file.suffix for file in files] == [".nbc", ".nbc", ".nbi"]
        for file, hits in zip(files[1:], (1, 0), strict=True):
            whole = file.read_bytes()
            flipped = [whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :] for at in (0, len(whole) // 2, -1)]
            for data in (b"", whole[:20], whole[:-1], whole + b"x", *flipped):
                file.write_bytes(data)
                with pytest.warns(RuntimeWarning, match="is damaged: the kernel is compiled anew") as told:
                    assert compiled() == ((9.0, 4), hits)
                assert len(told) == 1
                assert compiled() == ((9.0, 4), 2)

    def test_files_that_are_gone(self, compiled, tmp_path):
        compiled()
        for file in sorted((tmp_path / "__pycache__").iterdir()):
            file.unlink()
            assert compiled()[0] == (9.0, 4)
            assert compiled() == ((9.0, 4), 2)

    def test_a_full_disk(self, compiled, tmp_path, monkeypatch):
        from numba.core import caching

        def fail(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(caching.os, "replace", fail)
            with pytest.warns(RuntimeWarning, match="No space left on device.*compiled anew in every process") as told:
                assert compiled() == ((9.0, 4), 0)
            assert len(told) == 1
        assert not list((tmp_path / "__pycache__").iterdir())
        assert compiled() == ((9.0, 4), 0)

    def test_files_that_cannot_be_read(self, compiled, tmp_path):
        compiled()
        index = next((tmp_path / "__pycache__").glob("*.nbi"))
        index.unlink()
        index.mkdir()
        with pytest.warns(RuntimeWarning, match="cannot be kept on disk"):
            assert compiled() == ((9.0, 4), 0)
