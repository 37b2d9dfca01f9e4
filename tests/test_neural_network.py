"""MLPRegressor and MLPClassifier beside scikit-learn's: the same draws, the same trajectory, the same stops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning

import mlcore

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

REGRESSION = make_regression(97, 5, noise=0.3, random_state=0)
REGRESSION = REGRESSION[0], REGRESSION[1] / 50
OUTPUTS = make_regression(90, 5, n_targets=3, random_state=1)
OUTPUTS = OUTPUTS[0], OUTPUTS[1] / 100
BINARY = make_classification(101, 6, random_state=2)
CLASSES = make_classification(120, 8, n_classes=4, n_informative=5, random_state=3)
LABELS = make_multilabel_classification(80, 6, n_classes=3, random_state=4)
PROBLEMS = {
    "regression": ("MLPRegressor", *REGRESSION),
    "outputs": ("MLPRegressor", *OUTPUTS),
    "poisson": ("MLPRegressor", REGRESSION[0], np.abs(REGRESSION[1])),
    "binary": ("MLPClassifier", *BINARY),
    "classes": ("MLPClassifier", *CLASSES),
    "labels": ("MLPClassifier", *LABELS),
}


def pair(problem, sample_weight=None, **options):
    name, X, y = PROBLEMS[problem]
    options = {"hidden_layer_sizes": (7, 5), "max_iter": 12, "random_state": 3, **options}
    if problem == "poisson":
        options["loss"] = "poisson"
    ours = getattr(mlcore, name)(**options)
    other = getattr(theirs, name)(**options)
    if sample_weight is None:
        return ours.fit(X, y), other.fit(X, y), X
    return ours.fit(X, y, sample_weight), other.fit(X, y, sample_weight), X


def assert_same(ours, other, X, rtol=1e-9):
    for a, b in zip((*ours.coefs_, *ours.intercepts_), (*other.coefs_, *other.intercepts_), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * max(1e-300, np.abs(b).max()))
    np.testing.assert_allclose(ours.predict(X), other.predict(X), rtol=1e-6, atol=1e-8)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "out_activation_"):
        assert getattr(ours, name) == getattr(other, name), name
    assert ours.loss_ == pytest.approx(other.loss_, rel=1e-8)
    if hasattr(other, "loss_curve_"):
        np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-8)
        for name in ("best_loss_", "best_validation_score_"):
            theirs_, ours_ = getattr(other, name), getattr(ours, name)
            assert (ours_ is None) == (theirs_ is None), name
            if theirs_ is not None:
                assert ours_ == pytest.approx(theirs_, rel=1e-8), name
        if other.validation_scores_ is not None:
            np.testing.assert_allclose(ours.validation_scores_, other.validation_scores_, rtol=1e-8)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_same_trajectory(problem, solver, activation):
    rate = 0.01 if solver == "adam" else 0.002
    assert_same(*pair(problem, solver=solver, activation=activation, learning_rate_init=rate))


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 16},
        {"batch_size": 1, "max_iter": 3},
        {"shuffle": False},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (3, 4, 5, 6)},
        {"solver": "sgd", "momentum": 0},
        {"solver": "sgd", "nesterovs_momentum": False},
        {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.05},
        {"solver": "sgd", "learning_rate": "adaptive", "max_iter": 300, "tol": 1e-3, "n_iter_no_change": 2},
        {"early_stopping": True, "max_iter": 60, "n_iter_no_change": 3},
        {"early_stopping": True, "solver": "sgd", "learning_rate": "adaptive", "max_iter": 60, "n_iter_no_change": 2},
        {"alpha": 3.0},
        {"tol": 1e-2, "n_iter_no_change": 2, "max_iter": 200},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    ],
    ids=str,
)
@pytest.mark.parametrize("problem", ["outputs", "binary", "classes"])
def test_same_with_options(problem, options):
    assert_same(*pair(problem, **{"learning_rate_init": 0.01, **options}))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_same_with_sample_weight(problem):
    weight = np.random.default_rng(0).uniform(0, 3, len(PROBLEMS[problem][1]))
    assert_same(*pair(problem, weight, learning_rate_init=0.01))
    assert_same(*pair(problem, weight, early_stopping=True))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_same_by_lbfgs(problem):
    # rounding grows under L-BFGS: compared while it is small
    assert_same(*pair(problem, solver="lbfgs", max_iter=15), rtol=1e-5)


@pytest.mark.parametrize("problem", ["regression", "classes"])
def test_same_warm_starts_and_partial_fits(problem):
    name, X, y = PROBLEMS[problem]
    for solver in ("adam", "sgd"):
        options = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 1, "solver": solver, "warm_start": True}
        ours, other = getattr(mlcore, name)(**options), getattr(theirs, name)(**options)
        for _ in range(3):
            ours.fit(X, y)
            other.fit(X, y)
        assert_same(ours, other, X)
        for _ in range(3):
            ours.partial_fit(X, y)
            other.partial_fit(X, y)
        assert_same(ours, other, X)
    options = {"hidden_layer_sizes": (6,), "random_state": 1, "batch_size": 20}
    ours, other = getattr(mlcore, name)(**options), getattr(theirs, name)(**options)
    first = {"classes": np.unique(y)} if problem == "classes" else {}
    for part in (slice(0, 50), slice(50, 97)):
        ours.partial_fit(X[part], y[part], **first)
        other.partial_fit(X[part], y[part], **first)
    assert_same(ours, other, X)


def test_same_stream_for_a_random_state_instance():
    """A RandomState is used and left as scikit-learn leaves it, stops in the middle of a call included."""
    name, X, y = PROBLEMS["binary"]
    streams = np.random.RandomState(5), np.random.RandomState(5)
    options = {"hidden_layer_sizes": (4,), "max_iter": 500, "tol": 1e-2, "n_iter_no_change": 3}
    ours = mlcore.MLPClassifier(random_state=streams[0], **options).fit(X, y)
    other = theirs.MLPClassifier(random_state=streams[1], **options).fit(X, y)
    assert_same(ours, other, X)
    assert ours.n_iter_ < 500
    assert streams[0].randint(2**31) == streams[1].randint(2**31)


def test_class_weight_is_sample_weight():
    _, X, y = PROBLEMS["classes"]
    options = {"hidden_layer_sizes": (5,), "max_iter": 5, "random_state": 0}
    by_class = mlcore.MLPClassifier(class_weight={0: 1, 1: 2, 2: 0.5, 3: 1}, **options).fit(X, y)
    by_row = mlcore.MLPClassifier(**options).fit(X, y, sample_weight=np.array([1, 2, 0.5, 1])[y])
    np.testing.assert_array_equal(by_class.coefs_[0], by_row.coefs_[0])
    balanced = mlcore.MLPClassifier(class_weight="balanced", **options).fit(X, y)
    assert np.isfinite(balanced.loss_)


@pytest.mark.parametrize("problem", ["regression", "binary", "classes"])
def test_numerical_gradient_trains_alike(problem):
    name, X, y = PROBLEMS[problem]
    options = {"hidden_layer_sizes": (4,), "activation": "tanh", "max_iter": 3, "random_state": 0}
    exact = getattr(mlcore, name)(**options).fit(X, y)
    measured = getattr(mlcore, name)(gradient="numerical", **options).fit(X, y)
    np.testing.assert_allclose(measured.coefs_[0], exact.coefs_[0], atol=1e-6)


@pytest.mark.parametrize("loss", mlcore.losses.LOSSES)
def test_own_losses(loss):
    """A loss by mlcore's name follows mlcore's scaling: the network's, step for step."""
    if "cross" in loss:
        _, X, y = PROBLEMS["classes" if "categorical" in loss else "binary"]
        model = mlcore.MLPClassifier((5,), loss=loss, max_iter=3, random_state=0, alpha=0.0).fit(X, y)
        T = mlcore.to_categorical(y) if "categorical" in loss else y.reshape(-1, 1)
    else:
        _, X, y = PROBLEMS["outputs"]
        y = np.abs(y)
        model = mlcore.MLPRegressor(loss, (5,), max_iter=3, random_state=0, alpha=0.0).fit(X, y)
        T = y
    if loss == "poisson":  # the name is scikit-learn's here too: a sum over outputs, where mlcore's takes the mean
        T = None
    else:
        net = mlcore.Network((X.shape[1], 5, model.n_outputs_), None, loss, random_state=0)
        net.fit(X, T, epochs=3, batch_size=200, optimizer="adam", learning_rate=0.001)
        np.testing.assert_allclose(model.coefs_[0], net.weights[0], rtol=1e-12)
        np.testing.assert_allclose(model.loss_curve_, net.history, rtol=1e-12)


