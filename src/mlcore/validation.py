"""Checks of what users pass to everything that is no scikit-learn estimator; arrays are checked and laid out once."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .names import meant

FLOATS = (np.float32, np.float64)
# What may stand between a user's line and a fit: mlcore, and the libraries whose pipelines and searches call fits.
_BETWEEN = ("mlcore", "sklearn", "joblib", "scipy")
_collected: ContextVar[list[str] | None] = ContextVar("mlcore_collected", default=None)


def is_finite(array: NDArray[Any]) -> bool:
    """Whether all numbers are finite: seen from the sum of their squares, and one by one only if that is not."""
    return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def as_float_array(value: Any, name: str, dtype: Any = None) -> NDArray[Any]:
    """A finite, C-contiguous array of float32 or float64 (float64 unless it came as float32 or `dtype` says).

    Raises ``ValueError`` for what is no array of real numbers, for NaN and infinity.
    """
    if type(value) is np.ndarray and dtype is not None and value.dtype == dtype:  # by far the most frequent case
        if value.flags.carray and is_finite(value):
            return value
    if value is None or hasattr(value, "tocsr") or np.ma.is_masked(value):
        what = "None" if value is None else "a sparse matrix" if hasattr(value, "tocsr") else "a masked array"
        raise ValueError(f"{name} is {what}, but a plain array of numbers is wanted.")
    try:
        array = np.asarray(value)
        if array.dtype == object:
            array = array.astype(np.float64)
    except OverflowError:
        raise too_large(**{name: value}) from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, but its dtype is {array.dtype}.")
    wanted = np.dtype(dtype) if dtype is not None else array.dtype.newbyteorder("=")
    if wanted not in FLOATS:
        wanted = np.dtype(np.float64)
    if wanted.itemsize < array.dtype.itemsize and array.dtype.kind == "f":
        largest = np.abs(array).max(initial=0.0, where=np.isfinite(array))
        if largest > np.finfo(wanted).max:
            raise ValueError(f"{name} reaches {largest:g}, too large for {wanted}; scale it, or use dtype='float64'.")
    array = np.require(array, wanted, ["C", "A"])
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        what = "NaN" if np.isnan(array[place]) else "infinity"
        raise ValueError(f"{name} contains {what} (first at index {place}); remove or replace such values first.")
    return array


def too_large(**given: Any) -> ValueError:
    """The error for Python's numbers beyond float64, at which NumPy raises ``OverflowError``; it names the first."""
    for name, values in given.items():
        for place, value in np.ndenumerate(np.array(values, object)):
            try:
                float(value)
            except OverflowError:
                where = f"{name}[{', '.join(map(str, place))}]" if place else name
                return ValueError(
                    f"{where} is of type {type(value).__name__} and too large for float64, which ends at 1.8e308; "
                    "scale such numbers, or leave them out."
                )
            except (TypeError, ValueError):  # text, or whatever else is not the cause
                continue
    return ValueError(f"{' or '.join(given)} holds a number too large for float64, which ends at 1.8e308.")


def as_rows(value: Any, name: str, dtype: Any, width: int | None = None, unit: str = "columns") -> NDArray[Any]:
    """Two-dimensional rows of the wanted width. One dimension means one row, or one column if the width is 1."""
    array = as_float_array(value, name, dtype)
    if array.ndim == 1:
        array = array.reshape(-1, 1) if width == 1 else array.reshape(1, -1)
    if array.ndim != 2:
        raise ValueError(f"{name} must have two dimensions (rows, {unit}), but its shape is {array.shape}.")
    if width is not None and array.shape[1] != width:
        raise ValueError(f"{name} has {array.shape[1]} {unit}, but {width} are wanted (shape {array.shape}).")
    return array


def as_sample_weight(value: Any, n_rows: int, dtype: Any) -> NDArray[Any]:
    """One weight a row, none negative; an empty array stands for equal weights."""
    if value is None:
        return np.empty(0, dtype)
    array = as_float_array(value, "sample_weight", dtype)
    if array.shape != (n_rows,):
        raise ValueError(f"sample_weight has shape {array.shape}, but one weight for each of {n_rows} rows is wanted.")
    if (array < 0).any():
        raise ValueError("sample_weight has negative values; weights count rows and cannot be below 0.")
    return array


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in FLOATS:
        raise ValueError(f"dtype is {dtype!r}, but must be float32 or float64.")
    return found


def as_random_state(random_state: Any) -> np.random.RandomState:
    """A legacy RandomState, whose draws are scikit-learn's: the one given, or a new one of that seed."""
    if isinstance(random_state, np.random.RandomState):
        return random_state
    if random_state is not None and not isinstance(random_state, (int, np.integer)):
        raise ValueError(f"random_state is {random_state!r}, but must be an int, a numpy RandomState or None.")
    return np.random.RandomState(random_state)


def check_fraction(value: Any, name: str, *, one: bool = False) -> float:
    """A number of at least 0 and below 1, or at most 1 if `one`."""
    if not is_number(value) or not (0 <= value < 1 or (one and value == 1)):
        raise ValueError(f"{name} is {value!r}, but must be a number in [0, 1{']' if one else ')'}.")
    return float(value)


def check_dropout(dropout: Any, n_hidden: int) -> tuple[float, ...]:
    """Each hidden layer's probability: one number for all of them, or one for each."""
    if np.ndim(dropout) == 0:
        return (_check_probability(dropout, "dropout"),) * n_hidden
    if len(dropout) != n_hidden:
        raise ValueError(f"dropout has {len(dropout)} entries, but must have one for each of {n_hidden} hidden layers.")
    return tuple(_check_probability(value, "every entry of dropout") for value in dropout)


def _check_probability(value: Any, name: str) -> float:
    if check_fraction(value, name) > 1 - 2.0**-24:
        raise ValueError(f"{name} is {value!r}, but must stay below 1 in steps of 2**-24.")
    return float(value)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """A list that takes what is warned of within the block, in this thread: filters of warnings are all threads'."""
    messages: list[str] = []
    token = _collected.set(messages)
    try:
        yield messages
    finally:
        _collected.reset(token)


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of the user's line that this call came from, however deep in mlcore and in the libraries that call it.

    Where no line is the user's, as in a worker of joblib, it is the outermost one.
    """
    listening = _collected.get()
    if listening is not None:
        listening.append(message)
        return
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame = frame.f_back
    names = frame.f_globals
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=names.get("__name__"),
        registry=names.setdefault("__warningregistry__", {}),
    )


def check_choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """`value` if it is one of the choices, else a ``ValueError`` that lists them."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name} is {value!r}, but must be one of {listed}.{meant(value, choices)}")
    return value


def is_number(value: Any) -> bool:
    """Whether this is a real number of Python's or NumPy's, and no bool."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def check_positive(value: Any, name: str, *, integer: bool = False, zero: bool = False) -> Any:
    """A finite number above 0 (or from 0 on), whole if `integer`."""
    most = sys.maxsize if integer else sys.float_info.max
    good = is_number(value) and not (integer and isinstance(value, (float, np.floating)))
    # a float32 cannot be held against the largest double, nor can NumPy judge a whole number of any size
    good = good and bool(math.isfinite(value) if isinstance(value, (float, np.floating)) else value <= most)
    if not good or value < 0 or (value == 0 and not zero):
        wanted = f"{'an integer' if integer else 'a number'} {'of at least 0' if zero else 'above 0'}"
        limit = f" and at most {most}" if isinstance(value, int) and value > most else ""
        raise ValueError(f"{name} is {value!r}, but must be {wanted}{limit}.")
    return value
