"""LinearRegression and Ridge beside scikit-learn's, their lanes and what they say when it goes wrong."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn import linear_model as theirs
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

import mlcore

from .problems import XB, XI, YB, YI, X, Y, same

WEIGHT = np.random.default_rng(0).uniform(0.1, 2, len(X))


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("y", [Y, np.column_stack([Y, Y**2 / 100])], ids=["one", "two"])
def test_linear_regression(y, weight, fit_intercept):
    ours = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight)
    other = theirs.LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight)
    same(ours, other)
    np.testing.assert_allclose(ours.predict(X), other.predict(X))
    assert ours.rank_ == other.rank_
    np.testing.assert_allclose(ours.singular_, other.singular_)
    assert ours.n_iter_ == 1


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 10.0, np.array([0.5, 3.0])], ids=str)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
def test_ridge(alpha, weight, fit_intercept):
    y = np.column_stack([Y, Y**2 / 100])
    ours = mlcore.Ridge(alpha=alpha, fit_intercept=fit_intercept).fit(X, y, weight)
    other = theirs.Ridge(alpha=alpha, fit_intercept=fit_intercept, solver="cholesky").fit(X, y, weight)
    same(ours, other, rtol=1e-7)


@pytest.mark.parametrize("gradient", ["backprop", "numerical"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_descent_reaches_the_exact_answer(gradient, fit_intercept):
    A, y = StandardScaler().fit_transform(X[:, :3]), (Y - 100) / 50
    options = {"solver": "gradient_descent", "learning_rate": 0.2, "gradient": gradient, "fit_intercept": fit_intercept}
    same(mlcore.LinearRegression(max_iter=500, **options).fit(A, y),
         theirs.LinearRegression(fit_intercept=fit_intercept).fit(A, y), rtol=1e-6)  # fmt: skip
    same(mlcore.Ridge(5.0, max_iter=500, **options).fit(A, y, WEIGHT),
         theirs.Ridge(5.0, fit_intercept=fit_intercept).fit(A, y, WEIGHT), rtol=1e-6)  # fmt: skip
    labels = (y > 0).astype(int)
    options["learning_rate"] = 2.0
    same(mlcore.LogisticRegression(C=0.7, max_iter=2000, **options).fit(A, labels),
         theirs.LogisticRegression(C=0.7, tol=1e-10, fit_intercept=fit_intercept).fit(A, labels),
         rtol=1e-5)  # fmt: skip


def test_handed_to_scikit_learn():
    """Sparse X, positive coefficients, L1 and scikit-learn's solver names are its own code's answers."""
    sparse = scipy.sparse.csr_matrix(X)
    same(mlcore.LinearRegression().fit(sparse, Y), theirs.LinearRegression().fit(sparse, Y))
    same(mlcore.LinearRegression(positive=True).fit(X, Y), theirs.LinearRegression(positive=True).fit(X, Y))
    same(mlcore.Ridge().fit(sparse, Y), theirs.Ridge().fit(sparse, Y))
    same(mlcore.Ridge(solver="lsqr").fit(X, Y), theirs.Ridge(solver="lsqr").fit(X, Y))
    other = theirs.LogisticRegression(solver="liblinear", random_state=0).fit(XB, YB)
    same(mlcore.LogisticRegression(solver="liblinear", random_state=0).fit(XB, YB), other)
    model = mlcore.LogisticRegression(l1_ratio=1.0, C=0.05, max_iter=2000, random_state=0).fit(XB, YB)
    assert (model.coef_ == 0).any()
    flat = scipy.sparse.csr_matrix(XI)
    model = mlcore.LogisticRegression(max_iter=1000).fit(flat, YI)
    np.testing.assert_allclose(model.predict_proba(flat), model.predict_proba(XI))
    np.testing.assert_allclose(mlcore.Ridge().fit(X, Y).predict(sparse), mlcore.Ridge().fit(X, Y).predict(X))


def test_divergence():
    for model in (mlcore.LinearRegression, mlcore.Ridge, mlcore.LogisticRegression):
        y = Y if model is not mlcore.LogisticRegression else (Y > 100).astype(int)
        fresh = model(solver="gradient_descent", learning_rate=1e200, max_iter=500)
        with pytest.warns(ConvergenceWarning, match=r"diverged at step \d+.*learning_rate"):
            with pytest.raises(ValueError, match="non-finite"):
                fresh.fit(X * 1e150, y)
        assert not hasattr(fresh, "coef_")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mlcore.LinearRegression(solver="exact").fit(X, Y), "'exact'"),
        (lambda: mlcore.LinearRegression().fit(X, Y, -WEIGHT), "Negative"),
        (lambda: mlcore.LinearRegression().fit(X, Y, 0 * WEIGHT), "non-zero"),
        (lambda: mlcore.LinearRegression(solver="gradient_descent", learning_rate=0).fit(X, Y), "learning_rate"),
        (lambda: mlcore.LinearRegression(solver="gradient_descent", gradient="no").fit(X, Y), "'no'"),
        (lambda: mlcore.LinearRegression(solver="gradient_descent", max_iter=0).fit(X, Y), "max_iter"),
        (lambda: mlcore.Ridge(-1).fit(X, Y), "alpha"),
        (lambda: mlcore.Ridge([1, 2]).fit(X, Y), "alpha has shape"),
        (lambda: mlcore.Ridge(solver="svdd").fit(X, Y), "'svdd'"),
        (lambda: mlcore.LogisticRegression(C=0).fit(X, YB[: len(X)]), "C is 0"),
        (lambda: mlcore.LogisticRegression(l1_ratio=2).fit(X, YB[: len(X)]), "l1_ratio"),
        (lambda: mlcore.LogisticRegression(penalty="l3").fit(X, YB[: len(X)]), "'l3'"),
        (lambda: mlcore.LogisticRegression().fit(X, np.zeros(len(X))), "only one class"),
        (lambda: mlcore.LogisticRegression().fit(X, Y + 0.5), "Unknown label type"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("columns", [0, 1, 2])
@pytest.mark.parametrize("solver", ["auto", "lsqr", "sag", "gradient_descent"])
def test_files_of_every_shape(tmp_path, solver, columns, fit_intercept):
    y = np.column_stack([Y, 2 * Y])[:, :columns] / 100 if columns else Y / 100
    models = [mlcore.Ridge(solver=solver, fit_intercept=fit_intercept, random_state=0, max_iter=500)]
    if solver in ("auto", "gradient_descent"):
        models.append(mlcore.LinearRegression(solver=solver, fit_intercept=fit_intercept))
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        model.save(tmp_path / "m")
        again = mlcore.load(tmp_path / "m")
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        assert np.shape(again.intercept_) == np.shape(model.intercept_)


@pytest.mark.parametrize(
    "lay_out", [np.ascontiguousarray, np.asfortranarray, lambda A: np.repeat(A, 2, axis=1)[:, ::2]]
)
@pytest.mark.parametrize("fit", ["fit", "partial_fit", "gradient_descent", "sparse"])
@pytest.mark.parametrize("shape", [(20, 3), (1, 3), (1, 1025), (7, 1100)], ids=str)
@pytest.mark.parametrize("model", [mlcore.LinearRegression, mlcore.Ridge])
def test_all_fitted_numbers_are_finite_or_the_error_says_what_to_scale(model, shape, fit, lay_out):
    if fit == "partial_fit" and shape[1] > 1000:
        pytest.skip("sums of products of so many columns take a second")
    A = lay_out(np.random.default_rng(8).standard_normal(shape).astype(np.float32))
    y = np.ones(shape[0]) if shape[0] == 1 else A[:, 0].astype(float)
    # these two square in float32 on the way
    largest = 1e10 if fit in ("gradient_descent", "sparse") else 1e37
    fitted = model(solver="gradient_descent", max_iter=20) if fit == "gradient_descent" else model()
    rows = scipy.sparse.csr_matrix(A) if fit == "sparse" else A
    call = fitted.partial_fit if fit == "partial_fit" else fitted.fit
    call(rows, y * largest)
    before = vars(fitted).copy()
    assert np.isfinite(fitted.coef_).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=r"[Ss]cale|too large for dtype"):
            call(rows, y * 1e45)
    assert vars(fitted).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(fitted).items())
    assert fitted.coef_.dtype == np.float32


@pytest.mark.parametrize("sparse", [False, True], ids=["", "sparse"])
def test_answers_too_large_for_the_models_dtype_are_refused(sparse):
    A = np.array([[1.0], [2.0], [3.0]])
    model = mlcore.LinearRegression().fit(A.astype(np.float32), A[:, 0])
    rows = np.array([[1e40], [1.0]])
    with pytest.raises(ValueError, match="too large for float32"):
        model.predict(scipy.sparse.csr_matrix(rows) if sparse else rows)
    with pytest.raises(ValueError, match="too large for float64"):
        mlcore.LinearRegression().fit(A, A[:, 0] * 1e10).predict(rows * 1e260)


@pytest.mark.parametrize("shape", [(20, 3), (1, 1025), (5, 1100)], ids=str)
def test_numbers_near_the_largest_are_fitted_without_a_word(shape):
    """Their sums overflow on the way; warnings would be errors here."""
    A = (np.random.default_rng(9).uniform(-1, 1, shape) * 3e38).astype(np.float32)
    model = mlcore.LinearRegression(fit_intercept=False).fit(A, A[:, 0].astype(float))
    np.testing.assert_allclose(model.predict(A), A[:, 0], rtol=1e-5)
