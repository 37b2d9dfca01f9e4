"""MLPRegressor and MLPClassifier beside scikit-learn's: the same draws, the same trajectory, the same stops."""

import inspect
import pickle
import sys
import threading
import time
import warnings
from contextlib import suppress
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from sklearn import neural_network as theirs
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

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
def test_builtin_losses(loss):
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


def everything(model):
    """All that a model is, to the bit: parameters, weights, moments, counters, generators."""
    return pickle.dumps(vars(model))


BAD_CALLS = {
    "values that overflow": lambda X, y: (X * 1e200, y),
    "NaN": lambda X, y: (np.where(X > 1, np.nan, X), y),
    "other columns": lambda X, y: (X[:, :-1], y),
    "rows that do not match": lambda X, y: (X, y[:-1]),
    "answers of another kind": lambda X, y: (X, np.column_stack([y, y + 0.5])),
}


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(
    ("problem", "bad"),
    [
        (problem, bad)
        for problem in PROBLEMS
        for bad in BAD_CALLS
        # probabilities do not overflow: such a step may end finite, as in scikit-learn
        if PROBLEMS[problem][0] == "MLPRegressor" or bad != "values that overflow"
    ],
)
def test_a_failed_partial_fit_leaves_no_trace(bad, problem, solver):
    """Not in a model that was not fitted, and not in one that was: it goes on as if there had been no such call."""
    name, X, y = PROBLEMS[problem]
    first = {"classes": np.unique(y)} if name == "MLPClassifier" else {}
    options = {"hidden_layer_sizes": (4,), "batch_size": 20, "solver": solver}
    if problem == "poisson":
        options["loss"] = "poisson"
    models = [getattr(mlcore, name)(random_state=np.random.RandomState(5), **options) for _ in range(2)]

    def fail(model):
        before = everything(model)
        with pytest.raises(ValueError):  # noqa: PT011 - any
            model.partial_fit(*BAD_CALLS[bad](X, y), **first)
        assert everything(model) == before

    if bad in ("values that overflow", "NaN", "rows that do not match"):  # the others would do for a first call
        fail(models[0])
        with pytest.raises(NotFittedError):
            models[0].predict(X)
    for call in range(3):
        for model in models:
            model.partial_fit(X, y, **(first if call == 0 else {}))
        fail(models[0])
    assert everything(models[0]) == everything(models[1])


def test_an_interrupted_or_failing_callback_leaves_no_trace():
    from mlcore.neural_network._training import watch

    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=np.random.RandomState(0)).fit(X, y)
    before = everything(model)

    def stop(epoch, loss):
        raise RuntimeError("enough")

    for call in (model.fit, model.partial_fit):
        with pytest.raises(RuntimeError, match="enough"), watch(stop):
            call(X, y)
        assert everything(model) == before


def test_parameters_set_during_a_fit_stay():
    from mlcore.neural_network._training import watch

    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0)
    with watch(lambda epoch, loss: model.set_params(alpha=7.0)):
        model.fit(X, y)
    assert model.alpha == 7.0
    assert model.n_iter_ == 5


def test_partial_fits_go_on_with_their_optimizer():
    """As in scikit-learn, where the first call's solver and its settings stay."""
    name, X, y = PROBLEMS["regression"]
    for first, then in (
        ({"solver": "adam"}, {"solver": "sgd"}),
        ({"solver": "sgd", "momentum": 0}, {"solver": "adam"}),
        ({"solver": "sgd"}, {"momentum": 0.1, "learning_rate_init": 0.5, "nesterovs_momentum": False}),
        ({"solver": "adam"}, {"beta_1": 0.1, "epsilon": 1e-2, "learning_rate_init": 0.5}),
    ):
        options = {"hidden_layer_sizes": (6,), "random_state": 1, "batch_size": 20, **first}
        ours, other = getattr(mlcore, name)(**options), getattr(theirs, name)(**options)
        for model in (ours, other):
            model.partial_fit(X, y).set_params(**then)
            model.partial_fit(X, y).partial_fit(X, y)
        assert_same(ours, other, X)


