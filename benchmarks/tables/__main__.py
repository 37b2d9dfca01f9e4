"""Measure a table, all contenders in turn, and write it between its marks: ``-m benchmarks.tables NAME``.

All that was measured is kept in ``results/``, every round of it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

# a process that measures imports this file too, and has no business with the tables and the report: they come later
NAMES = ("speedups", "networks", "derivatives", "regressions", "many")
RESULTS = Path(__file__).resolve().parent / "results"


def kept(results: dict[str, Any]) -> dict[str, Any]:
    """As JSON keeps them, and to four digits."""
    return json.loads(json.dumps(results), parse_float=lambda text: float(f"{float(text):.4g}"))


def dump(results: dict[str, Any]) -> str:
    """JSON; a list of numbers is a line."""
    text = json.dumps(results, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--quick", action="store_true", help="small, one round, and write nothing: a test")
    parser.add_argument("--dry-run", action="store_true", help="print the table and write nothing")
    parser.add_argument("--redraw", action="store_true", help="measure nothing: use what was measured last")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each contender")
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="of the networks (default: float32); float64 goes to its own file of results, and not to README.md",
    )
    parser.add_argument(
        "--readme", type=Path, help="the file to write (default: README.md, and of `many` its page in docs)"
    )
    options = parser.parse_args()

    from ..suite.turns import TURN
    from .text import README, around, conditions, spread, write_between

    subject = import_module(f"{__package__}.{options.name}")
    mark = {"networks": "peers"}.get(options.name, options.name)
    options.readme = options.readme or getattr(subject, "PAGE", README)
    options.rounds = options.rounds or (1 if options.quick else subject.ROUNDS)
    options.turn = 0.0 if options.quick else TURN
    is_other = options.name == "networks" and options.dtype == "float64"
    is_written = not (options.quick or options.dry_run)
    if is_written and not is_other:
        try:
            around(options.readme, mark)  # before the minutes that the table takes
        except ValueError as error:
            parser.error(str(error))
    path = RESULTS / f"{options.name}{'-float64' if is_other else ''}.json"
    if options.redraw:
        results = json.loads(path.read_text(encoding="utf-8"))
    else:
        results = kept({"rounds": options.rounds, **subject.measure(options)})
        results["conditions"] = f"{conditions(subject.PACKAGES)} {spread(results['works'])}"
    text = "\n".join([*subject.render(results), "", results["conditions"]])
    print(text)
    if is_written:
        path.write_text(dump(results), encoding="utf-8")
        if not is_other:
            write_between(options.readme, mark, text)
            if hasattr(subject, "lead"):
                write_between(README, mark, subject.lead(results))
            if hasattr(subject, "draw"):
                subject.draw(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
