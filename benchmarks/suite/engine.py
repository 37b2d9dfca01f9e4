"""The networks of the comparison with other libraries, by mlcore alone: time of a step and memory of a fit."""

from __future__ import annotations

import warnings

import mlcore

from .common import BACKENDS, fill_numba_cache, require
from .networks import NETWORKS
from .turns import best_call


class Engine:
    """One epoch through the public estimators, validation and shuffling included."""

    params = [BACKENDS, [1, 2], [network.title for network in NETWORKS]]
    param_names = ["backend", "n_threads", "network"]
    timeout = 300
    rounds = 5
    setup_cache = fill_numba_cache

    def setup(self, backend: str, n_threads: int, title: str) -> None:
        require(backend)
        warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
        self.network = next(network for network in NETWORKS if network.title == title)
        self.X, self.y = self.network.data("float32")
        estimator = mlcore.MLPClassifier if self.network.has_classes else mlcore.MLPRegressor
        self.model = estimator(
            hidden_layer_sizes=self.network.sizes[1:-1],
            solver=self.network.solver,
            momentum=0.0,
            batch_size=self.network.batch,
            learning_rate_init=self.network.rate,
            max_iter=1,
            random_state=0,
            n_threads=n_threads,
        )
        self.context = mlcore.config_context(backend=backend)
        self.context.__enter__()
        self.model.fit(self.X, self.y)

    def teardown(self, *parameters: object) -> None:
        if hasattr(self, "context"):
            self.context.__exit__(None, None, None)

    def track_microseconds_a_step(self, *parameters: object) -> float:
        # the least of several: what else the machine does only adds
        best = min(best_call(lambda: self.model.fit(self.X, self.y), 0.0) for _ in range(self.rounds))
        return best / self.network.steps * 1e6

    track_microseconds_a_step.unit = "us"

    def peakmem_fit(self, *parameters: object) -> None:
        self.model.fit(self.X, self.y)
