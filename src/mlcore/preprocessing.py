"""From labels to one-hot rows, and from a data set to the network it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .names import ActivationName, LossName
from .validation import check_positive

#: text, or at most this many distinct whole numbers, mean classes
MOST_CLASSES = 10


def to_categorical(labels: ArrayLike, num_classes: int | None = None) -> NDArray[np.float64]:
    """One-hot rows: 1.0 in the column of each label, 0.0 elsewhere.

    Parameters
    ----------
    labels : array_like of int of shape (n,) or (n, 1)
        Whole numbers from 0 on.
    num_classes : int, optional
        Columns; default: the largest label plus 1.

    Returns
    -------
    ndarray of float64 of shape (n, num_classes)

    Raises
    ------
    ValueError
        For labels that are not whole numbers from 0 on, or not below num_classes; for no labels without num_classes.

    Examples
    --------
    >>> import mlcore
    >>> mlcore.to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"labels has shape {array.shape}, but one label a row is wanted.")
    if array.size and array.dtype.kind not in "biuf":
        raise ValueError(f"labels must be whole numbers, but their dtype is {array.dtype}; number the classes first.")
    with np.errstate(invalid="ignore"):
        whole = array.astype(np.intp)
    if (whole != array).any() or (whole < 0).any():
        raise ValueError("labels must be whole numbers from 0 on.")
    if num_classes is None:
        if not whole.size:
            raise ValueError("labels is empty; say num_classes.")
        num_classes = int(whole.max()) + 1
    check_positive(num_classes, "num_classes", integer=True)
    if whole.size and whole.max() >= num_classes:
        raise ValueError(
            f"labels reach {int(whole.max())}, but num_classes={num_classes} allows 0 to {num_classes - 1}."
        )
    rows = np.zeros((whole.size, num_classes))
    rows[np.arange(whole.size), whole] = 1.0
    return rows


def label_advice(labels: Any, n_rows: int, n_outputs: int) -> str:
    """What to do with one label a row where a column for each class is wanted; nothing if they are no labels."""
    array = np.asarray(labels)
    if n_outputs < 2 or array.shape not in ((n_rows,), (n_rows, 1)) or not array.size:
        return ""
    if array.dtype.kind in "OSU":
        return " Number the classes (numpy.unique with return_inverse=True), and pass mlcore.to_categorical(numbers)."
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all() or (array != np.round(array)).any():
        return ""
    if array.min() < 0 or array.max() >= n_outputs:
        return (
            f" One-hot rows are wanted: number the classes from 0 to {n_outputs - 1}, one for each output, and pass "
            "mlcore.to_categorical of them."
        )
    return f" For labels pass their one-hot rows, mlcore.to_categorical(labels, {n_outputs})."


def looks_like_classes(y: NDArray[Any]) -> bool:
    """Whether an answer column looks like classes: text, truth values, or at most ten distinct whole numbers."""
    if y.dtype.kind not in "iuf":
        return True
    distinct = np.unique(y)
    return len(distinct) <= MOST_CLASSES and bool((distinct == np.round(distinct)).all())


@dataclass(frozen=True)
class NetworkPlan:
    """A network that a data set asks for.

    Attributes
    ----------
    layer_sizes : tuple of int
    activations : tuple of str
    loss : str
    n_parameters : int
        Weights and biases.
    reasons : tuple of str
        Why, a sentence for each choice.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[ActivationName, ...]
    loss: LossName
    n_parameters: int
    reasons: tuple[str, ...]


def suggest_network(X: ArrayLike, y: ArrayLike) -> NetworkPlan:
    """What a data set asks for: inputs and outputs, a hidden layer, the last activation and the loss.

    Inputs and outputs follow the columns; the last activation and the loss follow the answers (real numbers, two
    classes, more classes); the hidden layer is the mean of inputs and outputs, at least 3 and at most 100 units,
    smaller where rows are too few (about ten rows a parameter are wanted).

    Parameters
    ----------
    X : array_like of shape (n, p)
    y : array_like of shape (n,) or (n, q)
        Text, truth values or at most ten distinct whole numbers mean classes.

    Returns
    -------
    NetworkPlan

    Raises
    ------
    ValueError
        For no rows, for X that is not two-dimensional, for rows that do not match, for one class only.
    """
    inputs, answers = np.asarray(X), np.asarray(y)
    last: ActivationName
    loss: LossName
    if inputs.ndim != 2 or not inputs.size:
        raise ValueError(f"X has shape {inputs.shape}, but rows of at least one input are wanted.")
    if answers.ndim not in (1, 2) or len(answers) != len(inputs):
        raise ValueError(f"y has shape {answers.shape}, but one answer for each of {len(inputs)} rows is wanted.")
    for name, array in (("X", inputs), ("y", answers)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} contains NaN or infinity; remove or replace such values first.")
        if array.dtype == object and len({type(value) for value in array.ravel()}) > 1:
            raise ValueError(f"{name} mixes types of values; make them all numbers or all text first.")
    n, p = inputs.shape
    reasons = [f"{p} inputs: one for each column of X"]
    if answers.ndim == 2 and answers.shape[1] > 1:
        q, last, loss = answers.shape[1], "identity", "mean_squared_error"
        reasons.append(f"{q} outputs, identity and the mean squared error: y has {q} columns of numbers")
    elif looks_like_classes(answers):
        q = len(np.unique(answers))
        if q < 2:
            raise ValueError("y has one class only; there is nothing to tell apart.")
        if q == 2:
            q, last, loss = 1, "sigmoid", "binary_cross_entropy"
            reasons.append("1 output, sigmoid and the binary cross-entropy: y has two classes")
        else:
            last, loss = "softmax", "categorical_cross_entropy"
            reasons.append(f"{q} outputs, softmax and the categorical cross-entropy: y has {q} classes")
    else:
        q, last, loss = 1, "identity", "mean_squared_error"
        reasons.append("1 output, identity and the mean squared error: y is real numbers")
    hidden = min(100, max(3, (p + q + 1) // 2))
    affordable = int(n / 10 / (p + q + 1))
    if affordable < hidden:
        hidden = max(3, min(hidden, affordable))
        reasons.append(f"{hidden} hidden units: {n} rows are few")
    else:
        reasons.append(f"{hidden} hidden units: the mean of inputs and outputs, within 3 to 100")
    sizes = (p, hidden, q)
    parameters = (p + 1) * hidden + (hidden + 1) * q
    return NetworkPlan(sizes, ("relu", last), loss, parameters, tuple(reasons))
