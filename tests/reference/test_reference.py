"""The reference formulas against known digits, hand computations and numerical differences."""

from __future__ import annotations

import ast
import inspect
import itertools
import math
import sys
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mlcore import reference
from mlcore.reference import ACTIVATIONS, LOSSES, UPDATES, numerical_derivative

# --------------------------------------------------------------------------------------------
# The package itself
# --------------------------------------------------------------------------------------------


def test_imports_only_numpy_and_the_standard_library():
    imported = set()
    for file in Path(reference.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, f"{file.name} imports from outside the package"
    assert "numpy" in imported
    assert imported - {"numpy"} <= sys.stdlib_module_names


def test_every_public_function_is_documented():
    functions = [name for name in reference.__all__ if inspect.isfunction(getattr(reference, name))]
    assert len(functions) > 50
    for name in functions:
        assert getattr(reference, name).__doc__, name


# --------------------------------------------------------------------------------------------
# The numerical derivative
# --------------------------------------------------------------------------------------------


def two_variables(v):
    x, y = v[0], v[1]
    return 2 * x + 3 * x * y + np.power(y, 3)


def four_variables(v):
    w, x, y, z = v[0, 0], v[0, 1], v[1, 0], v[1, 1]
    return w * x + x * y * z + 3 * w + z * np.power(y, 2)


def test_derivative_of_one_variable_digit_for_digit():
    derivative = numerical_derivative(lambda x: x**2, 3.0)
    assert type(derivative) is float
    assert derivative == 6.000000000012662


def test_derivative_of_two_variables_digit_for_digit():
    derivative = numerical_derivative(two_variables, np.array([1.0, 2.0]))
    assert derivative.tolist() == [7.999999999990237, 15.000000010019221]


def test_derivative_of_four_variables_digit_for_digit():
    derivative = numerical_derivative(four_variables, np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert derivative.tolist() == [
        [5.000000000023874, 13.00000000000523],
        [32.00000000006753, 15.000000000000568],
    ]


def test_integers_are_differentiated_as_floats():
    assert numerical_derivative(lambda x: x**2, 3) == 6.000000000012662
    x = np.array([[1, 2], [3, 4]])
    derivative = numerical_derivative(four_variables, x)
    assert derivative.dtype == np.float64
    assert_array_equal(derivative, numerical_derivative(four_variables, x.astype(float)))
    assert_array_equal(x, [[1, 2], [3, 4]])
    assert numerical_derivative(two_variables, [1, 2]).tolist() == [
        7.999999999990237,
        15.000000010019221,
    ]


@pytest.mark.parametrize("order", ["C", "F"])
def test_shape_is_kept(order):
    x = np.asarray(np.arange(24.0).reshape(2, 3, 4), order=order)
    derivative = numerical_derivative(lambda v: np.sum(v**2), x)
    assert derivative.shape == (2, 3, 4)
    assert_allclose(derivative, 2 * x, atol=1e-6)
    point = np.array(3.0)
    derivative = numerical_derivative(lambda v: v**2, point)
    assert isinstance(derivative, np.ndarray)
    assert derivative.shape == ()


def test_a_function_that_returns_its_argument():
    assert_allclose(numerical_derivative(lambda v: v, np.array(2.0)), 1.0)
    assert_allclose(numerical_derivative(lambda v: v.reshape(()), np.array([2.0])), [1.0])


def test_every_element_is_restored_before_the_next_moves():
    points = []

    def keeps(v):
        points.append(v.copy())
        return 0.0

    numerical_derivative(keeps, np.array([1.0, 2.0]), 0.5)
    assert_array_equal(points, [[1.5, 2.0], [0.5, 2.0], [1.0, 2.5], [1.0, 1.5]])


@pytest.mark.parametrize("x", [0.5, 1.0, 2.0, 3.5])
@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (lambda x: 7.0, lambda x: 0.0),
        (lambda x: 4 * x, lambda x: 4.0),
        (lambda x: 3 * x**2, lambda x: 6 * x),
        (lambda x: 2 * x**5, lambda x: 10 * x**4),
        (lambda x: 5 * x**-2, lambda x: -10 * x**-3),
        (np.exp, np.exp),
        (np.log, lambda x: 1 / x),
        (lambda x: np.exp(-x), lambda x: -np.exp(-x)),
        (lambda x: 3 * x**2 + np.exp(x) + 7, lambda x: 6 * x + np.exp(x)),
        (lambda x: np.log(x) + 1 / x, lambda x: 1 / x - 1 / x**2),
    ],
)
def test_rules_of_differentiation(f, derivative, x):
    # The error is f''' delta^2 / 6; the third derivatives here stay below 4000.
    assert_allclose(numerical_derivative(f, x), derivative(x), rtol=0, atol=7e-6)


