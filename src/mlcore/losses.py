"""Losses with gradients, on predictions.

Every loss is a callable ``loss(y_true, y_pred, sample_weight=None) -> float`` with ``value_and_gradient``, which also
gives the derivative by every prediction; :func:`with_options` sets how it sums and what stands inside its logarithms.

========================  =============================================  ====================
name                      loss of one element, t true and p predicted    mean over
========================  =============================================  ====================
mean_squared_error        (p - t)^2                                      elements
mean_absolute_error       |p - t|                                        elements
root_mean_squared_error   the root of the mean squared error             elements
huber                     (p - t)^2 / 2, linear beyond the threshold     elements
poisson                   t log(t / p) - t + p                           elements
binary_cross_entropy      -t log p - (1 - t) log(1 - p)                  elements
categorical_cross_entropy sum over classes of -t log p                   rows
========================  =============================================  ====================

A logarithm never sees less than the smallest normal number of the dtype, so that values stay finite at predictions of
exactly 0 and 1, and gradients too for targets and weights up to 1. Costs: one pass over the arrays, in compiled code,
without the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .config import chosen_kernels
from .kernels import ids
from .memory import shared_view
from .names import LossName, meant
from .validation import as_float_array, as_sample_weight, check_choice, check_positive


@dataclass(frozen=True)
class Loss:
    """A loss that the kernels know.

    Attributes
    ----------
    name : str
        Its name, the one that ``Network(loss=...)`` takes.
    reduction : {"mean", "sum"}
        Mean over elements (rows, for categorical cross-entropy), or plain sum.
    epsilon : float
        Added to the argument of every logarithm.
    threshold : float
        Where Huber's loss turns linear.
    output_activation : str
        The activation of a last layer that this loss expects.
    """

    name: str
    id: int
    formula: str
    derivative: str
    output_activation: str
    from_raw_id: int | None = None
    over_rows: bool = False
    reduction: str = "mean"
    epsilon: float = 0.0
    threshold: float = 1.0

    def __post_init__(self) -> None:
        mean = "the mean over rows" if self.over_rows else "the mean over elements"
        if self.id == ids.ROOT_MEAN_SQUARED_ERROR:
            mean = f"the root of {mean}"
        text = f"""{self.name.replace("_", " ").capitalize()}: {self.formula}, by default {mean}.

        Here t is the right answer and p the prediction. ``{self.name}(y_true, y_pred, sample_weight=None)`` is the
        value, ``{self.name}.value_and_gradient(...)`` also the derivative by every prediction:
        {self.derivative}.
        ``{self.name}.with_options(reduction=..., epsilon=..., threshold=...)`` is the same loss with other options;
        now reduction={self.reduction!r}, epsilon={self.epsilon!r}, threshold={self.threshold!r}.

        A network that is trained by it should end in the activation {self.output_activation!r}, and does by default.
        """
        object.__setattr__(self, "__doc__", text)

    def with_options(
        self,
        *,
        reduction: Literal["mean", "sum"] | None = None,
        epsilon: float | None = None,
        threshold: float | None = None,
    ) -> Loss:
        """The same loss with other options.

        Parameters
        ----------
        reduction : {"mean", "sum"}, optional
            Mean over elements (rows for categorical cross-entropy), or plain sum.
        epsilon : float, optional
            Added inside the logarithms; the course uses 1e-7. Default 0.
        threshold : float, optional
            Huber's: the residual from which the loss grows linearly. Default 1.

        Returns
        -------
        Loss

        Raises
        ------
        ValueError
            For an unknown reduction, a negative epsilon, a threshold that is not above 0.
        """
        loss = self
        if reduction is not None:
            loss = replace(loss, reduction=check_choice(reduction, "reduction", ("mean", "sum")))
        if epsilon is not None:
            loss = replace(loss, epsilon=float(check_positive(epsilon, "epsilon", zero=True)))
        if threshold is not None:
            loss = replace(loss, threshold=float(check_positive(threshold, "threshold")))
        return loss

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The value alone; see :meth:`value_and_gradient`."""
        return self.value_and_gradient(y_true, y_pred, sample_weight)[0]

    def value_and_gradient(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, NDArray[Any]]:
        """The loss and its derivative by each prediction.

        Parameters
        ----------
        y_true, y_pred : array_like of shape (n,) or (n, q)
            Right answers and predictions, of one shape. Probabilities for the cross-entropies (0 to 1), rates above 0
            for Poisson.
        sample_weight : array_like of shape (n,), optional
            Multiplies each row's loss; a mean is then over the weights' sum.

        Returns
        -------
        value : float
        gradient : ndarray of y_pred's shape
            float32 if both inputs are, else float64.

        Raises
        ------
        ValueError
            For shapes that differ, empty input, NaN or infinity, values outside the loss's domain.
        """
        predicted = as_float_array(y_pred, "y_pred")
        true = as_float_array(y_true, "y_true")
        dtype = np.result_type(predicted, true)
        predicted, true = predicted.astype(dtype, copy=False), true.astype(dtype, copy=False)
        if predicted.shape != true.shape:
            from .preprocessing import label_advice

            advice = label_advice(y_true, *predicted.shape) if predicted.ndim == 2 else ""
            message = f"y_true has shape {true.shape} and y_pred {predicted.shape}; they must be the same."
            raise ValueError(f"{message}{advice}")
        if predicted.size == 0:
            raise ValueError(f"y_pred is empty (shape {predicted.shape}): a loss needs at least one prediction.")
        self._check_domain(true, predicted)
        if predicted.ndim == 0:
            width, rows = 1, 1
        elif self.over_rows and predicted.ndim == 1:
            width, rows = predicted.size, 1
        else:
            rows = predicted.shape[0]
            width = predicted.size // rows
        weight = as_sample_weight(sample_weight, rows, dtype)
        if weight.size and not weight.any():
            raise ValueError("sample_weight is zero in every row; at least one weight above 0 is wanted.")
        gradient = np.empty(predicted.shape, dtype)
        value = chosen_kernels().loss(
            self.id,
            int(self.reduction == "mean"),
            int(weight.size > 0),
            width,
            self.settings(width),
            shared_view(true),
            shared_view(predicted),
            shared_view(weight),
            gradient.reshape(-1),
            np.empty(predicted.size, dtype),
        )
        return float(value), gradient

    def settings(self, width: int) -> NDArray[np.float64]:
        """The kernels' settings vector for rows of `width` outputs."""
        settings = np.zeros(ids.N_SETTINGS)
        share = 1.0 if self.over_rows or self.reduction == "sum" else 1.0 / width
        settings[ids.VALUE_FACTOR] = settings[ids.GRADIENT_FACTOR] = share
        settings[ids.LOSS_EPSILON] = self.epsilon
        settings[ids.THRESHOLD] = self.threshold
        return settings

    def kernel_id(self, output_activation: str) -> int:
        """The kernel's id behind a given last activation: from the raw prediction, where that is exact."""
        if self.from_raw_id is not None and self.epsilon == 0.0 and output_activation == self.output_activation:
            return self.from_raw_id
        return self.id

    def _check_domain(self, true: NDArray[Any], predicted: NDArray[Any]) -> None:
        if self.name.endswith("cross_entropy"):
            for name, array, advice in (
                ("y_true", true, "write labels of several classes as one-hot rows first (mlcore.to_categorical)"),
                ("y_pred", predicted, "pass raw scores through sigmoid or softmax first"),
            ):
                if array.min() < 0.0 or array.max() > 1.0:
                    raise ValueError(
                        f"{name} runs from {array.min():g} to {array.max():g}, but {self.name} is for probabilities "
                        f"between 0 and 1; {advice}."
                    )
        elif self.name == "poisson" and (true.min() < 0.0 or predicted.min() < 0.0):
            raise ValueError(
                f"poisson is for counts and rates of at least 0, but y_true reaches {true.min():g} and y_pred "
                f"{predicted.min():g}."
            )


