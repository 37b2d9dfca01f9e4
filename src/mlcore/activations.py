"""The registry of activations: name, kernel id, formula.

A new one is a row here, its name in `names.py`, a formula in `reference.py` and a branch in `kernels/activations.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .kernels import layout
from .validation import check_choice

_layout = layout()


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
        Activation("identity", _layout.IDENTITY, "z"),
        Activation("relu", _layout.RELU, "max(z, 0)"),
        Activation("leaky_relu", _layout.LEAKY_RELU, "z if z > 0 else 0.01 z"),
        Activation("elu", _layout.ELU, "z if z > 0 else exp(z) - 1"),
        Activation("gelu", _layout.GELU, "z P(N(0, 1) <= z)", needs_raw=True),
        Activation("silu", _layout.SILU, "z / (1 + exp(-z))", needs_raw=True),
        Activation("tanh", _layout.TANH, "tanh(z)"),
        Activation("sigmoid", _layout.SIGMOID, "1 / (1 + exp(-z))"),
        Activation("softplus", _layout.SOFTPLUS, "log(1 + exp(z))", needs_raw=True),
        Activation("exponential", _layout.EXPONENTIAL, "exp(z)"),
        Activation("softmax", _layout.SOFTMAX, "exp(z_j) / sum_k exp(z_k), the last layer only"),
    )
}
_ALIASES = {"logistic": "sigmoid", "linear": "identity", "swish": "silu"}


def get_activation(name: str) -> Activation:
    """Find the activation of that name ("logistic" is "sigmoid"); ``ValueError`` lists the names there are."""
    name = _ALIASES.get(name, name) if isinstance(name, str) else name
    return ACTIVATIONS[check_choice(name, "activation", tuple(ACTIVATIONS))]
