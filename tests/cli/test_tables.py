"""Tables of CSV and Parquet: forms, labels, indices, missing values, and what is wrong with a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import mlcore
from mlcore.cli.tables import read_table

from .conftest import ASKED, Run, Write, csv_rows, is_one_line, said, table


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("a,b,y\n1,2,3.5\n3,4,4\n5,9,7\n", ["a", "b", "y"]),
        (b"\xef\xbb\xbfa,b,y\r\n1,2,3.5\r\n3,4,4\r\n5,9,7\r\n", ["a", "b", "y"]),
        ("a,b,y\r1,2,3.5\r3,4,4\r5,9,7", ["a", "b", "y"]),
        ("a;b;y\n1;2;3.5\n3;4;4\n5;9;7\n", ["a", "b", "y"]),
        ("a\tb\ty\n1\t2\t3.5\n3\t4\t4\n5\t9\t7\n", ["a", "b", "y"]),
        ('"a","b; c","d ""e"""\n"1","2",3.5\n 3 ,+4,4\n\n\n5,9.0,7e0\n', ["a", "b; c", 'd "e"']),
        (",x,y\n1,2,3.5\n3,4,4\n5,9,7\n", ["0", "x", "y"]),
        ("2020,2021,y\n1,2,3.5\n3,4,4\n5,9,7\n", ["2020", "2021", "y"]),
        ("1,2,3.5\n3,4,4\n5,9,7\n", ["0", "1", "2"]),
        ('"1","2","3.5"\n3,4,4\n5,9,7\n', ["0", "1", "2"]),
    ],
)
def test_forms_of_csv(content: str | bytes, names: list[str], write: Write) -> None:
    found = read_table(write(content))
    assert found.names == names
    np.testing.assert_array_equal(found.rows([0, 1])[0], [[1, 2], [3, 4], [5, 9]])
    np.testing.assert_array_equal(found.rows([0, 1], 2)[1], [3.5, 4, 7])


def test_header_can_be_told(write: Write, run: Run) -> None:
    data = write("1990,1991\n3,4\n5,6\n7,9\n")
    assert read_table(data).names == ["0", "1"]
    assert read_table(data, "yes").names == ["1990", "1991"]
    assert "'1990'" in said(run("train", data, "--target", "1991", "--header", "yes")[1], "inputs")
    code, _, err = run("train", write("a,b\n1,2\n"), "--target", 1, "--header", "no")
    assert code == 2
    assert "column '0', line 1: 'a' is not a number." in err


def test_a_name_comes_before_a_position(write: Write) -> None:
    found = read_table(write("1,0,x\n", "t.csv"), "no")
    assert [found.position(name) for name in ("0", "2", "-1")] == [0, 2, 2]
    named = read_table(write("1,0,x\n5,6,7\n", "t.csv"), "yes")
    assert [named.position(name) for name in ("1", "0", "x", "2")] == [0, 1, 2, 2]


def test_rows_with_missing_values_can_be_left_out(run: Run, write: Write) -> None:
    data = write("a,y\n1,3\n,5\n2,NA\nn/a,nan\n3,7\n4,9\n-1,-1\n")
    code, out, _ = run("train", data, "--target", "y", "--drop-missing", "--predict", "10")
    assert code == 0
    assert said(out, "left out") == "3 rows with a missing value"
    assert table(out, "prediction") == [["10", "21"]]


