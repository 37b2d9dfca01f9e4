"""Frames of pandas, polars and pyarrow by one face: names, columns, numbers."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..names import meant


def is_frame(value: Any) -> bool:
    """Whether it has named columns: a DataFrame of pandas or polars, or a table or batch of pyarrow.

    ``ValueError`` for those whose rows are not there yet, such as a LazyFrame of polars.
    """
    if hasattr(value, "collect_schema") and not hasattr(value, "shape"):
        raise ValueError(f"A {type(value).__name__} has no rows yet: pass what its collect() gives.")
    if hasattr(value, "column_names"):
        return True
    return hasattr(value, "columns") and hasattr(value, "shape") and not isinstance(value, np.ndarray)


class Frame:
    """A frame with named columns.

    Parameters
    ----------
    source : DataFrame or Table
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        #: its columns' names
        self.names: list[Any] = list(source.column_names if hasattr(source, "column_names") else source.columns)
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise ValueError(f"The frame has several columns called {', '.join(map(repr, twice))}: rename them.")

    def __len__(self) -> int:
        return int(self._source.num_rows if hasattr(self._source, "num_rows") else self._source.shape[0])

    def column(self, name: Any) -> Any:
        """One column, as the frame has it."""
        self.check([name])
        return self._source[name]

    def check(self, names: list[Any]) -> None:
        """``ValueError`` for names that no column has."""
        if missing := [name for name in names if name not in self.names]:
            texts = tuple(name for name in self.names if isinstance(name, str))
            raise ValueError(
                f"The frame has no column {', '.join(map(repr, missing))}; it has "
                f"{', '.join(map(repr, self.names)) or 'none'}."
                f"{meant(missing[0], texts)}"
            )

    def several(self, names: Any) -> list[Any]:
        """One name or several as a list; a tuple is one where a column is called so."""
        if (
            isinstance(names, str)
            or not hasattr(names, "__iter__")
            or (isinstance(names, tuple) and names in self.names)
        ):
            return [names]
        return list(names)

    def keys(self, names: list[Any]) -> Any:
        """The keys in one column, or a frame of several, whose rows are tuples."""
        return self.column(names[0]) if len(names) == 1 else Columns(self, names)

    def cells(self, name: Any) -> list[Any]:
        """One column as a list."""
        column = self.column(name)
        for way in ("to_pylist", "to_list", "tolist"):
            if hasattr(column, way):
                return list(getattr(column, way)())
        return list(column)

    def values(self, name: Any) -> NDArray[Any]:
        """One column as an array of NumPy's; a missing number is NaN."""
        column = self.column(name)
        if isinstance(column, (pa.Array, pa.ChunkedArray)):
            if pa.types.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            return np.asarray(column.to_numpy(zero_copy_only=False))
        dtype = getattr(column, "dtype", None)
        if hasattr(dtype, "na_value") and getattr(dtype, "kind", "O") in "iufb":
            whole = getattr(dtype, "numpy_dtype", np.float64)
            return np.asarray(
                column.to_numpy(np.float64, na_value=np.nan) if column.isna().any() else column.to_numpy(whole)
            )
        if hasattr(dtype, "categories"):
            return np.asarray(column)
        return np.asarray(column.to_numpy())

    def part(self, names: list[Any], places: NDArray[np.intp]) -> Any:
        """Some columns and rows, as a frame of the same kind."""
        self.check(names)
        source = self._source
        if hasattr(source, "iloc"):
            return source[names].iloc[places]
        chosen = source.select(names)
        return chosen.take(places) if hasattr(chosen, "take") else chosen[places]

    def numbers(self, names: list[Any]) -> NDArray[Any]:
        """Columns of numbers as rows, of the dtype that an estimator makes of the frame."""
        columns = [_of_objects(column) if column.dtype == object else column for column in map(self.values, names)]
        words = [name for name, column in zip(names, columns, strict=True) if column.dtype.kind not in "biuf"]
        if words:
            subject, verb = ("The columns", "hold") if len(words) > 1 else ("The column", "holds")
            raise ValueError(
                f"{subject} {', '.join(map(repr, words))} {verb} no numbers: name the columns to learn from with "
                "features=, or encode them first."
            )
        if not columns or not len(self):
            raise ValueError(f"The frame has {len(self)} rows and {len(columns)} columns; one of each is the least.")
        dtypes = [getattr(self.column(name), "dtype", None) for name in names]
        single = all(isinstance(dtype, np.dtype) and dtype.kind != "b" for dtype in dtypes) and (
            np.result_type(*dtypes) == np.float32
        )
        rows = np.empty((len(self), len(names)), np.float32 if single else np.float64)
        for j, column in enumerate(columns):
            rows[:, j] = column
        return rows


class Columns:
    """Some columns of a frame, as a frame."""

    def __init__(self, frame: Frame, names: list[Any]) -> None:
        frame.check(names)
        self._frame, self.column_names, self.num_rows = frame, names, len(frame)

    def __getitem__(self, name: Any) -> Any:
        return self._frame.column(name)


def _of_objects(values: NDArray[Any]) -> NDArray[Any]:
    """Objects as float64, if all are numbers or missing."""
    try:
        found = pa.array(values, from_pandas=True)
        kind = found.type
        tests = (pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        if any(test(kind) for test in tests):
            # not Arrow's own cast, which rounds decimals twice
            return np.where(found.is_null(), np.nan, values).astype(np.float64)
    except pa.ArrowException:
        pass
    return values


def to_frame(keys: NDArray[Any], by: list[Any] | None, columns: dict[str, Any]) -> Any:
    """A frame of pandas' whose index is the keys; where there is no pandas a table of pyarrow's that begins with them.

    Parameters
    ----------
    by : list or None
        The keys' names; of several, keys are tuples.
    """
    names = ["group"] if by is None else list(by)
    try:
        pd = import_module("pandas")
    except ImportError:
        parts = [keys] if len(names) == 1 else zip(*keys.tolist(), strict=True)
        named = {str(name): _as_column(part) for name, part in zip(names, parts, strict=True)}
        return pa.table(named | {name: pa.array(values) for name, values in columns.items()})
    if len(names) > 1:
        index: Any = pd.MultiIndex.from_tuples(keys.tolist(), names=names)
    else:
        index = pd.Index(keys, name=names[0], tupleize_cols=False)
    return pd.DataFrame(columns, index=index)


def _as_column(keys: Any) -> Any:
    try:
        return pa.array(keys)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # of several kinds
        return pa.array([str(key) for key in keys])
