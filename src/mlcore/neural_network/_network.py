"""A feed-forward network of plain arrays: forward, trace, backward, gradients, fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..activations import get_activation
from ..config import check_threads, chosen_kernels
from ..kernels import ids
from ..losses import Loss, LossLike, get_loss
from ..memory import aligned_zeros, shared_view
from ..names import ActivationName, GradientName, LossName, OptimizerName, ScheduleName, UpdateName
from ..optimizers import SGD, Adam, AdamW, Momentum, get_rule
from ..preprocessing import label_advice
from ..validation import (
    as_dtype,
    as_float_array,
    as_random_state,
    as_rows,
    as_sample_weight,
    check_choice,
    check_dropout,
    check_fraction,
    check_positive,
    warn_caller,
)
from ._draws import RowOrder, stream_seed, undrawn_on_failure
from ._forward import forward
from ._objective import Objective
from ._parameter_layout import ParameterLayout, initial_parameters
from ._settings import settings_of
from ._training import Training

_SCHEDULES = {
    "constant": ids.CONSTANT,
    "inverse_scaling": ids.INVERSE_SCALING,
    "cosine": ids.COSINE,
}


class Gradient:
    """Derivatives of a number by every weight and bias of a network, shaped like the network's.

    Attributes
    ----------
    weights : list of ndarray of shape (n_in, n_out)
    biases : list of ndarray of shape (n_out,)
    inputs : ndarray of shape (n, p) or None
        The derivative by the inputs, where it was asked for (`Network.backward`).
    """

    __module__ = "mlcore.neural_network"

    def __init__(self, layout: ParameterLayout, flat: NDArray[Any], inputs: NDArray[Any] | None = None) -> None:
        self.layout = layout
        self.flat = flat
        self.inputs = inputs
        self.weights, self.biases = layout.views(flat)

    def __reduce__(self) -> tuple[Any, ...]:
        # a copy's views are views of the copy
        return Gradient, (self.layout, self.flat, self.inputs)

    def __deepcopy__(self, memo: Any) -> Gradient:
        inputs = None if self.inputs is None else self.inputs.copy()
        return Gradient(self.layout, self.flat.copy(), inputs)

    def __repr__(self) -> str:
        shapes = ", ".join(str(weights.shape) for weights in self.weights)
        return f"Gradient(weights of shapes {shapes})"


@dataclass(frozen=True)
class Trace:
    """Every number of a forward pass.

    Attributes
    ----------
    z : list of ndarray of shape (n, size)
        Z = A W + b of each layer, the first behind the inputs first.
    a : list of ndarray of shape (n, size)
        A = f(Z) of each layer.
    y : ndarray of shape (n, q)
        The outputs, the last of ``a``.
    """

    z: list[NDArray[Any]]
    a: list[NDArray[Any]]
    y: NDArray[Any]


# not in the class: what `dataclass` makes would look its names up there
Trace.__module__ = "mlcore.neural_network"


@dataclass(frozen=True, kw_only=True)
class _FitOptions:
    """The arguments of `Network.fit` but for the data."""

    epochs: int
    batch_size: int | None
    optimizer: OptimizerName
    learning_rate: float
    shuffle: bool
    gradient: GradientName
    update: UpdateName
    delta: float
    momentum: float
    beta_1: float
    beta_2: float
    epsilon: float
    weight_decay: float
    schedule: ScheduleName
    power_t: float
    warm_up: int
    clip_norm: float | None
    dropout: float | Sequence[float]
    n_threads: int | None

    @property
    def numerical(self) -> bool:
        return self.gradient == "numerical"

    @property
    def sequential(self) -> bool:
        return self.update == "sequential"

    def dropout_rates(self, layout: ParameterLayout) -> tuple[float, ...]:
        return check_dropout(self.dropout, layout.n_layers - 1)

    def rows_a_step(self, n_rows: int) -> int:
        return n_rows if self.batch_size is None else min(n_rows, self.batch_size)

    def check(self, layout: ParameterLayout) -> None:
        check_positive(self.epochs, "epochs", integer=True)
        for name in ("learning_rate", "delta", "epsilon"):
            check_positive(getattr(self, name), name)
        check_positive(layout.dtype.type(self.epsilon), f"epsilon (as {layout.dtype})")
        for name in ("weight_decay", "power_t"):
            check_positive(getattr(self, name), name, zero=True)
        get_rule(self.optimizer)
        check_choice(self.gradient, "gradient", ("backprop", "numerical"))
        check_choice(self.update, "update", ("joint", "sequential"))
        check_choice(self.schedule, "schedule", tuple(_SCHEDULES))
        for name in ("momentum", "beta_1", "beta_2"):
            check_fraction(getattr(self, name), name)
        check_positive(self.warm_up, "warm_up", integer=True, zero=True)
        check_threads(self.n_threads)
        if self.clip_norm is not None:
            check_positive(self.clip_norm, "clip_norm")
        if self.batch_size is not None:
            check_positive(self.batch_size, "batch_size", integer=True)
        dropped = any(self.dropout_rates(layout))
        if (self.sequential and (dropped or self.clip_norm is not None)) or (self.numerical and dropped):
            raise ValueError(
                "dropout and clip_norm are for update='joint', and dropout for gradient='backprop': each part of a "
                "sequential step, and each difference, would need draws of its own."
            )

    def need_builtin_loss(self, layout: ParameterLayout) -> bool:
        """Whether a loss that is a Python object cannot have these."""
        plain = self.schedule == "constant" and not self.warm_up and self.clip_norm is None
        return self.numerical or self.sequential or not plain or any(self.dropout_rates(layout))

    def settings(self) -> dict[str, float]:
        """The kernels' settings by their names."""
        return {
            "LEARNING_RATE": self.learning_rate,
            "BETA_1": self.beta_1 if self.optimizer.startswith("adam") else self.momentum,
            "BETA_2": self.beta_2,
            "EPSILON": self.epsilon,
            "WEIGHT_DECAY": self.weight_decay,
            "DIFFERENCE_STEP": self.delta,
            "POWER_T": self.power_t,
            "WARM_UP": self.warm_up,
            "CLIP_NORM": np.inf if self.clip_norm is None else self.clip_norm,
        }

    def hand_made(self, network: Network) -> SGD | Momentum | Adam | AdamW:
        """The optimizer as an object."""
        if self.optimizer in ("momentum", "nesterov"):
            return Momentum(network, self.learning_rate, self.momentum, nesterov=self.optimizer == "nesterov")
        if self.optimizer == "adam":
            return Adam(network, self.learning_rate, self.beta_1, self.beta_2, self.epsilon)
        if self.optimizer == "adamw":
            return AdamW(network, self.learning_rate, self.beta_1, self.beta_2, self.epsilon, self.weight_decay)
        return SGD(network, self.learning_rate)


