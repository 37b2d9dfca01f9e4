"""The results as a table for README.md."""

from __future__ import annotations

from typing import Any

from readme import NONE, digits, duration, line
from suite.networks import FIRST

from .contenders import CONTENDERS

MISSING = "missing"


def head(first: str) -> list[str]:
    return [line([first, *(contender.name for contender in CONTENDERS)]), "|---|" + "--:|" * len(CONTENDERS)]


def times(network: dict[str, Any]) -> list[str]:
    """A cell for each contender: the time of a step, and for mlcore the ratio to the fastest of the others."""
    cells = []
    for contender in CONTENDERS:
        found = network["contenders"].get(contender.name)
        if not found:
            cells.append(MISSING)
        elif contender.is_mlcore:
            cells.append(f"{duration(found['best'])} ({digits(found['ratio_of_bests'], 2)}×)")
        else:
            fastest = min(v["best"] for k, v in network["contenders"].items() if not k.startswith("mlcore"))
            cells.append(f"**{duration(found['best'])}**" if found["best"] == fastest else duration(found["best"]))
    return cells


def whole_job(network: dict[str, Any]) -> list[str]:
    names = [contender.name for contender in CONTENDERS]
    there = network["contenders"]
    return [duration(there[name]["best"] * network["whole_job"]) if name in there else MISSING for name in names]


def shares(network: dict[str, Any], peaks: dict[str, float]) -> list[str]:
    """A cell for each contender: GFLOP/s, and the share of what its threads could multiply and add."""
    cells = []
    for contender in CONTENDERS:
        found = network["contenders"].get(contender.name)
        if not found:
            cells.append(MISSING)
            continue
        speed = network["operations"] / found["best"]
        cells.append(f"{digits(speed / 1e9, 2)} ({digits(100 * speed / peaks[str(contender.n_threads)], 2)} %)")
    return cells


def first_fits(results: dict[str, Any], which: str) -> list[str]:
    cells = []
    for contender in CONTENDERS:
        found = results["first_fits"].get(contender.name)
        cells.append(MISSING if not found else duration(found[which]) if which in found else NONE)
    return cells


def table(results: dict[str, Any]) -> str:
    networks = results["networks"]
    lines = [
        f"Time of a training step in {results['dtype']}, the best of {results['rounds']} rounds in which all take"
        " turns: what else runs on the machine only ever adds to it. In bold the fastest of the others; in parentheses"
        " how many times as fast as that mlcore is, slower if below 1.",
        "",
        *head("network"),
    ]
    for network in networks:
        lines.append(line([network["title"], *times(network)]))
        if network["whole_job"]:
            lines.append(line([f"… {network['whole_job']:,} such steps", *whole_job(network)]))
    lines.append(line([f"first fit of a process: {FIRST.title}, an epoch", *first_fits(results, "best")]))
    lines.append(line(["… with nothing in Numba's cache", *first_fits(results, "with an empty cache")]))
    peaks = results["peaks"]
    shown = ", ".join(f"{digits(value / 1e9, 3)} for {threads}" for threads, value in peaks.items())
    lines += [
        "",
        "The same as GFLOP/s of the matrix products, and as a share of the multiplications and additions that as many"
        f" cores can do, measured in the same rounds: {shown}.",
        "",
        *head("network"),
        *(line([network["title"], *shares(network, peaks)]) for network in networks),
    ]
    return "\n".join([*lines, "", results["conditions"]])
