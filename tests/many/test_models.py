"""ManyModels: what is told of all models at once is what each says alone; files, copies and failures."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import Lasso
from sklearn.metrics import log_loss, mean_squared_error

import mlcore
from mlcore import fit_many

from .test_fit import CLASSIFIERS, NETWORK, REGRESSORS, assert_same, check_against_alone, ragged

pytestmark = pytest.mark.filterwarnings("ignore:.*(groups failed|fitted with a warning)")

QUICK: dict[str, Any] = {**NETWORK, "max_iter": 2}


def labels_of(y: Any, groups: Any) -> Any:
    """Two classes in most groups, one or three in others."""
    third = (groups % 4 == 2) & (np.arange(len(y)) % 9 == 0)
    labels = np.array(["low", "high", "other"])[1 * (y > np.median(y)) + third]
    labels[groups % 4 == 1] = "low"
    return labels


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
@pytest.mark.parametrize("estimator", [*REGRESSORS, *CLASSIFIERS], ids=repr)
def test_scores_and_losses_are_those_of_each_model(estimator: Any, weighted: bool) -> None:
    X, y, groups = ragged(11, n_groups=25, n_rows=600)
    classifies = estimator in CLASSIFIERS
    answers = labels_of(y, groups) if classifies else y
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float) if weighted else None
    many = fit_many(estimator, X, answers, groups=groups, sample_weight=weight)
    compared = 0
    for place, key in enumerate(many):
        rows = groups == key
        score, loss = many._scores[place], many._losses[place]
        if key in many.failures_:
            assert np.isnan([score, loss]).all()
            continue
        model, own = many[key], {} if weight is None else {"sample_weight": weight[rows]}
        if rows.sum() < 2 and not classifies:
            assert np.isnan(score)
        else:
            assert score == pytest.approx(model.score(X[rows], answers[rows], **own), rel=1e-9, abs=1e-9)
        if hasattr(model, "loss_"):
            wanted = model.loss_
        elif classifies:
            wanted = log_loss(answers[rows], model.predict_proba(X[rows]), labels=model.classes_, **own)
        else:
            wanted = mean_squared_error(y[rows], model.predict(X[rows]), **own)
        assert loss == pytest.approx(wanted, rel=1e-7, abs=1e-12 * np.square(y).mean())
        compared += 1
    assert compared > 8


def test_scores_of_several_outputs_and_of_answers_that_do_not_vary() -> None:
    X, y, groups = ragged(12)
    Y = np.column_stack([y, -(y**2) + 1e7, y])
    for estimator in (mlcore.LinearRegression(), mlcore.Ridge(3.0), mlcore.MLPRegressor(**QUICK)):
        many = fit_many(estimator, X, Y, groups=groups)
        for place, key in enumerate(many):
            rows = groups == key
            if rows.sum() > 1:
                assert many._scores[place] == pytest.approx(many[key].score(X[rows], Y[rows]), rel=1e-9, abs=1e-9)
    constant = np.full(len(y), 3.7)
    # the answer is met, or it is not; the rounding of its mean is no variation
    for estimator, wanted in ((mlcore.Ridge(), 1.0), (mlcore.MLPRegressor(**QUICK), 0.0)):
        many = fit_many(estimator, X, constant, groups=groups)
        np.testing.assert_array_equal(many._scores, np.where(many.n_rows_ > 1, wanted, np.nan))


def test_rows_between_two_classes_are_of_the_first() -> None:
    # without intercept a row of zeros has z = 0
    X = np.array([[1.0], [-1.0], [0.0], [0.0], [2.0], [-2.0], [0.0]])
    y = np.array([1, 0, 1, 0, 1, 0, 0])
    many = fit_many(mlcore.LogisticRegression(fit_intercept=False), np.tile(X, (3, 1)), np.tile(y, 3),
                    groups=np.repeat([0, 1, 2], 7))  # fmt: skip
    assert type(many._stores[0]).__name__ == "LogisticModels"
    np.testing.assert_allclose(many._scores, many[0].score(X, y))


@pytest.mark.parametrize("estimator", [*REGRESSORS, *CLASSIFIERS, Lasso(0.1)], ids=repr)
def test_stacked_attributes_are_those_of_each_model(estimator: Any) -> None:
    X, y, groups = ragged(13)
    answers = (y > np.median(y)) if estimator in CLASSIFIERS else y
    first = int(groups.min())
    X[np.flatnonzero(groups == first)[0], 0] = np.nan
    many = fit_many(estimator, X, answers, groups=groups)
    names = ["coefs_", "intercepts_"] if "MLP" in type(estimator).__name__ else ["coef_", "intercept_"]
    for name in [*names, "n_iter_"]:
        found = getattr(many, name)
        for place, key in enumerate(many):
            layers = [layer[place] for layer in found] if isinstance(found, list) else [found[place]]
            if key in many.failures_:
                assert all((np.isnan(a) if a.dtype.kind == "f" else a == -1).all() for a in map(np.asarray, layers))
                continue
            wanted = getattr(many[key], name)
            for a, b in zip(layers, wanted if isinstance(found, list) else [wanted], strict=True):
                np.testing.assert_array_equal(a, b)
    with pytest.raises(AttributeError, match="nothing that a"):
        getattr(many, "coef_" if "coefs_" in names else "coefs_")


def test_structures_that_differ_are_not_stacked() -> None:
    X, y, groups = ragged(14)
    keys = np.unique(groups).tolist()
    many = fit_many(mlcore.MLPRegressor(**QUICK), X, y, groups=groups, params={keys[2]: {"hidden_layer_sizes": (3, 2)}})
    with pytest.raises(AttributeError, match=rf"model of {keys[0]} .* that of {keys[2]} has"):
        _ = many.coefs_
    assert many.n_iter_.tolist() == [2] * len(keys)


CAUSES = (
    "fraction",
    "X NaN",
    "X inf",
    "y NaN",
    "y inf",
    "weight NaN",
    "weight inf",
    "weight below 0",
    "no weight",
    "one class",
)


@pytest.mark.parametrize(
    "estimator", [mlcore.LinearRegression(), mlcore.LogisticRegression(), mlcore.MLPRegressor(**QUICK),
                  mlcore.MLPClassifier(**QUICK), mlcore.MLPClassifier(**QUICK, early_stopping=True)], ids=repr
)  # fmt: skip
@pytest.mark.parametrize("seed", range(3))
def test_groups_that_fail_alike_say_what_each_would(estimator: Any, seed: int) -> None:
    """Hundreds of groups, more than one thing wrong with some of them."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(160), 12)
    rng.shuffle(groups)
    X = rng.normal(size=(len(groups), 3))
    y = (X[:, 0] + rng.normal(size=len(groups)) > 0).astype(float)
    weight = rng.integers(1, 3, len(groups)).astype(float)
    for group in range(150):
        rows = np.flatnonzero(groups == group)
        for cause in rng.choice(CAUSES, rng.integers(1, 3), replace=False):
            row = rng.choice(rows)
            if cause.startswith("X"):
                X[row, rng.integers(3)] = float(cause[2:])
            elif cause.startswith("y"):
                y[row] = float(cause[2:])
            elif cause == "fraction":
                y[rows] = 0.25 * group
            elif cause == "weight below 0":
                weight[row] = -rng.random()
            elif cause.startswith("weight"):
                weight[row] = float(cause[7:])
            elif cause == "no weight":
                weight[rows] = 0.0
            else:
                y[rows] = rng.integers(3)
    params = {0: {"alpha" if "MLP" in repr(estimator) else "tol": -1.0}, 1: {"n_jobs": None}}
    many = check_against_alone(
        estimator, X, y, groups, weight, params=params if "Logistic" in repr(estimator) else None
    )
    assert 90 < len(many.failures_)


