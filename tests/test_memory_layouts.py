"""Whatever memory the numbers lie in, no kernel sees it misaligned, and the results are the same to the last bit."""

import dataclasses
import warnings

import numpy as np
import pytest
from conftest import COMPILED

import mlcore
from mlcore import config, losses, optimizers

RNG = np.random.default_rng(3)
N = 23
X = RNG.standard_normal((N, 4))
ANSWERS = X @ [1.0, -2.0, 0.5, 3.0] + RNG.standard_normal(N)
TWO = np.where(np.arange(N) % 3 == 0, 1, 0)
THREE = np.arange(N) % 3
WEIGHT = RNG.uniform(0.5, 2.0, N)
TARGETS = RNG.uniform(0.1, 0.9, (N, 2))


def misaligned(array):
    raw = bytearray(b"x" + array.tobytes())
    return np.frombuffer(raw, array.dtype, offset=1).reshape(array.shape)


def locked(array):
    return np.frombuffer(b"x" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


def packed(array):
    """A field of records that stand close to each other: neither aligned nor contiguous."""
    records = np.zeros(array.shape, [("letter", "S1"), ("number", array.dtype)])
    records["number"] = array
    return records["number"]


LAYOUTS = {
    "misaligned": misaligned,
    "misaligned, read-only": locked,
    "misaligned, in Fortran's order": lambda array: misaligned(np.ascontiguousarray(array.T)).T,
    "packed records": packed,
    "of the other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "misaligned, of the other byte order": lambda array: misaligned(array.astype(array.dtype.newbyteorder())),
    "backwards": lambda array: np.ascontiguousarray(array[::-1])[::-1],
    "every other": lambda array: np.repeat(array, 2, axis=0)[::2],
}


def network(dtype):
    return mlcore.Network((4, 5, 2), ("tanh", "sigmoid"), dtype=dtype, random_state=0)


def trained(made, dtype, **options):
    net = network(dtype)
    net.fit(made(X), made(TARGETS), epochs=3, batch_size=8, **options)
    return net.flat


def assigned(made, dtype):
    net = network(dtype)
    for weights, biases in zip(net.weights, net.biases, strict=True):
        weights[:] = made(np.ones(weights.shape, dtype))
        biases[:] = made(np.ones(biases.shape, dtype))
    return net.forward(X)


def stepped(made, dtype):
    net = network(dtype)
    gradient = net.loss_and_gradient(made(X), made(TARGETS))[1]
    gradient.flat = made(gradient.flat)
    optimizers.Adam(net).step(gradient)
    return net.flat


def fitted(estimator, y, *, weighted=True, partial=False):
    """Fit, or fit in two parts, and predict: everything read through `made`."""

    def run(made, dtype):
        model = estimator()
        weight = {"sample_weight": made(WEIGHT.astype(dtype))} if weighted else {}
        if partial:
            classes = {"classes": np.unique(y)} if hasattr(model, "predict_proba") else {}
            model.partial_fit(made(X.astype(dtype)), made(y), **classes)
            model.partial_fit(made(X.astype(dtype)), made(y), **weight)
        else:
            model.fit(made(X.astype(dtype)), made(y), **weight)
        found = [model.predict(made(X.astype(dtype))), model.score(made(X.astype(dtype)), made(y))]
        if hasattr(model, "predict_proba"):
            found.append(model.predict_proba(made(X.astype(dtype))))
        return np.concatenate([np.ravel(part).astype(float) for part in found])

    return run


def mlp(kind, **options):
    return lambda: kind(hidden_layer_sizes=(5,), max_iter=3, random_state=0, **options)


def restarted(made, dtype):
    """A warm start from coefficients that somebody has put there."""
    model = mlp(mlcore.MLPRegressor, warm_start=True)().fit(X.astype(dtype), ANSWERS)
    model.coefs_ = [made(part.copy()) for part in model.coefs_]
    model.intercepts_ = [made(part.copy()) for part in model.intercepts_]
    first = model.predict(made(X.astype(dtype)))
    return np.append(first, model.fit(X.astype(dtype), ANSWERS).predict(X.astype(dtype)))


def detected(made, dtype):
    loss = losses.YOLOv1(2, 1, 2)
    rng = np.random.default_rng(1)
    true = np.zeros((3, 2, 2, 7), dtype)
    true[..., :5], true[..., 5] = rng.uniform(0.2, 0.8, (3, 2, 2, 5)), 1.0
    predicted = rng.uniform(0.1, 0.9, true.shape).astype(dtype)
    value, gradient = loss.value_and_gradient(made(true), made(predicted))
    return np.append(gradient, value)


def summed(made, dtype):
    parts = [mlcore.LinearRegression().partial_fit(made(X[rows].astype(dtype)), made(ANSWERS[rows]))
             for rows in (slice(12), slice(12, None))]  # fmt: skip
    merged = parts[0].merge(parts[1])
    return np.append(merged.coef_, merged.summary().standard_errors)


def chunked(made, dtype):
    chunks = [(made(X[rows].astype(dtype)), made(THREE[rows])) for rows in (slice(12), slice(12, None))]
    return mlcore.LogisticRegression().fit_chunks(chunks).coef_


ENTRIES = {
    "forward": lambda made, dtype: network(dtype).forward(made(X.astype(dtype))),
    "trace": lambda made, dtype: network(dtype).trace(made(X.astype(dtype))).a[0],
    "one row": lambda made, dtype: network(dtype).forward(made(X[0].astype(dtype))),
    "gradient": lambda made, dtype: network(dtype).loss_and_gradient(
        made(X.astype(dtype)), made(TARGETS.astype(dtype)), made(WEIGHT.astype(dtype)))[1].flat,
    "numerical gradient": lambda made, dtype: network(dtype).numerical_gradient(
        made(X[:3].astype(dtype)), made(TARGETS[:3].astype(dtype))).flat,
    "backward": lambda made, dtype: network(dtype).backward(
        made(X.astype(dtype)), made(TARGETS.astype(dtype))).flat,
    "Network.fit": lambda made, dtype: trained(lambda a: made(a.astype(dtype)), dtype, optimizer="adam"),
    "Network.fit, weighted": lambda made, dtype: trained(
        lambda a: made(a.astype(dtype)), dtype, sample_weight=made(WEIGHT.astype(dtype))),
    "Network.fit, numerical": lambda made, dtype: trained(
        lambda a: made(a.astype(dtype)), dtype, gradient="numerical"),
    "weights": assigned,
    "optimizer": stepped,
    "loss": lambda made, dtype: losses.mean_squared_error.value_and_gradient(
        made(TARGETS.astype(dtype)), made(TARGETS[::-1].astype(dtype)), made(WEIGHT.astype(dtype)))[1],
    "loss of a vector": lambda made, dtype: losses.huber(
        made(ANSWERS.astype(dtype)), made(ANSWERS[::-1].astype(dtype))),
    "GAN's losses": lambda made, dtype: losses.gan_discriminator(
        made(TARGETS.astype(dtype)), made(TARGETS[::-1].astype(dtype)))[1],
    "YOLO's loss": detected,
    "linear": fitted(mlcore.LinearRegression, ANSWERS),
    "linear, two outputs": fitted(mlcore.LinearRegression, TARGETS),
    "linear, whole numbers": fitted(mlcore.LinearRegression, THREE),
    "linear, single precision": fitted(mlcore.LinearRegression, ANSWERS.astype(np.float32)),
    "linear, further": fitted(mlcore.LinearRegression, ANSWERS, partial=True),
    "linear, merged": summed,
    "linear, descent": fitted(lambda: mlcore.LinearRegression(solver="gradient_descent", max_iter=20), ANSWERS),
    "linear, numerical descent": fitted(
        lambda: mlcore.LinearRegression(solver="gradient_descent", gradient="numerical", max_iter=5), ANSWERS),
    "ridge": fitted(lambda: mlcore.Ridge(0.5), ANSWERS),
    "logistic, two classes": fitted(mlcore.LogisticRegression, TWO),
    "logistic, three classes": fitted(mlcore.LogisticRegression, THREE),
    "logistic, bytes": fitted(mlcore.LogisticRegression, THREE.astype(np.int8)),
    "logistic, floats": fitted(mlcore.LogisticRegression, TWO.astype(float)),
    "logistic, l1": fitted(lambda: mlcore.LogisticRegression(l1_ratio=1.0), THREE),
    "logistic, chunks": chunked,
    "logistic, descent": fitted(lambda: mlcore.LogisticRegression(solver="gradient_descent", max_iter=20), TWO),
    "MLP, answers": fitted(mlp(mlcore.MLPRegressor), ANSWERS),
    "MLP, two answers": fitted(mlp(mlcore.MLPRegressor), TARGETS),
    "MLP, lbfgs": fitted(mlp(mlcore.MLPRegressor, solver="lbfgs"), ANSWERS),
    "MLP, early stopping": fitted(mlp(mlcore.MLPRegressor, early_stopping=True), ANSWERS),
    "MLP, classes": fitted(mlp(mlcore.MLPClassifier), THREE),
    "MLP, further": fitted(mlp(mlcore.MLPClassifier), THREE, partial=True),
    "MLP, own coefficients": restarted,
    "categories": lambda made, dtype: mlcore.to_categorical(made(THREE)),
    "derivative": lambda made, dtype: mlcore.gradient(lambda x: np.sum(x**3), made(X[0].astype(dtype))),
}  # fmt: skip

WITHOUT_KERNELS = ("categories", "derivative")
# as scikit-learn, they take single precision of the other byte order for double
IN_DOUBLE = [name for name in ENTRIES if name.startswith(("linear", "ridge", "logistic", "MLP"))]


@pytest.fixture
def watched(monkeypatch):
    """Every array that a kernel is given is aligned and contiguous; the number of them."""
    seen = []
    load = config.load_backend

    def watch(kernel):
        def call(*arguments):
            for number, argument in enumerate(arguments):
                if isinstance(argument, np.ndarray):
                    seen.append(argument)
                    assert argument.flags.aligned, f"argument {number} is misaligned"
                    assert argument.flags.c_contiguous, f"argument {number} is not contiguous"
                    assert argument.dtype.isnative, f"argument {number} is of the other byte order"
            return kernel(*arguments)

        return call

    def load_watched(name):
        found = load(name)
        entries = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
        return dataclasses.replace(
            found, **{entry: watch(kernel) for entry, kernel in entries.items() if callable(kernel)}
        )

    monkeypatch.setattr(config, "load_backend", load_watched)
    return seen


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_way_in(entry, dtype, backend, watched):
    run = ENTRIES[entry]
    with mlcore.config_context(backend=backend), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short fits do not converge
        expected = run(np.ascontiguousarray, dtype)
        assert watched or entry in WITHOUT_KERNELS
        for name, layout in LAYOUTS.items():
            if "byte order" in name and entry in IN_DOUBLE and dtype == np.float32:
                continue
            np.testing.assert_array_equal(run(layout, dtype), expected, err_msg=name)
