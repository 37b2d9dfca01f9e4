"""What data can do to a fit: numbers that are none, columns that say nothing, weights, labels, scales, layouts.

Every case runs on few rows, whose sums are gathered in pairs of doubles from the start, and on many, which are summed
plainly first and then judged; both see the user's arrays before anyone has checked them.
"""

import pickle
import re
import tracemalloc
import warnings
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn import linear_model as theirs
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError

import mlcore

LINEAR = [mlcore.LinearRegression, mlcore.Ridge]
KINDS = [*LINEAR, mlcore.LogisticRegression]
COLUMNS = 6


@pytest.fixture(params=[60, 30_000], ids=["few", "many"])
def n(request):
    return request.param


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(params=LINEAR, ids=lambda kind: kind.__name__)
def linear(request):
    return request.param


def is_logistic(kind):
    return kind is mlcore.LogisticRegression


def new(kind, **parameters):
    """An estimator whose coefficients can be compared to more digits than a default fit promises."""
    return kind(**({"tol": 1e-8} if is_logistic(kind) else {}), **parameters)


def problem(kind, n, p=COLUMNS, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    score = X @ np.linspace(-1.0, 2.0, p)
    if is_logistic(kind):
        return X, (score + 2.0 * rng.standard_normal(n) > 0.0).astype(np.intp)
    return X, score + 0.5 + 0.3 * rng.standard_normal(n)


def weights_of(n):
    return np.random.default_rng(1).uniform(0.1, 2.0, n)


def numbers(model):
    return np.concatenate([np.ravel(model.coef_), np.ravel(model.intercept_)])


def agree(ours, other, rtol):
    """To so many parts of the largest coefficient."""
    found, wanted = numbers(ours), numbers(other)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * np.abs(wanted).max())


@contextmanager
def refused(model, message, *arrays, error=ValueError):
    """The right error, the model as it was, and the user's arrays too."""
    before, copies = pickle.dumps(model), [np.copy(array) for array in arrays]
    with pytest.raises(error, match=message):
        yield
    assert pickle.dumps(model) == before
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def integers(a):
    """Doubles as whole numbers times one power of two: exactly."""
    power = 53 - int(np.frexp(a[a != 0.0])[1].min())
    return np.array([int(value) for value in np.ldexp(a, power).flat], object).reshape(a.shape), power


def exact_solution(X, y, weight=None, alpha=0):
    """Intercept and coefficients as fractions, by elimination in the normal equations."""
    (A, a), (t, b) = integers(X), integers(y)
    A = np.column_stack([np.full(len(A), 2**a, object), A])
    weighted = A if weight is None else A * integers(weight)[0][:, np.newaxis]
    unit = 1 if weight is None else 2 ** integers(weight)[1]
    k = A.shape[1]
    rows = [[Fraction(value) for value in row] for row in np.column_stack([weighted.T @ A, weighted.T @ t])]
    for i in range(1, k):
        rows[i][i] += alpha * unit * 4**a
    for i in range(k):
        for j in range(i + 1, k):
            factor = rows[j][i] / rows[i][i]
            rows[j] = [u - factor * v for u, v in zip(rows[j], rows[i], strict=True)]
    found = [Fraction(0)] * k
    for i in reversed(range(k)):
        found[i] = (rows[i][k] - sum(rows[i][j] * found[j] for j in range(i + 1, k))) / rows[i][i]
    # A and t are in units of 2^-a and 2^-b
    return [value * Fraction(2) ** (a - b) for value in found]


def check_digits(model, exact, least=9):
    found = np.r_[model.intercept_, model.coef_]
    off = [abs(Fraction(float(f)) - e) / abs(e) for f, e in zip(found, exact, strict=True)]
    assert max(off) <= Fraction(10) ** -least, [float(value) for value in off]


