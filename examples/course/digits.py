"""Chapter 7. Handwritten digits, 8 x 8 pixels: one digit a step, every weight moved twice for each.

This is the slow, honest way; `mlcore.Network.fit(gradient="numerical", update="sequential")` takes the same steps
hundreds of times as fast.
"""

import numpy as np
from sklearn.datasets import load_digits

from mlcore import numerical_derivative


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class NeuralNetwork:
    """Layers of 64, some and 10 units, sigmoid in both."""

    def __init__(self, hidden=8, seed=0):
        random = np.random.default_rng(seed)
        self.W2, self.b2 = random.standard_normal((64, hidden)) / np.sqrt(64 / 2), random.random(hidden)
        self.W3, self.b3 = random.standard_normal((hidden, 10)) / np.sqrt(hidden / 2), random.random(10)

    def forward(self, x):
        a2 = sigmoid(np.dot(x, self.W2) + self.b2)
        return sigmoid(np.dot(a2, self.W3) + self.b3)

    def error(self, x, t):
        delta = 1e-7  # keeps the logarithms finite
        y = self.forward(x)
        return -np.sum(t * np.log(y + delta) + (1 - t) * np.log(1 - y + delta))

    def step(self, x, t, learning_rate=0.3):
        f = lambda _: self.error(x, t)  # noqa: E731
        for parameters in (self.W2, self.b2, self.W3, self.b3):
            parameters -= learning_rate * numerical_derivative(f, parameters)


def load():
    """Pixels from 0.01 to 1, targets of 0.01 and 0.99."""
    pixels, digits = load_digits(return_X_y=True)
    targets = np.full((len(digits), 10), 0.01)
    targets[np.arange(len(digits)), digits] = 0.99
    return pixels / 16 * 0.99 + 0.01, targets, digits


def main(steps=400):
    x_data, t_data, digits = load()
    network, test = NeuralNetwork(), slice(1500, None)
    for step in range(steps):
        if step % 100 == 0:
            accuracy = np.mean(network.forward(x_data[test]).argmax(axis=1) == digits[test])
            print(
                f"step {step:4}  error {network.error(x_data[test], t_data[test]) / 297:.4f}  accuracy {accuracy:.3f}"
            )
        network.step(x_data[[step]], t_data[[step]])
    accuracy = np.mean(network.forward(x_data[test]).argmax(axis=1) == digits[test])
    print(f"after {steps} digits: {accuracy:.3f} of the last 297 are read rightly")


if __name__ == "__main__":
    main()
