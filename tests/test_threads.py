"""Threads of one call: how many, the same bits for any number, and what happens if one fails, hangs or comes late."""

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from conftest import COMPILED, HERE, data

import mlcore
from mlcore import threads
from mlcore.activations import get_activation
from mlcore.kernels import ids, load_backend
from mlcore.losses import LOSSES
from mlcore.neural_network import _draws
from mlcore.neural_network import _training as training_module
from mlcore.neural_network._draws import RowOrder
from mlcore.neural_network._parameter_layout import ParameterLayout, initial_parameters
from mlcore.neural_network._settings import settings_of
from mlcore.neural_network._training import Training
from mlcore.optimizers import RULES

pytestmark = pytest.mark.usefixtures("quiet_machine", "canaries")

SETTINGS = {"ALPHA": 0.01, "LEARNING_RATE": 0.01, "BETA_1": 0.9, "BETA_2": 0.99, "EPSILON": 1e-8,
            "N_ITER_NO_CHANGE": np.inf}  # fmt: skip


def trained(backend, n_threads, sizes, n, batch_size, *, optimizer="adam", loss="mean_squared_error", dtype="float64",
            weighted=False, epochs=2, shuffled=True, least=(0.0, 0.0), monkeypatch=None, **options):  # fmt: skip
    """Parameters, losses and progress of a fit by `n_threads`, whatever its size."""
    with mlcore.config_context(backend=backend):
        if monkeypatch is not None:
            monkeypatch.setattr(threads, "_LEAST_OPERATIONS", 1e-9)
            monkeypatch.setattr(threads, "_LEAST_CALL", 0.0)
            monkeypatch.setattr(_draws, "_LEAST_DRAWS", 0)
        last = "softmax" if loss == "categorical_cross_entropy" else "identity"
        net = ParameterLayout(sizes, [get_activation(name) for name in (*["tanh"] * (len(sizes) - 2), last)], dtype)
        X, T = data(n, sizes[0], sizes[-1], dtype)
        chosen = LOSSES[loss]
        weight = np.random.default_rng(5).uniform(0.5, 2.0, n).astype(dtype) if weighted else np.empty(0, dtype)
        extra = {name: options.pop(name) for name in list(options) if name.isupper()}
        training = Training(
            net, initial_parameters(net, np.random.RandomState(7)), X, T, weight,
            loss_id=chosen.kernel_id(last), mean=True, optimizer=RULES[optimizer].id, batch_size=batch_size,
            settings=settings_of(chosen, sizes[-1], **{**SETTINGS, **extra}),
            in_order=not shuffled, n_threads=n_threads, **options,
        )  # fmt: skip
        assert monkeypatch is None or training._threads.most == min(n_threads, -(-min(batch_size, n) // 8))
        order = RowOrder(n, np.random.RandomState(3) if shuffled else None)
        losses = np.concatenate(list(training.epochs(epochs, order)))
        return training.parameters, losses, training.progress.copy(), training.kept, order.rows


CASES = [
    {"sizes": (7, 33, 9, 3), "n": 70, "batch_size": 32},
    {"sizes": (40, 150, 3), "n": 33, "batch_size": 33, "optimizer": "nesterov"},
    {"sizes": (5, 9, 2), "n": 60, "batch_size": 25, "loss": "root_mean_squared_error", "weighted": True},
    {"sizes": (5, 130, 17, 4), "n": 61, "batch_size": 24, "loss": "categorical_cross_entropy", "CLIP_NORM": 0.01},
    {"sizes": (6, 20, 20, 2), "n": 50, "batch_size": 50, "dropout": (0.5, 0.25), "optimizer": "sgd"},
    {"sizes": (9, 2), "n": 41, "batch_size": 16, "shuffled": False, "weighted": True, "optimizer": "adamw"},
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case["sizes"])))
def test_no_number_of_threads_changes_a_bit(case, dtype, monkeypatch):
    found = [
        trained(backend, n_threads, dtype=dtype, monkeypatch=monkeypatch, **case)
        for backend in COMPILED
        for n_threads in (1, 2, 3, 5)
    ]
    assert np.isfinite(found[0][0]).all()
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def wide_fit(n_threads=None, seed=0):
    """Large enough for threads by itself."""
    X, T = data(512, 60, 2, "float32")
    net = mlcore.Network((60, 256, 256, 2), dtype="float32", random_state=seed)
    return net.fit(X, T, epochs=2, batch_size=128, optimizer="adam", n_threads=n_threads).flat


