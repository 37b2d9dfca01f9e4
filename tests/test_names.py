"""Names of losses, activations, optimizers and the like: as types, in `help`, and in the errors for wrong ones."""

import pydoc
from typing import get_args, get_type_hints

import numpy as np
import pytest

import mlcore
from mlcore import activations, losses, names, optimizers
from mlcore.neural_network import _network as network
from mlcore.neural_network import _perceptron as neural_network

X = np.random.default_rng(0).normal(size=(12, 2))
NUMBERS, CLASSES = X[:, 0], np.arange(12) % 3


def test_the_types_list_what_there_is():
    assert get_args(names.LossName) == tuple(losses.LOSSES)
    assert get_args(names.ActivationName) == (*activations.ACTIVATIONS, *activations._ALIASES)
    assert get_args(names.OptimizerName) == tuple(optimizers.RULES)
    assert get_args(names.ScheduleName) == tuple(network._SCHEDULES)
    assert get_args(names.EstimatorScheduleName) == tuple(neural_network._SCHEDULES)
    for function, name, wanted in (
        (mlcore.Network.fit, "optimizer", names.OptimizerName),
        (mlcore.Network.fit, "schedule", names.ScheduleName),
        (mlcore.Network.fit, "gradient", names.GradientName),
        (mlcore.MLPRegressor.__init__, "solver", names.SolverName),
        (mlcore.MLPClassifier.__init__, "solver", names.SolverName),
        (mlcore.MLPClassifier.__init__, "learning_rate", names.EstimatorScheduleName),
    ):
        assert get_type_hints(function)[name] == wanted
    for estimator, choices in (
        (mlcore.LinearRegression, names.LinearSolverName),
        (mlcore.Ridge, names.RidgeSolverName),
        (mlcore.LogisticRegression, names.LogisticSolverName),
    ):
        assert get_type_hints(estimator.__init__)["solver"] == choices
        with pytest.raises(ValueError, match="must be one of") as caught:
            estimator(solver="Auto").fit(X, CLASSES)
        assert str(caught.value).endswith(f"one of {', '.join(map(repr, get_args(choices)))}. Did you mean 'auto'?")
    for owner in (mlcore.MLPRegressor, mlcore.MLPClassifier, mlcore.Network):
        hints = get_type_hints(owner.__init__)
        assert set(get_args(names.LossName)) <= {name for part in get_args(hints["loss"]) for name in get_args(part)}
    for name in get_args(names.ActivationName):
        activations.get_activation(name)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("mse", "mean_squared_error"),
        ("nn.MSELoss", "mean_squared_error"),
        ("MeanSquaredError", "mean_squared_error"),
        ("squared_error", "mean_squared_error"),
        ("mae", "mean_absolute_error"),
        ("L1Loss", "mean_absolute_error"),
        ("RMSE", "root_mean_squared_error"),
        ("SmoothL1Loss", "huber"),
        ("PoissonNLLLoss", "poisson"),
        ("bce", "binary_cross_entropy"),
        ("binary_crossentropy", "binary_cross_entropy"),
        ("cce", "categorical_cross_entropy"),
        ("sparse_categorical_crossentropy", "categorical_cross_entropy"),
        ("log_loss", "binary_cross_entropy' or 'categorical_cross_entropy"),
        ("cross_entropy", "binary_cross_entropy' or 'categorical_cross_entropy"),
        ("mean_square_error", "mean_squared_error"),
        ("hinge", None),
        ("something else", None),
        (3, None),
    ],
)
def test_losses_by_other_names(given, wanted):
    with pytest.raises(ValueError, match="loss is .*must be one of 'mean_absolute_error'") as caught:
        mlcore.Network((2, 1), loss=given)
    assert_suggested(caught, wanted)


