"""LogisticRegression's minima beside scikit-learn's best, its parameters, and summary() against textbook formulas.

A minimum is judged by its objective, computed here from coefficients: where that is flat, two right answers can differ
in some digits.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
from conftest import COMPILED, ROOT
from sklearn import linear_model as theirs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.class_weight import compute_sample_weight

import mlcore
from mlcore.linear_model import _newton as newton
from mlcore.linear_model._likelihood import Curvature

SCALES = np.array([0.3, 1.0, 3.0, 1.0])
# twice as many rows are needed for a part of them to be fitted first
FEW, MANY = 60, 40_000


@lru_cache
def data(n, classes, p=4, noise=2.0):
    rng = np.random.default_rng(classes)
    X = rng.standard_normal((n, p)) * np.resize(SCALES, p) + np.resize([5.0, 0.0, -2.0], p)
    scores = (X - X.mean(axis=0)) / np.resize(SCALES, p) @ rng.standard_normal((p, classes))
    return X, (scores + noise * rng.gumbel(size=(n, classes))).argmax(axis=1)


def weights_of(n):
    return np.random.default_rng(1).uniform(0.1, 2.0, n)


def objective(model, X, y, C, weight=1.0, l1_ratio=0.0):
    """Weighted log loss plus penalty, from the coefficients as they were returned."""
    coefficients = np.asarray(model.coef_, np.float64)
    z = np.asarray(X, np.float64) @ coefficients.T + np.asarray(model.intercept_, np.float64)
    places = np.searchsorted(model.classes_, y)
    if z.shape[1] == 1:
        loss = np.logaddexp(0.0, np.where(places, -z[:, 0], z[:, 0]))
    else:
        loss = scipy.special.logsumexp(z, axis=1) - z[np.arange(len(z)), places]
    alpha = 0.0 if np.isinf(C) else 1.0 / C
    penalty = (1 - l1_ratio) / 2 * (coefficients**2).sum() + l1_ratio * np.abs(coefficients).sum()
    return (weight * loss).sum() + alpha * penalty


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


class TestBehaviour:
    @pytest.mark.parametrize("classes", [2, 3, 8])
    @pytest.mark.parametrize("options", [{}, {"C": np.inf}, {"C": 0.1, "l1_ratio": 1.0}], ids=str)
    def test_probabilities(self, classes, options):
        X, y = data(500, classes)
        model = mlcore.LogisticRegression(**options).fit(X, y)
        probabilities = model.predict_proba(X)
        assert probabilities.shape == (500, classes)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-14)
        z = X @ model.coef_.T + model.intercept_
        wanted = scipy.special.softmax(z if classes > 2 else np.column_stack([0 * z, z]), axis=1)
        np.testing.assert_allclose(probabilities, wanted, rtol=1e-9)
        np.testing.assert_array_equal(model.predict(X), wanted.argmax(axis=1))
        np.testing.assert_allclose(model.predict_log_proba(X), np.log(wanted), rtol=1e-9)
        np.testing.assert_allclose(model.decision_function(X), z if classes > 2 else z[:, 0], rtol=1e-9, atol=1e-12)
        if options.get("C") != np.inf:
            # without an intercept's penalty the mean probabilities are the shares
            np.testing.assert_allclose(probabilities.mean(axis=0), np.bincount(y) / 500, rtol=1e-4)

    def test_far_from_the_classes(self):
        X, y = data(500, 3)
        for classes in (2, 3):
            model = mlcore.LogisticRegression().fit(X, np.minimum(y, classes - 1))
            probabilities = model.predict_proba(1e6 * X)
            assert np.isfinite(probabilities).all()
            np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)

    @pytest.mark.parametrize("n", [FEW, MANY])
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
    def test_warm_start(self, n, classes, l1_ratio):
        X, y = data(n, classes)
        model = mlcore.LogisticRegression(C=0.5, warm_start=True, l1_ratio=l1_ratio).fit(X, y)
        cold = model.n_iter_[0]
        assert model.fit(X, y).n_iter_[0] <= min(2, cold)
        # from elsewhere it comes to the same end
        model.set_params(C=0.01).fit(X, y)
        other = mlcore.LogisticRegression(C=0.01, l1_ratio=l1_ratio).fit(X, y)
        found, wanted = (objective(m, X, y, 0.01, l1_ratio=l1_ratio) for m in (model, other))
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
        # other columns or classes begin anew
        model.fit(X[:, :2], y)
        model.fit(X[:, :2], np.minimum(y, 1) if classes > 2 else np.arange(n) % 3)
        assert mlcore.LogisticRegression(warm_start=False).fit(X, y).fit(X, y).n_iter_[0] > 1

    @pytest.mark.parametrize("factor", [10.0, 100.0, -1e4])
    @pytest.mark.parametrize("classes", [2, 3])
    def test_warm_start_from_far_away(self, classes, factor):
        """Where all probabilities are 0 or 1 to the last digit, the loss has no curvature."""
        X, y = data(FEW, classes)
        model = mlcore.LogisticRegression(warm_start=True).fit(X, y)
        least = objective(model, X, y, 1.0)
        model.coef_ = model.coef_ * factor
        model.fit(X, y)
        assert objective(model, X, y, 1.0) <= least * (1 + 1e-9)

    @pytest.mark.parametrize("n", [FEW, 3_000, MANY])
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("C", [0.01, 1.0, np.inf])
    def test_too_few_iterations(self, n, classes, C):
        """It warns, or it is where it promises to be."""
        X, y = data(n, classes)
        whole = mlcore.LogisticRegression(C=C).fit(X, y)
        least = objective(whole, X, y, C)
        for most in range(whole.n_iter_[0] + 1):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model = mlcore.LogisticRegression(C=C, max_iter=most).fit(X, y)
            assert model.n_iter_ == [most]
            if caught:
                assert caught[0].category is ConvergenceWarning
                wanted = f"after {most} iteration(s). Increase max_iter (now {most})"
                assert wanted in str(caught[0].message)
                assert caught[0].filename == __file__
                model.predict(X)
            else:
                assert objective(model, X, y, C) <= least * (1 + 1e-10)
            assert bool(caught) >= (most < whole.n_iter_[0] - 1)
            assert not (caught and most == whole.n_iter_[0])

    def test_no_iteration(self):
        X, y = data(FEW, 2)
        with pytest.warns(ConvergenceWarning, match="after 0 iteration"):
            model = mlcore.LogisticRegression(max_iter=0).fit(X, y)
        assert not model.coef_.any()
        assert not model.intercept_.any()

    @pytest.mark.parametrize("classes", [2, 3])
    def test_jobs_change_no_bit(self, classes):
        X, y = data(MANY, classes)
        one = mlcore.LogisticRegression(n_jobs=1).fit(X, y)
        for n_jobs in (None, 2, 3, -1):
            model = mlcore.LogisticRegression(n_jobs=n_jobs).fit(X, y)
            np.testing.assert_array_equal(model.coef_, one.coef_)
        with pytest.raises(ValueError, match="n_jobs"):
            mlcore.LogisticRegression(n_jobs=0).fit(X, y)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_weights_of_classes_are_weights_of_rows(self, classes):
        X, y = data(500, classes)
        weight = weights_of(500)
        for names in (np.arange(classes), np.array(["no", "yes", "undecided"])[:classes]):
            names = np.sort(names)
            chosen = dict(zip(names.tolist(), (3.0, 0.2, 1.0), strict=False))
            model = mlcore.LogisticRegression(tol=1e-8, class_weight=chosen).fit(X, names[y], weight)
            other = mlcore.LogisticRegression(tol=1e-8).fit(X, y, weight * np.array([3.0, 0.2, 1.0])[y])
            np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-10)

    def test_older_ways_to_say_it(self):
        X, y = data(FEW, 2)
        for older, newer in (
            ({"penalty": None}, {"C": np.inf}),
            ({"penalty": "l1", "l1_ratio": 1.0}, {"l1_ratio": 1.0}),
            ({"penalty": "elasticnet", "l1_ratio": 0.3}, {"l1_ratio": 0.3}),
            ({"penalty": "l2"}, {}),
        ):
            found, wanted = (mlcore.LogisticRegression(**options).fit(X, y) for options in (older, newer))
            np.testing.assert_array_equal(found.coef_, wanted.coef_)


def textbook_logistic(model, X, y, weight=1.0):
    """(coefficients, standard errors, log-likelihood) with the inverse of the Hessian at the solution."""
    A = np.column_stack([np.ones(len(X)), X]) if model.fit_intercept else np.asarray(X)
    B = np.column_stack([model.intercept_, model.coef_]) if model.fit_intercept else model.coef_
    # as contrasts with the first class
    B = B if len(B) == 1 else B[1:] - B[0]
    P = scipy.special.softmax(np.column_stack([np.zeros(len(A)), A @ B.T]), axis=1)
    blocks = [[A.T @ (A * (weight * P[:, i] * ((i == j) - P[:, j]))[:, np.newaxis]) for j in range(1, P.shape[1])]
              for i in range(1, P.shape[1])]  # fmt: skip
    errors = np.sqrt(np.linalg.inv(np.block(blocks)).diagonal()).reshape(B.shape)
    likelihood = (weight * np.log(P[np.arange(len(A)), np.searchsorted(model.classes_, y)])).sum()
    return np.squeeze(B), np.squeeze(errors), likelihood


class TestLogisticSummary:
    @pytest.mark.parametrize("n", [300, 30_000])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_against_the_textbook(self, n, classes, fit_intercept, weighted):
        X, y = data(n, classes)
        weight = np.random.default_rng(5).integers(0, 4, n) if weighted else np.ones(n, int)
        model = mlcore.LogisticRegression(C=np.inf, fit_intercept=fit_intercept).fit(X, y, weight if weighted else None)
        B, errors, likelihood = textbook_logistic(model, X, y, weight)
        found = model.summary(0.9)
        rows, k = weight.sum(), 4 + fit_intercept
        np.testing.assert_allclose(found.coefficients, B, rtol=1e-12)
        np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-6)
        np.testing.assert_allclose(found.statistics, B / errors, rtol=1e-6)
        np.testing.assert_allclose(found.p_values, 2 * scipy.stats.norm.sf(np.abs(B / errors)), rtol=1e-4)
        half = scipy.stats.norm.ppf(0.95) * errors
        np.testing.assert_allclose(found.confidence_intervals, np.stack([B - half, B + half], axis=-1), rtol=1e-5)
        np.testing.assert_allclose(found.log_likelihood, likelihood, rtol=1e-12)
        assert found.n_rows == rows
        assert found.df_model == 4 * (classes - 1)
        assert found.df_residual == rows - k * (classes - 1)
        shares = np.bincount(y, weight) / rows if fit_intercept else np.full(classes, 1 / classes)
        null = (np.bincount(y, weight) * np.log(shares)).sum()
        np.testing.assert_allclose(found.log_likelihood_null, null, rtol=1e-12)
        np.testing.assert_allclose(found.likelihood_ratio, 2 * (likelihood - null), rtol=1e-9)
        np.testing.assert_allclose(found.pseudo_r_squared, 1 - likelihood / null, rtol=1e-9)
        np.testing.assert_allclose(found.aic, 2 * k * (classes - 1) - 2 * likelihood, rtol=1e-12)
        np.testing.assert_allclose(found.bic, k * (classes - 1) * np.log(rows) - 2 * likelihood, rtol=1e-12)
        assert found.names == ("intercept",) * fit_intercept + ("x0", "x1", "x2", "x3")

    def test_is_that_of_the_repeated_rows(self):
        X, y = data(300, 3)
        counts = np.random.default_rng(5).integers(0, 4, 300)
        found = mlcore.LogisticRegression(C=np.inf).fit(X, y, counts).summary()
        wanted = mlcore.LogisticRegression(C=np.inf).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)).summary()
        for name in ("standard_errors", "log_likelihood", "log_likelihood_null", "aic", "bic"):
            np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-6)
        assert found.n_rows == wanted.n_rows

    def test_does_not_depend_on_units(self):
        X, y = data(300, 2)
        plain = mlcore.LogisticRegression(C=np.inf).fit(X, y).summary()
        unit = np.array([1e6, 1e-6, 1.0, 1e3])
        found = mlcore.LogisticRegression(C=np.inf).fit(X * unit, y).summary()
        np.testing.assert_allclose(found.standard_errors[1:] * unit, plain.standard_errors[1:], rtol=1e-6)
        np.testing.assert_allclose(found.condition, plain.condition, rtol=1e-6)

    def test_names(self):
        import pandas

        X, y = data(300, 3)
        labels = np.array(["maybe", "no", "yes"])[y]
        found = mlcore.LogisticRegression(C=np.inf).fit(pandas.DataFrame(X, columns=list("abcd")), labels).summary()
        assert found.names == ("intercept", "a", "b", "c", "d")
        assert found.output_names == ("no against maybe", "yes against maybe")
        assert "yes against maybe" in str(found)

    # of scikit-learn 1.8, for C=inf
    @pytest.mark.filterwarnings("ignore:Setting penalty=None will ignore the C:UserWarning")
    def test_refusals(self):
        X, y = data(300, 2)
        free = mlcore.LogisticRegression(C=np.inf)
        with pytest.raises(NotFittedError):
            free.summary()
        for model in (
            mlcore.LogisticRegression(),
            mlcore.LogisticRegression(C=1e10),
            mlcore.LogisticRegression(C=0.1, l1_ratio=0.5),
            mlcore.LogisticRegression(C=np.inf, solver="newton-cholesky"),
            mlcore.LogisticRegression(C=np.inf, solver="gradient_descent", max_iter=3),
        ):
            with pytest.raises(ValueError, match="for an unpenalised fit"):
                model.fit(X, y).summary()
        with pytest.raises(ValueError, match="for an unpenalised fit"):
            mlcore.LogisticRegression(C=np.inf, max_iter=2000).fit(scipy.sparse.csr_array(X), y).summary()
        # what an earlier fit has left does not count
        with pytest.raises(ValueError, match="for an unpenalised fit"):
            free.fit(X, y).set_params(C=1.0).fit(X, y).summary()
        with pytest.raises(ValueError, match="confidence_level"):
            mlcore.LogisticRegression(C=np.inf).fit(X, y).summary(95)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_refuses_dependent_columns(self, classes):
        X, y = data(300, classes)
        for more in (X[:, 0], X.sum(axis=1), np.full(300, 2.0), np.full(300, 0.1)):
            model = mlcore.LogisticRegression(C=np.inf).fit(np.column_stack([X, more]), y)
            with pytest.raises(ValueError, match="depend on each other"):
                model.summary()

    def test_refuses_separated_classes(self):
        X, y = data(300, 2)
        for rows, labels in ((X, (X[:, 0] > 5).astype(int)), (X[:5], y[:5])):
            with pytest.warns(ConvergenceWarning, match="separated"):
                model = mlcore.LogisticRegression(C=np.inf).fit(rows, labels)
            with pytest.raises(ValueError, match="separated"):
                model.summary()

    def test_refuses_where_the_maximum_was_not_reached(self):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            model = mlcore.LogisticRegression(C=np.inf, max_iter=2).fit(*data(300, 2))
        with pytest.raises(ValueError, match="maximum"):
            model.summary()


class TestLinearSummary:
    @pytest.mark.parametrize("n", [60, 30_000])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("outputs", [0, 1, 2])
    @pytest.mark.parametrize(
        "kind", [mlcore.LinearRegression, lambda **more: mlcore.Ridge(0.0, **more)], ids=["", "Ridge"]
    )
    def test_against_the_textbook(self, kind, n, outputs, weighted, fit_intercept):
        X, _ = data(n, 2)
        rng = np.random.default_rng(6)
        y = X @ rng.standard_normal((4, max(outputs, 1))) + 3.0 + 2.0 * rng.standard_normal((n, max(outputs, 1)))
        y = y if outputs else y[:, 0]
        weight = np.where(np.arange(n) % 5, weights_of(n), 0.0) if weighted else np.ones(n)
        model = kind(fit_intercept=fit_intercept).fit(X, y, weight if weighted else None)
        found = model.summary(0.9)
        A = np.column_stack([np.ones(n), X]) if fit_intercept else X
        rows, k = np.count_nonzero(weight), A.shape[1]
        T = y.reshape(n, -1)
        covariance = np.linalg.inv(A.T @ (A * weight[:, np.newaxis]))
        b = covariance @ (A.T @ (weight[:, np.newaxis] * T))
        rss = weight @ (T - A @ b) ** 2
        tss = weight @ (T - (weight @ T / weight.sum() if fit_intercept else 0.0)) ** 2
        errors = np.sqrt(np.outer(covariance.diagonal(), rss / (rows - k)))
        t = b / errors
        half = scipy.stats.t.ppf(0.95, rows - k) * errors
        likelihood = -rows / 2 * (np.log(2 * np.pi * rss / rows) + 1) + np.log(weight[weight > 0]).sum() / 2
        f = (tss - rss) / 4 / (rss / (rows - k))
        for name, wanted in {
            "coefficients": b, "standard_errors": errors, "statistics": t,
            "p_values": 2 * scipy.stats.t.sf(np.abs(t), rows - k),
            "confidence_intervals": np.stack([b - half, b + half], axis=1),
            "r_squared": 1 - rss / tss, "adjusted_r_squared": 1 - (rows - fit_intercept) / (rows - k) * rss / tss,
            "f_statistic": f, "f_p_value": scipy.stats.f.sf(f, 4, rows - k),
            "residual_standard_error": np.sqrt(rss / (rows - k)), "log_likelihood": likelihood,
            "aic": 2 * k - 2 * likelihood, "bic": k * np.log(rows) - 2 * likelihood,
        }.items():  # fmt: skip
            value = getattr(found, name)
            # scikit-learn's Ridge, and with it ours, flattens coefficients of one column
            assert np.ndim(value) == np.ndim(wanted) - (np.ndim(model.coef_) == 1), name
            np.testing.assert_allclose(value, wanted.reshape(np.shape(value)), rtol=1e-7, atol=1e-300, err_msg=name)
        assert (found.n_rows, found.df_model, found.df_residual) == (rows, 4, rows - k)
        np.testing.assert_allclose(found.condition, model.condition_)

    def test_condition(self):
        X, _ = data(300, 2)
        y = X[:, 0]
        for fit_intercept in (True, False):
            model = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y)
            A = X - X.mean(axis=0) if fit_intercept else X
            wanted = np.linalg.cond(A / np.linalg.norm(A, axis=0))
            np.testing.assert_allclose(model.condition_, wanted, rtol=1e-10)
            np.testing.assert_allclose(model.singular_, np.linalg.svd(A)[1], rtol=1e-10)

    def test_a_perfect_fit(self):
        X, _ = data(300, 2)
        found = mlcore.LinearRegression().fit(np.round(X), np.round(X) @ [1.0, 2.0, 3.0, 4.0]).summary()
        np.testing.assert_allclose(found.coefficients, [0.0, 1.0, 2.0, 3.0, 4.0], atol=1e-14)
        assert found.r_squared == 1.0
        assert found.residual_standard_error < 1e-14

    def test_refusals(self):
        X, y = data(300, 2)
        with pytest.raises(NotFittedError):
            mlcore.LinearRegression().summary()
        for model, message in (
            (mlcore.Ridge(), "penalty"),
            (mlcore.Ridge(1e-12), "penalty"),
            (mlcore.LinearRegression(positive=True), "no sums"),
            (mlcore.LinearRegression(solver="gradient_descent", max_iter=2, learning_rate=1e-3), "no sums"),
        ):
            with pytest.raises(ValueError, match=message):
                model.fit(X, y).summary()
        with pytest.raises(ValueError, match="confidence_level"):
            mlcore.LinearRegression().fit(X, y).summary(95)
        # as many coefficients as rows, the intercept included
        for rows in (3, 4, 5):
            with pytest.raises(ValueError, match="As many coefficients as rows|rank"):
                mlcore.LinearRegression().fit(X[:rows], y[:rows]).summary()
        assert mlcore.LinearRegression().fit(X[:6], y[:6]).summary().df_residual == 1
        weight = np.r_[np.zeros(295), np.ones(5)]
        with pytest.raises(ValueError, match="fitted to 5 rows"):
            mlcore.LinearRegression().fit(X, y, weight).summary()

    def test_refuses_dependent_columns(self):
        X, y = data(300, 2)
        for more in (X[:, 0], X.sum(axis=1), np.full(300, 2.0), np.full(300, 0.1)):
            with pytest.warns(UserWarning, match="X has rank 4 of 5"):
                model = mlcore.LinearRegression().fit(np.column_stack([X, more]), y)
            with pytest.raises(ValueError, match="rank 4 of 5"):
                model.summary()
            assert model.condition_ == np.inf

    def test_of_a_penalty_turned_off_later(self):
        """It would tell of other coefficients than the model's."""
        X, y = data(300, 2)
        model = mlcore.Ridge(100.0).fit(X, y).set_params(alpha=0.0)
        try:
            found = model.summary()
        except ValueError as error:
            assert "penalty" in str(error)  # noqa: PT017 - or the model's own coefficients
        else:
            np.testing.assert_allclose(found.coefficients[1:], model.coef_)


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
    path = ROOT / "benchmarks" / "logistic_campaign.py"
    if not path.exists():
        pytest.skip("the benchmarks are not here")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
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


