"""Bad input: what is wrong with all rows is an error that names it; what is wrong with a group fails that alone."""

from __future__ import annotations

import datetime
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import mlcore
from mlcore import fit_many
from mlcore.many import _fit, _groups

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(groups failed|fitted with a warning)", "ignore::sklearn.exceptions.ConvergenceWarning"
)

NETWORK: dict[str, Any] = {"hidden_layer_sizes": (3,), "max_iter": 3, "random_state": 0}
REGRESSORS = [
    mlcore.LinearRegression(),
    mlcore.Ridge(),
    mlcore.Ridge(solver="svd"),
    mlcore.MLPRegressor(**NETWORK),
    mlcore.MLPRegressor(**{**NETWORK, "solver": "lbfgs"}),
]
CLASSIFIERS = [
    mlcore.LogisticRegression(),
    mlcore.LogisticRegression(C=np.inf),
    mlcore.MLPClassifier(**NETWORK),
    mlcore.MLPClassifier(**{**NETWORK, "solver": "lbfgs"}),
]
ALL = [*REGRESSORS, *CLASSIFIERS]
KEYS = np.repeat(["a", "b", "c"], 8)
X = np.random.default_rng(0).normal(size=(24, 2))
Y = X @ [1.0, -2.0] + 0.5
LABELS = np.tile([0, 1], 12)


def named(estimator: Any) -> str:
    return f"{type(estimator).__name__}-{getattr(estimator, 'solver', '')}-{getattr(estimator, 'C', '')}"


def answers(estimator: Any) -> Any:
    return LABELS.copy() if hasattr(estimator, "predict_proba") else Y.copy()


def frame_of(library: str, **columns: Any) -> Any:
    module = pytest.importorskip(library)
    table = {"key": list(KEYS), "u": X[:, 0], "v": X[:, 1], "y": Y, **columns}
    if library == "pyarrow":
        return module.table({name: module.array(column) for name, column in table.items()})
    return module.DataFrame({name: list(column) for name, column in table.items()})


LIBRARIES = ["pandas", "polars", "pyarrow"]


# single groups


def spoilt(what: str, X: Any, y: Any) -> tuple[Any, Any, Any]:
    """X, y and weights in which group "b" is wrong in one place."""
    X, y, weight = X.copy(), y.copy(), np.ones(len(X))
    if what in ("NaN in X", "infinity in X"):
        X[11, 1] = np.nan if "NaN" in what else -np.inf
    elif what in ("NaN in y", "infinity in y"):
        y = y.astype(float)
        y[11] = np.nan if "NaN" in what else np.inf
    elif what == "NaN in the weights":
        weight[11] = np.nan
    elif what == "infinity in the weights":
        weight[11] = np.inf
    elif what == "negative weights":
        weight[11] = -1.0
    elif what == "no weight":
        weight[8:16] = 0.0
    return X, y, weight


