"""Run the benchmarks against the mlcore that is installed here; fail if one fails, or none runs.

asv stores results by commit, and none without one. What is installed here has no commit for certain, so the results go
to a directory that is gone afterwards, under the one commit of an empty repository: no git checkout is needed. For
results to keep and compare, commit by commit, use asv itself (see README.md).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from check_results import check

HERE = Path(__file__).resolve().parent
MACHINES = Path.home() / ".asv-machine.json"
BRANCH = "installed"


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
            "benchmark_dir": str(HERE / settings["benchmark_dir"]),
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
        failed = check(scratch / "results", at_least)
    if status not in (0, 2):
        print(f"asv ended with status {status}")
        return 1
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="run each benchmark once: a test, not a measurement")
    parser.add_argument("--bench", metavar="REGEX", help="only the benchmarks that match")
    parser.add_argument("--at-least", type=int, default=1, metavar="N", help="how many must run (default: 1)")
    arguments = parser.parse_args()
    asv_arguments = ["--quick"] if arguments.quick else []
    if arguments.bench:
        asv_arguments += ["--bench", arguments.bench]
    return run(asv_arguments, arguments.at_least)


if __name__ == "__main__":
    sys.exit(main())
