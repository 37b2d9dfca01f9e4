"""Arguments of kernels, built here alone: tables in every memory layout, plans, work arrays, outputs full of NaN."""

from fractions import Fraction

import numpy as np
import pytest
from conftest import COMPILED, HERE

import mlcore
from mlcore import reference
from mlcore.activations import ACTIVATIONS
from mlcore.kernels import ids, load_backend
from mlcore.linear_model import _row_passes
from mlcore.linear_model._likelihood import LabelledRows
from mlcore.losses import LOSSES
from mlcore.memory import aligned_zeros
from mlcore.neural_network._parameter_layout import ParameterLayout, bounds_of_draws, initial_parameters
from mlcore.optimizers import RULES

dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])
GUARD = 64  # numbers behind each array that a kernel writes to
HIDDEN = [name for name in ACTIVATIONS if name not in ("softmax", "exponential")]


def poisoned(size, dtype=np.float64):
    """NaN, and numbers behind it that must stay."""
    room = aligned_zeros(size + GUARD, dtype)
    room[:size], room[size:] = np.nan, 0.1
    return room


def unguarded(room):
    assert (room[-GUARD:] == room.dtype.type(0.1)).all(), "written behind the end"
    return room[:-GUARD].copy()


def fractions(array):
    """Each number as the fraction that it is, in an array."""
    array = np.asarray(array)
    exact = np.empty(array.shape, object)
    exact.flat = [Fraction(number) for number in array.ravel().tolist()]
    return exact


def pair(high, low):
    return fractions(high) + fractions(low)


def split(exact):
    """Fractions as pairs of doubles."""
    high = exact.astype(float)
    return high, (exact - fractions(high)).astype(float)


def lay_out(X, kind):
    """The same matrix elsewhere in memory; between its numbers stands NaN."""
    n, p = X.shape
    if kind == "fortran":
        return np.asfortranarray(X)
    if kind == "rows apart":
        room = np.full((n, p + 3), np.nan, X.dtype)
        room[:, 2 : p + 2] = X
        return room[:, 2 : p + 2]
    if kind == "strided":
        room = np.full((2 * n + 1, 3 * p + 1), np.nan, X.dtype)
        room[1::2, 1::3] = X
        return room[1::2, 1::3]
    if kind == "backwards":
        return X[::-1, ::-1].copy()[::-1, ::-1]
    if kind == "read-only":
        X.flags.writeable = False
    return X


def same_bits(results, rtol=None):
    """The compilers' results are the same bits; plain Python's are those to `rtol` of the largest, if that is given."""
    first = results[HERE[0]]
    for backend, found in results.items():
        for one, other in zip(found, first, strict=True):
            if backend in COMPILED and HERE[0] in COMPILED:
                np.testing.assert_array_equal(one, other, err_msg=backend)
            elif rtol is not None:
                largest = np.abs(other)[np.isfinite(other)].max(initial=0.0)
                np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * largest)


