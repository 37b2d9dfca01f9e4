"""What the examples promise: their numbers, and the data files beside them."""

import gzip
import importlib.util
import struct
import sys

import numpy as np
import pytest
from conftest import ROOT
from numpy.testing import assert_allclose, assert_array_equal

import mlcore

EXAMPLES = ROOT / "examples"

compiled = pytest.mark.skipif(
    mlcore.show_config("dicts")["backend"] == "python", reason="uncompiled kernels take too long to train"
)


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --------------------------------------------------------------------------------------------
# GAN
# --------------------------------------------------------------------------------------------


@compiled
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gan_finds_mean_and_standard_deviation(seed):
    gan = example("gan")
    mean, std = gan.train(seed)
    assert abs(mean - gan.MEAN) <= 0.1
    assert abs(std - gan.STD) <= 0.2 * gan.STD


def test_gan_prints_a_line_a_seed(capsys, monkeypatch):
    gan = example("gan")
    monkeypatch.setattr(gan, "train", lambda seed: (4.0 + seed, 1.0))
    gan.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["target", "mean", "4.000", "standard", "deviation", "1.250"]
    assert [line.split()[1::2] for line in lines[1:]] == [
        [str(seed), f"{4 + seed}.000", "deviation"] for seed in range(3)
    ]


# --------------------------------------------------------------------------------------------
# Detector
# --------------------------------------------------------------------------------------------


@compiled
def test_detector_finds_objects_in_new_images():
    scores = example("detector").train(seed=0)
    assert scores["mean_iou"] >= 0.5
    assert scores["class_accuracy"] >= 0.7
    assert scores["precision"] >= 0.7
    assert scores["recall"] >= 0.6


def test_detector_labels_say_where_the_objects_are():
    detector = example("detector")
    images, labels = detector.draw(np.random.default_rng(3), 50)
    images = images.reshape(-1, detector.SIDE, detector.SIDE)
    count = labels[..., 4].sum(axis=(1, 2))
    assert set(count) == {1.0, 2.0}
    assert_array_equal(labels[..., 5:].sum(axis=-1), labels[..., 4])
    assert labels.min() >= 0.0
    assert labels.max() <= 1.0
    for image, cells in zip(images, labels, strict=True):
        boxes = np.zeros(image.shape, bool)
        for row, column in np.argwhere(cells[..., 4]):
            x, y, w, h = cells[row, column, :4]
            left, top = ((column + x) / 3 - w / 2) * 24, ((row + y) / 3 - h / 2) * 24
            down, across = np.mgrid[:24, :24] + 0.5
            inside = (abs(across - left - w * 12) <= w * 12) & (abs(down - top - h * 12) <= h * 12)
            full = (image[inside] > 0.25).mean()
            assert (full == 1.0) if cells[row, column, 5] else (0.6 < full < 0.98)
            boxes |= inside
        assert image[~boxes].max() < 0.3


def test_detector_overlap():
    detector = example("detector")
    truth = np.array([[0.5, 0.5, 0.3, 0.3]] * 4)
    predicted = truth.copy()
    predicted[1, 0] += 0.45  # 0.15 of the image: half the width
    predicted[2, 1] = 3.5
    predicted[3, 2:] = -0.3
    assert_allclose(detector.overlap(predicted, truth), [1.0, 1 / 3, 0.0, 0.0], atol=1e-15)


def test_detector_scores_of_known_predictions(capsys, monkeypatch):
    detector = example("detector")
    _, labels = detector.draw(np.random.default_rng(0), 20)
    perfect = dict.fromkeys(("mean_iou", "class_accuracy", "precision", "recall"), 1.0)
    assert detector.evaluate(labels, labels) == pytest.approx(perfect)
    everywhere = labels.copy()
    everywhere[..., 4] = 1.0
    assert detector.evaluate(everywhere, labels)["precision"] == pytest.approx(labels[..., 4].mean())
    monkeypatch.setattr(detector, "train", lambda: perfect)
    detector.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit(maxsplit=1) for line in lines] == [[name.replace("_", " "), "1.000"] for name in perfect]


# --------------------------------------------------------------------------------------------
# Logic gates
# --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("gate", ["AND", "OR", "NAND"])
def test_one_layer_learns_a_gate(gate, seed):
    gates = example("logic_gates")
    outputs, loss = gates.learn(gate, seed=seed)
    assert_array_equal(outputs.round(), gates.GATES[gate])
    assert loss < 0.05


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_layer_cannot_learn_xor(seed):
    outputs, loss = example("logic_gates").learn("XOR", seed=seed)
    assert_allclose(outputs, 0.5, atol=1e-3)
    assert loss == pytest.approx(4 * np.log(2), abs=1e-4)


@compiled
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_hidden_layer_learns_xor(seed):
    outputs, loss = example("logic_gates").learn("XOR", hidden=(4,), seed=seed)
    assert_array_equal(outputs.round(), [0, 1, 1, 0])
    assert loss < 0.1