def grid(n, seed=2):
    """Rows and answers in steps of 2^-16: adding 1e9 to them rounds nothing."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.standard_normal((n, COLUMNS)) * 2**16) / 2**16
    return X, X @ np.arange(1.0, COLUMNS + 1) + 0.25 + np.round(rng.standard_normal(n) * 2**6) / 2**7


class TestNotFinite:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_in_x(self, kind, n, bad):
        X, y = problem(kind, n)
        fitted = new(kind).fit(X, y)
        for place in ((0, 0), (n // 2, 3), (n - 1, COLUMNS - 1)):
            spoilt = X.copy()
            spoilt[place] = bad
            for rows in (spoilt, np.asfortranarray(spoilt), spoilt.astype(np.float32)):
                for model in (fitted, new(kind), new(kind, fit_intercept=False)):
                    with refused(model, "Input X contains (NaN|infinity)", rows, y):
                        model.fit(rows, y)
            # a row that does not count is read too
            with refused(fitted, "Input X contains (NaN|infinity)", spoilt):
                fitted.fit(spoilt, y, np.arange(n) != place[0])

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_in_y(self, kind, n, bad):
        X, y = problem(kind, n)
        fitted = new(kind).fit(X, y)
        for place in (0, n - 1):
            spoilt = y.astype(np.float64)
            spoilt[place] = bad
            for answers in (spoilt, spoilt.astype(np.float32), spoilt.tolist()):
                for model in (fitted, new(kind)):
                    with refused(model, "Input y contains (NaN|infinity)", answers):
                        model.fit(X, answers)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_in_weights(self, kind, n, bad):
        X, y = problem(kind, n)
        fitted, weight = new(kind).fit(X, y), weights_of(n)
        weight[n // 3] = bad
        for model in (fitted, new(kind)):
            with refused(model, "Input sample_weight contains (NaN|infinity)", weight):
                model.fit(X, y, weight)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_in_a_chunk(self, linear, n, bad):
        X, y = problem(linear, n)
        X_bad, y_bad, w_bad = X.copy(), y.copy(), weights_of(n)
        X_bad[5, 2] = y_bad[n - 1] = w_bad[0] = bad
        for model in (linear(), linear().partial_fit(X, y)):
            for rows, answers, weight, name in ((X_bad, y, None, "X"), (X, y_bad, None, "y"), (X, y, w_bad, "sample")):
                with refused(model, f"Input {name}.* contains (NaN|infinity)", rows, answers):
                    model.partial_fit(rows, answers, weight)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("options", [{}, {"C": np.inf}, {"C": 0.1, "l1_ratio": 1.0}], ids=str)
    def test_where_a_warm_start_begins(self, n, bad, classes, options):
        """From coefficients that are not zero an infinite row can have a finite loss."""
        X, _ = problem(mlcore.LogisticRegression, n)
        y = np.random.default_rng(3).integers(0, classes, n)
        model = mlcore.LogisticRegression(warm_start=True, **options).fit(X, y)
        for column in range(COLUMNS):
            spoilt = X.copy()
            spoilt[7, column] = bad
            with refused(model, "Input X contains (NaN|infinity)", spoilt):
                model.fit(spoilt, y)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    @pytest.mark.parametrize("p", [9, 1100])
    def test_in_more_columns_than_rows(self, kind, p, bad):
        X, y = problem(kind, 8, p)
        for place in ((0, 0), (7, p - 1)):
            spoilt = X.copy()
            spoilt[place] = bad
            model = kind()
            with refused(model, "Input X contains (NaN|infinity)", spoilt):
                model.fit(spoilt, y)
        weight = np.ones(8)
        weight[0] = bad
        with refused(model, "Input sample_weight contains", weight):
            model.fit(X, y, weight)

    @pytest.mark.parametrize("huge", [1e160, 1e300])
    @pytest.mark.parametrize(
        ("rows", "place", "options"),
        [
            (3_000, 78, {}),
            (3_000, 78, {"C": np.inf}),
            (3_000, 78, {"C": 0.1, "l1_ratio": 1.0}),
            (40_000, 16 * 64 + 3, {}),
            (40_000, 16 * 64 + 3, {"C": np.inf}),
        ],
    )
    def test_a_number_too_large_for_the_hessian(self, rows, place, options, huge):
        """In a row that is not among those by which columns are scaled, but among those that are fitted first."""
        X, y = problem(mlcore.LogisticRegression, rows)
        X[place, 2] = huge
        model = mlcore.LogisticRegression(**options)
        try:
            model.fit(X, y)
        except ValueError as error:
            assert "scale" in str(error)  # noqa: PT017 - or it may succeed
        else:
            assert np.isfinite(numbers(model)).all()
            assert model.score(np.delete(X, place, 0), np.delete(y, place)) > 0.6


class TestColumns:
    def test_constant(self, linear, n):
        X, y = problem(linear, n)
        for value in (0.0, 2.5, 0.1, -1e9 / 3):
            A = np.insert(X, 3, value, axis=1)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model = linear().fit(A, y)
            assert [f"rank {COLUMNS} of {COLUMNS + 1}" in str(w.message) for w in caught] == (
                [True] if linear is mlcore.LinearRegression else []
            )
            assert abs(model.coef_[3]) < 1e-12
            agree_without = linear().fit(X, y)
            np.testing.assert_allclose(np.delete(model.coef_, 3), agree_without.coef_, rtol=0, atol=1e-11)
            np.testing.assert_allclose(model.intercept_, agree_without.intercept_, rtol=0, atol=1e-11)

    @pytest.mark.parametrize("C", [1.0, np.inf])
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("value", [0.0, 2.5, 0.1, 3.7, 1e9 / 3])
    def test_constant_for_classes(self, n, classes, value, C):
        """A mean of equal numbers is not always that number; what is left must not become a direction of its own."""
        X, _ = problem(mlcore.LogisticRegression, n)
        y = np.random.default_rng(4).integers(0, classes, n)
        model = new(mlcore.LogisticRegression, C=C).fit(np.insert(X, 3, value, axis=1), y)
        without = new(mlcore.LogisticRegression, C=C).fit(X, y)
        np.testing.assert_allclose(np.delete(model.coef_, 3, axis=1), without.coef_, rtol=0, atol=1e-9)
        assert np.abs(model.coef_[:, 3] * value).max() < 10.0
        wanted = without.predict_proba(X[:50])
        np.testing.assert_allclose(model.predict_proba(np.insert(X, 3, value, axis=1)[:50]), wanted, rtol=1e-6)

    def test_nothing_but_constant(self, kind, n):
        _, y = problem(kind, n)
        A = np.full((n, 3), 2.5)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X has rank 0 of 3", UserWarning)
            model = new(kind).fit(A, y)
        assert not model.coef_.any()
        mean = y.mean()
        np.testing.assert_allclose(model.intercept_, np.log(mean / (1 - mean)) if is_logistic(kind) else mean)

    def test_duplicate(self, kind, n):
        """Twins share their coefficient alike."""
        X, y = problem(kind, n)
        options = {"C": np.inf} if is_logistic(kind) else {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = new(kind, **options).fit(np.column_stack([X, X[:, 1]]), y)
        assert len(caught) == (kind is mlcore.LinearRegression)
        coefficients = np.ravel(model.coef_)
        np.testing.assert_allclose(coefficients[-1], coefficients[1], rtol=1e-7)
        if kind is mlcore.Ridge:
            scaled = X.copy()
            scaled[:, 1] *= np.sqrt(2.0)
            one = np.delete(kind().fit(scaled, y).coef_, 1), kind().fit(scaled, y).coef_[1] / np.sqrt(2.0)
        else:
            one = np.delete(np.ravel(new(kind, **options).fit(X, y).coef_), 1), coefficients[1]
        np.testing.assert_allclose(np.delete(coefficients, [1, COLUMNS]), one[0], rtol=1e-9)
        np.testing.assert_allclose(coefficients[1], one[1], rtol=1e-9)

    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("weight", [None, weights_of(20)], ids=["", "weighted"])
    @pytest.mark.parametrize("p", [30, 1100])
    def test_more_columns_than_rows(self, p, weight, fit_intercept):
        """Sums of products for 30 columns, X itself for 1100."""
        X, y = problem(mlcore.LinearRegression, 20, p)
        y = np.column_stack([y, y**2])
        root = np.ones((20, 1)) if weight is None else np.sqrt(weight)[:, np.newaxis]
        means = np.zeros(p), np.zeros(2)
        if fit_intercept:
            means = np.average(X, axis=0, weights=weight), np.average(y, axis=0, weights=weight)
        A, T = (X - means[0]) * root, (y - means[1]) * root
        least_norm = (np.linalg.pinv(A, rcond=1e-12) @ T).T
        for model in (mlcore.LinearRegression(fit_intercept=fit_intercept),
                      mlcore.Ridge(0.0, fit_intercept=fit_intercept)):  # fmt: skip
            model.fit(X, y, weight)
            np.testing.assert_allclose(model.coef_, least_norm, rtol=0, atol=1e-9 * np.abs(least_norm).max())
            np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
        assert mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight).rank_ == 20 - fit_intercept
        for alpha in (0.3, np.array([0.3, 20.0])):
            model = mlcore.Ridge(alpha, fit_intercept=fit_intercept).fit(X, y, weight)
            for coefficients, one, t in zip(model.coef_, np.broadcast_to(alpha, 2), T.T, strict=True):
                wanted = A.T @ np.linalg.solve(A @ A.T + one * np.eye(20), t)
                np.testing.assert_allclose(coefficients, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())
            expected = means[1] - model.coef_ @ means[0] if fit_intercept else 0.0
            np.testing.assert_allclose(model.intercept_, expected, atol=1e-10)

    @pytest.mark.parametrize("p", [30, 1100])
    def test_more_columns_than_rows_for_classes(self, p):
        """Newton's method for 30 columns, L-BFGS for 1100."""
        X, y = problem(mlcore.LogisticRegression, 20, p)
        ours = mlcore.LogisticRegression(tol=1e-9, max_iter=1000).fit(X, y)
        other = theirs.LogisticRegression(tol=1e-9, max_iter=1000).fit(X, y)
        np.testing.assert_allclose(ours.coef_, other.coef_, atol=1e-6)

    def test_zero_weights_do_not_count_as_rows(self):
        """As many independent rows as count: no warning, in either lane."""
        for p in (30, 1100):
            X, y = problem(mlcore.LinearRegression, 20, p)
            weight = np.r_[np.zeros(8), np.ones(12)]
            model = mlcore.LinearRegression().fit(X, y, weight)
            assert model.rank_ == 11
            agree(model, mlcore.LinearRegression().fit(X[8:], y[8:]), 1e-12)

    @pytest.mark.parametrize("solver", ["small", "wide"])
    def test_the_warning_of_the_rank_points_at_the_caller(self, solver):
        X, y = problem(mlcore.LinearRegression, 20, 5 if solver == "small" else 1100)
        X[:] = X[:, :1]
        with pytest.warns(UserWarning, match="X has rank 1") as caught:
            mlcore.LinearRegression().fit(X, y)
        assert caught[0].filename == __file__

    def test_shapes(self, kind, n):
        X, y = problem(kind, n)
        model = kind()
        for rows, answers, message in (
            (X[:, 0], y, "Expected 2D array"),
            (X[:, :, np.newaxis], y, "dim 3"),
            (X[:, :0], y, "0 feature"),
            (X[:0], y[:0], "0 sample"),
            (X, y[:-1], "inconsistent numbers of samples"),
            (X, np.tile(y, (2, 2, 1)), "dim 3|1d array"),
            (X, None, "None"),
            (X.astype(np.complex128), y, "Complex"),
            (np.full(X.shape, "a"), y, "could not convert"),
        ):
            with refused(model, message):
                model.fit(rows, answers)
        model.fit(X, y)
        for rows, message in (
            (X[:, :-1], "expecting 6 features"),
            (X[:0], "0 sample"),
            (np.full((2, 6), np.nan), "NaN"),
        ):
            with refused(model, message):
                model.predict(rows)


