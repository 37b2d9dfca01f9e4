"""Many models in one file: they come back as they were, and what is damaged is refused."""

from __future__ import annotations

import datetime
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from model_file_mutations import HOSTILE, changed, joined, parted, places
from sklearn.linear_model import Lasso

import mlcore
from mlcore import fit_many

from .test_fit import CLASSIFIERS, NETWORK, REGRESSORS, assert_equal, assert_same, ragged
from .test_models import labels_of

pytestmark = pytest.mark.filterwarnings("ignore:.*(groups failed|fitted with a warning)")

QUICK: dict[str, Any] = {**NETWORK, "max_iter": 2}


def assert_all_same(again: Any, many: Any, X: Any, groups: Any) -> None:
    """Two objects with the same models, messages and answers."""
    assert type(again) is type(many)
    assert_equal(again.groups_, many.groups_, "groups_")
    assert_equal(again.n_rows_, many.n_rows_, "n_rows_")
    assert dict(again.failures_) == dict(many.failures_)
    assert dict(again.warnings_) == dict(many.warnings_)
    assert vars(again).keys() == vars(many).keys()
    for name in ("_scores", "_losses"):
        np.testing.assert_array_equal(getattr(again, name), getattr(many, name))
    for key in many:
        if key not in many.failures_:
            made, wanted = again[key], many[key]
            if not hasattr(made, "_optimizer"):  # files of one model leave it out
                vars(wanted).pop("_optimizer", None)
            assert_same(made, wanted)
    known = np.array([key not in many.failures_ for key in groups])
    assert_equal(again.predict(X[known], groups=groups[known]), many.predict(X[known], groups=groups[known]), "predict")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("estimator", [*REGRESSORS, *CLASSIFIERS], ids=repr)
def test_models_come_back_as_they_were(estimator: Any, dtype: Any, path: Path) -> None:
    X, y, groups = ragged(21, dtype=dtype)
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    answers = labels_of(y, groups) if estimator in CLASSIFIERS else y
    X[np.flatnonzero(groups == groups[0])[0], 0] = np.nan
    key = int(np.unique(groups)[-1])
    params = {key: {"tol": 1e-3}} if "MLP" in repr(estimator) or "Logistic" in repr(estimator) else None
    many = fit_many(estimator, X, answers, groups=groups, sample_weight=weight, params=params)
    many.save(path)
    again = mlcore.load(path)
    clean = np.nan_to_num(X)
    assert_all_same(again, many, clean, groups)
    before = path.read_bytes()
    again.save(path)
    assert parted(path.read_bytes())[1:] == parted(before)[1:]
    for name in ("coef_", "coefs_", "n_iter_"):
        try:
            wanted = getattr(many, name)
        except AttributeError:
            continue
        assert_equal(getattr(again, name), wanted, name)
    assert_all_same(pickle.loads(pickle.dumps(many)), many, clean, groups)


def test_structures_seeds_and_several_outputs_come_back(path: Path) -> None:
    X, y, groups = ragged(22)
    keys = np.unique(groups).tolist()
    Y = np.column_stack([y, y**2])
    settings = {**QUICK, "random_state": np.random.RandomState(3)}
    params = {keys[0]: {"hidden_layer_sizes": (3, 2)}, keys[1]: {"hidden_layer_sizes": (), "alpha": -1.0}}
    many = fit_many(mlcore.MLPRegressor(**settings), X, Y, groups=groups, params=params)
    many.save(path)
    assert keys[1] in many.failures_
    assert_all_same(mlcore.load(path), many, X, groups)
    fit_many(mlcore.Ridge(alpha=[1.0, 2.0]), X, Y, groups=groups).save(path)
    fit_many(mlcore.LinearRegression(), X, Y, groups=groups).save(path)
    assert mlcore.load(path).coef_.shape == (len(keys), 2, 4)


