"""What the command says: numbers that read back, plain text that is never cut, advice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mlcore

from .conftest import HOURS, Run, Write, asked, csv_rows, said, table


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


def test_info_tells_the_configuration(run: Run) -> None:
    code, out, _ = run("info")
    assert code == 0
    assert said(out, "backend:") == mlcore.show_config("dicts")["backend"]  # type: ignore[index]