def reason_of(estimator: Any, X: Any, y: Any, weight: Any = None) -> str:
    """What the fit of these rows alone raises, or nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            clone(estimator).fit(X, y, **({} if weight is None else {"sample_weight": weight}))
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("estimator", ALL, ids=named)
@pytest.mark.parametrize(
    "what",
    ["NaN in X", "infinity in X", "NaN in y", "infinity in y", "NaN in the weights", "infinity in the weights",
     "negative weights", "no weight"],
)  # fmt: skip
def test_a_wrong_group_fails_alone(estimator, what):
    """With the message of its lone fit; all others are as if it were not there."""
    rows, y, weight = spoilt(what, X, answers(estimator))
    more = {"sample_weight": weight} if "weight" in what else {}
    many = fit_many(estimator, rows, y, groups=KEYS, **more)
    mine = KEYS == "b"
    reason = reason_of(estimator, rows[mine], y[mine], weight[mine] if more else None)
    assert dict(many.failures_) == ({"b": reason} if reason else {})
    if reason:
        with pytest.raises(NotFittedError, match="'b'") as told:
            _ = many["b"]
        assert reason in str(told.value)
    clean = fit_many(estimator, X[~mine], answers(estimator)[~mine], groups=KEYS[~mine],
                     **({"sample_weight": weight[~mine]} if more else {}))  # fmt: skip
    for key in ("a", "c"):
        np.testing.assert_array_equal(many[key].predict(X), clean[key].predict(X))


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=named)
def test_a_group_of_one_class(estimator):
    y = np.where(KEYS == "b", 1, LABELS)
    many = fit_many(estimator, X, y, groups=KEYS)
    mine = KEYS == "b"
    reason = reason_of(estimator, X[mine], y[mine])
    assert dict(many.failures_) == ({"b": reason} if reason else {})
    found = many.predict_proba(X, groups=KEYS)[mine]
    if not reason:
        assert (found[:, 0] == 0.0).all()
        assert (many.predict(X, groups=KEYS)[mine] == 1).all()
        return
    assert np.isnan(found).all()
    with pytest.raises(ValueError, match="'b'"):
        many.predict(X, groups=KEYS)


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=named)
def test_groups_with_other_classes(estimator):
    """Each model has its own, and the answers those of all."""
    y = np.where(KEYS == "a", np.where(LABELS, "yes", "no"), np.where(LABELS, "red", "no"))
    many = fit_many(estimator, X, y, groups=KEYS)
    assert many.classes_.tolist() == ["no", "red", "yes"]
    assert many["a"].classes_.tolist() == ["no", "yes"]
    found = many.predict_proba(X, groups=KEYS)
    assert (found[KEYS == "a", 1] == 0.0).all()
    assert (found[KEYS != "a", 2] == 0.0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    assert set(many.predict(X, groups=KEYS)[KEYS == "a"]) <= {"no", "yes"}


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=named)
def test_a_class_that_is_missing(estimator, missing):
    y = np.array(["u", "w"] * 12, object)
    y[11] = missing
    many = fit_many(estimator, X, y, groups=KEYS)
    assert list(many.failures_) == ["b"]
    assert many.classes_.tolist() == ["u", "w"]
    assert many["a"].classes_.tolist() == ["u", "w"]


@pytest.mark.parametrize("estimator", ALL, ids=named)
def test_one_row_a_group(estimator):
    """Every group is what its lone fit is: a model, or a failure with its message."""
    y = answers(estimator)
    many = fit_many(estimator, X, y, groups=np.arange(len(X)))
    for key in (0, 23):
        mine = slice(key, key + 1)
        reason = reason_of(estimator, X[mine], y[mine])
        assert many.failures_.get(key, "") == reason
        if not reason:
            np.testing.assert_array_equal(many[key].predict(X), clone(estimator).fit(X[mine], y[mine]).predict(X))
    assert len(many.failures_) in (0, len(X))


@pytest.mark.parametrize("estimator", ALL, ids=named)
def test_rows_to_predict_with_missing_numbers(estimator):
    """As a lone model: an error, no silent number."""
    many = fit_many(estimator, X, answers(estimator), groups=KEYS)
    for bad in (np.nan, np.inf):
        rows = X.copy()
        rows[3, 0] = bad
        for method in ("predict", "predict_proba"):
            if hasattr(estimator, method):
                with pytest.raises(ValueError, match="NaN|infinity"):
                    getattr(many, method)(rows, groups=KEYS)


def test_parameters_out_of_range_fail_their_group():
    many = fit_many(mlcore.Ridge(), X, Y, groups=KEYS, params={"b": {"alpha": -1.0}})
    assert list(many.failures_) == ["b"]
    assert "alpha" in many.failures_["b"]


# all rows


@pytest.mark.parametrize(
    "keys",
    [
        [None, np.nan, *KEYS[2:]],
        np.where(np.arange(24) < 2, np.nan, 1.0),
        np.where(np.arange(24) < 2, np.datetime64("NaT"), np.datetime64("2024-01-01")),
        [(None, 1), ("a", np.nan), *[("a", 1)] * 22],
        np.array([None, None, *range(22)], object),
    ],
    ids=["text", "numbers", "times", "tuples", "objects"],
)
def test_missing_keys_are_counted(keys):
    with pytest.raises(ValueError, match="2 of 24 rows have no key"):
        fit_many(mlcore.Ridge(), X, Y, groups=keys)


@pytest.mark.parametrize("library", LIBRARIES)
def test_missing_keys_of_a_frame_are_counted(library):
    frame = frame_of(library, key=[None, None, *KEYS[2:]])
    with pytest.raises(ValueError, match="2 of 24 rows have no key"):
        fit_many(mlcore.Ridge(), frame, by="key", target="y")


def test_missing_categories_are_counted():
    pandas = pytest.importorskip("pandas")
    frame = frame_of("pandas", key=pandas.Categorical([None, None, *KEYS[2:]]))
    with pytest.raises(ValueError, match="2 of 24 rows have no key"):
        fit_many(mlcore.Ridge(), frame, by="key", target="y")


STAMPS = np.array(["2024-01-01", "2024-02-01", "2024-03-01"], "M8[D]")
SPELLINGS = {
    "integers": np.array([5, -2, 2**40]),
    "floats": np.array([0.5, -1.0, 1e300]),
    "truth values": np.array([True, False, True]),
    "text": np.array(["b", "a", "ü"]),
    "bytes": np.array([b"b", b"a", b"c"]),
    "objects": np.array(["b", "a", "c"], object),
    "times": STAMPS[[1, 0, 2]],
    "dates": np.array([datetime.date(2024, 2, 1), datetime.date(2024, 1, 1), datetime.date(2024, 3, 1)], object),
    "unsigned": np.array([2**64 - 1, 0, 7], np.uint64),
    "mixed": np.array(["b", 1, ("c", 2)], object),
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_keys_of_every_kind(kind):
    """The groups are those rows, they are found again by key, and rows are routed."""
    keys = SPELLINGS[kind][np.arange(24) % 3]
    many = fit_many(mlcore.Ridge(), X, Y, groups=keys)
    distinct = list(dict.fromkeys(keys.tolist()))
    assert len(many) == len(distinct)
    assert many.n_rows_.sum() == 24
    for key in SPELLINGS[kind]:
        mine = np.array([other == key for other in keys])
        np.testing.assert_array_equal(many[key].coef_, mlcore.Ridge().fit(X[mine], Y[mine]).coef_)
    assert np.isfinite(many.predict(X, groups=keys)).all()
    if kind != "mixed":
        assert (many.groups_[1:] > many.groups_[:-1]).all()


@pytest.mark.parametrize("unit", ["s", "ns"])
def test_a_time_of_another_unit_is_its_group_only_where_it_is_equal(unit):
    """Noon is not the day that it is in, and no number is a day."""
    days = STAMPS[np.arange(24) % 3]
    many = fit_many(mlcore.Ridge(), X, Y, groups=days)
    finer = days.astype(f"M8[{unit}]")
    assert finer[0] in many
    assert "2024-01-01" in many
    assert datetime.date(2024, 1, 1) in many
    np.testing.assert_array_equal(many.predict(X, groups=finer), many.predict(X, groups=days))
    noon = finer + np.timedelta64(12, "h")
    assert noon[0] not in many
    assert int(days[0].astype(int)) not in many
    assert "a" not in many
    with pytest.warns(UserWarning, match="24 rows"):
        assert np.isnan(many.predict(X, groups=noon)).all()
    lengths = fit_many(mlcore.Ridge(), X, Y, groups=days - days[0])
    assert datetime.timedelta(days=31) in lengths
    assert datetime.timedelta(days=31, hours=1) not in lengths


def test_tuples_and_several_columns_are_the_same_keys():
    pairs = [("a", i % 2) for i in range(24)]
    by_list = fit_many(mlcore.Ridge(), X, Y, groups=pairs)
    by_frame = fit_many(mlcore.Ridge(), frame_of("pandas", key=["a"] * 24, more=np.arange(24) % 2), by=["key", "more"],
                        target="y", features=["u", "v"])  # fmt: skip
    assert list(by_list) == list(by_frame) == [("a", 0), ("a", 1)]
    np.testing.assert_array_equal(by_list["a", 1].coef_, by_frame["a", 1].coef_)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "shop", "target": "y"}, "no column 'shop'"),
        ({"by": "key", "target": "sales"}, "no column 'sales'"),
        ({"by": "key", "target": "y", "features": ["u", "w"]}, "no column 'w'"),
        ({"by": "key", "target": "y", "sample_weight": "w"}, "no column 'w'"),
        ({"by": "key", "target": "y", "features": ["u", "u"]}, "twice: 'u'"),
        ({"by": "key", "target": "y", "features": ["u", "y"]}, "'y'"),
        ({"by": "key", "target": "y", "features": []}, "0 columns"),
        ({"by": "key"}, "by= and target="),
        ({"target": "y"}, "by= and target="),
    ],
)  # fmt: skip
def test_wrong_columns_are_named(library, arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_many(mlcore.Ridge(), frame_of(library), **arguments)


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_that_are_no_numbers_are_named(library):
    with pytest.raises(ValueError, match="'town'"):
        fit_many(mlcore.Ridge(), frame_of(library, town=["x"] * 24), by="key", target="y")


def test_columns_of_one_name():
    pandas = pytest.importorskip("pandas")
    frame = frame_of("pandas")
    with pytest.raises(ValueError, match="several columns called 'u'"):
        fit_many(mlcore.Ridge(), pandas.concat([frame, frame[["u"]]], axis=1), by="key", target="y")


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_empty_frame(library):
    frame = frame_of(library)
    empty = frame.slice(0, 0) if library == "pyarrow" else frame.head(0)
    with pytest.raises(ValueError, match="0 rows"):
        fit_many(mlcore.Ridge(), empty, by="key", target="y", features=["u", "v"])


def test_no_rows():
    with pytest.raises(ValueError):  # noqa: PT011 - by one of several places that look at it
        fit_many(mlcore.Ridge(), np.empty((0, 2)), [], groups=[])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"zz": {"alpha": 1.0}}, "'zz'"),
        ({"a": {"alpa": 1.0}}, "'alpa'.*mean 'alpha'"),
        ({"alpha": 1.0}, "'alpha'"),
        ([{"alpha": 1.0}], "list"),
    ],
)
def test_wrong_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        fit_many(mlcore.Ridge(), X, Y, groups=KEYS, params=params)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_two_lines_of_parameters_for_a_group(library):
    params = pytest.importorskip(library).DataFrame({"key": ["a", "c", "a"], "alpha": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="several lines for 'a'"):
        fit_many(mlcore.Ridge(), frame_of(library), by="key", target="y", params=params)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y[1:]}, "y has 23"),
        ({"groups": KEYS[1:]}, "groups has 23"),
        ({"sample_weight": np.ones(23)}, "sample_weight"),
        ({"X": X[:, 0]}, "2D"),
        ({"y": ["u"] * 24}, "numbers"),
        ({"groups": "key"}, "'key'"),
        ({"groups": None}, "groups="),
        ({"n_threads": 0}, "n_threads"),
    ],
)
def test_what_no_group_can_mend_is_an_error(arguments, message):
    call = {"X": X, "y": Y, "groups": KEYS, **arguments}
    with pytest.raises(ValueError, match=message):
        fit_many(mlcore.Ridge(), call.pop("X"), call.pop("y"), **call)


def test_nothing_of_the_users_is_changed():
    """Neither by a call that fails nor by one with failing groups."""
    rows, y, weight = spoilt("NaN in X", X, Y)
    keys, params = KEYS.copy(), {"a": {"alpha": 2.0}}
    template = mlcore.Ridge(alpha=0.5)
    before = pickle.dumps((rows, y, weight, keys, params, template))
    fit_many(template, rows, y, groups=keys, sample_weight=weight, params=params)
    for wrong in ({"params": {"zz": {}}}, {"groups": [None, *KEYS[1:]]}, {"n_threads": -1}):
        with pytest.raises(ValueError, match="zz|no key|n_threads"):
            fit_many(template, rows, y, **{"groups": keys, "sample_weight": weight, **wrong})
    assert pickle.dumps((rows, y, weight, keys, params, template)) == before
    rows.setflags(write=False)
    y.setflags(write=False)
    fit_many(template, rows, y, groups=keys)


def test_a_generator_is_left_alone_by_a_call_that_fails():
    state = np.random.RandomState(0)
    before = state.get_state()[1].copy()
    with pytest.raises(ValueError, match="no key"):
        fit_many(mlcore.MLPRegressor(random_state=state), X, Y, groups=[None, *KEYS[1:]])
    with pytest.raises(ValueError, match="zz"):
        fit_many(mlcore.MLPRegressor(random_state=state), X, Y, groups=KEYS, params={"zz": {}})
    np.testing.assert_array_equal(state.get_state()[1], before)


# predictions


def test_unknown_and_failed_groups_are_named():
    rows, y, _ = spoilt("NaN in X", X, Y)
    many = fit_many(mlcore.Ridge(), rows, y, groups=KEYS)
    asked = np.where(KEYS == "c", "zz", KEYS)
    with pytest.warns(UserWarning, match=r"16 rows.*unknown: 'zz'.*failed: 'b'") as told:
        found = many.predict(X, groups=asked)
    assert len(told) == 1
    np.testing.assert_array_equal(np.isnan(found), asked != "a")
    np.testing.assert_array_equal(many.predict(X, groups=asked, fallback=7.0)[asked != "a"], 7.0)


@pytest.mark.parametrize(
    ("rows", "groups", "message"),
    [
        (X[:, :1], KEYS, "1 columns.*2"),
        (X, None, "groups="),
        (X, KEYS[1:], "inconsistent"),
        (X, [None, *KEYS[1:]], "1 of 24 rows have no key"),
    ],
)
def test_rows_that_cannot_be_predicted(rows, groups, message):
    many = fit_many(mlcore.Ridge(), X, Y, groups=KEYS)
    with pytest.raises(ValueError, match=message):
        many.predict(rows, groups=groups)


@pytest.mark.parametrize("estimator", ALL, ids=named)
def test_sparse_rows_to_predict(estimator):
    """By models of dense rows and of sparse ones."""
    sparse = pytest.importorskip("scipy.sparse").csr_matrix
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    many = fit_many(estimator, X, answers(estimator), groups=KEYS)
    expected = getattr(many, method)(X, groups=KEYS)
    if hasattr(estimator, "hidden_layer_sizes"):
        with pytest.raises(TypeError, match="[Ss]parse"):  # as a lone network
            getattr(many, method)(sparse(X), groups=KEYS)
        return
    found = getattr(many, method)(sparse(X), groups=KEYS)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    many = fit_many(mlcore.Ridge(), sparse(X), Y, groups=KEYS)
    np.testing.assert_allclose(
        many.predict(sparse(X), groups=KEYS), many.predict(X, groups=KEYS), rtol=1e-12, atol=1e-12
    )


def test_a_fallback_of_a_regression_is_a_number():
    many = fit_many(mlcore.Ridge(), X, Y, groups=KEYS)
    with pytest.raises(ValueError, match="fallback.*'mean'"):
        many.predict(X, groups=["zz"] * 24, fallback="mean")


def test_answers_of_unknown_groups_alone_have_the_usual_form():
    nobody = ["zz"] * 24
    many = fit_many(mlcore.Ridge(), X, np.column_stack([Y, Y]), groups=KEYS)
    with pytest.warns(UserWarning, match="unknown: 'zz'"):
        found = many.predict(X, groups=nobody)
    assert found.shape == (24, 2)
    assert np.isnan(found).all()
    many = fit_many(mlcore.LogisticRegression(), X, LABELS, groups=KEYS)
    found = many.predict(X, groups=nobody, fallback=1)
    assert found.dtype == LABELS.dtype
    assert (found == 1).all()
    many = fit_many(mlcore.LogisticRegression(), X, np.zeros(24, int), groups=KEYS)
    assert many.predict(X, groups=KEYS, fallback=1).tolist() == [1] * 24


@pytest.mark.filterwarnings("default:.*(groups failed|fitted with a warning)")
def test_one_line_tells_of_all():
    rows = spoilt("NaN in X", X, Y)[0]
    with pytest.warns(UserWarning, match="1 of 3 groups failed") as told:
        fit_many(mlcore.Ridge(), rows, Y, groups=KEYS)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    with pytest.warns(UserWarning, match="3 of 3 models were fitted with a warning.*'a': Stochastic") as told:
        fit_many(mlcore.MLPRegressor(**NETWORK), X, Y, groups=KEYS)
    assert len(told) == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_to_predict_without_a_column(library):
    frame = frame_of(library)
    many = fit_many(mlcore.Ridge(), frame, by="key", target="y")
    for absent in ("key", "u"):
        less = frame.drop(columns=absent) if library == "pandas" else frame.drop([absent])
        with pytest.raises(ValueError, match=f"no column '{absent}'"):
            many.predict(less)


# many groups: nothing that is done group by group may look at all of them


def calls_of(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, run: Any) -> int:
    count = 0
    function = getattr(module, name)

    def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        return function(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, counted)
        run()
    return count


def test_usual_groups_are_not_fitted_one_by_one(monkeypatch):
    n = 3000
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(n, 2))
    keys = rng.integers(0, n // 20, n)
    for estimator, y in (
        (mlcore.LinearRegression(), rows @ [1.0, 2.0] + rng.normal(size=n)),
        (mlcore.LogisticRegression(), (rows[:, 0] + rng.logistic(size=n) > 0).astype(int)),
        (mlcore.MLPRegressor(**NETWORK), rows @ [1.0, 2.0]),
    ):
        alone = calls_of(monkeypatch, _fit, "fit_alone", lambda e=estimator, t=y: fit_many(e, rows, t, groups=keys))
        assert alone <= 15, type(estimator).__name__


@pytest.mark.parametrize("groups", [200, 2000])
def test_one_row_groups_are_looked_at_once(monkeypatch, groups):
    """Keys are encoded once, and the rows of a group taken out at most twice, however many groups there are."""
    rows = np.random.default_rng(2).normal(size=(groups, 2))
    keys = np.arange(groups)[::-1].copy()

    def run() -> None:
        fit_many(mlcore.LinearRegression(), rows, rows[:, 0], groups=keys)

    assert calls_of(monkeypatch, _groups, "encode", run) == 1
    assert calls_of(monkeypatch, _groups, "together", run) == 1
    taken = calls_of(monkeypatch, _fit.GroupedRows, "of_group", run)
    assert taken <= 2 * groups


def test_very_many_groups_of_one_row():
    """Linear models of one row each: as many models, in memory of a few numbers each."""
    import tracemalloc

    n = 100_000  # a million: benchmarks/tables/many.py
    rows = np.ones((n, 1))
    y = np.arange(n, dtype=float)
    keys = np.arange(n)
    tracemalloc.start()
    try:
        many = fit_many(mlcore.LinearRegression(), rows, y, groups=keys)
        left, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(many) == n
    assert not many.failures_
    np.testing.assert_array_equal(many.predict(rows, groups=keys), y)
    assert many[n - 1].intercept_ == n - 1
    assert left / n < 400
    assert most / n < 800


def test_failing_groups_are_small():
    """At most 200 bytes each beyond the key, and one text for all with the same reason."""
    import tracemalloc

    groups = 20_000
    keys = np.repeat(np.arange(groups), 2)
    rows = np.random.default_rng(0).normal(size=(2 * groups, 1))
    rows[1::2] = np.nan
    tracemalloc.start()
    try:
        many = fit_many(mlcore.LinearRegression(), rows, rows[:, 0] * 0.0 + 1.0, groups=keys)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(many.failures_) == groups
    assert left / groups - keys.itemsize < 200
    assert len({id(text) for text in many.failures_.values()}) == 1


def test_bad_groups_do_not_make_the_rest_slow(monkeypatch):
    """A fit for each of those that are wrong at most, and none for the others."""
    keys = np.repeat(np.arange(100), 8)
    rows = np.random.default_rng(3).normal(size=(800, 2))
    y = rows @ [1.0, 2.0]
    rows[::80] = np.nan
    many = None

    def run() -> None:
        nonlocal many
        many = fit_many(mlcore.Ridge(), rows, y, groups=keys)

    assert calls_of(monkeypatch, _fit, "fit_alone", run) <= 10
    assert list(many.failures_) == list(range(0, 100, 10))
