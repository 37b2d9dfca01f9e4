"""The command: its jobs, its options, and one clear line for every kind of mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import mlcore
from mlcore.cli.main import main
from mlcore.cli.tables import read_table

from .conftest import ASKED, HOURS, Run, Write, asked, csv_rows, is_one_line, said, table

EXAMPLES = ROOT / "examples"
SPECIES = "width,length,species\n" + "".join(
    f"{i % 7 / 10 + kind},{i % 5 / 10 - kind},{name}\n" for kind, name in enumerate("abc") for i in range(12)
)


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


def test_text_for_linear(run: Run, write: Write) -> None:
    _, _, err = run("train", write(SPECIES), "--target", "species", "--model", "linear")
    assert "column 'species', line 2: 'a' is not a number." in err


def test_divergence_names_the_option(run: Run, sums: str) -> None:
    _, _, err = run("train", sums, "--target", 0, "--model", "mlp", "--learning-rate", "1e300")
    assert "lower --learning-rate" in err


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


def test_a_truncated_model(run: Run, sums: str, write: Write, tmp_path: Path) -> None:
    model = tmp_path / "m"
    run("train", sums, "--target", 0, "--output", model)
    content = model.read_bytes()
    for size in (0, 4, len(content) // 2, len(content) - 1):
        code, out, err = run("predict", write(content[:size], "short"), sums)
        assert (code, out) == (2, "")
        assert "is damaged" in err
        assert is_one_line(err)


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([argument])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith({"--help": "usage: mlcore ", "--version": mlcore_version()}[argument])


def mlcore_version() -> str:
    return f"mlcore {mlcore.__version__}\n"


@pytest.mark.parametrize(
    "place", ["mlcore.linear_model.LinearRegression.fit", "mlcore.neural_network._training.Training.epochs"]
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
