"""What pyproject.toml cannot say: the optional extension, one C source compiled once per instruction set.

The environment decides:

MLCORE_NO_EXTENSION=1       build none of it, and Numba serves
MLCORE_REQUIRE_EXTENSION=1  a module that does not compile fails the build (else it is left out, and a line says so)

A wheel without the extension is pure Python by its tag too, whatever the reason, which it carries for `show_config`.

Each instruction set is a module of its own, and the import of the package chooses among them by the CPU at hand. So one
wheel is fast everywhere, and nothing depends on the machine that built it (which is what -march=native would do).
"""

from __future__ import annotations

import ast
import copy
import os
import re
import runpy
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

PACKAGE = Path("src/mlcore")
SOURCE = "src/mlcore/_kernels.pyx"
# the extension includes these as text; setup.py is here for its flags
SHARED = PACKAGE / "kernels/source"
texts = runpy.run_path(str(SHARED / "__init__.py"))["texts"]
CONSTANTS = [PACKAGE / "kernels/ids.py", PACKAGE / "kernels/thresholds.py"]
DEPENDS = ["setup.py", *(path.as_posix() for path in [PACKAGE / "_leaves.h", *CONSTANTS, *SHARED.glob("*.py")])]
# Sums must be the same sums on every machine: no contraction but the explicit one of _leaves.h, no fast-math. The last
# two change no result, only errno and the floating-point flags, and without them no loop with a root or a choice in it
# becomes a loop of vectors.
# -g0, after Python's own -g, makes the modules a fifth of the size.
UNIX_FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
MSVC_FLAGS = ["/O2", "/fp:precise"]
# why there is no extension, for `show_config`: a file beside the package's modules
REASON = "_no_extension.txt"
# the suffix of the module, and its flags; the baseline is first, and asks which of the others the CPU can run
BASELINE = ("", [])
X86_64_LEVELS = [
    ("_x86_64_v3", ["-march=x86-64-v3"]),
    ("_x86_64_v4", ["-march=x86-64-v4", "-mprefer-vector-width=512"]),
]


def switched_on(name: str) -> bool:
    """Whether an environment variable says yes."""
    return os.environ.get(name, "") not in ("", "0")


def targets_x86_64() -> bool:
    """Whether the target is x86-64 alone: for universal2, one call of the compiler makes arm64 code too."""
    architectures = re.findall(r"-arch[ =](\S+)", os.environ.get("ARCHFLAGS", "")) if sys.platform == "darwin" else []
    if architectures:
        return set(architectures) == {"x86_64"}
    return sys.maxsize > 2**32 and sysconfig.get_platform().endswith(("-x86_64", "-amd64"))


def extensions() -> list[Extension]:
    """List the modules to build, the baseline first."""
    return [
        Extension(
            f"mlcore._kernels{suffix}",
            [SOURCE],
            depends=DEPENDS,
            include_dirs=["src/mlcore"],
            extra_compile_args=flags,
            # the C source names its entry after the baseline; under another name, it is another module
            define_macros=[("PyInit__kernels", f"PyInit__kernels{suffix}")] if suffix else [],
            optional=not switched_on("MLCORE_REQUIRE_EXTENSION"),
        )
        for suffix, flags in [BASELINE, *(X86_64_LEVELS if targets_x86_64() else [])]
    ]


