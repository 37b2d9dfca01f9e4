"""Chapter 8. Back-propagation: the same derivatives by the chain rule, checked against the numerical ones."""

import numpy as np

from mlcore import numerical_derivative


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class NeuralNetwork:
    """One hidden layer, sigmoid in both; the loss is half the squared error."""

    def __init__(self, sizes=(2, 3, 1), seed=0):
        random = np.random.default_rng(seed)
        inputs, hidden, outputs = sizes
        self.W2, self.b2 = random.standard_normal((inputs, hidden)), random.random(hidden)
        self.W3, self.b3 = random.standard_normal((hidden, outputs)), random.random(outputs)

    def forward(self, x):
        self.a1 = x
        self.a2 = sigmoid(np.dot(self.a1, self.W2) + self.b2)
        self.a3 = sigmoid(np.dot(self.a2, self.W3) + self.b3)
        return self.a3

    def error(self, x, t):
        return np.sum((t - self.forward(x)) ** 2) / 2

    def gradients(self, x, t):
        """The derivatives of the error by W2, b2, W3 and b3, from the last layer backwards."""
        self.forward(x)
        delta3 = (self.a3 - t) * self.a3 * (1 - self.a3)
        delta2 = np.dot(delta3, self.W3.T) * self.a2 * (1 - self.a2)
        return np.dot(self.a1.T, delta2), delta2.sum(axis=0), np.dot(self.a2.T, delta3), delta3.sum(axis=0)


def compare(network, x, t):
    """The largest difference of the two for each of W2, b2, W3 and b3."""
    f = lambda _: network.error(x, t)  # noqa: E731
    exact = network.gradients(x, t)
    parameters = (network.W2, network.b2, network.W3, network.b3)
    return [np.abs(g - numerical_derivative(f, p)).max() for g, p in zip(exact, parameters, strict=True)]


def main():
    x_data = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    t_data = np.array([[0.0], [1.0], [1.0], [0.0]])
    network = NeuralNetwork()
    print("the two differ by at most", *(f"{part:.1e}" for part in compare(network, x_data, t_data)))
    for step in range(20001):
        if step % 4000 == 0:
            print(f"step {step:5}  error {network.error(x_data, t_data):.6f}")
        gradients = network.gradients(x_data, t_data)
        for parameters, slope in zip((network.W2, network.b2, network.W3, network.b3), gradients, strict=True):
            parameters -= 0.5 * slope
    print(network.forward(x_data).ravel().round(3))


if __name__ == "__main__":
    main()
