"""The registry of optimizers, and each as an object for hand-made loops.

========  ========================================================================================
sgd       w <- w - rate g
momentum  v <- momentum v - rate g;  w <- w + v
nesterov  v as above;  w <- w + momentum v - rate g
adam      m, s <- moving means of g and g^2;  w <- w - rate' m / (sqrt(s) + epsilon),
          rate' = rate sqrt(1 - beta_2^t) / (1 - beta_1^t)
adamw     adam, and w <- w - rate weight_decay w
========  ========================================================================================

The forms are scikit-learn's; Adam: Kingma and Ba 2015 (the form at the end of its section 2); AdamW: Loshchilov and
Hutter 2019.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import mlcore  # for annotations, which are read when all of it is there

from .config import chosen_kernels
from .kernels import ids
from .memory import shared_view
from .names import OptimizerName
from .validation import check_choice, check_fraction, check_positive


class Rule(NamedTuple):
    """An update rule, known to the kernels by its id."""

    name: str
    id: int


RULES: dict[str, Rule] = {
    row.name: row
    for row in (
        Rule("sgd", ids.SGD),
        Rule("momentum", ids.MOMENTUM),
        Rule("nesterov", ids.NESTEROV),
        Rule("adam", ids.ADAM),
        Rule("adamw", ids.ADAMW),
    )
}


def get_rule(name: OptimizerName) -> Rule:
    """The rule of that name; ``ValueError`` lists the names there are."""
    return RULES[check_choice(name, "optimizer", tuple(RULES))]


class _Optimizer:
    rule: str

    def __init__(self, network: mlcore.Network, learning_rate: float, **settings: float) -> None:
        self.network = network
        self._settings = np.zeros(ids.N_SETTINGS)
        self._progress = np.zeros(ids.N_PROGRESS)
        self._settings[ids.LEARNING_RATE] = check_positive(learning_rate, "learning_rate")
        for name, value in settings.items():
            if name.startswith(("beta", "momentum")):
                check_fraction(value, name)
            else:
                check_positive(network.dtype.type(check_positive(value, name, zero=True)), name, zero=name != "epsilon")
            place = ids.BETA_1 if name == "momentum" else getattr(ids, name.upper())
            self._settings[place] = value
        self.learning_rate = float(learning_rate)
        self._moments = np.zeros(2 * network.layout.n_parameters, network.dtype)

    def step(self, gradient: mlcore.Gradient) -> None:
        """Move the network's parameters by one step along `gradient`, as `backward` or `loss_and_gradient` gave it.

        ``learning_rate`` may be changed between steps. Costs one pass over the parameters.

        Raises
        ------
        ValueError
            If the gradient belongs to a network of another shape or dtype, or is not finite: nothing is moved then.
        """
        flat = gradient.flat
        theirs, ours = gradient.layout, self.network.layout
        if theirs.sizes != ours.sizes or theirs.dtype != ours.dtype or flat.shape != self.network.flat.shape:
            raise ValueError(
                f"the gradient is of a network {theirs.sizes} in {theirs.dtype}, but this one is {ours.sizes} in "
                f"{ours.dtype}; pass a gradient of this very network."
            )
        if not np.isfinite(flat).all():
            raise ValueError("the gradient is not finite; lower the learning rate or scale the data.")
        self._progress[ids.RATE] = check_positive(self.learning_rate, "learning_rate")
        flat = shared_view(np.ascontiguousarray(flat, ours.dtype))
        chosen_kernels().update(
            RULES[self.rule].id, self._settings, self._progress, self.network.flat, flat, self._moments
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(learning_rate={self.learning_rate!r})"


class SGD(_Optimizer):
    """Plain gradient descent: w <- w - rate g.

    Parameters
    ----------
    network : Network
        Whose parameters to move.
    learning_rate : float, default=0.01
    """

    rule = "sgd"

    def __init__(self, network: mlcore.Network, learning_rate: float = 0.01) -> None:
        super().__init__(network, learning_rate)


class Momentum(_Optimizer):
    """Gradient descent with momentum: v <- momentum v - rate g; w <- w + v (or + momentum v - rate g by Nesterov).

    Parameters
    ----------
    network : Network
        Whose parameters to move.
    learning_rate : float, default=0.01
    momentum : float, default=0.9
        In [0, 1).
    nesterov : bool, default=False
    """

    def __init__(
        self, network: mlcore.Network, learning_rate: float = 0.01, momentum: float = 0.9, nesterov: bool = False
    ) -> None:
        self.rule = "nesterov" if nesterov else "momentum"
        super().__init__(network, learning_rate, momentum=momentum)


class Adam(_Optimizer):
    """Adam (Kingma and Ba 2015).

    Parameters
    ----------
    network : Network
        Whose parameters to move.
    learning_rate : float, default=0.001
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay of the means of g and g^2, in [0, 1).
    epsilon : float, default=1e-8
        Added to the root; not bias-corrected.
    """

    rule = "adam"

    def __init__(
        self,
        network: mlcore.Network,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(network, learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


class AdamW(_Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): also w <- w - rate weight_decay w.

    Parameters
    ----------
    network, learning_rate, beta_1, beta_2, epsilon
        As in :class:`Adam`.
    weight_decay : float, default=0.01
        Applied to weights and biases alike.
    """

    rule = "adamw"

    def __init__(
        self,
        network: mlcore.Network,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        moments = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        super().__init__(network, learning_rate, **moments, weight_decay=weight_decay)
