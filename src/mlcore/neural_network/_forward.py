"""The outputs of a network that is given as its layout and parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import chosen_kernels
from ..memory import shared_view
from ._parameter_layout import ParameterLayout


def forward(layout: ParameterLayout, flat: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """The outputs for rows that are checked already."""
    n = rows.shape[0]
    if rows.shape[1] != layout.sizes[0] or flat.size != layout.n_parameters:  # the kernel would read what is not there
        raise ValueError(f"X has {rows.shape[1]} columns, but {layout.sizes[0]} are wanted.")
    output = np.empty((n, layout.sizes[-1]), layout.dtype)
    if n:
        plan, work = layout.forward_work(n)
        chosen_kernels().forward(plan, shared_view(rows), flat, output.reshape(-1), work)
    return output
