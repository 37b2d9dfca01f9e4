"""Frames of pandas, polars and pyarrow by one face: names, columns, numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..names import meant


def is_frame(value: Any) -> bool:
    """Whether it has named columns: a DataFrame of pandas or polars, or a table of pyarrow."""
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
                f"The frame has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, self.names))}."
                f"{meant(missing[0], texts)}"
            )

    def keys(self, names: list[Any]) -> Any:
        """The keys in one column, or tuples of several."""
        if len(names) == 1:
            return self.column(names[0])
        columns = [self.cells(name) for name in names]
        found = np.empty(len(self), object)
        found[:] = list(zip(*columns, strict=True))
        return found

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
        dtype = getattr(column, "dtype", None)
        if hasattr(dtype, "na_value") and getattr(dtype, "kind", "O") in "iufb":
            return np.asarray(column.to_numpy(np.float64, na_value=np.nan))
        if hasattr(dtype, "categories"):
            return np.asarray(column)
        return np.asarray(column.to_numpy())

    def numbers(self, names: list[Any]) -> NDArray[Any]:
        """Columns of numbers as rows, float32 if all are, else float64."""
        columns = [self.values(name) for name in names]
        words = [name for name, column in zip(names, columns, strict=True) if column.dtype.kind not in "biuf"]
        if words:
            raise ValueError(
                f"The columns {', '.join(map(repr, words))} hold no numbers: name the columns to learn from with "
                "features=, or encode them first."
            )
        single = all(column.dtype == np.float32 for column in columns) and columns
        rows = np.empty((len(self), len(names)), np.float32 if single else np.float64)
        for j, column in enumerate(columns):
            rows[:, j] = column
        return rows
