"""Tables from CSV and Parquet files: columns of numbers or text, and errors that name the column and the line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

#: what stands for a missing value, whatever the case of its letters
MISSING = ("", "na", "n/a", "#n/a", "nan", "-nan", "null")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ROWS_TO_JUDGE = 20
_NAMES_TO_LIST = 50
_TEXT_TO_SHOW = 60


@dataclass(frozen=True)
class Table:
    """The columns of a file.

    Attributes
    ----------
    path : str
    names : list of str
        Without a header the columns are named by their positions, "0" on.
    has_header : bool
    columns : list
        Arrow arrays, text where the file is text.
    place : callable
        From a row, counted from 0, to where it stands in the file, such as "line 2".
    """

    path: str
    names: list[str]
    has_header: bool
    columns: list[Any]
    place: Callable[[int], str]

    def position(self, column: str) -> int:
        """Where a column stands that is given by its name, or by its position (negative: from the end)."""
        if column in self.names:
            return self.names.index(column)
        n = len(self.names)
        if re.fullmatch(r"-?\d+", column) and -n <= int(column) < n:
            return int(column) % n
        raise ValueError(f"{self.path} has no column {column!r}; it has {listed(self.names)} (positions 0 to {n - 1}).")

    def numbers(self, column: int) -> NDArray[np.float64]:
        """A column as numbers, NaN where one is missing.

        Raises
        ------
        ValueError
            For text that is no number, for infinity, and for columns of dates and the like.
        """
        values, bad = self._parsed(column)
        if bad.any():
            row = int(bad.argmax())
            text = self._text(row, column)
            hint = "; decimals have a point, not a comma" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
            raise self.error(row, column, f"{text!r} is not a number{hint}.")
        infinite = np.isinf(values)
        if infinite.any():
            row = int(infinite.argmax())
            raise self.error(row, column, f"{self._text(row, column)!r} is not a finite number.")
        return values

    def answers(self, column: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A column as numbers, or as text or truth values that name classes; and where one is missing.

        Raises
        ------
        ValueError
            For a column of numbers with some text in it, and as `numbers`.
        """
        array = self.columns[column]
        if pa.types.is_boolean(array.type):
            return np.asarray(pc.fill_null(array, False)), np.asarray(pc.is_null(array))
        if _is_text(array.type):
            text = _present(array)
            absent = np.asarray(pc.is_null(text))
            if 2 * self._parsed(column)[1].sum() > (~absent).sum():
                return np.asarray(pc.fill_null(text, "").to_pylist(), dtype=np.str_), absent
        values = self.numbers(column)
        return values, np.isnan(values)

    def rows(
        self, inputs: list[int], target: int | None = None, drop_missing: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[Any], int]:
        """Inputs (n, p), answers (n,) or (0,) without a target, and how many rows were left out.

        Raises
        ------
        ValueError
            For a missing value unless `drop_missing`, for no rows, and as `numbers` and `answers`.
        """
        X = np.column_stack([self.numbers(column) for column in inputs])
        y, absent = self.answers(target) if target is not None else (np.empty(0), np.zeros(len(X), bool))
        missing = np.column_stack([np.isnan(X), absent])
        incomplete = missing.any(axis=1)
        if incomplete.any() and not drop_missing:
            row = int(incomplete.argmax())
            column = min(c for c, gone in zip([*inputs, target], missing[row], strict=True) if gone and c is not None)
            advice = "" if target is None else "; --drop-missing leaves such rows out"
            what = f"the value is missing (rows with a missing value: {incomplete.sum()} of {len(X)}{advice})."
            raise self.error(row, column, what)
        if incomplete.all():
            raise ValueError(f"{self.path} has no complete row: each of its {len(X)} rows misses a value.")
        kept = ~incomplete
        return X[kept], y[kept] if target is not None else y, int(incomplete.sum())

    def error(self, row: int, column: int, what: str) -> ValueError:
        """An error that says where it is."""
        return ValueError(f"{self.path}, column {self.names[column]!r}, {self.place(row)}: {what}")

    def _text(self, row: int, column: int) -> str:
        text = str(self.columns[column][row].as_py()).strip()
        return text if len(text) <= _TEXT_TO_SHOW else text[:_TEXT_TO_SHOW] + "..."

    def _parsed(self, column: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Numbers, NaN where there is none, and where there is something else."""
        array = self.columns[column]
        if pa.types.is_null(array.type):
            return np.full(len(array), np.nan), np.zeros(len(array), bool)
        text = _present(array) if _is_text(array.type) else array
        try:
            if pa.types.is_temporal(array.type):
                raise pa.ArrowInvalid("a date is no number")
            values = pc.fill_null(pc.cast(text, pa.float64(), safe=False), np.nan)
            return np.asarray(values, np.float64), np.zeros(len(array), bool)
        except pa.ArrowException:
            found = [_to_number(value) for value in text.to_pylist()]
            bad = np.array([value is None for value in found], bool)
            return np.array([np.nan if value is None else value for value in found]), bad


def read_table(path: str, header: str = "auto") -> Table:
    """Read a CSV file (separated by commas, semicolons or tabs) or a Parquet file.

    Parameters
    ----------
    path : str
        Parquet is known by its first bytes.
    header : {"auto", "yes", "no"}, default="auto"
        Whether the first line of a CSV file names the columns; by default it does where it has text above numbers, or
        no number at all.

    Returns
    -------
    Table

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no table: empty, ragged, not UTF-8, two columns of one name.
    """
    data = Path(path).read_bytes()
    parquet = data[:4] == b"PAR1" or Path(path).suffix.lower() in (".parquet", ".pq")
    table = _from_parquet(path, data) if parquet else _from_csv(path, data, header)
    twice = sorted({name for name in table.names if table.names.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has more than one column of the name {listed(twice)}.")
    if not table.columns or not len(table.columns[0]):
        raise ValueError(f"{path} has {'a header' if table.has_header else 'columns'}, but no rows.")
    return table


def listed(names: list[str]) -> str:
    """Names in a sentence, the first 50 of them."""
    more = f" and {len(names) - _NAMES_TO_LIST} more" if len(names) > _NAMES_TO_LIST else ""
    return ", ".join(map(repr, names[:_NAMES_TO_LIST])) + more


def _from_parquet(path: str, data: bytes) -> Table:
    try:
        table = pyarrow.parquet.read_table(pa.BufferReader(data))
        columns = [
            pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column
            for column in table.columns
        ]
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is no readable Parquet file: {error}") from None
    return Table(path, table.column_names, True, columns, lambda row: f"row {row + 1}")


def _from_csv(path: str, data: bytes, header: str) -> Table:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: this is not UTF-8 text; save the file as UTF-8.") from None
    separator = _separator(data)
    head = [fields for _, fields in islice(_records(path, data, separator), _ROWS_TO_JUDGE)]
    if not head:
        raise ValueError(f"{path} is empty.")
    numbered = [str(i) for i in range(len(head[0]))]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            arrow_csv.ReadOptions(column_names=numbered),
            arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(numbered, pa.string())),
        )
    except pa.ArrowException as error:
        raise _misshapen(path, data, separator, error) from None
    named = header == "yes" or (header == "auto" and _has_header(head))
    names = [name.strip() or number for name, number in zip(head[0], numbered, strict=True)] if named else numbered
    skipped = int(named)

    def place(row: int) -> str:
        line, _ = next(islice(_records(path, data, separator), row + skipped, None))
        return f"line {line}"

    return Table(path, names, named, table.slice(skipped).columns, place)


def _separator(data: bytes) -> str:
    """A tab or a semicolon where the first line has one outside quotes, else a comma."""
    first = re.split(rb"[\r\n]", data.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n"), maxsplit=1)[0].decode()
    unquoted = re.sub(r'"[^"]*"?', "", first)
    return next((mark for mark in "\t;" if mark in unquoted), ",")


def _records(path: str, data: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of text that are not blank, each with the line it begins in, counted from 1."""
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=separator)
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: {error}; is a quotation mark left open?") from None