BAD_TABLES = {
    "empty": ("", "is empty."),
    "blank": ("\n\r\n\n", "is empty."),
    "header only": ("a,b,y\n", "has a header, but no rows."),
    "one column": ("y\n1\n2\n", "one column only"),
    "separated by blanks": ("a b y\n1 2 3\n", "one column only"),
    "missing value": (
        "a,b,y\n1,2,3\n4,,6\n",
        "column 'b', line 3: the value is missing (rows with a missing value: 1 of 2; ",
    ),
    "missing answer": (
        "a,b,y\n1,2,\n4,,6\n",
        "column 'y', line 2: the value is missing (rows with a missing value: 2 of 2; ",
    ),
    "nan as text": ("a,b,y\n1,2,3\n\n4,NaN,6\n", "column 'b', line 4: the value is missing"),
    "infinity as text": ("a,b,y\n1,2,3\n4,-Infinity,6\n", "column 'b', line 3: '-Infinity' is not a finite number."),
    "number too large": ("a,b,y\n1,1e999,3\n", "column 'b', line 2: '1e999' is not a finite number."),
    "text among the inputs": ('a,b,y\n1,"2\n",3\n4,Paris,6\n', "column 'b', line 4: 'Paris' is not a number."),
    "date": ("a,b,y\n2020-01-01,2,3\n", "column 'a', line 2: '2020-01-01' is not a number."),
    "decimal comma": ("a;b;y\n1,5;2;3\n", "column 'a', line 2: '1,5' is not a number; decimals have a point"),
    "underscore": ("a,b,y\n1,1_000,3\n", "column 'b', line 2: '1_000' is not a number."),
    "text in an answer": ("a,b,y\n1,2,3\n4,5,x6\n7,8,9\n", "column 'y', line 3: 'x6' is not a number."),
    "too short a row": ("a,b,y\n1,2,3\n\n4,5\n", "line 4: 2 fields, but the first line has 3."),
    "too long a row": ("1,2,3\n4,5,6,7\n", "line 2: 4 fields, but the first line has 3."),
    "open quote": ('a,b,y\n1,2,3\n4,"5,6\n7,8,9\n', "line 3: 2 fields, but the first line has 3."),
    "two columns of one name": ("a,a,y\n1,2,3\n", "has more than one column of the name 'a'."),
    "no such column": ("a,b,z\n1,2,3\n", "has no column 'y'; it has 'a', 'b', 'z' (positions 0 to 2)."),
    "not UTF-8": (b"a,b,y\n1,2,3\n1,\xe9,3\n", "line 3: this is not UTF-8 text"),
    "UTF-16": ("a,b,y\n1,2,3\n".encode("utf-16"), "line 1: this is not UTF-8 text"),
    "one class": ("a,b,y\n1,2,yes\n3,4,yes\n", "column 'y': all answers are 'yes'; there is nothing to tell apart."),
    "one number": ("a,b,y\n1,2,3\n3,4,3\n", "column 'y': all answers are '3'; there is nothing to tell apart."),
    "one row": ("a,b,y\n1,2,yes\n", "all answers are 'yes'"),
    "every row its own class": (
        "a,y\n" + "".join(f"{i},n{i}\n" for i in range(1001)),
        "1001 distinct values are too many",
    ),
    "long text": ("a,b,y\n1,2,3\n1," + 99 * "x" + ",3\n", f"column 'b', line 3: '{60 * 'x'}...' is not a number."),
    "all missing": ("a,b,y\n,2,3\n1,,3\n1,2,\n", "column 'a', line 2: the value is missing"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables(kind: str, run: Run, write: Write) -> None:
    content, message = BAD_TABLES[kind]
    code, out, err = run("train", write(content), "--target", "y")
    assert (code, out) == (2, "")
    assert message in err
    assert is_one_line(err)


def test_no_row_is_complete(run: Run, write: Write) -> None:
    code, _, err = run("train", write("a,y\n,3\n1,\n"), "--target", "y", "--drop-missing")
    assert code == 2
    assert "has no complete row" in err


def test_an_open_quote_in_a_long_file(run: Run, write: Write) -> None:
    data = write("1,2\n" * 300000 + '1,"2\n' + "1,2\n" * 300000)
    code, _, err = run("train", data, "--target", 0)
    assert code == 2
    assert is_one_line(err)
    assert "line 300001: field larger than field limit (131072); is a quotation mark left open?" in err


def test_a_directory_is_no_table(run: Run, tmp_path: Path) -> None:
    code, _, err = run("train", tmp_path, "--target", 0)
    assert code == 2
    assert is_one_line(err)
    assert str(tmp_path) in err


def parquet(path: Path, **columns: object) -> str:
    pyarrow.parquet.write_table(pa.table(columns), path)
    return str(path)


def test_parquet(run: Run, tmp_path: Path) -> None:
    x = np.arange(12)
    kinds = pa.array(["low", "high"] * 6).dictionary_encode()
    data = parquet(tmp_path / "t.parquet", x=x, flag=x % 3 == 0, number=2.0 * x + (x % 3 == 0) + 0.5, kind=kinds, z=x)
    found = read_table(data)
    assert found.names == ["x", "flag", "number", "kind", "z"]
    np.testing.assert_array_equal(found.rows([1])[0][:4, 0], [1, 0, 0, 1])
    assert found.answers(3)[0].tolist() == ["low", "high"] * 6
    assert found.answers(1)[0].tolist() == (x % 3 == 0).tolist()

    odd = parquet(tmp_path / "any.name", x=x, number=2.0 * x + 0.5)
    _, out, _ = run("train", odd, "--target", "number", "--predict", "100")
    assert table(out, "prediction") == [["100", "200.5"]]
    flags = parquet(tmp_path / "flags.parquet", x=x, flag=x > 5)
    _, out, _ = run("train", flags, "--target", "flag", "--predict", "11", "--model", "mlp", "--epochs", "500")
    assert table(out, "prediction")[0][:2] == ["11", "True"]
    _, out, _ = run("train", flags, "--target", "flag", "--predict", "11", "--model", "linear")
    assert said(out, "target") == "'flag': numbers from 0 to 1"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [date(2020, 1, 1)], "y": [1]}, "column 'x', row 1: '2020-01-01' is not a number."),
        ({"x": [[1, 2]], "y": [1]}, "column 'x', row 1: '[1, 2]' is not a number."),
        ({"x": [1, None], "y": [1, 2]}, "column 'x', row 2: the value is missing"),
        ({"x": [None, None], "y": [1, 2]}, "column 'x', row 1: the value is missing"),
        ({"x": [1, 2], "y": [True, None]}, "column 'y', row 2: the value is missing"),
        ({"x": [1.0, float("inf")], "y": [1, 2]}, "column 'x', row 2: 'inf' is not a finite number."),
        ({"x": pa.array([], pa.int64()), "y": pa.array([], pa.int64())}, "has a header, but no rows."),
        ({"x": [1, 2], "y": [date(2020, 1, 1)] * 2}, "column 'y', row 1: '2020-01-01' is not a number."),
    ],
)
def test_bad_parquet(columns: dict[str, object], message: str, run: Run, tmp_path: Path) -> None:
    code, _, err = run("train", parquet(tmp_path / "t.parquet", **columns), "--target", "y")
    assert code == 2
    assert message in err
    assert is_one_line(err)


