"""Model files: what is damaged is refused, what is written stands whole, what is read equals what was saved."""

import copy
import dataclasses
import errno
import json
import os
import pickle
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
import tracemalloc

import numpy as np
import pytest
from conftest import ROOT
from model_file_mutations import campaign, changed, joined, models, parted, same, state

import mlcore

MODELS = models()
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:X has rank")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


def lines(n=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    return X, X @ [1.0, -2.0, 0.5]


@pytest.mark.parametrize("name", MODELS)
class TestEveryKind:
    def test_comes_back_as_it_was(self, name, path):
        model, rows = MODELS[name]
        model.save(path)
        again = mlcore.load(path)
        assert type(again) is type(model)
        wanted, found = state(model), state(again)
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert same(found[key], value), key
        plain = copy.copy(model)
        for one in (plain, again):
            vars(one).pop("feature_names_in_", None)  # rows have no names here
        assert same(again.predict(rows), plain.predict(rows))
        before = path.read_bytes()
        mlcore.load(path).save(path)
        assert parted(path.read_bytes())[1:] == parted(before)[1:]

    def test_damaged_headers(self, name, path):
        """A sample of the campaign: refused, or another possible value of something that predictions do not ask."""
        model, rows = MODELS[name]
        counts = campaign(model, rows, path, every=67, step=23)
        assert counts.keys() <= {"refused", "the same", "other values"}
        assert counts["refused"] > 0.8 * counts.total() > 10


def test_files_of_before_there_were_dtypes_in_the_json(path):
    """Written without what has been added since."""
    model, rows = MODELS["linear"]
    model.save(path)
    header, content, body = parted(path.read_bytes())

    def older(value):
        if isinstance(value, dict):
            return {k: older(v) for k, v in value.items() if k != "dtype" or "tensor" not in value}
        return [older(v) for v in value] if isinstance(value, list) else value

    content = older(content)
    del content["parameters"]["gradient"]
    path.write_bytes(joined(header, content, body))
    again = mlcore.load(path)
    assert same(state(again), state(model))
    content["attributes"]["coef_"]["dtype"] = "<f8"
    path.write_bytes(joined(header, content, body))
    with pytest.raises(ValueError, match="damaged"):
        mlcore.load(path)


HUGE = 200_000_000
DAMAGES = {
    "a width that nothing has": (["attributes", "n_outputs_"], HUGE),
    "more outputs than weights": (["attributes", "n_outputs_"], 4),
    "one output of three": (["attributes", "n_outputs_"], 1),
    "no inputs": (["attributes", "n_features_in_"], 0),
    "as many inputs as fill the memory": (["attributes", "n_features_in_"], 10**12),
    "a bias that is a number": (["attributes", "intercepts_", "list", 0], 7),
    "a bias of another layer": (["attributes", "intercepts_", "list", 0, "tensor"], "intercepts_.1"),
    "weights of another layer": (["attributes", "coefs_", "list", 1, "tensor"], "coefs_.2"),
    "no layers": (["attributes", "coefs_"], {"list": []}),
    "another activation at the end": (["attributes", "out_activation_"], "softmax"),
    "an activation that is none": (["attributes", "_activations", "tuple", 0], "rely"),
    "a softmax inside": (["attributes", "_activations", "tuple", 0], "softmax"),
    "a rate of zero": (["parameters", "learning_rate_init"], 0.0),
    "a rate that is text": (["parameters", "learning_rate_init"], "0.001"),
    "a momentum that is NaN": (["parameters", "momentum"], float("nan")),
    "iterations without end": (["parameters", "max_iter"], 10**400),
    "layers without end": (["parameters", "hidden_layer_sizes", "tuple", 0], -4),
    "an unknown parameter": (["parameters", "evil"], 1),
    "an unknown attribute": (["attributes", "evil_"], 1),
    "a method": (["attributes", "predict"], 1),
    "code": (["attributes", "__class__"], "os"),
    "a curve that is another": (["attributes", "loss_curve_", "list", 0], 7.0),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damages(damage, path):
    MODELS["perceptron"][0].save(path)
    header, content, body = parted(path.read_bytes())
    path.write_bytes(joined(header, changed(content, *damage), body))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="is damaged: its header does not describe a model"):
            mlcore.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23  # nothing as large as a header says
    finally:
        tracemalloc.stop()


class TestNumbersThatAreNone:
    """Weights that are not finite predict nothing."""

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("name", ["linear", "ridge, svd", "logistic", "perceptron", "classifier"])
    def test_are_refused(self, name, value, path):
        model, _ = models([name])[name]
        model.save(path)
        before = path.read_bytes()
        for weights in ("coefs_", "intercepts_") if hasattr(model, "coefs_") else ("coef_", "intercept_"):
            arrays = getattr(model, weights)
            array = arrays[1] if isinstance(arrays, list) else np.atleast_1d(arrays)
            kept = array.flat[0]
            array.flat[0] = value
            if isinstance(arrays, float):
                setattr(model, weights, array[0])
            with pytest.raises(ValueError, match=f"{weights} holds NaN or infinity.*diverged.*fit again"):
                model.save(path)
            assert path.read_bytes() == before
            array.flat[0] = kept
            if isinstance(arrays, float):
                setattr(model, weights, arrays)

    def test_are_refused_in_files(self, path):
        model, _ = MODELS["classifier"]
        model.save(path)
        header, content, body = parted(path.read_bytes())
        at = header["coefs_.1"]["data_offsets"][0]
        path.write_bytes(joined(header, content, body[:at] + np.float64("nan").tobytes() + body[at + 8 :]))
        with pytest.raises(ValueError, match="coefs_ holds NaN or infinity"):
            mlcore.load(path)


THREE = {
    "days": np.array(["2020-01-01", "2021-01-01", "2019-05-05"], "M8[D]"),
    "nanoseconds": np.array(["2020-01-01", "2021-01-01T00:00:00.000000001", "2019-05-05"], "M8[ns]"),
    "microseconds": np.array(["2020-01-01", "2021-01-01", "2019-05-05"], "M8[us]"),
    "weeks by fours": np.array([1, 2, 3], "M8[4W]"),
    "times the other way round": np.array(["2020-01-01", "2021-01-01", "2019-05-05"], ">M8[s]"),
    "spans": np.array([1, 2, 3], "m8[s]"),
    "truth values": np.array([True, False, True]),
    "text": np.array(["a", "bb", "ccc"]),
    "text in wide columns": np.array(["a", "bb", "ccc"], "U40"),
    "text the other way round": np.array(["a", "bb", "ccc"], ">U3"),
    "text within": np.array(["a\0b", "\ud800", "é"]),
    "objects that are text": np.array(["a", "bb", "ccc"], object),
    "large numbers": np.array([2**53 + 1, 2**53 + 2, 2**53 + 3]),
    "the largest numbers": np.array([2**64 - 1, 2**64 - 2, 1], np.uint64),
    "numbers the other way round": np.array([1, 2, 3], ">i2"),
    "small numbers": np.array([1, -2, 3], np.int8),
    "halves": np.array([1, 2, 3], np.float16),
}


class TestLabels:
    @pytest.mark.parametrize("three", THREE.values(), ids=THREE)
    @pytest.mark.parametrize("kind", [mlcore.LogisticRegression, mlcore.MLPClassifier])
    def test_come_back(self, kind, three, path):
        X, _ = lines()
        model = kind(max_iter=2).fit(X, three[np.arange(30) % 3])
        model.save(path)
        again = mlcore.load(path)
        assert same(again.classes_, model.classes_)
        assert same(again.predict(X), model.predict(X))

    def test_of_pandas(self, path):
        pandas = pytest.importorskip("pandas")
        X, _ = lines()
        for three in (pandas.to_datetime(["2020", "2021", "2022"]), pandas.Categorical(["a", "b", "c"])):
            y = pandas.Series(three).repeat(10)
            model = mlcore.LogisticRegression().fit(X, y)
            model.save(path)
            assert same(mlcore.load(path).classes_, model.classes_)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (np.array([1.0, 2.0], np.longdouble), "float(128|96)"),
            (np.array([None, "a"], object), "distinct numbers, truth values, texts or times"),
            (np.array(["2020-01-01", "NaT"], "M8[D]"), "leave out rows whose label is NaN or NaT"),
            (np.array([1.0, np.nan]), "leave out rows whose label is NaN or NaT"),
            (np.array([2, 1]), "in their order"),
            (np.array([1, 1]), "distinct"),
            (np.array([b"a", b"b"]), "distinct numbers, truth values, texts or times"),
            (np.array([(1,), (2,)], [("a", int)]), "distinct numbers, truth values, texts or times"),
            (np.array([2**70, 2**71], object), "a model file cannot hold"),
            (np.array([1j, 2j]), "distinct numbers"),
        ],
    )
    def test_are_refused(self, labels, message, path):
        if labels.dtype.itemsize == 8 and "float(" in message:
            pytest.skip("long doubles are doubles here")
        model = mlcore.LogisticRegression().fit(*lines()[:1], np.arange(30) % 2)
        model.classes_ = labels
        with pytest.raises(ValueError, match=message):
            model.save(path)
        assert not path.exists()

    def test_of_timestamps_are_refused(self, path):
        pandas = pytest.importorskip("pandas")
        model = mlcore.LogisticRegression().fit(*lines()[:1], np.arange(30) % 2)
        model.classes_ = np.array([pandas.Timestamp("2020"), pandas.Timestamp("2021")], object)
        with pytest.raises(ValueError, match="classes_.*a model file cannot hold.*datetime64"):
            model.save(path)


