"""Parts of a list of groups, taken by threads; Ctrl-C gives back what is finished."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso

import mlcore
from mlcore import fit_many
from mlcore.config import chosen_kernels
from mlcore.many import _logistic, _networks, _turns
from mlcore.many._fit import INTERRUPTED
from mlcore.many._turns import Report, in_turns
from mlcore.neural_network._training import Training

from .test_fit import NETWORK, assert_same, ragged


def interrupting(after: int, times: int = 1) -> Callable[..., None]:
    """What Ctrl-C does to a function, at its calls from one on."""
    calls = [0]

    def called(*_: Any, **__: Any) -> None:
        calls[0] += 1
        if after < calls[0] <= after + times:
            raise KeyboardInterrupt

    return called


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_every_part_is_done_once(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_turns, "_LEAST_PART", 3.0)
    calls = np.zeros(200, int)
    report = Report()

    def task(start: int, stop: int, room: object) -> None:
        calls[start:stop] += 1

    assert in_turns(task, object, np.ones(200), n_threads, report).all()
    assert (calls == 1).all()
    assert (report.done, report.interrupted) == (200, False)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_second_interrupt_is_raised_and_the_first_without_a_report(
    n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_turns, "_LEAST_PART", 1.0)
    operations = np.ones(100)
    with pytest.raises(KeyboardInterrupt):
        in_turns(interrupting(5), object, operations, n_threads)
    report = Report()
    done = in_turns(interrupting(5), object, operations, n_threads, report)
    assert report.interrupted
    assert 5 <= np.count_nonzero(done) < 100
    # no later call begins a fit
    assert not in_turns(interrupting(0), object, operations, n_threads, report).any()
    with pytest.raises(KeyboardInterrupt):
        in_turns(interrupting(0, times=2), object, np.ones(1), n_threads, _heard(Report()))


def _heard(report: Report) -> Report:
    """A report to which Ctrl-C comes while the turns are under way, before another one."""
    first = iter([False])

    class Heard(Report):
        @property
        def interrupted(self) -> bool:  # type: ignore[override]
            return next(first, True)

        @interrupted.setter
        def interrupted(self, value: bool) -> None: ...

    report.__class__ = Heard
    return report


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    "estimator",
    [
        mlcore.LinearRegression(),
        mlcore.LogisticRegression(),
        mlcore.MLPRegressor(**NETWORK),
        Lasso(alpha=0.1, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_an_interrupt_gives_back_what_is_finished(
    estimator: Any, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_turns, "_LEAST_PART", 1.0)
    X, y, groups = ragged(11, n_groups=40, n_rows=2000)
    if isinstance(estimator, mlcore.LogisticRegression):
        y = y > np.median(y)
    whole = _quietly(estimator, X, y, groups, n_threads)
    stop = interrupting(12)
    tell = Report.tell

    def telling(self: Report, n: int, failed: int = 0) -> None:
        tell(self, n, failed)
        stop()

    monkeypatch.setattr(Report, "tell", telling)
    with pytest.warns(UserWarning, match="^Interrupted: ") as caught:
        many = fit_many(estimator, X, y, groups=groups, n_threads=n_threads)
    assert len(caught) == 1
    left = [key for key, text in many.failures_.items() if text == INTERRUPTED]
    told = f"Interrupted: {len(left)} of {len(many)} groups were not fitted (failures_)."
    assert str(caught[0].message).startswith(told)
    assert 0 < len(left) < len(many) - 5
    with pytest.raises(NotFittedError, match=INTERRUPTED):
        many[left[0]]
    for key in many:
        if key not in many.failures_:
            assert_same(many[key], whole[key])
            assert many.warnings_.get(key) == whole.warnings_.get(key)


@pytest.mark.parametrize("kernel", ["many_quartiles", "many_logistic"])
def test_an_interrupt_in_each_compiled_pass(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_turns, "_LEAST_PART", 1.0)
    X, y, groups = ragged(12, n_groups=40, n_rows=2000)
    kernels = chosen_kernels()
    own, stop = getattr(kernels, kernel), interrupting(4)

    def called(*arguments: Any) -> Any:
        stop()
        return own(*arguments)

    monkeypatch.setattr(_logistic, "chosen_kernels", lambda: replace(kernels, **{kernel: called}))
    arguments: dict[str, Any] = {"y": y > np.median(y), "groups": groups, "n_threads": 2}
    if kernel == "many_quartiles":  # no model is finished yet
        with pytest.raises(KeyboardInterrupt):
            fit_many(mlcore.LogisticRegression(), X, **arguments)
        return
    with pytest.warns(UserWarning, match="^Interrupted: "):
        many = fit_many(mlcore.LogisticRegression(), X, **arguments)
    assert 0 < many.failures_.count(INTERRUPTED) < len(many)


def test_an_interrupt_between_two_calls_leaves_the_models_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, groups = ragged(15)
    keys = np.unique(groups).tolist()
    params = {key: {"hidden_layer_sizes": (i % 3 + 1,)} for i, key in enumerate(keys)}
    stop = interrupting(1)
    laid_out = _networks.bounds_of_draws

    def called(*arguments: Any) -> Any:
        stop()
        return laid_out(*arguments)

    monkeypatch.setattr(_networks, "bounds_of_draws", called)
    with pytest.warns(UserWarning, match="^Interrupted: "):
        many = fit_many(mlcore.MLPRegressor(**NETWORK), X, y, groups=groups, params=params)
    assert [key for key in keys if many.failures_.get(key) != INTERRUPTED] == keys[::3]


def test_a_network_that_keeps_what_it_has_is_no_model_of_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, groups = ragged(13)
    estimator = mlcore.MLPRegressor(**{**NETWORK, "early_stopping": True})
    stop = interrupting(3)
    epochs = Training.epochs

    def trained(*arguments: Any, **more: Any) -> Any:
        stop()
        return epochs(*arguments, **more)

    monkeypatch.setattr(Training, "epochs", trained)
    with pytest.warns(UserWarning, match=r"^Interrupted: \d+ of \d+ groups were not fitted"):
        many = fit_many(estimator, X, y, groups=groups)
    assert not any("interrupted" in text for texts in many.warnings_.values() for text in texts)
    assert 0 < many.failures_.count(INTERRUPTED) < len(many)


def test_a_second_interrupt_leaves_fit_many(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, groups = ragged(14)
    monkeypatch.setattr(Report, "tell", interrupting(0, times=2))
    with pytest.raises(KeyboardInterrupt):
        fit_many(mlcore.Ridge(), X, y, groups=groups)


def _quietly(estimator: Any, X: Any, y: Any, groups: Any, n_threads: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit_many(estimator, X, y, groups=groups, n_threads=n_threads)
