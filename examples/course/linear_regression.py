"""Chapter 2. Linear regression with one input: a line through five points, by gradient descent."""

import numpy as np

from mlcore import numerical_derivative

x_data = np.array([1, 2, 3, 4, 5]).reshape(5, 1)
t_data = np.array([2, 3, 4, 5, 6]).reshape(5, 1)


def train(steps=8001, learning_rate=1e-2, seed=0, report=None):
    random = np.random.default_rng(seed)
    W, b = random.random((1, 1)), random.random(1)

    def loss(x, t):
        y = np.dot(x, W) + b
        return np.sum((t - y) ** 2) / len(x)

    f = lambda _: loss(x_data, t_data)  # noqa: E731

    for step in range(steps):
        W -= learning_rate * numerical_derivative(f, W)
        b -= learning_rate * numerical_derivative(f, b)
        if report and step % 400 == 0:
            report(f"step {step:5}  error {loss(x_data, t_data):.6e}  W {W.ravel()}  b {b}")
    return W, b


def main():
    W, b = train(report=print)
    print("43 gives", np.dot(np.array([[43.0]]), W) + b)


if __name__ == "__main__":
    main()
