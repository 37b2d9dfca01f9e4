"""LogisticRegression's minima, L1 included, beside scikit-learn's best, and where Newton's method ends.

A minimum is judged by its objective, computed here from coefficients: where that is flat, two right answers can differ
in some digits.
"""

import importlib.util
import sys
import warnings
from functools import lru_cache

import numpy as np
import pytest
import scipy.sparse
from conftest import COMPILED, ROOT
from sklearn import linear_model as theirs
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_sample_weight

import mlcore
from mlcore.linear_model import _newton as newton
from mlcore.linear_model._likelihood import Curvature

from .problems import FEW, MANY, data, objective, weights_of


def best(X, y, C, weight=None, **parameters):
    """Scikit-learn's, as well as it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = theirs.LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12, max_iter=1000, **parameters)
        return model.fit(X, y, weight)


def check_minimum(X, y, C, weight=None, excess=1e-10, **parameters):
    ours = mlcore.LogisticRegression(C=C, **parameters).fit(X, y, weight)
    classes = parameters.get("class_weight")
    total = (1.0 if weight is None else weight) * (1.0 if classes is None else compute_sample_weight(classes, y))
    if classes == "balanced" and weight is not None:
        counts = np.bincount(y, weight)
        total = weight * (counts.sum() / (len(counts) * counts))[y]
    found, wanted = (objective(model, X, y, C, total) for model in (ours, best(X, y, C, weight, **parameters)))
    assert found <= wanted * (1 + excess)
    return ours


PARAMETERS = [
    {},
    {"fit_intercept": False},
    {"class_weight": {0: 3.0, 1: 0.2}},
    {"class_weight": "balanced"},
    {"class_weight": "balanced", "fit_intercept": False},
]


class TestMinimum:
    @pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
    @pytest.mark.parametrize("C", [0.01, 1.0, 100.0, np.inf])
    @pytest.mark.parametrize("classes", [2, 3, 8])
    def test_of_few_rows(self, classes, C, parameters):
        X, y = data(FEW, classes)
        for weight in (None, weights_of(FEW)):
            model = check_minimum(X, y, C, weight, **parameters)
            assert model.coef_.shape == (1 if classes == 2 else classes, 4)
            assert model.intercept_.shape == (1 if classes == 2 else classes,)
            if not parameters.get("fit_intercept", True):
                assert not model.intercept_.any()

    @pytest.mark.parametrize("C", [0.01, 1.0, 100.0, np.inf])
    @pytest.mark.parametrize("classes", [2, 3])
    def test_of_many_rows(self, classes, C):
        """A sixteenth of them is fitted first; few steps are left for all."""
        X, y = data(MANY, classes)
        assert check_minimum(X, y, C).n_iter_[0] <= 5

    def test_of_many_rows_and_classes(self):
        check_minimum(*data(MANY, 8), 1.0)

    @pytest.mark.parametrize("parameters", PARAMETERS[1:], ids=str)
    def test_of_many_rows_with(self, parameters):
        check_minimum(*data(MANY, 2), 1.0, weights_of(MANY), **parameters)

    @pytest.mark.parametrize("n", [FEW, MANY])
    @pytest.mark.parametrize("C", [0.01, np.inf])
    def test_in_every_backend(self, n, C):
        X, y = data(n, 2)
        found = []
        for backend in COMPILED:
            with mlcore.config_context(backend=backend):
                found.append(check_minimum(X, y, C))
        for model in found[1:]:
            np.testing.assert_array_equal(model.coef_, found[0].coef_)
            np.testing.assert_array_equal(model.intercept_, found[0].intercept_)

    @pytest.mark.parametrize("n", [3_000, MANY])
    @pytest.mark.parametrize("classes", [2, 3])
    def test_where_the_first_part_misleads(self, n, classes):
        """Every sixteenth block holds other rows than the rest, and all of one class."""
        X, y = (array.copy() for array in data(n, classes))
        block = np.arange(n) // 64 % 16 == 0
        X[block] = -4.0 * X[block]
        y[block] = 0
        for C in (1.0, np.inf):
            check_minimum(X, y, C)

    @pytest.mark.parametrize("n", [FEW, MANY])
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("C", [0.01, 1.0, np.inf])
    def test_in_float32(self, n, classes, C):
        """Coefficients rounded to float32 cost the square of that rounding."""
        X, y = data(n, classes)
        X = X.astype(np.float32)
        model = mlcore.LogisticRegression(C=C).fit(X, y)
        assert model.coef_.dtype == model.intercept_.dtype == np.float32
        wanted = objective(best(X.astype(np.float64), y, C), X, y, C)
        assert objective(model, X, y, C) <= wanted * (1 + 1e-10)
        assert model.predict_proba(X).dtype == np.float32

    @pytest.mark.parametrize("classes", [2, 3])
    def test_of_sparse_rows(self, classes):
        """By scikit-learn's L-BFGS, to its tolerance."""
        X, y = data(500, classes)
        X = np.where(np.random.default_rng(2).random(X.shape) < 0.5, 0.0, X)
        for kind in (scipy.sparse.csr_array, scipy.sparse.csc_matrix):
            model = mlcore.LogisticRegression(C=0.5, tol=1e-8, max_iter=2000).fit(kind(X), y)
            assert objective(model, X, y, 0.5) <= objective(best(X, y, 0.5), X, y, 0.5) * (1 + 1e-10)
            np.testing.assert_allclose(model.predict_proba(kind(X)), model.predict_proba(X), rtol=1e-12)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_of_wide_rows(self, classes, monkeypatch):
        """A Hessian wider than 1,000 is left to L-BFGS, with L1 one of more work than is bounded to scikit-learn."""
        p = 1100 if classes == 2 else 400
        X, y = data(80, classes, p)
        X = X - X.mean(axis=0)
        model = mlcore.LogisticRegression(tol=1e-8, max_iter=2000).fit(X, y)
        other = theirs.LogisticRegression(tol=1e-8, max_iter=2000).fit(X, y)
        assert objective(model, X, y, 1.0) <= objective(other, X, y, 1.0) * (1 + 1e-8)
        parameters = {"C": 0.1, "l1_ratio": 1.0, "random_state": 0, "max_iter": 5000}
        model = mlcore.LogisticRegression(**parameters).fit(X, y)
        other = theirs.LogisticRegression(solver="saga", tol=1e-6, **parameters).fit(X, y)
        value, least = (objective(m, X, y, 0.1, l1_ratio=1.0) for m in (model, other))
        assert least * (1 - 1e-4) <= value <= least * (1 + 1e-9)
        rows = np.resize(X, (p + 1, p)), np.resize(y, p + 1)
        parameters |= {"C": 1e-3, "tol": 0.1}
        monkeypatch.setattr("mlcore.linear_model._logistic._MOST_ACTIVE", 1000)
        model = mlcore.LogisticRegression(**parameters).fit(*rows)
        other = theirs.LogisticRegression(solver="saga", **parameters).fit(*rows)
        np.testing.assert_array_equal(model.coef_, other.coef_)
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            mlcore.LogisticRegression(max_iter=1, tol=1e-12).fit(X, y)

    @pytest.mark.parametrize("n", [FEW, 3_000])
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("options", [{}, {"C": np.inf}, {"C": 0.05, "l1_ratio": 1.0}], ids=str)
    def test_to_any_tolerance(self, n, classes, options):
        """Where rounding hides what is left it ends, and there is nothing to warn of."""
        X, y = data(n, classes)
        for tol in (1e-8, 1e-10, 1e-12, 1e-14, 0.0):
            model = mlcore.LogisticRegression(tol=tol, **options).fit(X, y)
            assert model.n_iter_[0] < 20

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    @pytest.mark.parametrize("options", [{"C": np.inf}, {"C": 1.0}], ids=str)
    def test_reads_nothing_that_was_not_set(self, options, monkeypatch):
        """Where the compiled loop gives up, and what it leaves unset is NaN."""
        X, y = data(FEW, 2)
        X = np.column_stack([X, X[:, 0]])
        X[0] = 1e9
        empty = np.empty

        def spoilt(*arguments, **more):
            array = empty(*arguments, **more)
            if array.dtype.kind == "f":
                array.fill(np.nan)
            return array

        monkeypatch.setattr(np, "empty", spoilt)
        model = mlcore.LogisticRegression(**options).fit(X, y)
        assert np.isfinite(model.coef_).all()