class TestWeights:
    def test_zero_is_leaving_the_row_out(self, kind, n):
        X, y = problem(kind, n)
        weight = weights_of(n) * (np.arange(n) % 3 > 0)
        X[weight == 0] *= 50.0
        kept = weight > 0
        agree(new(kind).fit(X, y, weight), new(kind).fit(X[kept], y[kept], weight[kept]), 1e-10)

    def test_a_first_row_that_does_not_count(self, linear, n):
        """Others are shifted by it."""
        X, y = problem(linear, n)
        X[0], y[0] = 1e9, -1e9
        weight = weights_of(n)
        weight[0] = 0.0
        agree(linear().fit(X, y, weight), linear().fit(X[1:], y[1:], weight[1:]), 1e-10)

    def test_whole_numbers_are_repeated_rows(self, kind, n):
        X, y = problem(kind, n)
        counts = np.random.default_rng(5).integers(0, 4, n)
        for weight in (counts, counts.astype(np.uint8), counts.astype(np.float64), counts.tolist()):
            agree(new(kind).fit(X, y, weight), new(kind).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)), 1e-11)

    def test_refused(self, kind, n):
        X, y = problem(kind, n)
        negative = np.ones(n)
        negative[n - 1] = -1e-300
        for model in (kind(), kind().fit(X, y)):
            for weight, message in (
                (np.zeros(n), "at least one non-zero"),
                (0.0, "at least one non-zero"),
                (negative, "Negative values"),
                (-1.0, "Negative values"),
                (np.ones(n - 1), r"sample_weight.shape"),
                (np.ones((n, 1)), "1D array or scalar"),
            ):
                with refused(model, message, weight):
                    model.fit(X, y, weight)

    def test_one_for_all(self, kind, n):
        X, y = problem(kind, n)
        agree(new(kind).fit(X, y, 3.0), new(kind).fit(X, y, np.full(n, 3.0)), 1e-12)

    @pytest.mark.parametrize("unit", [1e-300, 1e-310, 1e300])
    def test_of_any_size(self, n, unit):
        X, y = problem(mlcore.LinearRegression, n)
        weight = weights_of(n)
        agree(mlcore.LinearRegression().fit(X, y, weight * unit), mlcore.LinearRegression().fit(X, y, weight), 1e-9)

    def test_in_float64_for_rows_in_float32(self, linear):
        """Weights that float32 cannot hold."""
        X, y = problem(linear, 60)
        weight = weights_of(60)
        for unit in (1e-60, 1e60):
            alpha = {} if linear is mlcore.LinearRegression else {"alpha": unit}
            model = linear(**alpha).fit(X.astype(np.float32), y, weight * unit)
            agree(model, linear().fit(X.astype(np.float32), y, weight), 1e-6)


