"""LogisticRegression: its parameters and answers beside scikit-learn's, and what it says when it goes wrong."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from sklearn import linear_model as theirs
from sklearn.exceptions import ConvergenceWarning

import mlcore

from .problems import FEW, MANY, XB, XI, YB, YI, data, objective, same, weights_of


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
    with pytest.warns(ConvergenceWarning, match="max_iter") as caught:
        mlcore.LogisticRegression(**options).fit(X, y)
    assert [Path(warning.filename) for warning in caught] == [Path(__file__)]


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("data", ["two", "three"])
def test_logistic_regression(data, C):
    A, y = (XB[:, :8], YB) if data == "two" else (XI, YI)
    ours = mlcore.LogisticRegression(C=C, tol=1e-9, max_iter=2000).fit(A, y)
    other = theirs.LogisticRegression(C=C, tol=1e-9, max_iter=2000).fit(A, y)
    same(ours, other, rtol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(A), other.predict_proba(A), atol=1e-5)
    np.testing.assert_allclose(ours.decision_function(A), other.decision_function(A), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(ours.predict(A), other.predict(A))
    # the logarithm of a probability near 1 is the more exact one
    np.testing.assert_allclose(ours.predict_log_proba(A), np.log(ours.predict_proba(A)), atol=1e-15)


def test_logistic_options():
    same(mlcore.LogisticRegression(class_weight="balanced", fit_intercept=False, tol=1e-9).fit(XB[:, :4], YB),
         theirs.LogisticRegression(class_weight="balanced", fit_intercept=False, tol=1e-9).fit(XB[:, :4], YB),
         rtol=1e-4)  # fmt: skip
    free = mlcore.LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000).fit(XB[:, :3], YB)
    same(free, mlcore.LogisticRegression(penalty=None, tol=1e-9, max_iter=1000).fit(XB[:, :3], YB))
    warm = mlcore.LogisticRegression(warm_start=True, tol=1e-9).fit(XB, YB)
    assert warm.fit(XB, YB).n_iter_[0] <= 2