def threads_of_mlcore():
    """Those there are; the watcher only if it has something to watch."""
    threads._watcher.rest()
    return [thread for thread in threading.enumerate() if thread.name.startswith("mlcore-")]


def test_threads_leave_with_the_call():
    for n_threads in (2, 3):
        wide_fit(n_threads)
        assert threads._watcher._thread is not None
        assert not threads_of_mlcore()
        assert threads._busy == 0


def test_one_watcher_watches_many_calls():
    """Of calls with times of their own, those are given up that stand still, each after its time; it ends by itself."""
    watcher, given_up = threads._Watcher(), []
    counts = iter(range(10**9))
    begin = time.monotonic()

    def call(name, seconds, progress=lambda: 0):
        found = threads._WatchedCall(progress, seconds, lambda: given_up.append((name, time.monotonic() - begin)))
        watcher.add(found)
        return found

    slow, moving, removed = call("slow", 1.2), call("moving", 0.3, lambda: next(counts)), call("removed", 0.3)
    watched_by = watcher._thread
    watcher.remove(removed)
    call("quick", 0.3)
    assert watcher._thread is watched_by
    while len(given_up) < 2:
        time.sleep(0.01)
    assert [name for name, _ in given_up] == ["quick", "slow"]
    assert all(waited >= least for (_, waited), least in zip(given_up, (0.3, 1.2), strict=True))
    watcher.remove(moving)
    assert slow not in watcher._calls
    watched_by.join(60)
    assert not watched_by.is_alive()
    call("late", 0.01)
    while len(given_up) < 3:
        time.sleep(0.001)


def test_a_fixed_number_of_threads(monkeypatch):
    """However small the fit and whatever is faster, every call has so many; the bits stay."""
    used = []
    together = training_module.run_together
    monkeypatch.setattr(training_module, "run_together", lambda f, n, *rest: used.append(n) or together(f, n, *rest))
    monkeypatch.setattr(threads.Contest, "favours_several", lambda self: False)
    X, T = data(30, 3, 1)

    def fit(n_threads=None):
        used.clear()
        net = mlcore.Network((3, 4, 1), random_state=0)
        net.fit(X, T, epochs=3, batch_size=9, n_threads=n_threads)
        return net.flat, set(used)

    alone, none = fit()
    assert none == set()
    with mlcore.config_context(n_threads=3, exact_threads=True):
        flat, numbers = fit()
        np.testing.assert_array_equal(flat, alone)
        assert numbers == {3}
        assert fit(1)[1] == set()
        assert fit(5)[1] == {5}
        assert mlcore.show_config("dicts")["threads"] == "3 (exactly, config_context)"
        with mlcore.config_context(exact_threads=False):
            assert fit()[1] == set()
        mlcore.Network((3, 4, 1), random_state=0).fit(X, T, update="sequential")  # which nothing can share
    monkeypatch.setenv("MLCORE_NUM_THREADS", "2")
    assert fit()[1] == {2}
    assert mlcore.show_config("dicts")["threads"] == "2 (exactly, MLCORE_NUM_THREADS)"
    with mlcore.config_context(exact_threads=False):
        assert fit()[1] == set()
        assert mlcore.show_config("dicts")["threads"] == "2 (MLCORE_NUM_THREADS)"
    for wrong in ("0", "-1", "two", ""):
        monkeypatch.setenv("MLCORE_NUM_THREADS", wrong)
        with pytest.raises(ValueError, match="MLCORE_NUM_THREADS is .* at least 1"):
            fit()
    with pytest.raises(ValueError, match="exact_threads"), mlcore.config_context(exact_threads=2):
        pass