LABELS = {
    "strings": ["no", "yes", "undecided"],
    "objects": np.array(["no", "yes", "undecided"], object),
    "floats": [-2.0, 0.0, 3.0],
    "negative": [-7, -3, 0],
    "huge": [-(2**63), 0, 2**63 - 1],
    "huge, unsigned": np.array([0, 2**63, 2**64 - 1], np.uint64),
    "small": np.array([-128, 0, 127], np.int8),
    "65535 apart": [0, 7, 65_535],
    "65536 apart": [3, 7, 65_539],
    "big-endian": np.array([1, 2, 300], ">i4"),
}


class TestLabels:
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("names", LABELS.values(), ids=LABELS)
    def test_of_any_kind(self, n, names, classes):
        X, _ = problem(mlcore.LogisticRegression, n)
        names = np.unique(names)[:classes]
        places = np.random.default_rng(6).integers(0, classes, n)
        plain = mlcore.LogisticRegression().fit(X, places)
        # scikit-learn's checks know no list of numbers above the signed ones
        for labels in (names[places], names[places].tolist())[: 1 if names.dtype == np.uint64 else 2]:
            model = mlcore.LogisticRegression().fit(X, labels)
            np.testing.assert_array_equal(model.classes_, names)
            agree(model, plain, 1e-12)
            np.testing.assert_array_equal(model.predict(X), names[plain.predict(X)])

    def test_truth_values(self, n):
        X, y = problem(mlcore.LogisticRegression, n)
        model = mlcore.LogisticRegression().fit(X, y > 0)
        assert model.classes_.dtype == bool
        agree(model, mlcore.LogisticRegression().fit(X, y), 1e-12)

    @pytest.mark.parametrize("only", [1, "a", 2.0, True])
    def test_one_class(self, n, only):
        X, y = problem(mlcore.LogisticRegression, n)
        for model in (mlcore.LogisticRegression(), mlcore.LogisticRegression().fit(X, y)):
            with refused(model, "only one class"):
                model.fit(X, np.full(n, only))

    def test_no_labels(self, n):
        X, y = problem(mlcore.LogisticRegression, n)
        model = mlcore.LogisticRegression()
        for labels, message in (
            (y + 0.5 * (np.arange(n) % 3), "Unknown label type"),
            (np.where(y > 0, None, 1), "Unknown label type"),
            (np.column_stack([y, y]), "1d array"),
        ):
            with refused(model, message):
                model.fit(X, labels)
        with pytest.warns(DataConversionWarning):
            model.fit(X, y[:, np.newaxis])
        agree(model, mlcore.LogisticRegression().fit(X, y), 1e-12)


