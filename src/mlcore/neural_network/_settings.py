"""The settings vector that the kernels of networks read: one place says what stands in it unless it is chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..kernels import ids
from ..losses import Loss

# the course's
_DIFFERENCE_STEP = 1e-4
_NAMES = list(vars(ids))
# The file of ids has the settings in lines of their own, down to their number. What else stands there are numbers too,
# and would be taken for the place of a setting.
_FIRST, _END = _NAMES.index("LEARNING_RATE"), _NAMES.index("N_SETTINGS")
_PLACES: dict[str, int] = {name: getattr(ids, name) for name in _NAMES[_FIRST:_END]}


def settings_of(loss: Loss, n_outputs: int, **chosen: float) -> NDArray[np.float64]:
    """The settings of a loss of `n_outputs` outputs, and by the names of the kernels' ids what was chosen besides.

    Unless chosen, a fit goes on to its last epoch and clips no gradient.
    """
    settings = loss.settings(n_outputs)
    settings[ids.DIFFERENCE_STEP] = _DIFFERENCE_STEP
    settings[ids.N_ITER_NO_CHANGE] = settings[ids.CLIP_NORM] = np.inf
    return amended(settings, **chosen)


def amended(settings: NDArray[np.float64], **chosen: float) -> NDArray[np.float64]:
    """A copy with some entries chosen anew."""
    settings = settings.copy()
    for name, value in chosen.items():
        if name not in _PLACES:
            raise ValueError(f"{name} is no setting of the kernels, which are {', '.join(_PLACES)}.")
        settings[_PLACES[name]] = value
    return settings
