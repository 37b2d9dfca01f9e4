"""Run the benchmarks against the mlcore that is installed here; fail if one fails, or none runs.

asv stores results by commit, and none without one. What is installed here has no commit for certain, so the results go
to a directory that is gone afterwards, under the one commit of an empty repository: no git checkout is needed. For
results to keep and compare, commit by commit, use asv itself (see README.md); `--check` counts those.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from asv.results import iter_results
from asv_runner.discovery import disc_benchmarks, get_benchmark_from_name

HERE = Path(__file__).resolve().parent
SUITE = HERE / "suite"
ONCE = {"number": 1, "repeat": 1, "warmup_time": 0}
MACHINES = Path.home() / ".asv-machine.json"
BRANCH = "installed"


Outcome = tuple[str, Any]  # a benchmark, and its value for a combination of parameters: NaN if skipped, None if failed


def count(outcomes: Iterable[Outcome], at_least: int) -> int:
    """Print the counts; 0 if none failed and enough ran, else 1."""
    passed, skipped, failed = 0, 0, []
    for name, value in outcomes:
        if value is None:
            failed.append(name)
        elif value != value:
            skipped += 1
        else:
            passed += 1
    for name in sorted(set(failed)):
        print(f"FAILED {name}: {failed.count(name)}")
    if passed < at_least:
        print(f"too few benchmarks ran: {at_least} wanted")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return int(bool(failed) or passed < at_least)


def stored(directory: Path) -> Iterator[Outcome]:
    """What asv's result files hold. Its exit status does not tell: it is 0 too where everything was skipped."""
    for results in iter_results(str(directory)):
        for name in sorted(results.get_all_result_keys()):
            for value in results.get_result_value(name, results.get_result_params(name)):
                yield name, value


def each_once(pattern: str) -> Iterator[Outcome]:
    """Run each combination of parameters once, in this process; asv would start one for each, and import all again."""
    for found in list(disc_benchmarks(SUITE.name)):
        for number, parameters in enumerate(itertools.product(*found.params)):
            if not re.search(pattern, f"{found.name}({', '.join(parameters)})"):
                continue
            benchmark = get_benchmark_from_name(str(SUITE), f"{found.name}-{number}", ONCE)
            benchmark.func.__self__.rounds = 1
            start = perf_counter()
            try:
                try:
                    value = math.nan if benchmark.do_setup() else benchmark.do_run()
                finally:
                    benchmark.do_teardown()
            except Exception:
                traceback.print_exc()
                value = None
            print(f"{perf_counter() - start:7.2f} s  {found.name}({', '.join(parameters)})", flush=True)
            yield found.name, value


def is_machine_known() -> bool:
    """Whether asv will not ask about this machine: it stands in asv's file, or alone there under another name."""
    try:
        machines = json.loads(MACHINES.read_text())
    except FileNotFoundError:
        return False
    names = set(machines) - {"version"}
    return platform.node() in names or len(names) == 1


def make_repository(directory: Path, environment: dict[str, str]) -> None:
    """A repository of one empty commit."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(directory), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout.strip()

    directory.mkdir()
    git("init", "--quiet")
    identity = ("-c", "user.name=mlcore", "-c", "user.email=mlcore@localhost")
    commit = git(*identity, "commit-tree", git("mktree"), "-m", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", commit)


def run(asv_arguments: list[str], at_least: int) -> int:
    """Run asv in this environment with further arguments, and check what it stored."""
    # within a git hook git's own variables would point to the repository of the hook
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    asv = [sys.executable, "-m", "asv"]
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        make_repository(scratch / "repository", environment)
        settings = json.loads((HERE / "asv.conf.json").read_text())
        settings |= {
            "repo": str(scratch / "repository"),
            "branches": [BRANCH],
            "benchmark_dir": str(SUITE),
            "env_dir": str(scratch / "env"),
            "results_dir": str(scratch / "results"),
            "html_dir": str(scratch / "html"),
        }
        configuration = scratch / "asv.conf.json"
        configuration.write_text(json.dumps(settings))
        options = ["--config", str(configuration)]
        if not is_machine_known():
            command = [*asv, "machine", *options, "--yes"]
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        command = [*asv, "run", *options, "--python=same", f"--set-commit-hash={BRANCH}", "--show-stderr"]
        status = subprocess.run([*command, *asv_arguments], env=environment).returncode
        failed = count(stored(scratch / "results"), at_least)
    if status not in (0, 2):
        print(f"asv ended with status {status}")
        return 1
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each once, in this process: a test, no measurement")
    parser.add_argument("--bench", metavar="REGEX", help="only the benchmarks that match")
    parser.add_argument("--at-least", type=int, default=1, metavar="N", help="how many must run (default: 1)")
    parser.add_argument("--check", type=Path, metavar="DIR", help="run nothing: count asv's results in this directory")
    arguments = parser.parse_args()
    if arguments.check:
        return count(stored(arguments.check), arguments.at_least)
    if arguments.quick:
        return count(each_once(arguments.bench or ""), arguments.at_least)
    return run(["--bench", arguments.bench] if arguments.bench else [], arguments.at_least)


if __name__ == "__main__":
    sys.exit(main())
