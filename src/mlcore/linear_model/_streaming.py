"""Rows that are read chunk by chunk, as often as they are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_CHUNK = 65_536


def chunks_of(source: Any, target: str | None) -> tuple[Callable[[], Iterator[tuple[Any, Any, Any]]], list[str] | None]:
    """A function that reads (X, y, sample_weight or None) from the start at each call, and X's names if known.

    Parameters
    ----------
    source : callable, iterable, or path
        A function that returns an iterable of (X, y) or (X, y, sample_weight), such as a generator function; a list of
        such tuples; or a Parquet file, read by row groups.
    target : str or None
        The column of the Parquet file that holds the classes; the others are the features, but for an index of pandas.
    """
    if isinstance(source, (str, Path)):
        return _parquet(Path(source), target)
    if target is not None:
        raise ValueError(f"target={target!r} names a column of a Parquet file, but the source is no path.")
    if isinstance(source, Iterator):
        raise ValueError(
            "The source can be read only once, but is read at each iteration: pass the generator function itself, or "
            "another function that returns a new iterable at each call."
        )
    if not callable(source) and not isinstance(source, Iterable):
        raise ValueError(f"The source is {source!r}, but must be a function, a list of chunks or a Parquet file.")

    def read() -> Iterator[tuple[Any, Any, Any]]:
        for chunk in source() if callable(source) else source:
            if not isinstance(chunk, (tuple, list)) or len(chunk) not in (2, 3):
                raise ValueError("Each chunk must be a tuple (X, y) or (X, y, sample_weight).")
            yield chunk[0], chunk[1], chunk[2] if len(chunk) == 3 else None

    return read, None


def index_columns(schema: Any) -> list[str]:
    """The columns of a Parquet file that are the index of the DataFrame which pandas wrote there.

    The file says which; without pandas' metadata, which other writers drop, an index without a name is known by the one
    that pandas gave it.
    """
    told = schema.pandas_metadata
    written = told.get("index_columns") if isinstance(told, dict) else None
    # a range is described, in place of a name, and has no column
    kept = [name for name in written if isinstance(name, str)] if isinstance(written, list) else []
    return [name for name in schema.names if name in kept or re.fullmatch("__index_level_[0-9]+__", name)]


def _parquet(path: Path, target: str | None) -> tuple[Callable[[], Iterator[tuple[Any, Any, Any]]], list[str]]:
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    index = index_columns(schema)
    if target not in schema.names:
        raise ValueError(f"target is {target!r}, but must be a column of the file: {', '.join(schema.names)}.")
    names = [name for name in schema.names if name != target and name not in index]
    if not names:
        raise ValueError(f"The file has no column for X: beside {target!r} there is {', '.join(index) or 'none'}.")

    def read() -> Iterator[tuple[Any, Any, Any]]:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_CHUNK, columns=[*names, target]):
                columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in [*names, target]}
                y = columns.pop(target)
                yield np.column_stack(list(columns.values())), y, None

    return read, names
