"""Parameters of single groups, from mappings and frames, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import ElasticNet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mlcore
from mlcore import fit_many

from .test_frames import LIBRARIES

pytestmark = pytest.mark.filterwarnings("ignore:.*(groups failed|fitted with a warning)")

X = np.random.default_rng(0).normal(size=(30, 2))
Y = X @ [1.0, 2.0]
KEYS = np.repeat(["a", "b", "c"], 10)
DATA = pd.DataFrame({"store": KEYS, "k": np.repeat([1, 2, 3], 10), "x": X[:, 0], "z": X[:, 1], "sales": Y})
RIDGE = mlcore.Ridge(alpha=0.5)
NETWORK = mlcore.MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
PARAMS = pd.DataFrame({"store": ["c", "a"], "alpha": [np.nan, 2.0], "max_iter": [7.0, np.nan]})


def given(params: Any, estimator: Any = RIDGE, by: Any = "store") -> mlcore.ManyModels:
    return fit_many(estimator, DATA, by=by, target="sales", features=["x", "z"], params=params)


def values(many: mlcore.ManyModels, name: str) -> list[Any]:
    return [getattr(many[key], name) for key in many if key not in many.failures_]


@LIBRARIES
def test_frames_have_a_line_for_each_group(convert: Any) -> None:
    for params in (PARAMS, PARAMS.convert_dtypes(), PARAMS.astype({"store": "category"})):
        many = given(convert(params))
        assert values(many, "alpha") == [2.0, 0.5, 0.5]
        assert values(many, "max_iter") == [None, None, 7]
        assert type(many["c"].max_iter) is int
    arrays = fit_many(RIDGE, X, Y, groups=KEYS, params=convert(PARAMS.rename(columns={"store": "groups"})))
    assert values(arrays, "alpha") == [2.0, 0.5, 0.5]


def test_the_index_may_tell_the_groups() -> None:
    for params in (PARAMS.set_index("store"), PARAMS.set_index("store").rename_axis(None)):
        assert values(given(params), "alpha") == [2.0, 0.5, 0.5]
        assert values(fit_many(RIDGE, X, Y, groups=KEYS, params=params), "alpha") == [2.0, 0.5, 0.5]
    two = pd.DataFrame({"k": [2], "store": ["b"], "alpha": [9.0]})
    for params in (two, two.set_index(["k", "store"]), two.set_index("k"), two.set_index(["store", "k"])):
        assert values(given(params, by=["store", "k"]), "alpha") == [0.5, 9.0, 0.5]
    whole = pd.DataFrame({"alpha": [9.0]}, index=[2])
    assert values(fit_many(RIDGE, X, Y, groups=DATA["k"], params=whole), "alpha") == [0.5, 9.0, 0.5]


def test_mappings_are_taken_as_they_are() -> None:
    many = given({"a": {"alpha": np.float32(2.0)}, "b": {"alpha": None}, "c": {"alpha": 3, "fit_intercept": False}})
    assert values(many, "alpha") == [2.0, 0.5, 3]
    assert type(many["a"].alpha) is np.float32
    assert values(many, "fit_intercept") == [True, True, False]
    many = fit_many(RIDGE, X, Y, groups=DATA["k"], params={1.0: {"alpha": 1.0}, np.int8(3): {"alpha": 3.0}})
    assert values(many, "alpha") == [1.0, 0.5, 3.0]
    # a lone fit refuses it too
    assert "max_iter" in given({"b": {"max_iter": 3.5}}, NETWORK).failures_["b"]


@LIBRARIES
def test_layers_differ(convert: Any) -> None:
    params = pd.DataFrame({"store": ["a", "b"], "hidden_layer_sizes": [[4, 2], None]})
    many = given(convert(params), NETWORK)
    assert [[coefs.shape for coefs in many[key].coefs_] for key in "ab"] == [[(2, 4), (4, 2), (2, 1)], [(2, 3), (3, 1)]]


def test_whole_numbers_beside_missing_cells_stay_whole() -> None:
    cells = {"random_state": [4.0, np.nan], "batch_size": [5.0, np.nan], "hidden_layer_sizes": [2.0, np.nan]}
    many = given(pd.DataFrame({"store": ["a", "b"], **cells}), NETWORK)
    assert values(many, "random_state") == [4, 0, 0]
    assert values(many, "batch_size") == [5, "auto", "auto"]
    assert values(many, "hidden_layer_sizes") == [2, (3,), (3,)]
    truth = pd.DataFrame({"store": ["a", "b"], "fit_intercept": [0.0, np.nan]})
    assert values(given(truth), "fit_intercept") == [False, True, True]
    # what a real number is for stays one
    assert [type(alpha) for alpha in values(given(PARAMS), "alpha")] == [float] * 3


def test_groups_without_a_seed_draw_theirs() -> None:
    estimator = mlcore.MLPRegressor(hidden_layer_sizes=(2,), max_iter=1, random_state=np.random.RandomState(0))
    many = given(pd.DataFrame({"store": ["b"], "random_state": [4]}), estimator)
    drawn = np.random.RandomState(0).randint(2**32, size=2, dtype=np.uint32)
    assert values(many, "random_state") == [drawn[0], 4, drawn[1]]


@pytest.mark.parametrize("params", [{}, PARAMS.iloc[:0], PARAMS[["store"]], {"a": {}}], ids=str)
def test_nothing_may_be_set(params: Any) -> None:
    assert values(given(params), "alpha") == [0.5] * 3


def test_parameters_of_other_estimators() -> None:
    many = given({"b": {"alpha": 3.0}}, ElasticNet(alpha=0.1, random_state=0))
    assert values(many, "alpha") == [0.1, 3.0, 0.1]
    many = given({"b": {"ridge__alpha": 3.0}}, make_pipeline(StandardScaler(), mlcore.Ridge()))
    assert [model[-1].alpha for model in (many["a"], many["b"])] == [1.0, 3.0]


WRONG: dict[str, tuple[Any, str]] = {
    "unknown group": ({"a": {}, "zz": {}}, "params has 1 group that no row belongs to: 'zz'"),
    "unknown groups": ({f"q{i}": {} for i in range(9)}, r"params has 9 groups .* 'q4' \.\.\."),
    "unknown group of a frame": (PARAMS.assign(store=["a", "zz"]), "no row belongs to: 'zz'"),
    "numbers for texts": (pd.DataFrame({"alpha": [1.0]}), "none of which tells the groups: one must be called 'store'"),
    "unknown parameter": ({"a": {"alfa": 1.0}}, "params sets 'alfa', which Ridge does not have; it has alpha, "),
    "unknown parameter, no value": (PARAMS.assign(alfa=None), "params sets 'alfa'"),
    "a name that is none": ({"a": {3: 1.0}}, "params sets 3, which"),
    "a group twice": (pd.concat([PARAMS, PARAMS]), "params has several lines for 'a', 'c'"),
    "a column twice": (pd.concat([PARAMS, PARAMS[["alpha"]]], axis=1), "several columns called 'alpha'"),
    "no key": (PARAMS.assign(store=["a", None]), "1 of 2 rows have no key"),
    "no key column": (pa.table({"alpha": [1.0]}), "none of which tells the groups"),
    "a list": ([{"alpha": 1.0}], "params is a list, but must be a mapping"),
    "no mapping": ({"a": 3.0}, r"params\['a'\] is 3.0, but must be a mapping"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_named(kind: str) -> None:
    params, message = WRONG[kind]
    with pytest.raises(ValueError, match=message):
        given(params)


def test_nobody_goes_on_from_an_earlier_fit() -> None:
    with pytest.raises(ValueError, match="warm_start=True"):
        given({"a": {"warm_start": True}}, NETWORK)


def test_the_template_is_not_changed() -> None:
    before = dict(RIDGE.__dict__)
    given(PARAMS)
    assert RIDGE.__dict__ == before