@compiled
def test_logic_gates_prints_a_table(capsys):
    example("logic_gates").main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:6]]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("AND", "none", "yes"),
        ("OR", "none", "yes"),
        ("NAND", "none", "yes"),
        ("XOR", "none", "no"),
        ("XOR", "4", "yes"),
    ]
    assert rows[3][-2] == "2.7726"


# --------------------------------------------------------------------------------------------
# The worked case
# --------------------------------------------------------------------------------------------


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def test_worked_case_by_hand():
    # every number again, in plain NumPy
    x, w1, b1 = np.array([1.0, 2.0]), np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]), np.array([0.1, 0.2, 0.3])
    w2, b2 = np.array([0.7, 0.8, 0.9]), 0.4
    (before, loss_before), gradient, (after, loss_after) = example("worked_case").step()
    for trace, loss in ((before, loss_before), (after, loss_after)):
        z1 = x @ w1 + b1
        a1 = sigmoid(z1)
        z2 = a1 @ w2 + b2
        y = sigmoid(z2)
        assert_allclose(trace.z[0], [z1], rtol=1e-14)
        assert_allclose(trace.a[0], [a1], rtol=1e-14)
        assert_allclose(trace.z[1], [[z2]], rtol=1e-14)
        assert_allclose(trace.y, [[y]], rtol=1e-14)
        assert loss == pytest.approx((y - 1.0) ** 2, rel=1e-12)
        if trace is before:
            d2 = 2.0 * (y - 1.0) * y * (1.0 - y)
            d1 = d2 * w2 * a1 * (1.0 - a1)
            assert_allclose(gradient.weights[0], np.outer(x, d1), rtol=1e-12)
            assert_allclose(gradient.biases[0], d1, rtol=1e-12)
            assert_allclose(gradient.weights[1], d2 * a1[:, None], rtol=1e-12)
            assert_allclose(gradient.biases[1], [d2], rtol=1e-12)
            w1, b1, w2, b2 = w1 - 0.1 * np.outer(x, d1), b1 - 0.1 * d1, w2 - 0.1 * d2 * a1, b2 - 0.1 * d2
    assert loss_after < loss_before


def test_worked_case_gradient_is_the_numerical_one():
    worked = example("worked_case")
    numerical = worked.build().numerical_gradient(worked.INPUT, worked.TARGET)
    assert_allclose(worked.step()[1].flat, numerical.flat, rtol=1e-6, atol=1e-10)


def test_worked_case_prints_every_number(capsys):
    with np.printoptions():
        example("worked_case").main()
    out = capsys.readouterr().out
    for text in (
        "Z1 = [1.00000000 1.40000000 1.80000000]",
        "A1 = [0.73105858 0.80218389 0.85814894]",
        "Z2 = [2.32582216]",
        "Y  = [0.91099316]",
        "loss = (Y - 1)^2 = 0.00792222",
        "Y  = [0.91136663]",
        "loss = (Y - 1)^2 = 0.00785587",
    ):
        assert text in out, text