def test_the_error_falls_with_the_square_of_delta():
    def error(delta):
        return abs(numerical_derivative(np.exp, 1.0, delta) - math.e)

    assert_allclose(error(1e-2) / error(1e-3), 100, rtol=1e-2)


@pytest.mark.parametrize(("x", "y"), [(1.0, 2.0), (-1.0, 0.5), (0.0, 0.0), (3.0, -2.0)])
def test_partial_derivatives(x, y):
    derivative = numerical_derivative(two_variables, np.array([x, y]))
    assert_allclose(derivative, [2 + 3 * y, 3 * x + 3 * y**2], rtol=0, atol=1e-7)


# --------------------------------------------------------------------------------------------
# Activations
# --------------------------------------------------------------------------------------------

AWAY_FROM_KINKS = np.array([-6.0, -2.5, -1.0, -0.3, -0.01, 0.01, 0.4, 1.0, 2.5, 6.0])


def test_names_of_the_activations():
    assert set(ACTIVATIONS) == {
        "identity",
        "relu",
        "leaky_relu",
        "elu",
        "gelu",
        "silu",
        "tanh",
        "sigmoid",
        "softplus",
        "exponential",
    }


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_derivative_by_differences(name):
    value, derivative = ACTIVATIONS[name]
    numerical = [numerical_derivative(value, float(z)) for z in AWAY_FROM_KINKS]
    assert_allclose(derivative(AWAY_FROM_KINKS), numerical, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_keeps_the_shape_and_the_argument(name):
    z = np.array([[-1.0, 0.0, 2.0], [3.0, -4.0, 0.5]])
    before = z.copy()
    for function in ACTIVATIONS[name]:
        result = function(z)
        assert result.shape == z.shape
        assert result.dtype == np.float64
        assert not np.shares_memory(result, z)
        assert_array_equal(z, before)
        assert_array_equal(function(np.array([[1, 2]])), function(np.array([[1.0, 2.0]])))


@pytest.mark.parametrize(
    ("name", "z", "value", "derivative"),
    [
        ("identity", -2.5, -2.5, 1.0),
        ("relu", 0.0, 0.0, 0.0),
        ("relu", -3.0, 0.0, 0.0),
        ("relu", 3.0, 3.0, 1.0),
        ("leaky_relu", 0.0, 0.0, 0.01),
        ("leaky_relu", -3.0, -0.03, 0.01),
        ("elu", 0.0, 0.0, 1.0),
        ("elu", -1.0, -0.6321205588285577, 0.36787944117144233),
        ("elu", -1e-12, -1e-12 + 5e-25, 1.0 - 1e-12),
        ("gelu", 1.0, 0.8413447460685429, 1.083315470587686),
        ("gelu", -10.0, -7.619853024160527e-23, 7.619853024160527e-24 - 7.694598626706419e-22),
        ("silu", 1.0, 0.7310585786300049, 0.9276705118714866),
        ("silu", -600.0, -600 * math.exp(-600), -599 * math.exp(-600)),
        ("tanh", 0.5, 0.46211715726000973, 0.7864477329659274),
        ("tanh", 100.0, 1.0, 4 * math.exp(-200)),
        ("sigmoid", 0.0, 0.5, 0.25),
        ("sigmoid", -700.0, math.exp(-700), math.exp(-700)),
        ("sigmoid", 700.0, 1.0, math.exp(-700)),
        ("softplus", 0.0, math.log(2.0), 0.5),
        ("softplus", -50.0, math.exp(-50), math.exp(-50)),
        ("softplus", 800.0, 800.0, 1.0),
        ("exponential", 2.0, math.exp(2), math.exp(2)),
    ],
)
def test_activation_at_known_points(name, z, value, derivative):
    assert_allclose(ACTIVATIONS[name].value(z), value, rtol=1e-13)
    assert_allclose(ACTIVATIONS[name].derivative(z), derivative, rtol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_stable_far_out(name):
    z = np.linspace(-1e3, 1e3, 2001)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            results = [function(z) for function in ACTIVATIONS[name]]
    for result in results:
        if name == "exponential":
            assert not np.any(np.isnan(result))
            assert np.all(np.isinf(result) == (z > math.log(sys.float_info.max)))
        else:
            assert np.all(np.isfinite(result))


def test_softmax():
    a = reference.softmax([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    e = np.exp([1.0, 2.0, 3.0])
    assert_allclose(a, [e / e.sum(), [1 / 3] * 3], rtol=1e-14)
    with np.errstate(all="raise", under="ignore"):
        far = reference.softmax([[1e3, -1e3, 1e3], [-1e3, -1e3, -2e3]])
    assert_allclose(far, [[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def test_softmax_backward_by_differences():
    generator = np.random.default_rng(0)
    z, d = generator.normal(size=(2, 3, 4))
    backward = reference.softmax_backward(reference.softmax(z), d)
    numerical = numerical_derivative(lambda v: np.sum(reference.softmax(v) * d), z)
    assert_allclose(backward, numerical, atol=1e-8)
    assert np.max(np.abs(backward)) > 0.01


# --------------------------------------------------------------------------------------------
# Losses
# --------------------------------------------------------------------------------------------


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


SAMPLE_WEIGHT = np.array([1.0, 0.0, 2.5, 0.5, 3.0])


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


# --------------------------------------------------------------------------------------------
# Adversarial losses
# --------------------------------------------------------------------------------------------

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


# --------------------------------------------------------------------------------------------
# YOLO, version 1
# --------------------------------------------------------------------------------------------


def yolo_example(seed=2, n=2, S=2, B=2, C=3):
    generator = np.random.default_rng(seed)
    y_true = np.zeros((n, S, S, 5 + C))
    for cell in np.ndindex(n, S, S):
        if generator.random() < 0.6:
            y_true[cell][:4] = generator.uniform(0.2, 0.8, size=4)
            y_true[cell][4] = 1.0
            y_true[cell][5 + generator.integers(C)] = 1.0
    y_pred = generator.uniform(0.1, 0.9, size=(n, S, S, 5 * B + C))
    holds = y_true[..., 4] == 1
    assert np.any(holds)
    assert not np.all(holds)
    return y_true, y_pred, {"grid_size": S, "boxes": B, "classes": C}


@pytest.mark.parametrize("confidence_target", ["iou", "one"])
def test_yolo_gradient_by_differences(confidence_target):
    y_true, y_pred, sizes = yolo_example()
    y_pred[0, 0, 0, 2] = -0.3  # negative widths are predictions too
    y_pred[0, 1, 1, 8] = -0.2
    responsible, iou = reference.yolo_v1_assignment(y_true, y_pred, **sizes)
    assert {0, 1} <= set(responsible.ravel().tolist())
    options = {**sizes, "confidence_target": confidence_target, "lambda_coord": 3.0}
    _, gradient = reference.yolo_v1(y_true, y_pred, **options)
    frozen = {"frozen_iou": iou, "frozen_responsible": responsible}
    numerical = numerical_derivative(lambda p: reference.yolo_v1(y_true, p, **options, **frozen)[0], y_pred)
    assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-7)


def test_frozen_arguments_are_used():
    y_true, y_pred, sizes = yolo_example()
    responsible, iou = reference.yolo_v1_assignment(y_true, y_pred, **sizes)
    value, gradient = reference.yolo_v1(y_true, y_pred, **sizes)
    same, same_gradient = reference.yolo_v1(y_true, y_pred, **sizes, frozen_iou=iou, frozen_responsible=responsible)
    assert same == value
    assert_array_equal(same_gradient, gradient)
    assert reference.yolo_v1(y_true, y_pred, **sizes, frozen_iou=iou + 0.1)[0] != value
    other = np.where(responsible < 0, -1, 1 - responsible)
    assert reference.yolo_v1(y_true, y_pred, **sizes, frozen_responsible=other)[0] != value


def test_yolo_with_flattened_axes():
    y_true, y_pred, sizes = yolo_example()
    value, gradient = reference.yolo_v1(y_true, y_pred, **sizes)
    flat_value, flat_gradient = reference.yolo_v1(y_true.reshape(2, -1), y_pred.reshape(2, -1), **sizes)
    assert flat_value == value
    assert flat_gradient.shape == (2, 2 * 2 * 13)
    assert_array_equal(flat_gradient, gradient.reshape(2, -1))


def test_yolo_is_a_mean_over_images():
    y_true, y_pred, sizes = yolo_example()
    each = [reference.yolo_v1(y_true[i : i + 1], y_pred[i : i + 1], **sizes)[0] for i in (0, 1)]
    assert reference.yolo_v1(y_true, y_pred, **sizes)[0] == pytest.approx(sum(each) / 2)
    assert each[0] != each[1]


def test_yolo_by_hand():
    # One cell; the first box is a quarter of the true one's area, the second matches it.
    y_true = [[[[0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 0.0]]]]
    smaller, matching = [0.5, 0.5, 0.25, 0.25, 0.4], [0.5, 0.5, 0.5, 0.5, 0.8]
    y_pred = np.array([[[smaller + matching + [0.7, 0.2]]]])
    sizes = {"grid_size": 1, "boxes": 2, "classes": 2}
    value, gradient = reference.yolo_v1(y_true, y_pred, **sizes)
    assert value == pytest.approx(0.2**2 + 0.5 * 0.4**2 + 0.3**2 + 0.2**2)
    expected = [0, 0, 0, 0, 0.4, 0, 0, 0, 0, -0.4, -0.6, 0.4]
    assert_allclose(gradient[0, 0, 0], expected, atol=1e-15)

    # The smaller box alone: sqrt(1/4) - sqrt(1/2) in both sizes, and IoU 1/4.
    sizes["boxes"] = 1
    y_pred = np.array([[[[0.6, 0.4, 0.25, 0.25, 0.4, 0.7, 0.2]]]])
    sides = 2 * 5.0 * (0.5 - math.sqrt(0.5)) ** 2
    expected = 5.0 * (0.1**2 + 0.1**2) + sides + (0.4 - 0.25) ** 2 + 0.3**2 + 0.2**2
    assert reference.yolo_v1(y_true, y_pred, **sizes)[0] == pytest.approx(expected)
    value, _ = reference.yolo_v1(y_true, y_pred, **sizes, confidence_target="one")
    assert value == pytest.approx(expected - 0.15**2 + 0.6**2)


def test_yolo_boxes_are_placed_in_the_image():
    # In a grid of two a shift of 0.4 of a cell is 0.2 of the image: 0.15 / (0.25 + 0.25 - 0.15).
    y_true = np.zeros((1, 2, 2, 6))
    y_true[0, 0, 1] = [0.5, 0.5, 0.5, 0.5, 1.0, 1.0]
    y_pred = np.zeros((1, 2, 2, 6))
    y_pred[0, 0, 1, :4] = [0.9, 0.5, 0.5, 0.5]
    responsible, iou = reference.yolo_v1_assignment(y_true, y_pred, grid_size=2, boxes=1, classes=1)
    assert_array_equal(responsible, [[[-1, 0], [-1, -1]]])
    assert_allclose(iou, [[[0, 3 / 7], [0, 0]]], rtol=0, atol=1e-15)
    assert reference.box_iou([0.2, 0.2, 0.2, 0.2], [0.8, 0.8, 0.2, 0.2]) == 0.0
    assert reference.box_iou([0.5, 0.5, -0.2, 0.2], [0.5, 0.5, 0.2, 0.2]) == 0.0
    assert reference.box_iou([0.5, 0.5, -0.2, 0.2], [0.5, 0.5, 0.0, 0.0]) == 0.0


def test_the_first_box_wins_a_tie():
    y_true = [[[[0.5, 0.5, 0.5, 0.5, 1.0, 1.0]]]]
    box = [0.4, 0.5, 0.5, 0.5, 0.3]
    y_pred = [[[[*box, *box, *box, 0.5]]]]
    responsible, _ = reference.yolo_v1_assignment(y_true, y_pred, grid_size=1, boxes=3, classes=1)
    assert responsible.tolist() == [[[0]]]


def test_signed_root():
    for w in (1e-12, 5e-7, 1e-6, 0.04, 4.0):
        expected = math.sqrt(w) if w >= 1e-6 else 1e3 * w
        assert reference.signed_root(w) == pytest.approx(expected, rel=1e-14)
        assert reference.signed_root(-w) == -reference.signed_root(w)
        assert reference.signed_root_derivative(-w) == reference.signed_root_derivative(w)
    assert reference.signed_root(0.0) == 0.0
    below, at = reference.signed_root(np.nextafter(1e-6, 0)), reference.signed_root(1e-6)
    assert below == pytest.approx(at, rel=1e-12)
    for w in (-0.5, -3e-7, 0.0, 3e-7, 0.5):
        numerical = numerical_derivative(reference.signed_root, w, 1e-8)
        assert reference.signed_root_derivative(w) == pytest.approx(numerical, rel=1e-6)


# --------------------------------------------------------------------------------------------
# Networks
# --------------------------------------------------------------------------------------------


def network(sizes, seed=3):
    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=shape) for shape in itertools.pairwise(sizes)]
    biases = [generator.normal(size=size) for size in sizes[1:]]
    return weights, biases


def test_forward_by_hand():
    weights = [np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([[3.0], [1.0]])]
    biases = [np.array([0.5, 0.0]), np.array([-1.0])]
    X = np.array([[1.0, 2.0], [-1.0, 0.0]])
    z_list, a_list = reference.forward(weights, biases, ["relu", "identity"], X)
    assert_array_equal(z_list[0], [[5.5, 0.0], [-0.5, 1.0]])
    assert_array_equal(a_list[0], X)
    assert_array_equal(a_list[1], [[5.5, 0.0], [0.0, 1.0]])
    assert_array_equal(a_list[2], [[15.5], [0.0]])
    assert len(z_list) == 2


@pytest.mark.parametrize(
    ("sizes", "activations", "loss"),
    [
        ((2, 3, 1), ("sigmoid", "sigmoid"), "binary_cross_entropy"),
        ((2, 3, 1), ("tanh", "identity"), "mean_squared_error"),
        ((2, 3, 1), ("gelu", "softplus"), "poisson"),
        ((4, 5, 3), ("tanh", "softmax"), "categorical_cross_entropy"),
        ((4, 5, 3), ("silu", "softmax"), "mean_squared_error"),
        ((4, 5, 4, 3), ("elu", "softplus", "identity"), "root_mean_squared_error"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"reduction": "sum", "sample_weight": SAMPLE_WEIGHT + 1}])
def test_backpropagation_against_differences(sizes, activations, loss, options):
    weights, biases = network(sizes)
    generator = np.random.default_rng(4)
    X = generator.normal(size=(5, sizes[0]))
    if loss == "categorical_cross_entropy":
        T = np.eye(sizes[-1])[generator.integers(0, sizes[-1], size=5)]
    else:
        T = generator.integers(0, 2, size=(5, sizes[-1])).astype(float)
    arguments = (weights, biases, activations, loss, X, T)
    exact_weights, exact_biases = reference.network_gradient(*arguments, **options)
    weight_gradients, bias_gradients = reference.network_numerical_gradient(*arguments, **options)
    for exact, numerical, parameter in zip(
        exact_weights + exact_biases,
        weight_gradients + bias_gradients,
        weights + biases,
        strict=True,
    ):
        assert exact.shape == parameter.shape
        assert_allclose(exact, numerical, rtol=1e-5, atol=1e-7)
    assert max(np.max(np.abs(g)) for g in exact_weights) > 1e-3


def test_input_gradient():
    weights, biases = network((4, 5, 3))
    generator = np.random.default_rng(5)
    X, T = generator.normal(size=(3, 4)), np.eye(3)
    activations, loss = ("sigmoid", "softmax"), "categorical_cross_entropy"
    z_list, a_list = reference.forward(weights, biases, activations, X)
    output_gradient = LOSSES[loss].gradient(T, a_list[-1])
    _, _, gradient = reference.backward(weights, activations, z_list, a_list, output_gradient)
    numerical = numerical_derivative(lambda x: reference.network_loss(weights, biases, activations, loss, x, T), X)
    assert_allclose(gradient, numerical, atol=1e-8)


# --------------------------------------------------------------------------------------------
# Update rules
# --------------------------------------------------------------------------------------------


def test_names_of_the_update_rules():
    assert set(UPDATES) == {"sgd", "momentum", "nesterov", "adam", "adamw"}


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        # theta = 1, g = 2 and then g = -1, learning rate 0.1
        ("sgd", 1 - 0.2, 1 - 0.2 + 0.1),
        ("momentum", 1 - 0.2, 0.8 + (0.9 * -0.2 + 0.1)),
        ("nesterov", 1 + 0.9 * -0.2 - 0.2, 0.62 + 0.9 * (0.9 * -0.2 + 0.1) + 0.1),
        (
            "adam",
            # m = 0.2, v = 0.004, and the factor sqrt(0.001) / 0.1
            1 - 0.1 * math.sqrt(0.001) / 0.1 * 0.2 / (math.sqrt(0.004) + 1e-8),
            None,
        ),
        (
            "adamw",
            1 - 0.1 * math.sqrt(0.001) / 0.1 * 0.2 / (math.sqrt(0.004) + 1e-8) - 0.1 * 0.01,
            None,
        ),
    ],
)
def test_update_by_hand(name, first, second):
    state = {}
    theta, g = np.array([1.0]), np.array([2.0])
    after = UPDATES[name](theta, g, state, learning_rate=0.1)
    assert_allclose(after, [first], rtol=1e-12)
    assert_array_equal(theta, [1.0])
    if second is not None:
        after = UPDATES[name](after, np.array([-1.0]), state, learning_rate=0.1)
        assert_allclose(after, [second], rtol=1e-12)


def test_adamw_decays_apart_from_the_gradient():
    # Without a gradient Adam stands still and only the decay moves the parameter.
    theta = np.array([2.0, -4.0])
    options = {"learning_rate": 0.5, "weight_decay": 0.1}
    assert_allclose(UPDATES["adamw"](theta, np.zeros(2), {}, **options), 0.95 * theta)


def test_adam_against_scikit_learn():
    optimizers = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    generator = np.random.default_rng(6)
    theirs = generator.normal(size=(3, 2))
    ours, state = theirs.copy(), {}
    optimizer = optimizers.AdamOptimizer([theirs], learning_rate_init=0.05)
    for _ in range(20):
        gradient = generator.normal(size=(3, 2))
        optimizer.update_params([theirs], [gradient])
        ours = reference.adam_update(ours, gradient, state, learning_rate=0.05)
        assert_allclose(ours, theirs, rtol=1e-12)
    assert state["step"] == 20


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_against_scikit_learn(nesterov):
    optimizers = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    generator = np.random.default_rng(7)
    theirs = generator.normal(size=(3, 2))
    ours, state = theirs.copy(), {}
    optimizer = optimizers.SGDOptimizer([theirs], learning_rate_init=0.05, momentum=0.8, nesterov=nesterov)
    update = UPDATES["nesterov" if nesterov else "momentum"]
    for _ in range(20):
        gradient = generator.normal(size=(3, 2))
        optimizer.update_params([theirs], [gradient])
        ours = update(ours, gradient, state, learning_rate=0.05, momentum=0.8)
        assert_allclose(ours, theirs, rtol=1e-12)


# --------------------------------------------------------------------------------------------
# Training
# --------------------------------------------------------------------------------------------

XOR_X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_T = np.array([[0.0], [1.0], [1.0], [0.0]])
XOR = (("sigmoid", "sigmoid"), "binary_cross_entropy", XOR_X, XOR_T)


def test_training_learns_exclusive_or():
    weights, biases = network((2, 4, 1))
    losses = reference.train(weights, biases, *XOR, learning_rate=0.1, epochs=300, rule="adam")
    assert len(losses) == 300
    assert losses[-1] < 0.05 < losses[0]
    assert losses[-1] == reference.network_loss(weights, biases, *XOR)
    _, a_list = reference.forward(weights, biases, XOR[0], XOR_X)
    assert_array_equal(a_list[-1] > 0.5, XOR_T == 1)


@pytest.mark.parametrize("update", ["joint", "sequential"])
def test_training_by_differences_follows_backpropagation(update):
    results = []
    for gradient in ("backpropagation", "numerical"):
        weights, biases = network((2, 3, 1))
        losses = reference.train(weights, biases, *XOR, learning_rate=1.0, epochs=5, update=update, gradient=gradient)
        results.append((losses, weights, biases))
    assert_allclose(results[0][0], results[1][0], rtol=1e-6)
    for exact, numerical in zip(results[0][1] + results[0][2], results[1][1] + results[1][2], strict=True):
        assert_allclose(exact, numerical, atol=1e-6)


def train_by_hand(update):
    """One step on ``y = ((x w1 + b1) w2 + b2)``, written out: x = 2, t = 1, loss (y - t)^2."""
    w1, b1, w2, b2, rate = 0.5, 0.1, -0.3, 0.2, 0.1

    def error():
        return 2 * ((2 * w1 + b1) * w2 + b2 - 1)

    if update == "joint":
        e, hidden = error(), 2 * w1 + b1
        w1, b1, w2 = w1 - rate * e * w2 * 2, b1 - rate * e * w2, w2 - rate * e * hidden
        b2 -= rate * e
    else:
        w1 -= rate * error() * w2 * 2
        b1 -= rate * error() * w2
        w2 -= rate * error() * (2 * w1 + b1)
        b2 -= rate * error()
    return w1, b1, w2, b2, (error() / 2) ** 2


@pytest.mark.parametrize("gradient", ["backpropagation", "numerical"])
@pytest.mark.parametrize("update", ["joint", "sequential"])
def test_one_step_by_hand(update, gradient):
    first, second = np.array([[0.5]]), np.array([[-0.3]])
    weights, biases = [first, second], [np.array([0.1]), np.array([0.2])]
    losses = reference.train(
        weights,
        biases,
        ("identity", "identity"),
        "mean_squared_error",
        [[2.0]],
        [[1.0]],
        learning_rate=0.1,
        epochs=1,
        update=update,
        gradient=gradient,
    )
    w1, b1, w2, b2, loss = train_by_hand(update)
    assert_allclose(np.ravel(weights), [w1, w2], rtol=1e-9)
    assert_allclose(np.ravel(biases), [b1, b2], rtol=1e-9)
    assert_allclose(losses, [loss], rtol=1e-9)
    assert first[0, 0] == 0.5  # the array that was given stays as it is
    assert second[0, 0] == -0.3


def test_batches_and_sample_weights():
    batches = [[[0, 1], [2, 3]], [[3, 0], [1, 2]]]
    sample_weight = np.array([1.0, 2.0, 0.5, 1.0])
    weights, biases = network((2, 3, 1))
    losses = reference.train(
        weights, biases, *XOR, learning_rate=0.5, epochs=2, batches=batches,
        sample_weight=sample_weight, rule="momentum", rule_options={"momentum": 0.5},
    )  # fmt: skip

    expected, velocity = network((2, 3, 1)), None
    expected_losses = []
    for epoch in batches:
        for rows in epoch:
            gradients = reference.network_gradient(
                *expected, *XOR[:2], XOR_X[rows], XOR_T[rows], sample_weight=sample_weight[rows]
            )
            if velocity is None:
                velocity = [[np.zeros_like(g) for g in group] for group in gradients]
            velocity = [
                [0.5 * v - 0.5 * g for v, g in zip(*pair, strict=True)]
                for pair in zip(velocity, gradients, strict=True)
            ]
            expected = tuple(
                [p + v for p, v in zip(*pair, strict=True)] for pair in zip(expected, velocity, strict=True)
            )
        expected_losses.append(reference.network_loss(*expected, *XOR, sample_weight=sample_weight))
    assert_allclose(losses, expected_losses, rtol=1e-12)
    for ours, theirs in zip(weights + biases, expected[0] + expected[1], strict=True):
        assert_allclose(ours, theirs, rtol=1e-12)


def test_mistaken_training_is_refused():
    for wrong in ({"update": "together"}, {"gradient": "exact"}):
        with pytest.raises(ValueError, match="not"):
            reference.train(*network((2, 3, 1)), *XOR, learning_rate=1.0, epochs=1, **wrong)


# --------------------------------------------------------------------------------------------
# Regressions
# --------------------------------------------------------------------------------------------


def test_exact_products_by_hand():
    assert reference.exact_products([[1.0, 2.0], [3.0, -4.0]]) == [[10, -10], [-10, 20]]
    assert reference.exact_products([[1.0, 2.0], [3.0, -4.0]], [2.0, 0.5]) == [[6.5, -2], [-2, 16]]
    # what doubles would round away
    assert reference.exact_products([[1e20], [1.0], [Fraction(1, 3)]]) == [[10**40 + 1 + Fraction(1, 9)]]
    assert reference.exact_products(np.empty((0, 2))) == [[0, 0], [0, 0]]
    assert reference.exact_products(np.empty((3, 0))) == []


def test_exact_solution_by_hand():
    hilbert = [[Fraction(1, i + j + 1) for j in range(3)] for i in range(3)]
    inverse = reference.exact_solution(hilbert, np.eye(3))
    assert inverse == [[9, -36, 30], [-36, 192, -180], [30, -180, 180]]
    # rows must be exchanged
    assert reference.exact_solution([[0, 2], [4, 0]], [[1], [1]]) == [[Fraction(1, 4)], [Fraction(1, 2)]]
    assert reference.exact_solution([[0.1]], [[0.3, 0.1]]) == [[Fraction(0.3) / Fraction(0.1), 1]]
    with pytest.raises(ValueError, match="singular"):
        reference.exact_solution([[1, 2], [2, 4]], [[0], [0]])


def test_least_squares_by_hand():
    # the line through (0, 1), (1, 2), (2, 2): slope 1 / 2, through the means 1 and 5 / 3
    W, b = reference.least_squares([[0.0], [1.0], [2.0]], [1.0, 2.0, 2.0])
    assert W.tolist() == [[0.5]]
    assert b.tolist() == [7 / 6]
    W, b = reference.least_squares([[0.0], [1.0], [2.0]], [1.0, 2.0, 2.0], fit_intercept=False)
    assert W.tolist() == [[1.2]]
    assert b.tolist() == [0.0]
    # a penalty of the centred squares' own size halves the slope, and leaves the means alone
    W, b = reference.least_squares([[0.0], [1.0], [2.0]], [1.0, 2.0, 2.0], alpha=2.0)
    assert W.tolist() == [[0.25]]
    assert b.tolist() == [17 / 12]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.75])
