"""Who fits a model to each group of rows: mlcore's one call, loops, processes, and batches of NumPy and JAX.

The peers are given each group's rows as they are needed, together and in order; mlcore is given keys. Those whose time
is proportional to the groups fit a part of them, and the table scales it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

import mlcore

from . import BACKENDS, Contender

EPOCHS, BATCH, HIDDEN, RATE = 50, 32, 16, 1e-3


@dataclass(frozen=True)
class Rows:
    """Rows of groups, together (`X`, `y`, `count` a group) and as mlcore is given them (`given`: X, y, keys)."""

    X: Any
    y: Any
    count: Any
    given: tuple[Any, Any, Any]

    def blocks(self, groups: int) -> Iterator[tuple[Any, Any]]:
        stops = np.cumsum(self.count[:groups]).tolist()
        for start, stop in zip([0, *stops], stops, strict=False):
            yield self.X[start:stop], self.y[start:stop]


def fit_many(rows: Rows, groups: int, model: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlcore.fit_many(model, *rows.given[:2], groups=rows.given[2])


def fit_each(blocks: Iterable[tuple[Any, Any]], model: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [clone(model).fit(X, y) for X, y in blocks]


def fit_in_a_loop(rows: Rows, groups: int, model: Any) -> list[Any]:
    return fit_each(rows.blocks(groups), model)


def fit_in_processes(rows: Rows, groups: int, model: Any) -> list[Any]:
    """Two processes that have been started, sixteen tasks: a task of one small fit would be the time of its post."""
    from joblib import Parallel, delayed

    blocks = list(rows.blocks(groups))
    size = -(-groups // 16)
    parts = Parallel(n_jobs=2)(
        delayed(fit_each)(blocks[start : start + size], model) for start in range(0, groups, size)
    )
    return [fitted for part in parts for fitted in part]


def batched_normal_equations(rows: Rows, groups: int, model: Any) -> Any:
    """Coefficients, the intercept last: groups of one size, a column of ones to each."""
    n, p = int(rows.count[0]), rows.X.shape[1]
    B = np.empty((groups, n, p + 1))
    B[:, :, :p] = rows.X[: groups * n].reshape(groups, n, p)
    B[:, :, p] = 1.0
    Bt = B.transpose(0, 2, 1)
    return np.linalg.solve(Bt @ B, Bt @ rows.y[: groups * n].reshape(groups, n, 1))[:, :, 0]


@lru_cache
def compiled_epochs(n: int, p: int) -> Callable[..., Any]:
    """All networks for all epochs, one compiled call: for groups of one size, each with batches of its own."""
    import jax
    import jax.numpy as jnp

    steps, short = divmod(n, BATCH)

    def loss_function(layers: Any, x: Any, t: Any) -> Any:
        (V, a), (W, b) = layers
        return 0.5 * jnp.mean((jax.nn.relu(x @ V + a) @ W + b - t) ** 2)

    def step(carry: Any, rows: Any) -> Any:
        (layers, count, first, second), (x, t) = carry, rows
        loss, gradient = jax.value_and_grad(loss_function)(layers, x, t)
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = RATE * jnp.sqrt(1.0 - 0.999**count) / (1.0 - 0.9**count)
        layers = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), layers, first, second)
        return (layers, count, first, second), loss

    def train(layers: Any, X: Any, t: Any, orders: Any) -> Any:
        def epoch(carry: Any, order: Any) -> Any:
            X_now, t_now = X[order], t[order]
            full = steps * BATCH
            losses = jnp.zeros(0, X.dtype)
            if steps:
                parts = (X_now[:full].reshape(steps, BATCH, p), t_now[:full].reshape(steps, BATCH, 1))
                carry, losses = jax.lax.scan(step, carry, parts)
            if short:
                carry, last = step(carry, (X_now[full:], t_now[full:]))
            total = BATCH * losses.sum() + (short * last if short else 0.0)
            return carry, total / n

        zeros = jax.tree.map(jnp.zeros_like, layers)
        (layers, *_), curve = jax.lax.scan(epoch, (layers, jnp.zeros((), X.dtype), zeros, zeros), orders)
        return layers, curve[-1]

    # the same orders for all, as one random_state gives them: no gather of each network's own
    return jax.jit(jax.vmap(train, in_axes=(None, 0, 0, None)))


def vmapped_networks(rows: Rows, groups: int, model: Any) -> Any:
    """The loss of each network's last epoch."""
    import jax

    jax.config.update("jax_enable_x64", rows.X.dtype == np.float64)
    n, p = int(rows.count[0]), rows.X.shape[1]
    random = np.random.RandomState(0)
    layers = []
    for inputs, outputs in ((p, HIDDEN), (HIDDEN, 1)):
        bound = np.sqrt(6.0 / (inputs + outputs))
        W = random.uniform(-bound, bound, (inputs, outputs)).astype(rows.X.dtype)
        layers.append((W, random.uniform(-bound, bound, outputs).astype(rows.X.dtype)))
    orders = np.stack([random.permutation(n) for _ in range(EPOCHS)])
    _, losses = compiled_epochs(n, p)(
        layers, rows.X[: groups * n].reshape(groups, n, p), rows.y[: groups * n].reshape(groups, n, 1), orders
    )
    return np.asarray(jax.block_until_ready(losses))