def test_a_fixed_number_of_threads_reads_rows(monkeypatch):
    from mlcore.linear_model import _row_passes

    used = []
    together = _row_passes.run_together
    monkeypatch.setattr(_row_passes, "run_together", lambda f, n, *rest: used.append(n) or together(f, n, *rest))
    X, T = data(60_000, 20, 1)  # several segments, and too few for threads
    alone = mlcore.LinearRegression().fit(X, T[:, 0]).coef_
    assert used == []
    with mlcore.config_context(n_threads=2, exact_threads=True):
        np.testing.assert_array_equal(mlcore.LinearRegression().fit(X, T[:, 0]).coef_, alone)
    assert set(used) == {2}


def test_how_many_threads(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads.most_threads(None, 1e9, 512) == 6
    assert threads.most_threads(4, 1e9, 512) == 4
    assert threads.most_threads(4, 1e9, 16) == 2  # two groups of eight rows
    assert threads.most_threads(4, 1e5, 512) == 1  # too little to share
    with mlcore.config_context(n_threads=3):
        assert threads.most_threads(None, 1e9, 512) == 3
        assert threads.most_threads(5, 1e9, 512) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert threads.most_threads(None, 1e9, 512) == 2
    with mlcore.config_context(backend="python"):
        assert threads.most_threads(4, 1e9, 512) == 1
    # other calls are left their CPUs, unless the number was asked for
    with threads.threads_for(2, None, 1e9) as first, threads.threads_for(2, None, 1e9) as second:
        assert (first, second) == (2, 1)
        with threads.threads_for(2, 2, 1e9) as asked:
            assert asked == 2
    with threads.threads_for(2, None, 1e3) as small:
        assert small == 1
    for wrong in (0, -1, 2.0, True, "2"):
        with pytest.raises(ValueError, match="n_threads"), mlcore.config_context(n_threads=wrong):
            pass


@pytest.mark.parametrize("failing", [(1,), (0, 1, 2)])
def test_an_exception_in_a_thread_reaches_the_caller(failing, monkeypatch):
    """The others, who wait for it at a barrier, are released."""
    train = mlcore.config.chosen_kernels().train

    def fail(*arguments):
        if arguments[0][ids.N_THREADS] > 1 and arguments[-1] in failing:
            raise MemoryError("no room")
        return train(*arguments)

    monkeypatch.setattr(
        "mlcore.neural_network._training.chosen_kernels", lambda: type("Kernels", (), {"train": staticmethod(fail)})
    )
    with pytest.raises(MemoryError, match="no room"):
        wide_fit(3)
    monkeypatch.undo()
    assert not threads_of_mlcore()
    np.testing.assert_array_equal(wide_fit(2), wide_fit(1))


def with_shares(monkeypatch, before):
    """Every thread of a call that has several does `before(thread)` before it trains."""
    train = mlcore.config.chosen_kernels().train

    def later(*arguments):
        if arguments[0][ids.N_THREADS] > 1:
            before(arguments[-1])
        return train(*arguments)

    monkeypatch.setattr(
        "mlcore.neural_network._training.chosen_kernels", lambda: type("Kernels", (), {"train": staticmethod(later)})
    )


@pytest.mark.parametrize("backend", COMPILED)
def test_a_thread_that_hangs_is_given_up(backend, monkeypatch):
    """The fit raises, and leaves network, estimator and generator as they were, also when the thread goes on later."""
    released = threading.Event()
    X, T = data(512, 60, 2, "float32")
    generator = np.random.RandomState(3)
    net = mlcore.Network((60, 256, 256, 2), dtype="float32", random_state=generator)
    model = mlcore.MLPRegressor(hidden_layer_sizes=(256, 256), max_iter=2, random_state=0, n_threads=3)
    before, drawn = net.flat.copy(), generator.get_state()[1].copy()
    monkeypatch.setenv("MLCORE_THREAD_TIMEOUT", "0.3")
    monkeypatch.setattr(training_module, "_SLOWEST", np.inf)
    with mlcore.config_context(backend=backend):
        with_shares(monkeypatch, lambda thread: thread == 2 and released.wait(60))
        with pytest.raises(TimeoutError, match="waited 0.3 seconds.*MLCORE_THREAD_TIMEOUT"):
            net.fit(X, T, epochs=2, batch_size=128, n_threads=3)
        with pytest.raises(TimeoutError):
            model.fit(X, T)
        left = threads_of_mlcore()
        assert {thread.name for thread in left} <= {"mlcore-1", "mlcore-2"}
        released.set()
        for thread in left:
            thread.join(60)
        monkeypatch.undo()
    np.testing.assert_array_equal(net.flat, before)
    np.testing.assert_array_equal(generator.get_state()[1], drawn)
    assert not hasattr(model, "coefs_")
    assert threads._busy == 0


def test_threads_that_come_late_are_waited_for(monkeypatch):
    """Time is counted from the last meeting, and what a slow step may take is added to it."""
    monkeypatch.setenv("MLCORE_THREAD_TIMEOUT", "0.05")
    monkeypatch.setattr(training_module, "_SLOWEST", 1e5)
    expected = wide_fit(1)
    with_shares(monkeypatch, lambda thread: time.sleep(0.2 * thread))
    np.testing.assert_array_equal(wide_fit(2), expected)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "soon", ""])
