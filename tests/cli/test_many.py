"""``--by``: one model for each group of a table's rows, from the command line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import mlcore
from mlcore.many._turns import Report

from .conftest import Run, Write, csv_rows, is_one_line, said

N = 240
RNG = np.random.default_rng(0)
SALES = pd.DataFrame({"store": RNG.integers(1, 7, N), "town": RNG.choice(["ada", "bo"], N)})
SALES["price"] = RNG.normal(size=N).round(3)
SALES["offer"] = RNG.integers(0, 2, N)
SALES["sales"] = (SALES["price"] * SALES["store"] + SALES["offer"] * 3 + RNG.normal(size=N)).round(3)
SOLD = SALES.assign(sales=np.where(SALES["sales"] > 1, "yes", "no")).rename(columns={"sales": "sold"})
INPUTS = ["price", "offer"]


def text(frame: pd.DataFrame, **more: Any) -> str:
    return str(frame.to_csv(index=False, **more))


def trained(run: Run, data: str, model: Path, by: str = "store,town", target: str = "sales", *more: object) -> None:
    assert run("train", data, "--by", by, "--target", target, "--output", model, "--quiet", *more)[::2] == (0, "")


@pytest.fixture
def sales(write: Write) -> str:
    return write(text(SALES), "sales.csv")


@pytest.fixture
def model(run: Run, sales: str, tmp_path: Path) -> Path:
    trained(run, sales, tmp_path / "model")
    return tmp_path / "model"


def expected(frame: pd.DataFrame = SALES) -> list[float]:
    many = mlcore.fit_many(
        mlcore.LinearRegression(), SALES[INPUTS].to_numpy(float), SALES["sales"].to_numpy(),
        groups=list(zip(SALES["store"], SALES["town"], strict=True)),
    )  # fmt: skip
    found = many.predict(frame[INPUTS].to_numpy(float), groups=list(zip(frame["store"], frame["town"], strict=True)))
    return list(found)


@pytest.mark.parametrize("by", [["--by", "store,town"], ["--by", "store", "--by", "town"], ["--by=0,1"]])
def test_train_tells_what_became_of_the_groups(by: list[str], run: Run, sales: str) -> None:
    code, out, err = run("train", sales, *by, "--target", "sales")
    assert (code, err) == (0, "")
    assert said(out, "inputs") == "2: 'price', 'offer'"
    assert said(out, "groups").startswith("12 by 'store', 'town', of ")
    assert said(out, "model") == "LinearRegression 2-1: 2 weights, 1 bias"
    assert said(out, "models") == "12 of 12"
    assert said(out, "error").startswith("median R^2 0.9")
    assert said(out, "seconds").endswith("models a second)")


@pytest.mark.parametrize(
    ("options", "name", "settings"),
    [
        ([], "LogisticRegression", {"max_iter": 10000}),
        (["--model", "mlp", "--hidden", "3", "--epochs", "4"], "MLPClassifier", {}),
        (["--model", "mlp", "--task", "classification"], "MLPClassifier", {}),
    ],
)
def test_classes(options: list[str], name: str, settings: dict[str, Any], run: Run, write: Write) -> None:
    frame = SOLD.drop(columns="town")
    code, out, err = run("train", write(text(frame)), "--by", "store", "--target", "sold", *options)
    assert code == 0
    assert said(out, "model").startswith(name)
    assert said(out, "models") == "6 of 6"
    assert "median accuracy 0." in said(out, "error")
    if "--epochs" in options:
        assert err.startswith("mlcore: warning: ")
        assert "models were fitted with a warning: 1: Stochastic Optimizer: Maximum iterations" in err
        assert err.count("\n") == 1
    elif settings:
        estimator = mlcore.LogisticRegression(**settings)
        many = mlcore.fit_many(estimator, frame, by="store", target="sold")
        median = np.median([many[k].score(*_rows(frame, k)) for k in many])
        assert float(said(out, "error").split()[2]) == pytest.approx(median, rel=1e-5)


def _rows(frame: pd.DataFrame, store: int) -> tuple[pd.DataFrame, pd.Series[Any]]:
    rows = frame[frame["store"] == store]
    return rows[["price", "offer"]], rows["sold"]


def test_failed_groups_are_named(run: Run, write: Write) -> None:
    frame = SOLD.drop(columns="town")
    frame.loc[frame["store"] == 3, "sold"] = "no"
    code, out, err = run("train", write(text(frame)), "--by", "store", "--target", "sold")
    assert code == 0
    assert said(out, "models") == "5 of 6"
    assert err.startswith("mlcore: warning: 1 of 6 groups failed: 3: ValueError: ")
    assert err.count("\n") == 1


def test_no_model_at_all_is_an_error(run: Run, write: Write, tmp_path: Path) -> None:
    data = write("k,x,y\n" + "".join(f"{k},{i},{'ab'[k]}\n" for k in (0, 1) for i in range(5)))
    code, _, err = run("train", data, "--by", "k", "--target", "y", "--output", tmp_path / "m")
    assert code == 2
    assert is_one_line(err)
    assert "none of 2 groups has a model: 0: ValueError: " in err
    assert not (tmp_path / "m").exists()


BAD: dict[str, tuple[list[str], str]] = {
    "unknown column": (["--by", "shop"], "has no column 'shop'; it has 'store', 'town', 'price'"),
    "unknown column of several": (["--by", "store,shop"], "has no column 'shop'"),
    "nothing": (["--by", ""], "has no column ''"),
    "target": (["--by", "sales"], "'sales' cannot be --target and --by at once"),
    "twice": (["--by", "store", "--by", "0"], "--by names 'store' twice"),
    "no inputs": (["--by", "store,town,price,offer"], "has no inputs beside 'sales', 'store,town,price,offer'"),
    "rows to answer": (["--by", "store,town", "--predict", "1,2"], "--predict is for one model"),
    "text among the inputs": (["--by", "store"], "column 'town', line 2: "),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_arguments(kind: str, run: Run, sales: str) -> None:
    options, message = BAD[kind]
    code, out, err = run("train", sales, "--target", "sales", *options)
    assert (code, out, is_one_line(err)) == (2, "", True)
    assert message in err


def test_missing_keys(run: Run, write: Write) -> None:
    data = write("k,x,y\n" + "".join(f"{'a' if i % 3 else 'NA'},{i},{i * i / 7}\n" for i in range(12)))
    code, _, err = run("train", data, "--by", "k", "--target", "y")
    assert code == 2
    assert "column 'k', line 2: the value is missing (rows with a missing value: 4 of 12; --drop-missing" in err
    code, out, _ = run("train", data, "--by", "k", "--target", "y", "--drop-missing")
    assert code == 0
    assert said(out, "groups") == "1 by 'k', of 8 rows each"
    assert said(out, "left out") == "4 rows with a missing value"


def test_rows_go_to_the_model_of_their_group(run: Run, model: Path, sales: str, write: Write) -> None:
    code, out, err = run("predict", model, sales)
    assert (code, err) == (0, "mlcore: note: column 'sales' is left out; it is what the model predicts.\n")
    assert [float(value) for (value,) in csv_rows(out)[1:]] == expected()
    # in another order of columns and rows, under other names, from Parquet
    part = SALES.iloc[::-7]
    for data, more in (
        (write(text(part[["offer", "town", "price", "store"]])), []),
        (write(text(part.drop(columns="sales").rename(columns={"store": "shop"})), "shops.csv"), ["--by", "shop,town"]),
        (write(_parquet(part), "part.parquet"), ["--target", "sales"]),
    ):
        code, out, err = run("predict", model, data, *more)
        assert (code, err) == (0, "")
        assert [float(value) for (value,) in csv_rows(out)[1:]] == expected(part)


def _parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


def test_groups_without_a_model(run: Run, model: Path, write: Write) -> None:
    rows = SALES.drop(columns="sales").head(4).copy()
    rows.loc[[1, 3], "store"] = 77
    data = write(text(rows))
    code, out, err = run("predict", model, data)
    assert code == 0
    values = csv_rows(out)[1:]
    assert values[1] == values[3] == [""]
    assert [float(values[i][0]) for i in (0, 2)] == expected(SALES.iloc[[0, 2]])
    assert err.startswith("mlcore: note: 2 rows are of groups without a model (unknown: ")
    assert err.count("\n") == 1
    _, out, err = run("predict", model, data, "--fallback", "-0.5")
    assert (csv_rows(out)[2], err) == (["-0.5"], "")
    for value in ("x", "nan", "inf"):
        code, out, err = run("predict", model, data, "--fallback", value)
        assert (code, out, is_one_line(err)) == (2, "", True)
        assert f"--fallback {value!r}: the models answer with numbers" in err


def test_classes_of_groups_without_a_model(run: Run, write: Write, tmp_path: Path) -> None:
    frame = SOLD.drop(columns="town")
    trained(run, write(text(frame)), tmp_path / "m", "store", "sold")
    rows = frame.drop(columns="sold").head(3).copy()
    rows.loc[1, "store"] = 77
    data = write(text(rows))
    code, out, err = run("predict", tmp_path / "m", data)
    assert (code, out, is_one_line(err)) == (2, "", True)
    assert "(unknown: 77): --fallback VALUE answers them" in err
    code, out, err = run("predict", tmp_path / "m", data, "--fallback", "no")
    header, *values = csv_rows(out)
    assert (code, err, header) == (0, "", ["prediction", "probability_no", "probability_yes"])
    assert values[1] == ["no", "", ""]
    many = mlcore.fit_many(mlcore.LogisticRegression(max_iter=10000), frame, by="store", target="sold")
    answers = many.predict(frame.head(3)).tolist()
    assert [values[0][0], values[2][0]] == [answers[0], answers[2]]
    np.testing.assert_allclose(np.array(values[0][1:], float), many.predict_proba(frame.head(1))[0], rtol=1e-12)


@pytest.mark.parametrize("keys", [["01", "02", "a"], ["1", "2", "3"], ["1", "2", "x y"], ["-1", "10", "2"]])
def test_keys_are_found_again_in_parts_of_a_file(keys: list[str], run: Run, write: Write, tmp_path: Path) -> None:
    """Text that is a number in a part of the rows is the same key there."""
    rows = {key: "".join(f"{key},{i},{(position + 2) * i}\n" for i in range(5)) for position, key in enumerate(keys)}
    data = write("k,x,y\n" + "".join(rows.values()))
    trained(run, data, tmp_path / "m", "k", "y", "--model", "linear")
    many: Any = mlcore.load(tmp_path / "m")
    whole = all(key.lstrip("-").isdigit() and key[0] != "0" for key in keys)
    assert set(many) == {int(key) if whole else key for key in keys}
    for position, key in enumerate(keys):
        code, out, err = run("predict", tmp_path / "m", write("k,x\n" + f"{key},10\n", "part.csv"))
        assert (code, err) == (0, "")
        assert float(csv_rows(out)[1][0]) == pytest.approx(10 * (position + 2))


def test_numbers_are_the_same_key_however_they_are_written(run: Run, write: Write, tmp_path: Path) -> None:
    data = write("k,x,y\n" + "".join(f"{k},{i},{k * i}\n" for k in (2, 7) for i in range(5)))
    trained(run, data, tmp_path / "m", "k", "y", "--model", "linear")
    for key in ("7", "7.0", "7e0"):
        _, out, err = run("predict", tmp_path / "m", write(f"k,x\n{key},3\n", "part.csv"))
        assert (float(csv_rows(out)[1][0]), err) == (pytest.approx(21), "")
    _, out, err = run("predict", tmp_path / "m", write("k,x\n07,3\n", "part.csv"))
    assert "(unknown: '07')" in err


@pytest.mark.parametrize("times", [["2020-01-01", "2020-01-02"], ["2020-01-01 10:00:00", "2020-01-01 11:30:00"]])
def test_times_are_the_same_keys_in_every_file(times: list[str], run: Run, write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"k": pd.to_datetime(times * 5), "x": np.arange(10.0), "y": np.arange(10.0)})
    files = [write(_parquet(frame), "t.parquet"), write(text(frame))]
    for data in files:
        trained(run, data, tmp_path / "m", "k", "y", "--model", "linear")
        for other in files:
            code, out, err = run("predict", tmp_path / "m", other)
            assert (code, "without a model" in err) == (0, False)
            np.testing.assert_allclose(np.array(csv_rows(out)[1:], float)[:, 0], frame["y"], atol=1e-12)


def test_parquet_text_stays_text(run: Run, write: Write, tmp_path: Path) -> None:
    frame = pd.DataFrame({"k": ["1", "2"] * 5, "x": np.arange(10.0), "y": np.arange(10.0)})
    trained(run, write(_parquet(frame), "t.parquet"), tmp_path / "m", "k", "y", "--model", "linear")
    assert list(mlcore.load(tmp_path / "m")) == ["1", "2"]  # type: ignore[call-overload]
    code, out, _ = run("predict", tmp_path / "m", write("k,x\n1,3\n"))
    assert (code, float(csv_rows(out)[1][0])) == (0, pytest.approx(3))


def test_without_a_header(run: Run, write: Write, tmp_path: Path) -> None:
    data = write(text(SALES.drop(columns="town"), header=False))
    trained(run, data, tmp_path / "m", "0", "-1")
    code, out, err = run("predict", tmp_path / "m", data, "--target", "-1")
    assert (code, err) == (0, "")
    assert len(csv_rows(out)) == N + 1
    code, _, err = run("predict", tmp_path / "m", data)
    assert (code, is_one_line(err)) == (2, True)
    assert "has 3 columns of inputs, but the model has 2" in err


def test_python_reads_what_the_command_wrote(model: Path) -> None:
    many: Any = mlcore.load(model)
    np.testing.assert_array_equal(many.predict(SALES), expected())
    assert list(many[(1, "ada")].feature_names_in_) == INPUTS


def test_info(run: Run, model: Path) -> None:
    code, out, err = run("info", model)
    assert (code, err) == (0, "")
    assert said(out, "models") == "LinearRegression, one a group"
    assert said(out, "groups").startswith("12 by 'store', 'town': (1, 'ada'), (1, 'bo'), ")
    assert said(out, "parameters") == "defaults"
    assert said(out, "inputs") == "2: 'price', 'offer'"
    assert said(out, "target") == "'sales'"


def test_options_of_many_models(run: Run, model: Path, sales: str, tmp_path: Path) -> None:
    code, _, err = run("predict", model, sales, "--by", "store")
    assert (code, is_one_line(err)) == (2, True)
    assert "--by names 1 column, but the models' groups have 2" in err
    run("train", sales, "--target", "price", "--output", tmp_path / "one", "--model", "linear", "--quiet")
    frame = SALES.drop(columns="town")
    data = tmp_path / "numbers.csv"
    data.write_text(text(frame))
    run("train", data, "--target", "sales", "--output", tmp_path / "one", "--quiet")
    for option in ("--by", "--fallback"):
        code, _, err = run("predict", tmp_path / "one", data, option, "0")
        assert (code, is_one_line(err)) == (2, True)
        assert "holds one model; --by and --fallback are for many" in err


def test_ctrl_c_saves_what_is_finished(run: Run, sales: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed = iter([True])

    def interrupt(self: Report, n: int, failed: int = 0) -> None:
        if next(pressed, False):
            raise KeyboardInterrupt

    monkeypatch.setattr(Report, "tell", interrupt)
    monkeypatch.setattr("mlcore.many._turns._LEAST_PART", 1.0)
    arguments = ("train", sales, "--by", "store,town", "--target", "sales", "--output", tmp_path / "m")
    code, out, err = run(*arguments)
    assert code == 130
    assert err.endswith("mlcore: interrupted\n")
    finished = int(said(out, "models").split()[0])
    assert 0 < finished < 12
    assert f"warning: {12 - finished} of 12 groups failed: " in err
    assert "interrupted before this group was fitted" in err
    many: Any = mlcore.load(tmp_path / "m")
    assert len(many.failures_) == 12 - finished


def test_a_terminal_gets_a_bar(run: Run, sales: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(Console, "is_terminal", property(lambda _: True))
    arguments = ("train", sales, "--by", "store,town", "--target", "sales")
    assert "12 of 12 groups" in run(*arguments)[2]
    assert run(*arguments, "--quiet")[2] == ""