@pytest.mark.parametrize("content", [b"", b"a,y\n1,2\n", b"PAR1 and no more"])
def test_broken_parquet(content: bytes, run: Run, write: Write) -> None:
    code, _, err = run("train", write(content, "t.parquet"), "--target", "y")
    assert code == 2
    assert "t.parquet is no readable Parquet file" in err
    assert is_one_line(err)


def labelled(labels: Sequence[object], header: bool = True) -> str:
    """A table whose answers depend on x in the order in which labels first come, each label many times."""
    rows = [f"{x},{i % 7 / 10},{label}\n" for i in range(8) for x, label in enumerate(labels)]
    return ("x,z,y\n" if header else "") + "".join(rows)


def predicted(run: Run, data: str, tmp_path: Path, *options: object) -> tuple[list[str], list[str]]:
    """Which classes a model has that was trained on a table, and the distinct ones of its predictions, as text."""
    model = tmp_path / "labels.model"
    code, _, err = run("train", data, "--target", "y", "--output", model, "--quiet", *options)
    assert code == 0
    assert all(line.startswith("mlcore: warning: Stochastic Optimizer") for line in err.splitlines())
    told = [option for option in map(str, options) if option.startswith("--missing-values")]
    code, out, _ = run("predict", model, data, "--target", "y", *told)
    assert code == 0
    header, *rows = csv_rows(out)
    classes = [name.removeprefix("probability_") for name in header[1:]]
    assert said(run("info", model)[1], "classes") == ", ".join(classes).strip()
    return classes, sorted({row[0] for row in rows})


