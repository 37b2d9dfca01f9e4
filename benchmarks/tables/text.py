"""What the tables share: numbers, rows and conditions as text, and the place between marks in README.md."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from threadpoolctl import threadpool_info

import mlcore
from mlcore.kernels import is_available

README = Path(__file__).resolve().parents[2] / "README.md"
NONE = "—"
NOT_INSTALLED = "not installed"


def digits(value: float, significant: int) -> str:
    exponent = int(f"{value:.{significant - 1}e}".partition("e")[2])
    return f"{value:.{max(0, significant - 1 - exponent)}f}"


def duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1.0:
            return f"{digits(seconds * factor, 3)} {unit}"
    return f"{digits(seconds * 1e6, 3)} µs"


def ratio(slower: Sequence[float], faster: Sequence[float]) -> str:
    """How many times as fast the second is: the best round of each."""
    return f"{digits(min(slower) / min(faster), 2)}×"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table: names to the left, numbers to the right."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return [lines[0], "|---|" + "--:|" * (len(head) - 1), *lines[1:]]


def spread(works: Iterable[dict[str, Any]]) -> str:
    """How far the median round of a cell lies above its best one."""
    above = [median(rounds) / min(rounds) - 1.0 for work in works for rounds in work["seconds"].values()]
    return f"The median round is {median(above):.0%} above the best one in half of the cells, {max(above):.0%} at most."


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


def installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def conditions(packages: Iterable[str] = ()) -> str:
    """The machine, threads, mlcore and what lies beneath, and the versions of further packages that are installed."""
    config = mlcore.show_config(mode="dicts")
    extension = "not built"
    if is_available("cython"):
        with mlcore.config_context(backend="cython"):
            extension = mlcore.show_config(mode="dicts")["backend detail"]
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = sorted({f"{pool['internal_api']} {pool['version']}" for pool in pools})
    names = ("numpy", "scipy", "numba", "scikit-learn", *packages)
    versions = [f"{name} {found}" for name in names if (found := installed_version(name))]
    parts = [
        f"{date.today()}, {cpu_name()} with {os.cpu_count()} CPUs, {platform.system()}",
        f"threads of BLAS: {max((pool['num_threads'] for pool in pools), default=1)}, of mlcore: {config['threads']}",
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
