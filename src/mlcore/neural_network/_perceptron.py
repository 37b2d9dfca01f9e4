"""MLPRegressor and MLPClassifier: scikit-learn's multi-layer perceptrons, trained in compiled calls.

With equal parameters and an int ``random_state`` the initial weights and the batches are scikit-learn's, draw for draw,
and a float64 fit by "adam" or "sgd" follows scikit-learn's trajectory to rounding.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin, is_classifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from ..activations import ACTIVATIONS, get_activation
from ..config import check_threads
from ..estimator_base import Estimator, Scored, check_times, one_column, validate_data, weighted_by_class
from ..kernels import ids
from ..losses import LOSSES, Loss
from ..memory import aligned_zeros
from ..names import (
    ActivationName,
    ClassifierLossName,
    EstimatorScheduleName,
    GradientName,
    RegressorLossName,
    SolverName,
    meant,
)
from ..optimizers import RULES
from ..validation import FLOATS, check_choice, check_dropout, check_fraction, check_positive, is_finite, warn_caller
from ._draws import RowOrder, release_generator, seeded_generator, stream_seed, undrawn_on_failure
from ._early_stopping import EarlyStopping
from ._forward import forward
from ._objective import Objective
from ._parameter_layout import ParameterLayout, initial_parameters
from ._settings import amended, settings_of
from ._training import Training

# outputs where the raw prediction is 0; softmax shares 1
_AT_ZERO = {"identity": 0.0, "exponential": 1.0, "sigmoid": 0.5}
_OUT_NAMES = {"sigmoid": "logistic", "exponential": "exp"}
_SCHEDULES = {
    "constant": ids.CONSTANT,
    "invscaling": ids.INVERSE_SCALING,
    "adaptive": ids.ADAPTIVE,
    "cosine": ids.COSINE,
}
_ADVICE = "Scale the data (for example with StandardScaler) or lower learning_rate_init."
NOT_CONVERGED = (
    "Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the optimization hasn't converged yet."
)
# a fit that ends at so many times the loss of answering every row alike has diverged
_ABSURD = 100.0


class Problem(NamedTuple):
    """What a fit is about: data in C order and of one dtype, the loss and its settings, and what draws."""

    X: NDArray[Any]
    T: NDArray[Any]
    sample_weight: NDArray[Any] | None
    loss: Loss
    settings: NDArray[np.float64]
    random_state: np.random.RandomState

    def reported(self, T: NDArray[Any], predicted: NDArray[Any]) -> float:
        """The loss on the scale that the fit reports, which is not always mlcore's own."""
        factor = self.settings[ids.VALUE_FACTOR] / self.loss.settings(T.shape[1])[ids.VALUE_FACTOR]
        return float(factor * self.loss(T, predicted))


class StochasticFit:
    """A fit by "adam" or "sgd": what it is to do, and, once it has run, what has come of it."""

    def __init__(
        self,
        problem: Problem,
        training: Training,
        rule: dict[str, Any],
        order: RowOrder,
        *,
        n_epochs: int,
        incremental: bool,
        early_stopping: EarlyStopping | None,
        measure: Callable[[NDArray[Any]], float] | None,
    ) -> None:
        self.problem, self.training, self.rule, self.order = problem, training, rule, order
        self.n_epochs, self.incremental = n_epochs, incremental
        self.early_stopping, self.measure = early_stopping, measure
        self.losses: list[float] = []
        self.validation_losses: list[float] = []
        self.stopped = False