class TestL1:
    def columns(self, n, classes):
        """Twelve, of which half say nothing, about zero: saga is slow where they are not."""
        X, y = data(n, classes, 6, noise=1.0)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        return np.column_stack([X, np.random.default_rng(3).standard_normal(X.shape)]), y

    def check(self, X, y, C, l1_ratio, other, weight=None, **parameters):
        ours = mlcore.LogisticRegression(C=C, l1_ratio=l1_ratio, **parameters).fit(X, y, weight)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            other.fit(X, y, weight)
        converged = np.max(other.n_iter_) < other.max_iter
        total = 1.0 if weight is None else weight
        found, wanted = (objective(model, X, y, C, total, l1_ratio) for model in (ours, other))
        assert found <= wanted * (1 + 1e-8)
        if converged:
            np.testing.assert_array_equal(ours.coef_ == 0, other.coef_ == 0)
        return ours

    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize(("C", "l1_ratio"), [(0.02, 1.0), (0.3, 1.0), (0.3, 0.5), (10.0, 0.2)])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_beside_saga(self, classes, C, l1_ratio, fit_intercept):
        X, y = self.columns(300, classes)
        options = {"C": C, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept, "tol": 1e-9, "max_iter": 5000}
        for weight in (None, weights_of(300)):
            saga = theirs.LogisticRegression(solver="saga", random_state=0, **options)
            model = self.check(X, y, C, l1_ratio, saga, weight, fit_intercept=fit_intercept)
        assert (model.coef_ == 0).any() == (C < 10 or classes > 2)

    @pytest.mark.parametrize("C", [0.02, 0.3])
    def test_beside_liblinear(self, C):
        """Without an intercept, which it penalises."""
        X, y = self.columns(300, 2)
        liblinear = theirs.LogisticRegression(solver="liblinear", C=C, l1_ratio=1.0, tol=1e-10, max_iter=10_000,
                                              fit_intercept=False, random_state=0)  # fmt: skip
        self.check(X, y, C, 1.0, liblinear, fit_intercept=False)

    def test_of_many_rows(self):
        X, y = self.columns(MANY, 2)
        X = np.ascontiguousarray(X[:, 3:9])
        for C, l1_ratio in ((3e-4, 1.0), (1e-3, 0.5)):
            saga = theirs.LogisticRegression(solver="saga", C=C, l1_ratio=l1_ratio, tol=1e-8, max_iter=300,
                                             random_state=0)  # fmt: skip
            model = self.check(X, y, C, l1_ratio, saga)
            assert (model.coef_ == 0).any()

    def test_of_a_penalty_that_leaves_nothing(self):
        """All coefficients zero, and the intercepts those of the classes' shares."""
        for classes in (2, 3):
            X, y = self.columns(300, classes)
            model = mlcore.LogisticRegression(C=1e-4, l1_ratio=1.0).fit(X, y)
            assert not model.coef_.any()
            np.testing.assert_allclose(model.predict_proba(X[:1])[0], np.bincount(y) / len(y), rtol=1e-6)

    def test_conditions_of_the_minimum(self):
        """Gradients of 1 / C where a coefficient is not zero, and less where it is."""
        X, y = self.columns(3_000, 3)
        C = 0.01
        model = mlcore.LogisticRegression(C=C, l1_ratio=1.0, tol=1e-8).fit(X, y)
        gradient = (model.predict_proba(X) - np.eye(3)[y]).T @ X * C
        still = model.coef_ == 0
        assert still.any()
        assert not still.all()
        np.testing.assert_allclose(gradient[~still], -np.sign(model.coef_[~still]), atol=1e-5)
        assert (np.abs(gradient[still]) <= 1 + 1e-5).all()