class TestScales:
    @pytest.mark.parametrize("weight", [None, np.round(weights_of(60) * 64) / 64], ids=["", "weighted"])
    @pytest.mark.parametrize(("x", "y"), [(0, 0), (1e9, 0), (0, 1e9), (1e9, -1e9), (-1e9, 1e9)])
    def test_offsets_against_the_exact_solution(self, x, y, weight):
        X, t = grid(60)
        exact = exact_solution(X + x, t + y, weight)
        check_digits(mlcore.LinearRegression().fit(X + x, t + y, weight), exact, 13)
        exact = exact_solution(X + x, t + y, weight, alpha=3)
        check_digits(mlcore.Ridge(3.0).fit(X + x, t + y, weight), exact, 13)

    @pytest.mark.parametrize(("x", "y"), [(1e9, 0), (0, 1e9), (1e9, -1e9)])
    def test_offsets_of_many_rows(self, linear, x, y):
        X, t = grid(30_000)
        plain, moved = linear().fit(X, t), linear().fit(X + x, t + y)
        np.testing.assert_allclose(moved.coef_, plain.coef_, rtol=1e-11)
        np.testing.assert_allclose(moved.intercept_, plain.intercept_ + y - x * plain.coef_.sum(), rtol=1e-11)
        two = linear().fit(np.asfortranarray(X + x), np.column_stack([t + y, t]))
        np.testing.assert_allclose(two.coef_, [plain.coef_] * 2, rtol=1e-11)

    def test_offsets_of_all_rows_but_the_first(self):
        """The first row is what others are shifted by."""
        X, y = grid(3_000)
        X[1:] += 1e9
        check_digits(mlcore.LinearRegression().fit(X, y), exact_solution(X, y))

    def test_offsets_for_classes(self, n):
        X, t = grid(n)
        y = (t - 0.25 + 4 * np.random.default_rng(7).standard_normal(n) > 0).astype(int)
        plain, moved = (new(mlcore.LogisticRegression).fit(X + x, y) for x in (0.0, 1e9))
        np.testing.assert_allclose(moved.coef_, plain.coef_, rtol=1e-9)

    @pytest.mark.parametrize("rows", [60, 3_000, 30_000])
    @pytest.mark.parametrize("place", [0, 40])
    @pytest.mark.parametrize("outlier", ["x, one column", "x, unequal", "x, equal", "y"])
    def test_an_outlier(self, rows, place, outlier):
        X, y = grid(rows)
        if outlier == "x, one column":
            X[place, 2] = 1e9
        elif outlier == "x, unequal":
            X[place] = [1e9, -3e9, 2e9, 1e9, 4e9, 5e9]
        elif outlier == "x, equal":
            X[place] = 1e9
        else:
            y[place] = 1e9
        check_digits(mlcore.LinearRegression().fit(X, y), exact_solution(X, y))

    @pytest.mark.parametrize("size", [1e4, 1e6, 1e9])
    @pytest.mark.parametrize("columns", [2, slice(None)], ids=["one column", "all columns"])
    def test_an_outlier_among_classes(self, n, columns, size):
        """While the others' scores move by little at a time, every step gains little, far from the minimum."""
        X, y = problem(mlcore.LogisticRegression, n)
        X[0, columns] = size
        ours = mlcore.LogisticRegression().fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = theirs.LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y)

        def objective(model):
            z = X @ model.coef_[0] + model.intercept_[0]
            return np.logaddexp(0.0, np.where(y > 0, -z, z)).sum() + 0.5 * (model.coef_**2).sum()

        assert objective(ours) <= objective(other) * (1 + 1e-8)

    def test_denormal_columns(self, n):
        X, y = grid(n)
        X, y = X * 1e-310, y * 1e-310
        found = mlcore.LinearRegression().fit(X, y)
        exact = exact_solution(X, y)
        np.testing.assert_allclose(found.coef_, [float(value) for value in exact[1:]], rtol=1e-9)
        np.testing.assert_allclose(found.intercept_, float(exact[0]), rtol=1e-9)

    @pytest.mark.parametrize("kind", [mlcore.Ridge, mlcore.LogisticRegression])
    @pytest.mark.parametrize("unit", [1e-200, 1e-310])
    def test_a_column_too_small_to_matter(self, kind, n, unit):
        """With a penalty its coefficient is zero but for rounding, and others are what they are without it."""
        X, y = problem(kind, n)
        tiny = X.copy()
        tiny[:, 2] *= unit
        model, without = new(kind).fit(tiny, y), new(kind).fit(np.delete(X, 2, axis=1), y)
        coefficients = np.ravel(model.coef_)
        assert abs(coefficients[2]) < 1e-100
        np.testing.assert_allclose(np.delete(coefficients, 2), np.ravel(without.coef_), rtol=1e-9)

    @pytest.mark.parametrize("kind", [mlcore.LinearRegression, mlcore.LogisticRegression])
    @pytest.mark.parametrize("unit", [1e-200, 1e-150, 1e150, 1e200, 1e300])
    @pytest.mark.parametrize("which", [2, slice(None)], ids=["one column", "all columns"])
    def test_columns_of_any_size_without_penalty(self, kind, n, unit, which):
        X, y = problem(kind, n)
        scale = np.ones(COLUMNS)
        scale[which] = unit
        options = {"C": np.inf} if is_logistic(kind) else {}
        model, plain = new(kind, **options).fit(X * scale, y), new(kind, **options).fit(X, y)
        np.testing.assert_allclose(np.ravel(model.coef_) * scale, np.ravel(plain.coef_), rtol=1e-9)
        np.testing.assert_allclose(model.intercept_, plain.intercept_, rtol=1e-9)

    def test_a_column_too_large_to_be_penalised(self, kind, n):
        X, y = problem(kind, n)
        for options in ({}, {"l1_ratio": 0.5}) if is_logistic(kind) else ({},):
            models = [new(kind, **options).fit(X * np.where(np.arange(COLUMNS) == 2, unit, 1.0), y)
                      for unit in (1e30, 1e300)]  # fmt: skip
            coefficients = [np.ravel(model.coef_) for model in models]
            coefficients[0][2], coefficients[1][2] = coefficients[0][2] * 1e30, coefficients[1][2] * 1e300
            np.testing.assert_allclose(coefficients[1], coefficients[0], rtol=1e-9)

    def test_coefficients_that_no_double_holds(self, n):
        """y of unit size from a column of 1e-310 asks for a coefficient of 1e310: an error, or less rank."""
        X, y = problem(mlcore.LinearRegression, n)
        X[:, 2] *= 1e-310
        model = mlcore.LinearRegression()
        try:
            model.fit(X, y)
        except ValueError as error:
            assert "scale" in str(error)  # noqa: PT017 - or it may succeed
        else:
            assert np.isfinite(numbers(model)).all()

    @pytest.mark.parametrize("unit", [1e-310, 1e-200, 1e200, 1e300])
    def test_answers_of_any_size(self, linear, n, unit):
        X, y = problem(linear, n)
        model = linear().fit(X, y * unit)
        # 1e-310 itself has 44 bits
        np.testing.assert_allclose(numbers(model) / unit, numbers(linear().fit(X, y)), rtol=1e-9)

    def test_constant_and_perfect_answers(self, linear, n):
        X, _ = problem(linear, n)
        for value in (0.0, 3.3, 1e9 / 3):
            model = linear().fit(X, np.full(n, value))
            np.testing.assert_allclose(model.coef_, 0.0, atol=1e-15 * abs(value))
            np.testing.assert_allclose(model.intercept_, value, rtol=1e-15)
        exact = np.arange(1.0, COLUMNS + 1)
        if linear is mlcore.LinearRegression:
            np.testing.assert_allclose(linear().fit(X, X @ exact + 1e6).coef_, exact, rtol=1e-9)


def layouts(X):
    n = len(X)
    packed = np.zeros(n, np.dtype([("flag", "i1"), ("row", "f8", COLUMNS)]))
    packed["row"] = X
    locked = X.copy()
    locked.flags.writeable = False
    return {
        "Fortran": np.asfortranarray(X),
        "every second column": np.repeat(X, 2, axis=1)[:, ::2],
        "every second row": np.repeat(X, 2, axis=0)[::2],
        "of a transposed block": np.repeat(np.asfortranarray(X), 3, axis=0)[::3],
        "rows backwards": X[::-1].copy()[::-1],
        "columns backwards": X[:, ::-1].copy()[:, ::-1],
        "both backwards": X[::-1, ::-1].copy()[::-1, ::-1],
        "unaligned": packed["row"],
        "read-only": locked,
        "big-endian": X.astype(">f8"),
        "longdouble": X.astype(np.longdouble),
        "objects": X.astype(object),
        "list": X.tolist(),
    }


