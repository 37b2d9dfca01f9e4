"""Kernels that are linked from parts, only where that was tested, and with the same bits."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mlcore.losses import LOSSES


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
