"""scikit-learn's own tests of LinearRegression, Ridge and LogisticRegression, run on mlcore's classes.

Each module of them runs in a process of its own, under the plugin `swapped_classes`. One test, with its traceback::

    PYTHONPATH=tests/linear_model python -m pytest -p swapped_classes -p no:cacheprovider -c /dev/null --rootdir . \
        --pyargs sklearn.linear_model.tests.test_logistic -k test_sparsify
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

import pytest
import sklearn

pytestmark = [
    pytest.mark.skipif(
        not sklearn.__version__.startswith("1.9."), reason="the table below is for the tests of scikit-learn 1.9"
    ),
    pytest.mark.skipif(
        find_spec("sklearn.linear_model.tests") is None, reason="scikit-learn is installed without its tests"
    ),
]

CALLBACKS = "set_callbacks, which scikit-learn tries out in its own classes"
DEPRECATED = "scikit-learn announces there what its own next versions will refuse"
IN_PLACE = "copy_X=False must spoil X there; mlcore never writes to it"
PRIVATE = "a private function or method of scikit-learn"

# what fails for a reason: a test, all its cases; or one case, or the beginning of some
DOES_NOT_APPLY = {
    "test_base": {
        "test_inplace_data_preprocessing[42-True-None]": IN_PLACE,
        "test_inplace_data_preprocessing[42-False-None]": IN_PLACE,
    },
    "test_ridge": {
        "test_ridge_individual_penalties": "the wording of an error; test_linear.py has the coefficients",
    },
    "test_logistic": {
        "test_logistic_cv_multinomial_score": PRIVATE,
        "test_logreg_predict_proba_multinomial": PRIVATE,
        "test_penalty_deprecated[LogisticRegression]": DEPRECATED,
        "test_l1_ratio_None_deprecated": DEPRECATED,
        "test_logisticregression_warns_with_n_jobs": DEPRECATED,
        "test_logistic_regression_callback_support": CALLBACKS,
        "test_logistic_regression_callback_fitted_estimator": CALLBACKS,
        "test_logistic_regression_callback_support_warning": CALLBACKS,
    },
}


def run_module(module: str, directory: Path) -> dict[str, tuple[str, str]]:
    """Every case's outcome and, where there is one, message."""
    # no configuration: what ours asks, warnings as errors among it, is nothing scikit-learn's tests promise
    (directory / "pytest.ini").touch()
    changing = ("PYTEST_", "SKLEARN_", "SCIPY_ARRAY_API", "PYTHONWARNINGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(changing)}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent), *filter(None, [environment.get("PYTHONPATH")])]
    )
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    environment["OMP_NUM_THREADS"] = "1"  # small matrices: threads that wait for each other cost more than they do
    options = ["-c", "pytest.ini", "-p", "no:cacheprovider", "-p", "swapped_classes", "--disable-warnings", "-q"]
    result = subprocess.run(
        # -B: nothing is written beside the installed tests
        [sys.executable, "-B", "-m", "pytest", *options, "--tb=short", "--junitxml=report.xml"]
        + ["--pyargs", f"sklearn.linear_model.tests.{module}"],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    # 0 and 1: all were run
    assert result.returncode in (0, 1), result.stdout[-3000:]
    outcomes = {}
    for case in ElementTree.parse(directory / "report.xml").iter("testcase"):
        told = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
        outcome = ("passed", "") if told is None else (told.tag, told.get("message") or "")
        outcomes[case.get("name")] = outcome
    return outcomes


@pytest.mark.parametrize("module", DOES_NOT_APPLY)
def test_scikit_learns_own(module, tmp_path):
    outcomes = run_module(module, tmp_path)
    assert [outcome for outcome, _ in outcomes.values()].count("passed") > 40
    table = DOES_NOT_APPLY[module]
    listed = {
        entry: [name for name in outcomes if name == entry or name.startswith(entry if "[" in entry else f"{entry}[")]
        for entry in table
    }
    wrong = [f"{entry}: listed, but there is no such test" for entry, names in listed.items() if not names]
    wrong += [
        f"{entry}: listed, but it passes"
        for entry, names in listed.items()
        if names and all(outcomes[name][0] == "passed" for name in names)
    ]
    excused = {name for names in listed.values() for name in names}
    wrong += [
        f"{name}: {outcome}: {message.strip().partition(chr(10))[0]}"
        for name, (outcome, message) in outcomes.items()
        if outcome in ("failure", "error") and name not in excused
    ]
    if wrong:
        pytest.fail("\n".join([f"{module}: {len(wrong)} of {len(outcomes)}", *wrong]), pytrace=False)