def test_a_time_to_wait_that_is_none(text, monkeypatch):
    monkeypatch.setenv("MLCORE_THREAD_TIMEOUT", text)
    with pytest.raises(ValueError, match="MLCORE_THREAD_TIMEOUT is .* but must be a number of seconds above 0"):
        wide_fit(2)


@pytest.mark.parametrize("backend", COMPILED)
def test_meetings_of_threads_that_are_delayed_at_random(backend, monkeypatch):
    """Many short calls of more threads than CPUs, each thread late by some time, beside others that want the CPUs."""
    rng = np.random.default_rng(1)
    delays = iter(rng.exponential(3e-4, 100_000))
    monkeypatch.setattr(threads, "_LEAST_OPERATIONS", 1e-9)
    monkeypatch.setattr(threads, "_LEAST_CALL", 0.0)
    over = threading.Event()

    def load():
        block = np.ones((200, 200))
        while not over.is_set():
            block @ block

    def fit(n_threads):
        X, T = data(48, 5, 2)
        net = mlcore.Network((5, 9, 7, 2), random_state=0)
        return net.fit(X, T, epochs=30, batch_size=16, n_threads=n_threads).flat

    with mlcore.config_context(backend=backend):
        expected = fit(1)
        monkeypatch.setattr(training_module, "_TRIAL_OPERATIONS", 1e5)
        monkeypatch.setattr(training_module, "_CALL_OPERATIONS", 1e5)
        with_shares(monkeypatch, lambda thread: time.sleep(next(delays)))
        busy = threading.Thread(target=load)
        busy.start()
        try:
            for n_threads in (2, 3, 5, 8) * 2:
                np.testing.assert_array_equal(fit(n_threads), expected)
        finally:
            over.set()
            busy.join()


@pytest.fixture
def late_at_meetings(jit, monkeypatch):
    """Numba's kernels once more, whose threads arrive late at every meeting, and leave it late, each by other times."""
    if "numba" not in HERE:
        pytest.skip("the backend numba is not installed")
    numba = importlib.import_module("numba")
    leaves = importlib.import_module("mlcore.kernels.backends.numba")
    draw = numba.types.ExternalFunction("rand", numba.types.int32())
    meet = leaves.LEAVES["barrier"]

    @numba.njit(nogil=True)
    def late(team, threads):
        for way in range(2):
            number = draw() % 128
            for _ in range(number * number if threads > 1 and number < 32 else 0):
                leaves._pause()
            if way == 0:
                meet(team, threads)

    monkeypatch.setenv("MLCORE_NUMBA_CACHE", "0")
    monkeypatch.setitem(leaves.LEAVES, "barrier", late)
    monkeypatch.setitem(sys.modules, "mlcore.kernels._numba", None)  # what is loaded here goes with the test
    train = leaves.load_kernels().train_kernel
    backend = replace(load_backend("numba"), train=train)
    monkeypatch.setattr(training_module, "chosen_kernels", lambda: backend)


