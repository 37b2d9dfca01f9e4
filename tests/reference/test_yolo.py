"""The loss of YOLO, version 1, by hand and by differences."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mlcore import reference
from mlcore.reference import numerical_derivative


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
