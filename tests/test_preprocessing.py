"""to_categorical, and the network that suggest_network has for a data set."""

import numpy as np
import pytest

import mlcore


class TestPreprocessing:
    def test_to_categorical(self):
        np.testing.assert_array_equal(mlcore.to_categorical([1, 0, 2]), [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
        assert mlcore.to_categorical([[1], [0]], num_classes=4).shape == (2, 4)
        assert mlcore.to_categorical([True, False]).shape == (2, 2)
        assert mlcore.to_categorical([], num_classes=3).shape == (0, 3)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([0.5],), "whole numbers"),
            (([-1],), "from 0 on"),
            (([np.nan],), "whole numbers"),
            ((["a"],), "number the classes"),
            (([3], 3), "reach 3"),
            (([],), "num_classes"),
            (([[1, 2]],), "one label a row"),
            (([0], 0), "num_classes"),
        ],
    )
    def test_bad_labels(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            mlcore.to_categorical(*arguments)

    def test_suggest_network(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((1000, 6))
        numbers = mlcore.suggest_network(X, X[:, 0])
        assert (numbers.layer_sizes, numbers.loss) == ((6, 4, 1), "mean_squared_error")
        assert numbers.activations == ("relu", "identity")
        two = mlcore.suggest_network(X, np.where(X[:, 0] > 0, "yes", "no"))
        assert (two.layer_sizes[-1], two.activations[-1], two.loss) == (1, "sigmoid", "binary_cross_entropy")
        many = mlcore.suggest_network(X, rng.integers(0, 5, 1000))
        assert (many.layer_sizes[-1], many.activations[-1], many.loss) == (5, "softmax", "categorical_cross_entropy")
        both = mlcore.suggest_network(X, X[:, :2])
        assert both.layer_sizes[-1] == 2
        few = mlcore.suggest_network(rng.standard_normal((40, 30)), rng.standard_normal(40))
        assert few.layer_sizes[1] == 3
        assert any("few" in reason for reason in few.reasons)
        net = mlcore.Network(many.layer_sizes, many.activations, many.loss)
        assert net.layout.n_free == many.n_parameters
        for bad in ((X[0], [1]), (X, X[:5, 0]), (X, np.zeros(1000)), (X[:0], [])):
            with pytest.raises(ValueError, match="shape|one class"):
                mlcore.suggest_network(*bad)