class TestWhatCannotBeSaved:
    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"loss": mlcore.losses.huber.with_options(threshold=2.0)}, None),
            ({"loss": dataclasses.replace(mlcore.losses.huber, name="mine")}, "loss"),
            ({"verbose": 3, "warm_start": np.True_, "alpha": np.float32(0.5), "n_iter_no_change": np.inf}, None),
            ({"hidden_layer_sizes": np.array([3, 2]), "activation": np.array(["tanh", "relu"])}, None),
            ({"alpha": np.longdouble(1)}, "float128|float96"),
            ({"max_iter": 0}, "max_iter is 0"),
            ({"shuffle": "no"}, "shuffle is 'no', but must be bool"),
            ({"solver": "newton"}, "solver is 'newton'"),
            ({"random_state": -1}, "random_state|seed|Seed"),
        ],
    )
    def test_parameters(self, parameters, message, path):
        model = mlcore.MLPRegressor(hidden_layer_sizes=(2,), max_iter=2)
        if message is None:
            model.set_params(**parameters).fit(*lines())
            model.save(path)
            again, wanted = mlcore.load(path).get_params(), model.get_params()
            assert all(np.array_equal(again[name], wanted[name]) for name in wanted)
        else:
            model.fit(*lines()).set_params(**parameters)
            with pytest.raises(ValueError, match=f"cannot be saved: .*{message}"):
                model.save(path)

    def test_attributes_of_others(self, path):
        model = mlcore.Ridge().fit(*lines())
        model.note_ = "mine"
        with pytest.raises(ValueError, match="note_: a file has no place"):
            model.save(path)

    def test_classes_of_others(self, path):
        class Mine(mlcore.Ridge):
            pass

        for kind in (Mine, type("Ridge", (mlcore.Ridge,), {})):
            with pytest.raises(ValueError, match="mlcore's own estimators"):
                kind().fit(*lines()).save(path)

    def test_sparse_coefficients(self, path):
        X, y = lines()
        model = mlcore.LogisticRegression().fit(X, y > 0).sparsify()
        with pytest.raises(ValueError, match=r"densify\(\)"):
            model.save(path)
        model.densify().save(path)

    def test_a_stream_of_numbers(self, path):
        model = mlcore.Ridge(random_state=np.random.RandomState(3)).fit(*lines())
        model.save(path)
        assert mlcore.load(path).random_state is None


posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and signals of POSIX")
WRITES = """
    import sys
    from pathlib import Path
    from mlcore.persistence import _write
    whole = [Path(f"{sys.argv[1]}.{i}").read_bytes() for i in range(2)]
    _write(sys.argv[1], whole[0])
    print(flush=True)
    while True:
        for data in whole:
            _write(sys.argv[1], data)
"""


@posix
class TestPlaces:
    def model(self):
        return mlcore.Ridge().fit(*lines())

    @pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
    def test_permissions(self, umask, path):
        before = os.umask(umask)
        try:
            self.model().save(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
            path.chmod(0o640)
            self.model().save(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o640
        finally:
            os.umask(before)

    def test_links(self, tmp_path):
        (tmp_path / "folder").mkdir()
        target, link, other = tmp_path / "folder" / "model", tmp_path / "link", tmp_path / "other"
        link.symlink_to("folder/model")
        other.symlink_to(link)
        for _ in range(2):  # to nothing at first
            self.model().save(other)
            assert link.is_symlink()
            assert other.is_symlink()
            assert not target.is_symlink()
            mlcore.load(target)
            target.write_text("other")
        assert {file.name for file in tmp_path.iterdir()} == {"folder", "link", "other"}

    def test_folders_and_what_is_not_there(self, tmp_path):
        with pytest.raises(IsADirectoryError):
            self.model().save(tmp_path)
        with pytest.raises(FileNotFoundError):
            self.model().save(tmp_path / "no" / "model")
        assert not list(tmp_path.iterdir())

    def test_pipes(self, path):
        """What is no file is written to, and not replaced."""
        os.mkfifo(path)
        process = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
        self.model().save(path)
        written = process.communicate()[0]
        assert stat.S_ISFIFO(path.stat().st_mode)
        path.unlink()
        path.write_bytes(written)
        mlcore.load(path)

    def test_the_longest_name(self, tmp_path):
        self.model().save(tmp_path / ("m" * 255))
        mlcore.load(str(tmp_path / ("m" * 255)))

    @pytest.mark.parametrize("what", ["write", "fsync", "replace"])
    def test_failures(self, what, path, monkeypatch):
        """A disk that is full at any moment leaves the old file, and nothing else."""
        self.model().save(path)
        before = path.read_bytes()

        def fail(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        if what == "write":
            resource = pytest.importorskip("resource")
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        else:
            monkeypatch.setattr(os, what, fail)
        try:
            with pytest.raises(OSError, match="space left|too large"):
                mlcore.Ridge(0.1).fit(*lines()).save(path)
        finally:
            if what == "write":
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything is allowed to root")
    def test_what_is_not_allowed(self, path):
        self.model().save(path)
        path.chmod(0o400)
        with pytest.raises(PermissionError):
            self.model().save(path)
        path.chmod(0o600)
        path.parent.chmod(0o500)
        try:
            with pytest.raises(PermissionError):
                self.model().save(path)
        finally:
            path.parent.chmod(0o700)
        path.chmod(0o000)
        with pytest.raises(PermissionError):
            mlcore.load(path)

    def test_interrupted(self, path, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        self.model().save(path)
        before = path.read_bytes()
        monkeypatch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            self.model().save(path)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_killed(self, path):
        """Whenever the process ends, there is the whole of one of its files."""
        whole = [os.urandom(2**20), os.urandom(2**21)]
        for i, data in enumerate(whole):
            path.with_suffix(f".{i}").write_bytes(data)
        rng = random.Random(0)
        for _ in range(4):
            command = [sys.executable, "-c", textwrap.dedent(WRITES), path]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                process.stdout.readline()
                time.sleep(rng.uniform(0, 0.05))
                process.kill()
            assert process.returncode == -signal.SIGKILL
            assert path.read_bytes() in whole
            path.unlink()

    def test_read_while_it_is_written(self, path):
        """By whatever means: a whole model, or a ValueError, but never the end of the process."""
        MODELS["classifier"][0].save(path)
        others = "open(sys.argv[1], 'r+b').truncate(8)", "open(sys.argv[1], 'wb').write(data[:9000])"
        code = f"""
            import sys, time
            data = open(sys.argv[1], "rb").read()
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                {others[0]}
                {others[1]}
                with open(sys.argv[1], "wb") as file:
                    file.write(data)
        """
        found = {"read": 0, "refused": 0}
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), path]) as process:
            while process.poll() is None:
                try:
                    mlcore.load(path)
                    found["read"] += 1
                except ValueError:
                    found["refused"] += 1
        assert min(found.values()) > 0
        assert process.returncode == 0


class TestWhatIsNoModel:
    def test_is_not_read_whole(self, path):
        """Of a large file of something else no more than its beginning."""
        with open(path, "wb") as file:
            file.write(b"\xff" * 8)
            file.truncate(2**40)
        with pytest.raises(ValueError, match="no model file"):
            mlcore.load(path)

    @pytest.mark.parametrize("texts", [{"format": "pt"}, {}, {"format": "mlcore-model", "version": "1", "content": "1"},
                                       {"format": "mlcore-model", "version": "2", "content": "{}"}])  # fmt: skip
    def test_of_others(self, texts, path):
        header = {"__metadata__": texts, "a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}
        path.write_bytes(joined(header, None, bytes(8)))
        with pytest.raises(ValueError, match="no model of mlcore's|damaged|format '2'"):
            mlcore.load(path)

    def test_keys_that_stand_there_twice(self, path):
        MODELS["ridge"][0].save(path)
        header, content, body = parted(path.read_bytes())
        text = json.dumps(content).replace('"alpha":', '"alpha": 0.1, "alpha":')
        header["__metadata__"]["content"] = text
        path.write_bytes(joined(header, None, body))
        with pytest.raises(ValueError, match="stands there twice"):
            mlcore.load(path)


@pytest.mark.parametrize(
    "name", ["LinearRegression", "Ridge", "LogisticRegression", "MLPClassifier", "MLPRegressor", "Network"]
)
def test_pickles_of_before_the_packages(name):
    """Files of when every module stood side by side load, predict the same, and are written under today's paths."""
    folder = ROOT / "tests" / "data" / "pickles"
    expected = json.loads((folder / "predictions.json").read_text())
    model = pickle.loads((folder / f"{name}.pickle").read_bytes())
    for again in (model, pickle.loads(pickle.dumps(model))):
        answer = again.forward if name == "Network" else again.predict
        found = np.asarray(answer(expected["X"]))
        if found.dtype.kind == "f":
            np.testing.assert_allclose(found, expected[name], rtol=1e-12)
        else:
            assert found.tolist() == expected[name]
    home = "neural_network" if name[:3] in ("MLP", "Net") else "linear_model"
    assert type(model) is getattr(mlcore, name)
    assert type(model).__module__ == f"mlcore.{home}"
    assert b"mlcore.plan" not in pickle.dumps(model)