def test_lbfgs_that_begins_at_the_minimum():
    _, X, y = PROBLEMS["regression"]
    options = {"hidden_layer_sizes": (3,), "solver": "lbfgs", "max_iter": 2000, "random_state": 0, "warm_start": True}
    for ours in (mlcore.MLPRegressor(**options), theirs.MLPRegressor(**options)):
        assert ours.fit(X, y).n_iter_ > 0
        assert ours.set_params(tol=1e30).fit(X, y).n_iter_ == 0


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"], [False, True]], ids=str)
def test_rows_are_set_aside_by_class(labels):
    X = PROBLEMS["binary"][1][:60]
    rare = np.array(labels)[(np.arange(60) == 0).astype(int)]
    told = []
    for library in (mlcore, theirs):
        with pytest.raises(ValueError, match="least populated") as caught:
            library.MLPClassifier(early_stopping=True).fit(X, rare)
        told.append(str(caught.value))
    assert told[0] == told[1]
    y = np.array(labels)[(np.arange(60) % 3 == 0).astype(int)]
    options = {"hidden_layer_sizes": (4,), "early_stopping": True, "max_iter": 9, "random_state": 0}
    assert_same_classes(mlcore.MLPClassifier(**options).fit(X, y), theirs.MLPClassifier(**options).fit(X, y), X)
    for fraction in (0, 0.01, 0.999):
        with pytest.raises(ValueError):  # noqa: PT011 - whoever says it
            mlcore.MLPClassifier(early_stopping=True, validation_fraction=fraction).fit(X, y)


def assert_same_classes(ours, other, X):
    np.testing.assert_allclose(ours.predict_proba(X), other.predict_proba(X), rtol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), other.predict(X))
    np.testing.assert_allclose(ours.validation_scores_, other.validation_scores_)


def test_warm_starts_with_early_stopping_keep_the_best_weights():
    """Those of the best score so far, whichever call had it; scikit-learn moves them under way."""
    _, X, y = PROBLEMS["binary"]
    for rate in (0.05, 5.0):
        model = mlcore.MLPClassifier(
            (5,), early_stopping=True, warm_start=True, random_state=0, max_iter=8, learning_rate_init=rate
        )
        held = train_test_split(X, y, random_state=after_initial(model, X), test_size=0.1, stratify=y)
        for call in range(4):
            model.fit(X, y)
            if call == 0:  # later calls draw no initial weights first, and so split otherwise
                assert model.score(held[1], held[3]) == max(model.validation_scores_)
            assert model.best_validation_score_ == max(model.validation_scores_)
        best = [c.copy() for c in model.coefs_]
        model.best_validation_score_ = 2.0
        model.fit(X, y)
        for kept, was in zip(model.coefs_, best, strict=True):
            np.testing.assert_array_equal(kept, was)


def after_initial(model, X):
    """The generator of a first fit when it comes to split the rows."""
    random_state = np.random.RandomState(model.random_state)
    random_state.uniform(size=X.shape[1] * 5 + 5 + 5 + 1)
    return random_state


def test_early_stopping_turned_on_and_off():
    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, warm_start=True, random_state=0).fit(X, y)
    model.set_params(early_stopping=True).fit(X, y)
    assert [len(model.loss_curve_), len(model.validation_scores_)] == [6, 3]
    model.set_params(early_stopping=False).fit(X, y)
    assert len(model.loss_curve_) == 9
    model.set_params(warm_start=False).partial_fit(X, y)
    assert np.isfinite(model.best_loss_)


def test_weights_that_are_not_finite_answer_nothing():
    for problem in PROBLEMS:
        name, X, y = PROBLEMS[problem]
        model = getattr(mlcore, name)(hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X, y)
        model.coefs_[0][1, 1] = np.nan
        with pytest.raises(NotFittedError, match="not finite"):
            model.predict(X)
        model.fit(X, y).predict(X)


