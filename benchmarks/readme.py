"""What the scripts share that write a table in README.md: numbers and conditions as text, the place between marks."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import date
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_info

import mlcore
from mlcore.kernels import is_available

README = Path(__file__).resolve().parent.parent / "README.md"
NONE = "—"


def digits(value: float, significant: int) -> str:
    exponent = int(f"{value:.{significant - 1}e}".partition("e")[2])
    return f"{value:.{max(0, significant - 1 - exponent)}f}"


def duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1.0:
            return f"{digits(seconds * factor, 3)} {unit}"
    return f"{digits(seconds * 1e6, 3)} µs"


def line(cells: Iterable[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def cpu_name() -> str:
    try:
        if platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, subprocess.CalledProcessError):
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def conditions(*packages: str) -> str:
    """The machine, mlcore and what lies beneath, and the versions of further packages."""
    extension = "not built"
    if is_available("cython"):
        with mlcore.config_context(backend="cython"):
            extension = mlcore.show_config(mode="dicts")["backend detail"]
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = sorted({f"{pool['internal_api']} {pool['version']}" for pool in pools})
    versions = [f"{name} {version(name)}" for name in ("numpy", "scipy", "numba", "scikit-learn", *packages)]
    parts = [
        f"{date.today()}, {cpu_name()} with {os.cpu_count()} CPUs, {platform.system()}",
        f"threads of BLAS: {max((pool['num_threads'] for pool in pools), default=1)}",
        f"mlcore {mlcore.__version__} (extension: {extension})",
        f"Python {platform.python_version()}, {', '.join(versions)}",
        f"BLAS: {', '.join(blas) or 'unknown'}",
    ]
    return f"{'; '.join(parts)}."


def around(path: Path, name: str) -> tuple[str, str]:
    """The text up to the mark ``<!-- name:begin -->`` and from the mark ``<!-- name:end -->``, each with its mark.

    Raises
    ------
    ValueError
        If the file has not one of each, in this order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found_begin, rest = path.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end) or begin in rest or end in before + after:
        raise ValueError(f"{path} must have one line {begin} and, below it, one line {end}")
    return before + begin, end + after


def write_between(path: Path, name: str, text: str) -> None:
    """Put a text between the marks, in place of what stands there."""
    before, after = around(path, name)
    path.write_text(f"{before}\n{text}\n{after}", encoding="utf-8")