def test_least_squares_against_numpy(alpha, fit_intercept):
    generator = np.random.default_rng(8)
    X, T = generator.normal(size=(9, 3)), generator.normal(size=(9, 2))
    weight = generator.uniform(0.5, 2.0, size=9)
    W, b = reference.least_squares(X, T, sample_weight=weight, fit_intercept=fit_intercept, alpha=alpha)
    # the penalty as three more rows
    rows = np.vstack([np.column_stack([np.ones(9) * fit_intercept, X]), np.eye(4)[1:]])
    root = np.sqrt(np.append(weight, [alpha] * 3))[:, np.newaxis]
    wanted = np.linalg.lstsq(root * rows, root * np.vstack([T, np.zeros((3, 2))]), rcond=None)[0]
    assert_allclose(W, wanted[1:], rtol=1e-12)
    assert_allclose(b, wanted[0], rtol=1e-12, atol=1e-15)


def test_least_squares_weights_repeat_rows_and_one_dimension_is_one_column():
    X, t = np.arange(8.0).reshape(4, 2) ** 2, np.array([1.0, 0.0, 2.0, 5.0])
    ours = reference.least_squares(X, t, sample_weight=[1, 2, 0, 3])
    repeated = reference.least_squares(X[[0, 1, 1, 3, 3, 3]], t[[0, 1, 1, 3, 3, 3], np.newaxis])
    for one, other in zip(ours, repeated, strict=True):
        assert_array_equal(one, other)


