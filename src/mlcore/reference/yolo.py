"""The loss of YOLO, version 1: an image of cells, each with boxes, their confidences and class probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ._arrays import FloatArray, IntegerArray, float_array

ROOT_LIMIT = 1e-6
"""Magnitude below which `signed_root` follows a straight line."""


def signed_root(w: float) -> float:
    """Square root of a width that may be negative.

    ``sign(w) sqrt(|w|)`` where ``|w| >= 1e-6``; below that the straight line ``1000 w`` through
    the origin, which meets the root at ``|w| = 1e-6``.
    """
    if abs(w) >= ROOT_LIMIT:
        return math.copysign(math.sqrt(abs(w)), w)
    return w * 1e3


def signed_root_derivative(w: float) -> float:
    """Derivative of `signed_root`: ``1 / (2 sqrt(|w|))``, or 1000 where ``|w| < 1e-6``."""
    if abs(w) >= ROOT_LIMIT:
        return 1.0 / (2.0 * math.sqrt(abs(w)))
    return 1e3


def box_iou(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two boxes ``(centre x, centre y, width, height)``.

    A negative width or height counts as zero; the IoU of two boxes without area is 0.
    """
    x1, y1, w1, h1 = first[0], first[1], max(first[2], 0.0), max(first[3], 0.0)
    x2, y2, w2, h2 = second[0], second[1], max(second[2], 0.0), max(second[3], 0.0)
    width = max(min(x1 + w1 / 2, x2 + w2 / 2) - max(x1 - w1 / 2, x2 - w2 / 2), 0.0)
    height = max(min(y1 + h1 / 2, y2 + h2 / 2) - max(y1 - h1 / 2, y2 - h2 / 2), 0.0)
    intersection = width * height
    union = w1 * h1 + w2 * h2 - intersection
    return intersection / union if union > 0.0 else 0.0


def _yolo_v1_grids(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, grid_size: int, boxes: int, classes: int
) -> tuple[FloatArray, FloatArray]:
    """Return both arrays with their trailing axes unfolded to (n, S, S, values of a cell)."""
    true, predicted = float_array(y_true), float_array(y_pred)
    n = predicted.shape[0]
    if true.shape[0] != n:
        raise ValueError(f"y_true has {true.shape[0]} images but y_pred has {n}")
    return (
        true.reshape(n, grid_size, grid_size, 5 + classes),
        predicted.reshape(n, grid_size, grid_size, 5 * boxes + classes),
    )


def _yolo_v1_cell_iou(
    true_cell: FloatArray,
    predicted_cell: FloatArray,
    row: int,
    column: int,
    grid_size: int,
    boxes: int,
) -> list[float]:
    """IoU of each predicted box of one cell with the cell's true box, in image units."""

    def in_image(box: FloatArray) -> tuple[float, float, float, float]:
        x, y, w, h = (float(v) for v in box)
        return (column + x) / grid_size, (row + y) / grid_size, w, h

    true_box = in_image(true_cell[0:4])
    return [box_iou(in_image(predicted_cell[5 * b : 5 * b + 4]), true_box) for b in range(boxes)]


def yolo_v1_assignment(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    grid_size: int = 7,
    boxes: int = 2,
    classes: int = 20,
) -> tuple[IntegerArray, FloatArray]:
    """Which predicted box is responsible for each cell's object, and its IoU.

    The responsible box is the one of highest IoU with the true box, the first on a tie.

    Parameters
    ----------
    y_true, y_pred, grid_size, boxes, classes
        As in `yolo_v1`.

    Returns
    -------
    responsible : integer array (n, S, S)
        Index of the box; -1 where the cell holds no object.
    iou : array (n, S, S)
        IoU of that box with the true box; 0 where the cell holds no object.

    References
    ----------
    Redmon et al. 2016, "You only look once: unified, real-time object detection", section 2.2.
    """
    true, predicted = _yolo_v1_grids(y_true, y_pred, grid_size, boxes, classes)
    n = predicted.shape[0]
    responsible = np.full((n, grid_size, grid_size), -1, dtype=np.int64)
    iou = np.zeros((n, grid_size, grid_size))
    for image in range(n):
        for row in range(grid_size):
            for column in range(grid_size):
                cell = (image, row, column)
                if true[cell][4] > 0.5:
                    ious = _yolo_v1_cell_iou(true[cell], predicted[cell], row, column, grid_size, boxes)
                    best = int(np.argmax(ious))
                    responsible[cell] = best
                    iou[cell] = ious[best]
    return responsible, iou


