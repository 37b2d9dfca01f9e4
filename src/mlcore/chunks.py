"""Rows that are read chunk by chunk, as often as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_CHUNK = 65_536


def chunks_of(source: Any, target: str | None) -> Callable[[], Iterator[tuple[Any, Any, Any]]]:
    """A function that reads (X, y, sample_weight or None) from the start each time it is called.

    Parameters
    ----------
    source : callable, iterable, or path
        A function that returns an iterable of (X, y) or (X, y, sample_weight), such as a generator function; a list of
        such tuples; or a Parquet file, read by row groups.
    target : str or None
        The column of the Parquet file that holds the classes; the others are the features.
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

    return read


def _parquet(path: Path, target: str | None) -> Callable[[], Iterator[tuple[Any, Any, Any]]]:
    from pyarrow import parquet

    names = parquet.read_schema(path).names
    if target not in names:
        raise ValueError(f"target is {target!r}, but must be a column of the file: {', '.join(names)}.")

    def read() -> Iterator[tuple[Any, Any, Any]]:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_CHUNK):
                columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in names}
                y = columns.pop(target)
                yield np.column_stack(list(columns.values())), y, None

    return read
