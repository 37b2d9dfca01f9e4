"""The build and its switches, each tried on a copy of the sources: what comes out, and what is an error; the pins."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = [
    pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="no checkout: setup.py is not beside tests/"),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("Cython", "setuptools")),
        reason="builds without isolation, so it needs Cython and setuptools",
    ),
]
unix_compiler = pytest.mark.skipif(os.name == "nt", reason="the compiler is not chosen by CC")
x86_64 = pytest.mark.skipif(
    sys.platform == "darwin" or not sysconfig.get_platform().endswith("-x86_64"),
    reason="one module for each instruction set is built for x86-64 alone",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = tmp_path / "checkout"
    # what an editable installation has left in src is no source
    left = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so", "*.pyd")
    shutil.copytree(ROOT / "src", copy / "src", ignore=left)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


def build(checkout: Path, command: str = "bdist_wheel", **environment: str) -> subprocess.CompletedProcess[str]:
    switches = ("MLCORE_NO_EXTENSION", "MLCORE_REQUIRE_EXTENSION", "CC", "CFLAGS", "ARCHFLAGS", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if name not in switches}
    return subprocess.run(
        [sys.executable, "setup.py", command],
        cwd=checkout,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def wheel(checkout: Path) -> tuple[str, set[str]]:
    """The name of the one wheel in dist/, and the names of the compiled modules within."""
    (path,) = (checkout / "dist").glob("*.whl")
    names = zipfile.ZipFile(path).namelist()
    assert "mlcore/__init__.py" in names
    assert "mlcore/py.typed" in names
    assert "mlcore/kernels/source/network.py" in names
    compiled = {name for name in names if name.endswith((".so", ".pyd"))}
    return path.name, {Path(name).name.partition(".")[0] for name in compiled}


def compiler(checkout: Path, refused: str) -> str:
    """A C compiler that does not optimise, to be quick, and fails where a word of the command line holds `refused`."""
    real = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(real) is None:
        pytest.skip(f"there is no C compiler: {real}")
    script = checkout / "compiler"
    script.write_text(f'#!/bin/sh\ncase "$*" in *{refused}*) exit 1;; esac\nexec {real} "$@" -O0\n')
    script.chmod(0o755)
    return str(script)


def told_by(checkout: Path) -> str:
    """Why there is no extension, as `show_config` of the wheel says it."""
    (path,) = (checkout / "dist").glob("*.whl")
    unpacked = checkout / "unpacked"
    shutil.unpack_archive(path, unpacked, "zip")
    code = "import mlcore; mlcore.show_config()"
    environment = os.environ | {"PYTHONPATH": str(unpacked), "MLCORE_BACKEND": "python"}
    command = [sys.executable, "-P", "-c", code]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"MLCORE_NO_EXTENSION": "1", "CC": "false"}, "MLCORE_NO_EXTENSION=1 was set at installation"),
        pytest.param({"CC": "/nonexistent/cc"}, "it did not compile at installation: ", marks=unix_compiler),
    ],
    ids=["unwanted", "without a compiler"],
)
def test_a_wheel_without_the_extension_is_pure_and_says_why(checkout, environment, reason):
    result = build(checkout, **environment)
    assert result.returncode == 0, result.stdout
    name, compiled = wheel(checkout)
    assert name.endswith("-py3-none-any.whl")
    assert not compiled
    shown = told_by(checkout)
    assert f"no extension:       {reason}" in shown
    assert "backends available: numba, python" in shown
    said = "mlcore._kernels was NOT built; Numba serves in its place" in result.stdout
    assert said == ("MLCORE_NO_EXTENSION" not in environment)


@unix_compiler
def test_required_extension_that_does_not_compile_is_an_error(checkout):
    result = build(checkout, MLCORE_REQUIRE_EXTENSION="1", CC="false")
    assert result.returncode != 0
    assert "error" in result.stdout
    assert not list(checkout.glob("dist/*.whl"))


@unix_compiler
def test_error_in_the_cython_source_is_fatal_though_the_extension_is_optional(checkout):
    source = checkout / "src" / "mlcore" / "_kernels.pyx"
    source.write_text(source.read_text(encoding="utf-8") + "\ncdef nonsense(\n", encoding="utf-8")
    result = build(checkout, CC="false")
    assert result.returncode != 0
    assert "Error compiling Cython file" in result.stdout


@unix_compiler
@x86_64
def test_instruction_set_unknown_to_the_compiler_is_left_out_alone(checkout):
    result = build(checkout, CC=compiler(checkout, refused="=x86-64-v4"))
    assert result.returncode == 0, result.stdout
    assert "mlcore._kernels_x86_64_v4 was NOT built" in result.stdout
    _, compiled = wheel(checkout)
    assert compiled == {"_kernels", "_kernels_x86_64_v3"}
    # a later build that fails does not fall back on these
    (checkout / "src" / "mlcore" / "_leaves.h").touch()
    shutil.rmtree(checkout / "dist")
    assert build(checkout, CC="false").returncode == 0
    name, compiled = wheel(checkout)
    assert name.endswith("-py3-none-any.whl")
    assert not compiled


@unix_compiler
@x86_64
def test_required_extension_has_every_instruction_set_and_leaves_the_sources_alone(checkout):
    before = {path.relative_to(checkout) for path in checkout.rglob("*")}
    result = build(checkout, MLCORE_REQUIRE_EXTENSION="1", CC=compiler(checkout, refused="nothing-at-all"))
    assert result.returncode == 0, result.stdout
    name, compiled = wheel(checkout)
    assert not name.endswith("-any.whl")
    assert compiled == {"_kernels", "_kernels_x86_64_v3", "_kernels_x86_64_v4"}
    # from three objects, each compiled once and with its own entry
    assert len(list(checkout.glob("build/**/*.o"))) == 3
    assert result.stdout.count("running build_ext") == 1
    for name in compiled:
        (module,) = checkout.glob(f"build/lib*/mlcore/{name}.*.so")
        assert f"PyInit_{name}\0".encode() in module.read_bytes()
    new = {path.relative_to(checkout) for path in checkout.rglob("*")} - before
    assert {path.parts[0] for path in new if "mlcore.egg-info" not in path.parts} == {"build", "dist", "compiler"}


def test_sdist_has_what_the_build_reads(checkout):
    result = build(checkout, "sdist")
    assert result.returncode == 0, result.stdout
    (path,) = (checkout / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {
        path.relative_to(checkout).as_posix()
        for path in (checkout / "src" / "mlcore").rglob("*")
        if path.suffix in {".py", ".pyx", ".h", ".typed"}
    }
    assert sources | {"setup.py", "pyproject.toml", "README.md", "LICENSE"} <= names
    assert not any(name.startswith("build/") or name.endswith(".c") for name in names)


@pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="no checkout: .ci/ is not beside tests/")
def test_every_minimum_is_pinned():
    """What .ci/minimum-versions.txt installs is the lower end of every requirement, and nothing else."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, build_system = table["project"], table["build-system"]["requires"]
    wanted = {}
    for line in [*build_system, *project["dependencies"], *project["optional-dependencies"]["test"]]:
        name, _, version = line.partition(">=")
        assert version, f"{line} has no lower end"
        assert wanted.setdefault(name, version) == version, f"{name} has two lower ends"
    pins = [line for line in (ROOT / ".ci" / "minimum-versions.txt").read_text().splitlines() if line[0] != "#"]
    pinned = dict(line.split("==") for line in pins)
    assert {name: version.removesuffix(".*") for name, version in pinned.items()} == wanted
    oldest = project["requires-python"].removeprefix(">=")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    job = workflow.partition("  minimum-versions:")[2].partition("\n\n")[0]
    assert f'python-version: "{oldest}"' in job
    assert f"python{oldest}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