def write_constants(path: Path) -> None:
    """Write the numbers that Python and the kernels share as C constants: Cython's own would be loaded at each use."""
    ids, thresholds = (
        {name: value for name, value in runpy.run_path(str(file)).items() if name.isupper()} for file in CONSTANTS
    )
    lines = [
        "cdef enum:",
        *(f"    {name} = {value}" for name, value in ids.items()),
        "cdef extern from *:",
        '    """',
        *(f"    #define MLCORE_{name} {float(value)!r}" for name, value in thresholds.items()),
        '    """',
        *(f'    const double {name} "MLCORE_{name}"' for name in thresholds),
    ]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def write_sources(path: Path) -> None:
    """Include the shared sources in their order; then write an entry for each kernel, which runs it without the GIL."""
    lines, entries = [], []
    for source, text in texts(SHARED):
        copy_of_it = path.with_name(f"source_{len(lines)}_{source.name}")
        copy_of_it.write_text(text, encoding="utf-8")
        lines.append(f'include "{copy_of_it.name}"')
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.endswith("_kernel"):
                names = ", ".join(argument.arg for argument in node.args.args)
                parameters = ", ".join(f"{c_type(argument.annotation)} {argument.arg}" for argument in node.args.args)
                entries += [
                    "",
                    f"def {node.name.removesuffix('_kernel')}({parameters}):",
                    f"    cdef {c_type(node.returns)} returned",
                    "    with nogil:",
                    f"        returned = {node.name}({names})",
                    "    return returned",
                ]
    path.write_text("\n".join([*lines, *entries, ""]), encoding="utf-8")


def c_type(annotation: ast.expr | None) -> str:
    """Spell a type of Cython's pure-Python mode as its own language does."""
    return ast.unparse(annotation).replace("cython.", "")


class BuildKernels(build_ext):
    """Translate once, compile once per instruction set, and go on without what does not compile."""

    failure = ""

    def run(self) -> None:
        if switched_on("MLCORE_NO_EXTENSION"):
            self.failure = "MLCORE_NO_EXTENSION=1 was set at installation"
        else:
            super().run()
        inplace = self.inplace or getattr(self, "editable_mode", False)
        package = Path(self.get_finalized_command("build_py").get_package_dir("mlcore") if inplace else self.build_lib)
        reason = package / ("" if inplace else "mlcore") / REASON
        if not self.failure:
            reason.unlink(missing_ok=True)
            return
        # what earlier builds have left, and what is nothing without the baseline
        for module in reason.parent.glob("_kernels*" + sysconfig.get_config_var("EXT_SUFFIX")):
            module.unlink()
        reason.parent.mkdir(parents=True, exist_ok=True)
        reason.write_text(self.failure + "\n", encoding="utf-8")
        self.extensions = self.distribution.ext_modules = []

    def build_extensions(self) -> None:
        # imported here, since a build without the extension, an sdist and the metadata can all do without Cython
        from Cython.Build import cythonize

        is_msvc = self.compiler.compiler_type == "msvc"
        if is_msvc:
            del self.extensions[1:]  # it knows no such flags, and has no vector types for them to act on
        # an error in the Cython source is ours, and fatal in every kind of build
        baseline = Extension("mlcore._kernels", [SOURCE])
        build = Path(self.build_temp, "cython")
        build.mkdir(parents=True, exist_ok=True)
        write_constants(build / "constants.pxi")
        write_sources(build / "sources.pxi")
        (translated,) = cythonize([baseline], build_dir=str(build), include_path=[str(build)], force=self.force)
        for extension in self.extensions:
            extension.sources = translated.sources
            extension.extra_compile_args = (MSVC_FLAGS if is_msvc else UNIX_FLAGS) + extension.extra_compile_args
        self.parallel = self.parallel or True
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        # One source makes one name of an object file: a folder for each. A copy of the command carries it, because
        # several threads call this method at once.
        command = copy.copy(self)
        command.build_temp = os.path.join(self.build_temp, ext.name)
        try:
            super(BuildKernels, command).build_extension(ext)
        except (BaseError, CCompilerError) as error:
            if not ext.optional:
                raise
            Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)  # of an earlier build, from another source
            instead = "the baseline serves in its place"
            if ext is self.extensions[0]:
                instead = "Numba serves in its place"
                self.failure = f"it did not compile at installation: {error}"
            print(f"mlcore: the extension {ext.name} was NOT built; {instead}. The reason: {error}", file=sys.stderr)


class TagWheel(bdist_wheel):
    """Tag the wheel after what was built: one without the extension serves every machine, and says so."""

    def run_command(self, command: str) -> None:
        super().run_command(command)
        if command == "build":
            self.root_is_pure = not self.distribution.has_ext_modules()


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildKernels, "bdist_wheel": TagWheel})
