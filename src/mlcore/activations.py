"""The registry of activations: name, kernel id, formula.

A new one is a row here, its name in `names.py`, a formula in `reference/activations.py` and a branch in
`kernels/source/activations.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .kernels import ids
from .validation import check_choice


@dataclass(frozen=True)
class Activation:
    """An activation A = f(Z), known to the kernels by its id."""

    name: str
    id: int
    formula: str
    needs_raw: bool = False  # whether its slope is made from Z; of the others it follows from A


ACTIVATIONS: dict[str, Activation] = {
    row.name: row
    for row in (
        Activation("identity", ids.IDENTITY, "z"),
        Activation("relu", ids.RELU, "max(z, 0)"),
        Activation("leaky_relu", ids.LEAKY_RELU, "z if z > 0 else 0.01 z"),
        Activation("elu", ids.ELU, "z if z > 0 else exp(z) - 1"),
        Activation("gelu", ids.GELU, "z P(N(0, 1) <= z)", needs_raw=True),
        Activation("silu", ids.SILU, "z / (1 + exp(-z))", needs_raw=True),
        Activation("tanh", ids.TANH, "tanh(z)"),
        Activation("sigmoid", ids.SIGMOID, "1 / (1 + exp(-z))"),
        Activation("softplus", ids.SOFTPLUS, "log(1 + exp(z))", needs_raw=True),
        Activation("exponential", ids.EXPONENTIAL, "exp(z)"),
        Activation("softmax", ids.SOFTMAX, "exp(z_j) / sum_k exp(z_k), the last layer only"),
    )
}
_ALIASES = {"logistic": "sigmoid", "linear": "identity", "swish": "silu"}


def get_activation(name: str) -> Activation:
    """Find the activation of that name ("logistic" is "sigmoid"); ``ValueError`` lists the names there are."""
    name = _ALIASES.get(name, name) if isinstance(name, str) else name
    return ACTIVATIONS[check_choice(name, "activation", tuple(ACTIVATIONS))]
