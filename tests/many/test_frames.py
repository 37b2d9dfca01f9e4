"""Frames of pandas, polars and pyarrow: the same models, whatever holds the columns, and errors that name them."""

from __future__ import annotations

import datetime
import decimal
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor

import mlcore
from mlcore import fit_many
from mlcore.many._frames import Frame, is_frame

N = 60
RNG = np.random.default_rng(0)
DATA = pd.DataFrame(
    {
        "store": np.repeat(["a", "b", "c"], 20),
        "x": RNG.normal(size=N),
        "z": RNG.integers(0, 9, N),
        "flag": RNG.random(N) < 0.5,
    }
)
DATA["sales"] = 2 * DATA["x"] + DATA["z"] / 2 + DATA["flag"] + RNG.normal(size=N) / 10
FEATURES = ["x", "z", "flag"]
X, Y, KEYS = DATA[FEATURES].to_numpy(float), DATA["sales"].to_numpy(), DATA["store"].to_numpy()
LINE = mlcore.LinearRegression()
SALES: dict[str, Any] = {"by": "store", "target": "sales"}
quiet = pytest.mark.filterwarnings("ignore:.*(groups failed|fitted with a warning)")


def of_polars(frame: pd.DataFrame) -> Any:
    return pytest.importorskip("polars").from_pandas(frame)


def of_arrow(frame: pd.DataFrame) -> Any:
    return pa.Table.from_pandas(frame, preserve_index=False)


def of_batches(frame: pd.DataFrame) -> Any:
    return pa.RecordBatch.from_pandas(frame, preserve_index=False)


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "index in disorder": lambda frame: frame.set_index(np.random.default_rng(1).permutation(len(frame))),
    "nullable": lambda frame: frame.convert_dtypes(),
    "arrow dtypes": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "objects": lambda frame: frame.astype(object),
    "categories": lambda frame: frame.astype({"store": pd.CategoricalDtype(["none", "c", "b", "a"])}),
    "sparse": lambda frame: frame.assign(x=pd.arrays.SparseArray(frame["x"])),
    "polars": of_polars,
    "pyarrow": of_arrow,
    "chunks": lambda frame: pa.concat_tables([of_arrow(frame).slice(0, 7), of_arrow(frame).slice(7)]),
    "dictionary": lambda frame: of_arrow(frame).set_column(0, "store", of_arrow(frame)["store"].dictionary_encode()),
    "batch": of_batches,
}
LIBRARIES = pytest.mark.parametrize("convert", [FRAMES["pandas"], of_polars, of_arrow, of_batches])


def assert_those_of_arrays(many: mlcore.ManyModels) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        arrays = fit_many(LINE, X, Y, groups=KEYS)
    assert list(many) == list(arrays)
    for key in arrays:
        np.testing.assert_array_equal(many[key].coef_, arrays[key].coef_)
        assert many[key].intercept_ == arrays[key].intercept_


@pytest.mark.parametrize("kind", FRAMES)
def test_every_frame_gives_the_models_of_arrays(kind: str) -> None:
    frame = FRAMES[kind](DATA)
    many = fit_many(LINE, frame, **SALES)
    assert_those_of_arrays(many)
    assert list(many["a"].feature_names_in_) == FEATURES
    assert many.target_name_ == "sales"
    expected = many.predict(X, groups=KEYS)
    np.testing.assert_array_equal(many.predict(frame), expected)


@LIBRARIES
def test_predictions_read_the_columns_by_name(convert: Callable[[pd.DataFrame], Any]) -> None:
    many = fit_many(LINE, convert(DATA), **SALES)
    expected = many.predict(X, groups=KEYS)
    other = DATA.assign(more="text")[["more", "flag", "store", "z", "x"]]
    np.testing.assert_array_equal(many.predict(convert(other)), expected)
    np.testing.assert_array_equal(many.predict(convert(DATA[FEATURES]), groups=convert(DATA)["store"]), expected)
    for missing in ("flag", "store"):
        with pytest.raises(ValueError, match=f"no column '{missing}'; it has "):
            many.predict(convert(DATA.drop(columns=missing)))


@LIBRARIES
def test_frames_of_single_parts(convert: Callable[[pd.DataFrame], Any]) -> None:
    frame = convert(DATA)
    assert_those_of_arrays(fit_many(LINE, convert(DATA[FEATURES]), frame["sales"], groups=frame["store"]))
    several = convert(DATA.assign(day=np.tile([1, 2], 30)))
    for groups in (convert(DATA[["store"]]), frame["store"]):
        assert list(fit_many(LINE, X, convert(DATA[["sales"]]), groups=groups)) == ["a", "b", "c"]
    pairs = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1), ("c", 2)]
    both = fit_many(LINE, several, by=["store", "day"], target=["sales", "z"])
    assert list(both) == pairs
    assert both[("b", 2)].coef_.shape == (2, 2)
    assert both.predict(several).shape == (N, 2)
    assert list(fit_many(LINE, X, Y, groups=convert(DATA.assign(day=np.tile([1, 2], 30))[["store", "day"]]))) == pairs


