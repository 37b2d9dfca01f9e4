"""The settings vector: what stands in it unless it is chosen, what is chosen by name, and names there are none of."""

import numpy as np
import pytest

from mlcore.kernels import ids
from mlcore.losses import LOSSES
from mlcore.neural_network._settings import _PLACES, amended, settings_of


@pytest.mark.parametrize("name", LOSSES)
def test_what_stands_there_unless_it_is_chosen(name):
    """The loss's own factors; a fit without an end of its own, without clipping; the course's step; else zeros."""
    settings = settings_of(LOSSES[name], 3)
    assert settings.shape == (ids.N_SETTINGS,)
    assert settings.dtype == np.float64
    own = LOSSES[name].settings(3)
    for place in (ids.VALUE_FACTOR, ids.GRADIENT_FACTOR, ids.LOSS_EPSILON, ids.THRESHOLD):
        assert settings[place] == own[place]
    assert settings[ids.DIFFERENCE_STEP] == 1e-4
    assert settings[ids.CLIP_NORM] == settings[ids.N_ITER_NO_CHANGE] == np.inf
    for place in (ids.LEARNING_RATE, ids.ALPHA, ids.BETA_1, ids.WARM_UP, ids.DROPOUT_SEED, ids.TOLERANCE):
        assert settings[place] == 0.0


def test_the_factors_are_of_the_loss_and_of_its_outputs():
    mean = LOSSES["mean_squared_error"]
    assert settings_of(mean, 4)[ids.VALUE_FACTOR] == 0.25
    assert settings_of(mean.with_options(reduction="sum"), 4)[ids.VALUE_FACTOR] != 0.25
    assert settings_of(mean, 4, VALUE_FACTOR=0.5)[ids.VALUE_FACTOR] == 0.5


def test_what_is_chosen_by_name():
    settings = settings_of(LOSSES["huber"], 2, LEARNING_RATE=0.125, DROPOUT_SEED=2.0**47 + 1, WARM_UP=3, CLIP_NORM=2)
    assert settings[ids.LEARNING_RATE] == 0.125
    assert settings[ids.DROPOUT_SEED] == 2**47 + 1  # to the last digit
    assert settings[ids.WARM_UP] == 3.0
    assert settings[ids.CLIP_NORM] == 2.0
    other = amended(settings, LEARNING_RATE=np.float32(0.5), CLIP_NORM=np.inf)
    assert other.dtype == np.float64
    assert (other != settings).nonzero()[0].tolist() == sorted([ids.LEARNING_RATE, ids.CLIP_NORM])
    assert settings[ids.LEARNING_RATE] == 0.125  # the copy alone is changed
    np.testing.assert_array_equal(amended(settings), settings)


@pytest.mark.parametrize(
    "name",
    ["LEARNINGRATE", "learning_rate", "N_LAYERS", "ADAM", "N_SETTINGS", "RATE"],
    ids=["misspelt", "in small letters", "of a plan", "an optimizer", "the length", "of the progress"],
)
def test_names_that_are_no_settings(name):
    """A name that means a number elsewhere would otherwise be written into some other setting."""
    settings = settings_of(LOSSES["poisson"], 1)
    before = settings.copy()
    with pytest.raises(ValueError, match=f"{name}.* is no setting"):
        amended(settings, **{name: 1.0})
    with pytest.raises(ValueError, match="is no setting"):
        settings_of(LOSSES["poisson"], 1, **{name: 1.0})
    np.testing.assert_array_equal(settings, before)


def test_every_place_has_one_name():
    assert sorted(_PLACES.values()) == list(range(ids.N_SETTINGS))