DAY = datetime.date(2024, 2, 29)
KEYS = {
    "ints": [3, -1, 2],
    "floats": [0.5, -1e300, 3.0],
    "texts": ["b", "a", "ü"],
    "truth": [True, False, True],
    "times": np.array(["2024-01-01", "2023-01-01", "2024-01-02"], "M8[D]"),
    "spans": np.array([1, 2, 3], "m8[s]"),
    "mixed": ["a", 1, 2.5],
    "objects": np.array(["x", "y", "z"], object),
    "tuples": [("a", 1), ("a", 2), ("b", 1)],
    "tuples of times": [("a", DAY), ("a", datetime.datetime(2024, 1, 1, 3)), (1.5, datetime.timedelta(days=3))],
    "dates": [DAY, DAY + datetime.timedelta(days=1), datetime.date(1, 1, 1)],
    "nested": [((1, True), "a"), ((2, "b"), "a"), ((3, 0.5), "a")],
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_come_back(name: str, path: Path) -> None:
    keys = list(KEYS[name]) if not isinstance(KEYS[name], np.ndarray) else KEYS[name]
    groups = np.repeat(keys, 4) if isinstance(keys, np.ndarray) else [key for key in keys for _ in range(4)]
    X = np.random.default_rng(0).normal(size=(len(groups), 2))
    many = fit_many(mlcore.LinearRegression(), X, X[:, 0], groups=groups)
    many.save(path)
    again = mlcore.load(path)
    assert again.groups_.dtype == many.groups_.dtype
    assert list(again) == list(many)
    for key in many:
        assert key in again
        assert_same(again[key], many[key])
    assert_equal(again.predict(X, groups=groups), many.predict(X, groups=groups), "predict")


def test_frames_come_back(path: Path) -> None:
    X, y, groups = ragged(23)
    frame = pa.table({"store": [f"s{g}" for g in groups], "day": groups % 2, "x": X[:, 0], "z": X[:, 3], "sales": y})
    many = fit_many(mlcore.Ridge(), frame, by=["store", "day"], target="sales")
    many.save(path)
    again = mlcore.load(path)
    np.testing.assert_array_equal(again.predict(frame), many.predict(frame))
    key = next(iter(many))
    assert again[key].feature_names_in_.tolist() == ["x", "z"]


def test_what_a_file_cannot_hold_is_refused(path: Path) -> None:
    X, y, groups = ragged(24)
    with pytest.raises(ValueError, match="mlcore's own estimators"):
        fit_many(Lasso(), X, y, groups=groups).save(path)
    with pytest.raises(ValueError, match=r"cannot be saved: the key .*Decimal"):
        fit_many(mlcore.Ridge(), X, y, groups=[pa.scalar(int(g)).cast(pa.decimal128(20)).as_py() for g in groups]).save(
            path
        )
    many = fit_many(mlcore.MLPRegressor(**QUICK), X, y, groups=groups)
    many._stores[0].parameters[0, 0] = np.nan
    with pytest.raises(ValueError, match="cannot be saved: parameters holds NaN"):
        many.save(path)
    assert not path.exists()


def damaged_models() -> dict[str, Any]:
    X, y, groups = ragged(25, n_groups=7, n_rows=150)
    found = {
        "linear": fit_many(mlcore.LinearRegression(), X, y, groups=groups),
        "networks": fit_many(mlcore.MLPRegressor(**{**QUICK, "random_state": None}), X, y, groups=groups),
    }
    labels = labels_of(y, groups)
    found["logistic"] = fit_many(mlcore.LogisticRegression(), X, labels, groups=[(int(g), "a") for g in groups])
    found["classifier"] = fit_many(mlcore.MLPClassifier(**QUICK), X, labels, groups=groups)
    return found


@pytest.mark.parametrize("name", ["linear", "networks", "logistic", "classifier"])
def test_damaged_headers_are_refused_or_harmless(name: str, path: Path) -> None:
    """A sample of all places of the header, with a sample of what may stand there."""
    many = damaged_models()[name]
    many.save(path)
    header, content, body = parted(path.read_bytes())
    rng = random.Random(name)
    spots = list(places(content))
    refused = []
    for spot in rng.sample(spots, min(120, len(spots))):
        path.write_bytes(joined(header, changed(content, spot, rng.choice(HOSTILE)), body))
        try:
            again = mlcore.load(path)
        except ValueError as error:
            refused.append(str(error))
            continue
        for key in again:
            if key not in again.failures_:
                again[key].predict(np.ones((2, 4)))
    assert len(refused) > 60
    assert all("damaged" in text or "no model" in text for text in refused)


DAMAGES = {
    "a group of no store": ("store_of", lambda a: a.__setitem__(0, 7)),
    "a model twice": ("index_of", lambda a: a.__setitem__(0, a[1])),
    "a model behind the last": ("index_of", lambda a: a.__setitem__(0, 10**6)),
    "parameters of nobody": ("tables.of_group", lambda a: a.__setitem__(0, 3)),
    "no rows": ("tables.n_rows", lambda a: a.__setitem__(0, 0)),
    "a key twice": ("groups", lambda a: a.__setitem__(0, a[1])),
    "infinity": ("found", lambda a: a.__setitem__((0, 0), np.inf)),
    "a square below 0": ("packed", lambda a: a.__setitem__((0, 0), -1.0)),
    "a rank of more columns": ("rank", lambda a: a.__setitem__(0, 9)),
    "a text of nobody": ("failures.of_group", lambda a: a.__setitem__(0, 0)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_numbers_are_refused(damage: Any, path: Path) -> None:
    from safetensors.numpy import load, save

    damaged_models()["linear"].save(path)
    data = path.read_bytes()
    header = parted(data)[0]
    tensors = {name: array.copy() for name, array in load(data).items()}
    (name,) = [name for name in tensors if name == damage[0] or name.endswith(f".{damage[0]}") and "warn" not in name]
    damage[1](tensors[name])
    path.write_bytes(save(tensors, metadata=header["__metadata__"]))
    with pytest.raises(ValueError, match="damaged"):
        mlcore.load(path)