def assert_suggested(caught, wanted):
    told = str(caught.value).partition("Did you mean ")[2]
    assert told == ("" if wanted is None else f"'{wanted}'?")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Tanh", "tanh"), ("ReLU", "relu"), ("rleu", "relu"), ("leaky-relu", "leaky_relu"), ("LeakyReLU", "leaky_relu"),
        ("SiLU", "silu"), ("none", "identity"), ("exp", "exponential"), ("logit", "sigmoid"), ("selu", None),
        ("mish", None), ("zzz", None),
    ],
)  # fmt: skip
def test_activations_by_other_names(given, wanted):
    for make in (
        lambda: mlcore.Network((2, 3, 1), given),
        lambda: mlcore.Network((2, 3, 1), (given, "identity")),
        lambda: mlcore.MLPRegressor(hidden_layer_sizes=(3,), activation=given).fit(X, NUMBERS),
        lambda: mlcore.MLPClassifier((3,), activation=[given]).fit(X, CLASSES),
    ):
        with pytest.raises(ValueError, match="activation is .*must be one of 'identity', 'relu'") as caught:
            make()
        assert_suggested(caught, wanted)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"optimizer": "Adam"}, "adam"),
        ({"optimizer": "nag"}, "nesterov' or 'sgd"),
        ({"optimizer": "rmsprop"}, None),
        ({"optimizer": "lbfgs"}, None),
        ({"schedule": "invscaling"}, "inverse_scaling"),
        ({"schedule": "cosine_annealing"}, "cosine"),
        ({"gradient": "backpropagation"}, "backprop"),
        ({"gradient": "numeric"}, "numerical"),
        ({"update": "sequentiel"}, "sequential"),
    ],
)
def test_arguments_of_fit_by_other_names(options, wanted):
    with pytest.raises(ValueError, match="must be one of") as caught:
        mlcore.Network((2, 1)).fit(X, NUMBERS, **options)
    assert_suggested(caught, wanted)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"solver": "L-BFGS"}, "lbfgs"),
        ({"solver": "SGD"}, "sgd"),
        ({"solver": "nesterov"}, "sgd"),
        ({"solver": None}, None),
        ({"solver": ["adam"]}, None),
        ({"learning_rate": "inverse_scaling"}, "invscaling"),
        ({"gradient": "finite-differences"}, "numerical"),
        ({"loss": "mean squared error"}, "mean_squared_error"),
        ({"loss": "bce"}, "binary_cross_entropy"),
    ],
)
def test_parameters_by_other_names(options, wanted):
    for model in (mlcore.MLPRegressor(**options), mlcore.MLPClassifier(**options)):
        for fit in (model.fit, lambda X, y, model=model: model.partial_fit(X, y, **more(model))):
            with pytest.raises(ValueError, match="must be one of") as caught:
                fit(X, CLASSES)
            assert_suggested(caught, wanted)


def more(model):
    return {"classes": [0, 1, 2]} if isinstance(model, mlcore.MLPClassifier) else {}


def test_estimators_know_scikit_learns_losses_first():
    with pytest.raises(ValueError, match="Did you mean 'squared_error' or 'mean_squared_error'"):
        mlcore.MLPRegressor("mse").fit(X, NUMBERS)
    with pytest.raises(ValueError, match="Did you mean 'log_loss', 'binary_cross_entropy' or 'categorical_cross"):
        mlcore.MLPClassifier(loss="cross_entropy").fit(X, CLASSES)


def test_every_name_that_is_suggested_is_one():
    here = {*losses.LOSSES, *activations.ACTIVATIONS, *optimizers.RULES, *network._SCHEDULES}
    here |= {*neural_network._SCHEDULES, "squared_error", "log_loss", "lbfgs", "gradient_descent"}
    here |= {*get_args(names.GradientName), *get_args(names.UpdateName)}
    for given, meant in names._MEANT.items():
        assert given == names._plain(given)
        assert set(meant) <= here, given


