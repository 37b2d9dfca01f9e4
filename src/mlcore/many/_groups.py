"""Which rows belong to which group: keys of any kind as whole numbers, one stable pass that brings rows together."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from ._frames import Frame, is_frame

# whole numbers are counted, not sorted, where the table has at most so many places for each row
_PLACES_PER_ROW, _FEW_PLACES = 4, 2**16


@dataclass(frozen=True)
class Groups:
    """Rows by groups.

    Attributes
    ----------
    keys : ndarray of shape (G,)
        The groups' keys, sorted; keys that cannot be compared by first appearance.
    codes : ndarray of intp, shape (n,)
        The place of each row's group among them.
    order : ndarray of intp, shape (n,), or None
        Which row stands where once groups are together, each in its own order; None where they are already.
    first, count : ndarray of intp, shape (G,)
        Where each group's rows begin then, and how many they are.
    """

    keys: NDArray[Any]
    codes: NDArray[np.intp]
    order: NDArray[np.intp] | None
    first: NDArray[np.intp]
    count: NDArray[np.intp]

    @classmethod
    def of(cls, keys: Any) -> Groups:
        """Group rows by their keys; ``ValueError`` for missing ones."""
        found, codes = encode(as_keys(keys))
        return cls(found, codes, *together(codes, len(found)))


def together(codes: NDArray[np.intp], n_groups: int) -> tuple[NDArray[np.intp] | None, NDArray[Any], NDArray[Any]]:
    """`order`, `first` and `count` of `Groups`: a counting sort, O(n + G)."""
    count = np.bincount(codes, minlength=n_groups)
    turns = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    if len(turns) + 1 == np.count_nonzero(count):
        # each group's rows stand together already, whichever comes first
        first = np.zeros(n_groups, np.intp)
        starts = np.append(0, turns)
        first[codes[starts]] = starts
        return None, first, count
    n = len(codes)
    by_row = scipy.sparse.csr_array((np.ones(n, np.int8), codes, np.arange(n + 1)), shape=(n, n_groups))
    return by_row.tocsc().indices.astype(np.intp, copy=False), np.cumsum(count) - count, count


def as_keys(keys: Any) -> Any:
    """Keys in one column as an array, or as categories with codes; several columns become tuples."""
    if is_frame(keys):
        frame = Frame(keys)
        if not frame.names:
            raise ValueError("groups is a frame without columns, but must hold a key for each row.")
        if len(frame.names) > 1:
            return _of_columns(frame)
        keys = frame.column(frame.names[0])
    if isinstance(keys, (str, bytes)):
        raise ValueError(f"groups is {keys!r}, but must hold a key for each row; by= names a column of a frame.")
    # of a Series or an Index of pandas, if that is of one column
    values = keys if hasattr(keys, "levels") else getattr(keys, "array", keys)
    if hasattr(values, "codes") and hasattr(values, "categories"):
        return values
    if hasattr(values, "__arrow_array__") and not isinstance(arrow := pa.array(values), pa.ExtensionArray):
        keys = arrow
    elif hasattr(keys, "to_arrow"):  # polars
        keys = keys.to_arrow()
    if isinstance(keys, (pa.Array, pa.ChunkedArray)):
        return _of_arrow(keys)
    if hasattr(keys, "to_numpy"):
        keys = keys.to_numpy()
    elif not isinstance(keys, np.ndarray):
        if not hasattr(keys, "__iter__"):
            raise ValueError(f"groups is {keys!r}, but must hold a key for each row.")
        keys = _of_list(list(keys))
    if keys.ndim == 2:
        keys = keys[:, 0] if keys.shape[1] == 1 else _column(map(tuple, keys.tolist()), len(keys))
    if keys.ndim != 1:
        raise ValueError(f"groups has shape {keys.shape}, but must hold one key for each row.")
    return keys


def _of_columns(frame: Frame) -> Any:
    """Tuples of several columns: each is encoded by itself, and only tuples that differ are made."""
    try:
        columns = [encode(as_keys(frame.column(name))) for name in frame.names]
    except ValueError:  # keys are missing, and rows are counted that miss any
        columns = []
    if not columns or not all(_is_plain(found) for found, _ in columns):
        return _column(zip(*map(frame.cells, frame.names), strict=True), len(frame))
    labels, tuples = np.zeros(len(frame), np.intp), np.zeros((1, 0), np.intp)
    for number, (found, codes) in enumerate(columns):
        distinct, labels = _of_integers(labels * len(found) + codes)
        tuples = np.column_stack([tuples[distinct // len(found)], distinct % len(found)])
        columns[number] = found.tolist(), codes
    parts = [[found[place] for place in places] for (found, _), places in zip(columns, tuples.T.tolist(), strict=True)]
    return _Coded(labels, _column(zip(*parts, strict=True), len(tuples)))


def _is_plain(found: NDArray[Any]) -> bool:
    """Whether keys are in order, and the items of a list of them the cells of their column: times are not."""
    if found.dtype.kind != "O":
        return found.dtype.kind not in "mM"
    try:
        return sorted(found.tolist()) == found.tolist()
    except TypeError:
        return False


def _column(items: Iterable[Any], n: int) -> NDArray[Any]:
    """Objects in an array, tuples as they are."""
    column = np.empty(n, object)
    column[:] = list(items)
    return column


def _of_list(keys: list[Any]) -> NDArray[Any]:
    kinds = set(map(type, keys))
    if len(kinds) == 1 and kinds <= {int, float, bool, str, bytes}:
        return np.array(keys)
    # numbers and texts side by side would all become texts
    return _column((tuple(key) if isinstance(key, list) else key for key in keys), len(keys))


def _of_arrow(keys: Any) -> Any:
    keys = keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
    _check_present(keys.null_count, len(keys))
    if pa.types.is_string(keys.type) or pa.types.is_large_string(keys.type) or pa.types.is_string_view(keys.type):
        keys = keys.dictionary_encode()
    if pa.types.is_dictionary(keys.type) and keys.dictionary.null_count:
        return _of_arrow(keys.dictionary_decode())
    if not pa.types.is_dictionary(keys.type):
        return keys.to_numpy(zero_copy_only=False)
    return _Coded(keys.indices.to_numpy(), np.array(keys.dictionary.to_pylist(), object))


@dataclass(frozen=True)
class _Coded:
    """Places among categories, as pandas' Categorical has them."""

    codes: NDArray[Any]
    categories: NDArray[Any]