def test_labels_that_are_no_classes_fail_their_groups() -> None:
    X, y, groups = ragged(15)
    labels = (y > np.median(y)).astype(float)
    for key, odd in zip(np.unique(groups)[:4].tolist(), (0.5, np.nan, np.inf, 2.0**70), strict=True):
        labels[groups == key] += np.where(labels[groups == key] > 0, odd, 0.0)
    for estimator in (mlcore.LogisticRegression(), mlcore.MLPClassifier(**QUICK)):
        many = check_against_alone(estimator, X, labels, groups)
        assert len(many.failures_) >= 4


def test_one_message_for_all_groups_with_parameters_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.repeat(np.arange(5000), 2)
    X, y = np.ones((len(groups), 1)), np.ones(len(groups))
    fits = []
    alone = mlcore.Ridge.fit
    monkeypatch.setattr(mlcore.Ridge, "fit", lambda self, *args, **more: (fits.append(1), alone(self, *args, **more)))
    many = fit_many(mlcore.Ridge(alpha=-1.0), X, y, groups=groups)
    assert len(many.failures_) == 5000
    assert len(fits) == 1
    assert "alpha is -1.0" in many.failures_[17]


def column(frame: Any, name: str) -> Any:
    return frame[name].to_numpy()


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
@pytest.mark.parametrize(
    "estimator", [mlcore.LinearRegression(), mlcore.LinearRegression(fit_intercept=False), mlcore.Ridge(alpha=0.0)],
    ids=repr,
)  # fmt: skip
def test_standard_errors_are_those_of_each_summary(estimator: Any, weighted: bool) -> None:
    pytest.importorskip("pandas")
    X, y, groups = ragged(16, n_groups=30, n_rows=900)
    # columns that depend on each other, all but, and as many rows as coefficients
    X[groups % 5 == 0, 0] = X[groups % 5 == 0, 1] * 2.0
    X[groups % 5 == 1, 0] = X[groups % 5 == 1, 1] + 1e-6 * np.random.default_rng(0).normal(size=(groups % 5 == 1).sum())
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float) if weighted else None
    many = fit_many(estimator, X, y, groups=groups, sample_weight=weight)
    frame = many.summary_frame()
    assert frame.index.tolist() == many.groups_.tolist()
    told = [f"std_err_{name}" for name in ("intercept", "x0", "x1", "x2", "x3")]
    found = 0
    for place, key in enumerate(many):
        errors = np.array([column(frame, name)[place] for name in told])
        if key in many.failures_:
            assert np.isnan(errors).all()
            assert frame["failure"][key] == many.failures_[key]
            continue
        model = many[key]
        np.testing.assert_array_equal(column(frame, "coef_x2")[place], model.coef_[2])
        np.testing.assert_array_equal(column(frame, "intercept")[place], model.intercept_)
        if key in many.warnings_:
            assert frame["warning"][key] == " ".join(many.warnings_[key])
        else:
            assert frame["warning"].isna()[key]
        try:
            wanted = model.summary().standard_errors
        except ValueError:
            assert np.isnan(errors).all()
            continue
        np.testing.assert_allclose(errors[-len(wanted) :], wanted, rtol=1e-9)
        found += 1
    assert found > 5