LABELS = {
    "beyond 2^53": ["9007199254740992", "9007199254740993", "9007199254740994"],
    "identities": ["123456789012345678", "123456789012345679", "123456789012345680"],
    "the ends of int64": ["-9223372036854775808", "-9223372036854775807", "9223372036854775807"],
    "uint64": ["0", "18446744073709551614", "18446744073709551615"],
    "beyond uint64": ["18446744073709551616", "18446744073709551617", "18446744073709551618"],
    "leading zeros": ["007", "7", "0070"],
    "leading zeros, all alike": ["01", "02", "03"],
    "whole numbers and text": ["10", "2A", "11"],
    "few texts among numbers": ["1", "2", "3", "4", "?"],
    "exponents": ["1e5", "2e5", "3E5"],
    "signs": ["+1", "-1", "+2"],
    "decimals": ["1.0", "2.0", "3.0"],
    "underscores": ["1_000", "1000", "2_000"],
    "hexadecimal": ["0x10", "0x11", "16"],
    "truth values": ["True", "False"],
    "truth values and numbers": ["true", "1", "0"],
    "dates": ["2020-01-01", "2020-02-01", "01.03.2020"],
    "names of numbers": ["inf", "infinity", "x"],
    "other digits": ["\u0661", "\u0662", "\u0663"],
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_labels_stay_what_they_are(kind: str, model: str, run: Run, write: Write, tmp_path: Path) -> None:
    labels = LABELS[kind]
    options = ["--model", "mlp", "--epochs", "300"] if model == "mlp" else []
    classes, seen = predicted(run, write(labelled(labels)), tmp_path, *options)
    assert sorted(classes) == sorted(labels)
    if model == "logistic":
        assert seen == sorted(labels)
    else:
        assert set(seen) <= set(labels)


def test_whole_numbers_are_classes_as_numbers(run: Run, write: Write, tmp_path: Path) -> None:
    """In their own order, and in the saved model too."""
    classes, _ = predicted(run, write(labelled(["10", "9", "-8"])), tmp_path)
    assert classes == ["-8", "9", "10"]
    assert mlcore.load(tmp_path / "labels.model").classes_.dtype == np.int64
    classes, _ = predicted(run, write(labelled(["18446744073709551615", "9", "10"])), tmp_path)
    assert classes == ["9", "10", "18446744073709551615"]
    assert mlcore.load(tmp_path / "labels.model").classes_.dtype == np.uint64


def test_spellings_of_one_number_are_one_label(run: Run, write: Write, tmp_path: Path) -> None:
    assert predicted(run, write(labelled(["1", "0", "0", "1.0", "+1", "-0"])), tmp_path) == (["0", "1"], ["0", "1"])


def test_many_labels_of_few_rows_are_classes_too(run: Run, write: Write, tmp_path: Path) -> None:
    """Where ten are not the most: codes with leading zeros, and text that is half of the values."""
    for labels in ([f"{i:02}" for i in range(1, 13)], [*map(str, range(11)), *(f"{i}A" for i in range(11))]):
        assert sorted(predicted(run, write(labelled(labels)), tmp_path)[0]) == sorted(labels)


def test_blanks_around_a_label_are_none_of_it(run: Run, write: Write, tmp_path: Path) -> None:
    assert predicted(run, write(labelled([" a", "b ", "a", "b"])), tmp_path) == (["a", "b"], ["a", "b"])


def test_text_among_many_numbers_is_a_mistake(run: Run, write: Write) -> None:
    for numbers in (map(str, range(11)), [f"{i}.5" for i in range(4)]):
        code, _, err = run("train", write(labelled([*numbers, "x6"])), "--target", "y")
        assert code == 2
        assert "'x6' is not a number. --task classification takes such values as classes." in err
        assert is_one_line(err)


PARQUET_LABELS = {
    "int64": (pa.array([2**53, 2**53 + 1, 2**53 + 2]), None),
    "uint64": (pa.array([2**64 - 1, 2**64 - 2, 0], pa.uint64()), None),
    "int8": (pa.array([-1, 0, 1], pa.int8()), None),
    "decimal": (pa.array([Decimal(10**30), Decimal(10**30 + 1), Decimal(0)], pa.decimal128(38, 0)), None),
    "text": (pa.array(["007", "7", "b "]), None),
    "large text": (pa.array(["007", "7", "a"], pa.large_string()), None),
    "bytes": (pa.array([b"007", b"7", b"a"]), ["007", "7", "a"]),
    "categories": (pa.array(["x", "y", "z"]).dictionary_encode(), None),
    "categories of whole numbers": (pa.array([2**53, 2**53 + 1, 5]).dictionary_encode(), None),
    "truth values": (pa.array([True, False, False]), ["False", "True"]),
    "whole floats": (pa.array([0.0, 1.0, 2.0]), ["0", "1", "2"]),
    "large floats": (pa.array([1e20, 2e20, 3e20]), None),
    "dates": (pa.array([date(2020, 1, 1), date(2020, 1, 2), date(2021, 1, 1)]), None),
    "real numbers": (pa.array([0.5, 1.5, 2.25]), None),
    "single precision": (pa.array([0.1, 0.2, 0.3], pa.float32()), ["0.1", "0.2", "0.3"]),
}


@pytest.mark.parametrize("kind", PARQUET_LABELS)
def test_labels_of_parquet_stay_what_they_are(kind: str, run: Run, tmp_path: Path) -> None:
    labels, expected = PARQUET_LABELS[kind]
    if expected is None:
        expected = sorted(str(label) for label in labels.to_pylist())
    places = np.tile(np.arange(3), 8)
    column = pa.chunked_array([labels.take(pa.array(places))])
    data = parquet(tmp_path / "t.parquet", x=places, y=column)
    told = ["--task", "classification"] if kind in ("dates", "real numbers", "single precision") else []
    classes, seen = predicted(run, data, tmp_path, *told)
    assert (sorted(classes), seen) == (expected, expected)


def test_labels_with_missing_ones_stay_what_they_are(run: Run, tmp_path: Path) -> None:
    data = parquet(tmp_path / "t.parquet", x=[0, 1, 0, 1, 0, 1], y=[2**53, 2**53 + 1, None, 2**53 + 1, 2**53, None])
    _, out, _ = run("train", data, "--target", "y", "--drop-missing")
    assert said(out, "target") == "'y': 2 classes, 9007199254740992 (2 rows), 9007199254740993 (2 rows)"


def test_long_whole_numbers_that_are_rounded_are_told(run: Run, write: Write, tmp_path: Path) -> None:
    rounded = "column {}: 9007199254740993 is rounded to 9007199254740992, as are other whole numbers beyond 2^53."
    data = write("x,y\n9007199254740992,0.5\n9007199254740993,1.5\n5,2.25\n")
    code, _, err = run("train", data, "--target", "y", "--output", tmp_path / "m")
    assert (code, err) == (0, f"mlcore: warning: {rounded.format(repr('x') + ', line 3')}\n")
    assert "line 3: 9007199254740993 is rounded" in run("predict", tmp_path / "m", data)[2]
    for kind in (pa.int64(), pa.uint64(), pa.decimal128(20, 0)):
        numbers = pa.array([Decimal(2**53 + 1), Decimal(4), Decimal(2**62)]).cast(kind)
        told = run("train", parquet(tmp_path / "t.parquet", x=[1, 2, 4], y=numbers), "--target", "y")[2]
        assert "column 'y', row 1: 9007199254740993 is rounded" in told
        assert told.count("\n") == 1


def test_marks_of_missing_values(run: Run, write: Write, tmp_path: Path) -> None:
    """They are those of the list and no others; without one NA is missing."""
    data = write("x,z,y\n" + "".join(f"{x},{z},{y}\n" for _ in range(4) for x, z, y in ((0, 1, "NA"), (1, 2, "EU"))))
    code, _, err = run("train", data, "--target", "y")
    assert code == 2
    assert "the value is missing (rows with a missing value: 4 of 8; --drop-missing leaves such rows out)." in err
    assert "'NA' stands for that; --missing-values can say what does." in err
    assert is_one_line(err)
    assert predicted(run, data, tmp_path, "--missing-values=?") == (["EU", "NA"], ["EU", "NA"])
    assert predicted(run, data, tmp_path, "--missing-values=") == (["EU", "NA"], ["EU", "NA"])

    data = write("x,y\n1,3\n-999,5\n,8\n2,?\n3,7\n4,9\n-1,-1\n", "marks.csv")
    options = ["--drop-missing", "--predict", "10"]
    _, out, _ = run("train", data, "--target", "y", "--missing-values", "-999, ?,", *options)
    assert said(out, "left out") == "3 rows with a missing value"
    assert table(out, "prediction") == [["10", "21"]]
    code, _, err = run("train", data, "--target", "y", "--missing-values", "-999,?", *options)
    assert code == 2
    assert "column 'x', line 4: '' is not a number; it is not among the --missing-values." in err

    numbers = parquet(tmp_path / "t.parquet", x=[1, -999, 3, 4], y=[3.0, 5.0, -999.0, 9.0])
    _, out, _ = run("train", numbers, "--target", "y", "--missing-values", "-999", *options)
    assert said(out, "left out") == "2 rows with a missing value"
    assert table(out, "prediction") == [["10", "21"]]


def test_the_task_decides(run: Run, write: Write, tmp_path: Path) -> None:
    codes = write(labelled([f"{i}" for i in range(12)]))
    assert said(run("train", codes, "--target", "y")[1], "target").startswith("'y': numbers from 0 to 11")
    _, out, _ = run("train", codes, "--target", "y", "--task", "classification")
    assert said(out, "target").startswith("'y': 12 classes, 0 (8 rows), 1 (8 rows)")
    assert said(out, "model").startswith("LogisticRegression")
    options = ["--task", "classification", "--model", "mlp", "--epochs", "3"]
    assert said(run("train", codes, "--target", "y", *options)[1], "model").startswith("MLPClassifier")

    few = write(labelled(["1", "2", "3"]), "few.csv")
    assert said(run("train", few, "--target", "y")[1], "target").startswith("'y': 3 classes")
    _, out, _ = run("train", few, "--target", "y", "--task", "regression")
    assert said(out, "target") == "'y': numbers from 1 to 3"
    assert said(out, "model").startswith("LinearRegression")
    options = ["--task", "regression", "--model", "mlp", "--epochs", "3"]
    assert said(run("train", few, "--target", "y", *options)[1], "model").startswith("MLPRegressor")
    constant = write("x,y\n1,3\n2,3\n", "constant.csv")
    assert (
        said(run("train", constant, "--target", "y", "--task", "regression")[1], "target") == "'y': numbers from 3 to 3"
    )
    zeros = write(labelled(["001", "002", "004"]), "zeros.csv")
    _, out, _ = run("train", zeros, "--target", "y", "--task", "regression")
    assert said(out, "target") == "'y': numbers from 1 to 4"

    halves = write(labelled(["0.50", "1.50"]), "halves.csv")
    assert predicted(run, halves, tmp_path, "--task", "classification")[0] == ["0.50", "1.50"]
    code, _, err = run("train", halves, "--target", "y", "--model", "logistic")
    assert code == 2
    assert "--task classification takes them as classes." in err
    code, _, err = run("train", write(labelled(["a", "b"]), "text.csv"), "--target", "y", "--task", "regression")
    assert code == 2
    assert "'a' is not a number." in err
    for task, model in (("classification", "linear"), ("regression", "logistic")):
        code, _, err = run("train", few, "--target", "y", "--task", task, "--model", model)
        assert (code, is_one_line(err)) == (2, True)
        assert f"--task {task} contradicts --model {model}." in err


def frame(n: int = 30) -> pd.DataFrame:
    """Classes that x tells apart but for some, and an index that would tell them apart entirely."""
    x = np.random.default_rng(5).normal(size=(n, 2))
    y = np.where(x[:, 0] + np.sin(7 * x[:, 1]) > 0, "yes", "no")
    return pd.DataFrame({"x": x[:, 0], "z": x[:, 1], "y": y}).sort_values("y", kind="stable", ignore_index=True)


INDEXES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], list[str]]] = {
    "a range": (lambda d: d, []),
    "labels": (lambda d: d.set_axis((d["y"] == "yes").astype(int)), ["y"]),
    "no name": (lambda d: d.set_axis(pd.Index((d["y"] == "yes") * 10 + 5)), ["__index_level_0__"]),
    "a name": (lambda d: d.set_axis(pd.Index((d["y"] == "yes") * 10 + 5, name="id")), ["id"]),
    "several": (lambda d: d.assign(a=d["y"] == "yes", b=1.0).set_index(["a", "b"]), ["a", "b"]),
    "several without names": (
        lambda d: d.set_axis(pd.MultiIndex.from_arrays([d["y"] == "yes", d["x"]])),
        ["__index_level_0__", "__index_level_1__"],
    ),
    "dates": (lambda d: d.set_axis(pd.date_range("2020", periods=len(d))), ["__index_level_0__"]),
}