mean_absolute_error = Loss(
    "mean_absolute_error", ids.MEAN_ABSOLUTE_ERROR, "|p - t|", "sign(p - t) / N, 0 at equality", "identity"
)
mean_squared_error = Loss("mean_squared_error", ids.MEAN_SQUARED_ERROR, "(p - t)^2", "2 (p - t) / N", "identity")
root_mean_squared_error = Loss(
    "root_mean_squared_error",
    ids.ROOT_MEAN_SQUARED_ERROR,
    "(p - t)^2",
    "(p - t) / (N loss), 0 where the loss is 0",
    "identity",
)
# Huber 1964
huber = Loss(
    "huber",
    ids.HUBER,
    "(p - t)^2 / 2 while |p - t| <= threshold, else threshold (|p - t| - threshold / 2)",
    "(p - t) / N, at most threshold / N in size",
    "identity",
)
poisson = Loss(
    "poisson",
    ids.POISSON,
    "t log(t / p) - t + p (half the deviance), with 0 log 0 = 0",
    "(1 - t / p) / N",
    "exponential",
    ids.POISSON_FROM_RAW,
)
binary_cross_entropy = Loss(
    "binary_cross_entropy",
    ids.BINARY_CROSS_ENTROPY,
    "-t log p - (1 - t) log(1 - p)",
    "((1 - t) / (1 - p) - t / p) / N",
    "sigmoid",
    ids.BINARY_FROM_RAW,
)
categorical_cross_entropy = Loss(
    "categorical_cross_entropy",
    ids.CATEGORICAL_CROSS_ENTROPY,
    "the sum over classes of -t log p",
    "-t / (n p)",
    "softmax",
    ids.CATEGORICAL_FROM_RAW,
    over_rows=True,
)

LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        mean_absolute_error,
        mean_squared_error,
        root_mean_squared_error,
        huber,
        poisson,
        binary_cross_entropy,
        categorical_cross_entropy,
    )
}


class LossLike(Protocol):
    """What a network can be trained by: any object with such a method."""

    def value_and_gradient(self, y_true: NDArray[Any], y_pred: NDArray[Any], /) -> tuple[float, NDArray[Any]]:
        """The loss, and its derivative by each prediction."""


def get_loss(loss: LossName | LossLike) -> Any:
    """The loss of that name, or the object itself if it has ``value_and_gradient``; ``ValueError`` lists the names."""
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if callable(getattr(loss, "value_and_gradient", None)):
        return loss
    raise ValueError(
        f"loss is {loss!r}, but must be one of {', '.join(map(repr, LOSSES))}, or an object with "
        f"value_and_gradient(y_true, y_pred).{meant(loss, tuple(LOSSES))}"
    )


def _against(constant: float, predictions: ArrayLike) -> tuple[float, NDArray[Any]]:
    """Binary cross-entropy of discriminator answers against one constant truth."""
    answers = as_float_array(predictions, "discriminator answers")
    return binary_cross_entropy.value_and_gradient(np.full_like(answers, constant), answers)


def gan_discriminator(d_real: ArrayLike, d_fake: ArrayLike) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """The discriminator's loss in the GAN game, -(mean log d_real + mean log(1 - d_fake)).

    Parameters
    ----------
    d_real, d_fake : array_like
        The discriminator's answers (probability of "real", 0 to 1) on real and on generated samples, any shapes.

    Returns
    -------
    value : float
    gradient_real, gradient_fake : ndarray
        Derivatives by ``d_real`` and by ``d_fake``.

    Raises
    ------
    ValueError
        For answers outside 0 to 1, NaN, infinity or empty input.

    References
    ----------
    Goodfellow et al. 2014, Generative Adversarial Nets, algorithm 1.
    """
    value_real, gradient_real = _against(1.0, d_real)
    value_fake, gradient_fake = _against(0.0, d_fake)
    return value_real + value_fake, gradient_real, gradient_fake


def gan_generator(d_fake: ArrayLike, saturating: bool = False) -> tuple[float, NDArray[Any]]:
    """The generator's loss in the GAN game.

    Parameters
    ----------
    d_fake : array_like
        The discriminator's answers on generated samples, 0 to 1.
    saturating : bool, default=False
        False: -mean log d_fake, whose gradient is strong while the discriminator wins. True: the game's own
        mean log(1 - d_fake).

    Returns
    -------
    value : float
    gradient : ndarray
        Derivative by ``d_fake``; pass it back through the discriminator to the generator.

    Raises
    ------
    ValueError
        For answers outside 0 to 1, NaN, infinity or empty input.

    References
    ----------
    Goodfellow et al. 2014, Generative Adversarial Nets, section 3.
    """
    if not saturating:
        return _against(1.0, d_fake)
    value, gradient = _against(0.0, d_fake)
    return -value, -gradient


def gan_minimax(d_real: ArrayLike, d_fake: ArrayLike) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """The value of the GAN game, mean log d_real + mean log(1 - d_fake): one player raises it, the other lowers it.

    Parameters, errors and source as in :func:`gan_discriminator`, of which this is the negative.

    Returns
    -------
    value : float
    gradient_real, gradient_fake : ndarray
    """
    value, gradient_real, gradient_fake = gan_discriminator(d_real, d_fake)
    return -value, -gradient_real, -gradient_fake


