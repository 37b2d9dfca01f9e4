"""Count asv's results, and fail if a benchmark failed or too few ran: ``check_results.py RESULTS_DIRECTORY``.

asv's exit status is 2 for a failure, but 0 too where everything was skipped. Its result files tell: a number for each
combination of parameters that ran, NaN for a skipped one, and null for one that failed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path

from asv.results import iter_results


def outcomes(directory: Path) -> Iterator[tuple[str, float | None]]:
    """Every benchmark in every result file below the directory, and one value for each combination of parameters."""
    for results in iter_results(str(directory)):
        for name in sorted(results.get_all_result_keys()):
            for value in results.get_result_value(name, results.get_result_params(name)):
                yield name, value


def check(directory: Path, at_least: int = 1) -> int:
    """Print the counts; 0 if all is well, else 1."""
    passed, skipped, failed = 0, 0, []
    for name, value in outcomes(directory):
        if value is None:
            failed.append(name)
        elif math.isnan(value):
            skipped += 1
        else:
            passed += 1
    for name in sorted(set(failed)):
        print(f"FAILED {name}: {failed.count(name)}")
    if passed < at_least:
        print(f"too few benchmarks ran: {at_least} wanted")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return int(bool(failed) or passed < at_least)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="asv's results, of one run or many")
    parser.add_argument("--at-least", type=int, default=1, metavar="N", help="how many must have run (default: 1)")
    arguments = parser.parse_args()
    return check(arguments.directory, arguments.at_least)


if __name__ == "__main__":
    sys.exit(main())