def test_summary_frames_of_other_models(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    X, y, groups = ragged(17)
    Y = np.column_stack([y, y**2])
    many = fit_many(mlcore.LinearRegression(), X, Y, groups=groups)
    frame = many.summary_frame()
    key = int(many.groups_[np.where(many.groups_ % 2, many.n_rows_, 0).argmax()])
    summary = many[key].summary()
    assert frame["std_err_x1[1]"][key] == pytest.approx(summary.standard_errors[2, 1], rel=1e-9)
    assert frame["coef_x1[1]"][key] == many[key].coef_[1, 1]
    unpenalised = fit_many(mlcore.LogisticRegression(C=np.inf), X, y > np.median(y), groups=groups)
    told = unpenalised.summary_frame()["std_err_x0"]
    for key in unpenalised:
        if not np.isnan(told[key]):
            assert told[key] == unpenalised[key].summary().standard_errors[1]
    assert told.notna().any()
    penalised = fit_many(mlcore.Ridge(), X, y, groups=groups).summary_frame()
    assert not [name for name in penalised if name.startswith("std_err")]
    names = ["n_rows", "score", "loss", "n_iter", "failure", "warning"]
    networks = fit_many(mlcore.MLPRegressor(**QUICK), X, y, groups=[("a", g) for g in groups.tolist()])
    assert list(networks.summary_frame()) == names
    assert set(networks.summary_frame()["n_iter"]) == {2}
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = networks.summary_frame()
    assert table.column_names == ["group", *names]
    np.testing.assert_array_equal(table["loss"].to_numpy(), [networks[key].loss_ for key in networks])


def test_a_table_without_pandas_has_the_columns_of_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, groups = ragged(18)
    frame = pa.table({"store": [f"s{g}" for g in groups], "day": groups % 2, "x": X[:, 0], "sales": y})
    many = fit_many(mlcore.LinearRegression(), frame, by=["store", "day"], target="sales")
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = many.summary_frame()
    assert table.column_names[:3] == ["store", "day", "n_rows"]
    assert list(zip(table["store"].to_pylist(), table["day"].to_pylist(), strict=True)) == many.groups_.tolist()
    assert "coef_x" in table.column_names


def test_a_mapping_of_groups_to_models() -> None:
    X, y, groups = ragged(19)
    first, second = np.unique(groups)[:2].tolist()
    y[groups == first] = np.nan
    many = fit_many(mlcore.Ridge(), X, y, groups=groups)
    assert many.keys() == list(many) == np.unique(groups).tolist()
    assert len(many) == len(many.keys())
    assert first in many
    assert 10**9 not in many
    assert many.get(first) is None
    assert many.get(10**9, "none") == "none"
    assert_same(many.get(second), many[second])
    items = dict(many.items())
    assert list(items) == many.keys()[1:]
    assert_same(items[second], many[second])
    made = many[second]
    made.coef_[:] = 0.0
    assert many[second].coef_.any()
    with pytest.raises(KeyError, match="1000000000"):
        many[10**9]
    assert repr(many) == f"<{len(many)} models: Ridge(), 1 failed>"


def test_one_message_for_rows_alone_that_cannot_be_set_aside() -> None:
    groups = np.arange(500)
    X = np.random.default_rng(0).normal(size=(500, 2))
    for estimator, y in ((mlcore.MLPRegressor(**QUICK, early_stopping=True), X[:, 0]),
                         (mlcore.MLPClassifier(**QUICK, early_stopping=True), X[:, 0] > 0),
                         (mlcore.MLPRegressor(**QUICK, loss="none"), X[:, 0])):  # fmt: skip
        many = check_against_alone(estimator, X, y, groups)
        assert len(many.failures_) == 500
        assert len(many.failures_._texts) == 1