def yolo_v1(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    grid_size: int = 7,
    boxes: int = 2,
    classes: int = 20,
    lambda_coord: float = 5.0,
    lambda_noobj: float = 0.5,
    confidence_target: Literal["iou", "one"] = "iou",
    frozen_iou: npt.ArrayLike | None = None,
    frozen_responsible: npt.ArrayLike | None = None,
) -> tuple[float, FloatArray]:
    """Sum-squared loss of YOLO version 1, and its gradient in the prediction.

    Summed over the cells of an image and averaged over the images, with ``t`` the true values::

        lambda_coord ((x - xt)^2 + (y - yt)^2)                          responsible box
        lambda_coord ((sqrt w - sqrt wt)^2 + (sqrt h - sqrt ht)^2)      responsible box
        (c - target)^2                                                  responsible box
        lambda_noobj c^2                                                every other box
        sum over classes (p - pt)^2                                     cells with an object

    The responsible box of a cell with an object is the predicted box of highest IoU with the true
    one (`yolo_v1_assignment`); every other box is any box of an empty cell and the boxes of an
    object's cell that are not responsible.  The square root is `signed_root`, for a prediction
    may be negative.  The IoU and the choice of box are constants of the gradient.

    Parameters
    ----------
    y_true : array (n, S, S, 5 + C)
        In each cell ``x, y`` of the object's centre within the cell in [0, 1], ``w, h`` as
        fractions of the image, 1 where the cell holds an object (read as: more than one half),
        then the classes, one-hot.  The first grid axis is the row: the centre of a box in image
        units is ``((column + x) / S, (row + y) / S)``.
    y_pred : array (n, S, S, 5 B + C)
        In each cell ``B`` boxes of ``x, y, w, h, confidence``, then the classes.  In both arrays
        the axes after the first may be flattened.
    grid_size, boxes, classes : int
        ``S``, ``B`` and ``C``.
    lambda_coord, lambda_noobj : float
        Weights of the coordinates and of the confidence where there is no object.
    confidence_target : {"iou", "one"}
        Target of the responsible box's confidence: its IoU, or 1.
    frozen_iou, frozen_responsible : array (n, S, S), optional
        IoU and index of the responsible boxes to use in place of those of ``y_pred``; entries of
        empty cells are not read.

    Returns
    -------
    value : float
    gradient : array of the shape of ``y_pred``

    References
    ----------
    Redmon et al. 2016, "You only look once: unified, real-time object detection", equation 3.
    """
    if confidence_target not in ("iou", "one"):
        raise ValueError(f"confidence_target is 'iou' or 'one', not {confidence_target!r}")
    true, predicted = _yolo_v1_grids(y_true, y_pred, grid_size, boxes, classes)
    n = predicted.shape[0]
    total = 0.0
    gradient = np.zeros_like(predicted)

    for image in range(n):
        for row in range(grid_size):
            for column in range(grid_size):
                cell = (image, row, column)
                t, p, g = true[cell], predicted[cell], gradient[cell]  # g is a view

                responsible = -1
                if t[4] > 0.5:
                    ious = _yolo_v1_cell_iou(t, p, row, column, grid_size, boxes)
                    responsible = int(np.argmax(ious))
                    if frozen_responsible is not None:
                        responsible = int(np.asarray(frozen_responsible)[cell])
                    iou = ious[responsible]
                    if frozen_iou is not None:
                        iou = float(float_array(frozen_iou)[cell])
                    target = iou if confidence_target == "iou" else 1.0

                    start = 5 * responsible
                    for k in (0, 1):  # x and y
                        error = float(p[start + k] - t[k])
                        total += lambda_coord * error**2
                        g[start + k] += 2.0 * lambda_coord * error
                    for k in (2, 3):  # w and h
                        size = float(p[start + k])
                        error = signed_root(size) - signed_root(float(t[k]))
                        total += lambda_coord * error**2
                        g[start + k] += 2.0 * lambda_coord * error * signed_root_derivative(size)
                    error = float(p[start + 4]) - target
                    total += error**2
                    g[start + 4] += 2.0 * error

                    for k in range(classes):
                        error = float(p[5 * boxes + k] - t[5 + k])
                        total += error**2
                        g[5 * boxes + k] += 2.0 * error

                for box in range(boxes):
                    if box != responsible:
                        confidence = float(p[5 * box + 4])
                        total += lambda_noobj * confidence**2
                        g[5 * box + 4] += 2.0 * lambda_noobj * confidence

    return total / n, (gradient / n).reshape(np.shape(y_pred))