def relative(a, b):
    """max|a - b| over max|b|, infinite where one is not finite and the other is."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return np.inf
    if a.size == 0:
        return 0.0
    if not (np.isfinite(a) == np.isfinite(b)).all():
        return np.inf
    scale = np.abs(b[np.isfinite(b)]).max(initial=0.0)
    return float(np.abs(a - b)[np.isfinite(b)].max(initial=0.0) / (scale or 1.0))


def problem(sizes, loss, n, dtype, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, sizes[0])).astype(dtype)
    T = rng.uniform(0.1, 0.9, (n, sizes[-1])).astype(dtype)
    if loss == "categorical_cross_entropy":
        T /= T.sum(axis=1, keepdims=True)
    return X, T


def run_all(backend, sizes, activations, loss, dtype, n, optimizer="adam", weighted=False, batch_size=4):
    """Every network entry on one problem, outputs poisoned first."""
    kernels = load_backend(backend)
    net = ParameterLayout(sizes, [ACTIVATIONS[name] for name in activations], dtype)
    parameters = initial_parameters(net, np.random.RandomState(7))
    X, T = problem(sizes, loss, n, dtype)
    weight = np.random.default_rng(5).uniform(0.5, 2.0, n).astype(dtype) if weighted else np.empty(0, dtype)
    chosen = LOSSES[loss]
    settings = chosen.settings(sizes[-1])
    for name, value in {"LEARNING_RATE": 0.01, "BETA_1": 0.9, "BETA_2": 0.99, "EPSILON": 1e-8, "ALPHA": 0.01,
                        "WEIGHT_DECAY": 0.1, "N_ITER_NO_CHANGE": np.inf, "DIFFERENCE_STEP": 1e-4}.items():  # fmt: skip
        settings[getattr(ids, name)] = value
    common = {"LOSS": chosen.kernel_id(activations[-1]), "MEAN": 1, "WEIGHTED": int(weighted), "MOST_STEPS": 1000}
    found = {}

    found["forward"] = poisoned(n * sizes[-1], dtype)
    plan, work = net.work(n, batch_size=3)
    kernels.forward(plan, X.ravel(), parameters, found["forward"], work)

    found["gradient"] = poisoned(net.n_parameters, dtype)
    plan, work = net.work(n, backward=True, OPTIMIZER=ids.GRADIENT_ONLY, **common)
    progress, sums = np.zeros(ids.N_PROGRESS), poisoned(2 * plan[ids.N_SUMS])
    data = X.ravel(), T.ravel(), weight
    found["value"] = kernels.gradient(plan, settings, progress, sums, *data, parameters, found["gradient"], work)

    found["backward"], found["inputs"] = poisoned(net.n_parameters, dtype), poisoned(n * sizes[0], dtype)
    plan, work = net.work(n, backward=True, inputs=True, OPTIMIZER=ids.GRADIENT_ONLY)
    kernels.backward(
        plan, settings, progress, sums, X.ravel(), T.ravel(), parameters, found["backward"], found["inputs"],
        work,
    )  # fmt: skip

    found["trained"] = parameters.copy()
    found["kept"], found["history"] = poisoned(net.n_parameters, dtype), poisoned(2)
    moments = aligned_zeros(2 * net.n_parameters, dtype)
    plan, work = net.work(
        n, batch_size=batch_size, gather=True, backward=True, OPTIMIZER=RULES[optimizer].id, N_EPOCHS=2, SHUFFLED=1,
        **common,
    )  # fmt: skip
    progress = np.zeros(ids.N_PROGRESS)
    progress[ids.RATE], progress[ids.BEST_LOSS] = 0.01, np.inf
    random_state, order = np.random.RandomState(3), np.arange(n)
    generator = generator_words(random_state)
    kernels.train(
        plan, settings, progress, sums, *data, order, found["trained"], found["kept"], np.empty(0, dtype), moments,
        work, found["history"], generator, np.zeros(1, np.intp), 0,
    )  # fmt: skip
    wanted = np.arange(n)
    for _ in range(2):
        random_state.shuffle(wanted)
    np.testing.assert_array_equal(order, wanted)
    np.testing.assert_array_equal(generator, generator_words(random_state))
    unguarded(sums)
    for name in ("forward", "gradient", "backward", "inputs", "kept", "history"):
        found[name] = unguarded(found[name])
    found["forward"], found["inputs"] = found["forward"].reshape(n, -1), found["inputs"].reshape(n, -1)
    found["moments"], found["progress"] = moments, progress
    # how much of the padding is written depends on the machine's vectors, and nobody reads it
    padding = np.ones(net.n_parameters, bool)
    for part in (part for parts in net.views(padding) for part in parts):
        part[...] = False
    found["gradient"][padding] = found["backward"][padding] = 0.0
    return net, parameters, found


def generator_words(random_state):
    """The kernel's form of a generator's state: its words, and the place of the next one."""
    words = random_state.get_state(legacy=False)["state"]
    return np.append(words["key"], words["pos"]).astype(np.intp)


# features, outputs, rows, memory
TABLES = [
    (0, 1, 5, "contiguous"), (1, 0, 0, "contiguous"), (1, 0, 1, "fortran"), (1, 1, 130, "strided"),
    (2, 3, 65, "fortran"), (3, 0, 64, "read-only"), (6, 3, 9, "rows apart"), (7, 0, 63, "rows apart"),
    (7, 1, 64, "contiguous"), (8, 0, 65, "backwards"), (8, 3, 7, "read-only"), (9, 1, 66, "strided"),
    (12, 1, 64, "fortran"), (13, 1, 67, "contiguous"),
    (15, 0, 3, "fortran"), (16, 1, 5, "contiguous"), (17, 0, 4, "rows apart"), (33, 3, 2, "strided"),
]  # fmt: skip
table_cases = pytest.mark.parametrize("table", TABLES, ids=lambda t: "-".join(map(str, t)))


def table_of(table, dtype, weighted, seed=0):
    """X, y, weights or None, shifts that rounding differences, and scales."""
    p, q, n, kind = table
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, p)) * 10.0 ** rng.integers(-3, 4, p)).astype(dtype)
    y = rng.standard_normal((n, q)) * 50
    weight = rng.uniform(0.5, 2.0, n) if weighted else None
    if weighted and n > 1:
        weight[n // 2] = 0.0
    shift = rng.standard_normal(p + q) * 100
    return lay_out(X, kind), lay_out(y, kind), weight, shift, 2.0 ** rng.integers(-4, 5, p + q)


def run_cross_products(backend, X, y, weight, shift, scale, *, pairs, intercept=1, first=0, last=None):
    """High and low as the kernel leaves them, (width, width); all it writes to is NaN before."""
    n, p = X.shape
    q = y.shape[1]
    width = _row_passes.padded(1 + p + q)
    x, x_row, x_column = _row_passes.strided(X)
    y, y_row, y_column = _row_passes.strided(y)
    weight = np.empty(0) if weight is None else weight
    size = (4 if pairs or weight.size else 2) * _row_passes.BLOCK * width
    plan = _row_passes.segment_plans(
        np.array([first, n if last is None else last]), FEATURES=p, OUTPUTS=q, WIDTH=width, INTERCEPT=intercept,
        WEIGHTED=weight.size > 0, IN_PAIRS=pairs, X_ROW=x_row, X_COLUMN=x_column, Y_ROW=y_row, Y_COLUMN=y_column,
        WORK=size,
    )[0]  # fmt: skip
    high, low, work = poisoned(width * width), poisoned(width * width), poisoned(size + width * width)
    load_backend(backend).cross_products(plan, x, y, weight, shift, scale, high, low, work)
    unguarded(work)
    high, low = unguarded(high).reshape(width, width), unguarded(low).reshape(width, width)
    there = np.isfinite(high)
    np.testing.assert_array_equal((high + low)[there], high[there])  # halves that do not overlap
    return high, low


def exact_rows(X, y, shift, scale, one=1):
    """The rows ((x - shift) scale, (y - shift) scale, 1) without rounding, and the sizes of their products."""
    numbers = np.column_stack([fractions(X), fractions(y)])
    rows = np.column_stack([(numbers - fractions(shift)) * fractions(scale), np.full(len(X), Fraction(one), object)])
    return rows, np.abs(rows.astype(float))


def half_of(wanted, found, bound):
    """Whether each entry is right where it is not 0, and at least one of the two that should be equal is there."""
    size = len(wanted)
    right = np.abs(found[:size, :size] - wanted) <= bound
    there = found[:size, :size] != 0
    assert not found[size:].any()
    assert not found[:, size:].any()
    assert (right | ~there).all()
    assert (right & (there | there.T | (wanted == 0)) | right.T).all()


def run_factor(backend, high, low, size, tolerance):
    """The factor in place of the upper triangle; below it, and in the padding, stands NaN."""
    total = len(high)
    width = _row_passes.padded(total)
    room = poisoned(total * width), poisoned(total * width)
    upper = np.triu_indices(total)
    for half_room, half in zip(room, (high, low), strict=True):
        half_room[:-GUARD].reshape(total, width)[upper] = half[upper]
    rank = load_backend(backend).factor(size, total, width, tolerance, *room)
    return rank, *(np.triu(unguarded(half).reshape(total, width)[:, :total]) for half in room)


def run_solve(backend, high, low, size, shift, tolerance=None):
    """Factor, then substitute back; the right-hand sides are the last columns."""
    total = len(high)
    width, columns = _row_passes.padded(total), total - size
    _, *R = run_factor(backend, high, low, size, np.zeros(size) if tolerance is None else tolerance)
    # what stands for a column that depends on others is not read
    kept = R[0].diagonal()[:size, np.newaxis] > 0
    rows, right = [], []
    for half in R:
        room = np.full((size, width), np.nan)
        room[:, :total] = np.where(np.tri(size, total, -1) > 0, np.nan, half[:size])
        rows.append(room.ravel())
        right.append(poisoned(size * columns))
        right[-1][:-GUARD] = np.where(kept, half[:size, size:], np.nan).ravel()
    load_backend(backend).back_substitute(size, width, shift, *rows, columns, *right)
    return [unguarded(half).reshape(size, columns) for half in right]


def run_least_squares(backend, high, low, p, q, n, *, intercept, alpha, shift, scale, eps=2.0**-52):
    """Rank, coefficients, intercepts, and what has become of the moments; room that is not read is NaN."""
    size, width = high.shape
    halves = poisoned(size * width), poisoned(size * width)
    for room, half in zip(halves, (high, low), strict=True):
        room[: size * width] = half.ravel()
    found, work = poisoned(q * (1 + p)), poisoned((1 + p) * (1 + 2 * q))
    places = np.full(p + GUARD, -7, np.intp)
    rank = load_backend(backend).least_squares(
        p, q, width, n, eps, intercept, alpha, shift, scale, *halves, places, found, work
    )  # fmt: skip
    unguarded(work)
    found = unguarded(found)
    assert (places[p:] == -7).all(), "written behind the end"
    places = places[:p]
    np.testing.assert_array_equal(np.sort(places), np.arange(p))
    halves = [unguarded(half).reshape(size, width) for half in halves]
    return rank, found[: q * p].reshape(q, p), found[q * p :], halves, places


def centred_moments(p, q, n, seed, intercept, scaled):
    """Rows far from zero, and their moments in pairs about a row and in other units, as Python makes them."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, p)) + 300 * rng.standard_normal(p), rng.standard_normal((n, q)) - 40.0
    shift = np.concatenate([X[0], y[0]]) if intercept else np.zeros(p + q)
    scale = 2.0 ** rng.integers(-60, 60, p + q) if scaled else np.ones(p + q)
    rows, _ = exact_rows(X, y, shift, scale)
    rows = np.roll(rows, 1, axis=1)
    size = 1 + p + q
    halves = np.zeros((2, size, _row_passes.padded(size)))
    halves[:, :, :size] = split(rows.T @ rows)
    return X, y, shift, scale, *halves