@dataclass(frozen=True)
class YOLOv1:
    """The YOLO v1 detection loss: five sums over the cells of a grid.

    With the box of highest IoU responsible in each cell that holds an object (the first on a tie)::

        lambda_coord  sum_responsible (x - x^)^2 + (y - y^)^2
        lambda_coord  sum_responsible (sqrt w - sqrt w^)^2 + (sqrt h - sqrt h^)^2
                      sum_responsible (confidence - target)^2
        lambda_noobj  sum_other       confidence^2
                      sum_object      sum over classes (p - p^)^2

    Every box that is not responsible counts as empty. Summed over cells, mean over images. The IoU is a constant for
    the gradient. A root is continued to negative sizes, sign(w) sqrt(|w|), with a straight line within 1e-6 of 0.

    Parameters
    ----------
    grid_size : int, default=7
        Cells along each side, S.
    boxes : int, default=2
        Boxes that each cell predicts, B.
    classes : int, default=20
        Classes, C.
    lambda_coord, lambda_noobj : float, default=5.0 and 0.5
        Weights of the coordinates and of the empty boxes' confidences.
    confidence_target : {"iou", "one"}, default="iou"
        What a responsible box's confidence should be: its IoU with the truth, or 1.

    Raises
    ------
    ValueError
        For counts below 1, negative weights or an unknown confidence target.

    References
    ----------
    Redmon et al. 2016, You Only Look Once: Unified, Real-Time Object Detection, equation 3.
    """

    grid_size: int = 7
    boxes: int = 2
    classes: int = 20
    lambda_coord: float = 5.0
    lambda_noobj: float = 0.5
    confidence_target: Literal["iou", "one"] = "iou"

    output_activation = "identity"

    def __post_init__(self) -> None:
        for name in ("grid_size", "boxes", "classes"):
            check_positive(getattr(self, name), name, integer=True)
        for name in ("lambda_coord", "lambda_noobj"):
            check_positive(getattr(self, name), name, zero=True)
        check_choice(self.confidence_target, "confidence_target", ("iou", "one"))

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike) -> float:
        """The value alone; see :meth:`value_and_gradient`."""
        return self.value_and_gradient(y_true, y_pred)[0]

    def value_and_gradient(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[float, NDArray[Any]]:
        """The loss and its derivative by each prediction.

        Parameters
        ----------
        y_true : array_like of shape (n, S, S, 5 + C)
            In each cell: x, y within the cell (0 to 1), w, h of the image (0 to 1), 1 where the cell holds an object,
            then the class as one-hot. Trailing axes may be flattened.
        y_pred : array_like of shape (n, S, S, 5 B + C)
            In each cell: B boxes of (x, y, w, h, confidence), then the classes. Trailing axes may be flattened.

        Returns
        -------
        value : float
        gradient : ndarray of y_pred's shape

        Raises
        ------
        ValueError
            For other shapes, no images, NaN or infinity.
        """
        predicted = as_float_array(y_pred, "y_pred")
        true = as_float_array(y_true, "y_true")
        dtype = np.result_type(predicted, true)
        predicted, true = predicted.astype(dtype, copy=False), true.astype(dtype, copy=False)
        cells = self.grid_size**2
        n = predicted.shape[0] if predicted.ndim else 0
        for name, array, depth in (
            ("y_true", true, 5 + self.classes),
            ("y_pred", predicted, 5 * self.boxes + self.classes),
        ):
            if array.ndim < 2 or n == 0 or array.shape[0] != n or array.size != n * cells * depth:
                raise ValueError(
                    f"{name} has shape {array.shape}, but (n, {self.grid_size}, {self.grid_size}, {depth}) is wanted, "
                    "trailing axes flattened or not, with at least one image and as many in y_true as in y_pred."
                )
        gradient = np.empty(predicted.shape, dtype)
        value = chosen_kernels().yolo(
            n,
            self.grid_size,
            self.boxes,
            self.classes,
            int(self.confidence_target == "iou"),
            self.lambda_coord,
            self.lambda_noobj,
            shared_view(true),
            shared_view(predicted),
            gradient.reshape(-1),
        )
        return float(value), gradient
