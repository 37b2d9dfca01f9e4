"""One training step by hand: input (1, 2), right answer 1, a hidden layer of three, sigmoid, mean squared error."""

import numpy as np

import mlcore

INPUT, TARGET = [[1.0, 2.0]], [[1.0]]
RATE = 0.1


def build():
    """Build the network with weights and biases set by hand."""
    net = mlcore.Network((2, 3, 1), ["sigmoid", "sigmoid"], loss="mean_squared_error")
    net.weights[0][:] = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    net.biases[0][:] = [0.1, 0.2, 0.3]
    net.weights[1][:] = [[0.7], [0.8], [0.9]]
    net.biases[1][:] = [0.4]
    return net


def step():
    """Take one step; return (trace, loss) before and after it, and the gradient between them."""
    net = build()
    before = net.trace(INPUT), net.loss_value(INPUT, TARGET)
    _, gradient = net.loss_and_gradient(INPUT, TARGET)
    net.fit(INPUT, TARGET, epochs=1, optimizer="sgd", learning_rate=RATE)
    after = net.trace(INPUT), net.loss_value(INPUT, TARGET)
    return before, gradient, after


def show(title, trace, loss):
    print(title)
    for layer, (z, a) in enumerate(zip(trace.z, trace.a, strict=True), start=1):
        print(f"  Z{layer} = {z[0]}\n  A{layer} = {a[0]}")
    print(f"  Y  = {trace.y[0]}\n  loss = (Y - 1)^2 = {loss:.8f}\n")


def main():
    np.set_printoptions(precision=8, floatmode="fixed", suppress=True)
    before, gradient, after = step()
    show("before the step", *before)
    print("gradient")
    for layer, (weights, bias) in enumerate(zip(gradient.weights, gradient.biases, strict=True), start=1):
        rows = "\n         ".join(str(row) for row in weights)
        print(f"  dL/dW{layer} {rows}\n  dL/db{layer} {bias}")
    print()
    show(f"after the step W <- W - {RATE} dL/dW, b <- b - {RATE} dL/db", *after)


if __name__ == "__main__":
    main()