@pytest.mark.parametrize("kind", [kind for kind in INDEXES if kind != "labels"])
def test_the_index_of_a_parquet_file_is_no_input(kind: str, run: Run, tmp_path: Path) -> None:
    indexed, left_out = INDEXES[kind]
    data, model = tmp_path / "t.parquet", tmp_path / "m"
    indexed(frame()).to_parquet(data)
    code, out, err = run("train", data, "--target", "y", "--output", model)
    assert (code, err) == (0, "")
    assert said(out, "inputs") == "2: 'x', 'z'"
    lines = [line for line in out.splitlines() if line.startswith("left out")]
    assert [name in line for line, name in zip(lines, map(repr, left_out), strict=True)] == [True] * len(left_out)
    assert run("train", data, "--target", -1)[1].splitlines()[1:4] == out.splitlines()[1:4]
    # as if there were none
    frame().to_parquet(tmp_path / "plain.parquet", index=False)
    plain = run("predict", model, tmp_path / "plain.parquet")
    told = run("predict", model, data)
    assert told[:2] == plain[:2]
    assert all(f"column {name!r} is left out: the index" in told[2] for name in left_out)
    # a file that lost what pandas said of it
    pyarrow.parquet.write_table(
        pyarrow.parquet.read_table(data).replace_schema_metadata(None), tmp_path / "bare.parquet"
    )
    bare = run("train", tmp_path / "bare.parquet", "--target", "y")[1]
    assert said(bare, "inputs").startswith(f"{2 + sum(not name.startswith('__') for name in left_out)}: ")


