"""The package as a whole: light imports, lazy names, backends by name, small helpers, which module may import which."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from conftest import ROOT

import mlcore
from mlcore import reference
from mlcore.kernels import BACKENDS, ENTRIES, Kernels, ids, is_available, load_backend, thresholds

PACKAGE = Path(mlcore.__file__).parent


def run(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=120
    )


def test_import_is_light():
    code = (
        "import mlcore, sys; print([m for m in ('numba', 'sklearn', 'scipy', 'pyarrow', 'rich') if m in sys.modules])"
    )
    assert run(code).stdout.strip() == "[]"


def test_networks_need_no_scikit_learn():
    code = "import mlcore, sys; mlcore.Network((2, 3, 1)).fit([[1., 2.]], [[1.]]);print('sklearn' in sys.modules)"
    assert run(code).stdout.split() == ["False"]


def test_every_name_is_there():
    assert sorted(mlcore.__all__) == dir(mlcore)
    for name in mlcore.__all__:
        assert getattr(mlcore, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mlcore.nothing


FACES = [
    "",
    "linear_model",
    "neural_network",
    "derivatives",
    "losses",
    "optimizers",
    "reference",
    "config",
    "persistence",
]


@pytest.mark.parametrize("face", FACES)
def test_type_hints_resolve(face):
    """Of every public function and class, of what a class defines or inherits from mlcore, and of its properties."""
    module = import_module(f"mlcore.{face}".rstrip("."))
    seen = 0
    for name in [name for name in getattr(module, "__all__", dir(module)) if not name.startswith("_")]:
        value = getattr(module, name)
        if not getattr(value, "__module__", "").startswith("mlcore"):
            continue
        members = [value] if callable(value) else []
        for owner in inspect.getmro(value) if inspect.isclass(value) else ():
            if owner.__module__.startswith("mlcore"):
                members += [getattr(member, "fget", member) for member in vars(owner).values()]
        for member in members:
            if inspect.isclass(member) or inspect.isfunction(member):
                get_type_hints(member)
                seen += 1
    assert seen > 3


@pytest.mark.parametrize("name", [name for name in BACKENDS if is_available(name)])
def test_backend_by_environment(name):
    out = run("import mlcore; mlcore.show_config()", MLCORE_BACKEND=name)
    assert out.returncode == 0, out.stderr
    assert f"backend:            {name}" in out.stdout


def test_numba_without_its_compiler():
    """NUMBA_DISABLE_JIT=1 is for debuggers: every function that Numba would compile runs as Python, ours too."""
    code = (
        "import mlcore, numba, numpy as np; mlcore.show_config()\n"
        "net = mlcore.Network((2, 3, 1), random_state=0).fit([[1.0, 2.0]], [[1.0]])\n"
        "print(float(mlcore.gradient(numba.njit(lambda x: x * x), 3.0)), mlcore.losses.huber([1.0], [1.5]))\n"
    )
    out = run(code, MLCORE_BACKEND="numba", NUMBA_DISABLE_JIT="1")
    assert out.returncode == 0, out.stderr
    assert "backend:            numba" in out.stdout
    assert "backend detail:     plain Python, for NUMBA_DISABLE_JIT is set" in out.stdout
    assert out.stdout.splitlines()[-1] == "6.0 0.125"


def test_backend_by_a_wrong_name():
    out = run("import mlcore; mlcore.losses.huber([1.0], [1.0])", MLCORE_BACKEND="fortran")
    assert out.returncode != 0
    assert "'fortran'" in out.stderr


def test_an_absent_backend_is_an_error():
    code = (
        "import sys; sys.modules['mlcore._kernels'] = None\n"
        "import mlcore, mlcore.kernels as k\n"
        "k.is_available = lambda name: name != 'cython'\n"
        "try: mlcore.losses.huber([1.0], [1.0])\n"
        "except ImportError as error: print(error)\n"
    )
    assert "'cython' was asked for and is not here" in run(code, MLCORE_BACKEND="cython").stdout


def test_config(capsys):
    assert mlcore.show_config() is None
    assert "backends available" in capsys.readouterr().out
    report = mlcore.show_config("dicts")
    assert report["backend"] in BACKENDS
    assert ("no extension" in report) != is_available("cython")
    with mlcore.config_context(backend="python"):
        assert mlcore.show_config("dicts")["backend"] == "python"
        with mlcore.config_context():
            assert mlcore.show_config("dicts")["backend"] == "python"
    assert mlcore.show_config("dicts")["backend"] == report["backend"]
    with pytest.raises(ValueError, match="'fortran'"), mlcore.config_context(backend="fortran"):
        pass
    with pytest.raises(ValueError, match="mode"):
        mlcore.show_config("loud")


def test_config_tells_the_threads(monkeypatch):
    """How many a fit may use, and whether the user, the environment, the process or the backend says so."""

    def told():
        return mlcore.show_config("dicts")["threads"]

    if not mlcore.config.chosen_kernels().threads:
        pytest.skip("no backend here has threads")
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert told() == "6 (the CPUs that this process may use)"
    for limit in ("8", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
        assert told() == "6 (the CPUs that this process may use)"
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert told() == "3 (OMP_NUM_THREADS)"
    with mlcore.config_context(n_threads=5):
        assert told() == "5 (config_context)"
        with mlcore.config_context(backend="python"):
            assert told() == "1 (this backend has no more)"


def test_extension_variants():
    """The build that serves is the newest that this machine runs, and all builds give the same answers."""
    if not is_available("cython"):
        pytest.skip("the extension was not built")
    from importlib.util import find_spec

    from mlcore import _kernels

    level = _kernels.supported_level()
    assert level in (0, 1, 3, 4)
    built = [n for n in (4, 3) if n <= level and find_spec(f"mlcore._kernels_x86_64_v{n}")]
    assert load_backend("cython").detail == (f"x86-64-v{built[0]}" if built else "baseline")
    X, T = np.linspace(-1, 1, 40).reshape(10, 4), np.linspace(0, 1, 10).reshape(10, 1)
    expected = mlcore.Network((4, 9, 1), random_state=0).loss_and_gradient(X, T)[1].flat
    for name in ("_kernels", *(f"_kernels_x86_64_v{n}" for n in built)):
        module = import_module(f"mlcore.{name}")
        entries = {entry: getattr(module, entry) for entry in ENTRIES}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "mlcore.neural_network._objective.chosen_kernels",
                lambda found=entries: Kernels("cython", "", True, **found),
            )
            got = mlcore.Network((4, 9, 1), random_state=0).loss_and_gradient(X, T)[1].flat
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-15 * np.abs(expected).max() * 10)


def test_auto_prefers_the_extension():
    assert load_backend("auto").name == ("cython" if is_available("cython") else "numba")


# what stands further down may import what stands above it; so do the modules of a package, where they import each other
RANKS = [
    "reference._arrays",
    "reference.derivative",
    "reference.activations",
    "reference.losses",
    "reference.yolo",
    "reference.network",
    "reference.updates",
    "reference.training",
    "reference.regression",
    "reference",
    "_lazy",
    "_former_paths",
    "kernels.ids",
    "kernels.thresholds",
    "kernels.source",
    "kernels.backends.loader",
    "kernels.backends.numba_cache",
    "kernels.backends.numba_linking",
    "kernels.backends.numba",
    "kernels.backends.python",
    "kernels.backends",
    "kernels",
    "config",
    "names",
    "memory",
    "validation",
    "threads",
    "preprocessing",
    "activations",
    "losses",
    "optimizers",
    "derivatives._moved_points",
    "derivatives._extrapolation",
    "derivatives._differences",
    "derivatives._functions",
    "derivatives",
    "persistence",
    "estimator_base",
    "neural_network._parameter_layout",
    "neural_network._settings",
    "neural_network._draws",
    "neural_network._training",
    "neural_network._forward",
    "neural_network._early_stopping",
    "neural_network._objective",
    "neural_network._network",
    "neural_network._linear_network",
    "neural_network._perceptron",
    "neural_network",
    "linear_model._double_double",
    "linear_model._row_passes",
    "linear_model._streaming",
    "linear_model._summary",
    "linear_model._cross_products",
    "linear_model._least_squares",
    "linear_model._likelihood",
    "linear_model._newton",
    "linear_model._linear",
    "linear_model._logistic",
    "linear_model",
    "many._frames",
    "many._groups",
    "many._rows",
    "many._scores",
    "many._variants",
    "many._turns",
    "many._progress",
    "many._alone",
    "many._linear",
    "many._logistic",
    "many._networks",
    "many._models",
    "many._files",
    "many._fit",
    "many._cross_validation",
    "many",
    "cli.tables",
    "cli.many",
    "cli.report",
    "cli.main",
    "cli.__main__",
    "cli",
    "",
]


def imports_of(name: str, file: Path) -> Iterator[str]:
    """The modules of mlcore that a file imports as it is loaded or run, by their names below `mlcore`."""
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in for_types:
            if node.level:
                home = package[: len(package) - node.level + 1] + (node.module or "").split(".")
            elif (node.module or "").split(".")[0] == "mlcore":
                home = node.module.split(".")[1:]
            else:
                continue
            home_name = ".".join(part for part in home if part)
            for alias in node.names:
                inner = f"{home_name}.{alias.name}".strip(".")
                yield inner if inner in RANKS else home_name


def test_modules_import_downwards():
    """No module imports one that stands below it in RANKS."""
    rank = {name: place for place, name in enumerate(RANKS)}
    seen = 0
    for file in PACKAGE.rglob("*.py"):
        path = file.relative_to(PACKAGE).with_suffix("")
        name = ".".join(path.parent.parts if path.name == "__init__" else path.parts)
        if name.startswith("kernels.source."):
            continue
        assert name in rank, f"{file} has no place in RANKS"
        for below in imports_of(name, file):
            if (name, below) in {("cli.main", "")}:  # the command is a user of the public names
                continue
            assert rank[below] < rank[name], f"{name} imports {below}"
            seen += 1
    assert seen > 100


def test_other_libraries_are_imported_by_public_names():
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                private = [part for part in name.split(".") if part.startswith("_") and not part.endswith("__")]
                assert not private, f"{file} imports {name}"


def test_tests_mirror_the_packages():
    """The folders of tests are the packages, and a file there has the name of a module, or tests all of the package."""
    across = {
        "linear_model": {"bad_input", "certified", "scikit_learns_tests"},
        "neural_network": {"properties"},
        "many": {"bad_input"},
    }
    folders = {file.parent.name for file in (ROOT / "tests").glob("*/__init__.py")}
    assert folders == {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    for folder in folders:
        modules = {file.stem.lstrip("_") for file in PACKAGE.joinpath(folder).rglob("*.py")}
        modules |= {file.parent.name for file in PACKAGE.joinpath(folder).rglob("__init__.py")}
        files = {file.stem.removeprefix("test_") for file in ROOT.joinpath("tests", folder).glob("test_*.py")}
        assert files
        assert files <= modules | across.get(folder, set()), folder


def test_one_kernel_decorator():
    """No njit outside the leaf functions but for user functions, no fastmath, no parallel anywhere."""
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text()
        assert "fastmath=True" not in text
        assert "parallel=True" not in text
        if file.relative_to(PACKAGE).as_posix() not in (
            "kernels/backends/numba.py",
            "derivatives/_functions.py",
            "derivatives/_moved_points.py",
        ):
            assert "njit(" not in text.replace("``njit``", ""), file


def test_the_layout_page_tells_every_place():
    text = (ROOT / "docs" / "layout.md").read_text()
    for module, kind in ((ids, int), (thresholds, float)):
        for name, value in vars(module).items():
            if name.isupper():
                assert f"`{name}`" in text, name
                assert isinstance(value, kind)


def test_the_reference_imports_only_numpy_and_the_standard_library():
    imported = set()
    for file in Path(reference.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, f"{file.name} imports from outside the package"
    assert "numpy" in imported
    assert imported - {"numpy"} <= sys.stdlib_module_names


def test_every_public_function_of_the_reference_is_documented():
    functions = [name for name in reference.__all__ if inspect.isfunction(getattr(reference, name))]
    assert len(functions) > 50
    for name in functions:
        assert getattr(reference, name).__doc__, name