def test_coefficients_that_do_not_fit_are_refused():
    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(hidden_layer_sizes=(4, 4), max_iter=3, random_state=0).fit(X, y)
    before = model.predict(X)
    whole = model.coefs_
    for coefs in (
        [whole[1], whole[1], whole[2]],
        [whole[0], whole[1][:1], whole[2]],
        [c.astype(int) for c in whole[:2]],
    ):
        model.coefs_ = coefs
        with pytest.raises(ValueError):  # noqa: PT011 - shapes, or numbers of layers
            model.predict(X)
    model.coefs_ = [c.astype(np.longdouble) for c in whole]
    np.testing.assert_array_equal(model.predict(X), before)
    model.coefs_ = [c.astype(np.float16) for c in whole]
    np.testing.assert_allclose(model.predict(X), before, atol=0.1)
    model.coefs_ = whole
    model.n_features_in_ = 2
    with pytest.raises(ValueError, match="2 columns"):
        model.predict(X[:, :2])


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_fit_that_diverges_at_once_is_refused(problem, dtype, early_stopping):
    name, X, y = PROBLEMS[problem]
    y = y.astype(dtype) if name == "MLPRegressor" else y
    options = {"loss": "poisson"} if problem == "poisson" else {}
    model = getattr(mlcore, name)(
        hidden_layer_sizes=(5,), activation="identity", solver="sgd", early_stopping=early_stopping, batch_size=8,
        random_state=0, **options,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match="diverged"), pytest.raises(ValueError, match="non-finite|No epoch"):
        model.fit((X * (1e30 if dtype == "float32" else 1e300)).astype(dtype), y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_loss_beyond_all_reason_is_no_convergence():
    """A loss that grows from epoch to epoch does not improve either: the fit ends, and says how."""
    _, X, y = PROBLEMS["regression"]
    for rate in (1.0, 10.0):
        model = mlcore.MLPRegressor(
            hidden_layer_sizes=(3,), activation="tanh", solver="sgd", learning_rate_init=rate, random_state=0
        )
        with pytest.warns(ConvergenceWarning, match="diverged: it ended at a loss of") as caught:
            model.fit(X, y)
        assert len(caught) == 1
        assert model.loss_ > 1e4 * np.var(y)
    # answers that are large by themselves are none
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mlcore.MLPRegressor(hidden_layer_sizes=(3,), tol=1e300, random_state=0).fit(X, y * 1e6)
        mlcore.MLPRegressor(hidden_layer_sizes=(3,), tol=1e300, random_state=0).fit(X, np.zeros(len(y)))


@pytest.mark.parametrize(
    ("options", "scale", "category"),
    [
        ({}, 1, ConvergenceWarning),
        ({"early_stopping": True}, 1, ConvergenceWarning),
        ({"solver": "lbfgs"}, 1, ConvergenceWarning),
        ({"solver": "sgd"}, 1e200, ConvergenceWarning),
        ({"batch_size": 1000, "tol": 1e9, "n_iter_no_change": 1}, 1, UserWarning),
    ],
    ids=str,
)
def test_one_warning_at_the_users_line(options, scale, category):
    _, X, y = PROBLEMS["regression"]
    model = mlcore.MLPRegressor(**{"hidden_layer_sizes": (3,), "max_iter": 3, **options})
    # whatever stands between, the line is the user's
    calls = [model.fit, model.partial_fit] if options.get("batch_size") else [model.fit]
    for call in [*calls, make_pipeline(model).fit]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                line = inspect.currentframe().f_lineno + 1
                call(X * scale, y)
            except ValueError:
                assert scale > 1
        assert [warning.category for warning in caught] == [category]
        assert (caught[0].filename, caught[0].lineno) == (__file__, line)


class TestThreadsThatShareAModel:
    """Each thread meets a whole model: the one before, or the one after another thread's fit."""

    SECONDS = 0.4

    def together(self, *loops):
        """Each loop in a thread of its own, again and again, three times at least; raises what one of them raised."""
        end = time.monotonic() + self.SECONDS
        rounds, errors = [0] * len(loops), []

        def run(number, body):
            try:
                while not errors and (time.monotonic() < end or min(rounds) < 3):
                    body()
                    rounds[number] += 1
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=pair) for pair in enumerate(loops)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        if errors:
            raise errors[0]

    def test_predict_while_others_refit(self):
        _, X, _ = PROBLEMS["classes"]
        targets = [np.arange(120) % 2, np.arange(120) % 7 + 100]
        sizes = [(3,), (70, 40)]
        known = set()
        for hidden in sizes:
            for y in targets:
                fitted = mlcore.MLPClassifier(hidden, max_iter=2, random_state=0).fit(X, y)
                known.add((fitted.predict_proba(X).tobytes(), fitted.predict(X).tobytes()))
        model = mlcore.MLPClassifier((3,), max_iter=2, random_state=0).fit(X, targets[0])
        probabilities, answers = zip(*known, strict=True)

        def refit(hidden, y):
            model.set_params(hidden_layer_sizes=hidden)
            model.fit(X, y)

        def predict():
            assert model.predict_proba(X).tobytes() in probabilities
            assert model.predict(X).tobytes() in answers

        self.together(
            lambda: refit(sizes[0], targets[0]), lambda: refit(sizes[1], targets[1]), predict, predict,
        )  # fmt: skip

    def test_predict_while_the_inputs_change(self):
        _, X, y = PROBLEMS["regression"]
        wide = np.hstack([X] * 40)
        model = mlcore.MLPRegressor(hidden_layer_sizes=(8,), max_iter=1, random_state=0)
        known = {model.fit(rows, y).predict(rows).tobytes() for rows in (X, wide)}

        def predict(rows):
            with suppress(ValueError):  # of the other width
                assert model.predict(rows).tobytes() in known

        self.together(lambda: model.fit(X, y), lambda: model.fit(wide, y), lambda: predict(X), lambda: predict(wide))

    def test_two_that_go_on(self):
        """Each call continues from one whole model, whoever left it: weights and moments of one size, all finite."""
        _, X, y = PROBLEMS["outputs"]
        model = mlcore.MLPRegressor(hidden_layer_sizes=(5,), max_iter=2, warm_start=True, random_state=0).fit(X, y)

        def refit():
            hidden = (60,) if model.coefs_[0].shape[1] == 5 else (5,)
            model.set_params(warm_start=False, hidden_layer_sizes=hidden).fit(X, y)

        def go_on():
            with suppress(ValueError):  # weights of other layers than those that were just set
                model.partial_fit(X, y)

        def ask():
            assert np.isfinite(model.predict(X)).all()
            pickle.loads(pickle.dumps(model)).predict(X)

        self.together(refit, go_on, go_on, ask)

    def test_two_fits_of_one_network(self):
        _, X, y = PROBLEMS["outputs"]
        net = mlcore.Network((5, 30, 3), random_state=0)
        self.together(
            lambda: net.fit(X, y, epochs=2, batch_size=16, optimizer="adam"),
            lambda: net.fit(X, y, epochs=1, batch_size=64, gradient="numerical"),
            lambda: np.isfinite(net.forward(X)).all() or pytest.fail("not finite"),
        )
        assert np.isfinite(net.flat).all()


