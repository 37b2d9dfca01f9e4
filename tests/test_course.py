"""The course's programs in its own idiom, where W is moved as it stands and f ignores its argument; and by networks.

Each program writes ``W -= learning_rate * numerical_derivative(f, W)``, first with W, then with b and the new W.
"""

import importlib.util
import json

import numpy as np
import pytest
from conftest import ROOT
from sklearn.datasets import load_digits

import mlcore
from mlcore import numerical_derivative

RUNS = json.loads((ROOT / "tests" / "data" / "lecture_runs.json").read_text())
CHAPTERS = ROOT / "examples" / "course"


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cross_entropy(t, y, delta=1e-7):
    return -np.sum(t * np.log(y + delta) + (1 - t) * np.log((1 - y) + delta))


def chapter(name):
    spec = importlib.util.spec_from_file_location(f"course_{name}", CHAPTERS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", RUNS)
def test_printed_trajectories(name):
    """Every line that the notebooks print of 10,000 steps, to its last figure."""
    run = RUNS[name]
    x_data, t_data = np.array(run["X"]), np.array(run["t"]).reshape(-1, 1)
    W, b = np.array(run["initial"]["W"]).reshape(-1, 1), np.array(run["initial"]["b"])

    def loss_func(x, t):
        z = np.dot(x, W) + b
        if run["loss"] == "mse":
            return np.sum((t - z) ** 2) / len(x)
        return cross_entropy(t, sigmoid(z), run["log_delta"])

    f = lambda x: loss_func(x_data, t_data)  # noqa: E731
    learning_rate, done = run["learning_rate"], 0
    assert loss_func(x_data, t_data) == pytest.approx(run["initial"]["error"], rel=1e-6)
    for printed in (line for line in run["recorded"] if line["step"] <= 10_000):
        for _ in range(done, printed["step"] + 1):
            W -= learning_rate * numerical_derivative(f, W)
            b -= learning_rate * numerical_derivative(f, b)
        done = printed["step"] + 1
        np.testing.assert_allclose(W[:, 0], printed["W"], rtol=0, atol=1e-8)
        np.testing.assert_allclose(b, printed["b"], rtol=0, atol=1e-8)
        assert loss_func(x_data, t_data) == pytest.approx(printed["error"], rel=1e-6, abs=1e-9)
    assert done > 8000


def test_one_input_learns_the_line():
    W, b = chapter("linear_regression").train()
    np.testing.assert_allclose([W.item(), b.item()], [1.0, 1.0], atol=1e-9)


def test_four_inputs_near_least_squares():
    """Gradient descent ends where least squares says; y = x0 - x1 + x2 - x3 in that table."""
    module = chapter("multiple_regression")
    lines = []
    W, b = module.train(steps=4001, report=lines.append)
    exact = mlcore.LinearRegression().fit(module.x_data, module.t_data[:, 0])
    np.testing.assert_allclose(W[:, 0], exact.coef_, atol=1e-3)
    assert b.item() == pytest.approx(exact.intercept_, abs=1e-2)
    errors = [float(line.split()[3]) for line in lines]
    assert errors == sorted(errors, reverse=True)


def test_logistic_regression():
    module = chapter("logistic_regression")
    W, b = module.train()
    _, passes = module.predict(module.x_data, W, b)
    np.testing.assert_array_equal(passes, module.t_data)
    run = RUNS["simple_logistic"]["recorded"][-1]  # from another start, the same way
    np.testing.assert_allclose([W.item(), b.item()], [run["W"][0], run["b"][0]], rtol=1e-3)


def test_logic_gates():
    module = chapter("logic_gates")
    gates = {name: module.LogicGate(name, answers).train() for name, answers in module.GATES.items()}
    for name, gate in gates.items():
        np.testing.assert_array_equal(gate.predict(module.INPUTS).ravel(), module.GATES[name])
    np.testing.assert_array_equal(module.xor(gates, module.INPUTS).ravel(), [0, 1, 1, 0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_2_3_1_network(dtype):
    """XOR; the weights of every step beside `Network.fit`'s, which knows nothing of this idiom."""
    module = chapter("neural_network")
    network = module.NeuralNetwork()
    for name in ("W2", "b2", "W3", "b3"):
        setattr(network, name, getattr(network, name).astype(dtype))
    twin = mlcore.Network(
        (2, 3, 1),
        ("sigmoid", "sigmoid"),
        mlcore.losses.binary_cross_entropy.with_options(reduction="sum", epsilon=1e-7),
    )
    for layer, (W, b) in enumerate(((network.W2, network.b2), (network.W3, network.b3))):
        twin.weights[layer][:], twin.biases[layer][:] = W, b
    network.train(steps=300)
    twin.fit(
        module.x_data, module.t_data, epochs=300, optimizer="sgd", learning_rate=0.3, shuffle=False,
        gradient="numerical", update="sequential",
    )  # fmt: skip
    tolerance = 1e-6 if dtype == np.float64 else 2e-2
    for layer, (W, b) in enumerate(((network.W2, network.b2), (network.W3, network.b3))):
        assert W.dtype == dtype
        np.testing.assert_allclose(W, twin.weights[layer], atol=tolerance)
        np.testing.assert_allclose(b, twin.biases[layer], atol=tolerance)
    if dtype == np.float64:
        network.train(steps=2000)
        np.testing.assert_array_equal(network.forward(module.x_data) > 0.5, module.t_data)


def test_steps_on_digits():
    """Each step lessens the loss of its digit, by as much as the exact gradient promises."""
    module = chapter("digits")
    network = module.NeuralNetwork(hidden=4)
    x_data, t_data, digits = module.load()
    np.testing.assert_array_equal(x_data, load_digits().data / 16 * 0.99 + 0.01)
    np.testing.assert_array_equal(t_data.argmax(axis=1), digits)
    twin = mlcore.Network(
        (64, 4, 10),
        ("sigmoid", "sigmoid"),
        mlcore.losses.binary_cross_entropy.with_options(reduction="sum", epsilon=1e-7),
    )
    for k in range(3):
        x, t = x_data[[k]], t_data[[k]]
        for layer, (W, b) in enumerate(((network.W2, network.b2), (network.W3, network.b3))):
            twin.weights[layer][:], twin.biases[layer][:] = W, b
        before = network.error(x, t)
        exact = twin.loss_and_gradient(x, t)[1]
        slope = numerical_derivative(lambda _, x=x, t=t: network.error(x, t), network.W2)
        np.testing.assert_allclose(slope, exact.weights[0], atol=1e-6)
        network.step(x, t, learning_rate=0.05)
        assert network.error(x, t) < before


def test_back_propagation_is_the_numerical_derivative():
    module = chapter("back_propagation")
    random = np.random.default_rng(0)
    network = module.NeuralNetwork((4, 5, 3))
    assert max(module.compare(network, random.random((6, 4)), random.random((6, 3)))) < 1e-8


def test_the_first_chapter_prints_the_courses_digits(capsys):
    chapter("derivatives").main()
    printed = capsys.readouterr().out
    for number in ("6.000000000012662", "[ 8.         15.00000001]", "[[ 5. 13.]\n [32. 15.]]"):
        assert number in printed


@pytest.mark.parametrize("name", RUNS)
def test_printed_trajectories_by_networks(name):
    """One central difference a parameter, W first and then b with the new W; every printed error, W and b to 5e-6."""
    run = RUNS[name]
    X, T = np.array(run["X"]), np.array(run["t"]).reshape(-1, 1)
    if run["loss"] == "mse":
        activation, loss = "identity", mlcore.losses.mean_squared_error
    else:
        assert run["loss"] == "cross_entropy_sum"
        activation = "sigmoid"
        loss = mlcore.losses.binary_cross_entropy.with_options(reduction="sum", epsilon=run["log_delta"])
    net = mlcore.Network((X.shape[1], 1), activations=(activation,), loss=loss)
    net.weights[0][:, 0], net.biases[0][:] = run["initial"]["W"], run["initial"]["b"]
    assert net.loss_value(X, T) == pytest.approx(run["initial"]["error"], rel=1e-6)
    done = 0
    for printed in run["recorded"]:
        steps = printed["step"] + 1 - done  # the line of step k is printed after its update
        net.fit(X, T, epochs=steps, learning_rate=run["learning_rate"], gradient="numerical", update="sequential")
        done += steps
        np.testing.assert_allclose(net.weights[0][:, 0], printed["W"], rtol=0, atol=5e-6)
        np.testing.assert_allclose(net.biases[0], printed["b"], rtol=0, atol=5e-6)
        assert net.loss_value(X, T) == pytest.approx(printed["error"], rel=5e-6, abs=1e-9)
    assert len(run["recorded"]) > 20


GATES = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ANSWERS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}
SUMMED = mlcore.losses.binary_cross_entropy.with_options(reduction="sum", epsilon=1e-7)


def trained(gate, hidden, seed=0):
    sizes = (2, *hidden, 1)
    net = mlcore.Network(sizes, ["sigmoid"] * (len(sizes) - 1), SUMMED, random_state=seed)
    T = np.array(ANSWERS[gate], float).reshape(-1, 1)
    net.fit(GATES, T, epochs=20_000, learning_rate=0.1, gradient="numerical", update="sequential")
    return net, T


@pytest.mark.parametrize("gate", ["AND", "OR", "NAND"])
def test_one_layer_learns(gate):
    net, T = trained(gate, ())
    np.testing.assert_array_equal(net.forward(GATES) > 0.5, T > 0.5)
    assert net.loss_value(GATES, T) < 0.1


def test_one_layer_does_not_learn_xor():
    net, T = trained("XOR", ())
    assert net.loss_value(GATES, T) == pytest.approx(4 * np.log(2), abs=1e-4)


def test_a_hidden_layer_learns_xor():
    net, T = trained("XOR", (4,))
    np.testing.assert_array_equal(net.forward(GATES) > 0.5, T > 0.5)
    assert net.loss_value(GATES, T) < 0.1


def test_linear_regression_of_the_course():
    """The estimators' gradient descent, by differences and by back-propagation, ends where the course's ends."""
    run = RUNS["simple_linear"]
    X, y = np.array(run["X"]), np.array(run["t"])
    for gradient in ("numerical", "backprop"):
        model = mlcore.LinearRegression(
            solver="gradient_descent", learning_rate=0.01, max_iter=8000, gradient=gradient
        ).fit(X, y)
        assert model.coef_[0] == pytest.approx(1.0, abs=1e-6)
        assert model.intercept_ == pytest.approx(1.0, abs=1e-6)
        assert model.n_iter_ == 8000


def test_logistic_regression_of_the_course():
    run = RUNS["simple_logistic"]
    X, y = np.array(run["X"]), np.array(run["t"], int)
    models = [
        mlcore.LogisticRegression(
            C=np.inf, solver="gradient_descent", learning_rate=0.1, max_iter=20_000, gradient=gradient
        ).fit(X, y)
        for gradient in ("numerical", "backprop")
    ]
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-6)
    for model in models:
        np.testing.assert_array_equal(model.predict([[13.0], [11.0], [31.0], [3.0], [3.5]]), [1, 0, 1, 0, 0])