def test_an_index_can_be_asked_for_by_name(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "t.parquet"
    frame()[["x", "z"]].set_axis(pd.Index(np.arange(30) % 3, name="kind")).to_parquet(data)
    _, out, _ = run("train", data, "--target", "kind", "--output", tmp_path / "m")
    assert said(out, "inputs") == "2: 'x', 'z'"
    assert said(out, "target").startswith("'kind': 3 classes")
    assert run("predict", tmp_path / "m", data)[0] == 0
    # a model whose input is an index elsewhere
    pd.DataFrame({"x": [1.0, 2, 3], "kind": [1, 2, 2], "y": [1.5, 2, 7]}).to_parquet(tmp_path / "inputs.parquet")
    run("train", tmp_path / "inputs.parquet", "--target", "y", "--output", tmp_path / "m")
    code, out, err = run("predict", tmp_path / "m", data, "--target", "z")
    assert (code, err, len(csv_rows(out))) == (0, "", 31)


@pytest.mark.parametrize(
    ("metadata", "columns"),
    [(b"{", None), (b"[1]", 2), (b'{"index_columns": 5}', 2), (b'{"index_columns": ["gone", {"kind": "range"}]}', 2)],
)
def test_odd_metadata_of_pandas(metadata: bytes, columns: int | None, run: Run, tmp_path: Path) -> None:
    made = pa.table({"x": [1.0, 2, 3], "z": [0, 1, 5], "y": [1.5, 2, 7]}).replace_schema_metadata({b"pandas": metadata})
    pyarrow.parquet.write_table(made, tmp_path / "t.parquet")
    code, out, err = run("train", tmp_path / "t.parquet", "--target", "y")
    if columns is None:
        assert (code, is_one_line(err)) == (2, True)
        assert "t.parquet is no readable Parquet file" in err
    else:
        assert said(out, "inputs").startswith(f"{columns}: ")


def test_a_first_column_without_a_name_that_counts_is_an_index(run: Run, write: Write, tmp_path: Path) -> None:
    plain, model = frame(), tmp_path / "m"
    without = write(plain.to_csv(index=False), "without.csv")
    _, expected, _ = run("train", without, "--target", "y", "--output", model)
    answers = run("predict", model, without)
    by_r = '"","x","z","y"\n' + "".join(
        f'"{i + 1}",{x!r},{z!r},"{y}"\n' for i, (x, z, y) in enumerate(plain.to_numpy())
    )
    forms = {
        "pandas": plain.to_csv(),
        "rows in another order": plain.sample(frac=1, random_state=0).to_csv(),
        "rows from the middle": plain.set_axis(range(150, 180)).to_csv(),
        "some of more rows": plain.set_axis(np.arange(30) ** 2 + 3).to_csv(),
        "R": by_r,
        "read and written again": pd.read_csv(io.StringIO(plain.to_csv())).to_csv(),
        "names of rows": plain.set_axis([f"row {i}" for i in range(30)]).to_csv(),
        "dates": plain.set_axis(pd.date_range("2020", periods=30)).to_csv(),
    }
    for kind, content in forms.items():
        data = write(content, "with.csv")
        code, out, err = run("train", data, "--target", "y", "--output", model)
        assert (code, err) == (0, ""), kind
        assert said(out, "inputs") == said(expected, "inputs"), kind
        assert "left out    column '0': an index" in out, kind
        code, out, err = run("predict", model, data)
        assert code == 0
        assert "column '0' is left out: an index" in err, kind
        if kind != "rows in another order":
            np.testing.assert_array_equal([row[0] for row in csv_rows(out)], [row[0] for row in csv_rows(answers[1])])
        # both ways round: with an index and without
        assert run("predict", model, without)[1].count("\n") == 31
    # a column that repeats itself is no index, but the model does not know it
    part = write(plain.set_axis(np.arange(30) // 2).to_csv(), "part.csv")
    code, out, err = run("predict", model, part)
    assert (code, out.count("\n")) == (0, 31)
    assert "column '0' is left out: it has no name, and the model does not know it." in err
    # it is an input to who trains with it, which is said
    code, out, err = run("train", part, "--target", "y")
    assert said(out, "inputs") == "3: '0', 'x', 'z'"
    assert "the first column has no name, but does not tell the rows apart, and is taken for an input, '0'" in err
    assert err.count("\n") == 1
    code, out, err = run("train", forms_file := write(forms["pandas"], "with.csv"), "--target", 0)
    assert (code, is_one_line(err)) == (2, True), forms_file
    assert said(run("train", forms_file, "--target", 3)[1], "target").startswith("'y'")


def test_an_index_beside_columns_named_by_numbers(run: Run, write: Write) -> None:
    numbers = pd.DataFrame(frame()[["x", "z"]].to_numpy()).assign(**{"2": np.arange(30) / 7})
    for last in (numbers, numbers.assign(**{"2": frame()["y"]})):
        code, out, err = run("train", write(last.to_csv()), "--target", -1)
        assert (code, err) == (0, "")
        assert said(out, "inputs") == "2: '0', '1'"
        assert "left out    column 'Unnamed: 0': an index" in out


@pytest.mark.parametrize(
    "content",
    [
        "id,x,y\n0,1,3.5\n1,4,4\n2,9,7\n",  # it has a name
        ",x,y\n0,1,3.5\n0,4,4\n1,9,7\n",  # it does not count
        ",x,y\n0.5,1,3.5\n1.5,4,4\n2.5,9,7\n",
        "0,1,3.5\n1,4,4\n2,9,7\n",  # there are no names
        "x,,y\n1,0,3.5\n4,1,4\n9,2,7\n",  # it is not the first
    ],
)
def test_what_is_no_index(content: str, run: Run, write: Write) -> None:
    code, out, _ = run("train", write(content), "--target", 2)
    assert code == 0
    assert said(out, "inputs").startswith("2: ")
    assert "left out" not in out


def test_columns_are_found_by_name(run: Run, write: Write, tmp_path: Path) -> None:
    model, output = tmp_path / "m", tmp_path / "out.csv"
    run("train", write("a,b,y\n1,2,1.5\n3,4,2\n5,9,-1\n2,2,3\n"), "--target", "y", "--output", model)
    straight = run("predict", model, write("a,b\n1,2\n7,8\n"))
    assert straight[::2] == (0, "")
    assert run("predict", model, write("b,a\n2,1\n8,7\n"))[1] == straight[1]
    assert run("predict", model, write("b,note,a\n2,x,1\n8,y,7\n"), "--target", "note")[1] == straight[1]
    assert run("predict", model, write("a,b\n1,2\n7,8\n"), "--output", output) == (0, "", "")
    assert output.read_bytes().decode() == straight[1]

    for content, message in [
        ("a,c\n1,2\n", "misses inputs of the model: 'b'; it has 'a', 'c'."),
        ("a,b,c\n1,2,3\n", "has columns unknown to the model: 'c'; --target leaves one out."),
        ("1,2\n3,4\n", "has no header, but the model knows its inputs by name: 'a', 'b'."),
        ("a,b\n1,2\n3,\n", "column 'b', line 3: the value is missing (rows with a missing value: 1 of 2)."),
        ("a,b\n", "has a header, but no rows."),
    ]:
        code, out, err = run("predict", model, write(content))
        assert (code, out) == (2, "")
        assert message in err
        assert is_one_line(err)
    data = write("a,b\n1,2\n")
    assert "would replace a file" in run("predict", model, data, "--output", model)[2]
    assert run("predict", model, data, "--target", "c")[0] == 2


def test_columns_are_taken_by_position(run: Run, sums: str, write: Write, tmp_path: Path) -> None:
    model = tmp_path / "m"
    run("train", sums, "--target", 0, "--output", model)
    assert not hasattr(mlcore.load(model), "feature_names_in_")
    rows = "".join(f"{row}\n" for row in ASKED)
    assert csv_rows(run("predict", model, write(rows, "rows.csv"))[1]) == [
        ["prediction"],
        *([a] for a in ASKED.values()),
    ]
    answers = csv_rows(run("predict", model, sums, "--target", 0)[1])[1:]
    np.testing.assert_array_equal(np.array(answers, float)[:, 0], np.loadtxt(sums, delimiter=",")[:, 0])
    code, _, err = run("predict", model, sums)
    assert code == 2
    assert "has 5 columns of inputs, but the model has 4; --target COLUMN leaves one out." in err
    assert said(run("info", model)[1], "inputs") == "4"
