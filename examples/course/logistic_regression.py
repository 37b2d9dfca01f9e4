"""Chapter 4. Logistic regression: from how many hours of study on one passes."""

from pathlib import Path

import numpy as np

from mlcore import numerical_derivative

table = np.loadtxt(Path(__file__).parents[1] / "study_hours.csv", delimiter=",", skiprows=1)
x_data, t_data = table[:, [1]], table[:, [0]]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def train(steps=10001, learning_rate=1e-2, seed=0, report=None):
    random = np.random.default_rng(seed)
    W, b = random.random((1, 1)), random.random(1)

    def loss(x, t):
        delta = 1e-7  # keeps the logarithms finite
        y = sigmoid(np.dot(x, W) + b)
        return -np.sum(t * np.log(y + delta) + (1 - t) * np.log(1 - y + delta))

    f = lambda _: loss(x_data, t_data)  # noqa: E731

    for step in range(steps):
        W -= learning_rate * numerical_derivative(f, W)
        b -= learning_rate * numerical_derivative(f, b)
        if report and step % 1000 == 0:
            report(f"step {step:5}  error {loss(x_data, t_data):.6f}  W {W.ravel()}  b {b}")
    return W, b


def predict(x, W, b):
    y = sigmoid(np.dot(x, W) + b)
    return y, (y > 0.5).astype(int)


def main():
    W, b = train(report=print)
    for hours in (3, 13, 17, 31):
        probability, passes = predict(np.array([[hours]]), W, b)
        print(f"{hours:2} hours: passes with probability {probability.item():.4f}: {'yes' if passes.item() else 'no'}")


if __name__ == "__main__":
    main()
