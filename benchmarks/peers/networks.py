"""Who trains: each function gets ready for a network, and returns what trains it from the start, for so many epochs.

All of them do the same: float arrays of NumPy in, trained parameters out, new batches drawn for each epoch, no penalty,
the mean loss of every epoch. What they return is the loss of the last epoch. What a user would write once and keep, as
a compiled function, is made when getting ready; the first fit pays for what the library does then.

The libraries are imported as they are needed: a process has no business with the others.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from ..suite.networks import Network
from ..suite.turns import best_call
from . import BACKENDS, Contender

Fit = Callable[[int], float]


def estimator(library: Any, network: Network) -> Any:
    """The estimator of mlcore or scikit-learn, which take the same parameters."""
    warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
    kind = library.MLPClassifier if network.has_classes else library.MLPRegressor
    return kind(
        hidden_layer_sizes=network.sizes[1:-1],
        solver=network.solver,
        alpha=0.0,
        batch_size=network.batch,
        learning_rate_init=network.rate,
        momentum=0.0,
        nesterovs_momentum=False,
        tol=0.0,
        n_iter_no_change=np.inf,
        random_state=0,
    )


def prepare_mlcore(network: Network, dtype: str, *, backend: str, n_threads: int) -> Fit:
    import mlcore

    X, y = network.data(dtype)
    model = estimator(mlcore, network)

    def fit(epochs: int) -> float:
        with mlcore.config_context(backend=backend, n_threads=n_threads):
            return model.set_params(max_iter=epochs).fit(X, y).loss_

    return fit


def prepare_scikit_learn(network: Network, dtype: str) -> Fit:
    from sklearn import neural_network

    X, y = network.data(dtype)
    model = estimator(neural_network, network)

    def fit(epochs: int) -> float:
        return model.set_params(max_iter=epochs).fit(X, y).loss_

    return fit


def prepare_pytorch(network: Network, dtype: str, *, n_threads: int) -> Fit:
    import torch
    from torch import nn

    torch.set_num_threads(n_threads)
    torch.manual_seed(0)
    number = getattr(torch, dtype)
    X, y = network.data(dtype)
    optimizer_kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[network.solver]
    # The others halve the squared error. To do so here would be a step's operations more; half the rate is the same
    # for SGD, and Adam does not mind.
    rate = network.rate if network.has_classes or network.solver == "adam" else network.rate / 2
    factor = 1.0 if network.has_classes else 0.5

    def build() -> nn.Sequential:
        layers: list[nn.Module] = []
        for weights, biases in network.start(dtype):
            layer = nn.Linear(*weights.shape, dtype=number)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weights.T))
                layer.bias.copy_(torch.from_numpy(biases))
            layers += [layer, nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def fit(epochs: int) -> float:
        model = build()
        loss_function = nn.CrossEntropyLoss() if network.has_classes else nn.MSELoss()
        # fused: the whole step of the optimizer is one call, the fastest of its three ways on a CPU
        optimizer = optimizer_kind(model.parameters(), lr=rate, fused=True)
        rows, targets = torch.from_numpy(X), torch.from_numpy(y)
        if not network.has_classes:
            targets = targets[:, None]
        curve = []
        for _ in range(epochs):
            # permuted at once and then cut into views: faster than an index for each batch
            order = torch.randperm(len(rows))
            losses = []
            for x, t in zip(rows[order].split(network.batch), targets[order].split(network.batch), strict=True):
                loss = loss_function(model(x), t)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            curve.append(factor * torch.stack(losses).mean().item())
        return curve[-1]

    return fit


def prepare_jax(network: Network, dtype: str) -> Fit:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    X, y = network.data(dtype)
    y = y.astype(np.int32) if network.has_classes else y[:, np.newaxis]
    random = np.random.default_rng(0)

    def loss_function(layers: Any, x: Any, t: Any) -> Any:
        for weights, biases in layers[:-1]:
            x = jax.nn.relu(x @ weights + biases)
        weights, biases = layers[-1]
        z = x @ weights + biases
        if not network.has_classes:
            return 0.5 * jnp.mean((z - t) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), t[:, None], axis=1))

    def sgd(layers: Any, state: Any, gradient: Any) -> Any:
        return jax.tree.map(lambda p, g: p - network.rate * g, layers, gradient), state

    def adam(layers: Any, state: Any, gradient: Any) -> Any:
        count, first, second = state
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
        rate = network.rate * jnp.sqrt(1.0 - 0.999**count) / (1.0 - 0.9**count)
        layers = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), layers, first, second)
        return layers, (count, first, second)

    update = {"sgd": sgd, "adam": adam}[network.solver]

    @partial(jax.jit, donate_argnums=(0, 1))
    def train_epoch(layers: Any, state: Any, rows: Any, targets: Any, order: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            layers, state = carry
            loss, gradient = jax.value_and_grad(loss_function)(layers, rows[batch], targets[batch])
            return update(layers, state, gradient), loss

        (layers, state), losses = jax.lax.scan(step, (layers, state), order.reshape(-1, network.batch))
        return layers, state, losses.mean()

    def fit(epochs: int) -> float:
        start = network.start(dtype)
        state = ()
        if network.solver == "adam":
            state = (np.zeros((), dtype), jax.tree.map(np.zeros_like, start), jax.tree.map(np.zeros_like, start))
        rows, targets, layers, state = jax.device_put((X, y, start, state))
        curve = []
        for _ in range(epochs):
            # NumPy's permutation: JAX's sorts
            order = random.permutation(len(X)).astype(np.int32)
            layers, state, loss = train_epoch(layers, state, rows, targets, order)
            curve.append(loss)
        jax.block_until_ready((layers, curve))
        return float(curve[-1])

    return fit


@dataclass(frozen=True)
class Trainer(Contender):
    """Its call gets ready for a network and a dtype, and returns a `Fit`."""

    n_threads: int = 1


THREADS = (1, 2)
ALL_THREADS = os.cpu_count() or 1  # what scikit-learn's BLAS and JAX take by themselves


def threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"


CONTENDERS = (
    *(
        Trainer(
            f"mlcore, {backend}, {threads(n)}",
            module,
            partial(prepare_mlcore, backend=backend, n_threads=n),
            backend,
            n_threads=n,
        )
        for backend, module in BACKENDS.items()
        for n in THREADS
    ),
    Trainer("scikit-learn, its threads", "sklearn", prepare_scikit_learn, n_threads=ALL_THREADS),
    *(Trainer(f"PyTorch, {threads(n)}", "torch", partial(prepare_pytorch, n_threads=n), n_threads=n) for n in THREADS),
    Trainer("JAX, its threads", "jax", prepare_jax, n_threads=ALL_THREADS),
)


@cache
def prepared(number: int, network: Network, dtype: str) -> Fit:
    return CONTENDERS[number].call(network, dtype)


def timed_fit(number: int, network: Network, dtype: str, epochs: int, turn: float = 0.0) -> tuple[float, float]:
    """In a contender's process: seconds of the best fit of a turn, and the loss of the last epoch."""
    losses = []
    fit = prepared(number, network, dtype)
    return best_call(lambda: losses.append(fit(epochs)), turn), losses[-1]
