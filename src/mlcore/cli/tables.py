"""Tables from CSV and Parquet files: columns of numbers or labels, and errors that name the column and the line."""

from __future__ import annotations

import csv
import io
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from ..linear_model._streaming import index_columns
from ..preprocessing import MOST_CLASSES

#: text that stands for a missing value, unless a list of other marks is given
MISSING = (
    "", "NA", "na", "N/A", "n/a", "#N/A", "#n/a", "NaN", "nan", "NAN", "-nan", "-NaN", "null", "NULL", "Null",
)  # fmt: skip
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ROWS_TO_JUDGE = 20
_NAMES_TO_LIST = 50
_TEXT_TO_SHOW = 60
# beyond it float64 leaves whole numbers out
_MOST_WHOLE = 2**53


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
    marks : sequence of str
        Text that stands for a missing value.
    index : dict of int to str
        The columns that only tell rows apart, hence are no inputs, and by what they are known.
    positions : sequence of int
        The columns that positions count: all of a CSV file, those of a Parquet file that are no index.
    nameless : bool
        Whether the header has no name for the first column.
    typed : bool
        Whether the file says of what type its columns are.
    """

    path: str
    names: list[str]
    has_header: bool
    columns: list[Any]
    place: Callable[[int], str]
    marks: Sequence[str]
    positions: Sequence[int]
    index: dict[int, str] = field(default_factory=dict)
    nameless: bool = False
    typed: bool = False

    def position(self, column: str) -> int:
        """Where a column stands that is given by its name, or by its position (negative: from the end)."""
        if column in self.names:
            return self.names.index(column)
        n = len(self.positions)
        if re.fullmatch(r"-?[0-9]{1,9}", column) and -n <= int(column) < n:
            return self.positions[int(column)]
        raise ValueError(f"{self.path} has no column {column!r}; it has {listed(self.names)} (positions 0 to {n - 1}).")

    def positions_of(self, columns: Sequence[str]) -> list[int]:
        """Where columns stand: each text is the name or position of one, or several of them with commas between."""
        given = [name for text in columns for name in ([text] if text in self.names else text.split(","))]
        found = [self.position(name.strip() if name not in self.names else name) for name in given]
        twice = sorted({self.names[column] for column in found if found.count(column) > 1})
        if twice:
            raise ValueError(f"{self.path}: --by names {listed(twice)} twice.")
        return found

    def inputs(self, *but: int | None) -> list[int]:
        """The columns that are no index, all but some."""
        return [column for column in range(len(self.names)) if column not in but and column not in self.index]

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
            if np.isinf(values[row]):
                raise self.error(row, column, f"{text!r} is not a finite number.")
            hint = "; decimals have a point, not a comma" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
            hint = "; it is not among the --missing-values" if text in MISSING else hint
            raise self.error(row, column, f"{text!r} is not a number{hint}.")
        return values

    def answers(
        self, column: int, task: str = "auto", among: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A column as real numbers, or as labels of classes that are no real numbers; and where one is missing.

        Parameters
        ----------
        column : int
        task : {"auto", "regression", "classification"}, default="auto"
            By default classes are meant by truth values; by text, if half of the values are, or if the others are few
            whole numbers; by codes with leading zeros; and by few whole numbers, of which one at least comes twice.
        among : ndarray of bool, optional
            The rows by which to judge; default: all.

        Raises
        ------
        ValueError
            As `numbers`, where numbers are meant.
        """
        absent = self._absent(column)
        if task == "auto":
            classes = self._looks_like_classes(column, ~absent if among is None else ~absent & among)
        else:
            classes = task == "classification"
        if classes:
            return self._labels(column, absent), absent
        try:
            return self.numbers(column), absent
        except ValueError as error:
            if task != "auto":
                raise
            raise ValueError(f"{error} --task classification takes such values as classes.") from None

    def keys(self, column: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """A column as groups of rows: labels, and the place of each row's among them.

        Whole numbers and text as answers that are classes; text of a file that knows its types stays text.
        """
        array = self.columns[column]
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if pa.types.is_timestamp(array.type):  # as CSV files have them: a day, or seconds, if that says it
            for kind in (pa.date32(), pa.timestamp("s", array.type.tz)):
                shorter = pc.cast(array, kind, safe=False)
                if pc.cast(shorter, array.type, safe=False).equals(array):
                    array = shorter
                    break
        encoded = pc.dictionary_encode(array, null_encoding="encode")
        few = replace(self, columns=[encoded.dictionary], names=[self.names[column]])
        absent = few._absent(0)
        text = self.typed and _is_text(array.type)
        labels = np.array(encoded.dictionary.to_pylist(), object) if text else few._labels(0, absent)
        return labels, encoded.indices.to_numpy().astype(np.intp)

    def rows(
        self,
        inputs: list[int],
        target: int | None = None,
        drop_missing: bool = False,
        task: str = "auto",
        by: Sequence[int] = (),
    ) -> tuple[NDArray[np.float64], NDArray[Any], NDArray[np.bool_]]:
        """Inputs (n, p), answers (n,) or (0,) without a target, and which rows of the table these are.

        Parameters
        ----------
        by : sequence of int
            Columns that must not miss a value either.

        Raises
        ------
        ValueError
            For a missing value unless `drop_missing`, for no rows, and as `numbers` and `answers`.
        """
        X = np.column_stack([self.numbers(column) for column in inputs])
        others = [*by] if target is None else [*by, target]
        missing = np.column_stack([np.isnan(X), *map(self._absent, others)])
        incomplete = missing.any(axis=1)
        if incomplete.any() and not drop_missing:
            row = int(incomplete.argmax())
            column = min(c for c, gone in zip([*inputs, *others], missing[row], strict=True) if gone)
            mark = self.columns[column][row].as_py()
            told = (
                f" {mark!r} stands for that; --missing-values can say what does."
                if isinstance(mark, str) and mark
                else ""
            )
            advice = "" if target is None else "; --drop-missing leaves such rows out"
            what = f"the value is missing (rows with a missing value: {incomplete.sum()} of {len(X)}{advice}).{told}"
            raise self.error(row, column, what)
        if incomplete.all():
            raise ValueError(f"{self.path} has no complete row: each of its {len(X)} rows misses a value.")
        kept = np.logical_not(incomplete)
        y = np.empty(0) if target is None else self.answers(target, task, kept)[0][kept]
        return X[kept], y, kept

    def rounded(self, column: int) -> str | None:
        """Where a whole number is too long for a float64, and which one it becomes."""
        array = self.columns[column]
        if _is_text(array.type):
            long = _are(array, r"[+-]?[0-9]{16,}")
        elif pa.types.is_integer(array.type):
            values = np.asarray(pc.fill_null(array, 0))
            long = (values > _MOST_WHOLE) | (values < -_MOST_WHOLE)
        else:
            return None
        for row in np.flatnonzero(long).tolist():
            exact = int(array[row].as_py())
            if abs(exact) < 10**300 and int(float(exact)) != exact:
                where = f"column {self.names[column]!r}, {self.place(row)}"
                return f"{where}: {exact} is rounded to {int(float(exact))}, as are other whole numbers beyond 2^53."
        return None

    def error(self, row: int, column: int, what: str) -> ValueError:
        """An error that says where it is."""
        return ValueError(f"{self.path}, column {self.names[column]!r}, {self.place(row)}: {what}")

    def _text(self, row: int, column: int) -> str:
        text = str(self.columns[column][row].as_py()).strip()
        return text if len(text) <= _TEXT_TO_SHOW else text[:_TEXT_TO_SHOW] + "..."

    def _absent(self, column: int) -> NDArray[np.bool_]:
        """Where a value is missing."""
        array = self.columns[column]
        if _is_text(array.type):
            marks = pa.array(self.marks, array.type)
        else:
            marks = [number for number in map(to_number, self.marks) if number is not None]
            if pa.types.is_floating(array.type) or (marks and pa.types.is_integer(array.type)):
                values = np.asarray(pc.cast(array, pa.float64(), safe=False), np.float64)
                return np.isnan(values) | np.isin(values, marks)
            return np.asarray(pc.is_null(array))
        return np.asarray(pc.or_(pc.is_null(array), pc.is_in(array, value_set=marks)))

    def _parsed(self, column: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Numbers, NaN where there is none, and where there is something that is no finite number."""
        array, absent = self.columns[column], self._absent(column)
        present = pc.if_else(pa.array(absent), pa.scalar(None, array.type), array)
        try:
            if pa.types.is_temporal(array.type):
                raise pa.ArrowInvalid("a date is no number")
            values = np.asarray(pc.fill_null(pc.cast(present, pa.float64(), safe=False), np.nan), np.float64)
        except pa.ArrowException:
            found = (to_number(value) for value in present.to_pylist())
            values = np.array([np.nan if value is None else value for value in found])
        return values, ~absent & ~np.isfinite(values)

    def _looks_like_classes(self, column: int, kept: NDArray[np.bool_]) -> bool:
        """Whether answers look like classes; those that do not, as text among real numbers, may yet be no numbers."""
        array = self.columns[column]
        if pa.types.is_boolean(array.type):
            return True
        values, bad = self._parsed(column)
        n, n_bad = int(kept.sum()), int((bad & kept).sum())
        if _is_text(array.type):
            if 2 * n_bad >= n or (not n_bad and _are(array, "[+-]?0[0-9]+")[kept].any()):
                return True
            whole = bool((bad | _are(array, "[+-]?[0-9]+"))[kept].all()) if n_bad else True
        else:
            whole = not n_bad
        values = values[kept & ~bad]
        if not whole or len(np.unique(values)) > MOST_CLASSES or (values != np.round(values)).any():
            return False
        # only now the labels themselves: longer whole numbers than float64 holds may be more
        distinct = len(np.unique(self._labels(column, ~kept)[kept]))
        return distinct < n and distinct <= MOST_CLASSES

    def _labels(self, column: int, absent: NDArray[np.bool_]) -> NDArray[Any]:
        """Values as labels: truth values, whole numbers, or text as it is written."""
        array = self.columns[column]
        kind = array.type
        if pa.types.is_boolean(kind):
            return np.asarray(pc.fill_null(array, False))
        if _is_text(kind):
            return _as_spelled(np.asarray(pc.fill_null(array, "").to_pylist(), np.str_), absent)
        if pa.types.is_integer(kind):
            values = np.asarray(pc.fill_null(array, 0))
            return values.astype(np.uint64 if values.max() > np.iinfo(np.int64).max else np.int64)
        if pa.types.is_floating(kind):
            values = np.where(absent, 0, self.numbers(column))
            if (values == np.round(values)).all() and np.abs(values).max() <= _MOST_WHOLE:
                return values.astype(np.int64)
            return np.array([str(value).removesuffix(".0") for value in np.asarray(array)], np.str_)
        try:
            return np.asarray(pc.fill_null(pc.cast(array, pa.string()), "").to_pylist(), np.str_)
        except pa.ArrowException:
            raise self.error(0, column, f"values of the type {kind} are no classes.") from None


def read_table(path: str, header: str = "auto", marks: Sequence[str] = MISSING) -> Table:
    """Read a CSV file (separated by commas, semicolons or tabs) or a Parquet file.

    Parameters
    ----------
    path : str
        Parquet is known by its first bytes.
    header : {"auto", "yes", "no"}, default="auto"
        Whether the first line of a CSV file names the columns; by default it does where it has text above numbers, or
        no number at all, or nothing above a column that counts the rows.
    marks : sequence of str
        Text that stands for a missing value.

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
    if stat.S_ISCHR(Path(path).stat().st_mode):
        raise ValueError(f"{path} is a device, not a file.")
    data = Path(path).read_bytes()
    parquet = data[:4] == b"PAR1" or Path(path).suffix.lower() in (".parquet", ".pq")
    table = _from_parquet(path, data, marks) if parquet else _from_csv(path, data, header, marks)
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


def _from_parquet(path: str, data: bytes, marks: Sequence[str]) -> Table:
    try:
        table = pyarrow.parquet.read_table(pa.BufferReader(data))
        columns = [_plain(column) for column in table.columns]
        of_pandas = index_columns(table.schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable Parquet file: {error}") from None
    names = table.column_names
    index = {i: "the index of a pandas DataFrame" for i, name in enumerate(names) if name in of_pandas}
    counted = [i for i in range(len(names)) if i not in index]
    return Table(path, names, True, columns, lambda row: f"row {row + 1}", marks, counted, index, typed=True)


def _plain(column: Any) -> Any:
    """Categories by their names; decimals, and bytes that are text, as text, which loses nothing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(pc.cast(column, kind.value_type))
    if pa.types.is_decimal(kind) or pa.types.is_string_view(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pc.cast(column, pa.large_string())
    return column


def _from_csv(path: str, data: bytes, header: str, marks: Sequence[str]) -> Table:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: this is not UTF-8 text; save the file as UTF-8.") from None
    separator = _separator(data)
    head = [[text.strip() for text in fields] for _, fields in islice(_records(path, data, separator), _ROWS_TO_JUDGE)]
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
    named = header == "yes" or (header == "auto" and _has_header(head, marks))
    skipped = int(named)
    columns = [pc.utf8_trim_whitespace(column) for column in table.slice(skipped).columns]
    names, index = numbered, {}
    if named:
        # as pandas names them, where a name is a number itself
        names = [name or (f"Unnamed: {i}" if i in head[0] else i) for name, i in zip(head[0], numbered, strict=True)]
        for i, (name, column) in enumerate(zip(head[0], columns, strict=True)):
            if not re.fullmatch(r"|Unnamed: [0-9]+", name) or not _tells_rows_apart(column):
                break
            index[i] = "an index (it has no name, and numbers or names the rows)"

    def place(row: int) -> str:
        line, _ = next(islice(_records(path, data, separator), row + skipped, None))
        return f"line {line}"

    return Table(path, names, named, columns, place, marks, range(len(names)), index, named and not head[0][0])


def _tells_rows_apart(column: Any) -> bool:
    """Whether values are whole numbers, or text, and all differ: an index (of some of the rows), or names of rows."""
    distinct = pc.unique(column)
    if len(distinct) < len(column):
        return False
    try:
        pc.cast(distinct, pa.int64())
        return True
    except pa.ArrowException:
        return all(to_number(value) is None for value in distinct.to_pylist())


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


def _has_header(head: list[list[str]], marks: Sequence[str]) -> bool:
    """Whether the first row names columns: it has no number at all, or text above a number, or a gap above a count."""
    first, *rest = head
    if not first[0] and all(first[1:]) and len(rest) > 1:
        counted = [row[0] for row in rest]
        if any(counted == [str(i + start) for i in range(len(rest))] for start in (0, 1)):
            return True
    text = [i for i, name in enumerate(first) if name and to_number(name) is None and name not in marks]
    if any(to_number(name) is not None for name in first):
        return any(i < len(row) and to_number(row[i]) is not None for row in rest for i in text)
    return bool(text)


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _are(array: Any, pattern: str) -> NDArray[np.bool_]:
    """Which of some texts are of a pattern."""
    return np.asarray(pc.fill_null(pc.match_substring_regex(array, f"^(?:{pattern})$"), False))


def to_number(value: Any) -> float | None:
    """A number, None for anything else."""
    if not isinstance(value, str) or "_" in value or not value.isascii():
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _as_spelled(text: NDArray[np.str_], absent: NDArray[np.bool_]) -> NDArray[Any]:
    """Labels that text stands for: whole numbers if all are and are written plainly, else the text itself.

    Where all are numbers, and none a code with leading zeros, the spellings of one number are one label: the shortest.
    """
    distinct, places = np.unique(text[~absent], return_inverse=True)
    spelled = distinct.tolist()
    if not any(re.fullmatch(r"[+-]?0[0-9]+", label) for label in spelled):
        if all(np.isfinite(number) if (number := to_number(label)) is not None else False for label in spelled):
            shortest: dict[Decimal, str] = {}
            for label in sorted(spelled, key=len, reverse=True):
                shortest[Decimal(label)] = label
            spelled = [shortest[Decimal(label)] for label in spelled]
    found: NDArray[Any] = np.array(spelled, np.str_)
    if all(re.fullmatch(r"0|-?[1-9][0-9]{0,19}", label) for label in spelled):
        numbers = [int(label) for label in spelled]
        for kind in (np.int64, np.uint64):
            if np.iinfo(kind).min <= min(numbers) and max(numbers) <= np.iinfo(kind).max:
                found = np.array(numbers, kind)
                break
    labels = np.zeros(len(text), found.dtype)
    labels[~absent] = found[places]
    return labels