class _MultilayerPerceptron(Estimator):
    """The fit that both estimators share."""

    def _check_parameters(self) -> None:
        for name in ("learning_rate_init", "epsilon"):
            check_positive(getattr(self, name), name)
        for name in ("alpha", "tol", "power_t"):
            check_positive(getattr(self, name), name, zero=True)
        for name in ("max_iter", "max_fun"):
            check_positive(getattr(self, name), name, integer=True)
        if self.n_iter_no_change != np.inf:
            check_positive(self.n_iter_no_change, "n_iter_no_change", integer=True)
        if self.batch_size != "auto":
            check_positive(self.batch_size, "batch_size", integer=True)
        for name in ("shuffle", "warm_start", "early_stopping", "nesterovs_momentum"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ValueError(f"{name} is {getattr(self, name)!r}, but must be True or False.")
        if self.early_stopping and self.solver != "lbfgs" and not self.validation_fraction:
            raise ValueError(
                "validation_fraction is 0, but early_stopping must set rows aside; give a fraction above 0."
            )
        for name in ("beta_1", "beta_2", "validation_fraction"):
            check_fraction(getattr(self, name), name)
        check_fraction(self.momentum, "momentum", one=True)
        check_choice(self.solver, "solver", ("adam", "sgd", "lbfgs"))
        check_choice(self.learning_rate, "learning_rate", tuple(_SCHEDULES))
        check_choice(self.gradient, "gradient", ("backprop", "numerical"))
        check_positive(self.warm_up, "warm_up", integer=True, zero=True)
        if self.clip_norm is not None:
            check_positive(self.clip_norm, "clip_norm")
        check_threads(self.n_threads)
        dropped = any(check_dropout(self.dropout, len(self._hidden_sizes())))
        if dropped and (self.gradient == "numerical" or self.solver == "lbfgs"):
            raise ValueError(
                "dropout is for gradient='backprop' and the solvers 'adam' and 'sgd': differences and line searches "
                "compare losses, which must not change from one draw to the next."
            )

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        return [check_positive(size, "every entry of hidden_layer_sizes", integer=True) for size in sizes]

    def _hidden_activations(self, n_hidden: int) -> list[Any]:
        several = np.iterable(self.activation) and not isinstance(self.activation, str)
        names = list(self.activation) if several else [self.activation] * n_hidden
        if len(names) != n_hidden:
            raise ValueError(
                f"activation has {len(names)} names, but must have one for each of {n_hidden} hidden layers."
            )
        found = [get_activation(name) for name in names]
        if not n_hidden:
            self._first_activation()
        if any(activation.name == "softmax" for activation in found):
            raise ValueError("softmax is for the last layer only, where its classes compete; use another activation.")
        return found

    def _first_activation(self) -> str:
        names = [self.activation] if isinstance(self.activation, str) else [*self.activation, "relu"]
        return get_activation(names[0]).name

    # a fit works on a copy and replaces the dictionary of attributes as a whole: whoever reads from one dictionary has
    # one model, whatever other threads fit in the meantime, and a fit that fails has changed nothing

    def _as_it_is(self) -> Self:
        """The same model in another object, in which what is fitted later does not show."""
        other = object.__new__(type(self))
        other.__dict__ = self.__dict__
        return other

    # the parameters: coefs_ and intercepts_ are views of one padded vector, unless somebody replaced them

    def _set_parameters(self, layout: ParameterLayout, flat: NDArray[Any]) -> None:
        self._activations = tuple(activation.name for activation in layout.activations)
        self.coefs_, self.intercepts_ = layout.views(flat)
        self._network = layout, flat, (*self.coefs_, *self.intercepts_)

    def _parameters(self) -> tuple[ParameterLayout, NDArray[Any]]:
        arrays = (*self.coefs_, *self.intercepts_)
        if "_network" in self.__dict__:
            layout, flat, views = self._network
            if len(views) == len(arrays) and all(map(operator.is_, views, arrays)):
                return layout, flat
        dtype = np.result_type(*arrays)
        dtype = dtype if dtype in FLOATS else np.dtype(np.float64)
        hidden = [coefficients.shape[1] for coefficients in self.coefs_[:-1]]
        activations = [get_activation(name) for name in self._activations]
        layout = ParameterLayout([self.n_features_in_, *hidden, self.n_outputs_], activations, dtype)
        flat = aligned_zeros(layout.n_parameters, dtype)
        weights, biases = layout.views(flat)
        weights[:], biases[:] = self.coefs_, self.intercepts_
        return layout, flat

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_network", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "coefs_" in self.__dict__:
            self._set_parameters(*self._parameters())

    def _check_loaded(self) -> None:
        self._check_parameters()
        self._hidden_activations(len(self._hidden_sizes()))
        check_positive(self.verbose + 0, "verbose", integer=True, zero=True)
        sizes = [self.n_features_in_, *(array.size for array in self.intercepts_)]
        shapes = [*zip(sizes, sizes[1:], strict=False), *((size,) for size in sizes[1:])]
        if [array.shape for array in (*self.coefs_, *self.intercepts_)] != shapes or min(sizes) < 1:
            raise ValueError("the weights do not fit each other")
        if (self.n_outputs_, self.n_layers_) != (sizes[-1], len(sizes)) or len(sizes) < 2:
            raise ValueError("the weights do not fit n_outputs_ and n_layers_")
        *hidden, last = [ACTIVATIONS[name].name for name in self._activations]
        if len(hidden) != len(sizes) - 2 or "softmax" in hidden or self.out_activation_ != _OUT_NAMES.get(last, last):
            raise ValueError("the activations do not fit the layers")
        if is_classifier(self):
            kinds = {"binary": "sigmoid", "multiclass": "softmax", "multilabel-indicator": "sigmoid"}
            outputs = len(self.classes_) if self._target_type != "binary" else 1
            if (last, sizes[-1]) != (kinds[self._target_type], outputs):
                raise ValueError("the classes do not fit the outputs")
            if self._target_type == "binary" and not 1 <= len(self.classes_) <= 2:
                raise ValueError("the classes do not fit the outputs")
        self._loss()
        if min(self.n_iter_, self.t_, getattr(self, "_no_improvement_count", 0)) < 0:
            raise ValueError("a count is below 0")
        if hasattr(self, "history_"):
            curves = {"loss": self.loss_curve_}
            if hasattr(self, "validation_loss_curve_"):
                curves["validation_loss"] = self.validation_loss_curve_
            # of the last fit, where a curve may be that of several
            if self.history_.keys() != curves.keys() or any(
                not np.array_equal(self.history_[name], curve[len(curve) - len(self.history_[name]) :], equal_nan=True)
                for name, curve in curves.items()
            ):
                raise ValueError("history_ does not fit the curves")

    # fitting

    def _targets(
        self, X: Any, y: Any, incremental: bool, first: bool, some: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        raise NotImplementedError  # pragma: no cover - each estimator has its own

    def _expect_classes(self, y: Any, classes: Any) -> None:
        """What a first `partial_fit` is told of the classes."""

    def _loss(self) -> tuple[Loss, dict[str, float], str]:
        raise NotImplementedError  # pragma: no cover - each estimator has its own

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_data: Any = None, classes: Any = None
    ) -> Any:
        fitted = object.__new__(type(self))
        fitted.__dict__ = self.__dict__.copy()
        generator = self.random_state if isinstance(self.random_state, np.random.RandomState) else None
        with undrawn_on_failure(generator):
            fitted._train(X, y, sample_weight, incremental, validation_data, classes)
            if not np.isfinite(fitted._network[1]).all():
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may contain large values and need to "
                    "be preprocessed: scale it, or lower learning_rate_init."
                )
        state = fitted.__dict__
        for name, value in self.__dict__.copy().items():
            if name[0] != "_" and name[-1] != "_":  # parameters are the user's, also those set in the meantime
                state[name] = value
        self.__dict__ = state
        return self

    def _train(self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_data: Any, classes: Any) -> None:
        problem = self._problem(X, y, sample_weight, incremental, classes)
        measure = None if validation_data is None else self._measure(validation_data, problem)
        if self.solver == "lbfgs":
            self._fit_lbfgs(problem)
        else:
            self._fit_stochastic(problem, incremental, measure)
        if isinstance(self.random_state, Integral):
            release_generator(problem.random_state)

    # a fit in three parts, of which the first and the last run nothing: `_problem` and `_stochastic_fit` prepare it,
    # `_run` trains, `_take_over` and `_tell_end` do what is left once the losses are there, whoever trained

    def _problem(self, X: Any, y: Any, sample_weight: Any, incremental: bool, classes: Any) -> Problem:
        """The data and the loss as kernels take them; `_network` is then what the fit starts from."""
        self._check_parameters()
        if incremental:
            self._expect_classes(y, classes)
        hidden = self._hidden_sizes()
        activations = self._hidden_activations(len(hidden))
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, T = self._targets(X, y, incremental, first)
        sample_weight = self._row_weights(sample_weight, X, negative=True)
        sample_weight = self._weighted_by_class(sample_weight, T, X.dtype)
        T = np.ascontiguousarray(T.reshape(len(T), -1))
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if not first:
            self._check_goes_on(hidden, T.shape[1])
        self.n_outputs_ = T.shape[1]
        loss, factors, last = self._loss()
        check_positive(X.dtype.type(self.epsilon), f"epsilon (as {X.dtype})")
        if not isinstance(self.loss, str) or self.loss in LOSSES:
            loss._check_domain(T, np.zeros(1, X.dtype))
        seed = self.random_state
        random_state = seeded_generator(int(seed)) if isinstance(seed, Integral) else check_random_state(seed)
        activations.append(get_activation(last))
        if first:
            layout = ParameterLayout([X.shape[1], *hidden, self.n_outputs_], activations, X.dtype)
            self._set_parameters(layout, initial_parameters(layout, random_state, self._first_activation()))
        else:
            layout, flat = self._parameters()
            layout = ParameterLayout(layout.sizes, activations, layout.dtype)
            self._set_parameters(*layout.astype(flat, layout.dtype))
        if first or (self.solver != "lbfgs" and not hasattr(self, "loss_curve_")):
            self._begin(last)
        return Problem(
            X.astype(layout.dtype, copy=False),
            np.ascontiguousarray(T, layout.dtype),
            None if sample_weight is None else np.ascontiguousarray(sample_weight, layout.dtype),
            loss,
            settings_of(loss, self.n_outputs_, ALPHA=float(self.alpha), **factors),
            random_state,
        )

    def _check_goes_on(self, hidden: list[int], n_outputs: int) -> None:
        sizes = self._parameters()[0].sizes
        if (n_outputs, hidden) != (sizes[-1], list(sizes[1:-1])):
            raise ValueError(
                f"this fit goes on with weights of layers {sizes}, but hidden_layer_sizes is {hidden} and y has "
                f"{n_outputs} output columns; keep both, or fit afresh (warm_start=False)."
            )

    def _weighted_by_class(
        self, sample_weight: NDArray[Any] | None, T: NDArray[Any], dtype: Any
    ) -> NDArray[Any] | None:
        return sample_weight

    def _measure(self, validation_data: Any, problem: Problem) -> Callable[[NDArray[Any]], float]:
        """The loss on the validation rows as a function of the parameters."""
        if self.solver == "lbfgs":
            raise ValueError("validation_data is for 'adam' and 'sgd': 'lbfgs' has no epochs to measure after.")
        layout = self._network[0]
        try:
            X, y = validation_data
        except (TypeError, ValueError):
            raise ValueError("validation_data must be a pair (X, y).") from None
        X, T = self._targets(X, y, incremental=True, first=False, some=True)
        X = X.astype(layout.dtype, copy=False)
        T = np.ascontiguousarray(T.reshape(len(T), -1), layout.dtype)
        if T.shape[1] != layout.sizes[-1]:
            raise ValueError(f"validation_data has {T.shape[1]} output columns, but y has {layout.sizes[-1]}.")

        def measure(flat: NDArray[Any]) -> float:
            predicted = forward(layout, flat, X)
            return problem.reported(T, predicted) if np.isfinite(predicted).all() else float("nan")

        return measure

    def _begin(self, last: str) -> None:
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(self.coefs_) + 1
        self.out_activation_ = _OUT_NAMES.get(last, last)
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            early = self.early_stopping
            self.validation_scores_: list[float] | None = [] if early else None
            self.best_validation_score_ = -np.inf if early else None
            self.best_loss_ = None if early else np.inf

    def _fit_lbfgs(self, problem: Problem) -> None:
        layout, flat, _ = self._network
        X, T, sample_weight = problem.X, problem.T, problem.sample_weight
        numerical = self.gradient == "numerical"
        objective = Objective(layout, X, T, sample_weight, problem.loss, problem.settings, numerical)
        result = scipy.optimize.minimize(
            objective,
            objective.pack(flat).astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
        )
        self.n_iter_ = min(int(result.nit), self.max_iter)
        self.loss_ = float(result.fun)
        objective.unpack(result.x, flat)
        if result.status != 0:
            warn_caller(
                f"lbfgs failed to converge after {result.nit} iteration(s) ({result.message}). Increase max_iter "
                f"(now {self.max_iter}), or scale the data.",
                ConvergenceWarning,
            )
        else:
            absurd = self._absurd_loss(problem)
            if absurd:
                warn_caller(f"{absurd} {_ADVICE}", ConvergenceWarning)

    def _fit_stochastic(
        self, problem: Problem, incremental: bool, measure: Callable[[NDArray[Any]], float] | None
    ) -> None:
        fit = self._stochastic_fit(problem, incremental, measure)
        self._run(fit)
        self._take_over(fit)
        self._tell_end(fit)
        if fit.early_stopping is not None:
            if self.best_validation_score_ == -np.inf and self.n_iter_:
                raise ValueError(f"No epoch has a finite validation score: training diverged at once. {_ADVICE}")
            fit.early_stopping.restore_best()

    def _stochastic_fit(
        self,
        problem: Problem,
        incremental: bool = False,
        measure: Callable[[NDArray[Any]], float] | None = None,
    ) -> StochasticFit:
        """A fit by "adam" or "sgd" about to begin, its rows set aside and everything laid out."""
        aside = None
        if self.early_stopping:
            problem, aside = self._split(problem)
        if any(check_dropout(self.dropout, len(self.coefs_) - 1)):
            seeded = amended(problem.settings, DROPOUT_SEED=stream_seed(problem.random_state))
            problem = problem._replace(settings=seeded)
        training, rule = self._training(problem, incremental)
        return StochasticFit(
            problem,
            training,
            rule,
            RowOrder(len(problem.X), problem.random_state if self.shuffle else None),
            n_epochs=1 if incremental else self.max_iter,
            incremental=incremental,
            early_stopping=None if aside is None else self._early_stopping(training, *aside),
            measure=measure,
        )

    def _run(self, fit: StochasticFit) -> None:
        """Train, and tell of each epoch if that is asked for; Ctrl-C ends it with the last whole epoch."""
        one_by_one = fit.early_stopping is not None or fit.measure is not None or bool(self.verbose)
        try:
            for losses in fit.training.epochs(fit.n_epochs, fit.order, single=one_by_one):
                fit.losses += losses
                if self.verbose:
                    print(f"Iteration {len(fit.losses)}, loss = {losses[-1]:.8f}")
                if fit.measure is not None:
                    fit.validation_losses.append(fit.measure(fit.training.parameters))
                if fit.early_stopping is not None:
                    fit.stopped = fit.early_stopping.after_epoch()
                    if self.verbose:
                        print(f"Validation score: {fit.early_stopping.scores[-1]:f}")
                    if fit.stopped:
                        break
        except KeyboardInterrupt:
            warn_caller("Training interrupted by user.")
            fit.training.parameters[:] = fit.training.kept
            fit.incremental = True

    def _take_over(self, fit: StochasticFit) -> None:
        """What a fit has come to, as attributes; the lists of the model that this one may replace do not grow."""
        self.n_iter_ = len(fit.losses)
        self.t_ += len(fit.losses) * len(fit.problem.X)
        self.loss_curve_ = [*self.loss_curve_, *fit.losses]
        if fit.losses:
            self.loss_ = fit.losses[-1]
        self.history_ = {"loss": list(fit.losses)}
        self.__dict__.pop("validation_loss_curve_", None)
        if fit.measure is not None:
            self.validation_loss_curve_: list[float] = fit.validation_losses
            self.history_["validation_loss"] = list(fit.validation_losses)
        progress = fit.training.progress
        if fit.early_stopping is not None:
            self.validation_scores_ = fit.early_stopping.scores
            self.best_validation_score_ = fit.early_stopping.best_score
            self._no_improvement_count = fit.early_stopping.n_without
        else:
            self.best_loss_ = float(progress[ids.BEST_LOSS])
            self._no_improvement_count = int(progress[ids.NO_IMPROVEMENT])
            fit.stopped = fit.training.stopped == ids.CONVERGED
        self._optimizer = (fit.training.moments, progress, fit.rule)

    def _tell_end(self, fit: StochasticFit) -> None:
        """Warn of a fit that diverged, or that ran out of epochs, and print why it stopped if that is asked for."""
        diverged = f"Training diverged: the loss is not finite from step {fit.training.bad_step} on."
        if not fit.training.bad_step:
            ended = not fit.incremental and (fit.stopped or fit.losses[-1] >= fit.losses[0])
            diverged = self._absurd_loss(fit.problem) if ended else ""
        if diverged:
            warn_caller(f"{diverged} {_ADVICE}", ConvergenceWarning)
        elif fit.stopped and self.verbose:
            what = "Training loss" if fit.early_stopping is None else "Validation score"
            print(
                f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} consecutive epochs. "
                "Stopping."
            )
        elif self.n_iter_ == self.max_iter and not fit.stopped and not fit.incremental:
            warn_caller(NOT_CONVERGED.format(max_iter=self.max_iter), ConvergenceWarning)

    def _absurd_loss(self, problem: Problem) -> str:
        """What to tell of a fit that ended far above the loss of answering every row alike; empty if none did."""
        if not self.loss_ > _ABSURD * max(self.tol, 1e-4):  # too little to speak of
            return ""
        layout = self._network[0]
        alike = _AT_ZERO.get(layout.activations[-1].name, 1.0 / self.n_outputs_)
        value = problem.reported(problem.T, np.full_like(problem.T, alike))
        if not self.loss_ > _ABSURD * value:
            return ""
        return (
            f"Training diverged: it ended at a loss of {self.loss_:.3g}, and answering every row alike has {value:.3g}."
        )

    def _rule(self) -> dict[str, Any]:
        """The rule that moves the weights, by the parameters as they are: optimizer, schedule, and their settings."""
        sgd = self.solver == "sgd"
        momentum = "nesterov" if self.nesterovs_momentum else "momentum"
        name = "adam" if not sgd else momentum if self.momentum else "sgd"
        return {
            "optimizer": RULES[name].id,
            "schedule": _SCHEDULES[self.learning_rate if sgd or self.learning_rate == "cosine" else "constant"],
            "settings": {
                "LEARNING_RATE": self.learning_rate_init,
                "BETA_1": self.momentum if sgd else self.beta_1,
                "BETA_2": self.beta_2,
                "EPSILON": self.epsilon,
                "POWER_T": self.power_t,
                "WARM_UP": self.warm_up,
            },
        }

    def _training(self, problem: Problem, incremental: bool) -> tuple[Training, dict[str, Any]]:
        """A fit about to begin, and the rule that moves its weights: the kept one, settings and all, if it goes on."""
        layout, flat, _ = self._network
        n = len(problem.X)
        size = min(200, n) if self.batch_size == "auto" else self.batch_size
        if size > n:
            warn_caller(f"batch_size={size} is larger than the {n} training rows. It is going to be clipped.")
        kept = self.__dict__.get("_optimizer") if incremental else None
        rule = self._rule() if kept is None else kept[2]
        training = Training(
            layout,
            flat,
            problem.X,
            problem.T,
            np.empty(0, problem.X.dtype) if problem.sample_weight is None else problem.sample_weight,
            loss_id=problem.loss.kernel_id(layout.activations[-1].name),
            mean=problem.loss.reduction == "mean",
            settings=amended(
                problem.settings,
                **rule["settings"],
                TOLERANCE=self.tol,
                N_ITER_NO_CHANGE=np.inf if self.early_stopping else self.n_iter_no_change,
                TOTAL_STEPS=self.max_iter * -(-n // min(size, n)),
                CLIP_NORM=np.inf if self.clip_norm is None else self.clip_norm,
            ),
            optimizer=rule["optimizer"],
            schedule=rule["schedule"],
            batch_size=min(size, n),
            numerical=self.gradient == "numerical",
            by_rows=True,
            in_order=not self.shuffle,
            dropout=check_dropout(self.dropout, layout.n_layers - 1),
            n_threads=self.n_threads,
        )
        if kept is not None and kept[0].shape == training.moments.shape:
            training.go_on(kept[0], kept[1])
        training.progress[ids.ROWS_SEEN] = self.t_
        training.progress[ids.NO_IMPROVEMENT] = self._no_improvement_count
        training.progress[ids.BEST_LOSS] = np.inf if self.best_loss_ is None else self.best_loss_
        return training, rule

    def _early_stopping(
        self, training: Training, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None
    ) -> EarlyStopping:
        """The judgement by rows X, set aside with answers y."""

        def score(flat: NDArray[Any]) -> float:
            predicted = forward(training.layout, flat, X)
            return self._score(y, self._decode(predicted), sample_weight) if np.isfinite(predicted).all() else np.nan

        best = self.best_validation_score_
        return EarlyStopping(
            training,
            score,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            adaptive=self.solver == "sgd" and self.learning_rate == "adaptive",
            scores=self.validation_scores_ or [],
            best_score=-np.inf if best is None else best,
            n_without=self._no_improvement_count,
        )

    def _split(self, problem: Problem) -> tuple[Problem, tuple[Any, ...]]:
        """The problem without the rows that are set aside, and those, with their answers and weights."""
        X, T, sample_weight = problem.X, problem.T, problem.sample_weight
        stratify = T.astype(bool) if is_classifier(self) and self.n_outputs_ == 1 else None
        arrays = [X, T] if sample_weight is None else [X, T, sample_weight]
        parts = train_test_split(
            *arrays, random_state=problem.random_state, test_size=self.validation_fraction, stratify=stratify
        )
        parts = [np.ascontiguousarray(part) for part in parts]
        if len(parts[1]) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        weights = parts[4:] or [None, None]
        rest = problem._replace(X=parts[0], T=parts[2], sample_weight=weights[0])
        return rest, (parts[1], self._decode(parts[3]), weights[1])

    def _decode(self, predicted: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError  # pragma: no cover - each estimator has its own

    def _score(self, y: NDArray[Any], predicted: NDArray[Any], sample_weight: NDArray[Any] | None) -> float:
        raise NotImplementedError  # pragma: no cover - each estimator has its own

    def _forward(self, X: Any) -> NDArray[Any]:
        rows = self._rows(X)
        layout, flat = self._parameters()
        predicted = forward(layout, flat, rows.astype(layout.dtype, copy=False))
        if not is_finite(predicted) and not is_finite(flat):
            raise NotFittedError("coefs_ or intercepts_ are not finite: this model answers nothing. Fit it again.")
        return predicted

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict for rows X.

        Parameters
        ----------
        X : array_like of shape (n, p)

        Returns
        -------
        ndarray of shape (n,) or (n, q)
            Classes, or numbers.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For another width, NaN or infinity.
        """
        model = self._as_it_is()
        return model._decode(model._forward(X))

    def _can_continue(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
        return True


_PARAMETERS = """
    Parameters
    ----------
    loss : str or Loss, default={default_loss!r}
        {loss_text}
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; an empty sequence for none.
    activation : str or sequence of str, default="relu"
        One name for the hidden layers, or one for each: identity, relu, leaky_relu, elu, gelu, silu, tanh, logistic
        (sigmoid), softplus, exponential.
    solver : {{"adam", "sgd", "lbfgs"}}, default="adam"
    alpha : float, default=0.0001
        L2 penalty, alpha / (2 rows of a batch) times the sum of squared weights; biases are free.
    batch_size : int or "auto", default="auto"
        Rows a step; "auto" is min(200, n).
    learning_rate : {{"constant", "invscaling", "adaptive", "cosine"}}, default="constant"
        Schedule: of "sgd"; "cosine", learning_rate_init (1 + cos(pi t)) / 2 with t from 0 to 1 over the steps of
        max_iter epochs, of "adam" too (of S steps the k-th has t = (k - 1 - warm_up) / (S - warm_up)).
    learning_rate_init : float, default=0.001
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Epochs, or iterations of "lbfgs".
    shuffle : bool, default=True
    random_state : int, RandomState or None, default=None
    tol : float, default=1e-4
        Training stops once the loss (or score) failed to improve by this for more than n_iter_no_change epochs.
    verbose : bool, default=False
    warm_start : bool, default=False
        Go on from the last fit's weights.
    momentum : float, default=0.9
    nesterovs_momentum : bool, default=True
    early_stopping : bool, default=False
        Judge by the score on rows set aside, and keep the best weights.
    validation_fraction : float, default=0.1
    beta_1, beta_2, epsilon : float, default=0.9, 0.999 and 1e-8
        Of "adam".
    n_iter_no_change : int, default=10
    max_fun : int, default=15000
        Calls of the objective by "lbfgs".
    gradient : {{"backprop", "numerical"}}, default="backprop"
        Back-propagation, or the course's central differences (delta 1e-4; for float64).
    dropout : float or sequence of float, default=0.0
        Probability of a hidden unit to be left out of a row's step; one for all hidden layers, or one for each. What is
        dropped follows from random_state and draws nothing from it: batches are the same with and without.
    warm_up : int, default=0
        Steps over which the learning rate first rises evenly: the k-th takes k / (warm_up + 1) of it. "cosine" begins
        after them.
    clip_norm : float, optional
        A longer gradient (of all parameters together, Euclidean) is scaled to this length.
    n_threads : int, optional
        Threads that may share a step of "adam" and "sgd". Default: as `mlcore.config_context` says, else as many as
        help. The result is the same to the bit.
"""
_ATTRIBUTES = """
    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights (n_in, n_out) and biases of each layer.
    loss_, best_loss_, loss_curve_
        The last epoch's loss, the lowest, and all of them; each batch's before its own step.
    validation_scores_, best_validation_score_
        With early_stopping.
    validation_loss_curve_
        The loss on validation_data after each epoch, where fit was given any.
    history_ : dict
        "loss" and, with validation_data, "validation_loss": one number for each epoch of the last call.
    n_iter_, t_, n_layers_, n_outputs_, n_features_in_, out_activation_
        As scikit-learn's.

    Notes
    -----
    A fit that is interrupted by Ctrl-C warns and keeps the weights of the last finished epoch. One that diverges warns
    with the step or the loss, and raises ValueError if a final weight is not finite. One that raises changes nothing.

    Threads may predict while another fits: each answer is that of the model before or after. `partial_fit` goes on with
    the solver, and its settings, of the last `fit` or of the first `partial_fit`.
"""


class MLPRegressor(Scored, MultiOutputMixin, RegressorMixin, _MultilayerPerceptron):
    __module__ = "mlcore.neural_network"
    __doc__ = (
        "A feed-forward network for numbers, with scikit-learn's interface and trajectory.\n"
        + _PARAMETERS.format(
            default_loss="squared_error",
            loss_text='"squared_error" and "poisson" as in scikit-learn (half of either), or a loss of mlcore.losses\n'
            "        by name or with options; each brings the output activation it expects.",
        )
        + _ATTRIBUTES
    )

    def __init__(
        self,
        loss: RegressorLossName | Loss = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: ActivationName | Sequence[ActivationName] = "relu",
        *,
        solver: SolverName = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: EstimatorScheduleName = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        gradient: GradientName = "backprop",
        dropout: Any = 0.0,
        warm_up: int = 0,
        clip_norm: float | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.gradient = gradient
        self.dropout = dropout
        self.warm_up = warm_up
        self.clip_norm = clip_norm
        self.n_threads = n_threads

    def _loss(self) -> tuple[Loss, dict[str, float], str]:
        if isinstance(self.loss, str) and self.loss == "squared_error":
            # scikit-learn reports the mean over outputs and follows the gradient of the sum
            factors = {"VALUE_FACTOR": 0.5 / self.n_outputs_, "GRADIENT_FACTOR": 0.5}
            return LOSSES["mean_squared_error"], factors, "identity"
        if isinstance(self.loss, str) and self.loss == "poisson":
            return LOSSES["poisson"], {"VALUE_FACTOR": 1.0, "GRADIENT_FACTOR": 1.0}, "exponential"
        loss = _builtin_loss(self.loss, ("squared_error", "poisson"))
        return loss, {}, loss.output_activation

    def _targets(
        self, X: Any, y: Any, incremental: bool, first: bool, some: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=FLOATS[::-1], order="C", reset=first)
        X = np.require(X, requirements=["C", "A"])
        y = one_column(y)
        positive = self.loss == "poisson" if isinstance(self.loss, str) else self.loss is LOSSES["poisson"]
        if positive and (y < 0).any():
            raise ValueError(f"loss='poisson' is for answers of at least 0, but y reaches {y.min():g}.")
        return X, y

    def _decode(self, predicted: NDArray[Any]) -> NDArray[Any]:
        return predicted.ravel() if predicted.shape[1] == 1 else predicted

    def _score(self, y: NDArray[Any], predicted: NDArray[Any], sample_weight: NDArray[Any] | None) -> float:
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> MLPRegressor:
        """Train on rows X with answers y.

        Parameters
        ----------
        X : array_like of shape (n, p)
            float32 and float64 are trained as they are, all else as float64.
        y : array_like of shape (n,) or (n, q)
        sample_weight : array_like of shape (n,), optional
        validation_data : (X, y), optional
            Rows whose loss is measured after every epoch ("adam" and "sgd"), and that change nothing.

        Returns
        -------
        MLPRegressor
            Itself.

        Raises
        ------
        ValueError
            For shapes that do not fit, NaN or infinity, parameters out of range, and weights that end non-finite.
        """
        return self._fit(X, y, sample_weight, incremental=False, validation_data=validation_data)

    @available_if(lambda self: self._can_continue())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train one more epoch; parameters and errors as in `fit`."""
        return self._fit(X, y, sample_weight, incremental=True)


class MLPClassifier(Scored, ClassifierMixin, _MultilayerPerceptron):
    __module__ = "mlcore.neural_network"
    __doc__ = (
        "A feed-forward network for classes, with scikit-learn's interface and trajectory.\n"
        + _PARAMETERS.format(
            default_loss="log_loss",
            loss_text='"log_loss" as in scikit-learn, or a loss of mlcore.losses by name or with options, on the\n'
            "        class probabilities (softmax; logistic for two classes and for multilabel answers).",
        )
        + '    class_weight : dict or "balanced", optional\n        Multiplies the weights of each class\'s rows.\n'
        + _ATTRIBUTES
    )

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: ActivationName | Sequence[ActivationName] = "relu",
        *,
        solver: SolverName = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: EstimatorScheduleName = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: ClassifierLossName | Loss = "log_loss",
        class_weight: Any = None,
        gradient: GradientName = "backprop",
        dropout: Any = 0.0,
        warm_up: int = 0,
        clip_norm: float | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.class_weight = class_weight
        self.gradient = gradient
        self.dropout = dropout
        self.warm_up = warm_up
        self.clip_norm = clip_norm
        self.n_threads = n_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _loss(self) -> tuple[Loss, dict[str, float], str]:
        last = "softmax" if self._target_type == "multiclass" else "sigmoid"
        if isinstance(self.loss, str) and self.loss == "log_loss":
            name = "categorical_cross_entropy" if last == "softmax" else "binary_cross_entropy"
            return LOSSES[name], {"VALUE_FACTOR": 1.0, "GRADIENT_FACTOR": 1.0}, last
        loss = _builtin_loss(self.loss, ("log_loss",))
        return loss, {}, last

    def _expect_classes(self, y: Any, classes: Any) -> None:
        if not hasattr(self, "classes_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            multilabel = type_of_target(y).startswith("multilabel")
            check_times(np.asarray(classes))
            binarizer = LabelBinarizer().fit(y if multilabel else classes)
            self.classes_, self._target_type = binarizer.classes_, binarizer.y_type_
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
            )

    def _targets(
        self, X: Any, y: Any, incremental: bool, first: bool, some: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        X, y = validate_data(self, X, y, multi_output=True, dtype=FLOATS[::-1], order="C", reset=first)
        X = np.require(X, requirements=["C", "A"])
        y = one_column(y)
        check_times(y)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            binarizer = LabelBinarizer().fit(y)
            self.classes_ = binarizer.classes_
            self._target_type = binarizer.y_type_
        else:
            if type_of_target(y).startswith("multilabel") != self._target_type.startswith("multilabel"):
                raise ValueError(
                    f"y is {type_of_target(y)}, but this classifier was fitted to {self._target_type} answers."
                )
            classes = unique_labels(y)
            if self.warm_start and not some and set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
            if len(np.setdiff1d(classes, self.classes_)):
                raise ValueError(
                    f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
                )
        if self._target_type.startswith("multilabel"):
            return X, np.asarray(y.todense() if hasattr(y, "todense") else y, X.dtype)
        places = np.searchsorted(self.classes_, y)
        if len(self.classes_) <= 2:
            return X, places.astype(X.dtype).reshape(-1, 1)
        one_hot = np.zeros((len(y), len(self.classes_)), X.dtype)
        one_hot[np.arange(len(y)), places] = 1.0
        return X, one_hot

    def _weighted_by_class(
        self, sample_weight: NDArray[Any] | None, T: NDArray[Any], dtype: Any
    ) -> NDArray[Any] | None:
        if self.class_weight is None:
            return sample_weight
        labels = T if self._target_type.startswith("multilabel") else self._decode(T)
        return weighted_by_class(self.class_weight, labels, sample_weight, dtype)

    def _decode(self, predicted: NDArray[Any]) -> NDArray[Any]:
        if self._target_type.startswith("multilabel"):
            return (predicted > 0.5).astype(int)
        if predicted.shape[1] == 1:
            chosen = (predicted.ravel() > 0.5).astype(np.intp)
            return self.classes_[chosen if len(self.classes_) > 1 else np.zeros_like(chosen)]
        return self.classes_[predicted.argmax(axis=1)]

    def _score(self, y: NDArray[Any], predicted: NDArray[Any], sample_weight: NDArray[Any] | None) -> float:
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> MLPClassifier:
        """Train on rows X with classes y.

        Parameters
        ----------
        X : array_like of shape (n, p)
            float32 and float64 are trained as they are, all else as float64.
        y : array_like of shape (n,), or (n, q) of 0 and 1 for multilabel answers
        sample_weight : array_like of shape (n,), optional
        validation_data : (X, y), optional
            Rows whose loss is measured after every epoch ("adam" and "sgd"), and that change nothing.

        Returns
        -------
        MLPClassifier
            Itself.

        Raises
        ------
        ValueError
            For shapes that do not fit, NaN or infinity, parameters out of range, and weights that end non-finite.
        """
        return self._fit(X, y, sample_weight, incremental=False, validation_data=validation_data)

    @available_if(lambda self: self._can_continue())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Train one more epoch; `classes` names all at the first call, else parameters and errors as in `fit`."""
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probabilities, (n, classes) in the order of ``classes_``; parameters and errors as in `predict`."""
        model = self._as_it_is()
        probabilities = model._forward(X)
        if probabilities.shape[1] == 1 and not model._target_type.startswith("multilabel"):
            return np.column_stack([1 - probabilities, probabilities])
        return probabilities

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))


def _builtin_loss(loss: Any, others: tuple[str, ...]) -> Loss:
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if isinstance(loss, Loss):
        return loss
    names = tuple(dict.fromkeys((*others, *LOSSES)))
    listed = ", ".join(map(repr, names))
    raise ValueError(
        f"loss is {loss!r}, but must be one of {listed}, or one of mlcore.losses with options.{meant(loss, names)}"
    )