@pytest.mark.parametrize("lay_out", [np.ascontiguousarray, np.asfortranarray, lambda X: X.repeat(2, axis=1)[:, ::2]])
def test_numbers_at_the_ends_of_the_range(lay_out):
    X, y = data(FEW, 2)
    model = mlcore.LogisticRegression(C=1e-300).fit(lay_out(X * 1e-308), y)
    assert not model.coef_.any()
    np.testing.assert_allclose(model.intercept_, np.log(y.sum() / (len(y) - y.sum())))
    for labels in (y, data(FEW, 3)[1]):
        with pytest.raises(ValueError, match="scale the columns of X"):
            mlcore.LogisticRegression(C=np.inf).fit(lay_out(X * 1e-312), labels)
        with pytest.raises(ValueError, match="too large for float32"):
            mlcore.LogisticRegression(C=np.inf).fit(lay_out((X * 1e-40).astype(np.float32)), labels)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_hessian_of_a_summary_is_that_of_the_maximum(classes, fit_intercept):
    """Of columns about zero, where the textbook's inverse has twelve digits; moving them changes no slope's error."""
    X, y = data(300, classes)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = mlcore.LogisticRegression(C=np.inf, fit_intercept=fit_intercept).fit(X, y)
    _, errors, _ = textbook_logistic(model, X, y)
    np.testing.assert_allclose(model.summary().standard_errors, errors, rtol=1e-12)
    if fit_intercept:
        moved = mlcore.LogisticRegression(C=np.inf).fit(X + 2.0**10, y).summary()
        np.testing.assert_allclose(moved.standard_errors[..., 1:], errors[..., 1:], rtol=1e-11)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_class_without_weight(missing):
    """Its rows tell nothing: as without them, also of weights that balance the classes."""
    X, y = data(300, 3)
    weight = np.where(y == missing, 0.0, weights_of(300))
    kept = weight > 0
    found, wanted = (
        mlcore.LogisticRegression(C=np.inf).fit(X[rows], y[rows], weight[rows]).summary()
        for rows in (slice(None), kept)
    )
    for name in ("coefficients", "standard_errors", "log_likelihood", "log_likelihood_null", "aic", "bic", "p_values"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-10, err_msg=name)
    assert (found.df_model, found.n_rows, found.output_names) == (wanted.df_model, wanted.n_rows, ())
    model, alone = (
        mlcore.LogisticRegression(class_weight="balanced", C=np.inf).fit(X[rows], y[rows], weight[rows])
        for rows in (slice(None), kept)
    )
    probabilities = np.delete(model.predict_proba(X), missing, axis=1)
    np.testing.assert_allclose(probabilities, alone.predict_proba(X), atol=1e-8)


@pytest.mark.parametrize(
    "options",
    [{}, {"l1_ratio": 1.0}, {"solver": "saga"}, {"l1_ratio": 1.0, "wide": True}, {"wide": True}],
    ids=str,
)
def test_a_warning_names_the_line_that_fits(options):
    X, y = data(FEW, 2)
    options = {"C": 1e4, "max_iter": 1} | options
    if options.pop("wide", False):
        X = np.random.default_rng(0).standard_normal((FEW, 2100))
    with pytest.warns(ConvergenceWarning) as caught:
        mlcore.LogisticRegression(**options).fit(X, y)
    assert [Path(warning.filename) for warning in caught] == [Path(__file__)]