@pytest.mark.parametrize("hessian", [None, np.eye(2)])
@pytest.mark.parametrize("slope", [1e200, 1.0])
def test_newton_ends_where_nothing_is_gained(slope, hessian):
    """A gain that overflows, and a slope that is not the loss's, whether the Hessian is new or kept."""
    calls = []

    def evaluate(theta, wanted):
        calls.append(theta)
        return Curvature(1.0, 1.0, np.array([[slope, 0.0]]), np.eye(2) if wanted else None)

    with np.errstate(over="ignore"):
        found = newton.minimise(
            evaluate, np.zeros((1, 2)), newton.Penalty(*np.zeros((2, 2))), mass=1.0, tol=1e-4, max_iter=5, reuse=0.15,
            hessian=hessian,
        )  # fmt: skip
    assert not found.converged
    assert len(calls) < 60 * 5
    np.testing.assert_allclose(found.theta, 0.0, atol=1e-9)


def test_a_start_whose_classes_do_not_sum_to_zero():
    """Coefficients moved alike for all classes predict the same, but are penalised."""
    X, y = data(FEW, 3)
    wanted = mlcore.LogisticRegression(tol=1e-10).fit(X, y)
    model = mlcore.LogisticRegression(tol=1e-10, warm_start=True).fit(X, y)
    model.coef_ = model.coef_ + 3.0
    model.intercept_ = model.intercept_ - 7.0
    model.fit(X, y)
    np.testing.assert_allclose(model.coef_, wanted.coef_, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, wanted.intercept_, rtol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_steps_without_penalty_begin_near_the_minimum(classes):
    """A part of many rows is fitted first, whether there is a penalty or next to none."""
    X, y = data(MANY, classes, noise=0.3)
    for C in (np.inf, 1e8):
        assert check_minimum(X, y, C).n_iter_[0] <= 6


@lru_cache
def campaign():
    path = ROOT / "benchmarks" / "campaigns" / "logistic.py"
    if not path.exists():
        pytest.skip("the benchmarks are not here")
    spec = importlib.util.spec_from_file_location("logistic_campaign", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ({"l1": False}, (20, 167, 216, 268, 485, 587, 678, 995)),
        ({}, (32, 86, 154, 167, 268)),
        ({"l1": False, "intercept": False}, (5, 17, 179)),
        ({"intercept": False}, (7, 15, 21, 35, 59, 73, 93)),
    ],
    ids=["", "L1", "without intercept", "L1 without intercept"],
)
def test_badly_scaled_data(kind, numbers):
    """Draws whose slow directions hide behind others, whose columns are far from zero, and whose L1 steps are long."""
    for number in numbers:
        found = campaign().judge(campaign().draw(number, **kind))
        assert found.exact, number
        assert not found.warned, number
        assert found.excess <= 1e-10, number


