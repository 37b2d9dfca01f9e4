"""Random configurations: whatever is asked for ends in numbers, the same for any threads, or in an error that says why.

MLCORE_CONFIGURATIONS says how many are drawn; the sanitizers' step of .ci/run takes thousands.
"""

import os
import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from test_memory_layouts import LAYOUTS

import mlcore
from mlcore import losses
from mlcore.activations import ACTIVATIONS
from mlcore.losses import LOSSES
from mlcore.optimizers import RULES

pytestmark = pytest.mark.usefixtures("canaries")

COUNT = int(os.environ.get("MLCORE_CONFIGURATIONS", "240"))
# what a user may be told; anything else is a fault of ours
TOLD = (ValueError, NotFittedError)


class Draw:
    """One configuration, drawn from a seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.dtype = self.one_of([np.float32, np.float64])
        self.n, self.p = self.size(1, 300), self.size(1, 70)
        self.made = LAYOUTS[self.one_of(list(LAYOUTS))] if self.rng.random() < 0.5 else np.ascontiguousarray

    def one_of(self, values):
        return values[self.rng.integers(len(values))]

    def size(self, low, high):
        """Small sizes as often as large ones."""
        return int(np.exp(self.rng.uniform(np.log(low), np.log(high + 1))))

    def array(self, *shape):
        scale = 10.0 ** self.one_of([0, 0, 0, -30, -3, 4, 30])
        array = self.rng.standard_normal(shape) * scale + self.one_of([0, 0, 0, 1, 1e6])
        if self.rng.random() < 0.1:
            array[...] = self.one_of([0.0, 1.0])
        return self.made(array.astype(self.dtype))

    def weight(self):
        if self.rng.random() < 0.5:
            return None
        return self.made((self.rng.uniform(0, 2, self.n) * (self.rng.random(self.n) < 0.8)).astype(self.dtype))

    def labels(self):
        return self.made(self.rng.integers(0, self.one_of([2, 2, 3, 7]), self.n))


def network(draw, n_threads):
    sizes = [draw.p, *(draw.size(1, 70) for _ in range(draw.rng.integers(0, 4))), draw.size(1, 20)]
    hidden = [name for name in ACTIVATIONS if name != "softmax"]
    activations = [*(draw.one_of(hidden) for _ in sizes[2:]), draw.one_of(list(ACTIVATIONS))]
    loss = draw.one_of(list(LOSSES))
    X = draw.array(draw.n, draw.p)
    T = draw.array(draw.n, sizes[-1])
    if draw.rng.random() < 0.7:
        T = draw.made(draw.rng.uniform(0.01, 0.99, T.shape).astype(draw.dtype))
    net = mlcore.Network(tuple(sizes), tuple(activations), loss, dtype=draw.dtype, random_state=0)
    found = [net.forward(X)]
    gradient = net.loss_and_gradient(X, T, draw.weight())[1]
    found += [gradient.flat, net.backward(X, draw.array(draw.n, sizes[-1])).inputs]
    net.fit(
        X,
        T,
        epochs=draw.size(1, 4),
        batch_size=draw.one_of([None, 1, draw.size(1, draw.n)]),
        optimizer=draw.one_of(list(RULES)),
        learning_rate=10.0 ** draw.rng.uniform(-6, 1),
        shuffle=draw.one_of([True, False]),
        update=draw.one_of(["joint", "joint", "sequential"]),
        gradient="numerical" if net.flat.size * draw.n < 2000 else "backprop",
        sample_weight=draw.weight(),
        schedule=draw.one_of(["constant", "inverse_scaling", "cosine"]),
        warm_up=draw.one_of([0, 0, 3]),
        clip_norm=draw.one_of([None, None, 0.1]),
        dropout=draw.one_of([0.0, 0.0, 0.5]),
        n_threads=n_threads,
    )
    return [*found, net.flat, net.forward(X)]


def estimator(draw, n_threads):
    kind = draw.one_of(["linear", "ridge", "logistic", "logistic", "regressor", "classifier"])
    X = draw.array(draw.n, draw.p)
    classes = kind in ("logistic", "classifier")
    y = draw.labels() if classes else draw.array(*([draw.n] if draw.rng.random() < 0.7 else [draw.n, draw.size(1, 6)]))
    hidden = tuple(draw.size(1, 40) for _ in range(draw.rng.integers(1, 3)))
    network = {
        "hidden_layer_sizes": hidden,
        "activation": draw.one_of(["relu", "tanh", "logistic", "identity"]),
        "solver": draw.one_of(["adam", "sgd", "lbfgs"]),
        "max_iter": draw.size(1, 5),
        "early_stopping": draw.one_of([False, False, True]),
        "random_state": 0,
    }
    model = {
        "linear": lambda: mlcore.LinearRegression(fit_intercept=draw.one_of([True, False])),
        "ridge": lambda: mlcore.Ridge(10.0 ** draw.rng.uniform(-8, 8), fit_intercept=draw.one_of([True, False])),
        "logistic": lambda: mlcore.LogisticRegression(
            C=10.0 ** draw.rng.uniform(-6, 4), l1_ratio=draw.one_of([0.0, 0.0, 0.5, 1.0]), max_iter=draw.size(1, 30)
        ),
        "regressor": lambda: mlcore.MLPRegressor(**network),
        "classifier": lambda: mlcore.MLPClassifier(**network),
    }[kind]()
    with mlcore.config_context(n_threads=n_threads):
        model.fit(X, y, sample_weight=draw.weight())
        found = [model.predict(X)]
        if hasattr(model, "partial_fit") and network["solver"] != "lbfgs" and not network["early_stopping"]:
            model.partial_fit(X, y)
            found.append(model.predict(X))
        if classes:
            found.append(model.predict_proba(X))
    # an MLP a step from divergence has finite weights, and answers beyond the largest number
    assert kind == "regressor" or all(np.isfinite(part).all() for part in found)
    return found


def loss(draw, n_threads):
    if draw.rng.random() < 0.3:
        grid, boxes, classes = draw.size(1, 4), draw.size(1, 3), draw.size(1, 5)
        detector = losses.YOLOv1(grid, boxes, classes)
        true = draw.rng.uniform(0, 1, (draw.size(1, 9), grid, grid, 5 + classes))
        predicted = draw.array(len(true), grid, grid, 5 * boxes + classes)
        return detector.value_and_gradient(draw.made(true.astype(draw.dtype)), predicted)
    chosen = LOSSES[draw.one_of(list(LOSSES))]
    shape = [draw.n] if draw.rng.random() < 0.5 else [draw.n, draw.size(1, 6)]
    true = draw.rng.uniform(0, 1, shape).astype(draw.dtype)
    return chosen.value_and_gradient(draw.made(true), draw.array(*shape), draw.weight())


def outcome(task, seed, n_threads):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return [np.asarray(part).copy() for part in task(Draw(seed), n_threads)]
        except TOLD as error:
            return str(error)


@pytest.mark.parametrize("task", [network, estimator, loss])
@pytest.mark.parametrize("part", range(4))
def test_random_configurations(task, part):
    fitted = 0
    for seed in range(part, COUNT // 3, 4):
        alone, shared = (outcome(task, seed, n_threads) for n_threads in (1, 3))
        if isinstance(alone, str):
            assert shared == alone, seed
            continue
        fitted += 1
        for one, other in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"seed {seed}")
    assert fitted
