"""The course's handwritten digits, sample by sample for an epoch: by numerical derivatives, or by back-propagation."""

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
from mnist import load

import mlcore

# hidden units, loss, gradient, order of updates, learning rate; then the author's seconds and accuracy
PROGRAMS = {
    "numerical": (
        8, mlcore.losses.binary_cross_entropy.with_options(reduction="sum", epsilon=1e-7),
        dict(gradient="numerical", update="sequential", learning_rate=0.01), 7 * 3600 + 53 * 60 + 22, 0.8833,
    ),
    # the author halves the squared error
    "backprop": (
        100, mlcore.losses.mean_squared_error.with_options(reduction="sum"),
        dict(gradient="backprop", learning_rate=0.3 / 2), 28.902, 0.9411,
    ),
}  # fmt: skip


def prepare(images, digits):
    """The author's scales: pixels from 0.01 to 1, targets of 0.01 and 0.99."""
    return images.astype(float) * 0.99 + 0.01, mlcore.to_categorical(digits, 10) * 0.98 + 0.01


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="train-images-idx3-ubyte and the three others, gzipped or not")
    parser.add_argument("--program", choices=PROGRAMS, default="numerical", help="(default: numerical)")
    parser.add_argument("--rows", type=int, default=None, help="train on the first rows only")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (default: 0)")
    options = parser.parse_args(arguments)
    try:
        (X, T), (X_test, _) = (prepare(*load(options.folder, part)) for part in ("train", "t10k"))
        digits = load(options.folder, "t10k")[1]
    except ValueError as error:
        parser.error(str(error))
    X, T = X[: options.rows], T[: options.rows]
    hidden, loss, settings, authors_seconds, authors_accuracy = PROGRAMS[options.program]
    network = mlcore.Network((X.shape[1], hidden, 10), ("sigmoid", "sigmoid"), loss)
    random = np.random.RandomState(options.seed)
    for weights, biases in zip(network.weights, network.biases, strict=True):  # as the author starts
        weights[:] = random.randn(*weights.shape) / np.sqrt(len(weights) / 2)
        biases[:] = random.rand(len(biases))
    with mlcore.config_context(n_threads=1):
        start = perf_counter()
        network.fit(X, T, epochs=1, batch_size=1, optimizer="sgd", shuffle=False, **settings)
        seconds = perf_counter() - start
    accuracy = np.mean(network.forward(X_test).argmax(axis=1) == digits)
    factor = authors_seconds * len(X) / 60_000 / seconds
    print(f"{options.program}: {len(X):,} steps in {seconds:.2f} s, {factor:,.0f} times as fast as the author's NumPy")
    print(f"accuracy on {len(digits):,} test images: {accuracy:.4f} (the author's after an epoch: {authors_accuracy})")


if __name__ == "__main__":
    main()