class TestLayouts:
    def test_of_x(self, kind, n):
        X, y = problem(kind, n)
        weight = weights_of(n)
        plain = new(kind).fit(X, y, weight)
        for name, rows in layouts(X).items():
            model = new(kind).fit(rows, y, weight)
            np.testing.assert_allclose(numbers(model), numbers(plain), rtol=1e-12, err_msg=name)
            assert model.coef_.dtype == np.float64, name
            np.testing.assert_allclose(model.predict(rows), plain.predict(X), rtol=1e-12, err_msg=name)

    def test_of_y_and_weights(self, kind, n):
        X, y = problem(kind, n)
        weight = weights_of(n)
        plain = new(kind).fit(X, y, weight)
        for change in (
            lambda a: np.repeat(a, 2)[::2],
            lambda a: a[::-1].copy()[::-1],
            lambda a: np.frombuffer(a.tobytes(), a.dtype),  # read-only
            lambda a: a.astype(a.dtype.newbyteorder()),
            lambda a: a.tolist(),
        ):
            agree(new(kind).fit(X, change(y), change(weight)), plain, 1e-12)
        if not is_logistic(kind):
            agree(kind().fit(X, y.astype(object), weight), plain, 1e-12)
            two = np.asfortranarray(np.column_stack([y, y]))
            for answers in (two, two[:, ::-1], np.repeat(two, 2, axis=1)[:, ::2]):
                np.testing.assert_allclose(kind().fit(X, answers, weight).coef_, [plain.coef_] * 2, rtol=1e-12)

    def test_repeated_memory(self, kind, n):
        """A broadcast array's rows or columns are one and the same."""
        X, y = problem(kind, n)
        for rows in (np.broadcast_to(X[:, :1], (n, 3)), np.broadcast_to(X[0], (n, COLUMNS))):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "X has rank", UserWarning)
                agree(new(kind).fit(rows, y), new(kind).fit(rows.copy(), y), 1e-12)

    def test_frames(self, kind, n):
        import pandas

        X, y = problem(kind, n)
        frame = pandas.DataFrame(X, columns=list("abcdef"))
        model = new(kind).fit(frame, pandas.Series(y), pandas.Series(weights_of(n)))
        agree(model, new(kind).fit(X, y, weights_of(n)), 1e-12)
        assert list(model.feature_names_in_) == list("abcdef")
        np.testing.assert_array_equal(model.predict(frame), new(kind).fit(frame, y, weights_of(n)).predict(frame))
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(frame.rename(columns={"a": "z"}))
        assert not hasattr(model.fit(X, y), "feature_names_in_")

    @pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64, np.float16, ">i2"])
    def test_other_numbers(self, kind, n, dtype):
        X, y = problem(kind, n)
        rows = (X > 0) if dtype is bool else np.clip(np.round(4 * X + 20), 0, 99).astype(dtype)
        model = new(kind).fit(rows, y)
        agree(model, new(kind).fit(rows.astype(np.float64), y), 1e-12)
        assert model.coef_.dtype == np.float64
        if not is_logistic(kind):
            answers = (y > 0) if dtype is bool else np.clip(np.round(4 * y + 40), 0, 99).astype(dtype)
            agree(kind().fit(X, answers), kind().fit(X, answers.astype(np.float64)), 1e-12)

    def test_float32_is_summed_in_float64(self, kind, n):
        """Its sums are those of the same numbers in float64, here far from zero, and what is returned is rounded."""
        X, y = problem(kind, n)
        X = (X + 100.0).astype(np.float32)
        for weight in (None, weights_of(n)):
            model, double = new(kind).fit(X, y, weight), new(kind).fit(X.astype(np.float64), y, weight)
            assert model.coef_.dtype == model.intercept_.dtype == np.float32
            np.testing.assert_allclose(numbers(model), numbers(double), rtol=1e-6)
            assert model.predict(X).dtype == (np.float32 if not is_logistic(kind) else y.dtype)

    def test_answers_of_one_column(self, linear, n):
        X, y = problem(linear, n)
        ours, other = linear().fit(X, y[:, np.newaxis]), getattr(theirs, linear.__name__)().fit(X, y[:, np.newaxis])
        assert ours.coef_.shape == other.coef_.shape
        assert np.shape(ours.intercept_) == np.shape(other.intercept_)
        assert ours.predict(X).shape == other.predict(X).shape
        agree(ours, linear().fit(X, y), 1e-12)

    def test_files_are_not_read_into_memory(self, kind, tmp_path):
        n, p = 30_000, 20
        X, y = problem(kind, n, p)
        X.tofile(tmp_path / "X")
        mapped = np.memmap(tmp_path / "X", np.float64, "r", shape=(n, p))
        weight = weights_of(n)
        plain = new(kind).fit(X, y, weight)  # compiles what is not yet compiled
        for rows in (mapped, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X):
            new(kind).fit(rows[:100], y[:100], weight[:100])
            tracemalloc.start()
            try:
                model = new(kind).fit(rows, y, weight)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < 0.25 * X.nbytes
            agree(model, plain, 1e-12)


class TestChunks:
    def test_of_other_columns(self, linear, n):
        X, y = problem(linear, n)
        for model in (linear().partial_fit(X, y), linear().fit(X, y)):
            for rows in (X[:, :3], np.column_stack([X, X])):
                with refused(model, "expecting 6 features", rows):
                    model.partial_fit(rows, y)
            with refused(model, "y has 2 columns"):
                model.partial_fit(X, np.column_stack([y, y]))
            with refused(model, "0 sample"):
                model.partial_fit(X[:0], y[:0])
            with refused(model, "inconsistent"):
                model.partial_fit(X, y[1:])

    def test_sparse(self, linear):
        from scipy import sparse

        X, y = problem(linear, 60)
        for model in (linear(), linear().fit(X, y)):
            with refused(model, "[Ss]parse", error=(ValueError, TypeError)):
                model.partial_fit(sparse.csr_array(X), y)

    def test_merged_models_that_do_not_fit(self, linear, n):
        import pandas

        X, y = problem(linear, n)
        frame = pandas.DataFrame(X, columns=list("abcdef"))
        model = linear().fit(frame, y)
        other = mlcore.Ridge if linear is mlcore.LinearRegression else mlcore.LinearRegression
        for wrong, message in (
            (linear().fit(X[:, :3], y), "shapes"),
            (linear().fit(X, np.column_stack([y, y])), "shapes"),
            (linear().fit(frame.rename(columns={"a": "z"}), y), "columns are"),
            (linear(fit_intercept=False).fit(X, y), "intercept"),
            (linear(positive=True).fit(X, y), "no sums of products"),
            (other().fit(X, y), "merge its like"),
            (None, "merge its like"),
        ):
            before = pickle.dumps(wrong)
            with refused(model, message):
                model.merge(wrong)
            assert pickle.dumps(wrong) == before
        with refused(model, "not fitted", error=NotFittedError):
            model.merge(linear())
        assert list(model.merge(linear().fit(X, y)).feature_names_in_) == list("abcdef")

    def test_of_other_columns_for_classes(self, n):
        import pandas

        X, y = problem(mlcore.LogisticRegression, n)
        frame = pandas.DataFrame(X, columns=list("abcdef"))
        for model in (mlcore.LogisticRegression(), mlcore.LogisticRegression().fit(X, y)):
            for chunks, message in (
                ([(X, y), (X[:, :3], y)], "expecting 6 features"),
                ([(X, y), (X[:0], y[:0])], "0 sample"),
                ([(X, y), (X, y[1:])], "inconsistent"),
                ([(X, y), (X, y, np.ones(3))], "sample_weight.shape"),
                ([(X, y), (X, y, -np.ones(n))], "Negative"),
                ([(X, y), (X * np.nan, y)], "NaN"),
                ([(X, y), (X, y, np.full(n, np.inf))], "infinity"),
                ([(frame, y), (frame.rename(columns={"a": "z"}), y)], "feature names"),
                ([(X[y == 0], y[y == 0])], "only one class"),
                ([(X, X[:, 0])], "Unknown label type"),
            ):
                with refused(model, message):
                    model.fit_chunks(chunks)


