"""Chapter 3. Linear regression with four inputs: the first column of a table from the others."""

from pathlib import Path

import numpy as np

from mlcore import numerical_derivative

table = np.loadtxt(Path(__file__).parents[1] / "sps.csv", delimiter=",")
x_data, t_data = table[:, 1:], table[:, [0]]


def train(steps=2001, learning_rate=1e-3, seed=0, report=None):
    random = np.random.default_rng(seed)
    W, b = random.random((4, 1)), random.random(1)

    def loss(x, t):
        y = np.dot(x, W) + b
        return np.sum((t - y) ** 2) / len(x)

    f = lambda _: loss(x_data, t_data)  # noqa: E731

    for step in range(steps):
        W -= learning_rate * numerical_derivative(f, W)
        b -= learning_rate * numerical_derivative(f, b)
        if report and step % 400 == 0:
            report(f"step {step:5}  error {loss(x_data, t_data):.6e}")
    return W, b


def main():
    W, b = train(report=print)
    print("W", W.ravel(), " b", b)
    for row in ([4, 4, 4, 4], [-3, 0, 9, -1], [19, -12, 0, -76]):
        print(row, "gives", np.dot(row, W) + b)


if __name__ == "__main__":
    main()
