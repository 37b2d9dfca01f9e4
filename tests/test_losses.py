"""Losses: known values, the textbook, gradients as differences, extremes, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlcore
from mlcore import losses, reference

T = np.array([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0], [0.3, 0.3, 0.4]])
P = np.array([[0.3, 0.5, 0.2], [0.7, 0.2, 0.1], [0.25, 0.35, 0.4]])


def options(name):
    return st.sampled_from([{}, {"reduction": "sum"}, {"epsilon": 1e-7}, {"reduction": "sum", "epsilon": 1e-7}])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("more", [{}, {"reduction": "sum"}, {"epsilon": 1e-7}, {"reduction": "sum", "epsilon": 1e-3}])
@pytest.mark.parametrize("name", losses.LOSSES)
def test_values_and_gradients(backend, name, more, weighted, dtype):
    weight = np.array([0.5, 2.0, 1.5]) if weighted else None
    value, gradient = (
        losses.LOSSES[name].with_options(**more).value_and_gradient(T.astype(dtype), P.astype(dtype), weight)
    )
    wanted = reference.LOSSES[name]
    t, p = T.astype(dtype).astype(float), P.astype(dtype).astype(float)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert value == pytest.approx(wanted.value(t, p, sample_weight=weight, **more), rel=tolerance)
    exact = wanted.gradient(t, p, sample_weight=weight, **more)
    np.testing.assert_allclose(gradient, exact, rtol=0, atol=tolerance * np.abs(exact).max())
    assert gradient.dtype == dtype


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_gradient_is_the_values_derivative(name):
    loss = losses.LOSSES[name]
    check = mlcore.check_gradient(lambda p: loss(T, p), loss.value_and_gradient(T, P)[1], P)
    assert check, check


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean_absolute_error", 5 / 3),
        ("mean_squared_error", 17 / 3),
        ("root_mean_squared_error", np.sqrt(17 / 3)),
        ("huber", (0.5 + 3.5 + 0.0) / 3),
        ("poisson", (1 * np.log(1 / 2) - 1 + 2 + 0 + 4 + 0) / 3),
    ],
)
def test_known_values(name, value):
    assert losses.LOSSES[name]([1, 0, 5], [2, 4, 5]) == pytest.approx(value, rel=1e-14)


def test_known_cross_entropies():
    assert losses.binary_cross_entropy([1, 0], [0.8, 0.4]) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    assert losses.categorical_cross_entropy([[0, 1], [1, 0]], [[0.1, 0.9], [0.5, 0.5]]) == pytest.approx(
        -(np.log(0.9) + np.log(0.5)) / 2
    )
    # one dimension is one row of classes
    assert losses.categorical_cross_entropy([0, 1], [0.1, 0.9]) == pytest.approx(-np.log(0.9))


@pytest.mark.parametrize("threshold", [0.1, 1.0, 3.0])
def test_huber_threshold(backend, threshold):
    loss = losses.huber.with_options(threshold=threshold)
    y, p = np.zeros(5), np.array([-5.0, -0.5, 0.0, 0.05, 2.0])
    assert loss(y, p) == pytest.approx(reference.LOSSES["huber"].value(y, p, threshold=threshold))
    np.testing.assert_allclose(
        loss.value_and_gradient(y, p)[1], reference.LOSSES["huber"].gradient(y, p, threshold=threshold)
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["binary_cross_entropy", "categorical_cross_entropy", "poisson"])
def test_predictions_of_exactly_zero_and_one(backend, name, dtype):
    t, p = np.array([[1.0, 0.0], [0.0, 1.0]], dtype), np.array([[0.0, 1.0], [0.0, 1.0]], dtype)
    value, gradient = losses.LOSSES[name].value_and_gradient(t, p)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    perfect, slope = losses.LOSSES[name].value_and_gradient(t, t)
    assert perfect == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", ["mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "huber"])
def test_large_residuals(backend, name):
    value, gradient = losses.LOSSES[name].value_and_gradient([0.0, 0.0], [1e3, -1e150])
    assert np.isfinite(gradient).all()
    assert np.isfinite(value) or name == "mean_squared_error"
    value, gradient = losses.LOSSES[name].value_and_gradient([2.0, 3.0], [2.0, 3.0])
    assert value == 0
    assert not gradient.any()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(list(losses.LOSSES)))
def test_properties(data, name):
    """Rows in another order give the same mean; a weight of 2 is a row twice; weights scale a sum."""
    n = data.draw(st.integers(1, 6))
    numbers = st.floats(0.01, 0.99)
    t, p = (np.array(data.draw(st.lists(st.tuples(numbers, numbers), min_size=n, max_size=n))) for _ in range(2))
    loss = losses.LOSSES[name]
    order = np.array(data.draw(st.permutations(range(n))))
    assert loss(t[order], p[order]) == pytest.approx(loss(t, p), rel=1e-12, abs=1e-15)
    counts = np.array(data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)))
    repeated = loss(np.repeat(t, counts, axis=0), np.repeat(p, counts, axis=0))
    assert loss(t, p, sample_weight=counts) == pytest.approx(repeated, rel=1e-12, abs=1e-15)
    total = loss.with_options(reduction="sum")
    factor = 2.0 if name != "root_mean_squared_error" else np.sqrt(2.0)
    doubled = total(t, p, sample_weight=2.0 * np.ones(n))
    assert doubled == pytest.approx(factor * total(t, p), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gan_losses(backend, dtype):
    real, fake = np.array([0.9, 0.6, 0.7], dtype), np.array([[0.2], [0.4]], dtype)
    tolerance = {"rtol": 1e-12 if dtype == "float64" else 1e-5}
    for got, want in (
        (losses.gan_discriminator(real, fake), reference.gan_discriminator(real, fake)),
        (losses.gan_generator(fake), reference.gan_generator(fake)),
        (losses.gan_generator(fake, saturating=True), reference.gan_generator(fake, saturating=True)),
        (losses.gan_minimax(real, fake), reference.gan_minimax(real, fake)),
    ):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, **tolerance)
    assert losses.gan_generator(fake)[1].shape == fake.shape
    extreme = losses.gan_discriminator(np.zeros(2, dtype), np.ones(2, dtype))
    assert all(np.isfinite(part).all() for part in extreme)


def boxes(rng, n, S, B, C):
    y_true = np.zeros((n, S, S, 5 + C))
    y_true[..., :2] = rng.uniform(0, 1, (n, S, S, 2))
    y_true[..., 2:4] = rng.uniform(0.1, 0.6, (n, S, S, 2))
    y_true[..., 4] = rng.uniform(size=(n, S, S)) < 0.5
    y_true[..., 5:] = np.eye(C)[rng.integers(0, C, (n, S, S))]
    y_pred = rng.uniform(-0.1, 1.0, (n, S, S, 5 * B + C))
    return y_true, y_pred


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("target", ["iou", "one"])
@pytest.mark.parametrize(("S", "B", "C"), [(2, 1, 1), (3, 2, 4), (1, 3, 2)])
def test_yolo_is_the_references(backend, rng, S, B, C, target, dtype):
    y_true, y_pred = (part.astype(dtype) for part in boxes(rng, 3, S, B, C))
    # an object seen with a size below zero, and with one where the root turns straight
    y_true[0, 0, 0, 4], y_pred[0, 0, 0, 2:4] = 1.0, [-0.2, 1e-8]
    y_pred[0, 0, 0, 7:10:5] = -0.1
    loss = losses.YOLOv1(S, B, C, lambda_coord=4.0, lambda_noobj=0.3, confidence_target=target)
    value, gradient = loss.value_and_gradient(y_true, y_pred)
    wanted, exact = reference.yolo_v1(
        y_true, y_pred, grid_size=S, boxes=B, classes=C, lambda_coord=4.0, lambda_noobj=0.3, confidence_target=target
    )
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert value == pytest.approx(wanted, rel=tolerance)
    np.testing.assert_allclose(gradient, exact, rtol=0, atol=tolerance * np.abs(exact).max())
    flat = loss.value_and_gradient(y_true.reshape(3, -1), y_pred.reshape(3, -1))
    assert flat[0] == value
    assert flat[1].shape == (3, S * S * (5 * B + C))


def test_yolo_gradient_is_a_difference_with_the_iou_frozen(rng):
    y_true, y_pred = boxes(rng, 2, 2, 2, 3)
    y_pred = np.abs(y_pred) + 0.05
    shape = {"grid_size": 2, "boxes": 2, "classes": 3}
    responsible, iou = reference.yolo_v1_assignment(y_true, y_pred, **shape)
    frozen = {"frozen_iou": iou, "frozen_responsible": responsible}
    _, gradient = losses.YOLOv1(2, 2, 3).value_and_gradient(y_true, y_pred)
    check = mlcore.check_gradient(lambda p: reference.yolo_v1(y_true, p, **shape, **frozen)[0], gradient, y_pred)
    assert check, check


def test_yolo_first_box_wins_a_tie():
    y_true = np.array([0.5, 0.5, 0.2, 0.2, 1.0, 1.0]).reshape(1, 1, 1, 6)
    y_pred = np.array([0.5, 0.5, 0.2, 0.2, 0.9] * 2 + [1.0]).reshape(1, 1, 1, 11)
    value, gradient = losses.YOLOv1(1, 2, 1).value_and_gradient(y_true, y_pred)
    assert value == pytest.approx(0.1**2 + 0.5 * 0.9**2)
    np.testing.assert_allclose(gradient.ravel()[[4, 9]], [-0.2, 0.9])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.mean_squared_error([1, 2], [1, 2, 3]), r"\(2,\).*\(3,\)"),
        (lambda: losses.mean_squared_error([], []), "empty"),
        (lambda: losses.mean_squared_error([1.0], [np.nan]), "y_pred contains NaN"),
        (lambda: losses.mean_squared_error([np.inf], [1.0]), "y_true contains infinity"),
        (lambda: losses.mean_squared_error(["a"], ["b"]), "real numbers"),
        (lambda: losses.binary_cross_entropy([0, 1], [0.5, 1.5]), "between 0 and 1.*sigmoid"),
        (lambda: losses.poisson([-1.0], [1.0]), "at least 0"),
        (lambda: losses.huber([1.0], [1.0], sample_weight=[1, 2]), "sample_weight"),
        (lambda: losses.huber([1.0], [1.0], sample_weight=[0]), "zero in every row"),
        (lambda: losses.huber.with_options(reduction="max"), "'max'"),
        (lambda: losses.huber.with_options(threshold=0), "threshold"),
        (lambda: losses.huber.with_options(epsilon=-1), "epsilon"),
        (lambda: losses.gan_generator([1.2]), "between 0 and 1"),
        (lambda: losses.YOLOv1(2, 1, 1)(np.ones((1, 2, 2, 5)), np.ones((1, 2, 2, 6))), "y_true has shape"),
        (lambda: losses.YOLOv1(0), "grid_size"),
        (lambda: losses.YOLOv1(confidence_target="half"), "'half'"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_inputs_stay_as_they_are():
    t, p = T.copy(), P.copy()
    p.flags.writeable = False
    losses.mean_squared_error.value_and_gradient(t, p)
    np.testing.assert_array_equal(t, T)
    np.testing.assert_array_equal(p, P)