@pytest.mark.usefixtures("late_at_meetings")
def test_meetings_within_a_step_at_random_times(monkeypatch):
    """Whoever is late or early at any barrier of the compiled kernel, each fit has the bits of one thread."""
    for case in CASES:
        expected = trained("numba", 1, **case)
        for n_threads in (2, 3):
            found = trained("numba", n_threads, monkeypatch=monkeypatch, **case)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_the_faster_of_one_thread_and_several_goes_on(monkeypatch):
    monkeypatch.undo()
    now = [100.0]
    monkeypatch.setattr(threads.time, "monotonic", lambda: now[0])
    contest, chosen = threads.Contest(), []
    for seconds in (3e-5, 1e-5, 1e-5):  # one, several, several
        chosen.append(contest.favours_several())
        assert contest.is_due(chosen[-1]) == (len(chosen) < 3)
        contest.note(chosen[-1], seconds)
    now[0] += 0.9 * threads._TRUSTED
    contest.note(True, 4e-5)  # others want the CPUs
    assert not contest.favours_several()
    contest.note(False, 3e-5)
    now[0] += 0.9 * threads._TRUSTED
    contest.note(False, 3e-5)
    now[0] += 0.2 * threads._TRUSTED  # several may try again
    assert contest.favours_several()
    assert contest.is_due(True)
    assert not contest.is_due(False)


def test_many_fits_at_once():
    """64 fits in a surrounding pool, each free to take threads, end with the bits of one alone."""
    alone = wide_fit(1)
    with ThreadPoolExecutor(16) as pool:
        for flat in pool.map(lambda n: wide_fit(n), [None] * 48 + [2] * 16):
            np.testing.assert_array_equal(flat, alone)
    assert threads._busy == 0


def _in_child(queue):
    queue.put(wide_fit(2).tobytes())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_trains():
    alone = wide_fit(2)  # the parent has used threads before
    context = multiprocessing.get_context("fork")
    with threads.threads_for(2, 2, 1e9):  # and is in a call while it forks
        queue = context.Queue()
        child = context.Process(target=_in_child, args=(queue,))
        child.start()
    assert queue.get(timeout=60) == alone.tobytes()
    child.join(timeout=60)
    assert child.exitcode == 0


def test_a_refused_thread_means_one_thread(monkeypatch):
    alone = wide_fit(1)
    start, started = threading.Thread.start, []

    def refuse(thread):
        if thread.name == "mlcore-2":
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    np.testing.assert_array_equal(wide_fit(3), alone)
    assert started
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a thread cannot choose its CPU here")
def test_threads_keep_their_cpus(monkeypatch):
    """A thread that moves may run everywhere afterwards; one that must not move stays."""
    before, moves = os.sched_getaffinity(0), []
    move = os.sched_setaffinity
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cpus: (moves.append(set(cpus)), move(pid, cpus))[1])
    alone = wide_fit(1)
    np.testing.assert_array_equal(wide_fit(2), alone)
    assert os.sched_getaffinity(0) == before
    assert moves
    assert moves[-1] == before

    def forbidden(pid, cpus):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    np.testing.assert_array_equal(wide_fit(2), alone)


@pytest.fixture
def heeds_ctrl_c():
    """Python's own handler: whoever is started in the background, or by nohup, inherits that Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent another way")
@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_reaches_a_fit_in_threads():
    """All threads return first; the network is as it was."""
    X, T = data(4096, 60, 2, "float32")
    net = mlcore.Network((60, 256, 256, 2), dtype="float32", random_state=0)
    before = net.flat.copy()
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, T, epochs=3_000, batch_size=128, n_threads=2)  # a minute or two if the signal is lost
    assert time.perf_counter() - start < 30
    timer.join()
    np.testing.assert_array_equal(net.flat, before)
    assert not threads_of_mlcore()
    assert threads._busy == 0