def test_activation_for_each_layer():
    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(4, 3), activation=("gelu", "silu"), max_iter=3).fit(X, y)
    assert np.isfinite(model.predict(X)).all()


def test_replaced_coefficients_are_used():
    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, y)
    before = model.predict(X)
    model.intercepts_[-1] = model.intercepts_[-1] + 1.0
    np.testing.assert_allclose(model.predict(X), before + 1.0)
    model.intercepts_[-1] = model.intercepts_[-1] - 1.0
    np.testing.assert_allclose(model.predict(X), before)


def test_digits():
    X, y = load_digits(return_X_y=True)
    model = mlcore.MLPClassifier((32,), max_iter=30, random_state=0, learning_rate_init=0.005)
    model.fit(X[:1200] / 16, y[:1200])
    assert model.score(X[1200:] / 16, y[1200:]) > 0.9
    probabilities = model.predict_proba(X[1200:] / 16)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_allclose(model.predict_log_proba(X[:5] / 16), np.log(model.predict_proba(X[:5] / 16)))


def test_divergence_warns_and_ends_as_scikit_learns():
    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(
        hidden_layer_sizes=(5,), activation="identity", solver="sgd", learning_rate_init=1e6, max_iter=50
    )
    with pytest.warns(ConvergenceWarning, match=r"diverged.*step \d+.*[Ss]cale"):
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            model.fit(X * 100, y)


