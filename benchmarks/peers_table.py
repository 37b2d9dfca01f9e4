"""Train the same networks by mlcore, scikit-learn, PyTorch and JAX, and write the table in README.md and the plot.

The table stands between the lines ``<!-- peers:begin -->`` and ``<!-- peers:end -->``. All that was measured is kept in
``peers/results/``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from peers.contenders import CONTENDERS
from peers.measure import measure

HERE = Path(__file__).resolve().parent
PLOT = HERE.parent / "docs" / "peers.svg"
DISTRIBUTIONS = {"PyTorch": "torch", "JAX": "jax"}


def main() -> int:
    # Not above: each process that is measured imports this file, and has no business with the report.
    from peers.plot import draw
    from peers.table import table
    from readme import README, around, conditions, write_between

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rounds, and write nothing: a test, no measurement")
    parser.add_argument("--dry-run", action="store_true", help="print the table and write nothing")
    parser.add_argument("--redraw", action="store_true", help="measure nothing: use what was measured last")
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="of all numbers (default: float32); float64 goes to its own file of results, and not to README.md",
    )
    parser.add_argument("--rounds", type=int, default=12, metavar="N", help="turns of each contender (default: 12)")
    parser.add_argument("--readme", type=Path, default=README, help="the file to write (default: README.md)")
    arguments = parser.parse_args()
    is_written = not (arguments.quick or arguments.dry_run)
    is_published = is_written and arguments.dtype == "float32"
    if is_published:
        try:
            around(arguments.readme, "peers")  # before the minutes that the table takes
        except ValueError as error:
            parser.error(str(error))

    path = HERE / "peers" / "results" / ("latest.json" if arguments.dtype == "float32" else "latest-float64.json")
    if arguments.redraw:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    else:
        rounds, starts = (2, 1) if arguments.quick else (arguments.rounds, 3)
        results = measure(rounds, starts, arguments.dtype)
        there = {contender.library for contender in CONTENDERS if contender.is_installed}
        results["conditions"] = conditions(*(DISTRIBUTIONS[name] for name in DISTRIBUTIONS if name in there))
    text = table(results)
    print(text)
    if is_written:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if is_published:
        write_between(arguments.readme, "peers", text)
        draw(results, PLOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