def test_least_norm_by_hand():
    # x, 2 x and a constant: of all slopes b_1 + 2 b_2 = 5 the shortest
    X = [[0.0, 0.0, 3.0], [1.0, 2.0, 3.0], [2.0, 4.0, 3.0]]
    W, b, rank = reference.least_norm(X, [1.0, 6.0, 11.0])
    assert_allclose(W, [[1.0], [2.0], [0.0]], rtol=1e-15)
    assert_allclose(b, [1.0], rtol=1e-15)
    assert rank == 1
    W, b, rank = reference.least_norm([[3.0, 4.0]], [50.0], fit_intercept=False)
    assert_allclose(W, [[6.0], [8.0]], rtol=1e-15)
    assert (b.tolist(), rank) == ([0.0], 1)
    W, b, rank = reference.least_norm([[3.0, 4.0]], [[50.0, 1.0]])
    assert (W.tolist(), b.tolist(), rank) == ([[0.0, 0.0], [0.0, 0.0]], [50.0, 1.0], 0)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(9, 3), (4, 6)])
def test_least_norm_against_numpy(shape, fit_intercept):
    generator = np.random.default_rng(8)
    X, T, weight = generator.normal(size=shape), generator.normal(size=(shape[0], 2)), generator.uniform(1, 2, shape[0])
    W, b, rank = reference.least_norm(X, T, sample_weight=weight, fit_intercept=fit_intercept)
    means = [np.average(part, axis=0, weights=weight) * fit_intercept for part in (X, T)]
    root = np.sqrt(weight)[:, np.newaxis]
    assert_allclose(W, np.linalg.lstsq(root * (X - means[0]), root * (T - means[1]))[0], rtol=1e-12)
    assert_allclose(b, means[1] - means[0] @ W, rtol=1e-12)
    assert rank == min(shape[0] - fit_intercept, shape[1])


