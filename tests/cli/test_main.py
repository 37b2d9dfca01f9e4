"""The command line: what it answers, what it says, and one clear line for every kind of bad input."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from conftest import ROOT

import mlcore
from mlcore.cli.main import main
from mlcore.cli.tables import read_table

EXAMPLES = ROOT / "examples"
ASKED = {
    "4,4,4,4": "0",
    "3,0,9,-1": "13",
    "-3,0,9,-1": "7",
    "-7,-9,-2,8": "-8",
    "1,-2,3,-2": "8",
    "19,-12,0,-76": "107",
    "2001,-1,109,31": "2080",
    "-1,102,-200,1000": "-1303",
}
HOURS = "passed,hours\n" + "".join(f"{int(hours >= 14)},{hours}\n" for hours in range(2, 21, 2))
SPECIES = "width,length,species\n" + "".join(
    f"{i % 7 / 10 + kind},{i % 5 / 10 - kind},{name}\n" for kind, name in enumerate("abc") for i in range(12)
)
Run = Callable[..., tuple[int, str, str]]
Write = Callable[..., str]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def create(content: str | bytes, name: str = "data.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return create


@pytest.fixture
def sums(write: Write) -> str:
    """Rows without a header: x1 - x2 + x3 - x4 and the four numbers."""
    rows = np.random.default_rng(0).integers(-9, 10, (50, 4))
    answers = rows @ [1, -1, 1, -1]
    return write("".join(",".join(map(str, [y, *row])) + "\n" for y, row in zip(answers, rows, strict=True)))


def said(text: str, name: str) -> str:
    """The line of the report that begins with a name."""
    (line,) = (line for line in text.splitlines() if line.startswith(name + " "))
    return line.removeprefix(name).strip()


def table(text: str, header: str) -> list[list[str]]:
    """The rows of the table whose header has a word."""
    lines = [line.split() for line in text.splitlines()]
    start = next(i for i, fields in enumerate(lines) if header in fields)
    rows = lines[start + 1 :]
    return rows[: next((i for i, fields in enumerate(rows) if not fields or len(fields) < len(lines[start])), None)]


def is_one_line(err: str) -> bool:
    return err.startswith("mlcore: error: ") and err.endswith("\n") and err.count("\n") == 1


def asked(rows: Sequence[str]) -> list[str]:
    return [argument for row in rows for argument in ("--predict", row)]


# what it answers


def test_the_main_job(run: Run, sums: str) -> None:
    code, out, err = run("train", sums, "--target", 0, *asked(list(ASKED)))
    assert (code, err) == (0, "")
    assert table(out, "prediction") == [[*row.split(","), answer] for row, answer in ASKED.items()]
    assert table(out, "weight") == [["1", "1"], ["2", "-1"], ["3", "1"], ["4", "-1"], ["bias", "0"]]
    assert said(out, "data").endswith("50 rows, 5 columns (no header: columns are named by position)")
    assert said(out, "inputs") == "4: '1', '2', '3', '4'"
    assert said(out, "target").startswith("'0': numbers from -")
    assert said(out, "model") == "LinearRegression 4-1: 4 weights, 1 bias"
    assert "R^2 1 " in said(out, "error")
    assert float(said(out, "seconds")) >= 0


@pytest.mark.skipif(not (EXAMPLES / "sps.csv").exists(), reason="no checkout: examples/ is not beside tests/")
def test_the_main_job_on_the_example(run: Run) -> None:
    _, out, _ = run("train", EXAMPLES / "sps.csv", "--target", 0, "--quiet", *[f"--predict={row}" for row in ASKED])
    assert table(out, "prediction") == [[*row.split(","), answer] for row, answer in ASKED.items()]


def test_classes_get_a_probability(run: Run, write: Write) -> None:
    code, out, _ = run("train", write(HOURS), "--target", "passed", *asked(["13", "11", "31", "3", "3.5"]))
    assert code == 0
    assert said(out, "target") == "'passed': 2 classes, 0 (6 rows), 1 (4 rows)"
    assert said(out, "model") == "LogisticRegression 1-1: 1 weight, 1 bias"
    assert "accuracy 100 % (10 of 10)" in said(out, "error")
    rows = {row[0]: (row[1], float(row[2])) for row in table(out, "probability")}
    assert [rows[hours][0] for hours in ("11", "31", "3", "3.5")] == ["0", "1", "0", "0"]
    assert 0.5 <= rows["13"][1] < 0.51 < 0.8 < rows["11"][1] < rows["3.5"][1] < rows["3"][1] < rows["31"][1] <= 1


def test_text_means_classes_with_and_without_a_header(run: Run, write: Write) -> None:
    with_header = run("train", write(SPECIES), "--target", "species", "--predict", "2.3,-1.8", "--quiet")
    without = run("train", write(SPECIES.split("\n", 1)[1]), "--target", 2, "--predict", "2.3,-1.8", "--quiet")
    assert table(with_header[1], "prediction") == table(without[1], "prediction")
    assert table(without[1], "prediction")[0][:3] == ["2.3", "-1.8", "c"]
    _, out, _ = run("train", write(SPECIES), "--target", -1)
    assert said(out, "target") == "'species': 3 classes, a (12 rows), b (12 rows), c (12 rows)"
    assert said(out, "model") == "LogisticRegression 2-3: 6 weights, 3 biases"
    assert [row[0] for row in table(out, "input")] == ["width", "length", "bias"]


def test_linear_takes_whole_numbers_that_auto_takes_for_classes(run: Run, write: Write) -> None:
    _, out, _ = run("train", write(HOURS), "--target", "passed", "--model", "linear", "--predict", 11)
    assert said(out, "target") == "'passed': numbers from 0 to 1"
    assert float(table(out, "prediction")[0][1]) == pytest.approx(0.4)


def test_few_rows_that_all_differ_are_numbers(run: Run, write: Write) -> None:
    _, out, _ = run("train", write("x,y\n1,3\n2,5\n3,7\n"), "--target", "y", "--predict", "10")
    assert table(out, "prediction") == [["10", "21"]]


def test_mlp(run: Run, sums: str, write: Write) -> None:
    options = ["--target", "0", "--model", "mlp", "--hidden", "5", "--epochs", "300", "--learning-rate", "0.02"]
    code, out, _ = run("train", sums, *options, "--seed", 3)
    assert code == 0
    assert said(out, "model") == "MLPRegressor 4-5-1: 25 weights, 6 biases"
    _, first, second, *_ = out.split("\n\n")
    assert [line.split()[0] for line in first.splitlines()] == ["layer", "1", "2", "3", "4", "bias"]
    assert [line.split()[0] for line in second.splitlines()] == ["layer", *5 * ["unit"], "bias"]
    rows = np.loadtxt(sums, delimiter=",")
    twin = mlcore.MLPRegressor(hidden_layer_sizes=(5,), max_iter=300, learning_rate_init=0.02, random_state=3)
    with pytest.warns(UserWarning, match="Maximum iterations") if "300, at" in out else _nothing():
        twin.fit(rows[:, 1:], rows[:, 0])
    error = np.mean((twin.predict(rows[:, 1:]) - rows[:, 0]) ** 2)
    assert f"mean squared error {error:.6g}," in said(out, "error")

    _, out, err = run("train", write(SPECIES), "--target", 2, "--model", "mlp", "--hidden", "16,8", "--epochs", 3)
    assert said(out, "model") == "MLPClassifier 2-16-8-3: 184 weights, 27 biases"
    assert [said(out, f"layer {i}") for i in (1, 2, 3)] == [
        "weights 2 x 16, biases 16",
        "weights 16 x 8, biases 8",
        "weights 8 x 3, biases 3",
    ]
    assert said(out, "epochs") == "3, at most 3"
    assert err.startswith("mlcore: warning: ")
    assert err.count("\n") == 1
    assert "log loss" in said(out, "error")


class _nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def test_mlp_advises_on_scales(run: Run, write: Write) -> None:
    data = write("small,large,y\n" + "".join(f"{i % 3},{1000 * i},{i / 7}\n" for i in range(20)))
    _, _, err = run("train", data, "--target", "y", "--model", "mlp", "--epochs", 2)
    assert "note: input scales differ widely (standard deviations: 'small' " in err
    assert "scales" not in run("train", data, "--target", "y")[2]


def test_quiet_prints_predictions_alone(run: Run, sums: str, tmp_path: Path) -> None:
    output = tmp_path / "model"
    code, out, err = run("train", sums, "--target", 0, "--quiet", "--predict", "-1,2,3,4", "--output", output)
    assert (code, err) == (0, "")
    assert [line.split() for line in out.strip().splitlines()] == [
        ["1", "2", "3", "4", "prediction"],
        ["-1", "2", "3", "4", "-4"],
    ]
    assert output.exists()


def test_output_is_plain_and_never_cut(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    names = [f"[bold]a rather long name {i} :smile:" for i in range(12)]
    rows = np.random.default_rng(1).normal(size=(30, 12))
    answers = rows @ np.arange(12) * 1e6 + 0.123456
    content = ",".join([*names, "y"]) + "\n"
    content += "".join(
        ",".join(map(repr, [*map(float, row), float(y)])) + "\n" for row, y in zip(rows, answers, strict=True)
    )
    _, out, _ = run("train", write(content), "--target", "y", "--predict", ",".join(["1.2345678901234567"] * 12))
    assert "\x1b" not in out
    assert "…" not in out
    assert all(name in out for name in names)
    assert out.count("1.2345678901234567") == 12


def test_a_terminal_gets_a_bar(run: Run, sums: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, _, err = run("train", sums, "--target", 0, "--model", "mlp", "--epochs", 4)
    assert "training" in err
    assert "epoch 4, loss " in err
    assert "training" in run("train", sums, "--target", 0)[2]
    assert "training" not in run("train", sums, "--target", 0, "--quiet")[2]


@pytest.mark.parametrize("scale", [3e-12, 1.0, 1e17, 1 / 3])
def test_numbers_read_back(scale: float, run: Run, write: Write, tmp_path: Path) -> None:
    """Neither on the screen nor in a file is a number another one, however near a whole number it is."""
    model = tmp_path / "m"
    data = write("d,c\n" + "".join(f"{d},{d * scale!r}\n" for d in (0.5, 1.5, -2.25, 3.5, 4.0)))
    _, out, _ = run("train", data, "--target", "c", "--predict", "1", "--predict", "1e6", "--output", model)
    fitted = mlcore.load(model)
    del fitted.feature_names_in_
    assert fitted.coef_[0] == pytest.approx(scale, rel=1e-14)
    assert float(table(out, "weight")[0][1]) == fitted.coef_[0]
    asked_for = [float(row[1]) for row in table(out, "prediction")[:2]]
    assert asked_for == fitted.predict(np.array([[1.0], [1e6]])).tolist()
    assert said(out, "target") == f"'c': numbers from {-2.25 * scale!r} to {4 * scale!r}".replace(".0", "")

    X = np.array([[1.0], [-2.0], [1 + 2**-40], [1e-300], [-0.0], [0.0]])
    rows = write("d\n" + "".join(f"{float(d)!r}\n" for d in X[:, 0]), "rows.csv")
    texts = [row[0] for row in csv_rows(run("predict", model, rows)[1])[1:]]
    expected = fitted.predict(X)
    np.testing.assert_array_equal(np.array(texts, float).view(np.int64), expected.view(np.int64))
    assert all(len(text) <= len(repr(float(value))) for text, value in zip(texts, expected, strict=True))


def test_probabilities_read_back(run: Run, write: Write, tmp_path: Path) -> None:
    model = tmp_path / "m"
    _, out, _ = run("train", write(HOURS), "--target", "passed", "--output", model, *asked(["34", "-8"]))
    rows = table(out, "probability")[:2]
    fitted = mlcore.load(model)
    del fitted.feature_names_in_
    wanted = fitted.predict_proba(np.array([[34.0], [-8.0]]))
    assert [float(row[2]) for row in rows] == wanted.max(axis=1).tolist()
    assert all(0.999999 < float(row[2]) < 1 for row in rows)
    written = csv_rows(run("predict", model, write("hours\n34\n-8\n", "rows.csv"))[1])[1:]
    np.testing.assert_array_equal(np.array([row[1:] for row in written], float), wanted)


def test_an_accuracy_is_not_rounded_to_all(run: Run, write: Write) -> None:
    rows = "".join(f"{i + 1},{int(i > 0)}\n" for i in range(-30000, 30000)) + "-20000,1\n"
    _, out, _ = run("train", write("x,y\n" + rows), "--target", "y")
    assert "accuracy 99.99" in said(out, "error")
    _, out, _ = run("train", write("x,y\n1,2\n2,4\n3,6.0000001\n"), "--target", "y")
    r2 = float(said(out, "error").split("R^2 ")[1].split()[0])
    assert 1 - 1e-14 < r2 < 1


# tables


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


BAD_ARGUMENTS = {
    "nothing": ([], "required: COMMAND"),
    "unknown command": (["fly"], "invalid choice: 'fly'"),
    "no target": (["train", "{data}"], "required: --target"),
    "unknown option": (["train", "{data}", "--target", "y", "--tol", "1"], "unrecognized arguments: --tol 1"),
    "shortened option": (["train", "{data}", "--targ", "y"], "--target"),
    "no such file": (["train", "{folder}/none.csv", "--target", "y"], "none.csv: No such file or directory"),
    "no such position": (["train", "{data}", "--target", "3"], "has no column '3'"),
    "not numbers": (
        ["train", "{data}", "--target", "y", "--predict", "1,x"],
        "--predict '1,x': numbers separated by commas",
    ),
    "option for numbers": (["train", "{data}", "--target", "y", "--predict", "-x"], "argument --predict"),
    "too few": (
        ["train", "{data}", "--target", "y", "--predict", "-1"],
        "--predict '-1': 1 numbers for 2 inputs ('a', 'b')",
    ),
    "not finite": (
        ["train", "{data}", "--target", "y", "--predict", "1,nan"],
        "--predict '1,nan': every number must be finite",
    ),
    "no hidden units": (
        ["train", "{data}", "--target", "y", "--hidden", "3,0"],
        "--hidden: '0' is no whole number above 0",
    ),
    "hidden text": (
        ["train", "{data}", "--target", "y", "--hidden", "3,x"],
        "--hidden: 'x' is no whole number above 0",
    ),
    "no epochs": (["train", "{data}", "--target", "y", "--epochs", "0"], "--epochs: '0' is no whole number above 0"),
    "no rate": (
        ["train", "{data}", "--target", "y", "--learning-rate", "inf"],
        "--learning-rate: 'inf' is no number above 0",
    ),
    "bad seed": (["train", "{data}", "--target", "y", "--seed", "-1"], "--seed"),
    "not an mlp": (["train", "{data}", "--target", "y", "--learning-rate", "1"], "--learning-rate is for --model mlp"),
    "real numbers for classes": (["train", "{data}", "--target", "y", "--model", "logistic"], "logistic wants classes"),
    "nowhere to save": (["train", "{data}", "--target", "y", "--output", "{folder}/no/model"], "there is no place"),
    "a folder to save": (["train", "{data}", "--target", "y", "--output", "{folder}"], "there is no place"),
    "a device to save": (["train", "{data}", "--target", "y", "--output", os.devnull], "there is no place"),
    "over the data": (["train", "{data}", "--target", "y", "--output", "{data}"], "would replace a file that is read"),
    "diverges": (
        ["train", "{data}", "--target", "y", "--model", "mlp", "--learning-rate", "1e300"],
        "non-finite parameter weights",
    ),
    "no model": (["info", "{folder}/none"], "no model file"),
    "data for a model": (["predict", "{data}", "{data}"], "is no model file, or is damaged"),
}


@pytest.mark.parametrize("kind", BAD_ARGUMENTS)
def test_bad_arguments(kind: str, run: Run, write: Write, tmp_path: Path) -> None:
    arguments, message = BAD_ARGUMENTS[kind]
    data = write("a,b,y\n1,2,3.5\n3,4,4\n5,9,7\n")
    code, _, err = run(*(argument.format(data=data, folder=tmp_path) for argument in arguments))
    assert code == 2
    assert message in err
    assert is_one_line(err)


def test_a_model_that_cannot_be_written(run: Run, sums: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    code, _, err = run("train", sums, "--target", 0, "--output", tmp_path / "m")
    assert code == 2
    assert "m: No space left on device" in err
    assert is_one_line(err)


def test_a_directory_is_no_table(run: Run, tmp_path: Path) -> None:
    code, _, err = run("train", tmp_path, "--target", 0)
    assert code == 2
    assert is_one_line(err)
    assert str(tmp_path) in err


def test_text_for_linear(run: Run, write: Write) -> None:
    _, _, err = run("train", write(SPECIES), "--target", "species", "--model", "linear")
    assert "column 'species', line 2: 'a' is not a number." in err


def test_divergence_names_the_option(run: Run, sums: str) -> None:
    _, _, err = run("train", sums, "--target", 0, "--model", "mlp", "--learning-rate", "1e300")
    assert "lower --learning-rate" in err


# Parquet


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


# what labels are


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


# what is an index


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


# options and files of any kind

HOSTILE = [
    "99999999999999999999", "9223372036854775808", "-1", "0", "nan", "-inf", "1e400", "1e-400", "abc", "", " ", "1_000",
    "\u0663", "9" * 5000, "0x10", "1,,2", "\x00",
]  # fmt: skip
OPTIONS = [
    "--epochs",
    "--hidden",
    "--learning-rate",
    "--seed",
    "--predict",
    "--target",
    "--model",
    "--task",
    "--header",
]


@pytest.mark.parametrize("option", OPTIONS)
def test_hostile_values_of_options(option: str, run: Run, write: Write) -> None:
    """Each is taken as it is, or refused in one short line."""
    taken = {"--target": ["-1", "0"], "--seed": ["0"], "--learning-rate": HOSTILE[:2]}.get(option, [])
    data = write("a,b,y\n1,2,3.5\n3,4,4\n5,9,7\n2,2,1\n")
    command = ["train", data, "--model", "mlp", *(["--target", "y"] if option != "--target" else [])]
    command += ["--epochs", "2"] if option != "--epochs" else []
    for value in HOSTILE:
        code, _, err = run(*command, f"{option}={value}")
        if value in taken:
            assert code == 0
        else:
            assert code == 2, value
            assert is_one_line(err)
            assert len(err) < 1100


def test_hostile_files(run: Run, write: Write, tmp_path: Path, sums: str) -> None:
    """Whatever a file is, each command that reads it answers, or says in one line what is wrong."""
    model = str(tmp_path / "m")
    run("train", sums, "--target", 0, "--output", model)
    noise = np.random.default_rng(0).integers(0, 256, 4096).astype(np.uint8).tobytes()
    (tmp_path / "folder").mkdir()
    files = {
        "missing": str(tmp_path / "none"),
        "folder": str(tmp_path / "folder"),
        "below a file": sums + "/data.csv",
        "empty": write(b"", "empty"),
        "noise": write(noise, "noise"),
        "zeros": write(bytes(4096), "zeros"),
        "a Parquet file cut short": write(b"PAR1" + noise, "cut.parquet"),
        "a long name": "n" * 5000,
        "no name": "",
        "model": model,
    }
    if os.name != "nt":
        files |= {"device": os.devnull, "endless": "/dev/zero"}
    for kind, path in files.items():
        commands = [["train", path, "--target", "0"], ["predict", model, path]]
        if kind != "model":
            commands.append(["predict", path, sums])
        if kind not in ("model", "no name"):
            commands.append(["info", path])
        for command in commands:
            code, out, err = run(*command)
            assert (code, out) == (2, ""), (kind, command)
            assert is_one_line(err), (kind, command, err)
        if kind in ("folder", "below a file", "a long name", "device", "endless"):
            for command in (["train", sums, "--target", "0"], ["predict", model, sums, "--target", "0"]):
                code, out, err = run(*command, "--output", path)
                assert (code, out) == (2, ""), (kind, command)
                assert is_one_line(err), (kind, command, err)


def test_more_weights_than_memory_holds(run: Run, write: Write) -> None:
    data = write("a,b,y\n1,2,3.5\n3,4,4\n5,9,7\n2,2,1\n")
    for hidden in ("2147483647", "20000,20000"):
        code, out, err = run("train", data, "--target", "y", "--model", "mlp", "--hidden", hidden)
        assert (code, out) == (2, "")
        assert "weights, and 100000000 are the most." in err
        assert is_one_line(err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>/dev/full <&-", "2>&-"])
def test_a_stream_that_takes_nothing(redirection: str, sums: str, tmp_path: Path) -> None:
    """What cannot be printed is an error, told in one line if that can be."""
    data = sums if redirection.startswith(">") else "none"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = f'"$0" -m mlcore.cli train "$1" --target 0 {redirection}'
    ended = subprocess.run(
        ["sh", "-c", command, sys.executable, data], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert is_one_line(ended.stderr) if redirection.startswith(">") else ended.stderr == ""


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0, reason="who may read everything")
def test_a_file_that_may_not_be_read(run: Run, sums: str) -> None:
    Path(sums).chmod(0)
    code, _, err = run("train", sums, "--target", 0)
    assert (code, is_one_line(err)) == (2, True)
    assert "Permission denied" in err


# saved models


def csv_rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_save_predict_info(run: Run, write: Write, tmp_path: Path) -> None:
    data, model = write(SPECIES), tmp_path / "species.model"
    _, out, _ = run("train", data, "--target", "species", "--output", model)
    assert said(out, "saved in") == str(model)
    loaded = mlcore.load(model)
    assert list(loaded.feature_names_in_) == ["width", "length"]

    code, out, err = run("predict", model, data)
    assert code == 0
    assert err == "mlcore: note: column 'species' is left out; it is what the model predicts.\n"
    header, *rows = csv_rows(out)
    assert header == ["prediction", "probability_a", "probability_b", "probability_c"]
    assert [row[0] for row in rows] == ["a"] * 12 + ["b"] * 12 + ["c"] * 12
    probabilities = np.array([row[1:] for row in rows], float)
    del loaded.feature_names_in_
    np.testing.assert_allclose(probabilities, loaded.predict_proba(read_table(data).rows([0, 1])[0]), rtol=1e-12)

    _, out, _ = run("info", model)
    assert said(out, "model") == "LogisticRegression 2-3: 6 weights, 3 biases"
    assert said(out, "parameters") == "max_iter=10000"
    assert said(out, "inputs") == "2: 'width', 'length'"
    assert said(out, "target") == "'species'"
    assert said(out, "classes") == "a, b, c"


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


def test_models_of_several_outputs(run: Run, write: Write, tmp_path: Path) -> None:
    X = np.arange(8.0).reshape(-1, 1)
    mlcore.LinearRegression().fit(X, np.column_stack([X, 2 * X + 0.5])).save(tmp_path / "m")
    header, *rows = csv_rows(run("predict", tmp_path / "m", write("10\n20\n"))[1])
    assert header == ["prediction_0", "prediction_1"]
    np.testing.assert_allclose(np.array(rows, float), [[10, 20.5], [20, 40.5]], rtol=1e-12)
    assert said(run("info", tmp_path / "m")[1], "model") == "LinearRegression 1-2: 2 weights, 2 biases"


def test_info_of_an_mlp(run: Run, sums: str, tmp_path: Path) -> None:
    options = ["--model", "mlp", "--hidden", "3", "--epochs", "2", "--output", tmp_path / "m"]
    run("train", sums, "--target", 0, *options)
    _, out, _ = run("info", tmp_path / "m")
    assert said(out, "model") == "MLPRegressor 4-3-1: 15 weights, 4 biases"
    assert said(out, "parameters") == "hidden_layer_sizes=(3,), learning_rate_init=0.01, max_iter=2, random_state=0"


def test_a_truncated_model(run: Run, sums: str, write: Write, tmp_path: Path) -> None:
    model = tmp_path / "m"
    run("train", sums, "--target", 0, "--output", model)
    content = model.read_bytes()
    for size in (0, 4, len(content) // 2, len(content) - 1):
        code, out, err = run("predict", write(content[:size], "short"), sums)
        assert (code, out) == (2, "")
        assert "is damaged" in err
        assert is_one_line(err)


# the command itself


def test_info_tells_the_configuration(run: Run) -> None:
    code, out, _ = run("info")
    assert code == 0
    assert said(out, "backend:") == mlcore.show_config("dicts")["backend"]  # type: ignore[index]


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([argument])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith({"--help": "usage: mlcore ", "--version": mlcore_version()}[argument])


def mlcore_version() -> str:
    return f"mlcore {mlcore.__version__}\n"


@pytest.mark.parametrize(
    "place", ["mlcore.linear_model.LinearRegression.fit", "mlcore.neural_network._training.Training.run"]
)
def test_ctrl_c(place: str, run: Run, sums: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupt)
    model = "linear" if "linear" in place else "mlp"
    code, _, err = run("train", sums, "--target", 0, "--model", model, "--output", tmp_path / "m")
    assert (code, err) == (130, "mlcore: interrupted\n")
    assert not (tmp_path / "m").exists()


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-X", "importtime", "-m", "mlcore.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_help_loads_nothing_heavy() -> None:
    process = start("--help")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out[:14]) == (0, "usage: mlcore ")
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in err.splitlines()}
    assert "mlcore" in loaded
    assert not loaded & {"numpy", "numba", "sklearn", "scipy", "pyarrow", "rich"}


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error there")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    with start("info") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdout = None  # there is nothing to wait for but what it says
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 141
    assert "Error" not in err
    assert "mlcore: " not in err
