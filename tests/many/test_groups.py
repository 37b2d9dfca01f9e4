"""Keys of every kind: which rows belong together, in which order groups stand, and how they are found again."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore import LinearRegression, fit_many
from mlcore.many._groups import Groups, Places, as_keys, encode, together

TIMES = ["2020-01-01", "2020-01-03", "2020-01-02"]
DAYS = [datetime.date.fromisoformat(day) for day in TIMES]
MONTHS = [pd.Period("2020-02"), pd.Period("2020-01")]
IDS = [uuid.UUID(int=i) for i in (7, 3, 5)]


def cycled(keys: list[Any]) -> list[Any]:
    return [keys[i % len(keys)] for i in range(4 * len(keys))]


def frame(keys: Any, dtype: Any) -> Any:
    return pd.Series(cycled(keys), dtype=dtype)


# keys by rows, and the groups in their order; each must be found by what stands there
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "whole numbers": (cycled([5, -1, 3]), [-1, 3, 5]),
    "few bits": (np.array(cycled([100, -100, 3]), np.int8), [-100, 3, 100]),
    "unsigned": (np.array(cycled([2**64 - 1, 1, 3]), np.uint64), [1, 3, 2**64 - 1]),
    "far apart": (cycled([-(2**63), 2**63 - 1, 0]), [-(2**63), 0, 2**63 - 1]),
    "beyond 64 bits": (cycled([2**70, 1, 2]), [1, 2, 2**70]),
    "real numbers": (cycled([2.5, float("-inf"), 1.0]), [float("-inf"), 1, 2.5]),
    "zeros": (cycled([0.0, -0.0, 1.0]), [0, 1]),
    "truth values": (cycled([True, False]), [False, True]),
    "texts": (cycled(["b", "a", "", "ä"]), ["", "a", "b", "ä"]),
    "array of texts": (np.array(cycled(["b", "a", "ä"])), ["a", "b", "ä"]),
    "texts with a null byte": (np.array(cycled(["b", "a\0", "a"]), object), ["a", "a\0", "b"]),
    "variable texts": (np.array(cycled(["b", "a"]), np.dtypes.StringDType()), ["a", "b"]),
    "bytes": (cycled([b"b", b"a"]), [b"a", b"b"]),
    "mixed": (cycled([1, "a", 2.5]), [1, "a", 2.5]),
    "numbers and their texts": (cycled(["1", 1]), ["1", 1]),
    "days": (np.array(cycled(TIMES), "M8[D]"), sorted(TIMES)),
    "durations": (np.array(cycled([3, 1, 2]), "m8[h]"), [np.timedelta64(i, "h") for i in (1, 2, 3)]),
    "dates": (cycled(DAYS), sorted(DAYS)),
    "decimals": (cycled([decimal.Decimal(2), decimal.Decimal(1)]), [1, 2]),
    "identifiers": (cycled(IDS), sorted(IDS)),
    "tuples": (cycled([("b", 1), ("a", 2), ("a", 1)]), [("a", 1), ("a", 2), ("b", 1)]),
    "lists": (cycled([["b", 1], ["a", 2]]), [("a", 2), ("b", 1)]),
    "columns": (np.array(cycled([[1, 2], [1, 1]])), [(1, 1), (1, 2)]),
    "levels": (pd.MultiIndex.from_tuples(cycled([("b", 1), ("a", 2)])), [("a", 2), ("b", 1)]),
    "categories": (frame(["b", "a"], pd.CategoricalDtype(["x", "b", "a"], ordered=True)), ["a", "b"]),
    "categories of days": (pd.Series(pd.to_datetime(cycled(TIMES))).astype("category"), sorted(TIMES)),
    "index": (pd.Index(cycled(["b", "a"])), ["a", "b"]),
    "nullable": (frame([3, 1, 2], "Int64"), [1, 2, 3]),
    "pandas' texts": (frame(["b", "a"], "string"), ["a", "b"]),
    "arrow in pandas": (frame([3, 1, 2], "int64[pyarrow]"), [1, 2, 3]),
    "times": (pd.Series(pd.to_datetime(cycled(TIMES))), sorted(map(pd.Timestamp, TIMES))),
    "zones": (pd.Series(pd.to_datetime(cycled(TIMES), utc=True)), [pd.Timestamp(t, tz="UTC") for t in sorted(TIMES)]),
    "periods": (pd.Series(pd.PeriodIndex(cycled(["2020-02", "2020-01"]), freq="M")), sorted(MONTHS)),
    "arrow": (pa.array(cycled(["b", "a"])), ["a", "b"]),
    "chunks": (pa.chunked_array([["b"], ["a", "b", "a"]]), ["a", "b"]),
    "dictionaries": (pa.array(cycled([3, 1])).dictionary_encode(), [1, 3]),
    "arrow truth values": (pa.array(cycled([True, False])), [False, True]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_keys(kind: str) -> None:
    keys, expected = KINDS[kind]
    n = len(keys)
    X = np.arange(2.0 * n).reshape(n, 2) ** 2
    many = fit_many(LinearRegression(), X, np.arange(float(n)), groups=keys)
    assert len(many) == len(expected)
    for key, group in zip(expected, many, strict=True):
        assert key in many
        assert group in many
        assert many._places.find(key) == many._places.find(group) == expected.index(key)
    groups = Groups.of(keys)
    assert groups.count.tolist() == [n // len(expected)] * len(expected) or kind == "zeros"
    _, unknown = many._places.of_rows(keys)
    assert len(unknown) == 0
    assert "none of them" not in many
    assert many._places.find([]) < 0


MISSING: dict[str, Any] = {
    "None": ["a", None],
    "NaN": [1.0, np.nan],
    "NaN among objects": np.array(["a", np.nan], object),
    "NA": np.array(["a", pd.NA], object),
    "NaT": np.array(["2020", "NaT"], "M8[D]"),
    "NaT of pandas": pd.Series([pd.Timestamp("2020"), pd.NaT]),
    "category": pd.Categorical(["a", None]),
    "nullable": pd.array([1, None], "Int64"),
    "text": pd.array(["a", None], "string"),
    "tuple": [("a", 1), ("a", None)],
    "columns": np.array([[1.0, 2.0], [1.0, np.nan]]),
    "arrow": pa.array(["a", None]),
    "arrow whole numbers": pa.array([1, None]),
    "dictionary": pa.DictionaryArray.from_arrays([0, 1], ["a", None]),
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_keys_are_counted(kind: str) -> None:
    with pytest.raises(ValueError, match=r"1 of 2 rows have no key \(None, NaN or NaT\)"):
        fit_many(LinearRegression(), np.ones((2, 1)), np.ones(2), groups=MISSING[kind])


NO_KEYS: dict[str, tuple[Any, str]] = {
    "a name": ("store", "groups is 'store', but must hold a key for each row; by= names a column"),
    "a number": (5, "groups is 5, but must hold a key for each row"),
    "three dimensions": (np.zeros((2, 1, 1)), r"groups has shape \(2, 1, 1\)"),
    "no rows": ([], "groups is empty"),
    "no texts": (pa.array([], pa.string()), "groups is empty"),
    "no columns": (pd.DataFrame(index=[0, 1]), "groups is a frame without columns"),
    "dicts": ([{}, {}], "cannot be a key"),
    "too few": ([1], "one key for each row of X is wanted"),
    "too many": ([1, 1, 1], "one key for each row of X is wanted"),
}


@pytest.mark.parametrize("kind", NO_KEYS)
def test_what_is_no_key(kind: str) -> None:
    keys, message = NO_KEYS[kind]
    with pytest.raises(ValueError, match=message):
        fit_many(LinearRegression(), np.ones((2, 1)), np.ones(2), groups=keys)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=40), st.booleans())
def test_rows_come_together_in_their_order(keys: list[int], in_order: bool) -> None:
    codes = np.unique(sorted(keys) if in_order else keys, return_inverse=True)[1]
    n_groups = int(codes.max()) + 2  # one without rows
    order, first, count = together(codes, n_groups)
    rows = np.arange(len(codes)) if order is None else order
    for group in range(n_groups):
        np.testing.assert_array_equal(rows[first[group] :][: count[group]], np.flatnonzero(codes == group))
    if in_order:
        assert order is None


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
        st.lists(st.floats(allow_nan=False), min_size=1),
        st.lists(st.text(), min_size=1),
        st.lists(st.tuples(st.integers(0, 3), st.text(max_size=1)), min_size=1),
    )
)
def test_keys_are_those_of_sets(keys: list[Any]) -> None:
    found, codes = encode(as_keys(keys))
    assert found.tolist() == sorted(set(keys))
    assert [found.tolist()[code] for code in codes] == keys
    places = Places(found)
    assert [places.find(key) for key in keys] == codes.tolist()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_tuples_of_columns_are_those_of_rows(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    kinds = [
        st.integers(-3, 3),
        st.sampled_from(["b", "a", ""]),
        st.booleans(),
        st.dates(datetime.date(2020, 1, 1), datetime.date(2020, 1, 4)),
        st.sampled_from([1, "a", 2.5]),
    ]
    chosen = data.draw(st.lists(st.sampled_from(range(5)), min_size=2, max_size=4, unique=True))
    columns = {str(kind): data.draw(st.lists(kinds[kind], min_size=n, max_size=n)) for kind in chosen}
    rows = list(zip(*columns.values(), strict=True))
    expected = Groups.of(rows)
    frames = [pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})]
    if "4" not in columns:
        frames += [pd.DataFrame(columns), pa.table(columns)]
    for frame in frames:
        found = Groups.of(frame)
        assert found.keys.tolist() == expected.keys.tolist()
        np.testing.assert_array_equal(found.codes, expected.codes)
        assert [found.keys[code] for code in found.codes] == rows
    columns[str(chosen[0])][0] = None
    with pytest.raises(ValueError, match=f"1 of {n} rows have no key"):
        Groups.of(pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()}))


def test_a_group_for_each_row() -> None:
    n = 2000
    X = np.random.default_rng(0).normal(size=(n, 2))
    order = np.random.default_rng(1).permutation(n)
    many = fit_many(LinearRegression(), X, X[:, 0], groups=order)
    assert many.n_rows_.tolist() == [1] * n
    np.testing.assert_allclose(many.predict(X, groups=order), X[:, 0], rtol=1e-12)