def test_series_are_read_by_position() -> None:
    shuffled = np.random.default_rng(2).permutation(N)
    weights = pd.Series(np.ones(N), index=shuffled[::-1])
    many = fit_many(
        LINE, DATA[FEATURES], DATA["sales"].set_axis(shuffled), groups=DATA["store"].set_axis(shuffled[::-1]),
        sample_weight=weights,
    )  # fmt: skip
    np.testing.assert_allclose(many["b"].coef_, fit_many(LINE, DATA, **SALES)["b"].coef_, rtol=1e-12)


@pytest.mark.parametrize(
    "column",
    [
        "text",
        pd.Timestamp("2020"),
        pd.Timestamp("2020", tz="UTC"),
        pd.Timedelta("1D"),
        datetime.date(2020, 1, 1),
        1j,
        pd.Categorical(["u", "v"] * 30),
        pd.Series([1.0, "text"] * 30, dtype=object),
    ],
    ids=lambda column: type(column).__name__,
)
def test_columns_without_numbers_are_named(column: Any) -> None:
    with pytest.raises(ValueError, match=r"The column 'more' holds no numbers: name the columns .* features="):
        fit_many(LINE, DATA.assign(more=column), **SALES)
    with pytest.raises(ValueError, match=r"The columns 'more', 'again' hold no numbers"):
        fit_many(LINE, DATA.assign(more=column, again=column), **SALES)
    assert_those_of_arrays(fit_many(LINE, DATA.assign(more=column), features=FEATURES, **SALES))


@quiet
@LIBRARIES
@pytest.mark.parametrize("name", ["x", "z", "flag", "sales", "w"])
def test_a_missing_number_fails_its_group(convert: Callable[[pd.DataFrame], Any], name: str) -> None:
    frame = DATA.assign(w=1).convert_dtypes()
    frame.loc[25, name] = pd.NA
    many = fit_many(LINE, convert(frame), sample_weight="w", **SALES)
    assert list(many.failures_) == ["b"]
    assert "NaN" in many.failures_["b"]


def test_decimals_are_numbers() -> None:
    tenths = [decimal.Decimal(int(value)) / 10 for value in DATA["z"]]
    for frame in (DATA.assign(z=tenths), of_arrow(DATA.assign(z=tenths))):
        many = fit_many(LINE, frame, **SALES)
        expected = fit_many(LINE, DATA.assign(z=[float(value) for value in tenths]), **SALES)
        np.testing.assert_array_equal(many["a"].coef_, expected["a"].coef_)


@pytest.mark.parametrize(
    "dtypes",
    ["float32", {"x": "float32", "z": "int8", "flag": "float32"}, {"x": "float32"}, "float16", "Float32", "float64"],
    ids=str,
)
def test_models_have_the_dtype_of_fits_of_the_frame(dtypes: Any) -> None:
    frame = DATA.astype({name: dtypes for name in FEATURES} if isinstance(dtypes, str) else dtypes)
    many = fit_many(LINE, frame, **SALES)
    for key in many:
        rows = frame[frame["store"] == key]
        alone = clone(LINE).fit(rows[FEATURES], rows["sales"])
        assert many[key].coef_.dtype == alone.coef_.dtype
        np.testing.assert_array_equal(many[key].coef_, alone.coef_)


def test_names_that_are_no_texts() -> None:
    numbered = DATA.set_axis([0, 1, 2, 3, 4], axis=1)
    many = fit_many(LINE, numbered, by=0, target=4)
    assert_those_of_arrays(many)
    assert not hasattr(many["a"], "feature_names_in_")
    np.testing.assert_array_equal(many.predict(numbered[[3, 0, 2, 1]]), many.predict(X, groups=KEYS))
    levels = pd.concat({"week": DATA}, axis=1)
    many = fit_many(LINE, levels, by=("week", "store"), target=("week", "sales"))
    assert_those_of_arrays(many)
    np.testing.assert_array_equal(many.predict(levels), many.predict(X, groups=KEYS))


def test_features_are_one_name_or_several() -> None:
    for features in (FEATURES, tuple(FEATURES), np.array(FEATURES), pd.Index(FEATURES)):
        assert_those_of_arrays(fit_many(LINE, DATA, features=features, **SALES))
    assert list(fit_many(LINE, DATA, features="flag", **SALES)["a"].feature_names_in_) == ["flag"]


