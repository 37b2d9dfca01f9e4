"""cross_validate_many: scikit-learn's search over mlcore's own estimators, to the last digit, and its models."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError
from sklearn.linear_model import Lasso
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ParameterSampler

import mlcore
from mlcore import cross_validate_many

from .test_fit import assert_same

# one line for the whole call tells of what the tests look at model by model
pytestmark = pytest.mark.filterwarnings("ignore:.*fits warned", "ignore:Some means")

NETWORK: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 6, "batch_size": 16, "random_state": 3}
SEARCHES = [
    (mlcore.LinearRegression(), {"fit_intercept": [True, False]}, "numbers"),
    (mlcore.LinearRegression(), {"fit_intercept": [True, False]}, "columns"),
    (mlcore.Ridge(), [{"alpha": [0.1, 1, 10.0]}, {"fit_intercept": [False], "solver": ["auto", "svd"]}], "numbers"),
    (mlcore.LogisticRegression(max_iter=4), {"C": [0.1, 1.0, 10.0], "fit_intercept": [True, False]}, "two classes"),
    (mlcore.LogisticRegression(), {"C": np.array([0.1, 1.0])}, "three classes"),
    (mlcore.MLPRegressor(**NETWORK), {"random_state": [0, 1], "hidden_layer_sizes": [(4,), (3, 2)]}, "numbers"),
    (mlcore.MLPRegressor(**NETWORK), {"alpha": [0.0, 1.0], "loss": ["squared_error", "huber"]}, "columns"),
    (mlcore.MLPClassifier(**NETWORK), {"alpha": [0.0, 1.0], "early_stopping": [False, True]}, "two classes"),
    (mlcore.MLPClassifier(**NETWORK), {"solver": ["adam", "sgd", "lbfgs"], "shuffle": [True, False]}, "three classes"),
]


def data(kind: str, dtype: Any = np.float64, n: int = 90) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    y = X @ rng.normal(size=4) + rng.normal(size=n)
    answers = {
        "numbers": y.astype(dtype),
        "columns": np.column_stack([y, -(y**2)]),
        "two classes": np.where(y > 0, "high", "low"),
        "three classes": np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1])],
    }
    return X.astype(dtype), answers[kind]


def search(estimator: Any, params: Any, X: Any, y: Any, fit: Any = None, **more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GridSearchCV(estimator, params, refit=False, **more).fit(X, y, **(fit or {})).cv_results_


def assert_same_results(made: Any, wanted: Any) -> None:
    """All of `cv_results_` but for times, of which only the shape can be the same."""
    assert list(made) == list(wanted)
    for name, values in wanted.items():
        if name == "params":
            assert made[name] == values
            continue
        assert (made[name].shape, made[name].dtype) == (values.shape, values.dtype), name
        if name.endswith("_time"):
            assert (made[name] >= 0).all()
            assert made["mean_fit_time"].all()
        else:
            np.testing.assert_array_equal(np.ma.getmaskarray(made[name]), np.ma.getmaskarray(values), err_msg=name)
            np.testing.assert_array_equal(np.ma.compressed(made[name]), np.ma.compressed(values), err_msg=name)


@pytest.mark.parametrize(("estimator", "params", "kind"), SEARCHES, ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_results_are_those_of_a_search(estimator: Any, params: Any, kind: str, dtype: Any) -> None:
    X, y = data(kind, dtype)
    made = cross_validate_many(estimator, X, y, params, 3, return_train_score=True)
    assert_same_results(made, search(estimator, params, X, y, cv=3, return_train_score=True))


def test_answers_of_another_dtype() -> None:
    for of_rows, of_answers in ((np.float64, np.float32), (np.float32, np.float64), (np.float32, np.intp)):
        (X, _), (_, y) = data("numbers", of_rows), data("numbers")
        y = (10 * y).astype(of_answers)
        for estimator in (mlcore.Ridge(), mlcore.MLPRegressor(**NETWORK)):
            made = cross_validate_many(estimator, X, y, {"alpha": [0.1, 1.0]}, 3)
            assert_same_results(made, search(estimator, {"alpha": [0.1, 1.0]}, X, y, cv=3))


@pytest.mark.parametrize(("estimator", "params", "kind"), SEARCHES[::2], ids=repr)
def test_weights_are_for_fits_and_scores(estimator: Any, params: Any, kind: str) -> None:
    X, y = data(kind)
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    cv = list(KFold(3, shuffle=True, random_state=0).split(X))
    made = cross_validate_many(estimator, X, y, params, cv, sample_weight=weight)
    for i, setting in enumerate(made["params"]):
        for k, (train, test) in enumerate(cv):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = clone(estimator).set_params(**setting).fit(X[train], y[train], weight[train])
            assert made[f"split{k}_test_score"][i] == model.score(X[test], y[test], weight[test])


@pytest.mark.parametrize("scoring", ["neg_log_loss", ["accuracy", "f1_macro"], {"a": "roc_auc_ovr", "b": "accuracy"}])
def test_scorers(scoring: Any) -> None:
    X, y = data("three classes")
    for estimator in (mlcore.LogisticRegression(), mlcore.MLPClassifier(**NETWORK)):
        made = cross_validate_many(estimator, X, y, {"tol": [1e-4, 1e-2]}, scoring=scoring, return_train_score=True)
        wanted = search(estimator, {"tol": [1e-4, 1e-2]}, X, y, scoring=scoring, return_train_score=True)
        assert_same_results(made, wanted)


def test_scorers_that_are_functions() -> None:
    X, y = data("numbers")

    def several(model: Any, X: Any, y: Any) -> dict[str, float]:
        found = model.predict(X)
        return {"error": mean_absolute_error(y, found), "first": found[0]}

    for scoring in (make_scorer(mean_absolute_error, greater_is_better=False), several):
        made = cross_validate_many(mlcore.Ridge(), X, y, {"alpha": [0.1, 5.0]}, scoring=scoring)
        assert_same_results(made, search(mlcore.Ridge(), {"alpha": [0.1, 5.0]}, X, y, scoring=scoring))
    with pytest.warns(UserWarning, match="takes no sample_weight"):
        weighted = cross_validate_many(
            mlcore.Ridge(), X, y, {"alpha": [0.1, 5.0]}, scoring=several, sample_weight=np.ones(len(y))
        )
    np.testing.assert_array_equal(weighted["split0_test_error"], made["split0_test_error"])


def test_scorers_that_fail() -> None:
    X, y = data("numbers")

    def fails(model: Any, X: Any, y: Any) -> float:
        if model.alpha > 1:
            raise RuntimeError("no such score")
        return 1.0

    with pytest.warns(UserWarning, match="no such score") as caught:
        made = cross_validate_many(mlcore.Ridge(), X, y, {"alpha": [0.1, 5.0]}, 2, scoring=fails, error_score=-1.0)
    assert len(caught) == 2
    np.testing.assert_array_equal(made["mean_test_score"], [1.0, -1.0])
    with pytest.raises(RuntimeError, match="no such score"):
        cross_validate_many(mlcore.Ridge(), X, y, {"alpha": [5.0]}, scoring=fails, error_score="raise")
    with pytest.raises(ValueError, match="must give a number"):
        cross_validate_many(mlcore.Ridge(), X, y, {"alpha": [5.0]}, scoring=lambda model, X, y: None)


@pytest.mark.parametrize(
    ("estimator", "params"),
    [(mlcore.Ridge(), {"alpha": [1.0, -1.0]}), (mlcore.MLPRegressor(**NETWORK), {"alpha": [1.0, -1.0]})],
)
def test_fits_fail_alone(estimator: Any, params: Any) -> None:
    X, y = data("numbers")
    for error_score in (np.nan, 0.25):
        with pytest.warns(FitFailedWarning, match=r"3 of 6 fits failed.*alpha is -1\.0"):
            made, models = cross_validate_many(
                estimator, X, y, params, 3, error_score=error_score, return_models=True, return_train_score=True
            )
        wanted = search(estimator, params, X, y, cv=3, error_score=error_score, return_train_score=True)
        assert_same_results(made, wanted)
    assert list(models.failures_) == [(1, 0), (1, 1), (1, 2)]
    with pytest.raises(NotFittedError, match="alpha"):
        models[1, 0]
    with pytest.raises(ValueError, match="alpha is -1.0"):
        cross_validate_many(estimator, X, y, params, error_score="raise")
    with pytest.raises(ValueError, match="All 5 fits failed"):
        cross_validate_many(estimator, X, y, {"alpha": [-1.0]})


def test_missing_numbers_fail_the_splits_that_fit_them() -> None:
    X, y = data("numbers")
    X[3, 1] = np.nan
    cv = [(np.arange(10, 60), np.arange(60, 90)), (np.arange(60), np.arange(60, 90))]
    for estimator in (mlcore.Ridge(), mlcore.MLPRegressor(**NETWORK), mlcore.MLPRegressor(**NETWORK, solver="lbfgs")):
        with pytest.warns(FitFailedWarning, match="NaN"):
            made = cross_validate_many(estimator, X, y, {"alpha": [0.1, 1.0]}, cv)
        assert_same_results(made, search(estimator, {"alpha": [0.1, 1.0]}, X, y, cv=cv))


def test_models_are_those_of_lone_fits_for_every_number_of_threads() -> None:
    rng = np.random.default_rng(2)
    for estimator, params, kind in SEARCHES:
        X, y = data(kind)
        # folds of different sizes that share rows in any order, one without a class
        cv = [(rng.permutation(90)[:n], np.arange(90)) for n in (40, 75, 90)]
        if kind.endswith("classes"):
            cv.append((np.flatnonzero(y != "low")[:50] if kind == "three classes" else np.arange(30), np.arange(90)))
        made, models = cross_validate_many(estimator, X, y, params, cv, return_models=True, n_threads=1)
        _, of_threads = cross_validate_many(estimator, X, y, params, cv, return_models=True, n_threads=3)
        assert len(models) == len(cv) * len(made["params"])
        told = models.summary_frame()["score"].tolist()
        for i, k in models:
            alone = clone(models[i, k])
            assert alone.get_params() == {**estimator.get_params(), **made["params"][i]}
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                alone.fit(X[cv[k][0]], y[cv[k][0]])
            assert told[i * len(cv) + k] == alone.score(X[cv[k][0]], y[cv[k][0]])
            for found in (models, of_threads):
                assert_same(found[i, k], alone)
                assert found.warnings_.get((i, k), []) == [str(warning.message) for warning in caught]


def test_large_networks_are_fitted_by_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlcore.many._networks._LARGE_AMONG_MANY", 0.0)
    X, y = data("numbers")
    params = {"alpha": [0.1, 1.0, -1.0, 2.0]}
    with pytest.warns(FitFailedWarning), pytest.warns(ConvergenceWarning, match="9 of 12 fits warned"):
        made = cross_validate_many(mlcore.MLPRegressor(**NETWORK), X, y, params, 3, n_threads=3)
    assert_same_results(made, search(mlcore.MLPRegressor(**NETWORK), params, X, y, cv=3))


def test_models_that_nobody_keeps_are_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for estimator, params, kind in SEARCHES[2::3]:
        X, y = data(kind)
        whole = cross_validate_many(estimator, X, y, params, 3, return_train_score=True)
        with monkeypatch.context() as patch:
            patch.setattr("mlcore.many._cross_validation._MOST_NUMBERS", 0.0)
            patch.setattr("mlcore.many._cross_validation._LEAST_MODELS", 1)
            patch.setattr("mlcore.many._cross_validation.available", lambda: 1)
            assert_same_results(cross_validate_many(estimator, X, y, params, 3, return_train_score=True), whole)


def test_params_in_every_form() -> None:
    X, y = data("numbers")
    sampler = ParameterSampler({"alpha": [0.1, 1.0, 5.0], "fit_intercept": [True, False]}, 4, random_state=0)
    made = cross_validate_many(mlcore.Ridge(), X, y, sampler)
    assert made["params"] == list(sampler)
    listed = cross_validate_many(mlcore.Ridge(), X, y, list(sampler))
    np.testing.assert_array_equal(listed["mean_test_score"], made["mean_test_score"])
    sizes = [{"hidden_layer_sizes": (3, 2)}, {"hidden_layer_sizes": (4,)}]
    assert cross_validate_many(mlcore.MLPRegressor(**NETWORK), X, y, sizes, 2)["params"] == sizes
    for params, reason in (
        ({"alpha": []}, "empty"),
        ([], "no setting"),
        (3, "must be a mapping"),
        ({"alpah": [1.0]}, "alpah"),
    ):
        with pytest.raises(ValueError, match=reason):
            cross_validate_many(mlcore.Ridge(), X, y, params)


def test_ensembles_of_seeds() -> None:
    X, y = data("numbers")
    everything = [(np.arange(len(y)), np.arange(len(y)))]
    network = mlcore.MLPRegressor(**{**NETWORK, "random_state": np.random.RandomState(0)})
    _, models = cross_validate_many(network, X, y, {"random_state": range(4)}, everything, return_models=True)
    answers = np.stack([models[key].predict(X) for key in models])
    assert answers.shape == (4, len(y))
    assert (answers.std(axis=0) > 0).all()
    # seeds that nobody names are drawn once, and kept
    _, models = cross_validate_many(network, X, y, {"alpha": [0.1, 0.2]}, 2, return_models=True)
    seeds = np.random.RandomState(0).randint(2**32, size=4, dtype=np.uint32)
    assert [models[key].random_state for key in models] == seeds.tolist()


def test_splitters_with_groups_frames_sparse_rows_and_other_estimators() -> None:
    pandas = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    X, y = data("numbers")
    groups = np.arange(90) // 9
    frame = pandas.DataFrame(X, columns=list("abcd"))
    params = {"alpha": [0.1, 1.0]}
    for estimator in (mlcore.Ridge(), mlcore.MLPRegressor(**NETWORK), Lasso()):
        wanted = search(estimator, params, X, y, {"groups": groups}, cv=GroupKFold(3))
        made, models = cross_validate_many(
            estimator, frame, y, params, GroupKFold(3), groups=groups, return_models=True
        )
        assert_same_results(made, wanted)
        assert models[1, 2].feature_names_in_.tolist() == list("abcd")
    rows = sparse.csr_array(X)
    for estimator in (mlcore.Ridge(), Lasso()):
        made = cross_validate_many(estimator, rows, y, params, 3)
        assert_same_results(made, search(estimator, params, rows, y, cv=3))


def test_wrong_arguments() -> None:
    X, y = data("numbers")
    for more, reason in (
        ({"error_score": "rise"}, "error_score is 'rise'"),
        ({"n_threads": 0}, "n_threads"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
        ({"cv": []}, "no split"),
        ({"groups": np.zeros(4)}, "inconsistent"),
    ):
        with pytest.raises(ValueError, match=reason):
            cross_validate_many(mlcore.Ridge(), X, y, {"alpha": [1.0]}, **more)
    with pytest.raises(ValueError, match="inconsistent"):
        cross_validate_many(mlcore.Ridge(), X, y[1:], {"alpha": [1.0]})