# --------------------------------------------------------------------------------------------
# Handwritten digits
# --------------------------------------------------------------------------------------------


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def digits(tmp_path):
    """A folder like MNIST's, of images of 3 x 4: each digit has its own pixel. Two of the files are gzipped."""
    for part, n, suffix in (("train", 960, ""), ("t10k", 40, ".gz")):
        labels = np.arange(n) % 10
        images = 255 * np.eye(12)[labels].reshape(n, 3, 4)
        for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            content = idx(array)
            (tmp_path / f"{part}-{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    return tmp_path


def test_mnist_reads_images_and_labels(digits):
    mnist = example("mnist")
    for part, n in (("train", 960), ("t10k", 40)):
        X, y = mnist.load(digits, part)
        assert X.dtype == np.float32
        assert_array_equal(y, np.arange(n) % 10)
        assert_array_equal(X, np.eye(12)[y])


@compiled
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_mnist_trains_and_tells(digits, capsys, monkeypatch, solver):
    mnist = example("mnist")
    monkeypatch.setitem(mnist.SETTINGS[solver], "max_iter", 30)
    mnist.main([str(digits), "--solver", solver, "--seed", "1"])
    line = capsys.readouterr().out
    assert line.startswith("100.0 % of 40 test images after 30 epochs: ")
    seconds = [float(word) for word in line.partition(":")[2].split() if word[0].isdigit()]
    assert len(seconds) == 2
    assert line.endswith(" s in all\n")


@compiled
@pytest.mark.parametrize("program", ["numerical", "backprop"])
def test_the_lectures_digits(digits, capsys, monkeypatch, program):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    lecture = example("lecture_mnist")
    lecture.PROGRAMS[program][2]["learning_rate"] = 0.3
    lecture.main([str(digits), "--program", program, "--rows", "900"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{program}: 900 steps in ")
    assert float(second.split(": ")[1].split()[0]) == 1.0
    monkeypatch.delitem(sys.modules, "mnist")


LABELS = idx(np.arange(40) % 10)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-labels-idx1-ubyte", None, "has neither train-labels-idx1-ubyte nor train-labels-idx1-ubyte.gz"),
        ("train-labels-idx1-ubyte", b"", "is no IDX file of bytes"),
        ("train-labels-idx1-ubyte", LABELS[:6], "is no IDX file of bytes"),
        ("train-labels-idx1-ubyte", b"\0\0\x0d" + LABELS[3:], "is no IDX file of bytes in 1 dimension"),
        ("train-images-idx3-ubyte", LABELS, "is no IDX file of bytes in 3 dimension"),
        ("train-labels-idx1-ubyte", LABELS[:-1], "holds 39 bytes, but says 40"),
        ("train-labels-idx1-ubyte", LABELS + b"\0", "holds 41 bytes, but says 40"),
        ("train-labels-idx1-ubyte", LABELS, "has 960 images for train, but 40 labels"),
        ("t10k-labels-idx1-ubyte.gz", LABELS, "cannot be read"),
        ("t10k-labels-idx1-ubyte.gz", gzip.compress(LABELS, mtime=0)[:-9], "cannot be read"),
        ("t10k-labels-idx1-ubyte.gz", gzip.compress(LABELS, mtime=0)[:12] + b"\xff" * 40, "cannot be read"),
    ],
    ids=["absent", "empty", "short-header", "floats", "labels-as-images", "short", "long", "too-few", "not-gzipped",
         "gzip-short", "gzip-damaged"],
)  # fmt: skip
def test_mnist_says_what_is_wrong_with_a_file(digits, capsys, name, content, message):
    (digits / name).unlink()
    if content is not None:
        (digits / name).write_bytes(content)
    with pytest.raises(SystemExit):
        example("mnist").main([str(digits)])
    assert message in capsys.readouterr().err.replace("\n", " ")


# --------------------------------------------------------------------------------------------
# Sales of stores
# --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forecast():
    return example("stores").forecast(stores=60, seed=1)


def test_stores_are_forecast_better_than_by_the_year_before(forecast):
    stores = example("stores")
    many, past, future, found, baseline, _ = forecast
    assert len(many) == 60
    assert max(past["week"]) < min(future["week"]) == stores.WEEKS - stores.AHEAD
    assert np.isfinite(found).all()
    assert stores.error(found, future["sales"]) < 0.7 * stores.error(baseline, future["sales"]) < 0.2


def test_stores_without_a_model_are_the_broken_ones(forecast):
    many, past, *_ = forecast
    broken = np.unique(past["store"][np.isnan(past["sales"])])
    assert_array_equal(list(many.failures_), broken)
    assert len(broken) == 4
    assert all("NaN" in reason for reason in many.failures_.values())


def test_a_stores_model_is_that_of_its_rows(forecast):
    many, past, *_ = forecast
    rows = past["store"] == "S005"
    X = np.column_stack([past[name][rows] for name in example("stores").FEATURES])
    alone = mlcore.Ridge(alpha=1.0).fit(X, past["sales"][rows])
    assert_array_equal(many["S005"].coef_, alone.coef_)


def test_stores_of_arrays_are_those_of_a_frame(monkeypatch):
    stores = example("stores")
    table = stores.sales(stores=8)
    with pytest.warns(UserWarning, match="failed"):
        by_default = stores.fit(table)
    monkeypatch.setattr(stores, "pandas", None)
    with pytest.warns(UserWarning, match="failed"):
        by_arrays = stores.fit(table)
    assert_array_equal(by_default.coef_, by_arrays.coef_)


def test_the_year_before_is_the_nearest_week_on_record():
    past = {
        "store": np.array(["a", "a", "a", "b"]),
        "week": np.array([10.0, 12.0, 13.0, 90.0]),
        "sales": np.array([1.0, 2.0, np.nan, 4.0]),
    }
    future = {"store": np.array(["a", "a", "b"]), "week": np.array([62.0, 66.0, 100.0])}
    assert_array_equal(example("stores").last_year(past, future), [1.0, 2.0, 4.0])


def test_stores_prints_failures_and_draws(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    example("stores").main(["--stores", "12", "--plot", str(tmp_path / "stores.svg")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("12 stores, ")
    assert lines[3] == "3 stores have no model:"
    assert sum("NaN" in line for line in lines) == 3
    assert lines[-1] == "1 stores with less than a year on record: S007"
    assert "</svg>" in (tmp_path / "stores.svg").read_text(encoding="utf-8")


# --------------------------------------------------------------------------------------------
# Data files
# --------------------------------------------------------------------------------------------


def test_study_hours():
    lines = (EXAMPLES / "study_hours.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "passed,hours"
    rows = np.loadtxt(lines[1:], delimiter=",")
    assert_array_equal(rows[:, 1], np.arange(2, 21, 2))
    assert_array_equal(rows[:, 0], rows[:, 1] >= 14)


def test_sps_is_a_sum_of_alternating_signs():
    rows = np.loadtxt(EXAMPLES / "sps.csv", delimiter=",", dtype=int)
    assert rows.shape == (50, 5)
    assert_array_equal(rows[:, 0], rows[:, 1:] @ [1, -1, 1, -1])
    assert abs(rows[:, 1:]).max() <= 10
    assert len(np.unique(rows[:, 1:], axis=0)) == 50
