"""The names that arguments take, as types; and the name meant by one that is none of them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal

LossName = Literal[
    "mean_absolute_error",
    "mean_squared_error",
    "root_mean_squared_error",
    "huber",
    "poisson",
    "binary_cross_entropy",
    "categorical_cross_entropy",
]
#: scikit-learn's names for the losses of its estimators come first
RegressorLossName = Literal["squared_error", "poisson"] | LossName
ClassifierLossName = Literal["log_loss"] | LossName
ActivationName = Literal[
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
    "softmax",
    "logistic",
    "linear",
    "swish",
]
OptimizerName = Literal["sgd", "momentum", "nesterov", "adam", "adamw"]
SolverName = Literal["adam", "sgd", "lbfgs"]
LinearSolverName = Literal["auto", "gradient_descent"]
RidgeSolverName = Literal["auto", "gradient_descent", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"]
LogisticSolverName = Literal[
    "auto", "gradient_descent", "lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"
]
ScheduleName = Literal["constant", "inverse_scaling", "cosine"]
EstimatorScheduleName = Literal["constant", "invscaling", "adaptive", "cosine"]
GradientName = Literal["backprop", "numerical"]
UpdateName = Literal["joint", "sequential"]

_ENTROPIES = ("log_loss", "binary_cross_entropy", "categorical_cross_entropy")
# abbreviations and other libraries' names, in small letters and digits only: what they are called here, which may be
# several names, or none where nothing here is the same though it sounds like it
_MEANT: dict[str, tuple[str, ...]] = {
    # losses
    **dict.fromkeys(
        ("mse", "mseloss", "squarederror", "squaredloss", "l2", "l2loss"), ("squared_error", "mean_squared_error")
    ),
    **dict.fromkeys(("leastsquares", "quadratic", "gaussian"), ("squared_error", "mean_squared_error")),
    **dict.fromkeys(("mae", "maeloss", "l1", "l1loss", "absoluteerror", "absoluteloss"), ("mean_absolute_error",)),
    **dict.fromkeys(("rmse", "rmseloss", "rootmse"), ("root_mean_squared_error",)),
    **dict.fromkeys(("huberloss", "smoothl1", "smoothl1loss"), ("huber",)),
    **dict.fromkeys(("poissonloss", "poissonnll", "poissonnllloss", "poissondeviance", "halfpoisson"), ("poisson",)),
    **dict.fromkeys(("bce", "bceloss", "bcewithlogits", "bcewithlogitsloss"), ("binary_cross_entropy",)),
    **dict.fromkeys(("binarycrossentropyloss", "binarylogloss"), ("binary_cross_entropy",)),
    **dict.fromkeys(("cce", "cceloss", "scce", "sparsecategoricalcrossentropy"), ("categorical_cross_entropy",)),
    **dict.fromkeys(
        ("softmaxcrossentropy", "multinomial", "categoricalcrossentropyloss"), ("categorical_cross_entropy",)
    ),
    **dict.fromkeys(("nll", "nllloss", "negativeloglikelihood"), ("categorical_cross_entropy",)),
    **dict.fromkeys(("crossentropy", "crossentropyloss", "xent", "ce", "logloss", "logistic", "entropy"), _ENTROPIES),
    **dict.fromkeys(("msle", "mape", "logcosh", "hinge", "kl", "kldiv", "focal", "quantile"), ()),
    # activations
    **dict.fromkeys(("none", "linear", "id"), ("identity",)),
    **dict.fromkeys(("rectifier", "rectified", "rectifiedlinear", "rectifiedlinearunit"), ("relu",)),
    **dict.fromkeys(("lrelu", "leaky"), ("leaky_relu",)),
    **dict.fromkeys(("sigm", "logit", "expit"), ("sigmoid",)),
    **dict.fromkeys(("exp",), ("exponential",)),
    **dict.fromkeys(("hyperbolictangent", "tangenshyperbolicus"), ("tanh",)),
    **dict.fromkeys(("selu", "celu", "prelu", "rrelu", "relu6", "mish", "glu", "softsign", "hardtanh"), ()),
    **dict.fromkeys(("hardsigmoid", "logsoftmax", "logsigmoid"), ()),
    # optimizers and solvers
    **dict.fromkeys(("gd", "gradientdescent", "stochasticgradientdescent", "vanilla"), ("sgd", "gradient_descent")),
    **dict.fromkeys(("heavyball", "sgdmomentum", "sgdm", "polyak"), ("momentum", "sgd")),
    **dict.fromkeys(("nag", "nesterovmomentum", "acceleratedgradient"), ("nesterov", "sgd")),
    **dict.fromkeys(("momentum", "nesterov"), ("sgd",)),
    **dict.fromkeys(("bfgs", "lbfgsb", "quasinewton"), ("lbfgs",)),
    **dict.fromkeys(("rmsprop", "adagrad", "adadelta", "adamax", "nadam", "amsgrad", "adafactor", "lion", "lamb"), ()),
    # schedules and gradients
    **dict.fromkeys(("fixed",), ("constant",)),
    **dict.fromkeys(("inversescaling", "invscaling", "invscale"), ("inverse_scaling", "invscaling")),
    **dict.fromkeys(("cosineannealing", "cosinedecay"), ("cosine",)),
    **dict.fromkeys(("backpropagation", "bp", "analytic", "exact"), ("backprop",)),
    **dict.fromkeys(("numeric", "differences", "finitedifferences", "centraldifferences"), ("numerical",)),
}


def meant(value: Any, names: tuple[str, ...]) -> str:
    """The advice for a name that is none of `names`: ``" Did you mean 'mean_squared_error'?"``, or nothing."""
    if value is not None and not isinstance(value, str):
        return ""
    plain = _plain(str(value).rpartition(".")[2])  # without the module's name, such as nn.MSELoss
    here = {_plain(name): name for name in names}
    if plain in here:
        found: tuple[str, ...] = (here[plain],)
    elif plain in _MEANT:
        found = tuple(name for name in _MEANT[plain] if name in names)
    else:
        found = tuple(here[close] for close in get_close_matches(plain, here, n=1, cutoff=0.75))
    if not found:
        return ""
    *others, last = map(repr, found)
    return f" Did you mean {', '.join(others)}{' or ' if others else ''}{last}?"


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
