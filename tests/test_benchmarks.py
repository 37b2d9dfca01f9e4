"""The documents' tables are those of the results that are kept."""

import subprocess
import sys

import pytest
from conftest import ROOT

RESULTS = sorted((ROOT / "benchmarks" / "tables" / "results").glob("*.json"))


@pytest.mark.skipif(not RESULTS, reason="the benchmarks are not here")
@pytest.mark.parametrize("name", [path.stem for path in RESULTS if not path.stem.endswith("-float64")])
def test_the_table_is_what_was_measured(name):
    page = {"many": "docs/many_models.md"}.get(name, "README.md")
    readme = (ROOT / page).read_text(encoding="utf-8")
    command = [sys.executable, "-X", "utf8", "-m", "benchmarks.tables", name, "--redraw", "--dry-run"]
    found = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    assert found.count("\n") > 5
    assert found in readme
    if name == "many":
        assert found.splitlines()[0] in (ROOT / "README.md").read_text(encoding="utf-8")