def told(found: Any, groups: int) -> Any:
    """Of a result of any contender: the coefficients of the first groups, the intercept last; of networks the loss."""
    if isinstance(found, np.ndarray):
        return found[:groups]
    models = found[:groups] if isinstance(found, list) else [found[key] for key in found.groups_[:groups].tolist()]
    if hasattr(models[0], "loss_"):
        return np.array([model.loss_ for model in models])
    return np.array([[*np.ravel(model.coef_), *np.ravel(model.intercept_)] for model in models])


@dataclass(frozen=True)
class Fitter(Contender):
    """Its call takes rows, the number of groups to fit, and a model; it returns what it fitted."""

    library: str = "mlcore"  # whose estimator
    share: int = 1  # of so many groups it fits one, and the time is scaled
    least: int = 1  # but so many
    blas: tuple[int | None, ...] = (None,)  # threads of BLAS: None is what it takes by itself
    kind: str = ""  # of models that it can fit, to groups of one size; all where empty

    def part(self, groups: int) -> int:
        return min(groups, max(self.least, groups // self.share))

    def label(self, threads: int | None) -> str:
        return self.name if len(self.blas) == 1 else f"{self.name}, BLAS's threads: {threads or 'default'}"

    def fit(self, rows: Rows, groups: int, model: Any, threads: int | None) -> Any:
        with threadpool_limits(threads, "blas"):
            return self.call(rows, groups, model)


BOTH: tuple[int | None, ...] = (1, None)  # the faster counts
CONTENDERS = (
    *(Fitter(f"mlcore, {backend}", module, fit_many, backend) for backend, module in BACKENDS.items()),
    Fitter("mlcore, a loop of `fit`", "mlcore", fit_in_a_loop, share=50, least=20),
    Fitter("scikit-learn, a loop", "sklearn", fit_in_a_loop, library="sklearn", share=100, least=10, blas=BOTH),
    Fitter("joblib, 2 processes", "joblib", fit_in_processes, library="sklearn", share=40, least=32),
    Fitter("NumPy, batched", "numpy", batched_normal_equations, blas=BOTH, kind="linear"),
    Fitter("`jax.vmap`", "jax", vmapped_networks, kind="networks"),
)


def model_of(kind: str, library: str) -> Any:
    from sklearn import linear_model, neural_network

    settings: dict[str, dict[str, Any]] = {
        "linear": {},
        "logistic": {},
        "networks": {
            "hidden_layer_sizes": (HIDDEN,),
            "max_iter": EPOCHS,
            "batch_size": BATCH,
            "learning_rate_init": RATE,
            "alpha": 0.0,
            "tol": 0.0,
            "n_iter_no_change": np.inf,
            "random_state": 0,
        },
    }
    name = {"linear": "LinearRegression", "logistic": "LogisticRegression", "networks": "MLPRegressor"}[kind]
    home = mlcore if library == "mlcore" else neural_network if kind == "networks" else linear_model
    return getattr(home, name)(**settings[kind])