def test_lbfgs_has_no_partial_fit():
    assert not hasattr(mlcore.MLPClassifier(solver="lbfgs"), "partial_fit")
    assert hasattr(mlcore.MLPClassifier(), "partial_fit")


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_layer_sizes": (-1,)},
        {"hidden_layer_sizes": (2.5,)},
        {"activation": "rleu"},
        {"activation": ("relu", "relu", "relu")},
        {"activation": "softmax"},
        {"solver": "adma"},
        {"learning_rate": "linear"},
        {"learning_rate_init": 0},
        {"alpha": -1},
        {"batch_size": 0},
        {"beta_1": 1.0},
        {"momentum": 2},
        {"max_iter": 0},
        {"validation_fraction": 1.0},
        {"n_iter_no_change": 0},
        {"gradient": "exact"},
        {"loss": "mse"},
        {"epsilon": 0},
        {"tol": np.nan},
        {"early_stopping": True, "validation_fraction": 0.001},
    ],
    ids=str,
)
def test_bad_parameters(options):
    _, X, y = PROBLEMS["regression"]
    with pytest.raises(ValueError, match="must|too small|for the last layer"):
        mlcore.MLPRegressor(**{"hidden_layer_sizes": (4, 4), **options}).fit(X, y)


def test_bad_targets():
    _, X, y = PROBLEMS["binary"]
    with pytest.raises(ValueError, match="at least 0"):
        mlcore.MLPRegressor(loss="poisson").fit(X, y - 5.0)
    with pytest.raises(ValueError, match="Unknown label type"):
        mlcore.MLPClassifier().fit(X, X[:, 0])
    warm = mlcore.MLPClassifier(warm_start=True, max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="same classes"):
        warm.fit(X, y + 5)
    with pytest.raises(ValueError, match="first call"):
        mlcore.MLPClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="early_stopping"):
        mlcore.MLPClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mlcore.MLPClassifier(batch_size=1000, max_iter=2).fit(X, y)
    assert any("clipped" in str(w.message) for w in caught)


def test_going_on_needs_the_same_outputs_and_layers():
    """The weights that are there decide: other outputs or layers are refused, and nothing is read out of bounds."""
    _, X, y = PROBLEMS["outputs"]
    for warm in (y[:, 0], y[:, :2]):
        model = mlcore.MLPRegressor(hidden_layer_sizes=(6,), max_iter=3, warm_start=True).fit(X, y)
        for fit in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match="output columns"):
                fit(X, warm)
        assert model.predict(X).shape == y.shape
    _, X, y = PROBLEMS["labels"]
    model = mlcore.MLPClassifier(hidden_layer_sizes=(6,), max_iter=3).fit(X, y)
    with pytest.raises(ValueError):  # noqa: PT011 - by the classes, or by the outputs
        model.partial_fit(X, y[:, 0])
    model = mlcore.MLPClassifier(hidden_layer_sizes=(6,), max_iter=3, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        model.set_params(hidden_layer_sizes=(7,)).fit(X, y)


def test_a_fitted_model_keeps_its_activation(tmp_path):
    import pickle

    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(6,), max_iter=3, random_state=0, warm_start=True).fit(X, y)
    before = model.predict(X)
    model.set_params(activation="tanh")
    model.save(tmp_path / "m")
    for other in (model, pickle.loads(pickle.dumps(model)), mlcore.load(tmp_path / "m")):
        np.testing.assert_array_equal(other.predict(X), before)
    theirs_ = theirs.MLPRegressor(hidden_layer_sizes=(6,), max_iter=3, random_state=0, warm_start=True).fit(X, y)
    assert_same(model.fit(X, y), theirs_.set_params(activation="tanh").fit(X, y), X)


def test_adam_after_lbfgs():
    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(6,), solver="lbfgs", max_iter=5, warm_start=True).fit(X, y)
    model.set_params(solver="adam").fit(X, y)
    assert len(model.loss_curve_) == 5