# features, raw predictions, rows, memory
LABELLED = [
    (0, 1, 5, "contiguous"), (0, 3, 3, "contiguous"), (1, 1, 1, "fortran"), (1, 3, 65, "strided"),
    (2, 1, 130, "fortran"), (2, 8, 66, "read-only"), (7, 1, 64, "contiguous"), (7, 3, 63, "rows apart"),
    (8, 1, 65, "backwards"), (9, 3, 7, "fortran"), (9, 9, 3, "contiguous"), (15, 1, 5, "rows apart"),
    (16, 3, 4, "contiguous"), (17, 1, 3, "strided"), (33, 1, 2, "fortran"),
]  # fmt: skip
labelled_cases = pytest.mark.parametrize("case", LABELLED, ids=lambda t: "-".join(map(str, t)))


def labelled(case, dtype, weighted, seed=0):
    """X, labels, weights or None, shift, scale and a theta with its intercepts."""
    p, outputs, n, kind = case
    rng = np.random.default_rng(seed)
    X = ((rng.standard_normal((n, p)) + 3) * (-1.0) ** np.arange(p)).astype(dtype)
    labels = rng.integers(0, max(outputs, 2), n)
    weight = rng.uniform(0.5, 2.0, n) if weighted else None
    if weighted and n > 1:
        weight[n // 2] = 0.0
    shift, scale = rng.standard_normal(p), rng.uniform(0.2, 0.6, p)
    return lay_out(X, kind), labels, weight, shift, scale, rng.standard_normal((outputs, 1 + p))


def run_pass(
    backend, X, labels, weight, shift, scale, theta, *, intercept=True, first=0, last=None, every=1, gradient_only=False
):
    """One call of the kernel: value and wrong, gradient (outputs, width), products (pairs, width, width)."""
    rows = LabelledRows(X, labels, weight, len(theta), shift, scale, intercept, 1)
    outputs, size, width, padded, pairs = rows.sizes
    plan = rows.plans[0].copy()
    plan[ids.PASS_FIRST], plan[ids.PASS_LAST] = first, len(X) if last is None else last
    plan[ids.PASS_STEP], plan[ids.PASS_GRADIENT_ONLY] = every * _row_passes.BLOCK, gradient_only
    plan[ids.PASS_REACH] = 1
    parameters = aligned_zeros(width * padded, np.float64)
    parameters.reshape(width, padded)[:size, :outputs] = theta.T
    sums, gradient, products = poisoned(2), poisoned(outputs * width), poisoned(pairs * width * width)
    reach, work = poisoned(width), poisoned(rows.work_size)
    load_backend(backend).logistic_pass(plan, *rows.arrays, parameters, sums, reach, gradient, products, work)
    unguarded(work)
    seen = np.arange(plan[ids.PASS_FIRST], plan[ids.PASS_LAST])
    seen = seen[(seen - first) // _row_passes.BLOCK % every == 0]
    columns = np.column_stack([(X[seen].astype(float) - shift) * scale, np.full(len(seen), float(intercept))])
    wanted = np.fmax.reduce(np.abs(columns), axis=0, initial=0.0)
    np.testing.assert_array_equal(unguarded(reach), np.pad(wanted, (0, width - size)))
    products = unguarded(products).reshape(pairs, width, width)
    return unguarded(sums), unguarded(gradient).reshape(outputs, width), products


def evaluate(backend, X, labels, weight, shift, scale, theta, *, intercept=True, every=1):
    with mlcore.config_context(backend=backend):
        return LabelledRows(X, labels, weight, len(theta), shift, scale, intercept).evaluate(theta, every=every)


def textbook(X, labels, weight, shift, scale, theta, *, intercept=True):
    """Value, weight of wrong rows, gradient and Hessian of the reference."""
    rows = np.column_stack([(X.astype(float) - shift) * scale, np.full(len(X), float(intercept))])
    z = rows @ theta.T
    if len(theta) == 1:
        z = np.column_stack([np.zeros(len(X)), z])
    own = np.take_along_axis(z, labels[:, np.newaxis], axis=1)[:, 0]
    np.put_along_axis(z, labels[:, np.newaxis], -np.inf, axis=1)
    wrong = float((np.ones(len(X)) if weight is None else weight)[own <= z.max(axis=1)].sum())
    value, gradient, hessian = reference.logistic_loss(theta, rows, labels, sample_weight=weight)
    return value, wrong, gradient, hessian


def close(found, wanted, rtol=1e-12):
    assert found.value == pytest.approx(wanted[0], rel=rtol, abs=1e-300)
    assert found.wrong == pytest.approx(wanted[1], rel=1e-14, abs=0)
    for got, want in zip((found.gradient, found.hessian), wanted[2:], strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.abs(want).max())


def run_newton(backend, data, l2, *, intercept=True, tolerance=1e-9, negligible=1e-12, highest=np.inf, most=50):
    """How it ended, theta, steps, and the value, gradient and Hessian it saw last; NaN stood where it writes."""
    X, labels, weight, shift, scale, theta = data
    rows = LabelledRows(X, labels, weight, 1, shift, scale, intercept, 1)
    _, size, width, padded, _ = rows.sizes
    plan = rows.plans[0].copy()
    plan[ids.PASS_STEP] = _row_passes.BLOCK
    here, there = poisoned(width * padded), poisoned(width * padded)
    for room, start in ((here, theta[0]), (there, np.nan)):
        parameters = room[:-GUARD].reshape(width, padded)
        parameters[:] = 0.0
        parameters[:size, 0] = start
    sums, reach, gradient, products = poisoned(3), poisoned(width), poisoned(width), poisoned(width * width)
    plan[ids.PASS_REACH] = 1
    system, work = poisoned((2 * size + 5) * _row_passes.padded(size + 1)), poisoned(rows.work_size)
    status = load_backend(backend).newton(
        plan, *rows.arrays, l2, tolerance, negligible, highest, most, here, there, sums, reach, gradient, products,
        system, work,
    )  # fmt: skip
    for room in (system, work, there, reach):
        unguarded(room)
    parameters = unguarded(here).reshape(width, padded)
    assert not parameters[size:].any()
    assert not parameters[:, 1:].any()
    value, wrong, steps = unguarded(sums)
    hessian = _row_passes.symmetric(unguarded(products).reshape(width, width), size)
    return status, parameters[:size, 0], steps, value, wrong, unguarded(gradient)[:size], hessian


def two_classes(p, n=60, seed=0, noise=1.0):
    """Rows of two classes that overlap, weights, and a penalty for all but the intercept."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 1
    labels = (X.sum(axis=1) - p + noise * rng.standard_normal(n) > 0).astype(np.intp)
    data = X, labels, rng.uniform(0.5, 2, n), rng.standard_normal(p), rng.uniform(0.3, 1, p), np.zeros((1, 1 + p))
    return data, np.append(rng.uniform(0.1, 1, p), 0.0)


def run_descent(backend, H, g, penalty, start, tolerance, sweeps):
    size = len(g)
    b, moved = poisoned(size), poisoned(size)
    b[:-GUARD] = start
    done = load_backend(backend).coordinate_descent(
        size, b, g.copy(), H.ravel(), penalty.copy(), moved, tolerance, sweeps
    )
    return unguarded(b), unguarded(moved), done


def long_calls(kernels):
    """Calls that take some milliseconds, by their entries."""
    n, p = 20_000, 15
    X, labels, shift, scale = np.zeros((n, p)), np.zeros(n, np.intp), np.zeros(p), np.ones(p)
    rows = LabelledRows(X, labels, None, 1, shift, scale, True)
    plan = rows.plans[0].copy()
    plan[ids.PASS_FIRST], plan[ids.PASS_LAST], plan[ids.PASS_STEP] = 0, n, _row_passes.BLOCK
    room = [np.zeros(16 * 16 * 8) for _ in range(5)]
    logistic = plan, *rows.arrays, *room, np.empty(rows.work_size)
    newton = plan, *rows.arrays, np.zeros(16), 0.0, 0.0, 1, 9, *room, np.zeros(256), np.zeros(900), logistic[-1]
    plan = plan.copy()
    plan[ids.PASS_IN_PAIRS], plan[ids.PASS_WORK] = 1, 4 * 64 * 16
    cross_products = plan, X.ravel(), np.empty(0), np.empty(0), shift, scale, room[0], room[1], np.empty(5 * 64 * 16)
    m = 400
    A = np.eye(m) + 0.1
    layout = ParameterLayout((64, 128, 64), [ACTIVATIONS["tanh"], ACTIVATIONS["identity"]], "float64")
    plan, work = layout.forward_work(n)
    forward = plan, np.zeros(n * 64), initial_parameters(layout, np.random.RandomState(0)), np.empty(n * 64), work
    return {
        "forward": lambda: kernels.forward(*forward),
        "cross_products": lambda: kernels.cross_products(*cross_products),
        "logistic_pass": lambda: [kernels.logistic_pass(*logistic) for _ in range(4)],
        "newton": lambda: [kernels.newton(*newton) for _ in range(4)],
        "sum_pairs": lambda: kernels.sum_pairs(400, 8_000, np.zeros(6_400_000)),
        "factor": lambda: kernels.factor(m, m, m, np.zeros(m), A.ravel().copy(), np.zeros(m * m)),
        "back_substitute": lambda: kernels.back_substitute(
            m, m, np.zeros(m), A.ravel(), np.zeros(m * m), 64, np.ones(64 * m), np.zeros(64 * m)
        ),
        "least_squares": lambda: kernels.least_squares(
            *(m - 2, 1, m, m, 0.0, 1, 0.0),
            np.zeros(m),
            np.ones(m),
            A.ravel().copy(),
            np.zeros(m * m),
            *(np.zeros(m, np.intp), np.zeros(m), np.zeros(3 * m)),
        ),
        "coordinate_descent": lambda: kernels.coordinate_descent(
            m, np.zeros(m), np.ones(m), A.ravel(), np.zeros(m), np.zeros(m), -1.0, 200
        ),
    }


# where the rows of a group begin, and how many they are: several blocks, one row, fewer than columns, none at the end
GROUPS = [(3, 70), (73, 1), (0, 3), (74, 0), (75, 64), (141, 12), (153, 4), (157, 0)]
WIDTHS = [(1, 1), (2, 3), (7, 1), (8, 1), (8, 2), (9, 3), (17, 1)]  # features, outputs


def grouped(p, q, dtype, weighted, kind="contiguous", seed=0):
    """X, y, weights or None: those of GROUPS; between them, and at the end, stands NaN."""
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((157, p)) * 10.0 ** rng.integers(-3, 4, p) + rng.integers(-9, 9, p)).astype(dtype)
    y, weight = 50.0 + rng.standard_normal((157, q)), rng.uniform(0.5, 2.0, 157) if weighted else None
    if weighted:
        weight[::5] = 0.0
    used = np.zeros(157, bool)
    for first, count in GROUPS:
        used[first : first + count] = True
    X[~used], y[~used] = np.nan, np.nan
    X[141:153, 0] = 3.0  # one group's column does not vary
    return lay_out(X, kind), lay_out(y, kind), weight


def _by_group(room, m):
    found = unguarded(room)
    return found.reshape(m, found.size // max(m, 1))


def run_many_linear(backend, X, y, weight, groups, alphas, *, intercept=1, small=2**40, one_pass=2**40):
    """By group: rank, rows with a weight, found, residuals, shift, packed; all that is written is NaN before."""
    (_, p), q, m = X.shape, y.shape[1], len(groups)
    size = 1 + p + q
    width, triangle = _row_passes.padded(size), size * (size + 1) // 2
    passing = 4 * _row_passes.BLOCK * width
    x, x_row, x_column = _row_passes.strided(X)
    answers, y_row, y_column = _row_passes.strided(y)
    plan = _row_passes.segment_plans(
        np.array([0, 0]), FEATURES=p, OUTPUTS=q, WIDTH=width, INTERCEPT=1, WEIGHTED=weight is not None, IN_PAIRS=1,
        X_ROW=x_row, X_COLUMN=x_column, Y_ROW=y_row, Y_COLUMN=y_column, WORK=passing,
    )[0]  # fmt: skip
    first, count = (np.array(part, np.intp) for part in np.array(groups, np.intp).reshape(m, 2).T)
    rank, n_rows, in_pairs, places = (np.full(length + GUARD, -7, np.intp) for length in (m, m, m, p))
    room = [poisoned(m * length) for length in (q * (1 + p), q, p + q, 2 * triangle)]
    work = poisoned(3 * width * width + (1 + p) * (1 + 2 * q) + 2 * (p + q) + 1 + p * (2 * p + 3) + passing)
    load_backend(backend).many_linear(
        plan, x, answers, np.empty(0) if weight is None else weight, first, count, small, one_pass,
        float(np.finfo(X.dtype).eps), intercept, np.array(alphas, float), rank[:m], n_rows[:m], in_pairs[:m], *room,
        places, work,
    )  # fmt: skip
    unguarded(work)
    for whole_numbers, length in ((rank, m), (n_rows, m), (in_pairs, m), (places, p)):
        assert (whole_numbers[length:] == -7).all(), "written behind the end"
    return rank[:m], n_rows[:m], *(_by_group(part, m) for part in room), in_pairs[:m]


def run_many_quartiles(backend, X, groups, steps):
    """Five numbers of each group and column, (m, p, 5); NaN where nothing was written."""
    p, m = X.shape[1], len(groups)
    x, x_row, x_column = _row_passes.strided(X)
    plan = _row_passes.segment_plans(np.array([0, 0]), FEATURES=p, X_ROW=x_row, X_COLUMN=x_column)[0]
    first, count = (np.array(part, np.intp) for part in np.array(groups, np.intp).reshape(m, 2).T)
    most = int(max([-(-count // step) for (_, count), step in zip(groups, steps, strict=True)], default=0))
    five, work = poisoned(5 * m * p), poisoned(3 * most)
    load_backend(backend).many_quartiles(plan, x, first, count, np.array(steps, np.intp), most, five, work)
    unguarded(work)
    return unguarded(five).reshape(m, p, 5)


def run_many_logistic(backend, data, l2, groups, *, intercept=True, tolerance=1e-9, highest=np.inf, most=50):
    """By group: how it ended, theta, and value, wrong and steps; shift, scale and l2 are those of each group."""
    X, labels, weight, shift, scale = data
    m, p = len(groups), X.shape[1]
    rows = LabelledRows(X, labels, weight, 1, np.zeros(p), np.ones(p), intercept, 1)
    _, size, width, padded, _ = rows.sizes
    plan = rows.plans[0].copy()
    plan[ids.PASS_STEP] = _row_passes.BLOCK
    first, count = (np.array(part, np.intp) for part in np.array(groups, np.intp).reshape(m, 2).T)
    theta, sums, status = poisoned(m * size), poisoned(3 * m), np.full(m + GUARD, -7, np.intp)
    across = _row_passes.padded(size + 1)
    work = poisoned(2 * width * padded + (2 * size + 5) * across + 2 * width + width * width + rows.work_size)
    load_backend(backend).many_logistic(
        plan, *rows.arrays[:3], first, count, shift.ravel(), scale.ravel(), l2.ravel(),
        np.tile([tolerance, highest], m), 1e-12, most, theta, sums, status[:m], work,
    )  # fmt: skip
    unguarded(work)
    assert (status[m:] == -7).all(), "written behind the end"
    return status[:m], unguarded(theta).reshape(m, size), unguarded(sums).reshape(m, 3)


def plan_of_networks(net, activations, loss, optimizer, n, batch_size, epochs, weighted):
    """Plan, work and settings of a fit that shuffles, for `train` and `many_networks` alike."""
    chosen = LOSSES[loss]
    settings = chosen.settings(net.sizes[-1])
    for name, value in {"LEARNING_RATE": 0.01, "BETA_1": 0.9, "BETA_2": 0.99, "EPSILON": 1e-8, "ALPHA": 0.01,
                        "WEIGHT_DECAY": 0.1, "MOMENTUM": 0.9, "N_ITER_NO_CHANGE": np.inf}.items():  # fmt: skip
        settings[getattr(ids, name)] = value
    plan, work = net.work(
        n, batch_size=batch_size, gather=True, backward=True, OPTIMIZER=RULES[optimizer].id, N_EPOCHS=epochs,
        SHUFFLED=1, LOSS=chosen.kernel_id(activations[-1]), MEAN=1, WEIGHTED=int(weighted), MOST_STEPS=1000,
    )  # fmt: skip
    return plan, work, settings


def progress_of(settings):
    progress = np.zeros(ids.N_PROGRESS)
    progress[ids.RATE], progress[ids.BEST_LOSS] = settings[ids.LEARNING_RATE], np.inf
    return progress


def run_many_networks(backend, net, activations, loss, optimizer, data, groups, seeds, *, batch_size=4, epochs=3):
    """By group: parameters, moments, progress, history and epochs; rows are taken in the order of `rows`."""
    X, T, weight, rows = data
    m, n = len(groups), max([count for _, count in groups], default=1)
    plan, work, settings = plan_of_networks(net, activations, loss, optimizer, n, batch_size, epochs, weight.size > 0)
    first, count = (np.array(part, np.intp) for part in np.array(groups, np.intp).reshape(m, 2).T)
    n_moments = 0 if optimizer == "sgd" else 2 * net.n_parameters
    parameters, moments = poisoned(m * net.n_parameters, net.dtype), poisoned(m * n_moments, net.dtype)
    progress, history = np.tile(progress_of(settings), m), poisoned(m * epochs)
    progress = np.append(progress, np.full(GUARD, 0.1))
    ended, order, generator = (np.full(length + GUARD, -7, np.intp) for length in (m, n, 625))
    sums, scratch = poisoned(2 * plan[ids.N_SUMS]), poisoned(2 * net.n_parameters + work.size, net.dtype)
    scratch[2 * net.n_parameters : -GUARD] = work
    load_backend(backend).many_networks(
        plan, np.tile(settings, m), np.array(bounds_of_draws(net)), X.ravel(), T.ravel(), weight, rows, first, count,
        np.array(seeds, np.intp), batch_size, parameters, moments, progress, history, ended[:m], sums, scratch,
        order, generator, np.zeros(1, np.intp),
    )  # fmt: skip
    for part, length in ((ended, m), (order, n), (generator, 625)):
        assert (part[length:] == -7).all(), "written behind the end"
    for part in (sums, scratch):
        unguarded(part)
    parts = parameters, moments, progress, history
    return *(_by_group(part, m) for part in parts), ended[:m]


def run_train(backend, net, activations, loss, optimizer, X, T, weight, seed, *, batch_size=4, epochs=3):
    """The same of one fit alone, whose draws are NumPy's."""
    n = len(X)
    plan, work, settings = plan_of_networks(
        net, activations, loss, optimizer, n, min(batch_size, n), epochs, weight.size > 0
    )
    random_state = np.random.RandomState(seed)
    parameters = initial_parameters(net, random_state)
    moments = aligned_zeros(0 if optimizer == "sgd" else 2 * net.n_parameters, net.dtype)
    progress, history, sums = progress_of(settings), np.full(epochs, np.nan), np.zeros(2 * plan[ids.N_SUMS])
    done = load_backend(backend).train(
        plan, settings, progress, sums, X.ravel(), T.ravel(), weight, np.arange(n), parameters, parameters.copy(),
        np.empty(0, net.dtype), moments, work, history, generator_words(random_state), np.zeros(1, np.intp), 0,
    )  # fmt: skip
    return parameters, moments, progress, history, done
