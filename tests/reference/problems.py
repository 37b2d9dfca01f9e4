"""Networks, and weights of rows, to try the formulas on."""

import itertools

import numpy as np

SAMPLE_WEIGHT = np.array([1.0, 0.0, 2.5, 0.5, 3.0])


def network(sizes, seed=3):
    generator = np.random.default_rng(seed)
    weights = [generator.normal(size=shape) for shape in itertools.pairwise(sizes)]
    biases = [generator.normal(size=size) for size in sizes[1:]]
    return weights, biases
