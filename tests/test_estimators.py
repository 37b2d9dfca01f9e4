"""The estimators as scikit-learn sees them: its own checks, signatures, pickles, lanes of validation, failed fits."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.neural_network
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import mlcore
from mlcore.neural_network._training import watch

ESTIMATORS = [
    mlcore.LinearRegression(),
    mlcore.LinearRegression(solver="gradient_descent", max_iter=5),
    mlcore.Ridge(),
    mlcore.LogisticRegression(),
    mlcore.MLPRegressor(max_iter=100),
    mlcore.MLPClassifier(max_iter=100),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:X has rank:UserWarning")
@parametrize_with_checks(
    [estimator for estimator in ESTIMATORS if estimator.get_params().get("solver") != "gradient_descent"]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def data(kind="regression", n=40):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.standard_normal(n)
    return X, y if kind == "regression" else (y > 0).astype(int)


def target(estimator):
    return data("classes" if hasattr(estimator, "predict_proba") else "regression")


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_constructors_take_scikit_learns_arguments(estimator):
    module = sklearn.neural_network if "MLP" in type(estimator).__name__ else sklearn.linear_model
    theirs = inspect.signature(getattr(module, type(estimator).__name__)).parameters
    ours = inspect.signature(type(estimator)).parameters
    gone = {"multi_class"}  # deprecated there, and gone since 1.8
    for name, parameter in theirs.items():
        if name in gone:
            continue
        assert name in ours, name
        if name not in ("solver", "penalty", "l1_ratio", "C"):
            assert ours[name].default == parameter.default, name


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
class TestEveryEstimator:
    def test_pickle_and_clone(self, estimator):
        X, y = target(estimator)
        fitted = clone(estimator).fit(X, y)
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))

    def test_save_and_load(self, estimator, tmp_path):
        X, y = target(estimator)
        fitted = clone(estimator).fit(X, y)
        path = tmp_path / "model.mlcore"
        fitted.save(path)
        again = mlcore.load(path)
        assert type(again) is type(fitted)
        assert again.get_params() == fitted.get_params()
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
        assert {n for n in vars(again) if n.endswith("_")} == {n for n in vars(fitted) if n.endswith("_")}

    def test_lanes_agree(self, estimator):
        """Plain arrays, lists, Fortran order, read-only and float32 rows give the same predictions."""
        X, y = target(estimator)
        fitted = clone(estimator).fit(X, y)
        plain = fitted.predict(X)
        locked = X.copy()
        locked.flags.writeable = False
        for rows in (X.tolist(), np.asfortranarray(X), locked, np.repeat(X, 2, axis=1)[:, ::2]):
            np.testing.assert_array_equal(fitted.predict(rows), plain)

    def test_refusals(self, estimator):
        X, y = target(estimator)
        with pytest.raises(NotFittedError):
            clone(estimator).predict(X)
        with pytest.raises(NotFittedError):
            clone(estimator).save("nowhere")
        fitted = clone(estimator).fit(X, y)
        before = pickle.dumps(fitted)
        for bad, message in (
            (X[:, :2], "features"),
            (np.where(X == X[3, 1], np.nan, X), "NaN"),
            (np.where(X == X[3, 1], np.inf, X), "infinity"),
            (X[0], "2D"),
            (X[:0], "0 sample"),
        ):
            with pytest.raises(ValueError, match=message):
                fitted.predict(bad)
            with pytest.raises(ValueError):  # noqa: PT011 - each estimator words it as scikit-learn does
                fitted.fit(bad, y[:1])
        for weights in ([1.0], np.full(len(X), np.nan)):
            with pytest.raises(ValueError):  # noqa: PT011
                fitted.fit(X, y, sample_weight=weights)
        assert pickle.dumps(fitted) == before  # a failed fit leaves the old one whole

    def test_ctrl_c(self, estimator, monkeypatch):
        """An MLP keeps its last finished epoch and warns; every other fit raises and leaves nothing."""
        X, y = target(estimator)
        fresh = clone(estimator)

        def interrupt(epoch, loss):
            if epoch == 3:
                raise KeyboardInterrupt

        if "MLP" in type(estimator).__name__:
            with watch(interrupt), pytest.warns(UserWarning, match="interrupted by user"):
                fresh.fit(X, y)
            reference = clone(estimator).set_params(max_iter=3, random_state=0)
            again = clone(estimator).set_params(random_state=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reference.fit(X, y)
                with watch(interrupt):
                    again.fit(X, y)
            np.testing.assert_array_equal(again.coefs_[0], reference.coefs_[0])
        elif estimator.solver == "gradient_descent":
            with watch(interrupt), pytest.raises(KeyboardInterrupt):
                fresh.fit(X, y)
            assert not [name for name in vars(fresh) if name.endswith("_")]

    def test_sample_weight_counts_rows(self, estimator):
        if "MLP" in type(estimator).__name__:  # batches of repeated rows are other batches; whole ones are the same
            estimator = clone(estimator).set_params(solver="lbfgs", max_iter=3, alpha=0.0, random_state=0)
        X, y = target(estimator)
        counts = np.arange(len(X)) % 3
        weighted = clone(estimator).fit(X, y, sample_weight=counts)
        repeated = clone(estimator).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
        for name in ("coef_", "coefs_"):
            for a, b in zip(getattr(weighted, name, []), getattr(repeated, name, []), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)

    def test_float32(self, estimator):
        X, y = target(estimator)
        fitted = clone(estimator).fit(X.astype(np.float32), y)
        coefficients = fitted.coefs_[0] if "MLP" in type(estimator).__name__ else fitted.coef_
        assert coefficients.dtype == np.float32


def test_in_a_grid_search():
    X, y = data("classes")
    search = GridSearchCV(mlcore.LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.8


class TestFiles:
    def model(self):
        return mlcore.LogisticRegression().fit(*data("classes"))

    def test_class_names_and_parameters(self, tmp_path):
        X, y = data("classes")
        names = np.array(["no", "yes"])[y]
        model = mlcore.MLPClassifier(
            (5, 4), activation=("tanh", "relu"), loss=mlcore.losses.binary_cross_entropy.with_options(epsilon=1e-7),
            class_weight={"no": 1.0, "yes": 2.0}, max_iter=5, tol=0, n_iter_no_change=100, random_state=0,
        )  # fmt: skip
        with pytest.warns(ConvergenceWarning):
            model.fit(X, names)
        model.save(tmp_path / "m")
        again = mlcore.load(tmp_path / "m")
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        assert again.get_params() == model.get_params()
        assert again.predict(X).dtype == names.dtype

    def test_truncated_hostile_and_foreign_files(self, tmp_path):
        path = tmp_path / "m"
        self.model().save(path)
        whole = path.read_bytes()
        for cut in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:cut])
            with pytest.raises(ValueError, match="damaged|no model"):
                mlcore.load(path)
        path.write_bytes(b"\xff" * 64)
        with pytest.raises(ValueError, match="damaged"):
            mlcore.load(path)
        from safetensors.numpy import save_file

        save_file({"a": np.zeros(2)}, str(path))
        with pytest.raises(ValueError, match="no model of mlcore's"):
            mlcore.load(path)
        for content in ("{}", "[]", "not json", '{"estimator": "os", "parameters": {}, "attributes": {}}',
                        '{"estimator": "Ridge", "parameters": {"evil": 1}, "attributes": {}}',
                        '{"estimator": "Ridge", "parameters": {}, "attributes": {}}'):  # fmt: skip
            header = {"format": "mlcore-model", "version": "1", "content": content}
            save_file({"a": np.zeros(2)}, str(path), metadata=header)
            with pytest.raises(ValueError, match="damaged"):
                mlcore.load(path)
        coefficients = '"coef_": {"array": ["a", "b"], "dtype": "object"}, "intercept_": 0.0, "n_features_in_": 2'
        for attributes in (
            coefficients,
            '"predict": 1',
            "[" * 100_000,
            '"coef_": {"array": ["a"], "dtype": "<U400000000"}',
        ):
            content = '{"estimator": "Ridge", "parameters": {}, "attributes": {' + attributes + "}}"
            header = {"format": "mlcore-model", "version": "1", "content": content}
            save_file({"a": np.zeros(2)}, str(path), metadata=header)
            with pytest.raises(ValueError, match="damaged"):
                mlcore.load(path)
        save_file({"a": np.zeros(2)}, str(path), metadata={"format": "mlcore-model", "version": "99"})
        with pytest.raises(ValueError, match="format '99'"):
            mlcore.load(path)
        with pytest.raises(FileNotFoundError):
            mlcore.load(tmp_path / "none")

    def test_what_cannot_be_written(self, tmp_path):
        model = self.model().set_params(class_weight=lambda: None)
        with pytest.raises(ValueError, match="class_weight"):
            model.save(tmp_path / "m")


@pytest.mark.parametrize(
    "estimator",
    [
        mlcore.LinearRegression(solver="gradient_descent", learning_rate=1e9),
        mlcore.Ridge(solver="gradient_descent", learning_rate=1e9),
        mlcore.LogisticRegression(solver="gradient_descent", learning_rate=1e300),
        mlcore.LogisticRegression(max_iter=1, C=1e6),
        mlcore.MLPClassifier((3,), max_iter=1),
        mlcore.MLPRegressor(hidden_layer_sizes=(3,), max_iter=1),
    ],
    ids=str,
)
def test_one_convergence_warning_at_the_users_line(estimator):
    X, y = target(estimator)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            line = inspect.currentframe().f_lineno + 1
            estimator.fit(X * (1e10 if "descent" in str(estimator) else 1), y)
        except ValueError as error:
            told = str(error)
            assert "learning_rate" in told
    assert [(w.category, w.filename, w.lineno) for w in caught] == [(ConvergenceWarning, __file__, line)]


@pytest.mark.parametrize(
    "estimator",
    [
        mlcore.LogisticRegression(max_iter=1, C=1e6),
        mlcore.MLPClassifier((3,), max_iter=1, random_state=0),
        mlcore.MLPRegressor(hidden_layer_sizes=(3,), max_iter=1, random_state=0),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "nested",
    [
        lambda model: model,
        make_pipeline,
        lambda model: make_pipeline(StandardScaler(), GridSearchCV(model, {"tol": [1e-4]}, cv=3)),
        lambda model: TransformedTargetRegressor(model) if is_regressor(model) else OneVsRestClassifier(model),
    ],
    ids=["itself", "pipeline", "search", "meta"],
)
@pytest.mark.parametrize("column", [False, True], ids=["vector", "column"])
def test_every_warning_names_the_users_line(estimator, nested, column):
    X, y = target(estimator)
    y = np.reshape(y, (-1, 1)) if column else y
    model = nested(clone(estimator))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = inspect.currentframe().f_lineno + 1
        model.fit(X, y)
    ours = [w for w in caught if w.category is ConvergenceWarning or "column-vector" in str(w.message)]
    assert ours
    if "OneVsRest" in str(model) or "TransformedTarget" in str(model) or "Search" in str(model):
        # What warns of the column there may be scikit-learn itself, before any fit.
        ours = [w for w in ours if w.category is ConvergenceWarning]
    assert {(w.filename, w.lineno) for w in ours} == {(__file__, line)}