class TestSeparated:
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize("classes", [2, 3])
    def test_perfectly(self, n, classes, fit_intercept):
        X, _ = problem(mlcore.LogisticRegression, n)
        y = (X[:, 0] > 0).astype(int) if classes == 2 else (X[:, :3] @ np.eye(3)).argmax(axis=1)
        for options in ({"C": np.inf}, {"penalty": None}):
            with pytest.warns(ConvergenceWarning, match="perfectly separated.*Use a finite C"):
                model = mlcore.LogisticRegression(fit_intercept=fit_intercept, **options).fit(X, y)
            assert np.isfinite(numbers(model)).all()
            assert model.score(X, y) == 1.0
            with pytest.raises(ValueError, match="separated"):
                model.summary()
        # a penalty, however weak, has a minimum
        assert mlcore.LogisticRegression(C=1e4, fit_intercept=fit_intercept).fit(X, y).score(X, y) > 0.999

    def test_but_for_one_row(self, n):
        """A maximum far out: the two equations of it hold."""
        x = np.sort(np.random.default_rng(8).standard_normal(n))
        y = (x > 0.3).astype(int)
        turned = np.searchsorted(x, 0.3) + 1
        y[turned] = 1 - y[turned]
        model = mlcore.LogisticRegression(C=np.inf).fit(x[:, np.newaxis], y)
        off = y - expit(x * model.coef_[0, 0] + model.intercept_[0])
        np.testing.assert_allclose([off.sum(), off @ x], 0.0, atol=1e-6)
        assert model.coef_[0, 0] > 20.0
        assert np.isfinite(model.summary().standard_errors).all()

    def test_with_weights_of_zero(self, n):
        """Rows that do not count do not keep the classes from being separated."""
        X, _ = problem(mlcore.LogisticRegression, n)
        y = (X[:, 0] > 0).astype(int)
        y[:5] = 1 - y[:5]
        with pytest.warns(ConvergenceWarning, match="perfectly separated"):
            mlcore.LogisticRegression(C=np.inf).fit(X, y, np.arange(n) >= 5)
        mlcore.LogisticRegression(C=np.inf).fit(X, y)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_in_part(self, n, classes):
        """One column settles some rows and one class alone: its coefficient has no maximum, and no standard error."""
        X, y = problem(mlcore.LogisticRegression, n)
        if classes == 2:
            X[:, 5] = np.arange(n) % 5 == 0
            y[X[:, 5] > 0] = 1
        else:
            y = np.where(X[:, 0] > 1, 2, y)
        with pytest.warns(ConvergenceWarning, match="separated"):
            model = mlcore.LogisticRegression(C=np.inf).fit(X, y)
        assert np.isfinite(numbers(model)).all()
        with pytest.raises(ValueError, match="separated"):
            model.summary()


class TestInvariance:
    def test_of_the_order_of_rows(self, kind, n):
        X, y = problem(kind, n)
        weight = weights_of(n)
        plain = new(kind).fit(X, y, weight)
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(n)
            agree(new(kind).fit(X[order], y[order], weight[order]), plain, 1e-12)

    def test_of_the_users_arrays(self, kind, n):
        X, y = problem(kind, n)
        weight = weights_of(n)
        for rows in (X, np.asfortranarray(X), X.astype(np.float32), np.column_stack([X[:, :5], X[:, :1]])):
            copies = [array.copy() for array in (rows, y, weight)]
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "X has rank", UserWarning)
                model = kind(fit_intercept=False).fit(rows, y, weight)
                model = kind().fit(rows, y, weight)
                model.predict(rows)
                if is_logistic(kind):
                    model.fit_chunks([(rows, y, weight), (rows, y)])
                    model.predict_proba(rows)
                else:
                    model.partial_fit(rows, y, weight)
            for array, copy in zip((rows, y, weight), copies, strict=True):
                np.testing.assert_array_equal(array, copy)

    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_of_wide_arrays(self, kind, fit_intercept):
        """Their singular values are taken in place, of a copy."""
        X, y = problem(kind, 20, 1100)
        for rows in (X, np.asfortranarray(X)):
            before = rows.copy()
            kind(fit_intercept=fit_intercept).fit(rows, y)
            np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("value", [2**63, 10**20, 10**400, -(10**400)], ids=["2^63", "1e20", "1e400", "-1e400"])
