"""The bar that `fit_many` shows on a terminal."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from rich.console import Console

from mlcore import LinearRegression, fit_many
from mlcore.many._progress import progress_bar

X = np.arange(40.0).reshape(20, 2)
Y = np.where(np.arange(20) == 3, np.nan, X[:, 0])
GROUPS = np.repeat(["a", "b", "c", "d"], 5)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.filterwarnings("ignore:.*groups failed")
def test_only_a_terminal_gets_a_bar(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(Console, "is_terminal", property(lambda _: terminal))
    many = fit_many(LinearRegression(), X, Y, groups=GROUPS, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("4 of 4 groups" in captured.err) == terminal
    assert ("1 failed" in captured.err) == terminal
    assert list(many.failures_) == ["a"]


def test_without_wish_nothing_is_shown_or_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with progress_bar("fitting", 3, False) as show:
        assert show is None