@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6, 1e7])
@pytest.mark.parametrize("classes", [2, 3])
def test_columns_far_from_zero_without_an_intercept(classes, offset):
    random = np.random.RandomState(7)
    X = random.randn(200, 3)
    y = (X @ random.randn(3, 3) + random.gumbel(size=(200, 3))).argmax(axis=1)
    if classes == 2:
        y = np.minimum(y, 1)
    X = X + offset
    for model in (
        mlcore.LogisticRegression(fit_intercept=False).fit(X, y),
        mlcore.LogisticRegression(fit_intercept=False).fit_chunks([(X[:90], y[:90]), (X[90:], y[90:])]),
    ):
        case = campaign().Draw(X, y, None, {"C": 1.0, "fit_intercept": False})
        problem = campaign().Problem(case)
        least, known = campaign().least(problem, problem.of(model))
        assert known
        assert problem.value(problem.of(model)) <= least * (1 + 1e-10)
        assert not model.intercept_.any()


@pytest.mark.parametrize(
    ("n", "p", "classes", "C"),
    [
        (65, 499, 2, 1e4),
        (65, 60, 2, 1e5),
        (65, 60, 5, 1e5),
        (65, 120, 3, 1e3),
        (65, 3000, 2, 1e4),
        (65, 1200, 3, 1e2),
        # as many rows as columns, or more, and more than 1,000 coefficients
        (1020, 1001, 2, 0.1),
        (400, 340, 3, 0.3),
    ],
)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_l1_with_a_weak_penalty(n, p, classes, C, l1_ratio):
    """The slope is of the penalty's size where a coefficient is not zero, and below it elsewhere."""
    random = np.random.RandomState(0)
    X, y = random.randn(n, p), random.randint(0, classes, n)
    model = mlcore.LogisticRegression(l1_ratio=l1_ratio, C=C).fit(X, y)
    assert model.n_iter_[0] < 60
    # a nearly certain row's own residual is the sum of the other classes' probabilities
    P = model.predict_proba(X)
    P[np.arange(n), y] = 0.0
    P[np.arange(n), y] = -P.sum(axis=1)
    slope = C * (P.T @ X)[1 if classes == 2 else 0 :] + (1 - l1_ratio) * model.coef_
    there = model.coef_ != 0
    np.testing.assert_allclose(slope[there], -l1_ratio * np.sign(model.coef_[there]), rtol=1e-3)
    assert np.abs(slope[~there]).max(initial=0.0) <= l1_ratio * (1 + 1e-3)
