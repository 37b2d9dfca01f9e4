"""The groups of a table's rows: their keys, in training and as a file of many models knows them."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .tables import to_number

if TYPE_CHECKING:
    from .tables import Table


def keys_of_rows(table: Table, by: list[int], kept: NDArray[np.bool_]) -> tuple[Any, NDArray[Any]]:
    """Each row's key, of several columns a tuple, and how many rows groups have; without columns all are one group."""
    if not by:
        return None, np.array([kept.sum()])
    columns = [labels[codes[kept]] for labels, codes in map(table.keys, by)]
    tuples = list(zip(*(column.tolist() for column in columns), strict=True))
    return columns[0] if len(columns) == 1 else tuples, np.array(list(Counter(tuples).values()))


def columns_of_keys(table: Table, named: list[str], many: Any) -> list[int]:
    """The columns that tell each row's group: those named, else those of the training."""
    if not named and many._by is None:
        raise ValueError("the models do not know which column tells the groups; --by COLUMN does.")
    by = table.positions_of(named) if named else [table.position(str(name)) for name in many._by]
    key = next(iter(many))
    parts = len(key) if isinstance(key, tuple) else 1
    if len(by) != parts:
        raise ValueError(f"--by names {len(by)} column{'s' * (len(by) != 1)}, but the models' groups have {parts}.")
    return by


def known_keys(table: Table, by: list[int], many: Any) -> Any:
    """Each row's key as the models have it, which may be a number where this file has text, or text for a number."""
    parts = zip(*many, strict=True) if len(by) > 1 else [iter(many)]
    columns = []
    for column, part in zip(by, parts, strict=True):
        keys = {str(key): key for key in part}
        wholes = (key for key in keys.values() if isinstance(key, (int, float)) and abs(key) <= 2**53)
        numbers: dict[float | None, Any] = {float(key): key for key in wholes}
        labels, codes = table.keys(column)
        found = np.empty(len(labels), object)
        for i, label in enumerate(labels.tolist()):
            text = str(label)
            code = re.match("[+-]?0[0-9]", text)  # 007 is not 7
            found[i] = keys[text] if text in keys else label if code else numbers.get(to_number(text), label)
        columns.append(found[codes])
    return columns[0] if len(by) == 1 else list(zip(*columns, strict=True))


def fallback_of(text: str | None, many: Any) -> Any:
    """The answer for groups without a model: a number, or a class."""
    if text is None:
        return None
    if hasattr(many, "classes_"):
        return int(text) if many.classes_.dtype.kind in "iu" and re.fullmatch("-?[0-9]{1,18}", text) else text
    number = to_number(text)
    if number is None or number - number != 0:
        raise ValueError(f"--fallback {text!r}: the models answer with numbers.")
    return number