def _duplicated(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame[["x"]]], axis=1)


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "by": (DATA, {"by": "stor"}, r"no column 'stor'; it has 'store', .*Did you mean 'store'"),
    "target": (DATA, {"target": "sale"}, "no column 'sale'"),
    "feature": (DATA, {"features": ["x", "y"]}, "no column 'y'"),
    "weight": (DATA, {"sample_weight": "w"}, "no column 'w'"),
    "weights that are no name": (DATA, {"sample_weight": np.ones(N)}, "sample_weight is the name of a column"),
    "weights that are no numbers": (DATA.assign(w="u"), {"sample_weight": "w"}, "The column 'w' holds no numbers"),
    "names twice": (_duplicated(DATA), {}, "several columns called 'x'"),
    "arrow names twice": (of_arrow(DATA).append_column("x", of_arrow(DATA)["x"]), {}, "several columns called 'x'"),
    "features twice": (DATA, {"features": ["x", "x"]}, "features names a column twice: 'x', 'x'"),
    "target to learn from": (DATA, {"features": ["x", "sales"]}, "'sales' is the target, and cannot be among"),
    "target to group by": (DATA, {"by": "sales"}, "'sales' is the target, and cannot be among"),
    "no rows": (DATA.iloc[:0], {}, "The frame has 0 rows"),
    "nothing": (pd.DataFrame(), {}, "no column 'store', 'sales'; it has none"),
    "nothing to learn from": (DATA[["store", "sales"]], {}, "0 columns to learn from"),
    "y too": (DATA, {"y": Y}, "passed without y and groups="),
    "no target": (DATA, {"target": None}, "wants by= and target="),
    "a missing key": (DATA.assign(store=[None, *KEYS[1:]]), {}, "1 of 60 rows have no key"),
    "text for numbers": (DATA.assign(sales="1,5"), {}, "y must hold numbers"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_named(kind: str) -> None:
    frame, more, message = WRONG[kind]
    with pytest.raises(ValueError, match=message):
        fit_many(LINE, frame, **{**SALES, **more})


def test_arrays_and_frames_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="The column 'store' holds no numbers"):
        fit_many(LINE, DATA, Y, groups=KEYS)
    with pytest.raises(ValueError, match="by= names a column of a frame"):
        fit_many(LINE, DATA, Y, groups="store")
    with pytest.raises(ValueError, match="by=, target= and features= name columns of a frame"):
        fit_many(LINE, DATA[FEATURES], Y, groups=KEYS, by="store")
    with pytest.raises(ValueError, match="60 rows and 0 columns"):
        fit_many(LINE, DATA[[]], Y, groups=KEYS)


def test_frames_that_are_not_there_yet() -> None:
    polars = pytest.importorskip("polars")
    with pytest.raises(ValueError, match=r"A LazyFrame has no rows yet: pass what its collect\(\) gives"):
        fit_many(LINE, polars.from_pandas(DATA).lazy(), **SALES)
    assert not is_frame(np.ones((2, 2)))


@quiet
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize(
    "estimator",
    [mlcore.LogisticRegression(), mlcore.MLPClassifier(hidden_layer_sizes=(3,), max_iter=2, random_state=0)],
    ids=repr,
)
def test_a_missing_class_fails_its_group(estimator: Any, missing: Any) -> None:
    labels = np.where(DATA["x"] > 0, "hi", "lo").astype(object)
    labels[20:40] = "hi"
    labels[30] = missing
    numbers = pd.array(np.where((DATA["x"] > 0) | (KEYS == "b"), 1, 0), "Int64")
    numbers[30] = pd.NA
    for y, classes in ((labels, ["hi", "lo"]), (pd.Series(labels), ["hi", "lo"]), (numbers, [0, 1])):
        many = fit_many(estimator, X, y, groups=KEYS)
        assert list(many.failures_) == ["b"]
        assert "NaN" in many.failures_["b"]
        assert many.classes_.tolist() == classes
        assert many.predict_proba(X[:20], groups=KEYS[:20]).shape == (20, 2)
        with pytest.raises(ValueError, match="failed: 'b'"):
            many.predict(X, groups=KEYS)


def test_whole_classes_of_nullable_columns_stay_whole() -> None:
    frame = DATA.assign(sales=pd.array(DATA["x"] > 0, dtype="boolean").astype("Int64"))
    many = fit_many(mlcore.LogisticRegression(), frame, features=["z", "flag"], **SALES)
    assert many.classes_.dtype == np.int64


@LIBRARIES
def test_a_fallback_gets_the_columns_that_it_knows(convert: Callable[[pd.DataFrame], Any]) -> None:
    many = fit_many(LINE, convert(DATA), **SALES)
    frame = convert(DATA.assign(store=["q"] * 5 + KEYS[5:].tolist()))
    arrays = mlcore.LinearRegression().fit(X, Y)
    np.testing.assert_allclose(many.predict(frame, fallback=arrays)[:5], arrays.predict(X[:5]), rtol=1e-12)
    named = mlcore.LinearRegression().fit(DATA[["flag", "x"]], Y)
    if convert is FRAMES["pandas"]:
        expected = named.predict(DATA[["flag", "x"]])[:5]
        np.testing.assert_allclose(many.predict(frame, fallback=named)[:5], expected, rtol=1e-12)
    mean = many.predict(frame, fallback=DummyRegressor().fit(X, Y))
    np.testing.assert_allclose(mean[:5], Y.mean())
    np.testing.assert_array_equal(mean[5:], many.predict(DATA)[5:])


@LIBRARIES
def test_parts_of_frames(convert: Callable[[pd.DataFrame], Any]) -> None:
    part = Frame(convert(DATA)).part(["z", "x"], np.array([3, 1]))
    assert Frame(part).names == ["z", "x"]
    np.testing.assert_array_equal(Frame(part).numbers(["x"])[:, 0], X[[3, 1], 0])
