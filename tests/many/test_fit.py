"""fit_many: every model is equal to the bit to its group fitted alone, whatever groups, weights and threads."""

from __future__ import annotations

import pickle
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Lasso

import mlcore
from mlcore import config, fit_many
from mlcore.many import _turns

# one line for the whole call tells of what the tests look at model by model
pytestmark = pytest.mark.filterwarnings("ignore:.*(groups failed|fitted with a warning)")

NETWORK: dict[str, Any] = {"hidden_layer_sizes": (5,), "max_iter": 7, "batch_size": 16, "random_state": 3}
REGRESSORS = [
    mlcore.LinearRegression(),
    mlcore.LinearRegression(fit_intercept=False),
    mlcore.Ridge(alpha=0.5),
    mlcore.MLPRegressor(**NETWORK),
    mlcore.MLPRegressor(**NETWORK, solver="sgd", learning_rate="adaptive", activation="tanh", clip_norm=1.0),
    mlcore.MLPRegressor(**NETWORK, early_stopping=True),
]
CLASSIFIERS = [
    mlcore.LogisticRegression(),
    mlcore.LogisticRegression(C=20.0, fit_intercept=False, max_iter=3),
    mlcore.MLPClassifier(**NETWORK),
    mlcore.MLPClassifier(**{**NETWORK, "hidden_layer_sizes": ()}, shuffle=False, alpha=0.1),
]


