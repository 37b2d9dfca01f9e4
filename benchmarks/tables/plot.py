"""The results as pictures: a bar for each contender of a network, a line for each that fits many models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..peers.networks import CONTENDERS
from .text import duration

MLCORE, OTHERS = "#1f6f8b", "#b8b8b8"
LINES = ("#1f6f8b", "#8a5a83", "#b0702f", "#5c7a3d", "#555555", "#a03c3c")


def tick(seconds: float, _: Any = None) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 0.999:
            return f"{seconds * factor:g} {unit}"
    return f"{seconds * 1e6:g} µs"


matplotlib.rcParams["svg.hashsalt"] = "peers"  # the same file for the same results
matplotlib.rcParams["svg.fonttype"] = "none"  # text as text: half the size


def draw(results: dict[str, Any], path: Path) -> None:
    networks = results["works"]
    names = [contender.name for contender in CONTENDERS if contender.name in networks[0]["seconds"]]
    rows = -(-len(networks) // 2)
    figure = Figure(figsize=(10, 0.75 + rows * (0.8 + 0.24 * len(names))), layout="constrained")
    panels = figure.subplots(rows, 2, sharey=True).ravel()
    bests = [[min(network["seconds"][name]) for name in names] for network in networks]
    # A bar on a logarithmic axis begins anywhere: at half of the shortest, for all to be seen. All panels span the same
    # ratio, so that an equal difference in length is an equal ratio of times.
    span = 2 * max(max(seconds) / min(seconds) for seconds in bests)
    for panel, network, seconds in zip(panels, networks, bests, strict=False):
        colours = [MLCORE if name.startswith("mlcore") else OTHERS for name in names]
        low = min(seconds) / 2
        panel.barh(names, [value - low for value in seconds], left=low, color=colours, height=0.75)
        for place, value in enumerate(seconds):
            panel.text(value, place, f" {duration(value)}", va="center", fontsize=8)
        panel.set_xscale("log")
        panel.set_xlim(low, low * span**1.2)  # and room for the number
        panel.xaxis.set_major_formatter(FuncFormatter(tick))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_title(network["title"], fontsize=10, loc="left")
        panel.tick_params(labelsize=8)
        panel.tick_params(axis="y", length=0)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    for panel in panels[len(networks) :]:
        panel.remove()
    figure.suptitle(f"Time of a training step, {results['dtype']}, logarithmic: shorter is faster", fontsize=11)
    figure.savefig(path, metadata={"Date": None})


def draw_lines(
    panels: dict[str, dict[str, list[tuple[float, float]]]], title: str, axes: tuple[str, str], path: Path
) -> None:
    """Points of each contender, by panel, on logarithmic axes; the names stand at the lines' ends."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    shown = figure.subplots(1, len(panels))
    for panel, (heading, lines) in zip(shown, panels.items(), strict=True):
        ends = []
        for number, (name, points) in enumerate(lines.items()):
            x, y = zip(*sorted(points), strict=True)
            is_ours = name == next(iter(lines))
            colour = MLCORE if is_ours else LINES[number % len(LINES)]
            panel.plot(x, y, marker="o", markersize=4, color=colour, linewidth=2.5 if is_ours else 1.3)
            ends.append((y[-1], name, colour, x[-1]))
        panel.set_xscale("log")
        panel.set_yscale("log")
        low, high = panel.get_ylim()
        step = (high / low) ** 0.055  # names that would lie on one another are moved apart
        place = 0.0
        for y_end, name, colour, x_end in sorted(ends):
            place = max(y_end, place * step)
            panel.annotate(
                name, (x_end, place), xytext=(7, 0), textcoords="offset points", va="center", color=colour, fontsize=8
            )
        panel.set_title(heading, fontsize=10, loc="left")
        panel.set_xlabel(axes[0], fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(visible=True, which="major", color="#e6e6e6", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_xlim(right=max(x for *_, x in ends) * 1.2)
    shown[0].set_ylabel(axes[1], fontsize=9)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, metadata={"Date": None})