STATE = (
    "n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "feature_names_in_", "out_activation_", "classes_",
    "loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "coefs_", "intercepts_",
)  # fmt: skip
NAMED = pd.DataFrame(REGRESSION[0], columns=list("abcde"))
GO_ON = {"hidden_layer_sizes": (5,), "max_iter": 6, "random_state": 1}
CONVERGE = {**GO_ON, "max_iter": 60, "tol": 1e-2, "n_iter_no_change": 2, "learning_rate_init": 0.01}


def regressor(library, *calls, **options):
    return run_through(library.MLPRegressor(**{**GO_ON, **options}), calls)


def classifier(library, *calls, **options):
    return run_through(library.MLPClassifier(**{**GO_ON, **options}), calls)


def run_through(model, calls):
    """What each call ends with, and the state that it leaves if it does not raise."""
    told = []
    for call in calls:
        try:
            call(model)
        except ValueError as error:
            told.append(str(error))
        else:
            told.append(deepcopy({name: getattr(model, name) for name in STATE if hasattr(model, name)}))
    return told


def fit(X, y, **more):
    return lambda model: model.fit(X, y, **more)


def go_on(X, y, **more):
    return lambda model: model.partial_fit(X, y, **more)


RX, RY = REGRESSION
CX, CY = CLASSES
BX, BY = BINARY
RARE = (np.arange(len(BY)) == 0).astype(int)
AS_SCIKIT_LEARN = {
    "warm starts": lambda L: regressor(L, *[fit(RX, RY)] * 4, warm_start=True),
    "warm starts of what converged": lambda L: regressor(L, *[fit(RX, RY)] * 4, **CONVERGE, warm_start=True),
    "warm starts by sgd": lambda L: regressor(
        L, *[fit(RX, RY)] * 3, **CONVERGE, warm_start=True, solver="sgd", learning_rate="adaptive"
    ),
    "many partial fits": lambda L: regressor(L, *[go_on(RX, RY)] * 9, **CONVERGE),
    "partial fits by sgd": lambda L: regressor(
        L, *[go_on(RX, RY)] * 9, **CONVERGE, solver="sgd", learning_rate="adaptive"
    ),
    "partial fits by inverse scaling": lambda L: regressor(
        L, *[go_on(RX, RY)] * 5, solver="sgd", learning_rate="invscaling"
    ),
    "partial fits after a fit": lambda L: regressor(L, fit(RX, RY), *[go_on(RX, RY)] * 3),
    "a fit after a partial fit": lambda L: regressor(L, go_on(RX, RY), fit(RX, RY)),
    "names, then none": lambda L: regressor(L, fit(NAMED, RY), fit(RX, RY), fit(NAMED, RY)),
    "one row": lambda L: regressor(L, fit(RX[:1], RY[:1]), go_on(RX[:1], RY[:1])),
    "a column of answers": lambda L: regressor(L, fit(RX, RY.reshape(-1, 1))),
    "batches larger than the data": lambda L: regressor(L, fit(RX, RY), batch_size=200),
    "batches larger than what is left": lambda L: regressor(L, fit(RX, RY), batch_size=90, early_stopping=True),
    "never enough": lambda L: regressor(L, fit(RX, RY), n_iter_no_change=np.inf, tol=1.0),
    "one epoch": lambda L: regressor(L, fit(RX, RY), max_iter=1),
    "one iteration": lambda L: regressor(L, fit(RX, RY), max_iter=1, solver="lbfgs"),
    "three calls": lambda L: regressor(L, fit(RX, RY), max_fun=3, solver="lbfgs"),
    "lbfgs and early_stopping": lambda L: classifier(L, fit(BX, BY), early_stopping=True, solver="lbfgs"),
    "a set aside that is too small": lambda L: regressor(L, fit(RX[:6], RY[:6]), early_stopping=True),
    "nothing set aside": lambda L: regressor(L, fit(RX[:1], RY[:1]), early_stopping=True),
    "a rare class": lambda L: classifier(L, fit(BX, RARE), early_stopping=True),
    "a rare class of several": lambda L: classifier(L, fit(CX, CY * (np.arange(120) % 40 == 0)), early_stopping=True),
    "labels set aside": lambda L: classifier(L, fit(*LABELS), early_stopping=True),
    "one label": lambda L: classifier(L, fit(LABELS[0], LABELS[1][:, :1]), early_stopping=True),
    "text set aside": lambda L: classifier(L, fit(BX, np.array(["no", "yes"])[BY]), early_stopping=True),
    "one class": lambda L: classifier(L, fit(BX, BY * 0)),
    "classes at the first call": lambda L: classifier(L, go_on(CX, CY)),
    "few classes first": lambda L: classifier(
        L, go_on(CX[CY < 2], CY[CY < 2], classes=[0, 1, 2, 3]), go_on(CX, CY), go_on(CX, CY, classes=[3, 2, 1, 0])
    ),
    "other classes": lambda L: classifier(
        L, fit(CX, CY), go_on(CX, CY + 1), go_on(CX, CY, classes=[0, 1, 2]), go_on(CX, CY)
    ),
    "other classes for a warm start": lambda L: classifier(L, fit(CX, CY), fit(CX, CY + 1), warm_start=True),
    "few classes for a warm start": lambda L: classifier(
        L, fit(CX, CY), go_on(CX[CY < 2], CY[CY < 2]), warm_start=True
    ),
    "classes in another order": lambda L: classifier(
        L, go_on(CX, np.array(list("abcd"))[CY], classes=list("dbca")), go_on(CX, np.array(list("abcd"))[CY])
    ),
    "truth values": lambda L: classifier(L, go_on(BX, BY > 0, classes=[False, True]), go_on(BX, BY > 0)),
    "labels call by call": lambda L: classifier(L, go_on(*LABELS, classes=[0, 1, 2]), go_on(*LABELS)),
    "numbers for classes": lambda L: classifier(L, fit(BX, BX[:, 0]), fit(BX, BY), go_on(BX, BX[:, 0])),
    "other columns": lambda L: regressor(L, go_on(RX, RY), go_on(RX[:, 1:], RY), go_on(np.hstack([RX, RX]), RY)),
    "columns in another order": lambda L: regressor(L, go_on(NAMED, RY), go_on(NAMED[list("bacde")], RY)),
    "NaN and infinity": lambda L: regressor(
        L, go_on(RX, RY), go_on(np.where(RX > 2, np.nan, RX), RY), go_on(RX, np.where(RY > 2, np.inf, RY))
    ),
    "weights": lambda L: regressor(
        L, *[fit(RX, RY, sample_weight=w) for w in (2.0, np.ones(96), np.full(97, np.nan), np.zeros(97))]
    ),
    "no rows": lambda L: regressor(L, fit(RX[:0], RY[:0])),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", AS_SCIKIT_LEARN)
def test_as_scikit_learn(case):
    """Outcomes, errors and every attribute; what is different on purpose is in docs/differences.md."""
    ours, others = (AS_SCIKIT_LEARN[case](library) for library in (mlcore, theirs))
    assert len(ours) == len(others)
    for our, other in zip(ours, others, strict=True):
        if isinstance(other, str) or isinstance(our, str):
            assert our == other
            continue
        assert our.keys() == other.keys()
        for name, wanted in other.items():
            if name in ("coefs_", "intercepts_"):
                for a, b in zip(our[name], wanted, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8, err_msg=name)
            elif name in ("classes_", "feature_names_in_", "out_activation_") or wanted is None:
                np.testing.assert_array_equal(our[name], wanted, err_msg=name)
            else:
                np.testing.assert_allclose(our[name], wanted, rtol=1e-6, err_msg=name)