def ragged(seed: int, n_groups: int = 12, n_rows: int = 250, p: int = 4, dtype: Any = np.float64) -> Any:
    """Rows of groups of very different sizes in any order; some columns are constant in a group, some far from zero."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(n_groups, 0.5))
    groups = rng.choice(n_groups, n_rows, p=share) * 3 - 7
    X = rng.normal(size=(n_rows, p)) * [1.0, 30.0, 1e-3, 1.0] + [0.0, 1e3, 0.0, 0.0]
    X[groups % 2 == 0, 3] = 1.0
    y = X @ rng.normal(size=p) + rng.normal(size=n_rows)
    return X.astype(dtype), y, groups


def assert_same(made: Any, alone: Any) -> None:
    """Two fitted estimators with the same attributes, to the bit."""
    assert made.__dict__.keys() == alone.__dict__.keys()
    for name in sorted(made.__dict__):
        assert_equal(getattr(made, name), getattr(alone, name), name)


def assert_equal(made: Any, alone: Any, name: str) -> None:
    if name == "_network":
        np.testing.assert_array_equal(made[1], alone[1])
    elif isinstance(made, dict):
        assert made.keys() == alone.keys()
        for key in made:
            assert_equal(made[key], alone[key], f"{name}.{key}")
    elif isinstance(made, (list, tuple)):
        assert len(made) == len(alone), name
        for a, b in zip(made, alone, strict=True):
            assert_equal(a, b, name)
    elif isinstance(made, np.ndarray):
        assert made.dtype == alone.dtype, name
        np.testing.assert_array_equal(made, alone, err_msg=name)
    elif isinstance(made, float):
        assert made == alone or (made != made and alone != alone), name
    else:
        assert type(made) is type(alone), name
        assert made == alone or not isinstance(made, (int, str)), name


def check_against_alone(estimator: Any, X: Any, y: Any, groups: Any, weight: Any = None, **more: Any) -> Any:
    """Fit all at once and each alone, with the same failures and warnings; returns all."""
    many = fit_many(estimator, X, y, groups=groups, sample_weight=weight, **more)
    for position, key in enumerate(many):
        rows = groups == key
        alone = clone(many._variants.unfitted(position))
        own = {} if weight is None else {"sample_weight": weight[rows]}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                alone.fit(X[rows], y[rows], **own)
            except (ValueError, ZeroDivisionError) as error:  # scikit-learn 1.8 averages by weights of 0
                reason = str(error)
            else:
                reason = ""
        if reason:
            assert reason in many.failures_[key]
            with pytest.raises(NotFittedError):
                many[key]
            continue
        assert key not in many.failures_, many.failures_[key]
        assert_same(many[key], alone)
        assert many.warnings_.get(key, []) == list(dict.fromkeys(str(warning.message) for warning in caught))
    return many


@pytest.mark.parametrize("estimator", REGRESSORS, ids=repr)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), dtype=st.sampled_from([np.float64, np.float32]), weighted=st.booleans())
def test_regressions_are_those_of_each_group_alone(estimator: Any, seed: int, dtype: Any, weighted: bool) -> None:
    X, y, groups = ragged(seed, dtype=dtype)
    weight = np.random.default_rng(seed).integers(0, 3, len(y)).astype(float) if weighted else None
    check_against_alone(estimator, X, y, groups, weight)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("estimator", REGRESSORS[:3], ids=repr)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_regressions_of_larger_groups(estimator: Any, weighted: bool, dtype: Any) -> None:
    """Sums that are plain, in pairs of doubles, plain and then in pairs, or taken by several threads."""
    rng = np.random.default_rng(4)
    sizes = np.array([40, 1500, 1500, 1500, 5000, 5000])
    groups = np.repeat(np.arange(len(sizes)), sizes)
    X = rng.normal(size=(len(groups), 8))
    X[np.isin(groups, [2, 5])] *= 1e-5
    X[np.isin(groups, [2, 5])] += 1e3  # costs plain sums their digits
    X[groups == 3, 2] = 1.0
    X = X.astype(dtype)
    y = X @ rng.normal(size=8) + rng.normal(size=len(groups))
    weight = rng.integers(0, 3, len(y)) * 0.7 if weighted else None
    order = rng.permutation(len(y))
    many = check_against_alone(estimator, X[order], y[order], groups[order], weight)
    assert np.count_nonzero(many._store_of == many._store_of[1]) >= 4


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=repr)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), dtype=st.sampled_from([np.float64, np.float32]), weighted=st.booleans())
def test_classifiers_are_those_of_each_group_alone(estimator: Any, seed: int, dtype: Any, weighted: bool) -> None:
    X, y, groups = ragged(seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    weight = rng.integers(0, 3, len(y)).astype(float) if weighted else None
    # two classes in most groups, three or one in others, not the same ones
    labels = np.array(["low", "high", "none", "other"])[(y > np.median(y)) + 2 * (rng.random(len(y)) < 0.02)]
    labels[groups % 4 == 1] = "low"
    check_against_alone(estimator, X, labels, groups, weight)


def test_several_outputs() -> None:
    X, y, groups = ragged(1)
    Y = np.column_stack([y, -(y**2), y > 0])
    for estimator in (mlcore.LinearRegression(), mlcore.Ridge(alpha=[0.1, 1.0, 0.0]), mlcore.MLPRegressor(**NETWORK)):
        many = check_against_alone(estimator, X, Y, groups)
        assert many.predict(X, groups=groups).shape == Y.shape


def test_no_number_of_threads_changes_a_bit() -> None:
    X, y, groups = ragged(2, n_groups=40, n_rows=3000)
    for estimator in (*REGRESSORS[:4], mlcore.LogisticRegression()):
        answers = y > 0 if isinstance(estimator, mlcore.LogisticRegression) else y
        several = [fit_many(estimator, X, answers, groups=groups, n_threads=n) for n in (1, 2, 3)]
        for key in several[0]:
            for other in several[1:]:
                if key in several[0].failures_:
                    assert other.failures_[key] == several[0].failures_[key]
                else:
                    assert_same(other[key], several[0][key])


def test_rows_of_groups_in_order_are_not_copied_and_any_order_is_the_same() -> None:
    X, y, groups = ragged(3)
    order = np.argsort(groups, kind="stable")
    shuffled = fit_many(mlcore.Ridge(), X, y, groups=groups)
    in_order = fit_many(mlcore.Ridge(), X[order], y[order], groups=groups[order])
    for key in shuffled:
        assert_same(shuffled[key], in_order[key])


def test_parameters_of_groups() -> None:
    X, y, groups = ragged(4)
    keys = np.unique(groups).tolist()
    params = {keys[0]: {"alpha": 10.0}, keys[1]: {"alpha": None, "fit_intercept": False}, keys[2]: {"alpha": -1.0}}
    many = check_against_alone(mlcore.Ridge(alpha=0.5), X, y, groups, params=params)
    assert many[keys[0]].alpha == 10.0
    assert many[keys[1]].alpha == 0.5
    assert "alpha is -1.0" in many.failures_[keys[2]]
    sizes = {keys[0]: {"hidden_layer_sizes": (3, 2)}, keys[1]: {"max_iter": 2, "alpha": 1.0}, keys[3]: {"alpha": 2.0}}
    many = check_against_alone(mlcore.MLPRegressor(**NETWORK), X, y, groups, params=sizes)
    assert many[keys[0]].coefs_[1].shape == (3, 2)


def test_seeds_are_drawn_once_and_kept() -> None:
    X, y, groups = ragged(5)
    settings_ = {**NETWORK, "random_state": np.random.RandomState(0)}
    many = fit_many(mlcore.MLPRegressor(**settings_), X, y, groups=groups)
    seeds = np.random.RandomState(0).randint(2**32, size=len(many), dtype=np.uint32)
    assert [many[key].random_state for key in many] == seeds.tolist()
    key = next(iter(many))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = clone(many[key]).fit(X[groups == key], y[groups == key])
    assert_same(again, many[key])
    # what draws nothing takes nothing from the stream
    stream = np.random.RandomState(1)
    fit_many(mlcore.Ridge(random_state=stream), X, y, groups=groups)
    assert stream.randint(1000) == np.random.RandomState(1).randint(1000)


def test_a_model_goes_on_as_one_fitted_alone() -> None:
    X, y, groups = ragged(6)
    key = int(np.bincount(groups - groups.min()).argmax() + groups.min())
    rows = groups == key
    for estimator in (mlcore.MLPRegressor(**NETWORK), mlcore.LinearRegression()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = fit_many(estimator, X, y, groups=groups)[key].partial_fit(X[:50], y[:50])
            alone = clone(estimator).fit(X[rows], y[rows]).partial_fit(X[:50], y[:50])
        assert_same(made, alone)


def test_groups_fail_alone() -> None:
    X, y, groups = ragged(7)
    first, second, third, *_ = np.unique(groups).tolist()
    weight = np.ones(len(y))
    X[np.flatnonzero(groups == first)[0], 1] = np.nan
    y[np.flatnonzero(groups == second)[-1]] = np.inf
    weight[groups == third] = 0.0
    for estimator in (mlcore.LinearRegression(), mlcore.MLPRegressor(**NETWORK)):
        many = check_against_alone(estimator, X, y, groups, weight)
        assert list(many.failures_) == [first, second, third]
        with pytest.warns(UserWarning, match="their prediction is NaN"):
            predicted = many.predict(np.nan_to_num(X), groups=groups)
        np.testing.assert_array_equal(np.isnan(predicted), np.isin(groups, [first, second, third]))


def test_other_estimators_are_fitted_one_by_one() -> None:
    X, y, groups = ragged(8)
    many = fit_many(Lasso(alpha=0.1), X, y, groups=groups)
    key = next(iter(many))
    np.testing.assert_array_equal(many[key].coef_, Lasso(alpha=0.1).fit(X[groups == key], y[groups == key]).coef_)


def test_pickle() -> None:
    X, y, groups = ragged(9)
    for estimator in (mlcore.Ridge(), mlcore.MLPRegressor(**NETWORK)):
        many = fit_many(estimator, X, y, groups=groups)
        again = pickle.loads(pickle.dumps(many))
        for key in many:
            if key not in many.failures_:
                assert_same(again[key], many[key])


def test_the_backend_of_a_context_is_that_of_all_threads(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, groups = ragged(10, n_groups=6, n_rows=60)
    used: set[str] = set()

    def elsewhere(share: Any, n: int, abandon: Any) -> bool:
        """All of it in a thread of its own, as it may happen."""
        thread = threading.Thread(target=share, args=(1,))
        thread.start()
        thread.join()
        return True

    monkeypatch.setattr(_turns, "run_together", elsewhere)
    real = config.load_backend
    monkeypatch.setattr(config, "load_backend", lambda name: used.add(name) or real(name))
    with mlcore.config_context(n_threads=2, exact_threads=True):
        for estimator, answers in ((mlcore.LogisticRegression(), np.arange(len(y)) % 2), (mlcore.Ridge(), y)):
            fit_many(estimator, X, answers, groups=groups)
    assert used == {backend}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_solutions_of_least_norm_need_no_lone_fit(weighted: bool, fit_intercept: bool) -> None:
    """Groups of fewer rows than columns, and of columns that depend on each other: alike to the bit, in one store."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    X = rng.normal(size=(len(groups), 6)) * [1.0, 1e3, 1e-3, 1.0, 1.0, 1.0]
    X[:, 5] = X[:, 0] - 2 * X[:, 3]
    y = rng.normal(size=(len(groups), 2))
    weight = rng.integers(1, 4, len(groups)).astype(float) if weighted else None
    many = check_against_alone(mlcore.LinearRegression(fit_intercept=fit_intercept), X, y, groups, weight)
    assert [type(store).__name__ for store in many._stores] == ["LinearModels"]