def test_least_squares_of_dependent_columns():
    X, t = [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]], [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="singular"):
        reference.least_squares(X, t)
    W, _ = reference.least_squares(X, t, fit_intercept=False, alpha=70.0)
    assert_allclose(W, [[0.1], [0.2]], rtol=1e-15)


def test_logistic_loss_by_hand():
    X = np.array([[1.0, 2.0], [3.0, -1.0]])
    value, gradient, hessian = reference.logistic_loss([[0.0, 0.0]], X, [1, 0], sample_weight=[1.0, 4.0])
    assert value == pytest.approx(5 * math.log(2), rel=1e-15)
    assert_allclose(gradient, [[-0.5 + 6.0, -1.0 - 2.0]], rtol=1e-15)
    assert_allclose(hessian, [[0.25 + 9.0, 0.5 - 3.0], [0.5 - 3.0, 1.0 + 1.0]], rtol=1e-15)
    # three classes of the same probability
    value, gradient, hessian = reference.logistic_loss(np.zeros((3, 1)), [[3.0]], [2])
    assert value == pytest.approx(math.log(3), rel=1e-15)
    assert_allclose(gradient, [[1.0], [1.0], [-2.0]], rtol=1e-15)
    assert_allclose(hessian, [[2.0, -1.0, -1.0], [-1.0, 2.0, -1.0], [-1.0, -1.0, 2.0]], rtol=1e-15)