def _misshapen(path: str, data: bytes, separator: str, error: Exception) -> ValueError:
    """What is wrong with a CSV file that could not be read: the first row of another length, if there is one."""
    records = _records(path, data, separator)
    _, first = next(records)
    for line, fields in records:
        if len(fields) != len(first):
            return ValueError(f"{path}, line {line}: {len(fields)} fields, but the first line has {len(first)}.")
    return ValueError(f"{path} cannot be read as CSV: {error}")


def _has_header(head: list[list[str]]) -> bool:
    """Whether the first row names columns: it has no number at all, or text above a number."""
    first, *rest = ([field.strip() for field in fields] for fields in head)
    text = [i for i, field in enumerate(first) if _to_number(field) is None and field.lower() not in MISSING]
    if any(_to_number(field) is not None for field in first):
        return any(i < len(row) and _to_number(row[i]) is not None for row in rest for i in text)
    return bool(text)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _present(array: Any) -> Any:
    """Text without blanks around it, null where it stands for a missing value."""
    text = pc.utf8_trim_whitespace(array)
    missing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(MISSING, array.type))
    return pc.if_else(missing, pa.scalar(None, array.type), text)


def _to_number(value: Any) -> float | None:
    """A number, NaN for a missing one, None for anything else."""
    if value is None:
        return float("nan")
    if not isinstance(value, str) or "_" in value:
        return None
    try:
        return float(value)
    except ValueError:
        return None