class Network:
    """A feed-forward network, Y = f_L(... f_1(X W_1 + b_1) ... W_L + b_L).

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs, hidden layers, outputs: (2, 3, 1) has two inputs, three hidden units, one output.
    activations : str or sequence of str, optional
        One name for each layer behind the inputs; or one name for the hidden layers, the last layer then having the one
        that the loss expects (a single layer has the name itself). Default: "relu", and what the loss expects.
    loss : str or object, default="mean_squared_error"
        A name of `mlcore.losses`, a loss of it with options, or any object with ``value_and_gradient(y_true, y_pred)``.
    dtype : {"float64", "float32"}, default="float64"
    random_state : int, RandomState or None, default=None
        Of the initial parameters, and of the shuffles of `fit`.

    Attributes
    ----------
    weights : list of ndarray of shape (n_in, n_out)
        Writable views.
    biases : list of ndarray of shape (n_out,)
        Writable views.
    flat : ndarray
        The vector behind them (rows padded to the vector width with zeros, which must stay zero).
    history : list of float
        The loss of every epoch of the last `fit`, each batch's before its own step.

    Raises
    ------
    ValueError
        For fewer than two sizes, sizes below 1, unknown names, as many activations as do not fit the layers.

    Examples
    --------
    >>> import mlcore
    >>> net = mlcore.Network((2, 3, 1), activations="sigmoid", random_state=0)
    >>> net.forward([[1.0, 2.0]]).shape
    (1, 1)
    """

    __module__ = "mlcore.neural_network"

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activations: ActivationName | Sequence[ActivationName] | None = None,
        loss: LossName | LossLike = "mean_squared_error",
        dtype: DTypeLike = "float64",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        if not np.iterable(layer_sizes):
            raise ValueError(f"layer_sizes is {layer_sizes!r}, but must list the inputs, hidden layers and outputs.")
        sizes = tuple(check_positive(size, "every entry of layer_sizes", integer=True) for size in layer_sizes)
        if len(sizes) < 2:
            raise ValueError(f"layer_sizes is {tuple(layer_sizes)}, but needs the inputs and at least one layer.")
        self.loss = get_loss(loss)
        if activations is None or isinstance(activations, str):
            last: ActivationName = getattr(self.loss, "output_activation", "identity")
            # one name is the hidden layers', or the only layer's
            hidden: ActivationName = activations or "relu"
            activations = [hidden] * (len(sizes) - 2) + [last if len(sizes) > 2 else activations or last]
        functions = [get_activation(name) for name in activations]
        if len(functions) != len(sizes) - 1:
            raise ValueError(
                f"activations has {len(functions)} names, but layer_sizes {sizes} has {len(sizes) - 1} layers behind "
                "the inputs; give one name for each."
            )
        if any(function.name == "softmax" for function in functions[:-1]):
            raise ValueError("softmax is for the last layer only, where its classes compete; use another inside.")
        self.dtype = as_dtype(dtype)
        self._random_state = as_random_state(random_state)
        self.layout = ParameterLayout(sizes, functions, self.dtype)
        self._flat = initial_parameters(self.layout, self._random_state)
        self._weights, self._biases = self.layout.views(self._flat)
        self.history: list[float] = []
        self._n_fits = 0

    @property
    def weights(self) -> list[NDArray[Any]]:
        """The weights (n_in, n_out) of each layer: writable views; an assigned array is copied into its view."""
        return self._weights

    @weights.setter
    def weights(self, arrays: Sequence[ArrayLike]) -> None:
        self._weights[:] = arrays

    @property
    def biases(self) -> list[NDArray[Any]]:
        """The biases (n_out,) of each layer: writable views; an assigned array is copied into its view."""
        return self._biases

    @biases.setter
    def biases(self, arrays: Sequence[ArrayLike]) -> None:
        self._biases[:] = arrays

    @property
    def flat(self) -> NDArray[Any]:
        """The vector behind them; an assigned one is copied into it, padding apart."""
        return self._flat

    @flat.setter
    def flat(self, vector: ArrayLike) -> None:
        array = as_float_array(vector, "flat", self.dtype)
        if array.shape != self._flat.shape:
            raise ValueError(f"flat has shape {array.shape}, but {self._flat.shape} is wanted.")
        self.weights, self.biases = self.layout.views(array)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Inputs, hidden layers, outputs."""
        return self.layout.sizes

    @property
    def activations(self) -> tuple[str, ...]:
        """The activation of each layer behind the inputs."""
        return tuple(function.name for function in self.layout.activations)

    def __repr__(self) -> str:
        loss = getattr(self.loss, "name", self.loss)
        return f"Network({self.layer_sizes}, activations={self.activations}, loss={loss!r}, dtype={self.dtype.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_weights"], state["_biases"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # copies of a view may lose its alignment, and the views would be copies of their own
        aligned = aligned_zeros(self._flat.size, self.dtype)
        aligned[:] = self._flat
        self._flat = aligned
        self._weights, self._biases = self.layout.views(self._flat)

    def _inputs(self, X: ArrayLike) -> NDArray[Any]:
        return as_rows(X, "X", self.dtype, self.layer_sizes[0], "inputs a row")

    def _targets(self, T: ArrayLike, n_rows: int) -> NDArray[Any]:
        if isinstance(self.loss, Loss):
            try:
                targets = as_rows(T, "T", self.dtype, self.layer_sizes[-1], "outputs a row")
            except ValueError as error:
                raise ValueError(f"{error}{label_advice(T, n_rows, self.layer_sizes[-1])}") from None
        else:  # labels of any shape, row by row: only the loss knows what they should be
            targets = np.atleast_1d(as_float_array(T, "T", self.dtype))
        if targets.shape[0] != n_rows:
            advice = label_advice(T, n_rows, self.layer_sizes[-1]) if isinstance(self.loss, Loss) else ""
            raise ValueError(
                f"T has {targets.shape[0]} rows, but X has {n_rows}; every row needs its right answer.{advice}"
            )
        if n_rows == 0:
            raise ValueError("X has no rows; at least one is wanted.")
        if isinstance(self.loss, Loss):
            # targets only: predictions are the network's own
            self.loss._check_domain(targets, np.zeros(1, self.dtype))
        return targets

    def forward(self, X: ArrayLike) -> NDArray[Any]:
        """The outputs Y for every row of X.

        Parameters
        ----------
        X : array_like of shape (n, p)
            One dimension is one row (one column, if the network has one input).

        Returns
        -------
        ndarray of shape (n, q)

        Raises
        ------
        ValueError
            For another width, NaN or infinity.
        """
        return forward(self.layout, self.flat, self._inputs(X))

    def trace(self, X: ArrayLike) -> Trace:
        """Z and A of every layer for every row of X; parameters and errors as in `forward`. Memory: all of them."""
        rows = self._inputs(X)
        n = rows.shape[0]
        plan, work = self.layout.work(n, raw=True)
        y = np.empty((n, self.layer_sizes[-1]), self.dtype)
        chosen_kernels().forward(plan, shared_view(rows), self.flat, y.reshape(-1), work)
        values: dict[int, list[NDArray[Any]]] = {ids.RAW: [], ids.ACTIVATED: []}
        for layer in range(1, self.layout.n_layers + 1):
            record = plan[ids.LAYERS + layer * ids.RECORD :]
            stride = int(record[ids.STRIDE])
            for what, found in values.items():
                rows_of_layer = work[record[what] :][: n * stride].reshape(n, stride)
                found.append(rows_of_layer[:, : self.layer_sizes[layer]].copy())
        return Trace(values[ids.RAW], [*values[ids.ACTIVATED][:-1], y], y)

    def loss_value(self, X: ArrayLike, T: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The loss of the network's outputs against T; parameters and errors as in `loss_and_gradient`."""
        return self.loss_and_gradient(X, T, sample_weight)[0]

    def loss_and_gradient(
        self, X: ArrayLike, T: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, Gradient]:
        """The loss and its gradient by back-propagation: the code that trains, stopped before it moves anything.

        Parameters
        ----------
        X : array_like of shape (n, p)
        T : array_like of shape (n, q)
            Right answers; one-hot rows for categorical cross-entropy (`mlcore.to_categorical`).
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        loss : float
        gradient : Gradient

        Raises
        ------
        ValueError
            For shapes that do not fit, NaN or infinity, no rows.
        """
        rows = self._inputs(X)
        targets = self._targets(T, rows.shape[0])
        if not isinstance(self.loss, Loss):
            if sample_weight is not None:
                raise ValueError("sample_weight needs one of mlcore's own losses; this one takes none.")
            value, output_gradient = self.loss.value_and_gradient(targets, self.forward(rows))
            return float(value), self.backward(rows, output_gradient)
        return self._gradient_call(self.layout, self.flat, rows, targets, sample_weight)

    def numerical_gradient(
        self, X: ArrayLike, T: ArrayLike, delta: float = 1e-4, sample_weight: ArrayLike | None = None
    ) -> Gradient:
        """The gradient by central differences, (L(w + delta) - L(w - delta)) / (2 delta) for every weight and bias.

        Computed in float64 whatever the network's dtype. Moving a weight changes one column of its layer's Z; only what
        lies downstream is computed again, so a parameter costs two forward passes through the layers above it,
        O(n) in the last layer, and nothing where its input is zero in every row.

        Parameters
        ----------
        X, T, sample_weight
            As in `loss_and_gradient`.
        delta : float, default=1e-4

        Returns
        -------
        Gradient
            Of the network's dtype.

        Raises
        ------
        ValueError
            As `loss_and_gradient`; also for a delta that is not above 0, and for a loss that is not mlcore's.
        """
        check_positive(delta, "delta")
        self._require_builtin_loss("numerical_gradient")
        rows = self._inputs(X)
        targets = self._targets(T, rows.shape[0])
        layout, parameters = self.layout.astype(self.flat, np.float64)
        _, gradient = self._gradient_call(layout, parameters, rows, targets, sample_weight, delta)
        if self.dtype == layout.dtype:
            return gradient
        return Gradient(self.layout, layout.astype(gradient.flat, self.dtype)[1])

    def _gradient_call(
        self,
        layout: ParameterLayout,
        parameters: NDArray[Any],
        rows: NDArray[Any],
        targets: NDArray[Any],
        sample_weight: ArrayLike | None,
        delta: float | None = None,
    ) -> tuple[float, Gradient]:
        rows, targets = rows.astype(layout.dtype, copy=False), targets.astype(layout.dtype, copy=False)
        weight = self._row_weights(sample_weight, rows.shape[0], layout.dtype)
        settings = settings_of(self.loss, self.layer_sizes[-1], DIFFERENCE_STEP=delta or 0.0)
        objective = Objective(layout, rows, targets, weight, self.loss, settings, numerical=delta is not None)
        value, gradient = objective.at(parameters)
        return value, Gradient(layout, gradient)

    @staticmethod
    def _row_weights(sample_weight: ArrayLike | None, n_rows: int, dtype: Any) -> NDArray[Any]:
        weight = as_sample_weight(sample_weight, n_rows, dtype)
        if weight.size and not weight.any():
            raise ValueError("sample_weight is zero in every row; at least one weight above 0 is wanted.")
        return weight

    def backward(self, X: ArrayLike, output_gradient: ArrayLike) -> Gradient:
        """Carry dL/dY back: the gradient by every weight and bias, and by the inputs.

        Parameters
        ----------
        X : array_like of shape (n, p)
        output_gradient : array_like of shape (n, q)
            The derivative of some number by the network's outputs for X.

        Returns
        -------
        Gradient
            With ``inputs``, dL/dX of shape (n, p).

        Raises
        ------
        ValueError
            For shapes that do not fit, NaN or infinity.
        """
        rows = self._inputs(X)
        n, q = rows.shape[0], self.layer_sizes[-1]
        dY = as_float_array(output_gradient, "output_gradient", self.dtype)
        if dY.size != n * q or (dY.ndim > 1 and dY.shape[0] != n):
            raise ValueError(f"output_gradient has shape {dY.shape}, but {(n, q)} is wanted: one number an output.")
        plan, work = self.layout.work(n, backward=True, inputs=True, OPTIMIZER=ids.GRADIENT_ONLY)
        flat = aligned_zeros(self.layout.n_parameters, self.dtype)
        inputs = np.empty_like(rows)
        chosen_kernels().backward(
            plan,
            np.zeros(ids.N_SETTINGS),
            np.zeros(ids.N_PROGRESS),
            np.empty(2 * int(plan[ids.N_SUMS])),
            shared_view(rows),
            shared_view(dY),
            self.flat,
            flat,
            inputs.reshape(-1),
            work,
        )
        return Gradient(self.layout, flat, inputs)

    def fit(
        self,
        X: ArrayLike,
        T: ArrayLike,
        *,
        epochs: int = 1,
        batch_size: int | None = None,
        optimizer: OptimizerName = "sgd",
        learning_rate: float = 0.01,
        shuffle: bool = True,
        gradient: GradientName = "backprop",
        update: UpdateName = "joint",
        delta: float = 1e-4,
        sample_weight: ArrayLike | None = None,
        momentum: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        schedule: ScheduleName = "constant",
        power_t: float = 0.5,
        warm_up: int = 0,
        clip_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        n_threads: int | None = None,
    ) -> Network:
        """Train on rows X with right answers T.

        Parameters
        ----------
        X : array_like of shape (n, p)
        T : array_like of shape (n, q)
        epochs : int, default=1
            Passes over the rows.
        batch_size : int, optional
            Rows a step; default: all. The last batch of an epoch may be shorter, and is a full step.
        optimizer : {"sgd", "momentum", "nesterov", "adam", "adamw"}, default="sgd"
        learning_rate : float, default=0.01
        shuffle : bool, default=True
            A new order of the rows before every epoch. Without effect on full batches but for rounding.
        gradient : {"backprop", "numerical"}, default="backprop"
            Back-propagation, or central differences in float64.
        update : {"joint", "sequential"}, default="joint"
            Move all parameters by one gradient; or layer by layer the weights and then the bias, each by a gradient at
            what the ones before it have become, as the course does.
        delta : float, default=1e-4
            Step of the central differences.
        sample_weight : array_like of shape (n,), optional
        momentum, beta_1, beta_2, epsilon, weight_decay : float
            Of the optimizers that have them.
        schedule : {"constant", "inverse_scaling", "cosine"}, default="constant"
            Of the learning rate: learning_rate; after each epoch learning_rate / (rows seen + 1)^power_t; or
            learning_rate (1 + cos(pi t)) / 2, t going evenly from 0 towards 1 over the steps of this fit.
        power_t : float, default=0.5
        warm_up : int, default=0
            Steps over which the rate first rises evenly: the k-th takes k / (warm_up + 1) of it. The cosine begins
            after them: of S steps the k-th has t = (k - 1 - warm_up) / (S - warm_up).
        clip_norm : float, optional
            A longer gradient (of all parameters together, Euclidean) is scaled to this length. Default: none is.
        dropout : float or sequence of float, default=0
            Probability of a hidden unit to be left out of a row's step; one for all hidden layers, or one for each.
            Those that stay are scaled by 1 / (1 - p), so that `forward` needs nothing. What is dropped follows from
            random_state and from how often this network was fitted, and draws nothing: batches are the same with and
            without.
        n_threads : int, optional
            Threads that may share a step. Default: as `config_context` says, else as many as help. The result is the
            same to the bit.

        Returns
        -------
        Network
            Itself, with ``history``.

        Raises
        ------
        ValueError
            For unknown names, shapes that do not fit, NaN or infinity. The network and its generator are unchanged
            then, as after Ctrl-C.

        Warns
        -----
        RuntimeWarning
            If training diverges; the network then keeps the parameters of its last finite epoch.
        """
        options = _FitOptions(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            shuffle=shuffle,
            gradient=gradient,
            update=update,
            delta=delta,
            momentum=momentum,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            schedule=schedule,
            power_t=power_t,
            warm_up=warm_up,
            clip_norm=clip_norm,
            dropout=dropout,
            n_threads=n_threads,
        )
        options.check(self.layout)
        rows = self._inputs(X)
        targets = self._targets(T, rows.shape[0])
        with undrawn_on_failure(self._random_state):
            if isinstance(self.loss, Loss):
                return self._fit_builtin_loss(rows, targets, sample_weight, options)
            if options.need_builtin_loss(self.layout) or sample_weight is not None:
                self._require_builtin_loss(
                    "gradient='numerical', update='sequential', sample_weight, dropout, schedule, warm_up or clip_norm"
                )
            return self._fit_custom_loss(rows, targets, options)

    def _fit_builtin_loss(
        self, rows: NDArray[Any], targets: NDArray[Any], sample_weight: ArrayLike | None, options: _FitOptions
    ) -> Network:
        training = self._training(rows, targets, sample_weight, options)
        order = RowOrder(len(rows), self._random_state if options.shuffle else None)
        history = [loss for losses in training.epochs(options.epochs, order) for loss in losses]
        self._take_over(training, history)
        return self

    def _training(
        self, rows: NDArray[Any], targets: NDArray[Any], sample_weight: ArrayLike | None, options: _FitOptions
    ) -> Training:
        """A fit about to begin, on a copy of the parameters; in float64 where it takes differences."""
        dtype = np.dtype(np.float64) if options.numerical else self.dtype
        layout, parameters = self.layout.astype(self.flat, dtype)
        n = len(rows)
        size = options.rows_a_step(n)
        rates = options.dropout_rates(self.layout)
        assert isinstance(self.loss, Loss)
        return Training(
            layout,
            parameters,
            rows.astype(dtype, copy=False),
            targets.astype(dtype, copy=False),
            self._row_weights(sample_weight, n, dtype),
            loss_id=self.loss.kernel_id(self.activations[-1]),
            mean=self.loss.reduction == "mean",
            settings=settings_of(
                self.loss,
                self.layer_sizes[-1],
                **options.settings(),
                TOTAL_STEPS=options.epochs * -(-n // size),
                DROPOUT_SEED=stream_seed(self._random_state, self._n_fits) if any(rates) else 0.0,
            ),
            optimizer=get_rule(options.optimizer).id,
            schedule=_SCHEDULES[options.schedule],
            batch_size=size,
            numerical=options.numerical,
            sequential=options.sequential,
            in_order=not options.shuffle,
            dropout=rates,
            n_threads=options.n_threads,
        )

    def _take_over(self, training: Training, history: list[float]) -> None:
        """What a fit has come to, and a warning if it diverged."""
        if training.stopped == ids.DIVERGED:
            history.pop()
            self._warn_diverged(len(history), f"step {training.bad_step or int(training.progress[ids.STEPS])}")
        self.flat[:] = training.layout.astype(training.kept, self.dtype)[1]
        self.history = history
        self._n_fits += 1

    def _fit_custom_loss(self, rows: NDArray[Any], targets: NDArray[Any], options: _FitOptions) -> Network:
        """A fit with a loss that is a Python object: its call, and three kernel calls a step."""
        start, finite = self.flat.copy(), self.flat.copy()
        optimizer = options.hand_made(self)
        batch_size = options.rows_a_step(len(rows))
        order = np.arange(len(rows))
        history: list[float] = []
        step = 0
        try:
            for _ in range(options.epochs):
                if options.shuffle:
                    self._random_state.shuffle(order)
                total = 0.0
                for first in range(0, len(rows), batch_size):
                    batch = order[first : first + batch_size]
                    step += 1
                    total += self._custom_step(rows[batch], targets[batch], optimizer) * len(batch)
                    if not np.isfinite(total):
                        break
                if not (np.isfinite(total) and np.isfinite(self.flat).all()):
                    self.flat[:] = finite
                    self._warn_diverged(len(history), f"step {step}")
                    break
                finite[:] = self.flat
                history.append(total / len(rows))
        except BaseException:
            self.flat[:] = start
            raise
        self.history = history
        return self

    def _custom_step(self, rows: NDArray[Any], targets: NDArray[Any], optimizer: Any) -> float:
        """One step with a Python object's loss: the value before, NaN (and no step) where anything overflows."""
        predicted = self.forward(rows)
        if not np.isfinite(predicted).all():
            return np.nan
        value, output_gradient = self.loss.value_and_gradient(targets, predicted)
        if not (np.isfinite(value) and np.isfinite(output_gradient).all()):
            return np.nan
        gradient = self.backward(rows, output_gradient)
        if not np.isfinite(gradient.flat).all():
            return np.nan
        optimizer.step(gradient)
        return float(value)

    @staticmethod
    def _warn_diverged(epoch: int, place: str) -> None:
        warn_caller(
            f"Training diverged at {place}: a parameter is not finite. The network keeps its parameters after epoch "
            f"{epoch}. Scale the data (for example to mean 0 and spread 1) or lower learning_rate.",
            RuntimeWarning,
        )

    def _require_builtin_loss(self, what: str) -> None:
        if not isinstance(self.loss, Loss):
            raise ValueError(f"{what} needs one of mlcore's own losses, but the loss is {self.loss!r}.")

    def summary(self) -> str:
        """A table of the layers: sizes, activations, numbers of weights and biases."""
        lines = [f"{'layer':>5}  {'inputs':>7}  {'outputs':>7}  {'activation':<12}  {'weights':>9}  {'biases':>7}"]
        for layer, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            lines.append(
                f"{layer + 1:>5}  {weights.shape[0]:>7}  {weights.shape[1]:>7}  {self.activations[layer]:<12}  "
                f"{weights.size:>9}  {bias.size:>7}"
            )
        loss = getattr(self.loss, "name", self.loss)
        lines.append(f"{self.layout.n_free} parameters ({self.dtype.name}), loss {loss}")
        return "\n".join(lines)
