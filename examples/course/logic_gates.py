"""Chapter 5. Logic gates: a class that learns AND, OR and NAND; XOR takes three of them."""

import numpy as np

from mlcore import numerical_derivative

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
GATES = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0]}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class LogicGate:
    """Logistic regression of two inputs."""

    def __init__(self, name, answers, seed=0):
        random = np.random.default_rng(seed)
        self.name = name
        self.x, self.t = INPUTS, np.array(answers).reshape(4, 1)
        self.W, self.b = random.random((2, 1)), random.random(1)

    def error(self):
        delta = 1e-7  # keeps the logarithms finite
        y = sigmoid(np.dot(self.x, self.W) + self.b)
        return -np.sum(self.t * np.log(y + delta) + (1 - self.t) * np.log(1 - y + delta))

    def train(self, steps=2000, learning_rate=1e-1):
        f = lambda _: self.error()  # noqa: E731
        for _ in range(steps):
            self.W -= learning_rate * numerical_derivative(f, self.W)
            self.b -= learning_rate * numerical_derivative(f, self.b)
        return self

    def predict(self, x):
        return (sigmoid(np.dot(x, self.W) + self.b) > 0.5).astype(int)


def xor(gates, x):
    """NAND and OR of the inputs, and AND of the two."""
    return gates["AND"].predict(np.hstack([gates["NAND"].predict(x), gates["OR"].predict(x)]))


def main():
    gates = {name: LogicGate(name, answers).train() for name, answers in GATES.items()}
    for name, gate in gates.items():
        print(f"{name:5} error {gate.error():.4f}  {gate.predict(INPUTS).ravel()}")
    print("XOR  ", xor(gates, INPUTS).ravel())


if __name__ == "__main__":
    main()
