"""Logic gates: one layer learns AND, OR and NAND, but not XOR, which needs a hidden layer."""

import numpy as np

import mlcore

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
GATES = {"AND": (0, 0, 0, 1), "OR": (0, 1, 1, 1), "NAND": (1, 1, 1, 0), "XOR": (0, 1, 1, 0)}


def learn(gate, hidden=(), seed=0):
    """Train a network on a gate by numerical derivatives; return its four outputs and the summed loss."""
    loss = mlcore.losses.binary_cross_entropy.with_options(reduction="sum", epsilon=1e-7)
    net = mlcore.Network((2, *hidden, 1), ["sigmoid"] * (len(hidden) + 1), loss=loss, random_state=seed)
    answers = np.array(GATES[gate]).reshape(4, 1)
    net.fit(INPUTS, answers, epochs=2000, learning_rate=0.5, gradient="numerical", update="sequential", shuffle=False)
    return net.forward(INPUTS).ravel(), net.loss_value(INPUTS, answers)


def main():
    print(f"{'gate':6}{'hidden':8}{'0 0':>8}{'0 1':>8}{'1 0':>8}{'1 1':>8}{'loss':>10}  learned")
    for gate, hidden in (("AND", ()), ("OR", ()), ("NAND", ()), ("XOR", ()), ("XOR", (4,))):
        outputs, loss = learn(gate, hidden)
        learned = "yes" if (outputs.round() == GATES[gate]).all() and loss < 0.1 else "no"
        numbers = "".join(f"{output:8.4f}" for output in outputs)
        print(f"{gate:6}{hidden[0] if hidden else 'none':<8}{numbers}{loss:10.4f}  {learned}")
    print(
        f"\nThe best that one layer can do for XOR is to answer 1/2 everywhere: a loss of 4 ln 2 = {4 * np.log(2):.4f}."
    )


if __name__ == "__main__":
    main()
