"""What a new process pays: importing mlcore, and the first call, with Numba's cache on disk filled."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from .common import BACKENDS, fill_numba_cache, require

CODE = """
import numpy, mlcore, time
X, T = numpy.ones((4, 2)), numpy.ones((4, 1))
network = mlcore.Network((2, 3, 1), random_state=0)
start = time.perf_counter()
with mlcore.config_context(backend={backend!r}):
    {call}
print(time.perf_counter() - start)
"""


class Import:
    repeat = (3, 10, 5.0)

    def timeraw_mlcore(self) -> str:
        return "import mlcore"

    def timeraw_network(self) -> str:
        return "from mlcore import Network"

    def timeraw_estimators(self) -> str:
        return "from mlcore import LinearRegression, MLPRegressor"


class FirstCall:
    params = [BACKENDS]
    param_names = ["backend"]
    unit = "seconds"
    timeout = 120
    rounds = 3
    setup_cache = fill_numba_cache

    def setup(self, backend: str) -> None:
        require(backend)

    def track_forward(self, backend: str) -> float:
        return self._first(backend, "network.forward(X)")

    def track_numerical_gradient(self, backend: str) -> float:
        return self._first(backend, "network.numerical_gradient(X, T)")

    def track_fit(self, backend: str) -> float:
        return self._first(backend, "network.fit(X, T)")

    def _first(self, backend: str, call: str) -> float:
        command = [sys.executable, "-c", CODE.format(backend=backend, call=call)]
        starts = (subprocess.run(command, stdout=subprocess.PIPE, check=True) for _ in range(self.rounds))
        return median(float(start.stdout) for start in starts)
