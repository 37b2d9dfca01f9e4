"""Chapter 6. A neural network of two inputs, a hidden layer of three and one output learns XOR by itself."""

import numpy as np

from mlcore import numerical_derivative

x_data = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
t_data = np.array([0, 1, 1, 0]).reshape(4, 1)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class NeuralNetwork:
    """Layers of 2, 3 and 1 units, sigmoid in both."""

    def __init__(self, seed=0):
        random = np.random.default_rng(seed)
        self.W2, self.b2 = random.standard_normal((2, 3)), random.random(3)
        self.W3, self.b3 = random.standard_normal((3, 1)), random.random(1)

    def forward(self, x):
        a2 = sigmoid(np.dot(x, self.W2) + self.b2)
        return sigmoid(np.dot(a2, self.W3) + self.b3)

    def error(self):
        delta = 1e-7  # keeps the logarithms finite
        y = self.forward(x_data)
        return -np.sum(t_data * np.log(y + delta) + (1 - t_data) * np.log(1 - y + delta))

    def train(self, steps=3001, learning_rate=0.3, report=None):
        f = lambda _: self.error()  # noqa: E731
        for step in range(steps):
            for parameters in (self.W2, self.b2, self.W3, self.b3):
                parameters -= learning_rate * numerical_derivative(f, parameters)
            if report and step % 500 == 0:
                report(f"step {step:5}  error {self.error():.6f}")
        return self


def main():
    network = NeuralNetwork().train(report=print)
    for x, y in zip(x_data, network.forward(x_data), strict=True):
        print(x, "gives", y.round(4))


if __name__ == "__main__":
    main()