def encode(keys: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The distinct keys, sorted where they can be, and the place of each row's among them.

    Whole numbers of a small range are counted, other numbers and times sorted, all else hashed.
    """
    if not len(getattr(keys, "codes", keys)):
        raise ValueError("groups is empty: there are no rows.")
    if hasattr(keys, "codes"):
        found, codes = _of_categories(keys)
    elif keys.dtype.kind in "iub":
        found, codes = _of_integers(keys)
    elif keys.dtype.kind in "fcmM":
        _check_present(int(np.count_nonzero(keys != keys)), len(keys))
        found, codes = np.unique(keys, return_inverse=True)
    elif keys.dtype.kind == "U":
        found, codes = _of_categories(_of_arrow(pa.array(keys)))
        found = found.astype(keys.dtype)
    else:
        found, codes = _of_objects(keys)
    return found, codes.astype(np.intp, copy=False)


def _check_present(missing: int, n: int) -> None:
    if missing:
        raise ValueError(
            f"{missing} of {n} rows have no key (None, NaN or NaT): leave those rows out, or give them a key."
        )


def _of_categories(keys: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    codes = np.asarray(keys.codes, np.intp)
    _check_present(int(np.count_nonzero(codes < 0)), len(codes))
    # categories that no row has are no groups, and their order need not be that of the keys
    found, codes = _of_integers(codes)
    categories = keys.categories[found]
    return _sorted(categories.to_numpy() if hasattr(categories, "to_numpy") else categories, codes)


def _of_integers(keys: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    low, high = int(keys.min()), int(keys.max())
    if high - low >= max(_FEW_PLACES, _PLACES_PER_ROW * len(keys)):
        return np.unique(keys, return_inverse=True)
    wide = keys if keys.dtype == np.uint64 else keys.astype(np.int64, copy=False)
    shifted = (wide - wide.dtype.type(low)).astype(np.intp, copy=False)
    present = np.bincount(shifted, minlength=high - low + 1) > 0
    found = (np.flatnonzero(present).astype(wide.dtype) + wide.dtype.type(low)).astype(keys.dtype)
    return found, (np.cumsum(present) - 1)[shifted]


def _of_objects(keys: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    place: defaultdict[Any, int] = defaultdict(itertools.count().__next__)
    try:
        codes = np.fromiter(map(place.__getitem__, keys.tolist()), np.intp, len(keys))
    except TypeError as error:
        raise ValueError(f"groups holds what cannot be a key: {error}.") from None
    distinct = list(place)
    absent = [i for i, key in enumerate(distinct) if is_missing(key)]
    if absent:
        _check_present(int(np.isin(codes, absent).sum()), len(codes))
    return _sorted(
        _column(distinct, len(distinct)) if keys.dtype.kind == "O" else np.array(distinct, keys.dtype), codes
    )


def is_missing(key: Any) -> bool:
    """Whether it is None, NaN, NaT or NA, or a tuple with one of them."""
    if key is None:
        return True
    if isinstance(key, tuple):
        return any(map(is_missing, key))
    try:
        return bool(key != key)
    except TypeError:  # pandas' NA is neither equal to anything nor unequal
        return True


def _sorted(found: NDArray[Any], codes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        order = sorted(range(len(found)), key=found.tolist().__getitem__)
    except TypeError:
        return found, codes
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    return found[order], place[codes]


class Places:
    """Where the groups stand, by key."""

    def __init__(self, keys: NDArray[Any]) -> None:
        self._keys = keys
        self._place: dict[Any, int] | None = None

    def _table(self) -> dict[Any, int]:
        if self._place is None:
            # times as lists are whole numbers, or of another library
            keys = list(self._keys) if self._keys.dtype.kind in "mM" else self._keys.tolist()
            self._place = {key: i for i, key in enumerate(keys)}
        return self._place

    def find(self, key: Any) -> int:
        """The place of a key, -1 if there is no such group."""
        if (kind := self._keys.dtype.kind) in "mM":
            try:
                given = (
                    key.to_numpy()
                    if hasattr(key, "to_numpy")
                    else (np.timedelta64 if kind == "m" else np.datetime64)(key)
                )
                key = given.astype(self._keys.dtype)
            except (TypeError, ValueError):
                return -1
            if key != given:  # noon is no day
                return -1
        elif isinstance(key, np.generic):
            key = key.item()
        try:
            return self._table().get(key, -1)
        except TypeError:  # what cannot be hashed is no key
            return -1

    def of_rows(self, keys: Any) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Each row's place, -1 for a group that is not there, and the keys of those groups."""
        found, codes = encode(as_keys(keys))
        places = np.fromiter((self.find(key) for key in found), np.intp, len(found))
        return places[codes], found[places < 0]