def test_help_of_each_loss_is_its_own():
    pages = {name: pydoc.render_doc(loss, renderer=pydoc.plaintext) for name, loss in losses.LOSSES.items()}
    assert len(set(pages.values())) == len(pages)
    for name, page in pages.items():
        loss = losses.LOSSES[name]
        for part in (loss.formula, loss.derivative, f"{name}(y_true, y_pred", loss.output_activation):
            assert part in page, (name, part)
    assert "reduction='sum'" in losses.huber.with_options(reduction="sum").__doc__
    assert "Attributes" in losses.Loss.__doc__


@pytest.mark.parametrize("labels", [CLASSES, CLASSES.tolist(), CLASSES[:, None], CLASSES.astype(float)], ids=str)
def test_labels_are_sent_to_to_categorical(labels):
    net = mlcore.Network((2, 5, 3), loss="categorical_cross_entropy", random_state=0)
    for call in (net.fit, net.loss_value, net.loss_and_gradient, net.numerical_gradient):
        with pytest.raises(ValueError, match=r"mlcore\.to_categorical\(labels, 3\)"):
            call(X, labels)
    net.fit(X, mlcore.to_categorical(labels, 3))
    with pytest.raises(ValueError, match=r"mlcore\.to_categorical\(labels, 3\)"):
        losses.categorical_cross_entropy(labels, np.full((12, 3), 1 / 3))


def test_labels_that_to_categorical_would_not_take():
    net = mlcore.Network((2, 5, 3), loss="categorical_cross_entropy", random_state=0)
    for n in (3, 1):  # as many rows as outputs: no row of targets
        with pytest.raises(ValueError, match=r"mlcore\.to_categorical\(labels, 3\)"):
            net.fit(X[:n], CLASSES[:n])
    with pytest.raises(ValueError, match="from 0 to 2"):
        net.fit(X, CLASSES + 1)
    with pytest.raises(ValueError, match=r"unique.*to_categorical"):
        net.fit(X, np.array(["a", "b", "c"])[CLASSES])
    for T in (NUMBERS, CLASSES[:7], np.ones((12, 2))):
        with pytest.raises(ValueError, match="wanted|rows") as caught:
            net.fit(X, T)
        assert "to_categorical" not in str(caught.value)
    with pytest.raises(ValueError, match=r"between 0 and 1; write labels.*to_categorical"):
        mlcore.Network((2, 1), loss="binary_cross_entropy").fit(X, CLASSES)
    with pytest.raises(ValueError, match="between 0 and 1; pass raw scores"):
        losses.binary_cross_entropy([0.0, 1.0], [-1.0, 2.0])


@pytest.mark.parametrize("warm_up", [1, 4, 30])
def test_warm_up_as_documented(warm_up):
    """Far from its target |p - t| has the slope 1: each step is as long as the rate."""
    one, far, rate = np.ones((1, 1)), np.full((1, 1), 1e3), 0.5
    steps = 20
    k = np.arange(1, steps + 1)
    for cosine in (False, True):
        t = np.clip((k - 1 - warm_up) / max(1, steps - warm_up), 0, 1)
        after = rate * (1 + np.cos(np.pi * t)) / 2 if cosine else np.full(steps, rate)
        wanted = np.cumsum(np.where(k <= warm_up, rate * k / (warm_up + 1), after))[-1]
        net = mlcore.Network((1, 1), "identity", "mean_absolute_error", random_state=0)
        before = net.biases[0].copy()
        schedule = "cosine" if cosine else "constant"
        net.fit(one, far, epochs=steps, learning_rate=rate, warm_up=warm_up, schedule=schedule)
        np.testing.assert_allclose(net.biases[0] - before, wanted, rtol=1e-12)
        model = mlcore.MLPRegressor(
            "mean_absolute_error", (), solver="sgd", momentum=0, alpha=0, learning_rate_init=rate, warm_up=warm_up,
            learning_rate=schedule, max_iter=steps, n_iter_no_change=99, random_state=0,
        )  # fmt: skip
        with pytest.warns(match="Maximum iterations"):
            model.fit(one, far.ravel())
        first = net.__class__((1, 1), "identity", random_state=0)
        np.testing.assert_allclose(model.intercepts_[0] - first.biases[0], wanted, rtol=1e-12)
