"""Losses by hand and by differences, adversarial ones too."""

import math
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mlcore import reference
from mlcore.reference import LOSSES, numerical_derivative

from .problems import SAMPLE_WEIGHT


def targets_and_predictions(name, n=5, q=3):
    """Points away from kinks: errors of both signs, small and large against the threshold."""
    generator = np.random.default_rng(1)
    if name == "poisson":
        y_true = generator.integers(0, 4, size=(n, q)).astype(float)
        y_true[0, 0] = 0.0
        return y_true, generator.uniform(0.5, 3.0, size=(n, q))
    if name == "binary_cross_entropy":
        return generator.uniform(0, 1, size=(n, q)).round(1), generator.uniform(0.1, 0.9, (n, q))
    if name == "categorical_cross_entropy":
        y_true = np.eye(q)[generator.integers(0, q, size=n)]
        return y_true, generator.uniform(0.1, 0.9, size=(n, q))
    y_true = generator.normal(size=(n, q))
    error = generator.choice([-2.0, -0.4, 0.3, 1.7], size=(n, q))
    return y_true, y_true + error


@pytest.mark.parametrize("sample_weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("epsilon", [0.0, 1e-2])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradient_by_differences(name, reduction, epsilon, sample_weight):
    y_true, y_pred = targets_and_predictions(name)
    options = {"reduction": reduction, "epsilon": epsilon, "sample_weight": sample_weight}
    value, gradient = LOSSES[name]
    numerical = numerical_derivative(lambda p: value(y_true, p, **options), y_pred)
    assert_allclose(gradient(y_true, y_pred, **options), numerical, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("threshold", [0.35, 1.0, 1.9])
def test_huber_threshold(threshold):
    y_true, y_pred = targets_and_predictions("huber")
    value, gradient = LOSSES["huber"]
    numerical = numerical_derivative(lambda p: value(y_true, p, threshold=threshold), y_pred)
    assert_allclose(gradient(y_true, y_pred, threshold=threshold), numerical, atol=1e-8)
    with pytest.raises(TypeError):
        LOSSES["mean_squared_error"].value(y_true, y_pred, threshold=threshold)


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "mean", "total"),
    [
        ("mean_absolute_error", [[1, 2], [3, 4]], [[2, 2], [1, 7]], 1.5, 6.0),
        ("mean_squared_error", [[1, 2], [3, 4]], [[2, 2], [1, 7]], 3.5, 14.0),
        (
            "root_mean_squared_error",
            [[1, 2], [3, 4]],
            [[2, 2], [1, 7]],
            math.sqrt(3.5),
            math.sqrt(14.0),
        ),
        ("huber", [[0, 0]], [[0.5, -3.0]], (0.125 + 2.5) / 2, 0.125 + 2.5),
        ("poisson", [[0, 2]], [[1.5, 1.0]], (0.5 + 2 * math.log(2)) / 2, 0.5 + 2 * math.log(2)),
        (
            "binary_cross_entropy",
            [[1, 0]],
            [[0.5, 0.75]],
            1.5 * math.log(2),
            3 * math.log(2),
        ),
        (
            "categorical_cross_entropy",
            [[0, 1], [1, 0]],
            [[0.5, 0.5], [0.25, 0.75]],
            1.5 * math.log(2),
            3 * math.log(2),
        ),
    ],
)
def test_loss_computed_by_hand(name, y_true, y_pred, mean, total):
    assert LOSSES[name].value(y_true, y_pred) == pytest.approx(mean, rel=1e-14)
    assert LOSSES[name].value(y_true, y_pred, reduction="sum") == pytest.approx(total, rel=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_whole_sample_weight_repeats_the_row(name, reduction):
    y_true, y_pred = targets_and_predictions(name)
    counts = np.array([1, 0, 3, 2, 1])
    value, _ = LOSSES[name]
    weighted = value(y_true, y_pred, reduction=reduction, sample_weight=counts)
    repeated = value(np.repeat(y_true, counts, axis=0), np.repeat(y_pred, counts, axis=0), reduction=reduction)
    assert weighted == pytest.approx(repeated, rel=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_one_dimension_is_one_column(name):
    y_true, y_pred = targets_and_predictions(name, q=1)
    value, gradient = LOSSES[name]
    assert value(y_true[:, 0], y_pred[:, 0]) == value(y_true, y_pred)
    flat = gradient(y_true[:, 0], y_pred[:, 0])
    assert flat.shape == (5,)
    assert_array_equal(flat, gradient(y_true, y_pred)[:, 0])
    assert gradient(y_true[:, 0], y_pred).shape == (5, 1)


def test_mistaken_calls_are_refused():
    value, gradient = LOSSES["mean_squared_error"]
    with pytest.raises(ValueError, match="y_true is"):
        value(np.zeros((3, 1)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="reduction"):
        gradient(np.zeros(3), np.zeros(3), reduction="average")
    with pytest.raises(ValueError, match="sample_weight"):
        value(np.zeros(3), np.zeros(3), sample_weight=np.ones((3, 1)))
    with pytest.raises(ValueError, match="dimensions"):
        value(np.zeros((3, 1, 1)), np.zeros((3, 1, 1)))


def test_gradients_at_the_kinks():
    y = np.array([[1.0, 2.0]])
    for name in ("mean_absolute_error", "root_mean_squared_error"):
        with np.errstate(all="raise"):
            assert_array_equal(LOSSES[name].gradient(y, y), np.zeros((1, 2)))


def test_logarithms_are_kept_from_zero():
    tiny = sys.float_info.min
    with np.errstate(all="raise"):
        for name in ("binary_cross_entropy", "categorical_cross_entropy"):
            value, gradient = LOSSES[name]
            assert value([[1.0]], [[0.0]]) == -math.log(tiny)
            assert gradient([[1.0]], [[0.0]])[0, 0] == pytest.approx(-1 / tiny, rel=1e-12)
            assert value([[1.0]], [[1.0]]) == 0.0
        assert LOSSES["binary_cross_entropy"].value([[0.0]], [[1.0]]) == -math.log(tiny)
        value, gradient = LOSSES["poisson"]
        assert value([[1.0]], [[0.0]]) == -math.log(tiny) - 1.0
        assert value([[0.0]], [[0.0]]) == 0.0
        assert gradient([[0.0]], [[0.0]])[0, 0] == 1.0


def test_epsilon_goes_inside_the_logarithm():
    value = LOSSES["binary_cross_entropy"].value
    assert value([[1.0]], [[0.0]], epsilon=1e-3) == pytest.approx(-math.log(1e-3))
    assert value([[0.0]], [[1.0]], epsilon=1e-3) == pytest.approx(-math.log(1e-3))
    assert LOSSES["poisson"].value([[2.0]], [[1.0]], epsilon=1.0) == pytest.approx(-1.0)
    value = LOSSES["categorical_cross_entropy"].value
    assert value([[1.0, 0.0]], [[0.0, 1.0]], epsilon=1e-3) == pytest.approx(-math.log(1e-3))


D_REAL = np.array([[0.9], [0.6], [0.7]])


D_FAKE = np.array([[0.2], [0.5]])


@pytest.mark.parametrize("function", [reference.gan_discriminator, reference.gan_minimax])
def test_gan_gradients_of_both_players(function):
    _, gradient_real, gradient_fake = function(D_REAL, D_FAKE)
    numerical_real = numerical_derivative(lambda d: function(d, D_FAKE)[0], D_REAL)
    numerical_fake = numerical_derivative(lambda d: function(D_REAL, d)[0], D_FAKE)
    assert_allclose(gradient_real, numerical_real, rtol=1e-6)
    assert_allclose(gradient_fake, numerical_fake, rtol=1e-6)


@pytest.mark.parametrize("saturating", [False, True])
def test_gan_generator_gradient(saturating):
    _, gradient = reference.gan_generator(D_FAKE, saturating)
    numerical = numerical_derivative(lambda d: reference.gan_generator(d, saturating)[0], D_FAKE)
    assert_allclose(gradient, numerical, rtol=1e-6)


def test_gan_values():
    real = (math.log(0.9) + math.log(0.6) + math.log(0.7)) / 3
    fake = (math.log(0.8) + math.log(0.5)) / 2
    assert reference.gan_minimax(D_REAL, D_FAKE)[0] == pytest.approx(real + fake)
    assert reference.gan_discriminator(D_REAL, D_FAKE)[0] == pytest.approx(-real - fake)
    assert reference.gan_generator(D_FAKE, saturating=True)[0] == pytest.approx(fake)
    expected = -(math.log(0.2) + math.log(0.5)) / 2
    assert reference.gan_generator(D_FAKE)[0] == pytest.approx(expected)
    with np.errstate(all="raise"):
        assert math.isfinite(reference.gan_discriminator([0.0], [1.0])[0])