def test_whole_numbers_that_no_machine_holds(value):
    for make in (
        lambda: mlcore.MLPRegressor(max_iter=value),
        lambda: mlcore.MLPClassifier(hidden_layer_sizes=(value,)),
        lambda: mlcore.LogisticRegression(max_iter=value),
        lambda: mlcore.LogisticRegression(C=-abs(value)),
    ):
        with pytest.raises(ValueError, match="must be"):
            make().fit([[0.0], [1.0], [2.0]], [0, 1, 0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("number", [10**400, -(10**400), Fraction(10**400, 3)], ids=["1e400", "-1e400", "fraction"])
@pytest.mark.parametrize("place", ["X", "y", "sample_weight"])
@pytest.mark.parametrize("make", [*KINDS, mlcore.MLPClassifier, mlcore.MLPRegressor], ids=lambda make: make.__name__)
def test_numbers_beyond_float64(make, place, number):
    """In arrays of objects, lists and frames; to all that takes rows, and the model stays as it was."""
    rng = np.random.default_rng(0)
    X, y, weight = rng.standard_normal((12, 2)), np.arange(12) % 2, np.ones(12)
    model = make(max_iter=2).fit(X, y) if "MLP" in make.__name__ else make().fit(X, y)
    data = {"X": X, "y": y, "sample_weight": weight}
    spoilt = data[place].astype(object)
    spoilt[(4, 1) if place == "X" else 4] = number
    where = (
        re.escape("X[4, 1]" if place == "X" else f"{place}[4]") + f" is of type {type(number).__name__} and too large"
    )
    if place == "y" and hasattr(model, "classes_"):
        where = "Unknown label type|mix of|not valid labels"
    for given in (spoilt, spoilt.tolist(), pd.DataFrame(spoilt) if place == "X" else spoilt):
        arguments = data | {place: given}
        with refused(model, where):
            model.fit(**arguments)
        with refused(model, where):
            model.score(**arguments)
        if hasattr(model, "partial_fit"):
            with refused(model, where):
                model.partial_fit(**arguments)
        if place == "X":
            with refused(model, where):
                model.predict(given)
    if make is mlcore.LogisticRegression:
        with refused(model, where):
            model.fit_chunks([tuple((data | {place: spoilt}).values())])
        with refused(model.set_params(class_weight={0: 1, 1: number}), "class_weight.1. is of type"):
            model.fit(X, y)


def test_a_penalty_may_be_a_long_whole_number():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
    found = mlcore.LogisticRegression(C=10**20).fit(X, y).coef_
    np.testing.assert_array_equal(found, mlcore.LogisticRegression(C=1e20).fit(X, y).coef_)


class TestSettings:
    """A setting that is no number, or none that a double holds, is a ValueError that names it."""

    @pytest.mark.parametrize(
        ("estimator", "name"),
        [
            (mlcore.Ridge, "alpha"),
            *((mlcore.LogisticRegression, name) for name in ("C", "l1_ratio", "tol")),
            *(
                (mlcore.MLPClassifier, name)
                for name in ("alpha", "tol", "learning_rate_init", "momentum", "beta_1", "beta_2", "epsilon", "power_t")
            ),
            *((mlcore.MLPRegressor, name) for name in ("validation_fraction", "dropout", "clip_norm")),
        ],
    )
    def test_of_estimators(self, estimator, name):
        X, y = np.eye(4, 2), [0, 1, 0, 1]
        for value in (10**400, -(10**400), np.nan, 1j, "half"):
            with pytest.raises(ValueError, match=name):
                estimator(**{name: value}).fit(X, y)

    def test_of_functions(self):
        X, y, x = np.eye(5, 2), [1.0, 2.0, 4.0, 7.0, 9.0], np.ones(2)
        for value in (10**400, np.nan, "half", 1j):
            for call, name in (
                (lambda v: mlcore.Network((2, 1)).fit(X, y, learning_rate=v), "learning_rate"),
                (lambda v: mlcore.Network((2, 1)).fit(X, y, momentum=v), "momentum"),
                (lambda v: mlcore.losses.huber.with_options(threshold=v), "threshold"),
                (lambda v: mlcore.LinearRegression().fit(X, y).summary(v), "confidence_level"),
                (lambda v: mlcore.gradient(np.sum, x, step=v), "step"),
                (lambda v: mlcore.gradient(np.sum, x, bounds=(None, v)), "bounds"),
                (lambda v: mlcore.numerical_derivative(abs, v), "x"),
                (lambda v: mlcore.numerical_derivative(np.sum, x, v), "delta"),
            ):
                with pytest.raises(ValueError, match=name):
                    call(value)

    def test_numbers_of_numpy_are_numbers(self):
        X, y = np.arange(6.0).reshape(-1, 1), [0, 1, 0, 1, 0, 1]
        for half in (np.float32(0.5), np.float64(0.5), np.longdouble(0.5), np.array(0.5)):
            np.testing.assert_array_equal(mlcore.Ridge(half).fit(X, y).coef_, mlcore.Ridge(0.5).fit(X, y).coef_)
            if isinstance(half, np.floating):
                fit = mlcore.LogisticRegression(C=half, l1_ratio=half).fit(X, y)
                np.testing.assert_array_equal(fit.coef_, mlcore.LogisticRegression(C=0.5, l1_ratio=0.5).fit(X, y).coef_)
                summary = mlcore.LinearRegression().fit(X, y).summary(half)
                assert summary.confidence_level == 0.5


@pytest.mark.parametrize("kind", ["M8[D]", "m8[s]"])
def test_labels_without_a_time(kind):
    """NaT equals nothing, not even itself: it is no class."""
    X, y = np.eye(6, 2), np.array([1, 2, 3, 1, 2, 3], np.int64).astype(kind)
    for estimator in (mlcore.LogisticRegression(), mlcore.MLPClassifier((2,), max_iter=1)):
        for missing in ([2], [0, 3, 5], slice(None)):
            labels = y.copy()
            labels[missing] = "NaT"
            with pytest.raises(ValueError, match="NaT"):
                estimator.fit(X, labels)
            assert not hasattr(estimator, "classes_")
    for labels, classes in ((np.full(6, "NaT", kind), y[:3]), (y, np.append(y[:3], np.array("NaT", kind)))):
        with pytest.raises(ValueError, match="NaT"):
            mlcore.MLPClassifier((2,)).partial_fit(X, labels, classes=classes)
    with pytest.raises(ValueError, match="NaT"):
        mlcore.LogisticRegression().fit_chunks([(X, y), (X, np.full(6, "NaT", kind))])