@pytest.mark.parametrize("outputs", [1, 2, 4])
def test_logistic_loss_by_differences(outputs):
    generator = np.random.default_rng(9)
    X, theta = generator.normal(size=(6, 3)), generator.normal(size=(outputs, 3))
    labels = np.array([0, 1, max(outputs, 2) - 1, 0, 1, 1])
    options = {"sample_weight": np.arange(6.0)}
    _, gradient, hessian = reference.logistic_loss(theta, X, labels, **options)
    numerical = numerical_derivative(lambda t: reference.logistic_loss(t, X, labels, **options)[0], theta)
    assert gradient.shape == theta.shape
    assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-7)
    for k in range(theta.size):
        numerical = numerical_derivative(
            lambda t, k=k: reference.logistic_loss(t, X, labels, **options)[1].flat[k], theta
        )
        assert_allclose(hessian[k], numerical.ravel(), rtol=1e-6, atol=1e-7)


def test_one_theta_is_two_of_which_the_first_is_zero():
    generator = np.random.default_rng(10)
    X, theta, labels = generator.normal(size=(5, 2)), generator.normal(size=2), [0, 1, 1, 0, 1]
    one = reference.logistic_loss([theta], X, labels)
    two = reference.logistic_loss([np.zeros(2), theta], X, labels)
    assert one[0] == two[0]
    assert_array_equal(one[1], two[1][1:])
    assert_array_equal(one[2], two[2][2:, 2:])


def test_logistic_loss_far_out():
    value, gradient, hessian = reference.logistic_loss([[1.0]], [[1e3], [-1e3], [40.0]], [0, 0, 1])
    assert value == pytest.approx(1000.0, rel=1e-15)
    assert_allclose(gradient, [[1000.0]], rtol=1e-15)
    assert_allclose(hessian, [[1600 * math.exp(-40)]], rtol=1e-14)
    _, gradient, _ = reference.logistic_loss([[1.0]], [[40.0]], [1])
    assert_allclose(gradient, [[-40 * math.exp(-40)]], rtol=1e-14)
